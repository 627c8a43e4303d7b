//! Judges what exists, part by part, and gathers what was found: by store for statuses, by object for reports.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::audit::{Audit, Audited, Called, Judged};
use super::exceptions::Relieved;
use super::memo::{Memo, Part, Seen, Task};
use super::pods::PodState;
use super::{Index, Name, UNKNOWN};
use crate::api::v1alpha1::ObjectFinding;
use crate::engine;
use crate::engine::data::Source;
use crate::engine::explain;
use crate::engine::facts::Facts;
use crate::engine::law::transfer::sooner;
use crate::engine::node::Evidence;
use crate::engine::verdict::{Finding, Verdict};
use crate::interpret::claim::{self, Asking};
use crate::interpret::pod::{self, Pinning};
use crate::interpret::resource::{self, Key};
use crate::interpret::scope;
use crate::interpret::subject;
use crate::interpret::world::World;

/// Details in a status are capped; counts are exact.
pub(super) const DETAILS: usize = 20;

/// Who wants to see what is judged.
pub(super) type Each<'e> = &'e mut dyn FnMut(&Audited<'_>);

/// Where data is: the country or countries, and what proves it.
pub(super) type Where = (String, Option<Evidence>);

/// What was found about objects that were looked at together.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    /// By the stores whose data the objects touch.
    pub tallies: BTreeMap<Name, Tally>,
    /// By object.
    pub audit: Audit,
    /// What exceptions were asked for.
    pub relieved: Relieved,
    /// When time alone changes any of it.
    pub until: Option<Timestamp>,
}

/// What was found about one store.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    /// The first of what is told, in the order in which it is told.
    pub findings: BTreeSet<Told>,
    /// Breaches, of which the same one counts once for each object.
    pub violations: i64,
    /// Things that cannot be proven.
    pub unproven: i64,
    /// Objects that were judged.
    pub checks: usize,
    /// Pods by node.
    pub nodes: BTreeMap<String, i64>,
    /// Claims by the place of their volume.
    pub volumes: BTreeMap<Where, i64>,
    /// When time alone changes any of it.
    pub until: Option<Timestamp>,
}

/// What stands comes first, so that it is not what is cut off.
pub(super) type Told = (bool, ObjectFinding);

impl Tally {
    /// Counts a verdict on an object.
    pub fn add(&mut self, object: &str, verdict: &Verdict) {
        self.checks += 1;
        self.until = sooner(self.until, verdict.holds_until);
        for (position, finding) in verdict.findings.iter().enumerate() {
            self.tell((finding.is_waived(), told(object, finding)));
            // What several policies say of the same thing is one breach.
            if verdict.findings[..position].iter().any(|before| explain::is_same(before, finding))
                || finding.is_waived()
            {
                continue;
            }
            if finding.unproven {
                self.unproven += 1;
            } else {
                self.violations += 1;
            }
        }
    }

    fn tell(&mut self, told: Told) {
        self.findings.insert(told);
        if self.findings.len() > DETAILS {
            self.findings.pop_last();
        }
    }

    /// Adds what was found elsewhere about the same store.
    pub fn absorb(&mut self, other: &Self) {
        let Self { findings, violations, unproven, checks, nodes, volumes, until } = other;
        for one in findings {
            self.tell(one.clone());
        }
        self.violations += violations;
        self.unproven += unproven;
        self.checks += checks;
        for (node, pods) in nodes {
            add_to(&mut self.nodes, node, *pods);
        }
        for (place, claims) in volumes {
            add_to(&mut self.volumes, place, *claims);
        }
        self.until = sooner(self.until, *until);
    }
}

fn add_to<K, Q>(counts: &mut BTreeMap<K, i64>, key: &Q, more: i64)
where
    K: Ord + Borrow<Q>,
    Q: Ord + ToOwned<Owned = K> + ?Sized,
{
    match counts.get_mut(key) {
        Some(count) => *count += more,
        None => drop(counts.insert(key.to_owned(), more)),
    }
}

