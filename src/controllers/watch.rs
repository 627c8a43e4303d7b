//! Watches (client): every kind that decisions read, into the index.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, TryStreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector::Lookup};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::together::together;
use super::types;
use crate::api::v1alpha1::{
    DataFlow, DataStore, Jurisdiction, Location, Provider, ResidencyException, ResidencyPolicy, ResourceInterpreter,
    TransferMechanism,
};
use crate::index::{Index, Kind, Name, Object};
use crate::interpret::objects::{Claim, Namespace, Node, Pod, StorageClass, Volume, VolumeAttributesClass};
use crate::state::Shared;

/// Small pages keep the largest of the short-lived copies small.
pub(super) const PAGE: u32 = 100;

/// Watches every kind until dropped, and notes when all of them have shown their first list.
pub async fn all(client: Client, shared: Arc<Shared>) {
    let changed = Arc::new(Notify::new());
    let (listed, mut lists) = mpsc::channel(KINDS);
    let one = |kind| Watch { kind, shared: shared.clone(), changed: changed.clone(), listed: listed.clone() };
    let wait_for_lists = async {
        let mut done = BTreeSet::new();
        while done.len() < KINDS {
            match lists.recv().await {
                Some(kind) => done.insert(kind),
                None => return,
            };
        }
        shared.publish();
        shared.set_synced();
        tracing::info!("caches are full");
        step_back();
        std::future::pending::<()>().await;
    };
    let c = &client;
    together([
        one(Kind::Bloc).run(c, Object::Bloc).boxed_local(),
        one(Kind::Claim).run::<Claim>(c, Object::Claim).boxed_local(),
        one(Kind::DataFlow).run::<DataFlow>(c, Object::DataFlow).boxed_local(),
        one(Kind::DataStore).run::<DataStore>(c, Object::DataStore).boxed_local(),
        one(Kind::Jurisdiction).run::<Jurisdiction>(c, Object::Jurisdiction).boxed_local(),
        one(Kind::Location).run::<Location>(c, Object::Location).boxed_local(),
        one(Kind::Namespace).run::<Namespace>(c, Object::Namespace).boxed_local(),
        one(Kind::Node).run::<Node>(c, Object::Node).boxed_local(),
        one(Kind::Pod).run::<Pod>(c, Object::Pod).boxed_local(),
        one(Kind::Provider).run::<Provider>(c, Object::Provider).boxed_local(),
        one(Kind::ResidencyException).run::<ResidencyException>(c, Object::ResidencyException).boxed_local(),
        one(Kind::ResidencyPolicy).run::<ResidencyPolicy>(c, Object::ResidencyPolicy).boxed_local(),
        one(Kind::ResourceInterpreter).run::<ResourceInterpreter>(c, Object::ResourceInterpreter).boxed_local(),
        one(Kind::StorageClass).run::<StorageClass>(c, Object::StorageClass).boxed_local(),
        one(Kind::TransferMechanism).run::<TransferMechanism>(c, Object::TransferMechanism).boxed_local(),
        one(Kind::Volume).run::<Volume>(c, Object::Volume).boxed_local(),
        one(Kind::VolumeAttributesClass).run::<VolumeAttributesClass>(c, Object::VolumeAttributesClass).boxed_local(),
        publisher(shared.clone(), changed.clone()).boxed_local(),
        types::run(client.clone(), shared.clone(), changed.clone()).boxed_local(),
        wait_for_lists.boxed_local(),
    ])
    .await;
}

const KINDS: usize = 17;

/// Has this thread, on which everything runs but the answers to reviews, give way to those that answer: looking at a large
/// cluster again takes seconds of a processor, and nobody waits for that. For the first lists reviews do wait.
fn step_back() {
    // Threads have priorities of their own on Linux only; elsewhere the whole process would step back, which helps nobody.
    #[cfg(target_os = "linux")]
    {
        const NICE: i32 = 5;
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::warn!(%error, "failed to lower the priority of background work");
        }
    }
}

/// Publishes what the watches have changed. Changes that come together cost one rebuild, and in a large cluster, where that takes
/// longer, more of them come together.
async fn publisher(shared: Arc<Shared>, changed: Arc<Notify>) {
    const SHORTEST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_millis(50);
    loop {
        changed.notified().await;
        let started = Instant::now();
        shared.publish();
        tokio::time::sleep((started.elapsed() * 9).clamp(SHORTEST, LONGEST)).await;
    }
}

struct Watch {
    kind: Kind,
    shared: Arc<Shared>,
    changed: Arc<Notify>,
    listed: mpsc::Sender<Kind>,
}

impl Watch {
    async fn run<K>(self, client: &Client, wrap: impl Fn(K) -> Object)
    where
        K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
    {
        let api: Api<K> = Api::all(client.clone());
        let config = watcher::Config::default().page_size(PAGE);
        // Who wrote which field is half of many an object, and decides nothing.
        let forget = |object: &mut K| object.meta_mut().managed_fields = None;
        let mut stream = pin!(watcher(api, config).default_backoff().modify(forget));
        let mut present: BTreeSet<Name> = BTreeSet::new();
        loop {
            let event = match stream.try_next().await {
                Ok(Some(event)) => event,
                Ok(None) => return,
                // An older API server that does not serve the kind has none of it; the backoff asks again later.
                Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 404 => {
                    let _ = self.listed.try_send(self.kind);
                    continue;
                }
                Err(error) => {
                    self.shared.metrics.watch_failures.inc();
                    tracing::warn!(kind = ?self.kind, error = %chain(&error), "watch failed, starting again");
                    continue;
                }
            };
            match event {
                Event::Init => present.clear(),
                Event::InitApply(object) => {
                    present.insert(name(object.meta()));
                    self.shared.index().apply(wrap(object));
                }
                Event::InitDone => {
                    self.shared.index().retain(self.kind, &present);
                    present = BTreeSet::new();
                    self.changed.notify_one();
                    // The receiver goes once every kind has been listed.
                    let _ = self.listed.try_send(self.kind);
                }
                Event::Apply(object) => {
                    if self.shared.index().apply(wrap(object)) {
                        self.changed.notify_one();
                    }
                }
                Event::Delete(object) => {
                    let namespace = object.namespace().unwrap_or_default();
                    Index::delete(&mut self.shared.index(), self.kind, &namespace, &object.name_any());
                    self.changed.notify_one();
                }
            }
        }
    }
}

fn name(metadata: &ObjectMeta) -> Name {
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// An error with its causes, for a log line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.ends_with(&next_text) {
            text.push_str(": ");
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    text
}
