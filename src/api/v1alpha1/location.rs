//! `Location`: ties names to a country.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::LawSource;

/// Ties names (cloud regions, zone labels, node labels, storage classes) to the country in which they lie.
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
