//! Resource types (client): which interpreted types the cluster serves, and their objects into the index.
//!
//! A type that appears later, by a new definition or a new interpreter, is picked up without a restart, and one that goes
//! is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::discovery::Scope;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Discovery, ResourceExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::reports::ReportApi;
use super::watch::{PAGE, chain};
use crate::index::Object;
use crate::interpret::resource::{Interpreter, Interpreters, Key};
use crate::state::Shared;

/// An interpreted type that the cluster serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Plural, as in webhook rules.
    pub plural: String,
    /// Every version that is served, known to an interpreter or not.
    pub versions: Vec<String>,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
    /// Whether some field of it may be replaced when an object is created.
    pub rewritten: bool,
}

/// Secrets are never read; what is said in one is declared by a `Location`.
const NEVER: [(&str, &str); 1] = [("", "Secret")];
/// The first lists may take this long before the operator goes on without them: a type that cannot be listed must not keep
/// everything else unprotected.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps watches on every interpreted type that is served, until dropped.
pub async fn run(client: Client, shared: Arc<Shared>, changed: Arc<Notify>) {
    /// New definitions come in bundles.
    const GATHER: Duration = Duration::from_millis(300);
    /// Types that come without a definition, by an aggregated server, are seen at the latest after this.
    const LOOK_AGAIN: Duration = Duration::from_secs(60);
    let mut watches = Watches {
        client: client.clone(),
        shared: shared.clone(),
        changed,
        running: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    let mut definitions = pin!(
        watcher(
            Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client.clone()),
            watcher::Config::default().page_size(PAGE)
        )
        .default_backoff()
    );
    let mut published = shared.published();
    let mut first = true;
    let mut known: Option<Arc<Interpreters>> = None;
    let mut due = tokio::time::Instant::now();
    loop {
        let interpreters = shared.world().interpreters.clone();
        let taught = known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &interpreters));
        if taught || due <= tokio::time::Instant::now() {
            match served(&client, &interpreters).await {
                Ok((served, reports)) => {
                    shared.set_report_apis(reports);
                    known = Some(interpreters.clone());
                    due = tokio::time::Instant::now() + LOOK_AGAIN;
                    let lists = watches.follow(&served, &interpreters);
                    shared.set_served(served.into_keys().collect());
                    if first {
                        let all = async {
                            let mut lists = lists;
                            while lists.recv().await.is_some() {}
                        };
                        if tokio::time::timeout(PATIENCE, all).await.is_err() {
                            tracing::warn!("some resource types could not be listed in time; going on without them");
                        }
                        shared.set_types_known();
                        first = false;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "failed to look up which resource types are served");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            }
        }
        tokio::select! {
            event = definitions.next() => {
                match event {
                    Some(Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone)) => {
                        tokio::time::sleep(GATHER).await;
                        due = tokio::time::Instant::now();
                    }
                    Some(Ok(Event::Init | Event::InitApply(_))) => {}
                    Some(Err(error)) => {
                        shared.metrics.watch_failures.inc();
                        tracing::warn!(error = %chain(&error), "the watch on definitions failed, starting again");
                    }
                    None => return,
                }
            }
            changed = published.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(due) => {}
        }
    }
}

/// The interpreted types that the cluster serves, with how to ask for them, and the APIs for reports.
async fn served(
    client: &Client,
    interpreters: &Interpreters,
) -> Result<(BTreeMap<Served, ApiResource>, BTreeSet<ReportApi>), kube::Error> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let mut found = BTreeMap::new();
    for group in discovery.groups() {
        let mut kinds: BTreeMap<String, (Served, ApiResource)> = BTreeMap::new();
        for version in group.versions() {
            for (resource, capabilities) in group.versioned_resources(version) {
                let interpreters = interpreters.of(group.name(), &resource.kind);
                let watched = capabilities.operations.iter().any(|verb| verb == "watch");
                if interpreters.is_empty() || !watched || resource.plural.contains('/') {
                    continue;
                }
                let knows = |version: &str| interpreters.iter().any(|one| one.reads(version));
                let entry = kinds.entry(resource.kind.clone()).or_insert_with(|| {
                    let rewritten = |one: &Arc<Interpreter>| {
                        one.spec.destinations.iter().flat_map(|one| &one.fields).any(|field| field.rewrite)
                    };
                    let served = Served {
                        group: group.name().to_owned(),
                        kind: resource.kind.clone(),
                        plural: resource.plural.clone(),
                        versions: Vec::new(),
                        namespaced: capabilities.scope == Scope::Namespaced,
                        rewritten: interpreters.iter().any(rewritten),
                    };
                    (served, resource.clone())
                });
                entry.0.versions.push(version.to_owned());
                // Objects are watched in a version that is understood.
                if knows(version) && !knows(&entry.1.version) {
                    entry.1 = resource;
                }
            }
        }
        found.extend(kinds.into_values());
    }
    Ok((found, ReportApi::served(&discovery)))
}

