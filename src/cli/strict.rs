//! Fields that no kind of ours has. The API server drops them, and with them what somebody meant: a misspelt limit is none.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::v1alpha1::{
    Bloc, DataFlow, DataStore, Jurisdiction, Location, Provider, ResidencyException, ResidencyPolicy, TransferMechanism,
};

/// Paths of fields that the kind does not have; none for other kinds than ours, and for one that names what is wrong itself
/// when it is read.
pub fn unknown_fields(kind: &str, manifest: &Value) -> Vec<String> {
    let read: fn(&Value) -> Vec<String> = match kind {
        "Bloc" => ignored::<Bloc>,
        "DataFlow" => ignored::<DataFlow>,
        "DataStore" => ignored::<DataStore>,
        "Jurisdiction" => ignored::<Jurisdiction>,
        "Location" => ignored::<Location>,
        "Provider" => ignored::<Provider>,
        "ResidencyException" => ignored::<ResidencyException>,
        "ResidencyPolicy" => ignored::<ResidencyPolicy>,
        "TransferMechanism" => ignored::<TransferMechanism>,
        _ => return Vec::new(),
    };
    read(manifest)
}

fn ignored<T: DeserializeOwned>(manifest: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    let note = |path: serde_ignored::Path<'_>| {
        // Between the field and what it holds stands a mark where it may be absent.
        let path = path.to_string().replace(".?", "");
        if path.starts_with("spec.") {
            fields.push(path);
        }
    };
    // What cannot be read at all is told by whoever reads it.
    let _ = serde_ignored::deserialize::<_, _, T>(manifest, note);
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn misspelt_fields_are_named_and_others_are_not() {
        let location = json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "Location", "metadata": {"name": "own", "creationTimestamp": null},
            "spec": {"country": "DE", "hostz": ["a.example"], "hosts": [], "nodes": {"selektor": {}}},
        });
        assert_eq!(unknown_fields("Location", &location), ["spec.hostz", "spec.nodes.selektor"]);
        let policy =
            json!({"kind": "ResidencyPolicy", "spec": {"residence": {"Process": ["DE"]}, "unknownPlaces": "Warn"}});
        assert_eq!(unknown_fields("ResidencyPolicy", &policy), ["spec.unknownPlaces"]);
        assert!(unknown_fields("Pod", &json!({"spec": {"nodeNane": "a"}})).is_empty());
    }
}
