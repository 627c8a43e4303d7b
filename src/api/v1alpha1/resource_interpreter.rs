//! `ResourceInterpreter`: teaches Domicile a resource type.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::LawSource;
use crate::engine::facts::Act;

/// Teaches Domicile a resource type: which fields say to which places data goes, which act that is, whose data it is, and
/// what a missing field means.
///
/// The built-in catalogue covers common operators; an object of the same name replaces the built-in one. Paths are written
/// as `spec.storages.*.s3.region`: `[]` stands for each element of a list, `*` for each value of a map, `["a.b/c"]` for a
/// key with dots; `$.` in front starts at the root of the object; `.~` at the end means the keys of a map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "ResourceInterpreter",
    plural = "resourceinterpreters",
    shortname = "dri",
    category = "domicile",
    doc = "Teaches Domicile a resource type",
    derive = "PartialEq",
    printcolumn(name = "Group", type_ = "string", json_path = ".spec.resource.group"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.resource.kind"),
    printcolumn(name = "Versions", type_ = "string", json_path = ".spec.resource.versions"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ResourceInterpreterSpec {
    /// The resource type.
    pub resource: InterpretedResource,
    /// Places to which it sends data, each judged by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub destinations: Vec<InterpretedDestination>,
    /// Whose data it concerns, beside that of its namespace, of its own origin label and of stores that list it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub data: Vec<InterpretedData>,
    /// Objects that it carries inside, which are judged as if they stood by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub contains: Vec<InterpretedContent>,
    /// When it is the one that others mean which name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<InterpretedCondition>,
    /// Whether its objects stand for clusters: a reference to a cluster by name or labels finds them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stands_for_cluster: bool,
    /// Ways out that no field shows, for `domicile surface`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub not_covered: Vec<String>,
    /// Where this is known from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LawSource>,
}

/// A resource type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InterpretedResource {
    /// Its API group; empty for the core group. For a family, `*.example.org` stands for every group below.
    #[serde(default)]
    pub group: String,
    /// The versions whose fields are as described here. An object of another version is unproven. For a family, `*`.
    #[schemars(length(min = 1, max = 20))]
    pub versions: Vec<String>,
    /// Its kind. `*` stands for every kind of the group that no other interpreter describes: a family, whose objects are
    /// judged when they are asked for and in files, and are not watched.
    pub kind: String,
    /// Its plural, as in `kubectl get`. For a family, `*`.
    pub plural: String,
    /// Whether its objects stand in namespaces.
    #[serde(default)]
    pub scope: InterpretedScope,
}

/// Whether objects stand in namespaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InterpretedScope {
    /// They do.
    #[default]
    Namespaced,
    /// They do not.
    Cluster,
}

/// A place to which an object sends data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InterpretedDestination {
    /// What happens to the data there. `Transfer` means that the object sends it: the place is held against what policies
    /// say of `Process` as well, since no flow declares it.
    pub act: Act,
    /// Where in the object it stands: each match of this path is a destination by itself, and without a match there is
    /// none. The root by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Conditions of which all must hold, or there is no destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub when: Vec<InterpretedCondition>,
    /// The fields that say where. Every one that says a place is judged; one is enough to prove it.
    #[schemars(length(max = 50))]
    pub fields: Vec<InterpretedField>,
    /// What it means when no field says a place.
    #[serde(default)]
    pub when_silent: WhenSilent,
}

/// A condition on an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InterpretedCondition {
    /// The field, below `at`.
    pub path: String,
    /// A regular expression that one of its values must match; without it the field must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub matches: Option<String>,
    /// The contrary: no value matches, or the field is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
}

/// A field that says where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InterpretedField {
    /// The field, below `at`.
    pub path: String,
    /// What its value says.
    pub says: FieldMeaning,
    /// Name of the `Provider` whose regions, zones or models are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// A field below `at` that names the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_from: Option<String>,
    /// What the values of that field mean: its words to names of `Provider` objects. A word that is not here is tried as
    /// the name itself, in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, String>,
    /// A regular expression: only values that match count. Its named group `value`, if it has one, is what counts of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub matches: Option<String>,
    /// To what a reference leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<InterpretedReference>,
    /// The value says nothing where one of these fields, below `at`, names a place that is not the provider's own: a
    /// storage service of one's own takes any region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub unless: Vec<String>,
    /// Whether the value may be replaced by another of its sort when the object is created.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rewrite: bool,
}

