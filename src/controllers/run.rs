//! Starts the operator and keeps it together until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::Handle;
use futures::FutureExt;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Sender;

use super::certificate::{self, Certificates, Mode, Schedule};
use super::configuration::{self, Address, Inputs};
use super::lease::Election;
use super::owner::{self, Owner};
use super::together::together;
use super::{emergency, events, evict, evidence, live, network, nodes, policies, reports, status, watch};
use crate::engine::gazetteer::Hints;
use crate::evidence::log::{self, Keyring, Log, Running};
use crate::evidence::sink::Destination;
use crate::index::Index;
use crate::state::{Clock, Shared};
use crate::telemetry::Metrics;
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
    /// What a database believes about addresses.
    pub hints: Option<Hints>,
    /// What no other replica is called.
    pub identity: String,
    /// Who owns what it writes.
    pub owner: Option<owner::Name>,
    /// Name of the Secret with the serving certificate.
    pub certificate_secret: String,
    /// Who makes the certificate.
    pub certificate_mode: Mode,
    /// How long certificates last.
    pub certificate_schedule: Schedule,
    /// Where decisions are recorded; none: nowhere.
    pub decision_log: Option<Destination>,
    /// Name of the Secret with the keys of that log.
    pub decision_log_secret: String,
    /// How long evidence for a node's country must be gone or disputed before its label is taken away.
    pub label_grace: Duration,
    /// How reports are written.
    pub reports: reports::Settings,
    /// What is counted.
    pub metrics: Metrics,
    /// How many pods are evicted a minute at most.
    pub evictions_per_minute: u32,
}

/// Whoever routes requests here needs a moment to notice that it should not; until then they are answered, each as the last one
/// of its connection.
const LINGER: Duration = Duration::from_secs(5);
/// After that, reviews in flight have this long to be answered.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start: no access to a cluster, an address in use, a URL without a host.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options {
        webhook_listen,
        address,
        health_listen,
        namespace,
        guards,
        hints,
        identity,
        owner,
        certificate_secret,
        certificate_mode,
        certificate_schedule,
        decision_log,
        decision_log_secret,
        label_grace,
        reports: report_settings,
        metrics,
        evictions_per_minute,
    } = options;
    // Both rustls providers may be in the tree; choosing one keeps the client from guessing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (client, evicting) = clients().await?;
    let index = index(hints, guards)?;
    let (shared, messages) = Shared::with_metrics(index, Clock::wall(), metrics);

    let serving = Arc::new(tls::Serving::default());
    let owner = Owner::new(owner);
    let settings = certificate::Settings {
        namespace: namespace.clone(),
        secret: certificate_secret,
        mode: certificate_mode,
        schedule: certificate_schedule,
        names: certificate_names(&address)?,
    };
    let certificates = Certificates::new(client.clone(), settings, serving.clone());
    let inputs = Inputs::new(address, namespace.clone(), guards);
    let budget = reports::Budget::new(report_settings.writes_per_second);
    let of_keys = (client.clone(), namespace.clone(), decision_log_secret);
    let (keeper, recording) = record(&shared, decision_log, &identity, of_keys)?.unzip();
    let election = Election::new(client.clone(), namespace.clone(), identity, owner.clone());

    let handle = Handle::new();
    let listener =
        std::net::TcpListener::bind(webhook_listen).with_context(|| format!("failed to listen on {webhook_listen}"))?;
    listener.set_nonblocking(true)?;
    let server = webhook::serve(listener, tls::config(serving)?, handle.clone(), webhook::app(shared.clone()))?;
    let probes = tokio::net::TcpListener::bind(health_listen)
        .await
        .with_context(|| format!("failed to listen on {health_listen}"))?;
    let probes = axum::serve(probes, webhook::health(shared.clone()));
    tracing::info!(webhook = %webhook_listen, health = %health_listen, "started");

    // What reads, on every replica.
    let everywhere = async {
        together([
            watch::all(client.clone(), shared.clone()).boxed_local(),
            events::run(client.clone(), shared.clone(), messages).boxed_local(),
            live::run(client.clone(), shared.clone()).boxed_local(),
            emergency::follow(client.clone(), &shared, &namespace).boxed_local(),
            certificates.follow(&shared).boxed_local(),
            reports::refused::run(client.clone(), &shared, report_settings, &budget, &owner).boxed_local(),
            keep(keeper, &shared).boxed_local(),
        ])
        .await;
    };
    // What writes, on the one replica that holds the lease; dropped at once when it no longer does.
    let under_the_lease = || async {
        // What another leader has had in force is looked at anew.
        shared.forget_compiled();
        let certificate = async {
            match certificate_mode {
                Mode::Own => certificates.keep(&shared, &owner).await,
                Mode::External => std::future::pending().await,
            }
        };
        together([
            network::run(client.clone(), shared.clone(), inputs.clone(), owner.clone()).boxed_local(),
            nodes::run(client.clone(), shared.clone(), label_grace).boxed_local(),
            status::run(client.clone(), shared.clone(), inputs.clone()).boxed_local(),
            reports::run(client.clone(), shared.clone(), report_settings, &budget).boxed_local(),
            evict::run(evicting.clone(), shared.clone(), inputs.clone(), evictions_per_minute).boxed_local(),
            policies::run(client.clone(), shared.clone(), inputs.clone(), owner.clone()).boxed_local(),
            configuration::run(client.clone(), shared.clone(), inputs.clone(), owner.clone()).boxed_local(),
            emergency::tell(&shared, &namespace).boxed_local(),
            certificate.boxed_local(),
        ])
        .await;
    };
    let stopping = Sender::new(false);
    let leading = async {
        Box::pin(election.lead(&shared, stopping.subscribe(), under_the_lease)).await;
        // It has stopped writing, and goes on answering until the server has drained.
        std::future::pending::<()>().await;
    };
    // Fields of one `async` block stay alive until the server has drained: watches go on while reviews are answered.
    let controllers = async { tokio::join!(everywhere, leading) };
    let stopped = stop(&shared, &stopping, handle);
    let ended = tokio::select! {
        ended = async { tokio::join!(server, stopped).0 } => ended.context("the webhook server failed"),
        ended = async { probes.await } => ended.context("the probe server failed"),
        _ = controllers => Err(anyhow::anyhow!("the controllers ended")),
    };
    if let Some(recording) = recording {
        // Nobody is answered any more: what was decided is written, and the log ends as it should.
        tokio::task::spawn_blocking(|| recording.close()).await?;
    }
    ended
}

