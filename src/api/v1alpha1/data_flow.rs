//! `DataFlow`: data that moves.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{ObjectFinding, Workloads};

/// Personal data that moves from a store or a collection point to a store or an outside recipient.
///
/// The origins of the source travel to the target store. Pods that match `workloads` carry the data: they are in scope,
/// and refused where the flow itself may not happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "DataFlow",
    plural = "dataflows",
    namespaced,
    shortname = "dflow",
    category = "domicile",
    doc = "Personal data that moves to a store or an outside recipient",
    status = "DataFlowStatus",
    derive = "PartialEq",
    printcolumn(name = "From", type_ = "string", json_path = ".status.from"),
    printcolumn(name = "To", type_ = "string", json_path = ".status.to"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.action"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Compliant\")].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct DataFlowSpec {
    /// What the flow is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// Where the data comes from.
    pub from: Origin,
    /// Where it goes.
    pub to: Destination,
    /// Data categories that the flow carries. None: those of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 200)))]
    pub categories: Vec<String>,
    /// What is done to the data on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformation: Option<Transformation>,
    /// Pods that carry the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Workloads>,
}

/// Where a flow's data comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.dataStore) != has(self.collection)",
    "a flow comes from exactly one of dataStore and collection"
))]
pub struct Origin {
    /// A store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_store: Option<StoreReference>,
    /// People.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<Collection>,
}

/// A point where data is gathered from people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// Countries of the people: ISO 3166-1 alpha-2.
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub countries: Vec<String>,
}

/// A reference to a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace, if not the flow's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Where a flow's data goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.dataStore) != has(self.recipient)",
    "a flow goes to exactly one of dataStore and recipient"
))]
pub struct Destination {
    /// A store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_store: Option<StoreReference>,
    /// Somebody outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Recipient>,
}

/// Somebody outside who receives personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// Who.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Where they hold the data. None: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// ISO 3166-1 alpha-2.
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub country: String,
}

/// What is done to data on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!(self.kind in ['Anonymised', 'Aggregated']) || (has(self.method) && has(self.reviewedBy) && has(self.expires))",
    "a claim that data is no longer personal needs method, reviewedBy and expires"
))]
pub struct Transformation {
    /// What. Pseudonymised data stays personal; anonymised and aggregated data carry no origin on, as a declared claim.
    pub kind: TransformationKind,
    /// By which method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2000))]
    pub method: Option<String>,
    /// Who has reviewed the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub reviewed_by: Option<String>,
    /// When the review ends, RFC 3339. From then on the origins travel with the flow again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires: Option<String>,
}

/// Kinds of transformation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TransformationKind {
    /// None.
    #[default]
    None,
    /// Identifiers are replaced; the data stays personal.
    Pseudonymised,
    /// Nobody can be identified any more.
    Anonymised,
    /// Only figures about groups are left.
    Aggregated,
}

/// What the operator sees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataFlowStatus {
    /// Generation of the specification that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the data comes from, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where it goes, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What policies make of the flow: Allow or Refuse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Origins that the flow carries, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<String>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ObjectFinding>,
    /// Ready, Compliant, Reconciling, Stalled.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
