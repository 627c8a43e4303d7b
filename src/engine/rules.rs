//! The rules, one file each, of three sorts: rules on placements look at where an object would put data; rules of law look
//! at a store or flow with everything that its owner declares, and say what the legal state is; rules of the owner look at
//! the same under one policy.

mod access;
mod bar;
mod conflict;
mod consent;
mod control;
mod duty;
mod enrichment;
mod ground;
mod localisation;
mod onward;
mod origin;
mod place;
pub mod rights;
mod transfer;
mod uncovered;
mod unproven;

use jiff::Timestamp;

use super::Binding;
use super::country::CountrySet;
use super::data::Data;
use super::explain;
use super::facts::{Facts, Flexibility, Placement};
use super::law::matter::Matter;
use super::law::opinion::{Opinion, Outcome, Question};
use super::lawbook::Lawbook;
use super::place::Places;
use super::policy::{Check, Law, Policies, Policy};
use super::verdict::{Finding, Relief, Rewrite, Waiver};

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
    /// The law at the time of the decision.
    pub law: &'a Law<'a>,
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

    /// Who lets the placement be where a policy does not, or has accepted the risk where an exception cannot let it.
    pub fn placed(&self, binding: &Binding<'_>) -> Option<Waiver> {
        if self.law.excepting.is_empty() {
            return None;
        }
        let outside = |allowed: &CountrySet| self.places.countries.difference(allowed);
        let (beyond, relief) = if self.places.countries.is_subset(&binding.allowed) {
            (outside(&binding.own), Relief::Waived)
        } else {
            (outside(&binding.allowed), Relief::RiskAccepted)
        };
        let lawful = relief == Relief::Waived || binding.stands_on_law;
        let data: Vec<&Data> = self.placement.data.iter().map(|data| &**data).collect();
        let waiver = || self.law.excepting.placed(binding.policy, &data, &beyond, relief, self.law.at());
        lawful.then(waiver).flatten()
    }

    /// Who lets pass that the place is not proven, or has accepted the risk.
    pub fn unproven(&self, binding: &Binding<'_>) -> Option<Waiver> {
        if self.law.excepting.is_empty() {
            return None;
        }
        let relief = if binding.stands_on_law { Relief::RiskAccepted } else { Relief::Waived };
        let data: Vec<&Data> = self.placement.data.iter().map(|data| &**data).collect();
        self.law.excepting.unproven(binding.policy, &data, relief, self.law.at())
    }

    /// A set of countries in a sentence.
    pub fn name(&self, countries: &CountrySet) -> String {
        explain::countries(countries, self.law.lawbook, self.law.now)
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

/// A rule of law.
#[derive(Debug)]
pub struct LegalRule {
    /// Stable id, shown wherever the rule speaks.
    pub id: &'static str,
    /// What the law says under this rule: one outcome for each law and place that it concerns.
    pub check: fn(&Question<'_>) -> Vec<Outcome>,
}

/// Every rule of law. Localisation comes before what carries data abroad.
pub static LEGAL: [&LegalRule; 9] = [
    &localisation::RULE,
    &bar::RULE,
    &onward::RULE,
    &transfer::RULE,
    &access::RULE,
    &duty::RULE,
    &consent::RULE,
    &enrichment::RULE,
    &rights::RULE,
];

/// Whether a rule of law is about data that crosses a border.
pub fn is_about_transfers(id: &str) -> bool {
    [transfer::RULE.id, access::RULE.id, bar::RULE.id, duty::RULE.id, onward::RULE.id].contains(&id)
}

/// A matter under one policy that covers it.
#[derive(Debug)]
pub struct Owners<'a> {
    /// The store or flow.
    pub matter: &'a Matter,
    /// What the law says of it.
    pub opinion: &'a Opinion,
    /// The policy.
    pub policy: &'a Policy,
    /// The book of law, which knows sets of countries by name.
    pub lawbook: &'a Lawbook,
    /// The time.
    pub now: Timestamp,
}

/// A rule of the owner on stores and flows.
#[derive(Debug)]
pub struct OwnerRule {
    /// Stable id, shown wherever the rule speaks.
    pub id: &'static str,
    /// What is wrong under the policy.
    pub check: fn(&Owners<'_>) -> Vec<Finding>,
}

/// Every rule of the owner on stores and flows.
pub static OWNER: [&OwnerRule; 2] = [&control::RULE, &ground::RULE];

/// The checks that policies ask for, by the rules of law that answer them.
pub fn check_of(rule: &str) -> Check {
    match rule {
        id if id == localisation::RULE.id => Check::Localisation,
        id if id == consent::RULE.id => Check::Consent,
        id if id == enrichment::RULE.id => Check::Enrichment,
        id if id == rights::RULE.id => Check::SubjectRights,
        _ => Check::Transfer,
    }
}

/// Id of the rule for places that a policy does not allow.
pub const PLACE: &str = place::RULE.id;
/// Id of the rule for changes that would let an existing object slip out of the scope in which it was judged.
pub const SCOPE: &str = "RES-SCOPE";
/// Id of the rule for specifications that cannot be right.
pub const SPEC: &str = "RES-SPEC";

/// What is wrong with rewrites that make each placement right by itself and contradict each other.
pub fn contradiction(facts: &Facts, rewrites: &[Rewrite]) -> Option<Finding> {
    conflict::between(facts, rewrites)
}
