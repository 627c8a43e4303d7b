//! Transfer mechanisms: what may carry data abroad, what must be done beside, and what forbids it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::source::Citation;
use crate::engine::country::{Country, CountrySet};
use crate::engine::lawbook::{Lawbook, Window};

/// What a mechanism does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum MechanismRole {
    /// One that holds suffices.
    Ground,
    /// All that apply must hold beside a ground.
    Duty,
    /// None may apply.
    Bar,
}

/// Kinds of mechanisms, by which policies accept grounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GroundKind {
    /// Data flows freely in a bloc, or law restricts no export.
    FreeFlow,
    /// The destination is found to protect data.
    Adequacy,
    /// The importer takes part in a recognised framework.
    CertificationFramework,
    /// An official text of clauses.
    StandardContractualClauses,
    /// Other contracts and safeguards.
    ContractualSafeguards,
    /// Binding rules of a group.
    BindingCorporateRules,
    /// Approved codes and certifications.
    CodeOrCertification,
    /// Consent of the person.
    Consent,
    /// Exceptions for single cases.
    Derogation,
    /// An assessment by the exporter or an authority.
    Assessment,
    /// Notification, filing or licence.
    Authorisation,
    /// Small or special cases that need no mechanism.
    Exemption,
    /// The exporter stays answerable, wherever the data is.
    Accountability,
    /// Everything but what is listed.
    NegativeList,
    /// A rule that forbids.
    Prohibition,
}

/// What binds whoever receives data when it passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum OnwardRule {
    /// The law of the importer only.
    ImporterLaw,
    /// The same mechanism, for the next importer.
    #[default]
    SameInstrument,
    /// Consent to the transfer.
    NeedsConsent,
    /// Nothing may be passed on.
    Forbidden,
}

/// How a mechanism ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EndEffect {
    /// Annulled, as if it had never been: what relied on it has to be looked at again.
    ExTunc,
    /// Ended for the future.
    ExNunc,
    /// It ended by itself, on a day known from the start.
    Sunset,
    /// Repealed, usually by a successor.
    Repeal,
}

/// The end of a mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What the end does.
    pub effect: EndEffect,
    /// By what: a judgment, an act.
    pub by: Option<String>,
    /// From when on it was known.
    pub known_from: Option<Timestamp>,
}

/// A sign that a mechanism may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// What is the matter.
    pub note: String,
    /// When.
    pub window: Window,
}

/// Countries, subdivisions and blocs, or everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Everywhere.
    pub anywhere: bool,
    /// These countries.
    pub countries: CountrySet,
    /// These subdivisions.
    pub regions: Vec<String>,
    /// The members of these blocs at the time.
    pub blocs: Vec<String>,
}

impl Reach {
    /// The countries that it means at `now`. Subdivisions are no countries.
    pub fn countries(&self, lawbook: &Lawbook, now: Timestamp) -> CountrySet {
        if self.anywhere {
            return CountrySet::FULL;
        }
        let blocs = self.blocs.iter().filter_map(|code| lawbook.bloc(code));
        blocs.fold(self.countries, |all, bloc| all.union(bloc.members(now)))
    }

    /// Whether it means this country at `now`.
    pub fn contains(&self, country: Country, lawbook: &Lawbook, now: Timestamp) -> bool {
        self.anywhere
            || self.countries.contains(country)
            || self.blocs.iter().filter_map(|code| lawbook.bloc(code)).any(|bloc| bloc.members(now).contains(country))
    }
}

/// A mechanism, read and ready to decide.
#[derive(Debug, Clone, PartialEq)]
pub struct Mechanism {
    /// Its name in the cluster and in claims.
    pub name: String,
    /// Other names by which claims may call it.
    pub aliases: Vec<String>,
    /// The family that survives the renewal of its members.
    pub family: Option<String>,
    /// Full name.
    pub title: String,
    /// What it does.
    pub role: MechanismRole,
    /// Of what kind it is.
    pub kind: GroundKind,
    /// From where.
    pub from: Reach,
    /// To where.
    pub to: Reach,
    /// Except to.
    pub except: Reach,
    /// In force.
    pub window: Window,
    /// From when on it was known that it would come.
    pub known_from: Option<Timestamp>,
    /// The zone in which its days begin.
    pub zone: TimeZone,
    /// How it ends.
    pub ended: Option<Ended>,
    /// What it demands.
    pub when: Option<Condition>,
    /// What binds onward.
    pub onward: OnwardRule,
    /// Signs that it may end.
    pub risks: Vec<Risk>,
    /// Where it is written.
    pub citation: Citation,
}

impl Mechanism {
    /// Whether a claim means this mechanism.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.family.as_deref() == Some(name) || self.aliases.iter().any(|alias| alias == name)
    }

    /// Whether it concerns data from one country in another at `now`, in force or not.
    pub fn concerns(&self, from: Country, to: Country, lawbook: &Lawbook, now: Timestamp) -> bool {
        self.from.contains(from, lawbook, now) && self.leads_to(to, lawbook, now)
    }

    /// Whether it leads to a country at `now`.
    pub fn leads_to(&self, to: Country, lawbook: &Lawbook, now: Timestamp) -> bool {
        self.to.contains(to, lawbook, now) && !self.except.contains(to, lawbook, now)
    }
}
