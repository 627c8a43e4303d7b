//! The serving certificate, in one Secret of the operator's namespace.
//!
//! The leader makes and renews it (`keep`); every replica loads it by a watch on that one object, and tells by it whether it
//! is ready (`follow`). With `Mode::External` somebody else keeps the Secret, and the operator only reads it. A Secret that
//! somebody else made is never written.

mod contents;
mod plan;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::Instant;

use super::FIELD_MANAGER;
use super::configuration::labels;
use super::live::Live;
use super::owner::Owner;
use super::watch::chain;
use crate::state::{Emergency, Shared};
use crate::webhook::tls::{self, Identity, Serving};
use contents::Contents;
pub use plan::{Schedule, TakenUp};
use plan::{Step, carry_out, plan};

/// Who makes the certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The operator, from an authority of its own
    #[value(name = "self")]
    Own,
    /// Somebody else, such as cert-manager: tls.crt, tls.key and ca.crt are read from the Secret, which is never written
    External,
}

/// What the certificate is for, and where it is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The operator's namespace.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Who makes it.
    pub mode: Mode,
    /// How long things last.
    pub schedule: Schedule,
    /// What API servers look for in it; at least one.
    pub names: Vec<String>,
}

/// The Secret, as far as it is known.
#[derive(Debug, Clone, Default)]
enum Seen {
    #[default]
    Unknown,
    Absent,
    /// Made by somebody else, while the operator should make it.
    Foreign,
    There(Arc<Secret>),
}

impl Seen {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::There(one), Self::There(other)) => Arc::ptr_eq(one, other),
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
}

/// What all of this follows from. Snapshots are published far more often than any of it changes.
#[derive(Debug, Clone)]
struct Basis {
    seen: Seen,
    live: Option<Arc<Live>>,
    emergency: Arc<Emergency>,
    full: bool,
}

impl Basis {
    fn is(&self, other: &Self) -> bool {
        let Self { seen, live, emergency, full } = self;
        let same_live = match (live, &other.live) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        seen.is(&other.seen) && same_live && Arc::ptr_eq(emergency, &other.emergency) && *full == other.full
    }
}

/// After a certificate was replaced from outside, other replicas may serve the old one for a while.
const RETAIN: SignedDuration = SignedDuration::from_mins(10);
/// A new authority is relied on when API servers have had so long to take it up.
const TAKES_EFFECT: SignedDuration = SignedDuration::from_secs(2);
/// Certificates end by time alone, which nobody tells.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A write is followed by the watch on what was written, or has failed.
const RETRY: Duration = Duration::from_secs(1);
/// Even if nothing is due, clocks may be set.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// One replica's view of the certificate.
pub struct Certificates {
    client: Client,
    settings: Settings,
    serving: Arc<Serving>,
    seen: watch::Sender<Seen>,
}

