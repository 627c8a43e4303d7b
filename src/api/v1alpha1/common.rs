//! Parts that several kinds share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::law::matter::Role;
use crate::engine::law::source::{Authority, Confidence, Verified};
use crate::engine::policy::Mode;
use crate::engine::verdict::{Relief, Waiver};

/// Where a statement comes from and how sure it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LawSource {
    /// An act, a judgment, a provider's documentation: what one would look up.
    #[schemars(length(max = 1000))]
    pub reference: String,
    /// Where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub url: Option<String>,
    /// What kind of text it is. Codes and guidance warn; statutes and judgments bind.
    #[serde(default)]
    pub authority: Authority,
    /// How it was checked.
    #[serde(default)]
    pub verified: Verified,
    /// How sure it is. What is `Low` counts as unknown.
    #[serde(default)]
    pub confidence: Confidence,
}

/// Pods that hold, process or carry the data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workloads {
    /// Labels of the pods, in the namespace of this object. An empty selector selects every pod there.
    pub selector: LabelSelector,
}

/// Something that is wrong, or cannot be proven right, with an object that belongs to the data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectFinding {
    /// Kind and name of the object, for example `Pod/answers-0`.
    pub object: String,
    /// Stable id of the rule.
    pub rule: String,
    /// The field that says so.
    pub field: String,
    /// What the policy does about it.
    pub mode: Mode,
    /// The policy that is broken, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What happens and why that is wrong.
    pub message: String,
    /// How to make it right.
    pub remedy: String,
    /// Where the law is written that is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The exception that is about it. What is waived is no breach and is not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waiver>,
}

impl ObjectFinding {
    /// Whether an exception lets it pass.
    pub fn is_waived(&self) -> bool {
        self.waived.as_ref().is_some_and(|waiver| waiver.relief == Relief::Waived)
    }
}

/// Somebody who touches the data. Where it is established, who controls it in the end, and from where its people look at the
/// data are three facts, and each is judged by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartySpec {
    /// What it does with the data.
    pub role: Role,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Who it is.
    #[serde(flatten)]
    pub facts: PartyFacts,
}

/// What is declared of a party.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartyFacts {
    /// Where it is established: ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub established_in: Option<String>,
    /// From where it is ultimately controlled, for example by a parent company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub controlled_from: Option<String>,
    /// From where its people reach the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub access_from: Vec<String>,
    /// Its legal entity. Two parties that name the same are one; a party that names none is somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub legal_entity: Option<String>,
    /// Laws to which it is subject, in the words of the catalogue: `GDPR`, `LGPD`, `PIPEDA`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)))]
    pub subject_to: Option<Vec<String>>,
    /// What it is, in the words of the catalogue: `PublicBody`, `CriticalInfrastructure`, ... What is not listed it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)))]
    pub attributes: Vec<String>,
}

/// A ground on which data is transferred.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reliance {
    /// The mechanism, or the bloc inside which data flows freely.
    pub mechanism: String,
    /// Under which law.
    pub law: String,
    /// Where it is written.
    pub source: String,
    /// Signs that it may end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_risk: Vec<String>,
}

/// Something that is owed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Owed {
    /// Stable id of the rule.
    pub rule: String,
    /// The field concerned.
    pub field: String,
    /// What is owed.
    pub message: String,
    /// How to settle it.
    pub remedy: String,
    /// Where that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}
