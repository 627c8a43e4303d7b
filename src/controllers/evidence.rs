//! The keys of the decision log, in one Secret of the operator's namespace (client).
//!
//! Whichever replica comes first makes it, once. A Secret that somebody else made is never written: then the log goes on
//! without signatures and users. It has no owner, unlike all else that the operator writes: what was signed should still be
//! verifiable when the installation is gone. If it is removed while a replica lives, it comes back with the same keys.
//!
//! Where the log goes to standard output or to a collector nobody can read its end when the operator starts again, so that the Secret also
//! keeps the last checkpoint of each replica.

pub mod audit;
mod contents;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::FIELD_MANAGER;
use super::configuration::labels;
use super::watch::chain;
use crate::evidence::key::Keys;
use crate::evidence::log::Keyring;
use crate::evidence::record::Follows;
use crate::state::Shared;
use contents::Mark;

/// Checkpoints are kept in the cluster this often at most.
const KEEP: Duration = Duration::from_secs(10);
/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(3);

/// Keeps the Secret.
pub struct Keeper {
    /// The client.
    pub client: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of this replica.
    pub replica: String,
    /// Who wants to know the keys.
    pub keyring: watch::Sender<Keyring>,
    /// The last checkpoint that was written.
    pub checkpoints: watch::Receiver<Option<Follows>>,
    /// Whether checkpoints are kept.
    pub keeps_checkpoints: bool,
}

impl Keeper {
    /// Runs until dropped (every replica).
    pub async fn run(mut self, shared: &Shared) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut secrets = pin!(watch_object(api.clone(), &self.secret).default_backoff());
        let mut seen: Option<Option<Secret>> = None;
        let mut held: Option<Arc<Keys>> = None;
        let mut kept: Option<Follows> = None;
        let mut due = Instant::now();
        loop {
            tokio::select! {
                event = secrets.next() => match event {
                    Some(Ok(secret)) => {
                        self.note(secret.as_ref(), &mut held);
                        // Nobody should wait for keys.
                        if secret.is_none() {
                            due = Instant::now();
                        }
                        seen = Some(secret);
                    }
                    Some(Err(error)) => {
                        shared.metrics.watch_failures.inc();
                        tracing::warn!(error = %chain(&error), "the watch on the keys of the decision log failed");
                    }
                    None => return,
                },
                changed = self.checkpoints.changed(), if self.keeps_checkpoints => if changed.is_err() { return },
                () = tokio::time::sleep_until(due) => {}
            }
            if Instant::now() < due {
                continue;
            }
            due = Instant::now() + KEEP;
            let checkpoint = self.checkpoints.borrow().clone().filter(|_| self.keeps_checkpoints);
            let done = match &seen {
                Some(None) => self.make(&api, &mut held).await,
                Some(Some(secret)) if contents::is_own(secret) && checkpoint.is_some() && checkpoint != kept => {
                    let marked = checkpoint.as_ref().map(|one| self.mark(secret, one)).unwrap_or_default();
                    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
                    let done = api.replace(&self.secret, &params, &marked).await;
                    done.map(|_| kept = checkpoint)
                }
                _ => {
                    due = Instant::now() + RETRY;
                    Ok(())
                }
            };
            if let Err(error) = done {
                due = Instant::now() + RETRY;
                // Another replica was faster; the watch tells.
                if !matches!(&error, kube::Error::Api(status) if status.code == 409) {
                    tracing::warn!(error = %chain(&error), "failed to write the keys of the decision log");
                }
            }
        }
    }

    /// Tells what the Secret holds.
    fn note(&self, secret: Option<&Secret>, held: &mut Option<Arc<Keys>>) {
        let Some(secret) = secret else { return };
        let keys = contents::is_own(secret).then(|| contents::keys(secret)).flatten();
        let Some(keys) = keys else {
            tracing::error!(
                namespace = %self.namespace, secret = %self.secret,
                "this Secret was made by somebody else, or holds no keys, and is left alone: the decision log is not signed"
            );
            self.keyring.send_replace(Keyring::None);
            return;
        };
        if held.as_ref().is_some_and(|known| known.private() == keys.private() && known.users() == keys.users()) {
            return;
        }
        tracing::info!(key = %keys.public().id(), "the decision log is signed");
        let keys = Arc::new(keys);
        *held = Some(keys.clone());
        self.keyring.send_replace(Keyring::Known(keys, contents::mark(secret, &self.replica)));
    }

    /// Makes the Secret, with the keys that this replica holds or new ones.
    async fn make(&self, api: &Api<Secret>, held: &mut Option<Arc<Keys>>) -> Result<(), kube::Error> {
        let keys = match held {
            Some(keys) => keys.clone(),
            None => match Keys::make() {
                Ok(keys) => Arc::new(keys),
                Err(error) => {
                    tracing::error!(%error, "the decision log is not signed");
                    return Ok(());
                }
            },
        };
        let secret = Secret {
            metadata: ObjectMeta { name: Some(self.secret.clone()), labels: Some(labels()), ..ObjectMeta::default() },
            data: Some(contents::data(&keys)),
            ..Secret::default()
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        api.create(&params, &secret).await.map(|_| ())
    }

    /// The Secret with a checkpoint of this replica.
    fn mark(&self, secret: &Secret, checkpoint: &Follows) -> Secret {
        let mark = Mark { time: Timestamp::now(), follows: checkpoint.clone() };
        contents::marked(secret, &self.replica, &mark)
    }
}
