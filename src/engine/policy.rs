//! The owner's rules, and what each allows for which data.

mod meaning;
mod policies;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::country::{Country, CountrySet};
use super::data::Data;
use super::facts::Act;
use super::law::mechanism::GroundKind;
use super::law::source::Confidence;
use super::lawbook::Lawbook;
use super::place::Places;

pub use meaning::Law;
use meaning::Resolved;
pub use policies::{Leaves, Policies};

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

/// A question of law that a policy asks of stores and flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Check {
    /// Whether data that must stay in the country does.
    Localisation,
    /// Whether something carries data that is handed to somebody else across a border.
    Transfer,
    /// Whether people may be contacted.
    Consent,
    /// Whether what was gathered may enter a customer profile.
    Enrichment,
    /// Whether people are answered in time.
    SubjectRights,
}

/// Whether the ways out of a store's workloads are shut but for those that are declared and lawful. Ordered from the weakest
/// demand to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum Network {
    /// The operator leaves the network alone.
    #[default]
    None,
    /// The operator keeps a `NetworkPolicy` for the workloads of every store.
    Generate,
}

/// Who would do something with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// An object. What a store or flow declares of parties, the law itself is asked about.
    Object,
    /// Somebody who wants to look at the data now. Nobody declares what would carry it to where they are, beyond what is
    /// declared of the data itself.
    Person,
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

/// People or programs, and from where they look at data. What a policy declares of them counts like what a `Location`
/// declares of a name: nobody sees where a request really comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accessors {
    /// Groups whose members they are.
    pub groups: Vec<String>,
    /// Names of single users.
    pub users: Vec<String>,
    /// Where all of them may be.
    pub from: Places,
}

impl Accessors {
    /// Whether a user is one of them.
    pub fn include<'a>(&self, name: &str, mut groups: impl Iterator<Item = &'a str>) -> bool {
        self.users.iter().any(|user| user == name) || groups.any(|group| self.groups.iter().any(|known| known == group))
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
    /// Regions to take, the first that fits.
    pub preferred_regions: Vec<PreferredRegion>,
    /// Questions of law that it asks.
    pub checks: Vec<Check>,
    /// What an unknown answer of the law gets.
    pub unknown_law: Mode,
    /// Kinds of grounds that it accepts; none: all.
    pub accepted_grounds: Option<Vec<GroundKind>>,
    /// How sure a ground must be at least.
    pub minimum_confidence: Option<Confidence>,
    /// Countries and blocs from which no party may be controlled.
    pub refuse_controlled_from: Vec<String>,
    /// Who looks at the data by way of its pods, and from where.
    pub access: Vec<Accessors>,
    /// Whether the network of stores is shut.
    pub network: Network,
    /// How long exceptions from it may last; none: it allows none.
    pub longest_exception: Option<SignedDuration>,
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
        Resolved::new(self, lawbook, now).allowed(self, (act, Asker::Object), data, &Law::new(lawbook, now, None))
    }

    /// Whether the policy asks anything of stores and flows beside where they are.
    fn asks(&self) -> bool {
        !self.checks.is_empty()
            || self.accepted_grounds.is_some()
            || self.minimum_confidence.is_some()
            || !self.refuse_controlled_from.is_empty()
    }
}

/// The origins that a policy covers at `now`.
fn covered(policy: &Policy, lawbook: &Lawbook, now: Timestamp) -> CountrySet {
    let mut covers = if policy.origins.is_empty() { CountrySet::FULL } else { CountrySet::EMPTY };
    for term in &policy.origins {
        covers = covers.union(&match term {
            Term::Country(country) => CountrySet::only(*country),
            // A word that the lawbook does not know covers everything: the policy then binds more, never less.
            Term::Bloc(code) => lawbook.bloc(code).map_or(CountrySet::FULL, |bloc| *bloc.members(now)),
            Term::Origin | Term::Law => CountrySet::FULL,
        });
    }
    covers
}

/// A region that a policy prefers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferredRegion {
    /// The provider.
    pub provider: String,
    /// Its own id of the region.
    pub id: String,
}

/// Whether a category is the rule's own or one below it: fideslang keys nest by dots.
pub fn is_within(category: &str, rule: &str) -> bool {
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
