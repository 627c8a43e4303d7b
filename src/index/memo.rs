//! What the audit remembers, so that a change is paid for by what it concerns.
//!
//! Everything that exists is judged in parts: the pods of a namespace, its claims, its objects of one kind. Of each part the
//! memo keeps what was found, and what was read of the world while it was judged. From that follows a reverse index, from what
//! is read to the parts that read it:
//!
//! | what changed | what is judged again |
//! |---|---|
//! | a pod | that pod |
//! | a claim, a namespace, what a store there says | that namespace, and whoever looked into it |
//! | a node, a volume, a class, a config map, an account of a provider, anything else that objects refer to | the parts that looked at it, whether it was there or not |
//! | a `Location` or `Provider` | the parts that looked any name up |
//! | the status of a store or flow | nothing |
//! | time alone | what no longer holds |
//! | a policy, an exception, the law | everything |
//!
//! Whatever this should ever miss is found when each part is looked at anew after [`SWEEP`].

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Name;
use super::audit::Judged;
use super::declared::Declared;
use super::gather::{Gathered, Tally};
use crate::api::v1alpha1::{DataFlow, DataStore};
use crate::engine::law::transfer::sooner;
use crate::engine::verdict::Verdict;
use crate::interpret::reads::{self, Read};
use crate::interpret::resource::Key;
use crate::interpret::world::{HeldByNamespace, World};

/// After so long a part is looked at anew, a quarter more or less, so that they do not come all at once.
pub const SWEEP: SignedDuration = SignedDuration::from_mins(20);

/// What is judged, and kept, together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    /// The pods of a namespace.
    Pods(Arc<str>),
    /// The claims of a namespace.
    Claims(Arc<str>),
    /// The objects of a group and kind in a namespace, which is empty for those of the cluster.
    Objects(Arc<str>, Arc<str>, Arc<str>),
}

impl Part {
    /// The part to which an object of an interpreted type belongs.
    fn of(Key { group, kind, namespace, name: _ }: &Key) -> Self {
        Self::Objects(group.as_str().into(), kind.as_str().into(), namespace.as_str().into())
    }

    /// When it is looked at anew, if nothing happens before.
    fn sweep(&self, at: Timestamp) -> Option<Timestamp> {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let spread = SWEEP.as_secs() / 2;
        let jitter = i64::try_from(hasher.finish() >> 1).unwrap_or_default() % spread - spread / 2;
        at.checked_add(SWEEP + SignedDuration::from_secs(jitter)).ok()
    }
}

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

/// What is remembered of one pod.
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

/// What is remembered of one part.
#[derive(Debug, Clone)]
struct Chapter {
    /// Whatever was judged in an earlier one is judged again.
    epoch: u64,
    /// When that began.
    since: Timestamp,
    /// When it was looked at last. A clock that is set back asks anew.
    at: Timestamp,
    /// When time alone makes it stale.
    until: Option<Timestamp>,
    /// In their order, and shared with what tells who has read them: there are many.
    reads: Vec<Arc<Read>>,
    found: Gathered,
}

/// What is remembered beside what pods keep themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Memo {
    epoch: u64,
    /// What everything was judged by.
    basis: World,
    chapters: BTreeMap<Arc<Part>, Chapter>,
    /// Who has read what.
    readers: Parts<Arc<Read>>,
    /// Namespaces of which a pod has come, gone or changed.
    pods_changed: BTreeSet<Arc<str>>,
    /// In which parts something touches a store's data.
    touched: Parts<Name>,
    /// Stores of which something else was found than before.
    retold: BTreeSet<Name>,
    /// What has still to be looked at, and by which world.
    pub pending: Option<(Arc<World>, Vec<Task>)>,
    /// Stores.
    pub stores: Declared<DataStore>,
    /// Flows.
    pub flows: Declared<DataFlow>,
    last: Option<Arc<Seen>>,
}

/// Parts by what they have in common, in their order: mostly it is one.
#[derive(Debug, Clone)]
struct Parts<K>(BTreeMap<K, Vec<Arc<Part>>>);

impl<K> Default for Parts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Parts<K> {
    fn of<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = &Arc<Part>>
    where
        K: Borrow<Q>,
    {
        self.0.get(key).into_iter().flatten()
    }

    fn add(&mut self, key: K, part: &Arc<Part>) {
        let parts = self.0.entry(key).or_default();
        if let Err(position) = parts.binary_search(part) {
            parts.insert(position, part.clone());
        }
    }

    fn remove(&mut self, key: &K, part: &Arc<Part>) {
        let Some(parts) = self.0.get_mut(key) else { return };
        if let Ok(position) = parts.binary_search(part) {
            parts.remove(position);
        }
        if parts.is_empty() {
            self.0.remove(key);
        }
    }
}

/// A part that has to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// Which.
    pub part: Arc<Part>,
    /// What was judged in another epoch is judged again.
    pub epoch: u64,
    /// When that began.
    since: Timestamp,
}

impl Memo {
    /// Notes that a pod of a namespace has come, gone or changed.
    pub fn pods_of(&mut self, namespace: &str) {
        if !self.pods_changed.contains(namespace) {
            self.pods_changed.insert(namespace.into());
        }
    }

