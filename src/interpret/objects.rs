//! Kubernetes' own objects, as far as Domicile reads them.
//!
//! Everything else in them is skipped while decoding, so that an object of many kilobytes costs a few hundred bytes, in
//! admission as in the watches. In particular no secret or annotation of others is ever held, and of environment
//! variables only those whose name or form says that they name a place.

mod container;
mod decode;
mod node;
mod pod;
mod pod_volume;
mod sources;
mod storage;
pub(crate) mod telling;
mod variables;

use std::borrow::Cow;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

pub use container::*;
pub use node::*;
pub use pod::*;
pub use pod_volume::*;
pub use sources::*;
pub use storage::*;
pub use telling::{is_host_with_port, is_like_region, is_public_address, may_tell};

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

/// A namespace.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Namespace {
    /// Its metadata, with every annotation: an interpreter may read any.
    #[serde(default)]
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

    #[test]
    fn only_volumes_that_a_pod_describes_itself_are_kept_apart() {
        let pod: Pod = serde_json::from_str(
            r#"{"metadata":{},"spec":{"volumes":[
                {"name":"a","emptyDir":{}},
                {"name":"b","persistentVolumeClaim":{"claimName":"data"}},
                {"name":"c","nfs":{"server":"files","path":"/"}},
                {"name":"d","csi":{"driver":"x","volumeAttributes":null}},
                {"name":"e","ephemeral":{"volumeClaimTemplate":{"spec":{"storageClassName":"fast"}}}}]}}"#,
        )
        .unwrap();
        let described: Vec<usize> = pod.spec.inline_volumes().map(|(position, _)| position).collect();
        assert_eq!(described, [2, 3, 4]);
        assert_eq!(pod.spec.claims().collect::<Vec<_>>(), [(1, "data")]);
        let server = pod.spec.volumes[2].inline.as_ref().unwrap().sources.nfs.as_ref().unwrap();
        assert_eq!(server.server, "files");
    }

    #[test]
    fn what_serves_a_volume_is_read_beside_its_other_fields() {
        let volume: Volume = serde_json::from_str(
            r#"{"metadata":{},"spec":{"hostPath":null,"claimRef":{"namespace":"n","name":"c","uid":"u"},
                "csi":{"driver":"x","volumeHandle":"h","fsType":"ext4"},"capacity":{"storage":"1Gi"}}}"#,
        )
        .unwrap();
        assert!(!volume.spec.is_host_path);
        assert_eq!(volume.spec.sources.csi.unwrap().volume_handle, "h");
    }
}
