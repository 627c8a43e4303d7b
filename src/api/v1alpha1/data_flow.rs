//! `DataFlow`: data that moves.

use jiff::civil::Date;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{ObjectFinding, Owed, PartyFacts, PartySpec, Reliance, Workloads};
use crate::engine::law::claims::{Basis, Channel, Claims, Pattern};
use crate::engine::law::opinion::Legal;

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
    printcolumn(name = "Basis", type_ = "string", json_path = ".status.ground"),
    printcolumn(name = "Legal", type_ = "string", json_path = ".status.legal"),
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
    /// What the data is used for where it goes: `cx-feedback`, `crm-enrichment`, `marketing-email`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub purpose: Option<String>,
    /// How people are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Whether data moves all the time or now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// The day of the first transfer, from which some deadlines run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_transfer: Option<Date>,
    /// The hop before this flow, where the data was already exported: what carried it says what binds onward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<EarlierHopSpec>,
    /// Who hands the data on. None: the parties of the source store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub parties: Vec<PartySpec>,
    /// What carries the data abroad, best first. When one ends, the next carries the flow if its own conditions hold.
    /// Free flow and adequacy need no basis.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub bases: Vec<Basis>,
    /// What else is claimed about the flow.
    #[serde(flatten)]
    pub declared: Claims,
    /// What is done to the data on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformation: Option<Transformation>,
    /// Pods that carry the data. Where such a pod touches both stores of the flow, in the flow's own namespace, data moves
    /// between them in the direction of the flow only.
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
    /// Countries (ISO 3166-1 alpha-2) and subdivisions (ISO 3166-2) of the people.
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = "^[A-Z]{2}(-[A-Z0-9]{1,3})?$")))]
    pub countries: Vec<String>,
    /// Countries of which the people are citizens, where their law follows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 250), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub citizens_of: Vec<String>,
    /// Where the point of collection stands: a form, a call centre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// The hop before a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EarlierHopSpec {
    /// The mechanism, or family, under which the data was exported.
    #[schemars(length(min = 1, max = 253))]
    pub mechanism: String,
    /// To where: ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub to: Option<String>,
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
    /// Under which addresses they are reached. Where a policy lets the operator shut the network of the source, a lawful flow
    /// opens the way to these, and to nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub addresses: Vec<RecipientAddress>,
    /// Who it is.
    #[serde(flatten)]
    pub facts: PartyFacts,
}

/// Addresses of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecipientAddress {
    /// A range of addresses, such as `203.0.113.0/28` or `2001:db8:1::/64`; an address alone is a range of one.
    #[schemars(length(min = 1, max = 50))]
    pub cidr: String,
    /// On which ports. Empty: on all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub ports: Vec<RecipientPort>,
}

/// A port of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecipientPort {
    /// Its number.
    #[schemars(range(min = 1, max = 65535), extend("format" = "int32"))]
    pub port: u16,
    /// What is spoken there.
    #[serde(default)]
    pub protocol: TransportProtocol,
}

/// How packets are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TransportProtocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
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
    "!(self.kind in ['Anonymised', 'Aggregated']) || (has(self.method) && has(self.performedIn) && \
     has(self.minimumGroup) && has(self.reidentificationAssessment) && has(self.reviewedBy) && has(self.expires))",
    "a claim that data is no longer personal needs method, performedIn, minimumGroup, reidentificationAssessment, \
     reviewedBy and expires"
))]
pub struct Transformation {
    /// What. Pseudonymised data stays personal; anonymised and aggregated data carry no origin on, as a declared claim, nor do
    /// pods of the flow's own namespace that touch both stores.
    pub kind: TransformationKind,
    /// By which method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2000))]
    pub method: Option<String>,
    /// In which country: until then the data is personal there. ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub performed_in: Option<String>,
    /// The smallest group of people about whom anything is still said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub minimum_group: Option<i64>,
    /// Where the assessment is kept that nobody can be told apart again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub reidentification_assessment: Option<String>,
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
    /// What the law says of the flow: Permitted, Conditional, Unknown or Prohibited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal: Option<Legal>,
    /// What carries the data abroad, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<String>,
    /// What carries the data abroad, under each law.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<Reliance>,
    /// The shortest lead time (P90D, P30D, P7D, P1D) within which what carries it ends by law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_within: Option<String>,
    /// Whether what carries it may end.
    #[serde(default)]
    pub at_risk: bool,
    /// What is owed, so that the flow stays lawful; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Owed>,
    /// Declarations that nobody has verified and on which this relies; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relies_on: Vec<String>,
    /// The next instant at which time alone may change what stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<String>,
    /// Mechanisms on which the flow has relied, and since when; the newest first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastReliance>,
    /// What has to be looked at again, since it relied on a mechanism that was annulled as if it had never been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub review: Vec<String>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ObjectFinding>,
    /// Ready, Compliant, Reconciling, Stalled; and NetworkOpen, where the network of the source is shut: whether the flow opens
    /// the way to its recipient.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A mechanism on which a flow has relied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastReliance {
    /// The mechanism.
    pub mechanism: String,
    /// Since when it was seen to carry the flow.
    pub since: String,
    /// Until when; none: it still does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}
