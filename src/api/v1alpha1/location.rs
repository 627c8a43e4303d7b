//! `Location`: ties names to a country.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::LawSource;

/// Ties names (cloud regions, zone labels, node labels, storage classes, hosts, addresses, clusters, buckets, objects) to
/// the country in which they lie.
///
/// The built-in catalogue holds one for each region of the common cloud providers; an object of the same name in the
/// cluster replaces the built-in one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "Location",
    plural = "locations",
    shortname = "dloc",
    category = "domicile",
    doc = "Ties names to the country in which they lie",
    derive = "PartialEq",
    printcolumn(name = "Country", type_ = "string", json_path = ".spec.country"),
    printcolumn(name = "Description", type_ = "string", json_path = ".spec.description"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = (
    "!has(self.country) || !has(self.countries)",
    "country and countries exclude each other: one place, or several of which any may be meant"
))]
pub struct LocationSpec {
    /// The country in which all these names lie: ISO 3166-1 alpha-2. Without it the names are known to be unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub country: Option<String>,
    /// The countries over which these names spread, as a multi-region does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub countries: Option<Vec<String>>,
    /// ISO 3166-2 code of the subdivision, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z]{2}-[A-Z0-9]{1,3}$"))]
    pub subdivision: Option<String>,
    /// For people, for example the city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Regions of cloud or on-premises providers. A region id means nothing without its provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub regions: Vec<LocationRegion>,
    /// Nodes that stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<LocationNodes>,
    /// Storage classes whose volumes lie here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub storage_classes: Vec<String>,
    /// Hosts that stand here: `db.fra.example.com`, or `*.fra.example.com` for every name below it. Names are compared
    /// label by label; the longest pattern counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 255)))]
    pub hosts: Vec<String>,
    /// Addresses that are used here, as ranges such as `10.20.0.0/16`. The smallest range counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 2, max = 50)))]
    pub cidrs: Vec<String>,
    /// Clusters that run here, all of their nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub clusters: Vec<LocationCluster>,
    /// Buckets and containers that lie here, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 255)))]
    pub buckets: Vec<String>,
    /// Objects that lead here and whose content cannot be read, or does not say so: a secret with credentials, a
    /// provider's configuration. Whoever declares one answers for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub objects: Vec<LocationObject>,
    /// Where this is known from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LawSource>,
}

/// A region of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationRegion {
    /// Name of a `Provider`.
    pub provider: String,
    /// The provider's own id of the region, as it stands in labels and parameters.
    pub id: String,
}

/// A cluster that runs at a location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationCluster {
    /// Its name, as other objects name it.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// URL of its API server; scheme, host and port count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub server: Option<String>,
}

/// An object that leads to a location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationObject {
    /// API group; empty for the core group.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub group: String,
    /// The kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its namespace; none for a kind without namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Nodes that stand at a location.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationNodes {
    /// Values of the label `topology.kubernetes.io/zone`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub zones: Vec<String>,
    /// Labels of the nodes. Only `matchLabels` is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}
