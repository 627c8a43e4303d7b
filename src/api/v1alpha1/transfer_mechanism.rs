//! `TransferMechanism`: what may carry data abroad, what must be done beside, and what forbids it.

use jiff::civil::Date;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::LawSource;
use crate::engine::law::mechanism::{EndEffect, GroundKind, MechanismRole, OnwardRule};

/// A mechanism of transfer law: a ground on which personal data may leave a country, a duty beside it, or a bar.
///
/// A date means the first instant of that day in `timeZone`; ends are exclusive. One ground that holds suffices; every
/// duty must hold; no bar may apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "TransferMechanism",
    plural = "transfermechanisms",
    shortname = "tmech",
    category = "domicile",
    doc = "What may carry personal data abroad, what must be done beside, and what forbids it",
    derive = "PartialEq",
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to"),
    printcolumn(name = "Applies", type_ = "string", json_path = ".spec.appliesFrom"),
    printcolumn(name = "Until", type_ = "string", json_path = ".spec.until"),
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title", priority = 1)
)]
pub struct TransferMechanismSpec {
    /// Full name.
    #[schemars(length(min = 1, max = 300))]
    pub title: String,
    /// Whether it is a ground, a duty or a bar.
    pub role: MechanismRole,
    /// Of what kind it is; policies accept grounds by kind.
    pub kind: GroundKind,
    /// Other names by which claims may call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 253)))]
    pub aliases: Vec<String>,
    /// A family that survives the renewal of its members: claims may name it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub family: Option<String>,
    /// From where: countries (ISO 3166-1), subdivisions (ISO 3166-2) and codes of blocs; `*` is everywhere.
    #[schemars(length(min = 1, max = 300), inner(length(min = 1, max = 40)))]
    pub from: Vec<String>,
    /// To where. An empty list is nowhere: a power that nobody has used yet.
    #[serde(default)]
    #[schemars(length(max = 300), inner(length(min = 1, max = 40)))]
    pub to: Vec<String>,
    /// Except to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300), inner(length(min = 1, max = 40)))]
    pub except: Vec<String>,
    /// The day on which it was adopted. It was known from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Date>,
    /// First day on which it can be relied on, `YYYY-MM-DD`, or the instant, RFC 3339. None: since ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?$"
    ))]
    pub applies_from: Option<String>,
    /// First day on which it is gone, or the instant. None: still in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?$"
    ))]
    pub until: Option<String>,
    /// IANA time zone in which its days begin.
    pub time_zone: String,
    /// How it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<MechanismEnd>,
    /// What it demands: a condition from a closed list. None: nothing beyond its dates and places. A condition is an object
    /// whose tests must all hold: `certified`, `instrument`, `groupRules`, `assessment`, `filing`, `subjectCount`,
    /// `dataScope`, `partyScope`, `consent`, `necessity`, `notice`, `destination`, `provenance`, `dealing`, `relationship`,
    /// `registerScreened`, `message`, `purpose`, `handling`; they nest by `allOf`, `anyOf` and `not`. `from` and `until`
    /// say on which days it is asked, `onFailure` what its failure means (`GroundFails`, `ObligationOnly`, `Unsettled`),
    /// `says` how it reads. `domicile catalogue` shows every built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition")]
    pub when: Option<Value>,
    /// What binds whoever receives the data when they pass it on.
    #[serde(default)]
    pub onward: OnwardRule,
    /// Signs that it may end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub risks: Vec<MechanismRisk>,
    /// Name of the mechanism that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub replaces: Option<String>,
    /// Name of the mechanism that replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub replaced_by: Option<String>,
    /// What else people should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub note: Option<String>,
    /// Where it is written.
    pub source: LawSource,
}

/// How a mechanism ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MechanismEnd {
    /// What the end does. After `ExTunc`, what relied on the mechanism has to be looked at again.
    pub effect: EndEffect,
    /// By what: a judgment, an act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub by: Option<String>,
    /// From which day on the end was known. None: from the start for `Sunset`, else from `until` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_from: Option<Date>,
}

/// A sign that a mechanism may end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MechanismRisk {
    /// What is the matter.
    #[schemars(length(min = 1, max = 500))]
    pub note: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Date>,
    /// First day on which it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// Conditions nest, which no structural schema can say; they are read strictly at admission instead.
pub(super) fn condition(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "nullable": true})
}
