//! `domicile operator`

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Exit;
use crate::controllers::certificate::{Mode, Schedule};
use crate::controllers::configuration::Address;
use crate::controllers::owner::Name;
use crate::controllers::reports::{ReportChoice, Settings};
use crate::controllers::run::{self, Options};
use crate::evidence::sink::{Destination, Files};
#[cfg(feature = "otlp")]
use crate::telemetry::otlp;
use crate::telemetry::{self, LogFormat, Metrics};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to listen for admission reviews
    #[arg(long, env = "DOMICILE_WEBHOOK_LISTEN", default_value = "0.0.0.0:9443")]
    webhook_listen: SocketAddr,
    /// How the API server reaches the webhook, for an operator outside the cluster: https://HOST:PORT
    #[arg(long, env = "DOMICILE_WEBHOOK_URL", conflicts_with = "webhook_service")]
    webhook_url: Option<String>,
    /// Name of the service in front of the webhook, in the operator's namespace
    #[arg(long, env = "DOMICILE_WEBHOOK_SERVICE", default_value = "domicile")]
    webhook_service: String,
    /// Where to listen for probes and metrics, in plain HTTP
    #[arg(long, env = "DOMICILE_HEALTH_LISTEN", default_value = "0.0.0.0:8080")]
    health_listen: SocketAddr,
    /// The operator's own namespace, which is never judged
    #[arg(long, env = "POD_NAMESPACE", default_value = "domicile-system")]
    namespace: String,
    /// What no other replica is called; by default the host's name and a number of this process
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// The object of the installation that owns whatever the operator writes, so that it goes with it: ClusterRole/NAME
    #[arg(long, env = "DOMICILE_OWNER")]
    owner: Option<Name>,
    /// Name of the Secret with the serving certificate, in the operator's namespace
    #[arg(long, env = "DOMICILE_CERTIFICATE_SECRET", default_value = "domicile-webhook-tls")]
    certificate_secret: String,
    /// Who makes the serving certificate
    #[arg(long, env = "DOMICILE_CERTIFICATE_MODE", value_enum, default_value = "self")]
    certificate_mode: Mode,
    /// Seconds for which a serving certificate of the operator's own holds; it is renewed after two thirds of them
    #[arg(long, env = "DOMICILE_CERTIFICATE_LIFETIME_SECONDS", default_value_t = 90 * DAY, value_parser = lifetime())]
    certificate_lifetime_seconds: u64,
    /// The same for the authority that signs it; at least three times as long
    #[arg(long, env = "DOMICILE_AUTHORITY_LIFETIME_SECONDS", default_value_t = 1095 * DAY, value_parser = lifetime())]
    authority_lifetime_seconds: u64,
    /// Seconds for which the evidence of a node's country must be gone or disputed before its label is taken away
    #[arg(long, env = "DOMICILE_LABEL_GRACE_SECONDS", default_value_t = 30)]
    label_grace_seconds: u64,
    /// Where decisions are recorded: `off`, `stdout`, a file, or with `otlp` the collector that --otlp-endpoint names
    #[arg(long, env = "DOMICILE_DECISION_LOG", default_value = "off", value_name = "off|stdout|otlp|PATH")]
    decision_log: String,
    /// How large a file of the decision log becomes before the next begins, in MiB
    #[arg(
        long, env = "DOMICILE_DECISION_LOG_SIZE_MIB", default_value_t = 64,
        value_parser = clap::value_parser!(u64).range(1..=65_536)
    )]
    decision_log_size_mib: u64,
    /// How many files of the decision log are kept beside the one that is written
    #[arg(
        long, env = "DOMICILE_DECISION_LOG_FILES", default_value_t = 15,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    decision_log_files: u16,
    /// Name of the Secret with the keys of the decision log, in the operator's namespace
    #[arg(long, env = "DOMICILE_DECISION_LOG_SECRET", default_value = "domicile-evidence")]
    decision_log_secret: String,
    /// Guard the labels, kinds and configurations that decide what is protected by generated policies
    #[arg(long, env = "DOMICILE_GUARDS", action = clap::ArgAction::Set, default_value_t = true)]
    guards: bool,
    /// A database of addresses in the MaxMind format, read at the start. What it believes is told with addresses that nobody
    /// declares, and is no proof
    #[arg(long, env = "DOMICILE_GEO_DATABASE", value_name = "FILE")]
    geo_database: Option<PathBuf>,
    /// Where reports go on what exists and on what was refused. With auto the choice follows what the cluster serves
    #[arg(long, env = "DOMICILE_REPORT_API", value_enum, default_value = "auto")]
    report_api: ReportChoice,
    /// How many reports are written a second at most
    #[arg(
        long, env = "DOMICILE_REPORT_WRITES_PER_SECOND", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    report_writes_per_second: u32,
    #[cfg(feature = "otlp")]
    #[command(flatten)]
    traces: otlp::Settings,
    /// How many pods are evicted a minute at most, where policies say `remediation: Evict`
    #[arg(
        long, env = "DOMICILE_EVICTIONS_PER_MINUTE", default_value_t = 6,
        value_parser = clap::value_parser!(u32).range(1..=600)
    )]
    evictions_per_minute: u32,
    /// Form of the log lines on stderr
    #[arg(long, env = "DOMICILE_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
    /// What to log: a level, or one for each target, as in info,domicile=debug
    #[arg(long, env = "DOMICILE_LOG", default_value = "info")]
    log: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    let Arguments {
        webhook_listen,
        webhook_url,
        webhook_service,
        health_listen,
        namespace,
        identity,
        owner,
        certificate_secret,
        certificate_mode,
        certificate_lifetime_seconds,
        authority_lifetime_seconds,
        label_grace_seconds,
        decision_log,
        decision_log_size_mib,
        decision_log_files,
        decision_log_secret,
        guards,
        geo_database,
        report_api,
        report_writes_per_second,
        #[cfg(feature = "otlp")]
        traces,
        evictions_per_minute,
        log_format,
        log,
    } = arguments;
    if authority_lifetime_seconds < 3 * certificate_lifetime_seconds {
        eprintln!("domicile: an authority must hold at least three times as long as a certificate");
        return Ok(Exit::Usage);
    }
    let replica = identity.clone().unwrap_or_else(made_up);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(WORKERS).build()?;
    let metrics = Metrics::default();
    #[cfg(feature = "otlp")]
    let (exporter, collector) = {
        let source = otlp::Source { replica: replica.clone(), pod: identity, namespace: namespace.clone() };
        let collector = otlp::logs::Collector::named(&traces, source.clone(), runtime.handle().clone())?;
        (otlp::Exporter::start(&traces, source, runtime.handle().clone(), metrics.spans_lost.clone())?, collector)
    };
    #[cfg(feature = "otlp")]
    let listener = exporter.as_ref().map(otlp::Exporter::listener);
    #[cfg(not(feature = "otlp"))]
    let (listener, collector) = (None, None);
    let decision_log = match decision_log.as_str() {
        "off" => None,
        "stdout" => Some(Destination::Stdout),
        "otlp" => {
            let Some(collector) = collector else {
                eprintln!("domicile: --decision-log otlp needs a collector: --otlp-endpoint");
                return Ok(Exit::Usage);
            };
            Some(Destination::Outlet(collector))
        }
        path => Some(Destination::File(Files {
            path: path.into(),
            size: decision_log_size_mib * 1024 * 1024,
            kept: decision_log_files.into(),
        })),
    };
    telemetry::init(log_format, &log, listener);
    let hints = geo_database.map(|file| crate::geo::open(&file)).transpose()?;
    let address = match webhook_url {
        Some(url) => Address::Url(url.trim_end_matches('/').to_owned()),
        None => Address::Service { namespace: namespace.clone(), name: webhook_service },
    };
    let options = Options {
        webhook_listen,
        address,
        health_listen,
        namespace,
        guards,
        hints,
        identity: replica,
        owner,
        certificate_secret,
        certificate_mode,
        certificate_schedule: Schedule {
            authority: Duration::from_secs(authority_lifetime_seconds),
            certificate: Duration::from_secs(certificate_lifetime_seconds),
        },
        decision_log,
        decision_log_secret,
        label_grace: Duration::from_secs(label_grace_seconds),
        reports: Settings { api: report_api, writes_per_second: report_writes_per_second },
        metrics,
        evictions_per_minute,
    };
    let ended = runtime.block_on(run::run(options));
    #[cfg(feature = "otlp")]
    if let Some(exporter) = exporter {
        exporter.close();
    }
    ended?;
    Ok(Exit::Ok)
}

/// A name that no other process has, for an operator that is told none.
fn made_up() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let number = RandomState::new().build_hasher().finish();
    format!("{}-{number:x}", host.trim())
}

const DAY: u64 = 24 * 3600;

/// Shorter ones would be renewed faster than API servers can follow; longer ones than a century help nobody.
fn lifetime() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(10..=36_500 * DAY)
}

/// A review takes microseconds; more threads would only cost memory.
const WORKERS: usize = 2;
