//! The owner's rules, and what each allows for which data.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::country::{Country, CountrySet};
use super::data::Data;
use super::facts::Act;
use super::lawbook::Lawbook;

/// What a rule does when it is broken. Ordered from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Nothing but a finding in status and reports.
    Audit,
    /// The request passes with a warning.
    Warn,
    /// The request is refused, or rewritten where that is allowed.
    #[default]
    Enforce,
}

/// Whether pods are pinned to allowed countries when they are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum RewritePods {
    /// Add the required node affinity.
    #[default]
    Always,
    /// Refuse pods that are not pinned by themselves.
    Never,
}

/// Which node label pins pods. Ordered from the weakest demand to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum PinBy {
    /// The region label where it proves the country of every node concerned, else the country label.
    #[default]
    Auto,
    /// The region label wherever it names no node outside; autoscalers know it on nodes that do not exist yet.
    Region,
    /// The country label that the operator keeps.
    Country,
}

/// Whether the storage class of a new claim may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum RewriteStorage {
    /// Refuse, and name the classes that would do.
    #[default]
    Never,
    /// Replace a class outside by one inside when the claim is created.
    OnCreate,
}

/// One word of a policy's lists of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// The data's own origin.
    Origin,
    /// Whatever the law of the origin lets it reach by itself.
    Law,
    /// A country.
    Country(Country),
    /// A bloc, by its code, with the members it has at the time of the decision.
    Bloc(String),
}

impl Term {
    /// Reads a term. Anything that is neither a keyword nor a country is taken for a bloc's code.
    pub fn parse(text: &str) -> Self {
        match text {
            "Origin" => Self::Origin,
            "Law" => Self::Law,
            other => Country::parse(other).map_or_else(|_| Self::Bloc(other.to_owned()), Self::Country),
        }
    }
}

/// A policy, read and ready to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name in the cluster.
    pub name: String,
    /// Origins that it covers; empty: all.
    pub origins: Vec<Term>,
    /// Data categories that it covers; empty: all.
    pub categories: Vec<String>,
    /// For each act the places where it may happen; none: this policy does not limit the act.
    pub residence: [Option<Vec<Term>>; Act::ALL.len()],
    /// What an unproven place gets.
    pub unknown_place: Mode,
    /// What a breach gets.
    pub mode: Mode,
    /// Whether pods may be pinned.
    pub rewrite_pods: RewritePods,
    /// By which label.
    pub pin_by: PinBy,
    /// Whether the storage class of a claim may be replaced.
    pub rewrite_storage: RewriteStorage,
    /// Storage classes to prefer as replacements, best first.
    pub preferred_classes: Vec<String>,
}

impl Policy {
    /// Whether the policy covers any of these categories.
    pub fn covers_categories(&self, categories: &[String]) -> bool {
        self.categories.is_empty()
            || categories.is_empty()
            || categories.iter().any(|category| self.categories.iter().any(|rule| is_within(category, rule)))
    }

    /// What this policy allows for the act and the data at `now`; none where it does not cover them.
    pub fn allowed(&self, act: Act, data: &Data, lawbook: &Lawbook, now: Timestamp) -> Option<CountrySet> {
        Resolved::new(self, lawbook, now).allowed(self, act, data, lawbook, now)
    }
}

/// A policy's words as sets of countries, at one time under one lawbook.
#[derive(Debug, Clone)]
struct Resolved {
    /// Origins that it covers.
    covers: CountrySet,
    /// For each act what may be where.
    acts: [Option<Allowance>; Act::ALL.len()],
}

/// A list of places.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    /// Countries and blocs.
    fixed: CountrySet,
    /// The data's own origin.
    origin: bool,
    /// Wherever law lets it go.
    law: bool,
}

impl Resolved {
    fn new(policy: &Policy, lawbook: &Lawbook, now: Timestamp) -> Self {
        let mut covers = if policy.origins.is_empty() { CountrySet::FULL } else { CountrySet::EMPTY };
        for term in &policy.origins {
            covers = covers.union(&match term {
                Term::Country(country) => CountrySet::only(*country),
                // A word that the lawbook does not know covers everything: the policy then binds more, never less.
                Term::Bloc(code) => lawbook.bloc(code).map_or(CountrySet::FULL, |bloc| *bloc.members(now)),
                Term::Origin | Term::Law => CountrySet::FULL,
            });
        }
        let allowance = |terms: &Vec<Term>| {
            let mut allowance = Allowance::default();
            for term in terms {
                match term {
                    Term::Origin => allowance.origin = true,
                    Term::Law => allowance.law = true,
                    Term::Country(country) => allowance.fixed.insert(*country),
                    // A bloc that the lawbook does not know names no country: a word that nobody understands must not
                    // allow anything.
                    Term::Bloc(code) => {
                        if let Some(bloc) = lawbook.bloc(code) {
                            allowance.fixed = allowance.fixed.union(bloc.members(now));
                        }
                    }
                }
            }
            allowance
        };
        Self { covers, acts: policy.residence.each_ref().map(|terms| terms.as_ref().map(allowance)) }
    }

