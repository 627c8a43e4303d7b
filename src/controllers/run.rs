//! Starts the operator and keeps it together until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::Handle;
use jiff::Timestamp;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};

use super::configuration::{self, Address, Inputs};
use super::{events, network, nodes, policies, status, watch};
use crate::index::Index;
use crate::state::{Clock, Shared};
use crate::webhook::{self, tls};

/// How the operator runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens for admission reviews.
    pub webhook_listen: SocketAddr,
    /// How the API server reaches it.
    pub address: Address,
    /// Where it listens for probes and metrics.
    pub health_listen: SocketAddr,
    /// Its own namespace.
    pub namespace: String,
    /// Whether generated policies guard labels, kinds and configurations.
    pub guards: bool,
    /// How long evidence for a node's country must be gone or disputed before its label is taken away.
    pub label_grace: Duration,
}

/// Whoever routes requests here needs a moment to notice that it should not; until then they are answered.
const LINGER: Duration = Duration::from_secs(2);
/// After that, reviews in flight have this long to be answered.
const DRAIN: Duration = Duration::from_secs(10);
/// Validity of the serving certificate, and after how much of it a new one is made.
const CERTIFICATE_DAYS: i64 = 90;
const RENEW_AFTER: Duration = Duration::from_secs(60 * 24 * 3600);

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start: no access to a cluster, an address in use, a name that no certificate can carry.
pub async fn run(options: Options) -> anyhow::Result<()> {
    // Both rustls providers may be in the tree; choosing one keeps the client from guessing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Config::infer().await.context("failed to find a cluster: set KUBECONFIG, or run in one")?;
    let client = Client::try_from(config).context("failed to set up the client")?;
    let catalogue = crate::catalogue::load().context("failed to read the built-in catalogue")?;
    let (shared, messages) = Shared::new(Index::new(catalogue), Clock::wall());

    let names = certificate_names(&options.address)?;
    let identity = tls::issue(&names, Timestamp::now(), CERTIFICATE_DAYS)?;
    let inputs = Inputs {
        address: options.address.clone(),
        authority: identity.authority.clone(),
        namespace: options.namespace.clone(),
        protected: std::collections::BTreeSet::new(),
        holding: std::collections::BTreeSet::new(),
        served: std::collections::BTreeSet::new(),
        rewrites_storage: false,
        guards: options.guards,
        compiled: Vec::new(),
    };
    let rustls = tls::config(identity)?;
    let handle = Handle::new();
    let listener = std::net::TcpListener::bind(options.webhook_listen)
        .with_context(|| format!("failed to listen on {}", options.webhook_listen))?;
    listener.set_nonblocking(true)?;
    let server = webhook::serve(listener, rustls.clone(), handle.clone(), webhook::app(shared.clone()))?;
    let probes = tokio::net::TcpListener::bind(options.health_listen)
        .await
        .with_context(|| format!("failed to listen on {}", options.health_listen))?;
    let probes = axum::serve(probes, webhook::health(shared.clone()));
    tracing::info!(webhook = %options.webhook_listen, health = %options.health_listen, "started");

    // Fields of one `async` block stay alive until the server has drained: watches go on while reviews are answered.
    let controllers = async {
        tokio::join!(
            watch::all(client.clone(), shared.clone()),
            events::run(client.clone(), shared.clone(), messages),
            network::run(client.clone(), shared.clone(), inputs.clone()),
            nodes::run(client.clone(), shared.clone(), options.label_grace),
            status::run(client.clone(), shared.clone(), inputs.clone()),
            policies::run(client.clone(), shared.clone(), inputs.clone()),
            registered(client.clone(), shared.clone(), inputs.clone(), rustls, names),
        )
    };
    let stopped = stop(shared.clone(), handle);
    tokio::select! {
        ended = async { tokio::join!(server, stopped).0 } => ended.context("the webhook server failed"),
        ended = async { probes.await } => ended.context("the probe server failed"),
        _ = controllers => anyhow::bail!("the controllers ended"),
    }
}

/// Registers the webhook, and renews the certificate long before it ends.
async fn registered(
    client: Client,
    shared: Arc<Shared>,
    mut inputs: Inputs,
    rustls: axum_server::tls_rustls::RustlsConfig,
    names: Vec<String>,
) {
    // API servers take up a new bundle within a second or two; the old certificate serves until then.
    const TAKE_UP: Duration = Duration::from_secs(60);
    loop {
        let renew = async {
            tokio::time::sleep(RENEW_AFTER).await;
            tls::issue(&names, Timestamp::now(), CERTIFICATE_DAYS)
        };
        let identity = tokio::select! {
            () = configuration::run(client.clone(), shared.clone(), inputs.clone()) => return,
            identity = renew => identity,
        };
        let identity = match identity {
            Ok(identity) => identity,
            Err(error) => {
                tracing::error!(%error, "failed to renew the certificate");
                continue;
            }
        };
        let fresh = identity.authority.clone();
        let both = Inputs { authority: format!("{}{fresh}", inputs.authority), ..inputs.clone() };
        tokio::select! {
            () = configuration::run(client.clone(), shared.clone(), both) => return,
            () = tokio::time::sleep(TAKE_UP) => {}
        }
        match tls::server(identity) {
            Ok(server) => {
                rustls.reload_from_config(Arc::new(server));
                inputs.authority = fresh;
                tracing::info!("serving certificate renewed");
            }
            Err(error) => tracing::error!(%error, "failed to serve the renewed certificate"),
        }
    }
}

/// Waits for the signal to stop, then lets reviews in flight be answered.
async fn stop(shared: Arc<Shared>, handle: Handle<SocketAddr>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("failed to listen for signals");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: reviews in flight are answered");
    shared.set_ready(false);
    tokio::time::sleep(LINGER).await;
    handle.graceful_shutdown(Some(DRAIN));
}

/// What the API server will look for in the certificate.
fn certificate_names(address: &Address) -> anyhow::Result<Vec<String>> {
    match address {
        Address::Service { namespace, name } => {
            Ok(vec![format!("{name}.{namespace}.svc"), format!("{name}.{namespace}.svc.cluster.local")])
        }
        Address::Url(url) => {
            let uri: axum::http::Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
            let host = uri.host().with_context(|| format!("{url} names no host"))?;
            Ok(vec![host.trim_matches(['[', ']']).to_owned()])
        }
    }
}
