//! Claims, storage classes and volumes, as far as they say where data rests.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use serde::Deserialize;

use super::decode::{list, map, metadata};
use super::pod::NodeSelector;
use super::resource;

/// A persistent volume claim.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Claim {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its specification.
    #[serde(default)]
    pub spec: ClaimSpec,
}
resource!(Claim, "", "PersistentVolumeClaim", "persistentvolumeclaims", NamespaceResourceScope);

/// What a claim says about places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec {
    /// The class: absent means the default class, empty means none.
    pub storage_class_name: Option<String>,
    /// The volume to which it is bound or wants to be.
    pub volume_name: Option<String>,
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
}
resource!(StorageClass, "storage.k8s.io", "StorageClass", "storageclasses", ClusterResourceScope);

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
    /// The CSI driver that serves it.
    pub csi: Option<VolumeCsi>,
}

/// Nodes that can reach a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct VolumeAffinity {
    /// What is required.
    pub required: Option<NodeSelector>,
}

/// A CSI driver.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct VolumeCsi {
    /// Its name.
    #[serde(default)]
    pub driver: String,
}
