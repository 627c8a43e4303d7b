//! Keeps the generated admission policies as they should be.
//!
//! gather (client: what there is, by a watch) -> plan (no client: `compile`) -> apply (client). New and changed ones come
//! first and take effect before the webhooks stop being asked about what they decide; what is no longer wanted goes only
//! after the webhooks are asked again. Whatever somebody else changes is put back at once, and told.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::core::{GroupVersionKind, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use super::clock;
use super::configuration;
use super::emergency;
use super::events::Draft;
use super::owner::{Owner, OwnerError};
use super::watch::chain;
use super::{watch, whole};
use crate::compile::{self, API_VERSION, Generated, Group, Kind, MANAGED_BY, Plan};
use crate::interpret::world::World;
use crate::state::Shared;

/// Kind and name of a generated object.
type Key = (Kind, String);

/// Which object there is, and which of its specifications: both change when somebody else had a hand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    uid: Option<String>,
    generation: Option<i64>,
}

impl Version {
    fn of(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Self {
        Self { uid: metadata.uid.clone(), generation: metadata.generation }
    }
}

/// What is known of the generated objects in the cluster.
#[derive(Debug, Default)]
struct Seen {
    /// As the watch shows them.
    present: BTreeMap<Key, Version>,
    /// As they were written, and what was written.
    written: BTreeMap<Key, (Generated, Version)>,
    /// Kinds of which the watch has shown the first list.
    listed: BTreeSet<Kind>,
}

impl Seen {
    /// Has a plan share what is written already, which then is told apart by looking at nothing but where it is kept.
    fn share(&self, plan: &mut Plan) {
        for (key, wanted) in &mut plan.objects {
            if let Some((written, _)) = self.written.get(key).filter(|(written, _)| written == wanted) {
                *wanted = written.clone();
            }
        }
    }
}

/// What has to be done so that the cluster matches a plan.
#[derive(Debug, Default, PartialEq)]
struct Steps {
    /// Objects to write.
    write: Vec<Generated>,
    /// Those of them that somebody else has changed or removed.
    repair: Vec<Key>,
    /// Objects to remove, bindings before their policies.
    remove: Vec<Key>,
}

/// What to do (no client).
fn steps(seen: &Seen, plan: &Plan) -> Steps {
    let mut steps = Steps::default();
    for (key, wanted) in &plan.objects {
        let present = seen.present.get(key);
        match seen.written.get(key) {
            Some((written, version)) if written == wanted => {
                // The watch may be behind what was just written; it is never ahead of it by our own hand.
                let touched =
                    present.is_none_or(|present| present.uid != version.uid || present.generation > version.generation);
                if touched {
                    steps.repair.push(key.clone());
                    steps.write.push(wanted.clone());
                }
            }
            _ => steps.write.push(wanted.clone()),
        }
    }
    let stale = seen.present.keys().filter(|key| !plan.objects.contains_key(*key));
    steps.remove = stale.cloned().collect();
    steps.remove.reverse();
    steps
}

/// The groups that stay as they are until everything is written and in force.
fn unaffected(before: &[Group], after: &[Group]) -> Vec<Group> {
    before.iter().filter(|group| after.contains(group)).cloned().collect()
}

fn resource(kind: Kind) -> ApiResource {
    let (group, version) = API_VERSION.split_once('/').unwrap_or(("", API_VERSION));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind.name()), kind.plural())
}

