//! `Jurisdiction`: a country's, a subdivision's or a bloc's law.

use jiff::civil::Date;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::LawSource;
use super::transfer_mechanism::condition;
use crate::engine::law::claims::Channel;
use crate::engine::law::jurisdiction::{ConsentRule, FineRule, LocalisationKind, Regime, Severity, Trigger};
use crate::engine::law::period::Period;

/// What one lawgiver says: a country, a subdivision that adds to its country's law, or a bloc whose law binds its members.
///
/// Of a bloc's rules and a member's own, the member's own wins where both answer the same question. A date means the
/// first instant of that day in `timeZone`; `until` is exclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "Jurisdiction",
    plural = "jurisdictions",
    shortname = "jur",
    category = "domicile",
    doc = "The law of a country, a subdivision or a bloc",
    derive = "PartialEq",
    printcolumn(name = "Country", type_ = "string", json_path = ".spec.country"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Bloc", type_ = "string", json_path = ".spec.bloc"),
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title")
)]
#[x_kube(validation = (
    "[has(self.country), has(self.region), has(self.bloc)].filter(one, one).size() == 1",
    "name exactly one of country, region and bloc"
))]
pub struct JurisdictionSpec {
    /// ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub country: Option<String>,
    /// ISO 3166-2: a subdivision, whose rules are added to those of its country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}-[A-Z0-9]{1,3}$"))]
    pub region: Option<String>,
    /// Code of a bloc, whose members are bound while they belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 40))]
    pub bloc: Option<String>,
    /// Full name.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// IANA time zone in which its days begin.
    pub time_zone: String,
    /// Who watches over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulator: Option<Regulator>,
    /// Its main laws.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub laws: Vec<Law>,
    /// What makes it apply to data.
    #[serde(default = "applies_by_default")]
    #[schemars(length(min = 1, max = 10))]
    pub applies_when: Vec<Trigger>,
    /// What holds for transfers abroad by default. A gap in time is unknown, never free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub transfer_regime: Vec<TransferRegimeRule>,
    /// Duties to keep data in the country.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub localisation: Vec<LocalisationRule>,
    /// What is asked before people are contacted. For one channel and purpose the most specific jurisdiction's rules win
    /// whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub consent: Vec<ChannelConsentRule>,
    /// What must hold before what was gathered enters a customer profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub enrichment: Vec<EnrichmentDuty>,
    /// Within what time people must be answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub subject_rights: Vec<SubjectRightsRule>,
    /// Within what time an authority must be told of a breach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub breach_notice: Vec<BreachNoticeRule>,
    /// Statutory maxima of fines: not a forecast.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub fines: Vec<FineMaximum>,
}

fn applies_by_default() -> Vec<Trigger> {
    vec![Trigger::CollectedIn, Trigger::SubjectsIn]
}

/// Who watches over a law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Regulator {
    /// Its name.
    #[schemars(length(min = 1, max = 300))]
    pub name: String,
    /// Its web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub url: Option<String>,
}

/// A law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Law {
    /// Its name.
    #[schemars(length(min = 1, max = 300))]
    pub name: String,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// First day on which it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// When a rule is in force, and where it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// First day. None: since ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// First day on which it is gone. None: still in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// What else people should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub note: Option<String>,
    /// Where it is written.
    pub source: LawSource,
}

/// What holds for transfers abroad by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferRegimeRule {
    /// `Free`, `NeedsGround` or `Unknown`.
    #[serde(rename = "default")]
    pub default_rule: Regime,
    /// First day on which it is enforced, if later than `from`: until then what is missing is owed, not forbidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced_from: Option<Date>,
    /// When and where written.
    #[serde(flatten)]
    pub in_force: InForce,
}

/// A duty to keep data in the country.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalisationRule {
    /// Of what kind.
    pub kind: LocalisationKind,
    /// Whom it binds: a condition. None: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition")]
    pub when: Option<Value>,
    /// What it demands: a condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition")]
    pub demands: Option<Value>,
    /// When and where written.
    #[serde(flatten)]
    pub in_force: InForce,
}

/// What is asked before people are contacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelConsentRule {
    /// Over this channel.
    pub channel: Channel,
    /// For this purpose: `marketing`, `cx-feedback`, `market-research`, `service-message`.
    #[schemars(length(min = 1, max = 100))]
    pub purpose: String,
    /// What is asked. `Unsure` is unknown, never a permission.
    pub rule: ConsentRule,
    /// What must hold beside it: a condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition")]
    pub demands: Option<Value>,
    /// What makes a consent unnecessary: a condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition")]
    pub unless: Option<Value>,
    /// The day on which the rule was found in force, where the day on which it began was not researched: before it the
    /// rule is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_on: Option<Date>,
    /// When and where written.
    #[serde(flatten)]
    pub in_force: InForce,
}

/// What must hold before what was gathered enters a customer profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrichmentDuty {
    /// Name of the rule.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// What brings it up, in words.
    #[schemars(length(min = 1, max = 1000))]
    pub trigger: String,
    /// What it demands, in words.
    #[schemars(length(min = 1, max = 1000))]
    pub requirement: String,
    /// When it is asked: a condition. None: whenever data enters a customer profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition")]
    pub when: Option<Value>,
    /// What it demands: a condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition")]
    pub demands: Option<Value>,
    /// What its failure does.
    pub effect: Severity,
    /// When and where written.
    #[serde(flatten)]
    pub in_force: InForce,
}

/// Within what time people must be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectRightsRule {
    /// Access to one's data.
    pub access: ResponseDeadline,
    /// Correction. None: as for access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rectification: Option<ResponseDeadline>,
    /// Erasure. None: as for access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<ResponseDeadline>,
    /// When and where written.
    #[serde(flatten)]
    pub in_force: InForce,
}

/// A deadline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseDeadline {
    /// How long: `P1M`, `P45D`. None: the law names no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Period>,
    /// Whether only working days count.
    #[serde(default)]
    pub working_days: bool,
    /// How much longer it may take if need be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Period>,
}

/// Within what time an authority must be told of a breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreachNoticeRule {
    /// How long: `PT72H`. None: the law names no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Period>,
    /// When and where written.
    #[serde(flatten)]
    pub in_force: InForce,
}

/// The statutory maximum of a fine: not a forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FineMaximum {
    /// How the maximum is found.
    pub rule: FineRule,
    /// The fixed amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Amount>,
    /// Share of turnover in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub turnover_percent: Option<i64>,
    /// When and where written.
    #[serde(flatten)]
    pub in_force: InForce,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// In units of the currency.
    #[schemars(range(min = 0))]
    pub amount: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: String,
}