/// What is built in, and nothing of the cluster yet.
fn index(hints: Option<Hints>, guards: bool) -> anyhow::Result<Index> {
    let catalogue = crate::catalogue::load().context("failed to read the built-in catalogue")?;
    let mut index = Index::new(catalogue);
    if let Some(hints) = hints {
        index.hint(hints);
    }
    Ok(if guards { index } else { index.without_exceptions() })
}

/// The client, and one for evictions that takes a no at once: a disruption budget's "not now" looks like a server that is busy,
/// which the other asks again and again.
async fn clients() -> anyhow::Result<(Client, Client)> {
    let config = Config::infer().await.context("failed to find a cluster: set KUBECONFIG, or run in one")?;
    let mut at_once = config.clone();
    at_once.default_retry = false;
    let client = |config| Client::try_from(config).context("failed to set up the client");
    Ok((client(config)?, client(at_once)?))
}

/// Starts the decision log, if there should be one, and returns who keeps its keys.
fn record(
    shared: &Shared,
    destination: Option<Destination>,
    replica: &str,
    (client, namespace, secret): (Client, String, String),
) -> anyhow::Result<Option<(evidence::Keeper, Running)>> {
    let Some(destination) = destination else { return Ok(None) };
    let (keyring, keys) = tokio::sync::watch::channel(Keyring::default());
    let keeps_checkpoints = !destination.can_be_read();
    let settings = log::Settings { destination, replica: replica.to_owned() };
    let (log, running) =
        Log::start(settings, keys, shared.metrics.clone()).context("failed to start the decision log")?;
    shared.set_decision_log(log);
    let (replica, checkpoints) = (replica.to_owned(), running.checkpoints.clone());
    let keeper = evidence::Keeper { client, namespace, secret, replica, keyring, checkpoints, keeps_checkpoints };
    Ok(Some((keeper, running)))
}

/// Keeps the keys of the decision log, where there is one.
async fn keep(keeper: Option<evidence::Keeper>, shared: &Shared) {
    match keeper {
        Some(keeper) => keeper.run(shared).await,
        None => std::future::pending().await,
    }
}

/// Waits for the signal to stop, has the lease given back, and lets reviews in flight be answered.
async fn stop(shared: &Shared, stopping: &Sender<bool>, handle: Handle<SocketAddr>) {
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
    shared.set_stopping();
    stopping.send_replace(true);
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
