//! Stores that are elsewhere than their owner says, as nodes and volumes move.

use serde_json::{Value, json};

use crate::client::reference;
use crate::harness::Node;
use crate::operator::Operator;
use crate::plane::{OURS, Plane, REGION, ZONE, alone, condition, pod};
use crate::poll::{PATIENCE, until, yes};

/// Waits until the store says where it is, as a reason and a sentence.
#[track_caller]
fn says(plane: &Plane, reason: &str, message: &str) {
    until("the store says where it is", PATIENCE, || {
        let store = plane.admin.get(&reference(OURS, "DataStore", "drift", "orders")).ok_or("no store")?;
        let told = condition(&store, "LocationMismatch");
        yes(told["reason"] == reason && told["message"] == message, told)
    });
}

/// Whether an Event tells of it.
#[track_caller]
fn told(plane: &Plane, part: &str) {
    until("an Event tells of it", PATIENCE, || {
        let events = plane.admin.events_about("DataStore", "orders");
        let mut notes = events.iter().filter(|event| event["reason"] == "LocationMismatch").map(|event| &event["note"]);
        yes(notes.any(|note| note.as_str().unwrap().contains(part)), format!("{events:?}"))
    });
}

#[test]
fn a_store_tells_when_a_node_or_a_volume_is_elsewhere_than_declared() {
    let plane = alone();
    let admin = &plane.admin;
    // A provider whose ids name no place, so that a label can move the node.
    let azure = "azure:///subscriptions/8a1c2f00/resourceGroups/cx/providers/Microsoft.Compute/virtualMachines/drift";
    let region = "germanywestcentral";
    let node = Node::new("drift-1").provider(azure).label(REGION, region).label(ZONE, format!("{region}-1"));
    plane.control.add_nodes(&[node]).unwrap();
    plane.namespace("drift", &json!({}));
    admin.create(&pod("drift", "orders-0", &json!({"app": "orders"}), json!({"nodeName": "drift-1"}))).ok();
    let _operator = Operator::started(&plane.operator);
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: orders, namespace: drift}
        spec:
          origins: [DE]
          residence: {country: DE}
          workloads: {selector: {matchLabels: {app: orders}}}
          claims: {names: [orders]}
        ",
    );
    says(&plane, "AsDeclared", "every pod and claim is in DE, as declared");

    let relabel = |region: &str| {
        let labels = json!({"metadata": {"labels": {REGION: region, ZONE: format!("{region}-1")}}});
        admin.patch(&reference("v1", "Node", "", "drift-1"), &labels).ok();
    };
    relabel("japaneast");
    says(&plane, "SeenElsewhere", "spec.residence says DE; seen elsewhere: 1 pod and 0 claims in JP");
    told(&plane, "1 pod and 0 claims in JP. To fix: move them, or correct spec.residence");
    relabel(region);
    says(&plane, "AsDeclared", "every pod and claim is in DE, as declared");

    // A volume in Germany with a claim; then its label says that it has moved.
    let mut volume: Value = reference("v1", "PersistentVolume", "", "drift-orders");
    volume["metadata"]["labels"] = json!({REGION: "eu-central-1", ZONE: "eu-central-1a"});
    volume["spec"] = json!({
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "drift",
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0a1b2c"},
    });
    admin.create(&volume).ok();
    let mut claim = reference("v1", "PersistentVolumeClaim", "drift", "orders");
    claim["spec"] = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "drift", "volumeName": "drift-orders",
        "resources": {"requests": {"storage": "1Gi"}},
    });
    until("the claim is accepted", PATIENCE, || {
        let answer = admin.create(&claim);
        yes(answer.code < 300, answer.body)
    });
    says(&plane, "AsDeclared", "every pod and claim is in DE, as declared");
    let moved = json!({"metadata": {"labels": {REGION: "eu-west-3", ZONE: "eu-west-3a"}}});
    admin.patch(&reference("v1", "PersistentVolume", "", "drift-orders"), &moved).ok();
    says(&plane, "SeenElsewhere", "spec.residence says DE; seen elsewhere: 0 pods and 1 claim in FR");
    admin.delete(&reference("v1", "Namespace", "", "drift"));
    admin.delete(&reference("v1", "PersistentVolume", "", "drift-orders"));
}
