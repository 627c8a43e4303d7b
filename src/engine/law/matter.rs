//! What the law is asked about: one store or one flow, with everything that its owner declares of it.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claims::{Basis, Channel, Claims, Pattern};
use super::period::Period;
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::Source;
use crate::engine::place::Places;

/// What a party does with the data, as in GDPR Art. 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the words of the law")]
pub enum Role {
    Controller,
    JointController,
    Processor,
    SubProcessor,
    Recipient,
}

/// Somebody who touches data. Where it is established, who controls it in the end, and from where its people look at the
/// data are three facts, and each is judged by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// The field that declares it.
    pub field: String,
    /// What it does.
    pub role: Role,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is established.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub established_in: Option<Country>,
    /// From where it is ultimately controlled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controlled_from: Option<Country>,
    /// From where its people reach the data.
    #[serde(default, skip_serializing_if = "CountrySet::is_empty")]
    pub access_from: CountrySet,
    /// Its legal entity: two parties with one are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_entity: Option<String>,
    /// Laws to which it says it is subject; none: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_to: Option<Vec<String>>,
    /// What it is, in words of the catalogue. What is not listed it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

/// Why data is in another country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferKind {
    /// It is sent there.
    Delivery,
    /// It rests there.
    Residence,
    /// People look at it from there.
    Access,
}

/// Personal data comes into the reach of somebody in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Why.
    pub kind: TransferKind,
    /// The field that says where.
    pub field: String,
    /// Where.
    pub places: Places,
    /// Into whose reach. None: not declared, which is unknown and never "the same company".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importer: Option<Party>,
    /// Whether the importer is the exporter's own legal entity: then nobody else receives anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_entity: bool,
}

/// The hop before a flow: how the data came to where it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EarlierHop {
    /// The mechanism under which it was exported.
    pub mechanism: String,
    /// To where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Country>,
}

/// Within what time a store answers people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Access to one's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Period>,
    /// Correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rectification: Option<Period>,
    /// Erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Period>,
}

/// One store or flow before the law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matter {
    /// Who declares it.
    pub via: Source,
    /// Every country from which data comes into it, by declaration or by lineage.
    #[serde(default, skip_serializing_if = "CountrySet::is_empty")]
    pub origins: CountrySet,
    /// Why they are not known, when they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_origin: Option<String>,
    /// Where it was collected.
    #[serde(default, skip_serializing_if = "CountrySet::is_empty")]
    pub collected_in: CountrySet,
    /// Where the people are.
    #[serde(default, skip_serializing_if = "CountrySet::is_empty")]
    pub subjects_in: CountrySet,
    /// Of which countries they are citizens.
    #[serde(default, skip_serializing_if = "CountrySet::is_empty")]
    pub citizens_of: CountrySet,
    /// Subdivisions among the origins: ISO 3166-2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Categories; empty: not declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// For what the data was collected; empty: not declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collected_for: Vec<String>,
    /// How people are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// People from whom it collects, by country.
    #[serde(default, skip_serializing_if = "CountrySet::is_empty")]
    pub collects_from: CountrySet,
    /// Whether data moves all the time or now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// The day of the first transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_transfer: Option<Date>,
    /// The hop before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<EarlierHop>,
    /// Who touches the data on the exporter's side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<Party>,
    /// Where it comes into whose reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// Grounds that its owner relies on, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Basis>,
    /// What else its owner claims.
    #[serde(default)]
    pub claims: Claims,
    /// Where it is kept; none where this is a flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residence: Option<Country>,
    /// Whether this is a store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_store: bool,
    /// How a store answers people.
    #[serde(default)]
    pub rights: Rights,
    /// How long data is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Period>,
}

impl Matter {
    /// Whether what this declares is an answer for data of an origin. A store answers for what it holds of itself; what
    /// flowed into it is for the flow to answer.
    pub fn answers_for(&self, origin: Country) -> bool {
        if self.is_store {
            self.collected_in.contains(origin) || self.subjects_in.contains(origin)
        } else {
            self.origins.contains(origin)
        }
    }

    /// Nothing is declared but whose data it is.
    pub fn of(via: Source, origins: CountrySet) -> Self {
        Self {
            via,
            origins,
            unknown_origin: None,
            collected_in: origins,
            subjects_in: origins,
            citizens_of: CountrySet::EMPTY,
            regions: Vec::new(),
            categories: Vec::new(),
            purpose: None,
            collected_for: Vec::new(),
            channel: None,
            collects_from: CountrySet::EMPTY,
            pattern: None,
            first_transfer: None,
            earlier: None,
            parties: Vec::new(),
            transfers: Vec::new(),
            bases: Vec::new(),
            claims: Claims::default(),
            residence: None,
            is_store: false,
            rights: Rights::default(),
            retention: None,
        }
    }
}
