//! `ResidencyPolicy`: the owner's rules.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::law::mechanism::GroundKind;
use crate::engine::law::source::Confidence;
use crate::engine::policy::{Check, Mode, Network, PinBy, RewritePods, RewriteStorage};

/// Says for which personal data what may happen where, and what is done about the rest.
///
/// Where several policies cover the same data, the strictest wins. The built-in policy `law` allows what the law of
/// the origin allows by itself; a policy of that name replaces it, every other one adds to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "ResidencyPolicy",
    plural = "residencypolicies",
    shortname = "rpol",
    category = "domicile",
    doc = "For which personal data what may happen where",
    status = "ResidencyPolicyStatus",
    derive = "PartialEq",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Violations", type_ = "integer", json_path = ".status.violations"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = (
    "!has(self.remediation) || self.remediation != 'Evict' || has(self.residence.Process)",
    "pods are evicted for where they run: say in residence.Process where they may"
))]
#[x_kube(validation = (
    "!has(self.remediation) || self.remediation != 'Evict' || !has(self.rewrite) || !has(self.rewrite.pods) || \
     self.rewrite.pods != 'Never'",
    "evicted pods come back inside because they are rewritten; rewrite.pods: Never would have them refused"
))]
pub struct ResidencyPolicySpec {
    /// Which data the policy covers. Empty: all personal data.
    #[serde(default, rename = "match")]
    pub matches: PolicyMatch,
    /// For each act the places where it may happen: `Origin` (where the data comes from), `Law` (wherever the law of the
    /// origin lets it go by itself), a country, or the code of a bloc. An act that is not listed is not limited by this
    /// policy.
    pub residence: ResidencyRules,
    /// What a place gets that cannot be proven, at most what `mode` says.
    #[serde(default)]
    pub unknown_place: UnknownPlace,
    /// Questions of law that the policy asks of stores and flows. What they find gets what `mode` says; guidance and
    /// professional codes never get more than a warning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub checks: Vec<Check>,
    /// What an answer of the law gets that is unknown, at most what `mode` says.
    #[serde(default)]
    pub unknown_law: UnknownPlace,
    /// Which transfers the owner accepts, within the law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfers: Option<PolicyTransfers>,
    /// Which parties the owner accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<PolicyParties>,
    /// What a breach gets.
    #[serde(default)]
    pub mode: Mode,
    /// What may be changed so that a request complies.
    #[serde(default)]
    pub rewrite: PolicyRewrite,
    /// What is done about pods that already run where they may not, because they were there before the policy, or a law or a
    /// node has changed. A policy that does not enforce evicts nothing.
    #[serde(default)]
    pub remediation: Remediation,
    /// How pods are evicted, where `remediation` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction: Option<PolicyEviction>,
    /// Who may look at the data by way of its pods (exec, attach, port-forward, proxy), and from where. No
    /// request shows where it comes from, so that this is believed. Who is not listed comes from an unknown place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub access: Vec<PolicyAccess>,
    /// Whether the operator keeps a `NetworkPolicy` for the workloads of every store with this data, which lets out only what
    /// declared and lawful flows send, and what stays in the cluster.
    #[serde(default)]
    pub network: Network,
    /// Whether a `ResidencyException` may loosen this policy, and for how long. None: no exception does. Whoever wrote a policy
    /// before there were exceptions reckoned with none; who wants them says so here. The law is never loosened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<PolicyExceptions>,
}

/// Exceptions from a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExceptions {
    /// Whether there may be any.
    #[serde(default)]
    pub allowed: bool,
    /// How many days one may last at most, from its creation or its later beginning until it expires; 30 unless said otherwise.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 36500))]
    pub max_days: u32,
}

fn thirty() -> u32 {
    30
}

/// What is done about pods that already run where they may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Remediation {
    /// They are reported, and somebody else moves them.
    #[default]
    Report,
    /// They are evicted, if a workload makes them again, a ready node inside takes them and their volumes are inside, so
    /// that they come back rewritten. The others are reported; status says why.
    Evict,
}

/// How pods are evicted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEviction {
    /// How many pods may be away at once because of this policy: a number, or a percentage of all pods of the workloads that
    /// have pods to evict, rounded down, and at least one. A pod is away until its workload has as many ready pods as before.
    /// Besides, no workload loses more than a tenth of its pods at once (one at least), and disruption budgets are respected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "10%", "minimum" = 1, "pattern" = "^(100|[1-9][0-9]?)%$"))]
    pub max_unavailable: Option<IntOrString>,
}

/// People or programs, and from where they look at data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.groups) || has(self.users)", "name groups or users"))]
pub struct PolicyAccess {
    /// Groups, as the API server knows them: `oidc:support-de`, `system:serviceaccounts:backup`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 300)))]
    pub groups: Vec<String>,
    /// Single users, as the API server knows them: `system:serviceaccount:backup:velero`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 300)))]
    pub users: Vec<String>,
    /// The countries where they are: ISO 3166-1 alpha-2. Whoever may be in one of several may be in any.
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub from: Vec<String>,
}

