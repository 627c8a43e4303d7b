//! What the law says of one matter: the legal state, and what gave it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evaluate::Truth;
use super::jurisdiction::{Jurisdiction, Trigger};
use super::matter::{Matter, Transfer, TransferKind};
use super::mechanism::{GroundKind, Mechanism};
use super::source::{Authority, Citation};
use crate::engine::country::{Country, CountrySet};
use crate::engine::lawbook::Lawbook;
use crate::engine::rules;

/// What Domicile says of itself wherever it shows what law says; once an output.
pub const DISCLAIMER: &str = "engineering input, not legal advice";

/// The legal state. Ordered from the best to the worst: the worst over all laws that apply wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Legal {
    /// No breach found in what was checked.
    Permitted,
    /// Lawful so far; something named is owed or not settled.
    Conditional,
    /// What is declared or catalogued does not tell.
    Unknown,
    /// Not lawful.
    Prohibited,
}

impl From<Truth> for Legal {
    /// What it means for a transfer how far that holds which the law asks of it.
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::Holds => Self::Permitted,
            Truth::Open => Self::Conditional,
            Truth::Unknown => Self::Unknown,
            Truth::Fails => Self::Prohibited,
        }
    }
}

/// A ground that carries a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ground {
    /// Name of the mechanism; for free flow inside a bloc the bloc's code.
    pub name: String,
    /// Its kind.
    pub kind: GroundKind,
    /// Under which law.
    pub law: String,
    /// Full name.
    pub title: String,
    /// The end that is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Signs that it may end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_risk: Vec<String>,
    /// Why what relies on it has to be looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
    /// Where it is written.
    pub citation: Citation,
}

/// What one rule of law says of a matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Stable id of the rule.
    pub rule: &'static str,
    /// The legal state under this rule.
    pub legal: Legal,
    /// The law: code of a country, a subdivision or a bloc.
    pub law: String,
    /// The place concerned, where it is about a transfer.
    pub place: Option<Country>,
    /// The field that says so.
    pub field: String,
    /// What is wrong, owed or unknown; empty where nothing is.
    pub message: String,
    /// How to make it right.
    pub remedy: String,
    /// Where the rule is written.
    pub citation: Option<Citation>,
    /// The ground that carries the transfer.
    pub ground: Option<Ground>,
    /// Declarations that it relies on.
    pub relies_on: Vec<String>,
    /// What was not looked at.
    pub not_assessed: Vec<String>,
    /// First instant at which time alone may change it.
    pub until: Option<Timestamp>,
}

impl Outcome {
    /// Nothing wrong under this rule.
    pub fn permitted(rule: &'static str, law: &str, field: &str) -> Self {
        Self {
            rule,
            legal: Legal::Permitted,
            law: law.to_owned(),
            place: None,
            field: field.to_owned(),
            message: String::new(),
            remedy: String::new(),
            citation: None,
            ground: None,
            relies_on: Vec::new(),
            not_assessed: Vec::new(),
            until: None,
        }
    }

    /// What kind of text the rule stands in.
    pub fn authority(&self) -> Authority {
        self.citation.as_ref().map_or(Authority::Statute, |citation| citation.authority)
    }
}

/// What all rules say of a matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// The worst of them.
    pub legal: Legal,
    /// Each of them, in the order of the rules and of the laws' codes.
    pub outcomes: Vec<Outcome>,
    /// First instant at which time alone may change any of them.
    pub until: Option<Timestamp>,
}

/// A law that applies to a matter, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicable {
    /// The country.
    pub country: Country,
    /// The subdivision, where it is the law of one.
    pub region: Option<String>,
    /// Why.
    pub because: Trigger,
}

impl Applicable {
    /// Code of the country or of the subdivision.
    pub fn code(&self) -> &str {
        self.region.as_deref().unwrap_or(self.country.as_str())
    }

    /// What the lawgiver says: the subdivision itself where it is the law of one, else all that binds in the country.
    pub fn rules<'a>(&self, lawbook: &'a Lawbook, now: Timestamp) -> impl Iterator<Item = &'a Jurisdiction> + use<'a> {
        let region = self.region.as_deref().and_then(|code| lawbook.jurisdiction(code));
        let whole = self.region.is_none();
        region.into_iter().chain(lawbook.binding(self.country, now).filter(move |_| whole))
    }

    /// Whether a mechanism carries data from here at `now`.
    pub fn is_left_by(&self, mechanism: &Mechanism, lawbook: &Lawbook, now: Timestamp) -> bool {
        match &self.region {
            Some(region) => mechanism.from.regions.contains(region),
            None => mechanism.from.contains(self.country, lawbook, now),
        }
    }
}

/// Data that would cross a border under a law.
#[derive(Debug, Clone, Copy)]
pub struct Crossing<'a> {
    /// The law.
    pub law: &'a Applicable,
    /// The transfer.
    pub transfer: &'a Transfer,
    /// One of its places.
    pub place: Country,
}

/// A matter with what its rules need.
#[derive(Debug)]
pub struct Question<'a> {
    /// The store or flow.
    pub matter: &'a Matter,
    /// The law.
    pub lawbook: &'a Lawbook,
    /// The time.
    pub now: Timestamp,
    /// The laws that apply, by code.
    pub laws: Vec<Applicable>,
}

/// A place that may be more countries than this is as good as unknown.
const MOST_PLACES: usize = 60;

impl<'a> Question<'a> {
    /// Finds the laws that apply.
    pub fn new(matter: &'a Matter, lawbook: &'a Lawbook, now: Timestamp) -> Self {
        Self { matter, lawbook, now, laws: applicable(matter, lawbook, now) }
    }