/// Runs until dropped.
pub async fn run(client: Client, shared: Arc<Shared>, inputs: configuration::Inputs, owner: Owner) {
    const RETRY: Duration = Duration::from_secs(1);
    loop {
        emergency::switched(&shared, true).await;
        let ended = tokio::select! {
            ended = started(&client, &shared, &inputs, &owner) => ended,
            // Whatever was about to be written is not; what there is is removed by whoever has switched it off.
            () = emergency::switched(&shared, false) => {
                shared.forget_compiled();
                continue;
            }
        };
        match ended {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "failed to keep the generated policies, starting again");
                // What is not known to be in force decides nothing.
                shared.set_compiled(&[]);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Why they could not be kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error(transparent)]
    Refused(#[from] kube::Error),
}

/// API servers hear of a changed policy by a watch, and look at what they heard once a second.
const TAKES_EFFECT: Duration = Duration::from_millis(1500);
/// A new version of the API server may serve more.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// The same, from a look at what the API server serves.
async fn started(
    client: &Client,
    shared: &Shared,
    inputs: &configuration::Inputs,
    owner: &Owner,
) -> Result<(), KeepError> {
    // Nodes and classes come in bursts.
    const GATHER: Duration = Duration::from_millis(300);
    let kinds = served(client).await?;
    let wanted = compile::Inputs {
        exempt: inputs.exempt(),
        mutating: Kind::ALL.into_iter().filter(|kind| kind.mutates()).all(|kind| kinds.contains(&kind)),
        operator: vec![user_name(client).await?],
        guards: inputs.guards,
    };
    let mut watches = pin!(futures::stream::select_all(kinds.iter().map(|kind| watched(client, *kind))));
    let mut keeper = Keeper::new(client, shared, owner, wanted, kinds);
    let mut published = shared.published();
    let mut due = Instant::now();
    let mut look_again = Instant::now() + LOOK_AGAIN;
    loop {
        tokio::select! {
            event = watches.next() => {
                let Some((kind, event)) = event else { return Ok(()) };
                note(&mut keeper.seen, kind, event);
                due = due.min(Instant::now() + GATHER);
            }
            changed = published.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                due = due.min((Instant::now() + GATHER).max(keeper.rests));
            }
            () = clock::reach(keeper.next) => due = Instant::now(),
            () = tokio::time::sleep_until(due) => {
                published.mark_unchanged();
                let reconcile = shared.metrics.turn("policies");
                let turn = keeper.turn().await;
                reconcile.ended(turn.is_ok());
                due = turn?;
            }
        }
        if look_again <= Instant::now() {
            look_again = Instant::now() + LOOK_AGAIN;
            if served(client).await? != keeper.kinds {
                tracing::info!("the API server serves other kinds of policies now, starting again");
                return Box::pin(started(client, shared, inputs, owner)).await;
            }
        }
    }
}

/// The kinds that the API server serves.
async fn served(client: &Client) -> Result<Vec<Kind>, kube::Error> {
    let served = client.list_api_group_resources(API_VERSION).await?;
    let is_served = |kind: &Kind| served.resources.iter().any(|one| one.name == kind.plural());
    Ok(Kind::ALL.into_iter().filter(is_served).collect())
}

/// Brings what there is nearer to what there should be, turn by turn, and never waits in between: while one change takes
/// effect, the next is already written.
struct Keeper<'a> {
    client: &'a Client,
    shared: &'a Shared,
    owner: &'a Owner,
    wanted: compile::Inputs,
    kinds: Vec<Kind>,
    seen: Seen,
    planned: Option<(Arc<World>, Arc<Plan>)>,
    /// Until when no change of the world is planned for: in a large cluster, where a plan takes long, one change after another
    /// would else keep a processor busy. The webhooks go on being asked.
    rests: Instant,
    /// When time alone changes the plan.
    next: Option<Timestamp>,
    /// When everything that was written is in force.
    settles: Option<Instant>,
    /// When what is stale may go.
    leaves: Option<Instant>,
}

impl<'a> Keeper<'a> {
    fn new(
        client: &'a Client,
        shared: &'a Shared,
        owner: &'a Owner,
        wanted: compile::Inputs,
        kinds: Vec<Kind>,
    ) -> Self {
        Self {
            client,
            shared,
            owner,
            wanted,
            kinds,
            seen: Seen::default(),
            planned: None,
            rests: Instant::now(),
            next: None,
            settles: None,
            leaves: None,
        }
    }

    /// The plan: the same one as long as nothing has changed that it is made from. There may be thousands of objects in it.
    fn plan(&mut self) -> Arc<Plan> {
        let (world, now) = (self.shared.world(), self.shared.now());
        let holds = self.next.is_none_or(|next| now < next);
        let known = self.planned.take().filter(|(last, _)| holds && are_alike(last, &world));
        let plan = known.map_or_else(
            || {
                const LONGEST: Duration = Duration::from_secs(2);
                let begun = Instant::now();
                let mut plan = compile::plan(&world, &self.wanted, now);
                self.rests = Instant::now() + (begun.elapsed() * 2).min(LONGEST);
                self.seen.share(&mut plan);
                Arc::new(plan)
            },
            |(_, plan)| plan,
        );
        self.next = plan.until;
        self.planned = Some((world, plan.clone()));
        plan
    }

