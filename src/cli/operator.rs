//! `domicile operator`

use std::net::SocketAddr;
use std::time::Duration;

use super::Exit;
use crate::controllers::configuration::Address;
use crate::controllers::run::{self, Options};
use crate::telemetry::{self, LogFormat};

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
    /// Seconds for which the evidence of a node's country must be gone or disputed before its label is taken away
    #[arg(long, env = "DOMICILE_LABEL_GRACE_SECONDS", default_value_t = 30)]
    label_grace_seconds: u64,
    /// Guard the labels, kinds and configurations that decide what is protected by generated policies
    #[arg(long, env = "DOMICILE_GUARDS", action = clap::ArgAction::Set, default_value_t = true)]
    guards: bool,
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
        label_grace_seconds,
        guards,
        log_format,
        log,
    } = arguments;
    telemetry::init(log_format, &log);
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
        label_grace: Duration::from_secs(label_grace_seconds),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(WORKERS).build()?;
    runtime.block_on(run::run(options))?;
    Ok(Exit::Ok)
}

/// A review takes microseconds; more threads would only cost memory.
const WORKERS: usize = 2;
