//! `DataStore`: a place where personal data rests.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{ObjectFinding, Owed, PartySpec, Reliance, Workloads};
use crate::engine::law;
use crate::engine::law::claims::Basis;
use crate::engine::law::opinion::Legal;
use crate::engine::law::period::Period;
use crate::engine::node::Evidence;

/// A place where personal data rests: whose data it is, and which workloads, claims and secrets belong to it.
///
/// Pods that match `workloads`, mount one of `claims` or reference one of `secrets` process this data; claims hold it.
/// They may be only where every policy that covers the data allows. A pod that touches several stores makes each inherit the
/// origins of the others, unless a flow between them says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "DataStore",
    plural = "datastores",
    namespaced,
    shortname = "dstore",
    category = "domicile",
    doc = "A place where personal data rests",
    status = "DataStoreStatus",
    derive = "PartialEq",
    printcolumn(name = "Origins", type_ = "string", json_path = ".status.origins"),
    printcolumn(name = "Legal", type_ = "string", json_path = ".status.legal"),
    printcolumn(name = "Country", type_ = "string", json_path = ".status.country"),
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Compliant\")].status"
    ),
    printcolumn(name = "Violations", type_ = "integer", json_path = ".status.violations"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Compliant\")].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = (
    "has(self.origins) || has(self.collectedIn) || has(self.subjectsIn)",
    "say where the data comes from: origins, or collectedIn and subjectsIn"
))]
pub struct DataStoreSpec {
    /// What the store holds, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// Countries (ISO 3166-1 alpha-2) and subdivisions (ISO 3166-2) where the data is collected and where its subjects are:
    /// shorthand for the two fields below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = "^[A-Z]{2}(-[A-Z0-9]{1,3})?$")))]
    pub origins: Option<Vec<String>>,
    /// Countries where the data is collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = "^[A-Z]{2}(-[A-Z0-9]{1,3})?$")))]
    pub collected_in: Option<Vec<String>>,
    /// Countries where the people are whom the data is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = "^[A-Z]{2}(-[A-Z0-9]{1,3})?$")))]
    pub subjects_in: Option<Vec<String>>,
    /// Countries of which the people are citizens, where their law follows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 250), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub citizens_of: Vec<String>,
    /// Data categories: W3C DPV terms or fideslang keys. None: the data may be of any category.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 200)))]
    pub categories: Vec<String>,
    /// Where the owner says the data is. The operator compares it with what it observes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residence: Option<DeclaredResidence>,
    /// For what the data was collected: `cx-feedback`, `market-research`, `marketing`, `service-message`, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 100)))]
    pub purposes: Vec<String>,
    /// Who touches the data: its controllers and processors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub parties: Vec<PartySpec>,
    /// What carries the data to a processor abroad, or lets somebody look in from abroad; best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub bases: Vec<Basis>,
    /// What else is claimed about the data.
    #[serde(flatten)]
    pub declared: law::claims::Claims,
    /// How long data is kept: `P24M`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Period>,
    /// Within what time people are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_rights: Option<AnswerTimes>,
    /// Pods that hold or process the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Workloads>,
    /// Claims that hold the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
    /// Names of secrets that open the data: whoever references one can reach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 253)))]
    pub secrets: Vec<String>,
    /// Other objects in this namespace that hold the data, of any kind that a `ResourceInterpreter` describes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub resources: Vec<StoreResource>,
}

/// An object that holds the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreResource {
    /// Its group and version, as in its manifest. The version does not matter.
    #[schemars(length(min = 1, max = 300))]
    pub api_version: String,
    /// Its kind.
    #[schemars(length(min = 1, max = 100))]
    pub kind: String,
    /// Its name. Also a cluster-scoped object may be named.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Within what time people are answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnswerTimes {
    /// Access to their data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AnswerTime>,
    /// Correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rectification: Option<AnswerTime>,
    /// Erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<AnswerTime>,
}

/// A time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnswerTime {
    /// At most: `P14D`.
    pub within: Period,
}

/// Where the owner says the data is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredResidence {
    /// ISO 3166-1 alpha-2.
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub country: String,
}

/// Claims that hold the data of a store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.selector) || has(self.names)", "name claims by selector or by names"))]
pub struct Claims {
    /// Labels of the claims, in the store's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Names of claims, in the store's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 253)))]
    pub names: Option<Vec<String>>,
}

/// What the operator sees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStoreStatus {
    /// Generation of the specification that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Effective origins in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<String>,
    /// The countries where the data is observed in one line; the declared one where nothing is observed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Where the store's pods and volumes are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<ObservedPlace>,
    /// Every origin whose data the store holds, and how it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effective_origins: Vec<EffectiveOrigin>,
    /// How many breaches there are. Exact, also where the details below are capped.
    #[serde(default)]
    pub violations: i64,
    /// How many places cannot be proven.
    #[serde(default)]
    pub unproven: i64,
    /// The findings, at most 20 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ObjectFinding>,
    /// What the law says of the store by what it declares: Permitted, Conditional, Unknown or Prohibited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal: Option<Legal>,
    /// What carries data of the store abroad.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<Reliance>,
    /// What is owed, so that the store stays lawful; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Owed>,
    /// Declarations that nobody has verified and on which this relies; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relies_on: Vec<String>,
    /// The next instant at which time alone may change what stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<String>,
    /// Ready, Compliant, Enforced, LocationMismatch (where a residence is declared), Reconciling, Stalled.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A country where a store's data is observed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedPlace {
    /// The country, or `unknown`.
    pub country: String,
    /// How it is known; nothing for an unknown place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// How many running pods of the store are there.
    pub pods: i64,
    /// How many bound claims of the store are there.
    pub claims: i64,
}

/// An origin of a store's data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveOrigin {
    /// The country.
    pub origin: String,
    /// How it came: the field that declares it, or the stores, flows, pods and other objects on the way, from the far end to
    /// here.
    pub through: Vec<String>,
}
