//! Kubernetes' own objects, as far as Domicile reads them.
//!
//! Everything else in them is skipped while decoding, so that an object of many kilobytes costs a few hundred bytes, in
//! admission as in the watches. In particular no environment value, secret or annotation of others is ever held.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Annotation by which the scheduler names the node that a claim's volume will follow.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Annotations that mark a default storage class.
pub const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// Metadata with the parts that matter; the rest of `ObjectMeta` stays empty.
fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Light {
        name: Option<String>,
        generate_name: Option<String>,
        namespace: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        #[serde(default, deserialize_with = "annotations")]
        annotations: Option<BTreeMap<String, String>>,
        uid: Option<String>,
        resource_version: Option<String>,
        generation: Option<i64>,
        owner_references: Option<Vec<OwnerReference>>,
        creation_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
        deletion_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
    }
    let Light {
        name,
        generate_name,
        namespace,
        labels,
        annotations,
        uid,
        resource_version,
        generation,
        owner_references,
        creation_timestamp,
        deletion_timestamp,
    } = Option::<Light>::deserialize(deserializer)?.unwrap_or(Light {
        name: None,
        generate_name: None,
        namespace: None,
        labels: None,
        annotations: None,
        uid: None,
        resource_version: None,
        generation: None,
        owner_references: None,
        creation_timestamp: None,
        deletion_timestamp: None,
    });
    Ok(ObjectMeta {
        name,
        generate_name,
        namespace,
        labels,
        annotations,
        uid,
        resource_version,
        generation,
        owner_references,
        creation_timestamp,
        deletion_timestamp,
        ..ObjectMeta::default()
    })
}

/// Only the annotations that Domicile reads.
fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Option<BTreeMap<String, String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of annotations")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = None;
            while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                if key == SELECTED_NODE || DEFAULT_CLASS.contains(&key.as_ref()) {
                    kept.get_or_insert_with(BTreeMap::new).insert(key.into_owned(), map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_option(Few)
}

/// A list that may be absent or null, which is the same.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Variables that reference a secret: most do not, and a pod may carry hundreds.
fn secret_variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Env>, D::Error> {
    struct Secrets;
    impl<'de> Visitor<'de> for Secrets {
        type Value = Vec<Env>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of variables")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_seq(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while let Some(variable) = list.next_element::<Env>()? {
                if variable.value_from.as_ref().is_some_and(|source| source.secret_key_ref.is_some()) {
                    kept.push(variable);
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_option(Secrets)
}

/// A map that may be absent or null, which is the same.
fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! resource {
    ($type:ident, $group:literal, $kind:literal, $plural:literal, $scope:ident) => {
        impl kube::Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn kind(&(): &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group(&(): &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version(&(): &()) -> Cow<'_, str> {
                "v1".into()
            }

            fn plural(&(): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Pod {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its specification.
    #[serde(default)]
    pub spec: PodSpec,
    /// Its status.
    #[serde(default)]
    pub status: Option<PodStatus>,
}
resource!(Pod, "", "Pod", "pods", NamespaceResourceScope);

/// A pod template, as a workload carries it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PodTemplate {
    /// Metadata of the pods.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Specification of the pods.
    #[serde(default)]
    pub spec: PodSpec,
}

/// The status of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: Option<String>,
}

/// What a pod's specification says about places and data.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// The node to which the pod is bound.
    pub node_name: Option<String>,
    /// Labels that the node must carry.
    #[serde(default, deserialize_with = "map")]
    pub node_selector: BTreeMap<String, String>,
    /// Affinity.
    pub affinity: Option<Affinity>,
    /// Volumes.
    #[serde(default, deserialize_with = "list")]
    pub volumes: Vec<PodVolume>,
    /// Containers.
    #[serde(default, deserialize_with = "list")]
    pub containers: Vec<Container>,
    /// Init containers.
    #[serde(default, deserialize_with = "list")]
    pub init_containers: Vec<Container>,
    /// Ephemeral containers.
    #[serde(default, deserialize_with = "list")]
    pub ephemeral_containers: Vec<Container>,
}

impl PodSpec {
    /// Names of every secret that the pod references, in no particular order.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let containers = self.containers.iter().chain(&self.init_containers).chain(&self.ephemeral_containers);
        let environment = containers.flat_map(|container| {
            let single = container.env.iter().filter_map(|env| env.value_from.as_ref()?.secret_key_ref.as_ref());
            let whole = container.env_from.iter().filter_map(|env| env.secret_ref.as_ref());
            single.chain(whole).map(|secret| secret.name.as_str())
        });
        let volumes = self.volumes.iter().flat_map(|volume| {
            let whole = volume.secret.iter().filter_map(|secret| secret.secret_name.as_deref());
            let projected = volume.projected.iter().flat_map(|projected| {
                projected.sources.iter().filter_map(|source| Some(source.secret.as_ref()?.name.as_str()))
            });
            whole.chain(projected)
        });
        environment.chain(volumes)
    }

    /// Names of every claim that the pod mounts, with the position of the volume.
    pub fn claims(&self) -> impl Iterator<Item = (usize, &str)> {
        self.volumes.iter().enumerate().filter_map(|(position, volume)| {
            Some((position, volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
        })
    }

    /// The required node affinity, if there is any.
    pub fn required_terms(&self) -> Option<&[NodeSelectorTerm]> {
        let required = self.affinity.as_ref()?.node_affinity.as_ref()?.required.as_ref()?;
        Some(&required.node_selector_terms)
    }
}

/// Affinity.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Affinity {
    /// Node affinity.
    pub node_affinity: Option<NodeAffinity>,
}

/// Node affinity. Preferences bind nothing and are not read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NodeAffinity {
    /// What is required.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector>,
}

/// Terms of which one must match.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// The terms.
    #[serde(default, deserialize_with = "list")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Requirements of which all must match. A term without any matches no node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    /// Requirements on labels; `None` where the field is absent or null.
    #[serde(default)]
    pub match_expressions: Option<Vec<Requirement>>,
    /// Requirements on fields.
    #[serde(default, deserialize_with = "list")]
    pub match_fields: Vec<Requirement>,
}

/// A requirement on one key.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Requirement {
    /// The key.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    pub operator: String,
    /// The values.
    #[serde(default, deserialize_with = "list")]
    pub values: Vec<String>,
}

/// A container, as far as it references secrets.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Single variables, of those only that reference a secret.
    #[serde(default, deserialize_with = "secret_variables")]
    pub env: Vec<Env>,
    /// Whole maps of variables.
    #[serde(default, deserialize_with = "list")]
    pub env_from: Vec<EnvFrom>,
}

