//! Kubernetes' own objects, as far as Domicile reads them.
//!
//! Everything else in them is skipped while decoding, so that an object of many kilobytes costs a few hundred bytes, in
//! admission as in the watches. In particular no secret or annotation of others is ever held, and of environment
//! variables only those whose name or form says that they name a place.

mod decode;
mod pod;
mod sources;
mod storage;

use std::borrow::Cow;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

pub use pod::*;
pub use sources::*;
pub use storage::*;

use decode::metadata;

/// Annotation by which the scheduler names the node that a claim's volume will follow.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Annotations that mark a default storage class.
pub const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

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
use resource;

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
