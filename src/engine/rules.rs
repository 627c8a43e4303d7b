//! The rules, one file each. A rule looks at one judged placement and returns what is wrong with it.

mod conflict;
mod origin;
mod place;
mod uncovered;
mod unproven;

use jiff::Timestamp;

use super::Binding;
use super::country::CountrySet;
use super::explain;
use super::facts::{Facts, Flexibility, Placement};
use super::lawbook::Lawbook;
use super::place::Places;
use super::policy::Policies;
use super::verdict::{Finding, Rewrite};

/// A placement with everything that its rules need.
#[derive(Debug)]
pub struct Judged<'a> {
    /// What the object says.
    pub placement: &'a Placement,
    /// The policies that limit it.
    pub bindings: Vec<Binding<'a>>,
    /// What the enforcing policies leave together.
    pub enforced: CountrySet,
    /// Where it would happen, after rewriting where that is possible.
    pub places: Places,
    /// Every policy, also those that do not limit it.
    pub policies: &'a Policies,
    /// The book of law, which knows sets of countries by name.
    pub lawbook: &'a Lawbook,
    /// The time of the decision.
    pub now: Timestamp,
}

impl Judged<'_> {
    /// The same object is pinned for the sake of another placement. A doubt about this one, which its policies may let
    /// pass, ends where the pin leads outside: the pin never makes a verdict milder, only stricter.
    pub fn pinned_by_another(&mut self, countries: &CountrySet) {
        if self.places.unproven.is_some() && matches!(self.placement.flexibility, Flexibility::Nodes) {
            let there = self.places.countries.intersection(countries);
            if !there.is_subset(&self.enforced) {
                self.places = Places::known(there);
            }
        }
    }

    /// Whether the data's origin could not be read; other rules then have nothing to add.
    pub fn has_unknown_origin(&self) -> bool {
        self.placement.data.iter().any(|data| data.unknown_origin.is_some())
    }

    /// A set of countries in a sentence.
    pub fn name(&self, countries: &CountrySet) -> String {
        explain::countries(countries, self.lawbook, self.now)
    }

    /// "in DE", "anywhere".
    pub fn inside(&self, countries: &CountrySet) -> String {
        let name = self.name(countries);
        if countries.is_empty() || countries.len() > CountrySet::FULL.len() / 2 { name } else { format!("in {name}") }
    }

    /// How the placement could be made right under a policy that allows this, with all that enforce.
    pub fn remedy(&self, allowed: &CountrySet) -> String {
        let left = self.enforced.intersection(allowed);
        explain::remedy(self.placement, &left, &self.name(&left))
    }
}

/// A rule of the decision.
#[derive(Debug)]
pub struct Rule {
    /// Stable id, shown wherever the rule speaks.
    pub id: &'static str,
    /// What is wrong with a placement under this rule.
    pub check: fn(&Judged<'_>) -> Vec<Finding>,
}

/// Every rule, in the order in which findings are shown.
pub static ALL: [&Rule; 5] = [&origin::RULE, &uncovered::RULE, &conflict::RULE, &place::RULE, &unproven::RULE];

/// Id of the rule for changes that would let an existing object slip out of the scope in which it was judged.
pub const SCOPE: &str = "RES-SCOPE";
/// Id of the rule for specifications that cannot be right.
pub const SPEC: &str = "RES-SPEC";

/// What is wrong with rewrites that make each placement right by itself and contradict each other.
pub fn contradiction(facts: &Facts, rewrites: &[Rewrite]) -> Option<Finding> {
    conflict::between(facts, rewrites)
}