impl Gathered {
    /// Counts an object, also for each store whose data it touches. Most are told nothing about, and need no name.
    fn add(&mut self, seen: &Seen, object: impl Fn(&Name) -> String, more: impl Fn(&mut Tally)) {
        self.relieved.add(&seen.verdict);
        self.audit.add(&seen.verdict, || seen.judged.clone().unwrap_or_default());
        self.until = sooner(self.until, seen.verdict.holds_until);
        for store in &seen.stores {
            let tally = match self.tallies.get_mut(store) {
                Some(tally) => tally,
                None => self.tallies.entry(store.clone()).or_default(),
            };
            let object = if seen.verdict.findings.is_empty() { String::new() } else { object(store) };
            tally.add(&object, &seen.verdict);
            more(tally);
        }
    }

    /// Adds what was found elsewhere, without what is told by store: of that the memo knows what has changed.
    fn absorb(&mut self, other: &Self) {
        let Self { tallies: _, audit, relieved, until } = other;
        self.audit.absorb(audit);
        self.relieved.absorb(relieved);
        self.until = sooner(self.until, *until);
    }
}

/// A finding, as a status tells it.
pub(super) fn told(object: &str, finding: &Finding) -> ObjectFinding {
    let Finding { rule, mode, policy, allows, field, message, remedy, unproven: _, citation, waived } = finding.clone();
    let message = match policy.as_ref().zip(allows) {
        Some((policy, allows)) => format!("{message}; policy {policy} allows {allows}"),
        None => message,
    };
    let source = citation.map(|citation| citation.to_string());
    ObjectFinding {
        object: object.to_owned(),
        rule: rule.to_owned(),
        field,
        mode,
        policy,
        message,
        remedy,
        source,
        waived,
    }
}

/// One look at a part.
struct Look<'a, 'e> {
    /// The world, which notes what is read of it.
    world: &'a World,
    now: Timestamp,
    each: Each<'e>,
    found: Gathered,
}

impl Look<'_, '_> {
    /// Judges an object, and shows what was found; none if it has nothing to do with personal data.
    fn judge(&mut self, called: Called<'_>, facts: &Facts, tell: impl Fn(&mut Finding)) -> Option<Seen> {
        if facts.placements.is_empty() {
            return None;
        }
        let mut verdict = engine::decide(facts, &self.world.lawbook, &self.world.policies, self.now);
        verdict.findings.iter_mut().for_each(tell);
        (self.each)(&called.audited(facts, &verdict));
        let stands = verdict.standing().next().is_some();
        let judged = stands.then(|| Arc::new(Judged::new(called.subject(), facts, &verdict)));
        Some(Seen { stores: stores(facts).into_iter().collect(), judged, verdict })
    }

    /// The pods of a namespace. What was judged in this epoch already still holds.
    fn pods<'p>(
        &mut self,
        space: &str,
        pods: impl Iterator<Item = (&'p str, &'p mut PodState)>,
        epoch: u64,
        memo: &mut Memo,
    ) {
        let world = self.world;
        let Some(namespace) = world.namespace(space) else { return };
        for (name, state) in pods.filter(|(_, state)| !state.ended) {
            if state.kept.as_ref().and_then(|kept| kept.holds(epoch, self.now)).is_none() {
                let mut facts = pod::facts(world, namespace, state.pod.view(), Pinning::Impossible);
                facts.subject = subject::held_pod(world, space, name, &state.pod.maker);
                let called = Called { api_version: "v1", kind: "Pod", namespace: space, name, uid: &state.uid };
                let seen = self.judge(called, &facts, |finding| {
                    finding.remedy = format!("delete the pod, so that it comes back inside, or {}", finding.remedy);
                });
                state.kept = Some(memo.keep(seen, epoch, self.now));
            }
            let Some(seen) = state.kept.as_ref().and_then(|kept| kept.holds(epoch, self.now)?.as_ref()) else {
                continue;
            };
            let node = state.pod.node.as_deref();
            let at_node = |tally: &mut Tally| node.into_iter().for_each(|node| add_to(&mut tally.nodes, node, 1));
            self.found.add(seen, |_| format!("Pod/{name}"), at_node);
        }
    }

    /// The claims of a namespace.
    fn claims(&mut self, space: &str) {
        let world = self.world;
        let Some(namespace) = world.namespace(space) else { return };
        for (name, state) in &*namespace.claims {
            let data = scope::of_claim(world, namespace, name, &state.labels, &state.sources);
            let placements = claim::placements(world, &state.spec(), None, &data, "spec", Asking::Existing);
            let facts = Facts { placements, subject: subject::claim(world, space, name), ..Facts::default() };
            let kind = "PersistentVolumeClaim";
            let called = Called { api_version: "v1", kind, namespace: space, name, uid: &state.uid };
            let Some(seen) = self.judge(called, &facts, |_| {}) else { continue };
            let volume = state.volume.as_ref().map(|volume| place_of_volume(world, volume));
            let at_volume = |tally: &mut Tally| volume.iter().for_each(|place| add_to(&mut tally.volumes, place, 1));
            self.found.add(&seen, |_| format!("PersistentVolumeClaim/{name}"), at_volume);
        }
    }

    /// Objects of an interpreted type, also those that admission is not asked about: objects elsewhere that concern the data
    /// of a protected namespace.
    fn objects<'r>(&mut self, objects: impl Iterator<Item = &'r Arc<resource::Resource>>) {
        for object in objects {
            let Key { group: _, kind, namespace, name } = &object.key;
            let facts = resource::facts(self.world, object, false);
            let called = Called { api_version: &object.api_version, kind, namespace, name, uid: &object.uid };
            let Some(seen) = self.judge(called, &facts, |_| {}) else { continue };
            let named = |store: &Name| {
                let far = if *namespace == store.0 || namespace.is_empty() { "" } else { namespace };
                if far.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{far}/{name}") }
            };
            self.found.add(&seen, named, |_| {});
        }
    }
}

