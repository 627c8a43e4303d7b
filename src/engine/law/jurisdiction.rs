//! A country's, a subdivision's or a bloc's law, apart from transfer mechanisms.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claims::Channel;
use super::condition::Condition;
use super::period::Period;
use super::source::Citation;
use crate::engine::lawbook::Window;

/// What makes a law apply to data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Trigger {
    /// It is collected there.
    CollectedIn,
    /// It is about people there.
    SubjectsIn,
    /// It is about citizens.
    CitizenOf,
    /// A controller is established there.
    ControllerEstablishedIn,
    /// A processor is established there.
    ProcessorEstablishedIn,
    /// People there are targeted by a collection.
    TargetedFrom,
    /// It is kept there.
    ProcessedIn,
}

/// What law says of transfers abroad by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Regime {
    /// Data may go.
    Free,
    /// Data may go on a ground only.
    NeedsGround,
    /// Not known.
    Unknown,
}

/// A rule with its window, its source and a note.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated<T> {
    /// In force.
    pub window: Window,
    /// Where it is written.
    pub citation: Citation,
    /// For people.
    pub note: Option<String>,
    /// The rule.
    pub rule: T,
}

/// The default for transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferRegime {
    /// What holds by default.
    pub default: Regime,
    /// From when on it is enforced, if later than it is in force: until then what is missing is owed, not forbidden.
    pub enforced_from: Option<Timestamp>,
}

/// Kinds of localisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LocalisationKind {
    /// None.
    None,
    /// Only for some, as its conditions say.
    Conditional,
    /// Only in sectors that are not modelled here.
    Sectoral,
    /// The primary copy must be in the country.
    PrimaryCopy,
    /// Nothing may be kept abroad at collection.
    Ban,
}

/// A duty to keep data in the country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Localisation {
    /// Of what kind.
    pub kind: LocalisationKind,
    /// Whom it binds; none: everybody.
    pub when: Option<Condition>,
    /// What it demands.
    pub demands: Option<Condition>,
}

/// What law asks before people are contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConsentRule {
    /// Consent before.
    OptIn,
    /// Consent before, or a relationship with the person.
    SoftOptIn,
    /// Nothing before, and objections are heeded.
    OptOut,
    /// Nothing for the channel.
    None,
    /// Sources disagree or are silent: unknown.
    Unsure,
}

/// A consent rule for one channel and purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRule {
    /// The channel.
    pub channel: Channel,
    /// The purpose: `marketing`, `cx-feedback`, `market-research`, `service-message`.
    pub purpose: String,
    /// The rule.
    pub rule: ConsentRule,
    /// What must hold beside it.
    pub demands: Option<Condition>,
    /// What makes a consent unnecessary.
    pub unless: Option<Condition>,
    /// Whether the day on which the rule began was not researched: it is unknown before `window.from` then.
    pub start_unknown: bool,
}

/// What failing a rule on enrichment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Severity {
    /// The enrichment may not happen.
    Deny,
    /// Something is owed.
    Warn,
    /// Nothing; the rule says what is allowed.
    Allow,
}

/// What must hold before what was gathered enters a customer profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichmentRule {
    /// Name of the rule.
    pub name: String,
    /// What brings it up, in words.
    pub trigger: String,
    /// What it demands, in words.
    pub requirement: String,
    /// When it is asked.
    pub when: Option<Condition>,
    /// What it demands.
    pub demands: Option<Condition>,
    /// What its failure does.
    pub severity: Severity,
}

/// Within what time people must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// How long; none: no number of days in law.
    pub within: Option<Period>,
    /// Whether only working days count.
    pub working_days: bool,
    /// How much longer it may take if need be.
    pub extension: Option<Period>,
}

/// Rights of the people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectRights {
    /// Access.
    pub access: Deadline,
    /// Rectification.
    pub rectification: Deadline,
    /// Erasure.
    pub erasure: Deadline,
}

/// How the maximum of a fine is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FineRule {
    /// The higher of the two.
    HigherOf,
    /// The lower of the two.
    LowerOf,
    /// The share of turnover, capped by the fixed amount.
    Capped,
    /// Either, as the authority chooses.
    Either,
    /// The fixed amount.
    Fixed,
    /// The share of turnover.
    Turnover,
    /// A fixed amount, on the person responsible.
    OnPerson,
    /// Not known in figures.
    Unknown,
}

/// A statutory maximum: not a forecast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fine {
    /// How it is found.
    pub rule: FineRule,
    /// The fixed amount, in units of the currency.
    pub fixed: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Share of turnover in per cent.
    pub turnover_percent: Option<i64>,
}

/// When an authority must be told of a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreachNotice {
    /// Within what time; none: no number of hours in law.
    pub within: Option<Period>,
}

/// Everything that one lawgiver says.
#[derive(Debug, Clone, PartialEq)]
pub struct Jurisdiction {
    /// Code of the country, the subdivision or the bloc.
    pub code: String,
    /// Full name.
    pub title: String,
    /// Whether the code is that of a bloc.
    pub is_bloc: bool,
    /// The zone in which its days begin.
    pub zone: TimeZone,
    /// What makes it apply.
    pub applies_when: Vec<Trigger>,
    /// Transfers abroad.
    pub regimes: Vec<Dated<TransferRegime>>,
    /// Localisation.
    pub localisations: Vec<Dated<Localisation>>,
    /// Consent by channel and purpose.
    pub consents: Vec<Dated<ChannelRule>>,
    /// Enrichment of customer profiles.
    pub enrichments: Vec<Dated<EnrichmentRule>>,
    /// Rights of the people.
    pub rights: Vec<Dated<SubjectRights>>,
    /// Breach notification.
    pub breaches: Vec<Dated<BreachNotice>>,
    /// Fines.
    pub fines: Vec<Dated<Fine>>,
}

/// The rule in force at `now`; of several the one that began last.
pub fn in_force<T>(rules: &[Dated<T>], now: Timestamp) -> Option<&Dated<T>> {
    rules.iter().filter(|rule| rule.window.contains(now)).max_by_key(|rule| rule.window.from)
}