/// The running watches.
struct Watches {
    client: Client,
    shared: Arc<Shared>,
    changed: Arc<Notify>,
    running: BTreeMap<Served, (Vec<Arc<Interpreter>>, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Watches {
    /// Starts and stops watches. The channel closes once all that were started have shown their first list.
    fn follow(&mut self, served: &BTreeMap<Served, ApiResource>, interpreters: &Interpreters) -> mpsc::Receiver<()> {
        let (listed, lists) = mpsc::channel(1);
        let stays = |kind: &Served, by: &[Arc<Interpreter>]| {
            let now = interpreters.of(&kind.group, &kind.kind);
            served.contains_key(kind) && now.len() == by.len() && now.iter().zip(by).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        self.running.retain(|kind, (by, task)| {
            let stays = stays(kind, by);
            if !stays {
                task.abort();
                self.shared.index().retain_others(&kind.group, &kind.kind, &BTreeSet::new());
                self.changed.notify_one();
            }
            stays
        });
        for (kind, resource) in served {
            // A role can name the groups of no family, and nothing refers to what a family alone describes.
            let in_family = interpreters.of(&kind.group, &kind.kind).iter().all(|one| one.is_family());
            let never = NEVER.contains(&(kind.group.as_str(), kind.kind.as_str()));
            if never || in_family || self.running.contains_key(kind) {
                continue;
            }
            let watch = watch(
                self.client.clone(),
                self.shared.clone(),
                self.changed.clone(),
                kind.clone(),
                resource.clone(),
                listed.clone(),
            );
            let task = self.tasks.spawn(watch);
            self.running.insert(kind.clone(), (interpreters.of(&kind.group, &kind.kind).to_vec(), task));
        }
        // Ended tasks are reaped; only aborted ones ever end.
        while self.tasks.try_join_next().is_some() {}
        lists
    }
}

/// Watches one type until dropped.
async fn watch(
    client: Client,
    shared: Arc<Shared>,
    changed: Arc<Notify>,
    kind: Served,
    resource: ApiResource,
    listed: mpsc::Sender<()>,
) {
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut stream = pin!(watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff());
    // Dropped with the first list, which is what whoever started this waits for.
    let mut listed = Some(listed);
    let mut present: BTreeSet<Key> = BTreeSet::new();
    let key = |object: &DynamicObject| Key {
        group: kind.group.clone(),
        kind: kind.kind.clone(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    };
    let note = |mut object: DynamicObject| {
        // What a list leaves out, and nobody reads.
        object.types = Some(kube::api::TypeMeta { api_version: resource.api_version.clone(), kind: kind.kind.clone() });
        object.metadata.managed_fields = None;
        match serde_json::to_value(&object) {
            Ok(value) => shared.index().apply(Object::Other(Box::new(value))),
            Err(_) => false,
        }
    };
    loop {
        match stream.try_next().await {
            Ok(Some(Event::Init)) => present.clear(),
            Ok(Some(Event::InitApply(object))) => {
                present.insert(key(&object));
                note(object);
            }
            Ok(Some(Event::InitDone)) => {
                shared.index().retain_others(&kind.group, &kind.kind, &present);
                present = BTreeSet::new();
                changed.notify_one();
                drop(listed.take());
            }
            Ok(Some(Event::Apply(object))) => {
                if note(object) {
                    changed.notify_one();
                }
            }
            Ok(Some(Event::Delete(object))) => {
                shared.index().delete_other(&key(&object));
                changed.notify_one();
            }
            Ok(None) => return,
            Err(error) => {
                // A type that may not be listed keeps nobody waiting; it is told, and tried again.
                drop(listed.take());
                shared.metrics.watch_failures.inc();
                tracing::warn!(
                    group = %kind.group, kind = %kind.kind, error = %chain(&error), "watch failed, starting again"
                );
            }
        }
    }
}
