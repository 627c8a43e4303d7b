//! Parts that several kinds share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::policy::Mode;

/// Where a statement comes from and how sure it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LawSource {
    /// An act, a judgment, a provider's documentation: what one would look up.
    pub reference: String,
    /// How sure it is. What is `Low` counts as unknown.
    #[serde(default)]
    pub confidence: Confidence,
}

/// How sure a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum Confidence {
    /// Not sure enough to rely on: it counts as unknown.
    Low,
    /// One secondary source, or from memory.
    Medium,
    /// Seen in a primary source.
    #[default]
    High,
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
}