    /// Every border that data would cross, under every law for which it is one. Places that are not known are left out.
    pub fn crossings(&self) -> impl Iterator<Item = Crossing<'_>> {
        self.matter.transfers.iter().filter(|transfer| is_known(transfer)).flat_map(move |transfer| {
            let places: Vec<Country> = transfer.places.countries.iter().collect();
            self.laws.iter().flat_map(move |law| {
                // That data rests here which flowed in from elsewhere was a transfer by the flow.
                let by_origin = matches!(law.because, Trigger::CollectedIn | Trigger::SubjectsIn);
                let flowed_in =
                    by_origin && transfer.kind == TransferKind::Residence && !self.matter.answers_for(law.country);
                // A place known as a country is not known to be in one of its parts.
                let abroad = move |place: &Country| !flowed_in && (*place != law.country || law.region.is_some());
                places.clone().into_iter().filter(abroad).map(move |place| Crossing { law, transfer, place })
            })
        })
    }

    /// Transfers to a place that cannot be told.
    pub fn unknown_places(&self) -> impl Iterator<Item = &Transfer> {
        self.matter.transfers.iter().filter(|transfer| !is_known(transfer))
    }
}

fn is_known(transfer: &Transfer) -> bool {
    transfer.places.unproven.is_none() && transfer.places.countries.len() <= MOST_PLACES
}

/// The laws that apply to a matter. Where nothing is catalogued for a country, its law applies all the same: it is unknown.
fn applicable(matter: &Matter, lawbook: &Lawbook, now: Timestamp) -> Vec<Applicable> {
    let parties = |controller: bool| -> CountrySet {
        let of = |role| (role <= super::matter::Role::JointController) == controller;
        matter.parties.iter().filter(|party| of(party.role)).filter_map(|party| party.established_in).collect()
    };
    // Origins that came by lineage were collected there and are about people there.
    let declared = matter.collected_in.union(&matter.subjects_in).union(&matter.citizens_of);
    let mut inherited = CountrySet::EMPTY;
    for origin in matter.origins.iter().filter(|origin| !declared.contains(*origin)) {
        inherited.insert(origin);
    }
    let kept = matter.residence.map_or(CountrySet::EMPTY, CountrySet::only);
    let earlier = matter.earlier.as_ref().and_then(|hop| hop.to).map_or(CountrySet::EMPTY, CountrySet::only);
    let triggers = [
        (Trigger::CollectedIn, matter.collected_in.union(&inherited), true),
        (Trigger::SubjectsIn, matter.subjects_in.union(&inherited), true),
        (Trigger::CitizenOf, matter.citizens_of, false),
        (Trigger::ControllerEstablishedIn, parties(true), false),
        (Trigger::ProcessorEstablishedIn, parties(false), false),
        (Trigger::TargetedFrom, matter.collects_from, false),
        (Trigger::ProcessedIn, kept.union(&earlier), false),
    ];
    let mut laws: Vec<Applicable> = Vec::new();
    for (because, countries, always) in triggers {
        for country in &countries {
            let mut binding = lawbook.binding(country, now).peekable();
            let unknown = always && binding.peek().is_none();
            let hop = because == Trigger::ProcessedIn && earlier.contains(country);
            let asked = unknown || hop || binding.any(|law| law.applies_when.contains(&because));
            if asked && !laws.iter().any(|law| law.country == country) {
                laws.push(Applicable { country, region: None, because });
            }
        }
    }
    // A subdivision adds its own law to its country's, where it has one.
    for region in matter.regions.iter().filter(|region| lawbook.jurisdiction(region).is_some()) {
        let Ok(country) = Country::parse(region.get(..2).unwrap_or_default()) else { continue };
        laws.push(Applicable { country, region: Some(region.clone()), because: Trigger::CollectedIn });
    }
    laws.sort_by(|a, b| a.code().cmp(b.code()));
    laws
}

/// What the law says of a matter at `now`.
pub fn opinion(matter: &Matter, lawbook: &Lawbook, now: Timestamp) -> Opinion {
    let question = Question::new(matter, lawbook, now);
    let outcomes: Vec<Outcome> = rules::LEGAL.iter().flat_map(|rule| (rule.check)(&question)).collect();
    let legal = outcomes.iter().map(|outcome| outcome.legal).max().unwrap_or(Legal::Permitted);
    let legal = if matter.unknown_origin.is_some() { legal.max(Legal::Unknown) } else { legal };
    let until = outcomes.iter().filter_map(|outcome| outcome.until).chain(lawbook.next_bloc_change(now)).min();
    Opinion { legal, outcomes, until }
}

/// Where law lets data go by what a matter declares, by the opinion on it: the places of its transfers in which nothing
/// forbids it and everything that is needed is known.
pub fn carried(matter: &Matter, opinion: &Opinion) -> CountrySet {
    let mut places = CountrySet::EMPTY;
    // That both ends are one legal entity is no ground: nobody says who runs the place.
    for transfer in matter.transfers.iter().filter(|transfer| is_known(transfer) && !transfer.same_entity) {
        places = places.union(&transfer.places.countries);
    }
    for outcome in opinion.outcomes.iter().filter(|outcome| outcome.legal > Legal::Conditional) {
        match outcome.place {
            Some(place) => places.remove(place),
            None if outcome.ground.is_none() && rules::is_about_transfers(outcome.rule) => return CountrySet::EMPTY,
            None => {}
        }
    }
    places
}