/// An environment variable; its value is never read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Env {
    /// Where the value comes from.
    pub value_from: Option<EnvSource>,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// A key of a secret.
    pub secret_key_ref: Option<SecretName>,
}

/// A source of several variables.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    /// A secret.
    pub secret_ref: Option<SecretName>,
}

/// The name of a secret.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SecretName {
    /// The name.
    #[serde(default)]
    pub name: String,
}

/// A volume of a pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolume {
    /// A claim.
    pub persistent_volume_claim: Option<PodClaim>,
    /// A secret.
    pub secret: Option<PodSecret>,
    /// Several sources.
    pub projected: Option<Projected>,
}

/// A mounted claim.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodClaim {
    /// Its name.
    #[serde(default)]
    pub claim_name: String,
}

/// A mounted secret.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSecret {
    /// Its name.
    pub secret_name: Option<String>,
}

/// A volume of several sources.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Projected {
    /// The sources.
    #[serde(default, deserialize_with = "list")]
    pub sources: Vec<ProjectedSource>,
}

/// One source of a projected volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ProjectedSource {
    /// A secret.
    pub secret: Option<SecretName>,
}

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

/// A node.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Node {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its specification.
    #[serde(default)]
    pub spec: NodeSpec,
}
resource!(Node, "", "Node", "nodes", ClusterResourceScope);

/// What a node says about its place.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NodeSpec {
    /// Its provider id.
    #[serde(rename = "providerID")]
    pub provider_id: Option<String>,
}

/// A namespace.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Namespace {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
}
resource!(Namespace, "", "Namespace", "namespaces", ClusterResourceScope);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_annotations_and_null_lists_are_skipped() {
        let pod: Pod = serde_json::from_str(
            r#"{"metadata":{"name":"a","annotations":{"x":"y"},"managedFields":[{"fieldsV1":{"f:a":{}}}]},
                "spec":{"volumes":null,"nodeSelector":null,"containers":[{"env":null,"name":"c"}]}}"#,
        )
        .unwrap();
        assert_eq!(pod.metadata.annotations, None);
        assert_eq!(pod.metadata.name.as_deref(), Some("a"));
        let claim: Claim = serde_json::from_str(
            r#"{"metadata":{"annotations":{"volume.kubernetes.io/selected-node":"n","x":"y"}},"spec":{}}"#,
        )
        .unwrap();
        assert_eq!(claim.metadata.annotations.unwrap().len(), 1);
    }
}