/// Which data a policy covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyMatch {
    /// Origins: countries and codes of blocs. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300), inner(length(min = 1, max = 40)))]
    pub origins: Vec<String>,
    /// Data categories: W3C DPV terms or fideslang keys, which cover the keys below them. Empty: all. Data whose
    /// categories are not declared may be of any and is always covered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300), inner(length(min = 1, max = 200)))]
    pub categories: Vec<String>,
}

/// Places by act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = (
    "has(self.Collect) || has(self.Store) || has(self.Process) || has(self.Access) || has(self.Backup) || \
     has(self.Transfer)",
    "a policy that limits no act says nothing; name at least one"
))]
pub struct ResidencyRules {
    /// Where data may be gathered from people.
    #[serde(default, rename = "Collect", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300), inner(length(min = 1, max = 40)))]
    pub collect: Option<Vec<String>>,
    /// Where data may rest: claims and volumes.
    #[serde(default, rename = "Store", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300), inner(length(min = 1, max = 40)))]
    pub store: Option<Vec<String>>,
    /// Where data may be worked on: pods.
    #[serde(default, rename = "Process", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300), inner(length(min = 1, max = 40)))]
    pub process: Option<Vec<String>>,
    /// From where people may look at data.
    #[serde(default, rename = "Access", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300), inner(length(min = 1, max = 40)))]
    pub access: Option<Vec<String>>,
    /// Where second copies may rest.
    #[serde(default, rename = "Backup", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300), inner(length(min = 1, max = 40)))]
    pub backup: Option<Vec<String>>,
    /// Where recipients of data flows may be.
    #[serde(default, rename = "Transfer", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300), inner(length(min = 1, max = 40)))]
    pub transfer: Option<Vec<String>>,
}

/// Which transfers the owner accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTransfers {
    /// Kinds of grounds that are accepted. An empty list accepts none: no data crosses a border. None: all kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 30))]
    pub accepted_grounds: Option<Vec<GroundKind>>,
    /// How sure the catalogue must be of a ground at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_confidence: Option<Confidence>,
}

/// Which parties the owner accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyParties {
    /// Countries and blocs from which no party may be ultimately controlled: a matter of policy, not an illegality. A party
    /// that does not declare it is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300), inner(length(min = 1, max = 40)))]
    pub refuse_controlled_from: Vec<String>,
}

/// What a place gets that cannot be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum UnknownPlace {
    /// The request is refused.
    #[default]
    Refuse,
    /// The request passes with a warning.
    Warn,
    /// Nothing but a finding in status.
    Audit,
}

/// What may be changed so that a request complies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRewrite {
    /// Whether pods are pinned to allowed countries by required node affinity when they are created.
    #[serde(default)]
    pub pods: RewritePods,
    /// By which node label: `Region` where autoscalers must understand the constraint on nodes that do not exist yet,
    /// `Country` for the label that the operator keeps by evidence, `Auto` for the region label wherever that is safe.
    #[serde(default)]
    pub pin_by: PinBy,
    /// Whether the storage class of a new claim, or the region of a new cloud resource, may be replaced by one inside. What stands in Git is better refused with
    /// the class to use, which is what `Never` does.
    #[serde(default)]
    pub storage: RewriteStorage,
    /// Storage classes to prefer as replacements, best first; the others follow by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub preferred_storage_classes: Vec<String>,
    /// Regions of cloud resources to take instead of one outside, best first; without one the request is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub preferred_regions: Vec<PolicyRegion>,
}

/// A region to prefer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRegion {
    /// The country, for readers; what counts is what a `Location` says of the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub country: Option<String>,
    /// Name of a `Provider`.
    #[schemars(length(min = 1, max = 100))]
    pub provider: String,
    /// The provider's own id of the region, as it is written into the field.
    #[schemars(length(min = 1, max = 100))]
    pub id: String,
}

/// What the operator sees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResidencyPolicyStatus {
    /// Generation of the specification that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many findings name this policy now.
    #[serde(default)]
    pub violations: i64,
    /// What is done about pods that run where they may not, where `remediation` says `Evict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction: Option<PolicyEvictionStatus>,
    /// Ready, Reconciling, Stalled, and Compiled: whether generated policies hold all of it while no operator is alive.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What is done about pods that run where a policy does not let them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEvictionStatus {
    /// Pods that wait for their turn.
    #[serde(default)]
    pub waiting: i64,
    /// Pods that were evicted, and whose workloads are not whole again yet.
    #[serde(default)]
    pub away: i64,
    /// Pods that stay where they are, for one of the reasons below.
    #[serde(default)]
    pub left: i64,
    /// Why pods are left, or wait for something else than their turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["reason"]))]
    pub reasons: Vec<EvictionReason>,
}

/// Why pods are not evicted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvictionReason {
    /// The reason, in one word.
    pub reason: String,
    /// How many pods it concerns.
    pub pods: i64,
    /// What it means for one of them.
    pub message: String,
}
