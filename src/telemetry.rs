//! Logs and metrics. Never the content of an object: names, kinds, rules and verdicts only.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Labels of the admission counters. Every value is one of a fixed few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AdmissionLabels {
    /// `mutate` or `validate`.
    pub phase: &'static str,
    /// Kind of the object, or `other`.
    pub kind: &'static str,
    /// `Allow`, `Rewrite`, `Refuse` or `Error`.
    pub verdict: &'static str,
}

/// What the operator counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Reviews answered.
    pub admissions: Family<AdmissionLabels, Counter>,
    /// Seconds from a review's arrival to its answer, waiting for caches included.
    pub admission_seconds: Histogram,
    /// Events that were dropped because too many waited.
    pub events_dropped: Counter,
    /// Watches that failed and were started again.
    pub watch_failures: Counter,
    /// Whether this replica holds the lease and writes.
    pub leading: Gauge,
    /// Whether somebody has switched enforcement off.
    pub enforcement_off: Gauge,
    /// When the certificate in use ends, in seconds of Unix time.
    pub certificate_expiry: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 3.0];
        Self {
            admissions: Family::default(),
            admission_seconds: Histogram::new(buckets),
            events_dropped: Counter::default(),
            watch_failures: Counter::default(),
            leading: Gauge::default(),
            enforcement_off: Gauge::default(),
            certificate_expiry: Gauge::default(),
        }
    }
}

impl Metrics {
    /// The metrics under their names.
    pub fn registry(&self) -> Registry {
        let Self {
            admissions,
            admission_seconds,
            events_dropped,
            watch_failures,
            leading,
            enforcement_off,
            certificate_expiry,
        } = self.clone();
        let mut registry = Registry::with_prefix("domicile");
        registry.register("admission_requests", "Admission reviews answered", admissions);
        registry.register("admission_duration_seconds", "Time to answer an admission review", admission_seconds);
        registry.register("events_dropped", "Events dropped because too many waited", events_dropped);
        registry.register("watch_failures", "Watches that failed and were started again", watch_failures);
        registry.register("leading", "Whether this replica writes", leading);
        registry.register("enforcement_off", "Whether enforcement is switched off", enforcement_off);
        registry.register("certificate_expiry_timestamp_seconds", "End of the certificate in use", certificate_expiry);
        registry
    }
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Starts logging to stderr. `filter` is a level for each target, as in `info,domicile=debug`.
pub fn init(format: LogFormat, filter: &str) {
    // Unlike the filter by spans and fields this one needs no regular expressions, which cost a MiB.
    let filter: Targets = filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_target(false).boxed(),
    };
    // A second call keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