    /// Does what can be done now (client), and tells when to look again.
    async fn turn(&mut self) -> Result<Instant, KeepError> {
        const SOON: Duration = Duration::from_millis(200);
        if !self.shared.synced() || !self.kinds.iter().all(|kind| self.seen.listed.contains(kind)) {
            return Ok(Instant::now() + LOOK_AGAIN);
        }
        let plan = self.plan();
        let Steps { write, repair, remove } = steps(&self.seen, &plan);
        if !write.is_empty() {
            let before = self.shared.compiled();
            if let Some(before) = &before {
                // Groups of which nothing changes go on as they are; the others are asked about until all is in force.
                self.shared.set_compiled(&unaffected(before, &plan.groups));
            }
            tell(self.shared, &repair);
            let changed = self.write(&write).await?;
            tracing::debug!(written = write.len(), changed, repaired = repair.len(), "generated policies written");
            if before.is_none() && changed > 0 {
                self.shared.set_compiled(&[]);
            }
            // Also where nothing has changed: whoever led before may have written it a moment ago.
            self.settles = Some(Instant::now() + TAKES_EFFECT);
        }
        if let Some(at) = self.settles.filter(|at| *at > Instant::now()) {
            return Ok(at);
        }
        if self.settles.take().is_some() {
            tracing::info!(
                policies = plan.objects.len(),
                groups = plan.groups.len(),
                "generated policies are in force"
            );
        }
        let asked = self
            .shared
            .registered()
            .borrow()
            .as_ref()
            .is_some_and(|told| told.iter().all(|one| plan.groups.contains(one)));
        self.shared.set_compiled(&plan.groups);
        self.shared.set_left(&plan.left);
        if remove.is_empty() {
            self.leaves = None;
            return Ok(Instant::now() + LOOK_AGAIN);
        }
        // The webhooks must be asked again about what these decided, and API servers have to hear of that.
        if !asked {
            self.leaves = None;
            return Ok(Instant::now() + SOON);
        }
        let at = *self.leaves.get_or_insert_with(|| Instant::now() + TAKES_EFFECT);
        if at > Instant::now() {
            return Ok(at);
        }
        self.leaves = None;
        for (kind, name) in remove {
            self::remove(self.client, kind, &name).await?;
            self.seen.written.remove(&(kind, name.clone()));
            self.seen.present.remove(&(kind, name));
        }
        Ok(Instant::now() + LOOK_AGAIN)
    }

    /// Writes them (client), and tells how many of them were not in the cluster already, just so.
    async fn write(&mut self, objects: &[Generated]) -> Result<usize, KeepError> {
        // There are two objects and more for each store that chooses its pods: thousands in a large cluster.
        const AT_ONCE: usize = 8;
        let owner = self.owner.current(self.client).await?;
        let mut written = futures::stream::iter(objects)
            .map(async |object| (object, put(self.client, object, owner.as_ref()).await))
            .buffer_unordered(AT_ONCE);
        let mut changed = 0;
        while let Some((object, version)) = written.next().await {
            let version = version?;
            let key = (object.kind, object.name.clone());
            let before = self.seen.present.insert(key.clone(), version.clone());
            // To write what is there already makes no new generation of it, whoever wrote it.
            changed += usize::from(before.as_ref() != Some(&version));
            self.seen.written.insert(key, (object.clone(), version));
        }
        Ok(changed)
    }
}

/// Whether two snapshots lead to the same plan: pods come and go all the time, and no plan depends on them.
fn are_alike(one: &World, other: &World) -> bool {
    let (near, far) = (one.surroundings(), other.surroundings());
    one.ground().is_alike(&other.ground())
        && Arc::ptr_eq(&near.classes, &far.classes)
        && Arc::ptr_eq(&near.attributes, &far.attributes)
        && Arc::ptr_eq(&near.free_volumes, &far.free_volumes)
}

/// What a watch shows of the generated objects of one kind.
fn watched(
    client: &Client,
    kind: Kind,
) -> impl Stream<Item = (Kind, Result<Event<PartialObjectMeta<DynamicObject>>, watcher::Error>)> + Unpin + use<> {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &resource(kind));
    let (key, value) = MANAGED_BY;
    let config = watcher::Config::default().page_size(watch::PAGE).labels(&format!("{key}={value}"));
    Box::pin(watcher(api, config).default_backoff().map(move |event| (kind, event)))
}

fn note(seen: &mut Seen, kind: Kind, event: Result<Event<PartialObjectMeta<DynamicObject>>, watcher::Error>) {
    match event {
        Ok(Event::Init) => seen.present.retain(|(of, _), _| *of != kind),
        Ok(Event::InitDone) => drop(seen.listed.insert(kind)),
        Ok(Event::InitApply(object) | Event::Apply(object)) => {
            seen.present.insert((kind, object.name_any()), Version::of(&object.metadata));
        }
        Ok(Event::Delete(object)) => drop(seen.present.remove(&(kind, object.name_any()))),
        Err(error) => {
            tracing::warn!(kind = kind.name(), error = %chain(&error), "the watch on generated policies failed, starting again");
        }
    }
}