/// What a value says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum FieldMeaning {
    /// A region of the provider, or a code for several.
    Region,
    /// A zone of the provider.
    Zone,
    /// A host, address, range of addresses, URL, connection string, ARN or bucket URL, or a list of them: text, or a list.
    #[default]
    Endpoint,
    /// The name of a bucket or container: known only where a `Location` lists it.
    Bucket,
    /// The name or the server of a cluster: known only where a `Location` or an object lists it.
    Cluster,
    /// A label selector on clusters.
    ClusterSelector,
    /// The id of a model or inference profile.
    Model,
    /// A map of node labels, as in a node selector.
    NodeLabels,
    /// The name of another object, which says where.
    Reference,
    /// The name of a secret in which the place stands.
    SecretReference,
    /// The name of a config map in which the place stands.
    ConfigReference,
    /// That copies go to a place which the object does not name.
    Replicated,
    /// That data may go anywhere.
    Anywhere,
    /// Something in a place which the object does not name.
    Elsewhere,
    /// Text or a map that anything may stand in. Places outside count; nothing in it proves that data stays.
    Opaque,
    /// The same, but of something that is judged again when it is made: silence is no doubt.
    Hints,
}

/// To what a reference leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InterpretedReference {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// A field below `at` that names the group instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_from: Option<String>,
    /// A field below `at` that names the kind instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind_from: Option<String>,
    /// A field below `at` that names the namespace; without it, or where it is absent, the object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_from: Option<String>,
    /// The referenced object stands in this namespace, whatever that of the object is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether it is no doubt when the object is not known: it will be judged itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// What it means when no field of a destination says a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhenSilent {
    /// What it means.
    #[serde(default)]
    pub means: Silence,
    /// Why, for people: "the topic has no storage policy".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub because: Option<String>,
    /// With `Countries`: where the data goes then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 250), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub countries: Vec<String>,
    /// With `Default`: the kind whose default object is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<InterpretedReference>,
    /// An annotation of the object's namespace that says the region then. Without it the rest of this applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<NamespaceAnnotation>,
}

/// An annotation of a namespace whose value is a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceAnnotation {
    /// The name of the annotation. Values of more than 63 bytes are not read.
    #[schemars(length(min = 1, max = 316))]
    pub name: String,
    /// Whose region it is.
    pub provider: String,
}

/// What silence means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Silence {
    /// The place cannot be told.
    #[default]
    Unknown,
    /// No data goes anywhere.
    Nothing,
    /// Data may go anywhere.
    Anywhere,
    /// Data goes to these countries.
    Countries,
    /// Data goes where the default object of a kind says.
    Default,
}

/// Whose data an object concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InterpretedData {
    /// The field.
    pub path: String,
    /// What its value names.
    pub says: DataMeaning,
    /// For `Resource`: what kind of object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<InterpretedReference>,
    /// What it means when the field is not there.
    #[serde(default)]
    pub when_absent: DataAbsent,
    /// A field that names namespaces which are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<String>,
    /// Conditions of which all must hold, or this says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub when: Vec<InterpretedCondition>,
}

/// What a value names of which the data is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataMeaning {
    /// A namespace.
    Namespace,
    /// A persistent volume claim.
    Claim,
    /// A secret that belongs to a store.
    Secret,
    /// Another object that holds data.
    Resource,
}

/// What it means when a field is not there that names whose data is concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataAbsent {
    /// Nobody's.
    #[default]
    Nothing,
    /// That of every namespace.
    Everything,
}

/// Objects inside an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InterpretedContent {
    /// Where they stand.
    pub path: String,
    /// What stands there.
    #[serde(default)]
    pub says: ContentMeaning,
}

/// What stands inside an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ContentMeaning {
    /// Whole objects with kind and version.
    #[default]
    Objects,
    /// The specification of pods.
    PodSpec,
}
