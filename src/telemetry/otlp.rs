//! Sends spans to a collector by OTLP over HTTP, if the operator is told to: never anything but spans of our own. The decision log
//! can go the same way (`logs`).
//!
//! Whoever works never waits for it: spans that have ended wait in a queue of limited length, from which a thread takes them in
//! batches. What finds the queue full, or no collector, is gone; what a collector does not take is counted.

pub mod logs;
mod sender;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData};
use prometheus_client::metrics::counter::Counter;
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use super::Listener;
use super::spans::TARGET;
use crate::controllers::watch::chain;
use crate::webhook::tls::TlsError;
use sender::Sender;

/// Where spans go, and how many.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Settings {
    /// Where traces are sent by OTLP over HTTP, and the decision log with `--decision-log otlp`: http(s)://HOST:PORT, to which
    /// /v1/traces and /v1/logs are added. Off by default: it is a way out, by which names of namespaces and objects leave.
    /// OTEL_EXPORTER_OTLP_HEADERS adds headers
    #[arg(long = "otlp-endpoint", env = "DOMICILE_OTLP_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    pub endpoint: Option<Url>,
    /// Certificates of the authorities that vouch for the collector, in PEM; by default those that the system trusts
    #[arg(
        long = "otlp-certificate-authority",
        env = "DOMICILE_OTLP_CERTIFICATE_AUTHORITY",
        value_name = "FILE",
        requires = "endpoint"
    )]
    pub authority: Option<PathBuf>,
    /// Which share of what nobody else traces is traced, from 0 to 1; what the API server traces is traced as it says
    #[arg(
        long = "otlp-sampling-ratio", env = "DOMICILE_OTLP_SAMPLING_RATIO", value_name = "RATIO", default_value_t = 1.0,
        value_parser = ratio
    )]
    pub ratio: f64,
}

/// Reads an endpoint.
fn endpoint(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("neither http://HOST nor https://HOST".to_owned());
    }
    // Credentials belong into headers, which only the environment has.
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("more than a scheme, a host, a port and a path".to_owned());
    }
    Ok(url)
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("not from 0 to 1".to_owned()) }
}

/// Whose spans and lines they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What no other replica is called.
    pub replica: String,
    /// The pod in which it runs, if it does.
    pub pod: Option<String>,
    /// The operator's namespace.
    pub namespace: String,
}

impl Source {
    fn resource(self) -> Resource {
        let Self { replica, pod, namespace } = self;
        let own = [
            KeyValue::new("service.name", "domicile"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", replica),
            KeyValue::new("k8s.namespace.name", namespace),
        ];
        let pod = pod.map(|pod| KeyValue::new("k8s.pod.name", pod));
        Resource::builder().with_attributes(own.into_iter().chain(pod)).build()
    }
}

/// Where a signal goes.
fn below(endpoint: &Url, path: &str) -> String {
    format!("{}/{path}", endpoint.as_str().trim_end_matches('/'))
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// There is no such file of authorities.
    #[error("failed to read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// It holds something else.
    #[error("failed to read the authorities of the collector")]
    Authority(#[from] TlsError),
    /// The system trusts nobody.
    #[error("failed to find the authorities that the system trusts")]
    System(#[source] std::io::Error),
    /// There is no TLS with them.
    #[error("failed to set up TLS")]
    Tls(#[from] rustls::Error),
    /// The library refuses the settings.
    #[error("failed to set up the exporter")]
    Exporter(#[from] ExporterBuildError),
}

/// An exporter at work.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Starts it, if there is an endpoint. It sends on this runtime, and counts spans that no collector took.
    ///
    /// # Errors
    ///
    /// When what it needs cannot be read or does not fit together. A collector that does not answer is no error.
    pub fn start(
        settings: &Settings,
        source: Source,
        runtime: Handle,
        lost: Counter,
    ) -> Result<Option<Self>, OtlpError> {
        let Settings { endpoint, authority, ratio } = settings;
        let Some(endpoint) = endpoint else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new(endpoint, authority.as_deref(), PATIENCE, runtime)?)
            .with_endpoint(below(endpoint, "v1/traces"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()?;
        let exporter = Counted { exporter, lost, failing: AtomicBool::new(false) };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(GATHER)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(*ratio))))
            .with_resource(source.resource())
            .build();
        Ok(Some(Self(provider)))
    }

    /// What listens to our spans, and to nothing else: no event becomes a part of them.
    pub fn listener(&self) -> Listener {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("domicile"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Parents are named: nothing needs to be found by the thread on which it runs.
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
            .boxed()
    }

    /// Sends what waits, and stops. Returns in time also when nobody takes it.
    pub fn close(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FAREWELL) {
            tracing::warn!(error = %chain(&error), "the last spans were not taken");
        }
    }
}

/// Spans that wait; more are dropped.
const WAITING: usize = 2048;
/// Spans in one request.
const BATCH: usize = 512;
/// Spans wait this long for others.
const GATHER: Duration = Duration::from_secs(2);
/// How long a collector may take for a batch, repetitions included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last spans may take: what is left of a pod's grace after lingering and draining.
const FAREWELL: Duration = Duration::from_secs(3);

/// Makes a span a child of the one that a request names. What vendors of traces add beside that stays out: it can be any text.
pub fn continue_from(span: &Span, headers: &HeaderMap) {
    struct Parent<'a>(&'a HeaderMap);
    impl Extractor for Parent<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key).filter(|_| key == TRACEPARENT)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            vec![TRACEPARENT]
        }
    }
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&Parent(headers));
        if parent.has_active_span() {
            // It fails where another subscriber listens, which then knows nothing of parents.
            let _ = span.set_parent(parent);
        }
    }
}

const TRACEPARENT: &str = "traceparent";

/// Counts what is lost, and says so when that begins and when it ends.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    lost: Counter,
    failing: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        match &exported {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("spans are taken again");
                }
            }
            Err(error) => {
                self.lost.inc_by(spans as u64);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %chain(error), "the collector does not take spans; they are dropped until it does");
                }
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
