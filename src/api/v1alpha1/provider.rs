//! `Provider`: how a provider of nodes and storage names its places.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::LawSource;

/// How a provider names its places: what a node's provider id proves, how a zone id names its region, which storage
/// drivers are its own and where their classes say in which place volumes lie, what its hosts and resource ids say.
///
/// The built-in catalogue holds the common cloud providers; an object of the same name replaces the built-in one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "Provider",
    plural = "providers",
    shortname = "dprov",
    category = "domicile",
    doc = "How a provider of nodes and storage names its places",
    derive = "PartialEq",
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ProviderSpec {
    /// Full name.
    pub title: String,
    /// Forms of `spec.providerID` of its nodes. The first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub provider_ids: Vec<ProviderId>,
    /// Forms of its zone ids. A zone that no form matches is not understood, and its node is in no proven place: an
    /// outpost may lie in another country than its parent region. No forms at all: zones say nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub zones: Vec<ProviderZone>,
    /// Its storage drivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub drivers: Vec<ProviderDriver>,
    /// Its hosts and what they say about places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub hosts: Vec<ProviderHost>,
    /// URL schemes whose host is a bucket or container: `scheme://bucket/path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(regex(pattern = "^[a-z][a-z0-9+.-]{0,30}$")))]
    pub bucket_schemes: Vec<String>,
    /// Partitions of its resource names of the form `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 50)))]
    pub arns: Vec<String>,
    /// Other forms of resource ids. The first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub resource_ids: Vec<ProviderForm>,
    /// Other ways to write its region ids. The first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub region_forms: Vec<ProviderForm>,
    /// Ids of models and inference profiles that say where they run. One that no form matches says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub models: Vec<ProviderForm>,
    /// Where this is known from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LawSource>,
}

/// A form of host names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderHost {
    /// Labels, compared from the right: a label as such, `*` for any one label or part of a label, `**` as the first for
    /// one or more labels, `{region}` for a label or a part of one. The last two labels are given as such. Of several
    /// patterns that match, the one that is more exact from the right counts.
    #[schemars(length(min = 3, max = 255))]
    pub pattern: String,
    /// What it says.
    #[serde(default)]
    pub says: PlaceMeaning,
    /// The region, where the pattern captures none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub region: Option<String>,
    /// The provider of the region, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub provider: Option<String>,
}

/// A form of ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderForm {
    /// Regular expression; the named group `region` is the region or zone.
    #[schemars(length(max = 500))]
    pub pattern: String,
    /// What it says.
    #[serde(default)]
    pub says: PlaceMeaning,
    /// The region, where the pattern captures none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub region: Option<String>,
    /// The provider of the region, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub provider: Option<String>,
}

/// What a host or an id says about a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PlaceMeaning {
    /// A region of the provider.
    #[default]
    Region,
    /// A zone of the provider.
    Zone,
    /// It is the provider's and names no place by itself: a bucket, an account.
    Nothing,
    /// It is answered, or passed on, anywhere in the world.
    Anywhere,
}

/// A form of provider ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderId {
    /// Regular expression; the named groups `zone` and `region` are what the id proves. No group: it names the provider
    /// only.
    #[schemars(length(max = 500))]
    pub pattern: String,
}

/// A form of zone ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderZone {
    /// Regular expression; the named group `region` is the zone's region. No group: the id is understood and says
    /// nothing about a place.
    #[schemars(length(max = 500))]
    pub pattern: String,
}

/// A storage driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderDriver {
    /// Name of the provisioner or CSI driver.
    pub name: String,
    /// Where a volume is made whose class binds when the first pod comes.
    #[serde(default)]
    pub follows: DriverFollows,
    /// Keys of allowed topologies, beside the well-known region and zone labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub topology_keys: Vec<ProviderTopologyKey>,
    /// What the driver is told that says where: class parameters, attributes of volumes, mount options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub parameters: Vec<ProviderParameter>,
    /// Forms of the handles of its volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub volumes: Vec<ProviderVolume>,
}

/// A form of volume handles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderVolume {
    /// Regular expression; the named groups `zone` and `region` are where the volume lies. A handle that no form matches
    /// says nothing.
    #[schemars(length(max = 500))]
    pub pattern: String,
}

/// Where a volume is made whose class binds when the first pod comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum DriverFollows {
    /// In the place of the node on which that pod runs.
    Node,
    /// The driver does not promise that.
    #[default]
    Unknown,
}

/// A topology key of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderTopologyKey {
    /// The key.
    pub key: String,
    /// What its values name.
    pub says: ValueMeaning,
}

/// Something that a driver is told and that says where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderParameter {
    /// Its name, compared without regard to case.
    pub name: String,
    /// What its value names.
    pub says: ValueMeaning,
    /// Where the driver looks at it; none: in the parameters of classes and in the attributes of volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub told_by: Vec<ParameterSource>,
    /// What stands before the value to make it an endpoint, as in `s3://` before the name of a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub prefix: Option<String>,
    /// Regular expression of the values to which this applies; none: every value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub pattern: Option<String>,
}

/// Where a driver is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterSource {
    /// `parameters` of a storage class or volume attributes class.
    Class,
    /// `volumeAttributes` of a volume.
    Volume,
    /// `mountOptions` of a class or volume: `name=value`, `name value` or `--name value`.
    MountOption,
}

/// What a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ValueMeaning {
    /// A region of the provider.
    Region,
    /// A zone of the provider.
    Zone,
    /// That copies go to a place which the object does not name.
    Replicated,
    /// Something that exists already, in a place which the object does not name.
    Elsewhere,
    /// A host, an address, a URL, an ARN or the like, or several of them.
    Endpoint,
}
