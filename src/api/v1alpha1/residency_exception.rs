//! `ResidencyException`: what an owner lets pass for a time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::exception::Waivable;

/// A legal act: for a time, and with somebody's name under it, an owner's policy does not refuse what it would refuse.
///
/// An exception is about objects of its own namespace, and about data that this namespace declares. It loosens policies that
/// allow exceptions (`spec.exceptions` of a ResidencyPolicy) and never the law: lists of places that say `Law`, and what
/// statutes and judgments say of stores and flows, do what they did before. A finding there says who accepts the risk, and the
/// legal state stays what it is.
///
/// Two people make one. Whoever writes the specification signs it in `requestedBy`, anew with every change. The approver, who
/// is somebody else and may `approve` `residencyexceptions.domicile.dev`, then notes the generation that was read:
///
/// `kubectl patch residencyexception NAME --subresource=status --type=merge -p '{"status":{"approval":{"by":"ME","generation":1}}}'`
///
/// The API server itself holds both to that. The approval stands in the status so that nothing applied from a repository grants
/// or takes it, and it holds for one generation: any change of the specification voids it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "ResidencyException",
    plural = "residencyexceptions",
    namespaced,
    shortname = "rexc",
    category = "domicile",
    doc = "What an owner lets pass for a time, approved by somebody else",
    status = "ResidencyExceptionStatus",
    derive = "PartialEq",
    printcolumn(name = "Approver", type_ = "string", json_path = ".spec.approver"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expires"),
    printcolumn(name = "Honoured", type_ = "string", json_path = ".status.conditions[?(@.type==\"Honoured\")].status"),
    printcolumn(name = "Waives", type_ = "integer", json_path = ".status.waived"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Honoured\")].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = (
    "!has(self.requestedBy) || self.requestedBy != self.approver",
    "nobody approves what they ask for: name somebody else as approver"
))]
#[x_kube(validation = ("!has(self.starts) || self.starts < self.expires", "it has to begin before it expires"))]
pub struct ResidencyExceptionSpec {
    /// What it is about.
    pub scope: ExceptionScope,
    /// Names of the ResidencyPolicies that it is about. Empty: every policy that allows exceptions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 253)))]
    pub policies: Vec<String>,
    /// Who has written this, as the API server knows them. Filled in where the API server can; otherwise write your own name,
    /// also when you change something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300))]
    pub requested_by: Option<String>,
    /// Who is to approve it, as the API server knows them.
    #[schemars(length(min = 1, max = 300))]
    pub approver: String,
    /// On what it rests: a statute, a contract, a decision.
    #[schemars(length(min = 1, max = 500))]
    pub legal_basis: String,
    /// Why it is needed.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
    /// When it begins. None: once it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"), length(max = 40))]
    pub starts: Option<String>,
    /// The first instant at which it is no more, as in 2027-01-31T23:00:00Z.
    #[schemars(extend("format" = "date-time"), length(max = 40))]
    pub expires: String,
}

/// What an exception is about: all of what is said here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!('RES-PLACE' in self.rules) || (has(self.to) && size(self.to) > 0)",
    "an exception from RES-PLACE has to say to which countries"
))]
pub struct ExceptionScope {
    /// Rules that it waives (`RES-`), or over which it accepts the risk (`LAW-`).
    #[schemars(length(min = 1, max = 13))]
    pub rules: Vec<Waivable>,
    /// Objects of its namespace. What a controller makes goes with it: the pods of a Deployment. A DataStore or DataFlow means
    /// everything that works for it. Empty: everything in the namespace. A name protects nothing: whoever may create an object
    /// of that name may use the exception.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub objects: Vec<ExceptionObject>,
    /// Origins of data: countries and codes of blocs. Empty: all. Data of other origins beside these is not waived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300), inner(length(min = 1, max = 40)))]
    pub origins: Vec<String>,
    /// Categories of data, with those below them. Empty: all. Data whose categories are not declared may be of any, and is not
    /// waived where this names some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300), inner(length(min = 1, max = 200)))]
    pub categories: Vec<String>,
    /// Countries where data may be beyond what policies allow: ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 250), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub to: Vec<String>,
}

/// An object of the exception's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionObject {
    /// Its API group; empty for the core group. None: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What the approver notes, and what the operator sees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResidencyExceptionStatus {
    /// The approval. Only `spec.approver` may write it, and anybody take it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ExceptionApproval>,
    /// Generation of the specification that the rest is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many findings about objects that exist it waives now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<i64>,
    /// Over how many findings of law it accepts the risk now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risks: Option<i64>,
    /// The lead time within which it expires, once that has begun; or that it has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_within: Option<String>,
    /// Ready, Honoured (whether it counts, and if not why), Reconciling, Stalled.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// That somebody has approved an exception as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionApproval {
    /// Who: the same as `spec.approver`.
    #[schemars(length(min = 1, max = 300))]
    pub by: String,
    /// The generation that was approved: `metadata.generation` at that time.
    #[schemars(range(min = 0))]
    pub generation: i64,
}