    /// What has to be looked at, since something changed by which it was judged, or time has passed.
    pub fn tasks(&mut self, world: &World, now: Timestamp) -> Vec<Task> {
        let mut anew: BTreeSet<Arc<Part>> = BTreeSet::new();
        if self.basis.ground().is_same_law(&world.ground()) {
            let due = |chapter: &Chapter| now < chapter.at || chapter.until.is_some_and(|until| until <= now);
            anew.extend(self.chapters.iter().filter(|(_, chapter)| due(chapter)).map(|(part, _)| part.clone()));
        } else {
            anew.extend(self.chapters.keys().cloned());
        }
        for read in reads::changed(self.basis.surroundings(), world.surroundings()) {
            anew.extend(self.readers.of(&read).cloned());
            // Of what is new nobody has read anything yet.
            match &read {
                Read::Namespace(name) => {
                    let name: Arc<str> = name.as_str().into();
                    anew.extend([Part::Pods(name.clone()), Part::Claims(name)].map(Arc::new));
                }
                Read::Object(key) => drop(anew.insert(Arc::new(Part::of(key)))),
                _ => {}
            }
        }
        // Whatever is shared here is replaced when it changes, not changed in place.
        self.basis = world.clone();
        self.basis.pods = HeldByNamespace::default();
        let touched = std::mem::take(&mut self.pods_changed).into_iter().map(|name| Arc::new(Part::Pods(name)));
        let touched: Vec<Arc<Part>> = touched.filter(|part| !anew.contains(part)).collect();
        self.epoch += 1;
        let fresh = self.epoch;
        let anew = anew.into_iter().map(|part| Task { part, epoch: fresh, since: now });
        let touched = touched.into_iter().map(|part| match self.chapters.get(&part) {
            Some(chapter) => Task { part, epoch: chapter.epoch, since: chapter.since },
            None => Task { part, epoch: fresh, since: now },
        });
        anew.chain(touched).collect()
    }

    /// Remembers what was found in a part, and what was read for it; none: there is nothing in it any more.
    pub fn finish(&mut self, task: Task, reads: BTreeSet<Read>, found: Option<Gathered>, now: Timestamp) {
        let Task { part, epoch, since } = task;
        let known = self.chapters.remove(&part);
        let still_counts = found.is_some() && known.as_ref().is_some_and(|known| known.epoch == epoch);
        self.retell(&part, known.as_ref().map(|known| &known.found), found.as_ref());
        let mut before = known.map(|known| known.reads).unwrap_or_default();
        if !still_counts {
            for read in std::mem::take(&mut before) {
                self.readers.remove(&read, &part);
            }
        }
        let Some(found) = found else { return };
        let fresh: Vec<Read> =
            reads.into_iter().filter(|read| before.binary_search_by(|known| (**known).cmp(read)).is_err()).collect();
        before.reserve_exact(fresh.len());
        for read in fresh {
            let read = self.readers.0.get_key_value(&read).map_or_else(|| Arc::new(read), |(known, _)| known.clone());
            self.readers.add(read.clone(), &part);
            before.push(read);
        }
        before.sort_unstable();
        let until = sooner(found.until, part.sweep(since));
        self.chapters.insert(part, Chapter { epoch, since, at: now, until, reads: before, found });
    }

    /// Notes of which stores something else is found in a part than before.
    fn retell(&mut self, part: &Arc<Part>, before: Option<&Gathered>, now: Option<&Gathered>) {
        for (store, tally) in before.iter().flat_map(|found| &found.tallies) {
            match now.and_then(|found| found.tallies.get(store)) {
                Some(now) if now == tally => continue,
                Some(_) => {}
                None => self.touched.remove(store, part),
            }
            self.retold.insert(store.clone());
        }
        for store in now.iter().flat_map(|found| found.tallies.keys()) {
            if before.is_some_and(|found| found.tallies.contains_key(store)) {
                continue;
            }
            self.touched.add(store.clone(), part);
            self.retold.insert(store.clone());
        }
    }

    /// Stores of which something else was found since this was last asked.
    pub fn take_retold(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.retold)
    }

    /// What was found of a store everywhere.
    pub fn tally_of(&self, store: &Name) -> Tally {
        let mut all = Tally::default();
        let parts = self.touched.of(store);
        parts.filter_map(|part| self.chapters.get(part)?.found.tallies.get(store)).for_each(|one| all.absorb(one));
        all
    }

    /// What was found in each part.
    pub fn found(&self) -> impl Iterator<Item = &Gathered> {
        self.chapters.values().map(|chapter| &chapter.found)
    }

    /// Remembers what was found about a pod.
    pub fn keep(&mut self, seen: Option<Seen>, epoch: u64, at: Timestamp) -> Kept {
        let seen = seen.map(|seen| match &self.last {
            Some(last) if **last == seen => last.clone(),
            _ => Arc::new(seen),
        });
        if seen.is_some() {
            self.last.clone_from(&seen);
        }
        Kept { epoch, at, seen }
    }
}
