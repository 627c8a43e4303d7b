//! What is remembered of stores and flows, so that only those are looked at of which something has changed: what they say
//! themselves, what they rest on, or what was found of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Name;
use super::audit::{Called, Judged};
use crate::engine;
use crate::engine::facts::Facts;
use crate::engine::law::transfer::sooner;
use crate::engine::verdict::Verdict;
use crate::interpret::world::{Ground, World};

/// Whatever this should ever miss is found after so long.
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

/// Stores or flows.
#[derive(Debug, Clone)]
pub(super) struct Declared<T> {
    /// What all of them were last judged by.
    ground: Ground,
    /// How often declarations had changed then.
    anew: u64,
    /// When that was. A clock that is set back asks anew.
    at: Timestamp,
    /// When time alone changes what is to be told of any.
    until: Option<Timestamp>,
    /// Whether all that they rest on is as it was then.
    same: bool,
    known: BTreeMap<Name, Known<T>>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Known<T> {
    /// As it was looked at last.
    object: Arc<T>,
    /// By what it was judged: the decision depends on nothing else but law and policies.
    pub facts: Facts,
    at: Timestamp,
    /// What came of it.
    pub verdict: Verdict,
    /// What reports say, where there is something to say.
    pub judged: Option<Arc<Judged>>,
}

impl<T> Default for Declared<T> {
    fn default() -> Self {
        let (ground, known) = (Ground::default(), BTreeMap::new());
        Self { ground, anew: 0, at: Timestamp::MAX, until: None, same: false, known }
    }
}

impl<T> Declared<T> {
    /// Begins to look at all of them. What is not there any more is forgotten.
    pub fn begin(&mut self, world: &World, anew: u64, now: Timestamp, is_there: impl Fn(&Name) -> bool) {
        let ground = world.ground();
        if !ground.is_same_law(&self.ground) {
            self.known.clear();
        }
        let swept = now.duration_since(self.at);
        let due = self.until.is_some_and(|until| until <= now) || swept.is_negative() || swept >= SWEEP;
        self.same = self.anew == anew && !due && ground.is_alike(&self.ground);
        if !self.same {
            self.ground = ground;
            (self.anew, self.at, self.until) = (anew, now, None);
            self.known.retain(|name, _| is_there(name));
        }
    }

    /// One of them, if neither what it says itself has changed nor what it rests on.
    pub fn get(&self, name: &Name, object: &Arc<T>) -> Option<&Known<T>> {
        self.known.get(name).filter(|known| self.same && Arc::ptr_eq(&known.object, object))
    }

    /// Judges facts, unless that was done before.
    pub fn judge(
        &mut self,
        name: &Name,
        object: &Arc<T>,
        called: Called<'_>,
        facts: Facts,
        now: Timestamp,
    ) -> &Known<T> {
        let holds = |known: &Known<T>| {
            // Another object of the same name may say the same.
            let is_told_of = known.judged.as_ref().is_none_or(|judged| judged.subject.uid == called.uid);
            let lasts = known.at <= now && known.verdict.holds_until.is_none_or(|until| now < until);
            is_told_of && lasts && known.facts == facts
        };
        let Ground { lawbook, policies, .. } = &self.ground;
        let decide = |facts: Facts| {
            let verdict = engine::decide(&facts, lawbook, policies, now);
            let stands = verdict.standing().next().is_some();
            let judged = stands.then(|| Arc::new(Judged::new(called.subject(), &facts, &verdict)));
            Known { object: object.clone(), facts, at: now, verdict, judged }
        };
        match self.known.entry(name.clone()) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                if holds(known) {
                    known.object.clone_from(object);
                } else {
                    *known = decide(facts);
                }
                known
            }
            Entry::Vacant(place) => place.insert(decide(facts)),
        }
    }

    /// Notes when time alone changes what is to be told of one of them.
    pub fn until(&mut self, instant: Option<Timestamp>) {
        self.until = sooner(self.until, instant);
    }

    /// When time alone changes what is to be told of any.
    pub fn next(&self) -> Option<Timestamp> {
        self.until
    }
}
