//! Nodes, as far as they say where they are and which pods they take.

use std::borrow::Cow;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::decode::{is_ready, list, metadata};
use super::resource;

/// A node.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Node {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its specification.
    #[serde(default)]
    pub spec: NodeSpec,
    /// Its status.
    #[serde(default)]
    pub status: NodeStatus,
}
resource!(Node, "", "Node", "nodes", ClusterResourceScope);

/// What a node says about its place, and which pods may come.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NodeSpec {
    /// Its provider id.
    #[serde(rename = "providerID")]
    pub provider_id: Option<String>,
    /// Whether it is cordoned.
    #[serde(default)]
    pub unschedulable: bool,
    /// What keeps pods away that do not tolerate it.
    #[serde(default, deserialize_with = "repelling")]
    pub taints: Vec<Taint>,
}

/// The status of a node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NodeStatus {
    /// Whether it is ready.
    #[serde(rename = "conditions", default, deserialize_with = "is_ready")]
    pub ready: bool,
}

/// A taint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Taint {
    /// Its key.
    #[serde(default)]
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule` or `NoExecute`.
    #[serde(default)]
    pub effect: String,
}

/// Taints that keep pods away; a preference keeps none away.
fn repelling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Taint>, D::Error> {
    let mut taints: Vec<Taint> = list(deserializer)?;
    taints.retain(|taint| ["NoSchedule", "NoExecute"].contains(&taint.effect.as_str()));
    taints.shrink_to_fit();
    Ok(taints)
}
