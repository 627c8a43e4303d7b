//! Claims, storage classes and volumes, as far as they say where data rests.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use serde::{Deserialize, Deserializer};

use super::decode::{list, map, metadata, present};
use super::pod::NodeSelector;
use super::resource;
use super::sources::VolumeSources;

/// A persistent volume claim.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its specification.
    pub spec: ClaimSpec,
}

/// A claim, or a template of one, as it is written.
#[derive(Deserialize)]
struct Written {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: ClaimSpec,
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { metadata, mut spec } = Written::deserialize(deserializer)?;
        if let Some(class) = metadata.annotations.as_ref().and_then(|all| all.get(CLASS_ANNOTATION)) {
            spec.storage_class_name = Some(class.clone());
            spec.has_annotated_class = true;
        }
        Ok(Self { metadata, spec })
    }
}

/// Says the class of a claim as it was said before there was a field, and still counts before it.
pub const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
resource!(Claim, "", "PersistentVolumeClaim", "persistentvolumeclaims", NamespaceResourceScope);

/// What a claim says about places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec {
    /// The class: absent means the default class, empty means none.
    pub storage_class_name: Option<String>,
    /// Whether the class is that of the annotation, so that to change the field changes nothing.
    #[serde(skip)]
    pub has_annotated_class: bool,
    /// The volume to which it is bound or wants to be.
    pub volume_name: Option<String>,
    /// Whether it chooses among volumes that exist by their labels.
    #[serde(rename = "selector", default, deserialize_with = "present")]
    pub has_selector: bool,
    /// What it is filled from.
    pub data_source: Option<ObjectName>,
    /// The same, for any kind and namespace; the API server copies the one field into the other where both can say it.
    pub data_source_ref: Option<ObjectName>,
    /// The class of its attributes, which can be changed while it is in use.
    pub volume_attributes_class_name: Option<String>,
}

/// An object by name; its version does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectName {
    /// Its API group; absent or empty for the core group.
    pub api_group: Option<String>,
    /// Its kind.
    #[serde(default)]
    pub kind: String,
    /// Its namespace; absent or empty: that of whoever names it.
    pub namespace: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// A storage class.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageClass {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// The driver.
    #[serde(default)]
    pub provisioner: String,
    /// Parameters for the driver.
    #[serde(default, deserialize_with = "map")]
    pub parameters: BTreeMap<String, String>,
    /// `Immediate` or `WaitForFirstConsumer`.
    pub volume_binding_mode: Option<String>,
    /// Where volumes may be made.
    #[serde(default, deserialize_with = "list")]
    pub allowed_topologies: Vec<TopologyTerm>,
    /// Options with which its volumes are mounted.
    #[serde(default, deserialize_with = "list")]
    pub mount_options: Vec<String>,
}
resource!(StorageClass, "storage.k8s.io", "StorageClass", "storageclasses", ClusterResourceScope);

/// A class of attributes that volumes may be changed to.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeAttributesClass {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// The driver.
    #[serde(default)]
    pub driver_name: String,
    /// Parameters for the driver.
    #[serde(default, deserialize_with = "map")]
    pub parameters: BTreeMap<String, String>,
}
resource!(
    VolumeAttributesClass,
    "storage.k8s.io",
    "VolumeAttributesClass",
    "volumeattributesclasses",
    ClusterResourceScope
);

/// A term of allowed topologies.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopologyTerm {
    /// Requirements of which all must hold.
    #[serde(default, deserialize_with = "list")]
    pub match_label_expressions: Vec<TopologyRequirement>,
}

/// A requirement of allowed topologies.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct TopologyRequirement {
    /// The key.
    pub key: String,
    /// The values.
    #[serde(default, deserialize_with = "list")]
    pub values: Vec<String>,
}

/// A persistent volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Volume {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its specification.
    #[serde(default)]
    pub spec: VolumeSpec,
}
resource!(Volume, "", "PersistentVolume", "persistentvolumes", ClusterResourceScope);

/// What a volume says about places.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSpec {
    /// Its class.
    pub storage_class_name: Option<String>,
    /// Nodes that can reach it.
    pub node_affinity: Option<VolumeAffinity>,
    /// The claim to which it is bound or kept for.
    pub claim_ref: Option<ClaimName>,
    /// Options with which it is mounted.
    #[serde(default, deserialize_with = "list")]
    pub mount_options: Vec<String>,
    /// Whether it is a directory of a node.
    #[serde(rename = "hostPath", default, deserialize_with = "present")]
    pub is_host_path: bool,
    /// Whether it is a disk of a node.
    #[serde(rename = "local", default, deserialize_with = "present")]
    pub is_local: bool,
    /// The CSI driver that serves it, and other ways to serve it.
    #[serde(flatten)]
    pub sources: VolumeSources,
}

/// The claim of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ClaimName {
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// Nodes that can reach a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct VolumeAffinity {
    /// What is required.
    pub required: Option<NodeSelector>,
}
