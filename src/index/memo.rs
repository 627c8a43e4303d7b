//! What the audit remembers, so that a change is paid for by what it concerns: as long as nothing has changed that an object
//! was judged by, it is not judged again.
//!
//! | what changed | what is judged again |
//! |---|---|
//! | a pod | that pod |
//! | the status of a store or flow | nothing |
//! | time alone | what no longer holds |
//! | anything else: a claim, a namespace, what a store says, a node, a class, a place, a policy, the law | everything |

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Name;
use super::audit::Judged;
use crate::engine;
use crate::engine::facts::Facts;
use crate::engine::verdict::Verdict;
use crate::interpret::scope::ClaimState;
use crate::interpret::world::World;

/// An object with personal data, judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// What was found.
    pub verdict: Verdict,
    /// The stores whose data it touches.
    pub stores: Box<[Name]>,
    /// What reports say, where there is something to say.
    pub judged: Option<Arc<Judged>>,
}

/// What is remembered of one object.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    epoch: u64,
    /// When it was judged. A clock that is set back asks anew.
    at: Timestamp,
    /// None: it has nothing to do with personal data. Objects that are alike share it.
    seen: Option<Arc<Seen>>,
}

impl Kept {
    /// What was found, if it still holds.
    pub fn holds(&self, epoch: u64, now: Timestamp) -> Option<&Option<Arc<Seen>>> {
        let until = self.seen.as_ref().and_then(|seen| seen.verdict.holds_until);
        let holds = self.epoch == epoch && self.at <= now && until.is_none_or(|until| now < until);
        holds.then_some(&self.seen)
    }
}

/// The claims of a namespace.
pub(super) type Claims = Arc<BTreeMap<String, ClaimState>>;

/// What is remembered beside what pods keep themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Memo {
    epoch: u64,
    /// What everything was judged by.
    basis: World,
    /// Claims by namespace, in their order, and what they were then.
    pub claims: BTreeMap<String, (Claims, Vec<Kept>)>,
    /// Objects of interpreted types, in their order.
    pub resources: Vec<Kept>,
    /// Stores.
    pub stores: Declared,
    /// Flows.
    pub flows: Declared,
    last: Option<Arc<Seen>>,
}

impl Memo {
    /// Forgets what was judged by something else.
    pub fn rest_on(&mut self, world: &World) -> u64 {
        if !is_same_basis(&self.basis, world) {
            // Whatever is shared here is replaced when it changes, not changed in place. Pods are told apart one by one.
            self.basis = World { pods: Arc::default(), ..world.clone() };
            self.epoch += 1;
            self.claims.clear();
            self.resources.clear();
            self.last = None;
        }
        self.epoch
    }

    /// Remembers what was found.
    pub fn keep(&mut self, seen: Option<Seen>, at: Timestamp) -> Kept {
        let seen = seen.map(|seen| match &self.last {
            Some(last) if **last == seen => last.clone(),
            _ => Arc::new(seen),
        });
        if seen.is_some() {
            self.last.clone_from(&seen);
        }
        Kept { epoch: self.epoch, at, seen }
    }
}

fn is_same_basis(one: &World, other: &World) -> bool {
    let World {
        lawbook,
        policies,
        // What law, policies and places were read from changes with them.
        basis: _,
        gazetteer,
        nodes,
        classes,
        default_class,
        attributes,
        volumes,
        free_volumes,
        interpreters,
        resources,
        namespaces,
        pods: _,
        valid_until,
    } = one;
    Arc::ptr_eq(lawbook, &other.lawbook)
        && Arc::ptr_eq(policies, &other.policies)
        && Arc::ptr_eq(gazetteer, &other.gazetteer)
        && Arc::ptr_eq(nodes, &other.nodes)
        && Arc::ptr_eq(classes, &other.classes)
        && *default_class == other.default_class
        && Arc::ptr_eq(attributes, &other.attributes)
        && Arc::ptr_eq(volumes, &other.volumes)
        && Arc::ptr_eq(free_volumes, &other.free_volumes)
        && Arc::ptr_eq(interpreters, &other.interpreters)
        && Arc::ptr_eq(resources, &other.resources)
        && Arc::ptr_eq(namespaces, &other.namespaces)
        && *valid_until == other.valid_until
}

/// Stores or flows with the facts by which they were judged: the decision depends on nothing else but law and policies.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    law: World,
    /// The facts, when they were judged, and what came of it.
    known: BTreeMap<Name, (Facts, Timestamp, Verdict)>,
}

impl Declared {
    /// Forgets what was judged by other law or policies, and what is not there any more.
    pub fn rest_on(&mut self, world: &World, is_there: impl Fn(&Name) -> bool) {
        let same = Arc::ptr_eq(&self.law.lawbook, &world.lawbook) && Arc::ptr_eq(&self.law.policies, &world.policies);
        if !same {
            let (lawbook, policies) = (world.lawbook.clone(), world.policies.clone());
            self.law = World { lawbook, policies, ..World::default() };
            self.known.clear();
        }
        self.known.retain(|name, _| is_there(name));
    }

    /// Judges facts, unless that was done before.
    pub fn judge(&mut self, name: &Name, facts: &Facts, now: Timestamp) -> Verdict {
        if let Some((known, at, verdict)) = self.known.get(name)
            && known == facts
            && *at <= now
            && verdict.holds_until.is_none_or(|until| now < until)
        {
            return verdict.clone();
        }
        let verdict = engine::decide(facts, &self.law.lawbook, &self.law.policies, now);
        self.known.insert(name.clone(), (facts.clone(), now, verdict.clone()));
        verdict
    }
}
