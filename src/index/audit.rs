//! What the audit found, object by object: what reports and metrics are made of. Statuses say the same by store and flow.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::country::CountrySet;
use crate::engine::facts::{Act, Facts, Placement};
use crate::engine::verdict::{Finding, Verdict};

/// What was found when everything that exists was judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// Objects about which there is something to say, in the order in which they were judged.
    pub objects: Vec<Arc<Judged>>,
    /// How many objects hold, move or work on personal data.
    pub in_scope: usize,
    /// Of these, how many are wrong in nothing, but in a place that cannot be proven.
    pub unproven: usize,
    /// How many findings there are, by policy (or none) and rule.
    pub findings: BTreeMap<(Option<String>, &'static str), usize>,
}

/// An object and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// The object.
    pub subject: Subject,
    /// What is wrong with it, or cannot be proven right.
    pub findings: Vec<Found>,
}

/// An object that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty for an object that was admitted, and that no watch has shown yet.
    pub uid: String,
}

/// The same, borrowed from the object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
}

impl<'a> Called<'a> {
    /// To keep it.
    pub fn subject(self) -> Subject {
        let Self { api_version, kind, namespace, name, uid } = self;
        let [api_version, kind, namespace, name, uid] = [api_version, kind, namespace, name, uid].map(str::to_owned);
        Subject { api_version, kind, namespace, name, uid }
    }

    /// To show it.
    pub fn audited(self, facts: &'a Facts, verdict: &'a Verdict) -> Audited<'a> {
        let Self { api_version, kind, namespace, name, uid } = self;
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Audited { group, kind, namespace, name, uid, facts, verdict }
    }
}

/// An object that exists, with what was decided about it.
#[derive(Debug, Clone, Copy)]
pub struct Audited<'a> {
    /// Its API group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace; empty for objects of the cluster.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid; empty for an object that was admitted, and that no watch has shown yet.
    pub uid: &'a str,
    /// What is known of it.
    pub facts: &'a Facts,
    /// What follows.
    pub verdict: &'a Verdict,
}

/// A finding with the facts that a program may want to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The finding.
    pub finding: Finding,
    /// What would happen to the data there.
    pub act: Option<Act>,
    /// Where the data comes from.
    pub from: CountrySet,
    /// Where it would go, as far as that is known.
    pub to: Option<CountrySet>,
    /// Of which categories it is, as far as that is declared.
    pub categories: Vec<String>,
}

impl Audit {
    /// Counts a verdict, and keeps what is wrong. What an exception waives is not.
    pub(super) fn add(&mut self, verdict: &Verdict, judged: impl FnOnce() -> Arc<Judged>) {
        self.in_scope += 1;
        self.unproven += usize::from(verdict.only_unproven());
        for finding in verdict.standing() {
            *self.findings.entry((finding.policy.clone(), finding.rule)).or_default() += 1;
        }
        if verdict.standing().next().is_some() {
            self.objects.push(judged());
        }
    }

    /// Adds what was found elsewhere.
    pub(super) fn absorb(&mut self, other: &Self) {
        let Self { objects, in_scope, unproven, findings } = other;
        self.objects.extend(objects.iter().cloned());
        self.in_scope += in_scope;
        self.unproven += unproven;
        for (of, count) in findings {
            match self.findings.get_mut(of) {
                Some(known) => *known += count,
                None => drop(self.findings.insert(of.clone(), *count)),
            }
        }
    }
}

impl Judged {
    pub(super) fn new(subject: Subject, facts: &Facts, verdict: &Verdict) -> Self {
        let found = |finding: &Finding| {
            let about = || facts.placements.iter().filter(|placement| placement.field == finding.field);
            let data = || about().flat_map(|placement| &placement.data);
            let known = |placement: &&Placement| placement.places.unproven.is_none();
            let mut categories: Vec<String> = data().flat_map(|data| data.categories.clone()).collect();
            categories.sort_unstable();
            categories.dedup();
            Found {
                finding: finding.clone(),
                act: about().next().map(|placement| placement.act),
                from: data().fold(CountrySet::EMPTY, |all, data| all.union(&data.origins)),
                to: about()
                    .filter(known)
                    .map(|placement| placement.places.countries)
                    .reduce(|all, one| all.union(&one)),
                categories,
            }
        };
        Self { subject, findings: verdict.standing().map(found).collect() }
    }
}