    fn allowed(&self, policy: &Policy, act: Act, data: &Data, lawbook: &Lawbook, now: Timestamp) -> Option<CountrySet> {
        let Allowance { fixed, origin: own, law } = self.acts[act.index()].as_ref()?;
        if !policy.covers_categories(&data.categories) {
            return None;
        }
        if data.unknown_origin.is_some() {
            return Some(CountrySet::EMPTY);
        }
        if !data.origins.intersects(&self.covers) {
            return None;
        }
        let mut allowed: Option<CountrySet> = None;
        for origin in &data.origins.intersection(&self.covers) {
            let mut named = *fixed;
            if *own {
                named.insert(origin);
            }
            if *law {
                named = named.union(&lawbook.lawful(origin, now));
            }
            allowed = Some(allowed.map_or(named, |before| before.intersection(&named)));
        }
        allowed
    }
}

/// All policies, in the order of their names, so that the order in which they arrived never matters.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    list: Vec<Policy>,
    prepared: Option<Prepared>,
}

/// What the policies' words mean, worked out ahead for a time in which no law changes. It only saves work: a decision
/// under another lawbook or at another time works it out anew.
#[derive(Debug, Clone)]
struct Prepared {
    lawbook: Arc<Lawbook>,
    from: Timestamp,
    until: Option<Timestamp>,
    resolved: Vec<Resolved>,
}

impl Policies {
    /// Sorts the policies by name; of two with one name the later replaces the earlier.
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> Self {
        let mut list: Vec<Policy> = Vec::new();
        for policy in policies {
            match list.binary_search_by(|have| have.name.cmp(&policy.name)) {
                Ok(at) => list[at] = policy,
                Err(at) => list.insert(at, policy),
            }
        }
        Self { list, prepared: None }
    }

    /// Works out ahead what the words mean under this lawbook from `now` on.
    #[must_use]
    pub fn prepare(mut self, lawbook: &Arc<Lawbook>, now: Timestamp) -> Self {
        let resolved = self.list.iter().map(|policy| Resolved::new(policy, lawbook, now)).collect();
        let until = lawbook.next_change(now);
        self.prepared = Some(Prepared { lawbook: lawbook.clone(), from: now, until, resolved });
        self
    }

    /// The policies by name.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.list.iter()
    }

    fn ahead(&self, lawbook: &Lawbook, now: Timestamp) -> Option<&Prepared> {
        self.prepared.as_ref().filter(|prepared| {
            std::ptr::eq(Arc::as_ptr(&prepared.lawbook), lawbook)
                && prepared.from <= now
                && prepared.until.is_none_or(|until| now < until)
        })
    }

    /// Whether any policy limits the act for this data.
    pub fn cover(&self, act: Act, data: &Data, lawbook: &Lawbook, now: Timestamp) -> bool {
        match self.ahead(lawbook, now) {
            Some(prepared) => {
                let mut each = prepared.resolved.iter().zip(&self.list);
                each.any(|(resolved, policy)| resolved.allowed(policy, act, data, lawbook, now).is_some())
            }
            None => self.list.iter().any(|policy| policy.allowed(act, data, lawbook, now).is_some()),
        }
    }

    /// Visits every policy that limits the act for any of the data, by name, with what it leaves.
    pub fn limits<'a>(
        &'a self,
        act: Act,
        data: &[Arc<Data>],
        lawbook: &Lawbook,
        now: Timestamp,
        mut visit: impl FnMut(&'a Policy, CountrySet),
    ) {
        let ahead = self.ahead(lawbook, now);
        // Data that another binds at least as much adds nothing: a store in a namespace that is labelled as well.
        let strictest: Vec<&Data> = data
            .iter()
            .enumerate()
            .filter(|(position, one)| !data.iter().enumerate().any(|(at, other)| other.rules(one, at < *position)))
            .map(|(_, one)| &**one)
            .collect();
        for (position, policy) in self.list.iter().enumerate() {
            let made;
            let resolved = if let Some(prepared) = ahead {
                &prepared.resolved[position]
            } else {
                made = Resolved::new(policy, lawbook, now);
                &made
            };
            let each = strictest.iter().filter_map(|data| resolved.allowed(policy, act, data, lawbook, now));
            if let Some(allowed) = each.reduce(|all, one| all.intersection(&one)) {
                visit(policy, allowed);
            }
        }
    }
}

/// Whether a category is the rule's own or one below it: fideslang keys nest by dots.
fn is_within(category: &str, rule: &str) -> bool {
    category.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_covers_those_below_it_and_no_namesake() {
        assert!(is_within("user.contact.email", "user.contact"));
        assert!(is_within("pd:Opinion", "pd:Opinion"));
        assert!(!is_within("user.contacts", "user.contact"));
        assert!(!is_within("user", "user.contact"));
    }
}