impl Certificates {
    /// Nothing is known yet.
    pub fn new(client: Client, settings: Settings, serving: Arc<Serving>) -> Self {
        Self { client, settings, serving, seen: watch::Sender::default() }
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.settings.namespace)
    }

    fn basis(&self, shared: &Shared) -> Basis {
        Basis {
            seen: self.seen.borrow().clone(),
            live: shared.live(),
            emergency: shared.emergency(),
            full: shared.synced() && shared.types_known(),
        }
    }

    /// Loads what the Secret holds, and tells whether this replica is ready (every replica). Runs until dropped.
    pub async fn follow(&self, shared: &Shared) {
        let mut secrets = pin!(watch_object(self.api(), &self.settings.secret).default_backoff());
        let mut published = shared.published();
        let mut replica = Replica::default();
        let mut looked_at: Option<Basis> = None;
        let mut due = Instant::now();
        loop {
            tokio::select! {
                event = secrets.next() => match event {
                    Some(Ok(secret)) => self.note(secret),
                    Some(Err(error)) => {
                        shared.metrics.watch_failures.inc();
                        tracing::warn!(error = %chain(&error), "the watch on the certificate failed, starting again");
                    }
                    None => return,
                },
                changed = published.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(due) => {}
            }
            let basis = self.basis(shared);
            if due <= Instant::now() || looked_at.as_ref().is_none_or(|before| !before.is(&basis)) {
                shared.set_ready(self.load(shared, &mut replica, &basis));
                due = Instant::now() + LOOK_AGAIN;
                looked_at = Some(basis);
            }
        }
    }

    fn note(&self, secret: Option<Secret>) {
        let seen = match secret {
            None => Seen::Absent,
            Some(secret) if self.settings.mode == Mode::External || contents::is_own(&secret) => {
                Seen::There(Arc::new(secret))
            }
            Some(_) => {
                tracing::error!(
                    namespace = %self.settings.namespace, secret = %self.settings.secret,
                    "this Secret was made by somebody else and is left alone: remove it, name another one, or use \
                     --certificate-mode external"
                );
                Seen::Foreign
            }
        };
        self.seen.send_replace(seen);
    }

    /// Serves what is in the Secret as soon as it will be trusted; why this replica is not ready, if it is not.
    fn load(&self, shared: &Shared, replica: &mut Replica, basis: &Basis) -> Result<(), String> {
        let Settings { namespace, secret: name, mode, schedule: _, names } = &self.settings;
        let Basis { seen, live, emergency, full } = basis;
        let now = Timestamp::now();
        if let Seen::There(secret) = seen {
            let usable = |contents: Contents| Some((Identity::new(&contents.serving).ok()?, contents));
            if let Some((identity, contents)) = Contents::read(secret).and_then(usable) {
                if replica.goes_over(&identity, live.as_deref(), names, now) {
                    self.serving.set(&identity);
                    if let Ok(validity) = identity.validity() {
                        tracing::info!(until = %validity.until, "serving a certificate");
                        shared.metrics.certificate_expiry.set(validity.until.as_second());
                    }
                    replica.served = Some(identity);
                }
                let mut trusted = contents.authorities;
                if *mode == Mode::External {
                    trusted.extend(replica.retained(&trusted, live.as_deref(), now));
                }
                shared.set_trusted(tls::to_pem(&trusted));
            }
        }
        if !full {
            return Err("caches are not full yet".to_owned());
        }
        let Some(served) = &replica.served else {
            return Err(match seen {
                Seen::Foreign => format!("Secret {namespace}/{name} was made by somebody else and is left alone"),
                Seen::There(_) => {
                    format!("Secret {namespace}/{name} holds no ca.crt, tls.crt and tls.key that can be used")
                }
                Seen::Unknown | Seen::Absent => format!("Secret {namespace}/{name} does not exist yet"),
            });
        };
        match (&**emergency, live) {
            // Nobody is asked, and there is nothing to be verified against.
            (Emergency::Off(_), _) => Ok(()),
            (Emergency::Unknown, _) | (_, None) => Err("not known yet what the API server holds".to_owned()),
            (Emergency::Enforcing, Some(live)) => {
                live.trusts(served, names, now).map_err(|error| format!("the webhook is not registered yet: {error}"))
            }
        }
    }

    /// Makes and renews the certificate (leader only). Runs until dropped.
    pub async fn keep(&self, shared: &Shared, owner: &Owner) {
        let mut seen = self.seen.subscribe();
        let mut published = shared.published();
        let mut looked_at: Option<Basis> = None;
        let mut due = Instant::now();
        loop {
            seen.borrow_and_update();
            let basis = self.basis(shared);
            if due <= Instant::now() || looked_at.as_ref().is_none_or(|before| !before.is(&basis)) {
                let pause = match (&basis.seen, &basis.live) {
                    (Seen::Absent, Some(live)) => self.step(None, live, owner).await,
                    (Seen::There(secret), Some(live)) => self.step(Some(secret), live, owner).await,
                    // Both are told by a watch.
                    (Seen::Unknown | Seen::Foreign, _) | (_, None) => LONGEST_WAIT,
                };
                due = Instant::now() + pause;
                looked_at = Some(basis);
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return },
                changed = published.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    /// Does what is due, and tells how long nothing else is.
    async fn step(&self, secret: Option<&Secret>, live: &Live, owner: &Owner) -> Duration {
        let Settings { names, schedule, .. } = &self.settings;
        let now = Timestamp::now();
        let contents = secret.and_then(Contents::read);
        let step = plan(contents.as_ref(), live.taken_up(), names, schedule, now);
        let wait = match step {
            Step::Wait(until) => Duration::try_from(until.duration_since(now)).unwrap_or_default(),
            _ => RETRY,
        };
        match carry_out(&step, contents.as_ref(), names, schedule, now) {
            Ok(None) => {}
            Ok(Some(contents)) => {
                if let Err(error) = self.write(secret, &contents, owner).await {
                    tracing::warn!(error = %chain(error.as_ref()), "failed to write the certificate");
                } else {
                    let authorities = contents.authorities.len();
                    tracing::info!(step = step.name(), authorities, "wrote the certificate");
                }
            }
            Err(error) => tracing::error!(error = %chain(&error), "failed to make a certificate"),
        }
        wait.clamp(Duration::from_millis(100), LONGEST_WAIT)
    }

    async fn write(
        &self,
        before: Option<&Secret>,
        contents: &Contents,
        owner: &Owner,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let owner = owner.current(&self.client).await?;
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        // Whoever has written it in the meantime, a leader or a hand, wins: the version that was read stands in it.
        let metadata = before.map(|before| before.metadata.clone()).unwrap_or_default();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.settings.secret.clone()),
                labels: Some(metadata.labels.clone().unwrap_or_default().into_iter().chain(labels()).collect()),
                owner_references: owner.map(|owner| vec![owner]),
                ..metadata
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(contents.data()),
            ..Secret::default()
        };
        if before.is_some() {
            self.api().replace(&self.settings.secret, &params, &secret).await?;
        } else {
            self.api().create(&params, &secret).await?;
        }
        Ok(())
    }
}

/// What a replica serves, and remembers of authorities that are gone.
#[derive(Debug, Default)]
struct Replica {
    served: Option<Identity>,
    left: TakenUp,
}

impl Replica {
    /// Whether to serve this identity from now on: as soon as it is trusted, or when what is served is trusted no more
    /// either.
    fn goes_over(&self, candidate: &Identity, live: Option<&Live>, names: &[String], now: Timestamp) -> bool {
        let Some(served) = &self.served else { return true };
        if served == candidate {
            return false;
        }
        let Some(live) = live else { return false };
        let settled = live.settled(now.saturating_sub(TAKES_EFFECT).unwrap_or(now));
        let name = names.first().map(String::as_str).unwrap_or_default();
        candidate.verify(&settled, name, now).is_ok() || live.trusts(served, names, now).is_err()
    }

    /// Authorities that the API server holds and the Secret does not any more, for a while.
    fn retained(
        &mut self,
        trusted: &[CertificateDer<'static>],
        live: Option<&Live>,
        now: Timestamp,
    ) -> Vec<CertificateDer<'static>> {
        let held = live.into_iter().flat_map(|live| live.taken_up().iter());
        let gone = held.filter(|(one, _)| !trusted.contains(one)).map(|(one, _)| one.clone());
        self.left = self.left.follow(gone, now);
        let lately = self.left.iter().filter(|(_, since)| now.duration_since(*since) < RETAIN);
        lately.map(|(one, _)| one.clone()).collect()
    }
}