/// Writes an object (client).
async fn put(client: &Client, object: &Generated, owner: Option<&OwnerReference>) -> Result<Version, kube::Error> {
    let mut manifest = object.manifest();
    manifest["metadata"]["ownerReferences"] = json!(owner.into_iter().collect::<Vec<_>>());
    whole::put(client, &resource(object.kind), "spec", manifest).await.map(|metadata| Version::of(&metadata))
}

async fn remove(client: &Client, kind: Kind, name: &str) -> Result<(), kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(kind));
    match api.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// By which name the API server knows us.
async fn user_name(client: &Client) -> Result<String, kube::Error> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    Ok(review.status.and_then(|status| status.user_info?.username).unwrap_or_default())
}

/// Tells that somebody else changed what protects personal data.
fn tell(shared: &Shared, repaired: &[Key]) {
    for (kind, name) in repaired {
        let note = format!("{} {name} was changed or removed by somebody else, and is put back", kind.name());
        tracing::warn!(kind = kind.name(), name, "a generated policy was changed by somebody else");
        shared.metrics.tampered.inc();
        let regarding = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(kind.name().to_owned()),
            name: Some(name.clone()),
            ..ObjectReference::default()
        };
        let draft =
            Draft { regarding, related: None, warning: true, action: "Reconcile", reason: "EnforcementTampered", note };
        shared.tell(draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(name: &str, spec: &str) -> ((Kind, String), Generated) {
        let kind = Kind::ValidatingAdmissionPolicy;
        ((kind, name.to_owned()), Generated { kind, name: name.to_owned(), spec: Arc::new(json!(spec)) })
    }

    fn version(uid: &str, generation: i64) -> Version {
        Version { uid: Some(uid.to_owned()), generation: Some(generation) }
    }

    #[test]
    fn what_is_missing_is_written_what_is_stale_goes_and_what_was_touched_is_repaired() {
        let all = ["new", "kept", "touched", "replaced", "removed", "changed"].map(|name| generated(name, "as wanted"));
        let plan = Plan { objects: all.clone().into_iter().collect(), ..Plan::default() };
        let mut seen = Seen::default();
        for (key, object) in &all[1..] {
            let object = if key.1 == "changed" { generated("changed", "as before").1 } else { object.clone() };
            seen.written.insert(key.clone(), (object, version("1", 2)));
            seen.present.insert(key.clone(), version("1", 2));
        }
        let of = |name: &str| (Kind::ValidatingAdmissionPolicy, name.to_owned());
        seen.present.insert(of("touched"), version("1", 3));
        seen.present.insert(of("replaced"), version("2", 1));
        seen.present.remove(&of("removed"));
        seen.present.insert(of("stale"), version("1", 1));
        let steps = steps(&seen, &plan);
        let written: Vec<&str> = steps.write.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(written, ["changed", "new", "removed", "replaced", "touched"]);
        assert_eq!(steps.repair, [of("removed"), of("replaced"), of("touched")]);
        assert_eq!(steps.remove, [of("stale")]);
    }

    #[test]
    fn a_plan_that_is_made_again_shares_what_is_written() {
        let [(same, wanted), (changed, fresh)] = ["same", "changed"].map(|name| generated(name, "as wanted"));
        let mut seen = Seen::default();
        seen.written.insert(same.clone(), (wanted, version("1", 1)));
        seen.written.insert(changed.clone(), (generated("changed", "as before").1, version("1", 1)));
        let again = BTreeMap::from([generated("same", "as wanted"), (changed.clone(), fresh.clone())]);
        let mut plan = Plan { objects: again, ..Plan::default() };
        seen.share(&mut plan);
        assert!(Arc::ptr_eq(&plan.objects[&same].spec, &seen.written[&same].0.spec));
        assert_eq!(plan.objects[&changed], fresh);
    }

    #[test]
    fn a_watch_that_is_behind_is_no_hand_of_somebody_else() {
        let (key, object) = generated("one", "as wanted");
        let mut seen = Seen::default();
        seen.written.insert(key.clone(), (object.clone(), version("1", 5)));
        seen.present.insert(key.clone(), version("1", 4));
        let plan = Plan { objects: BTreeMap::from([(key, object)]), ..Plan::default() };
        assert_eq!(steps(&seen, &plan), Steps::default());
    }
}
