//! Manifests into objects of the index: the one place that knows which kind is which, for files as for tests.

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Object;
use crate::api::v1alpha1::{
    Bloc, DataFlow, DataStore, Jurisdiction, Location, Provider, ResidencyException, ResidencyPolicy,
    ResourceInterpreter, TransferMechanism,
};
use crate::interpret::objects::{Claim, Namespace, Node, Pod, StorageClass, Volume, VolumeAttributesClass};
use crate::interpret::workload::{self, Template, Workload};

/// A manifest that is not of its kind's shape.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {kind} {name}")]
pub struct ManifestError {
    /// The kind.
    pub kind: String,
    /// The name, as far as there is one.
    pub name: String,
    /// What is wrong with it.
    pub source: serde_json::Error,
}

impl Object {
    /// Reads a manifest; none if it is of a kind that the index does not keep. A `List` is such a kind: the caller takes
    /// it apart.
    ///
    /// # Errors
    ///
    /// When the manifest is not of its kind's shape.
    pub fn from_manifest(manifest: Value) -> Result<Option<Self>, ManifestError> {
        fn read<T: DeserializeOwned>(manifest: Value, object: fn(T) -> Object) -> Result<Object, ManifestError> {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&manifest["kind"]), text(&manifest["metadata"]["name"]));
            serde_json::from_value(manifest).map(object).map_err(|source| ManifestError { kind, name, source })
        }
        type Read = fn(Value) -> Result<Object, ManifestError>;
        let kinds: [(String, Read); 17] = [
            (kind::<Bloc>(), |manifest| read(manifest, Object::Bloc)),
            (kind::<Claim>(), |manifest| read(manifest, Object::Claim)),
            (kind::<DataFlow>(), |manifest| read(manifest, Object::DataFlow)),
            (kind::<DataStore>(), |manifest| read(manifest, Object::DataStore)),
            (kind::<Jurisdiction>(), |manifest| read(manifest, Object::Jurisdiction)),
            (kind::<Location>(), |manifest| read(manifest, Object::Location)),
            (kind::<Namespace>(), |manifest| read(manifest, Object::Namespace)),
            (kind::<Node>(), |manifest| read(manifest, Object::Node)),
            (kind::<Pod>(), |manifest| read(manifest, Object::Pod)),
            (kind::<Provider>(), |manifest| read(manifest, Object::Provider)),
            (kind::<ResidencyException>(), |manifest| read(manifest, Object::ResidencyException)),
            (kind::<ResidencyPolicy>(), |manifest| read(manifest, Object::ResidencyPolicy)),
            (kind::<ResourceInterpreter>(), |manifest| read(manifest, Object::ResourceInterpreter)),
            (kind::<StorageClass>(), |manifest| read(manifest, Object::StorageClass)),
            (kind::<TransferMechanism>(), |manifest| read(manifest, Object::TransferMechanism)),
            (kind::<Volume>(), |manifest| read(manifest, Object::Volume)),
            (kind::<VolumeAttributesClass>(), |manifest| read(manifest, Object::VolumeAttributesClass)),
        ];
        let text = |key: &str| manifest.get(key).and_then(Value::as_str).unwrap_or_default();
        let wanted = format!("{}/{}", text("apiVersion"), text("kind"));
        let known = kinds.iter().find(|(kind, _)| *kind == wanted).map(|(_, read)| *read);
        match known {
            Some(read) => read(manifest).map(Some),
            None => template(manifest),
        }
    }
}

/// What a workload makes of pods, and objects of types that only interpreters know; none for lists and what is no object.
fn template(manifest: Value) -> Result<Option<Object>, ManifestError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&manifest["apiVersion"]), text(&manifest["kind"]));
    let group = version.split_once('/').map_or("", |(group, _)| group);
    if !workload::KINDS.iter().any(|known| known.group == group && known.kind == kind) {
        let is_object = !version.is_empty() && !kind.is_empty() && !kind.ends_with("List");
        return Ok(is_object.then(|| Object::Other(Box::new(manifest))));
    }
    let (namespace, name) = (text(&manifest["metadata"]["namespace"]), text(&manifest["metadata"]["name"]));
    match serde_json::from_value::<Workload>(manifest) {
        Ok(workload) => Ok(Template::of(&kind, &namespace, &name, &workload).map(Object::Template)),
        Err(source) => Err(ManifestError { kind, name, source }),
    }
}

/// `apiVersion/kind`, as a manifest says it.
fn kind<T: Resource<DynamicType = ()>>() -> String {
    format!("{}/{}", T::api_version(&()), T::kind(&()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_are_told_apart_by_group_and_name() {
        let read = |manifest: Value| Object::from_manifest(manifest).unwrap();
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}});
        assert!(matches!(read(node), Some(Object::Node(_))));
        let store = json!({"apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore", "metadata": {}, "spec": {}});
        assert!(matches!(read(store), Some(Object::DataStore(_))));
        let other = read(json!({"apiVersion": "example.org/v1", "kind": "Node"}));
        assert!(matches!(other, Some(Object::Other(_))));
        assert!(read(json!({"kind": "List"})).is_none());
        assert!(read(json!("text")).is_none());
    }

    #[test]
    fn what_is_not_of_its_kinds_shape_is_named() {
        let bad = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": 1});
        assert_eq!(Object::from_manifest(bad).unwrap_err().to_string(), "failed to read Pod a");
    }
}
