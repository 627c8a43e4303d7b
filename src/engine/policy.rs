//! The owner's rules, and what each allows for which data.

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

    /// The countries that this term names for data of `origin` at `now`. A bloc that the lawbook does not know names
    /// none: a word that nobody understands must not allow anything.
    pub fn countries(&self, origin: Country, lawbook: &Lawbook, now: Timestamp) -> CountrySet {
        match self {
            Self::Origin => CountrySet::only(origin),
            Self::Law => lawbook.lawful(origin, now),
            Self::Country(country) => CountrySet::only(*country),
            Self::Bloc(code) => lawbook.bloc(code).map_or(CountrySet::EMPTY, |bloc| *bloc.members(now)),
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
    /// Whether the policy covers data of this origin.
    pub fn covers_origin(&self, origin: Country, lawbook: &Lawbook, now: Timestamp) -> bool {
        self.origins.is_empty()
            || self.origins.iter().any(|term| match term {
                // A word that the lawbook does not know covers everything: the policy then binds more, never less.
                Term::Bloc(code) => lawbook.bloc(code).is_none_or(|bloc| bloc.members(now).contains(origin)),
                term => term.countries(origin, lawbook, now).contains(origin),
            })
    }

    /// Whether the policy covers any of these categories.
    pub fn covers_categories(&self, categories: &[String]) -> bool {
        self.categories.is_empty()
            || categories.is_empty()
            || categories.iter().any(|category| self.categories.iter().any(|rule| is_within(category, rule)))
    }

    /// What this policy allows for the act and the data at `now`; none where it does not cover them.
    pub fn allowed(&self, act: Act, data: &Data, lawbook: &Lawbook, now: Timestamp) -> Option<CountrySet> {
        let terms = self.residence[act.index()].as_ref()?;
        if !self.covers_categories(&data.categories) {
            return None;
        }
        if data.unknown_origin.is_some() {
            return Some(CountrySet::EMPTY);
        }
        let mut allowed: Option<CountrySet> = None;
        for origin in data.origins.iter().filter(|origin| self.covers_origin(*origin, lawbook, now)) {
            let named =
                terms.iter().fold(CountrySet::EMPTY, |named, term| named.union(&term.countries(origin, lawbook, now)));
            allowed = Some(allowed.map_or(named, |before| before.intersection(&named)));
        }
        allowed
    }
}

/// Whether a category is the rule's own or one below it: fideslang keys nest by dots.
fn is_within(category: &str, rule: &str) -> bool {
    category.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// All policies, in the order of their names, so that the order in which they arrived never matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// Sorts the policies by name; of two with one name the later replaces the earlier.
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> Self {
        let mut sorted: Vec<Policy> = Vec::new();
        for policy in policies {
            match sorted.binary_search_by(|have| have.name.cmp(&policy.name)) {
                Ok(at) => sorted[at] = policy,
                Err(at) => sorted.insert(at, policy),
            }
        }
        Self(sorted)
    }

    /// The policies by name.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter()
    }
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