impl Index {
    /// Judges some parts of what exists that were not judged by the same before; whether there are more. Everything else that
    /// needs the index can come in between: what it changes is looked at by the next pass.
    pub fn audit_some(&mut self, parts: usize, now: Timestamp, each: &mut dyn FnMut(&Audited<'_>)) -> bool {
        let (world, mut tasks) = if let Some(pending) = self.memo.pending.take() {
            pending
        } else {
            let world = self.world();
            let tasks = self.memo.tasks(&world, now);
            (world, tasks)
        };
        for task in tasks.drain(tasks.len().saturating_sub(parts)..) {
            self.look(task, &world, now, each);
        }
        let more = !tasks.is_empty();
        self.memo.pending = more.then_some((world, tasks));
        more
    }

    /// Everything that exists, judged: what was not judged by the same before, and what is remembered. What was found by store
    /// the memo tells.
    pub(super) fn gather(&mut self, now: Timestamp, each: Each<'_>) -> Gathered {
        // First what was begun by an earlier world, if anything was.
        if self.memo.pending.is_some() {
            self.audit_some(usize::MAX, now, each);
        }
        self.audit_some(usize::MAX, now, each);
        let mut all = Gathered::default();
        self.memo.found().for_each(|found| all.absorb(found));
        all
    }

    fn look(&mut self, task: Task, world: &World, now: Timestamp, each: Each<'_>) {
        let noting = world.noting();
        let mut look = Look { world: &noting, now, each, found: Gathered::default() };
        let is_there = match &*task.part {
            Part::Pods(space) => {
                let mut pods = self.pods.of_mut(space).peekable();
                let any = pods.peek().is_some();
                look.pods(space, pods, task.epoch, &mut self.memo);
                any
            }
            Part::Claims(space) => {
                look.claims(space);
                self.claims.get(&**space).is_some_and(|claims| !claims.is_empty())
            }
            Part::Objects(group, kind, space) => {
                look.objects(self.resources.near(group, kind, space));
                self.resources.near(group, kind, space).next().is_some()
            }
        };
        let Look { found, .. } = look;
        self.memo.finish(task, noting.take_reads(), is_there.then_some(found), now);
    }
}

fn place_of_volume(world: &World, volume: &str) -> Where {
    match world.volume(volume) {
        Some(places) if places.unproven.is_none() && !places.countries.is_full() => {
            let evidence = places.countries.single().map(|_| Evidence::Claimed);
            (places.countries.iter().map(|country| country.to_string()).collect::<Vec<_>>().join("/"), evidence)
        }
        _ => (UNKNOWN.to_owned(), None),
    }
}

/// The stores whose data an object touches.
fn stores(facts: &Facts) -> BTreeSet<Name> {
    let data = facts.placements.iter().flat_map(|placement| &placement.data);
    data.filter_map(|data| match &data.via {
        Source::Store(namespace, name) => Some((namespace.clone(), name.clone())),
        _ => None,
    })
    .collect()
}
