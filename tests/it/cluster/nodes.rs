//! The country label of nodes, by evidence.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::reference;
use crate::harness::Node;
use crate::operator::Operator;
use crate::plane::{COUNTRY, Plane, REGION, ZONE, alone, machine};
use crate::poll::{PATIENCE, until, yes};

fn relabel(plane: &Plane, node: &str, key: &str, value: Option<&str>) {
    let patch = json!({"metadata": {"labels": {key: value}}});
    plane.admin.patch(&reference("v1", "Node", "", node), &patch).ok();
}

/// Waits for an Event about a node, and returns its sentence.
fn told(plane: &Plane, node: &str, reason: &str) -> String {
    let event = until("an Event tells of it", PATIENCE, || {
        let events = plane.admin.events_about("Node", node);
        events.into_iter().find(|event| event["reason"] == reason).ok_or_else(|| format!("no {reason} about {node}"))
    });
    event["note"].as_str().unwrap().to_owned()
}

#[test]
fn a_node_is_labelled_by_its_evidence() {
    let plane = alone();
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: Location
        metadata: {name: nodes-cellar}
        spec: {country: CH, nodes: {zones: [nodes-cellar-1]}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: Location
        metadata: {name: nodes-attic}
        spec: {country: AT, nodes: {selector: {matchLabels: {rack: attic}}}}
        ",
    );
    let azure = "azure:///subscriptions/8a1c2f00/resourceGroups/cx/providers/Microsoft.Compute/virtualMachines/vm";
    let nodes = [
        Node::new("nodes-by-id").provider("aws:///eu-west-3a/i-01"),
        // The provider's ids name no place, so that the region label has to.
        Node::new("nodes-by-region").provider(azure).label(REGION, "japaneast").label(ZONE, "japaneast-1"),
        Node::new("nodes-by-zone").label(ZONE, "nodes-cellar-1"),
        Node::new("nodes-by-selector").label("rack", "attic"),
        Node::new("nodes-by-nothing"),
        machine("nodes-liar", "us-east-1a", "eu-central-1"),
    ];
    plane.control.add_nodes(&nodes).unwrap();
    let _operator = Operator::started(&plane.operator);
    for (node, country) in
        [("nodes-by-id", "FR"), ("nodes-by-region", "JP"), ("nodes-by-zone", "CH"), ("nodes-by-selector", "AT")]
    {
        plane.labelled(node, Some(country));
    }
    let unknown = told(&plane, "nodes-by-nothing", "PlaceUnknown");
    assert!(unknown.contains("the country of node nodes-by-nothing cannot be told"), "{unknown}");
    let disputed = told(&plane, "nodes-liar", "PlaceDisputed");
    assert!(disputed.contains("US") && disputed.contains("DE"), "{disputed}");
    assert_eq!([plane.country("nodes-by-nothing"), plane.country("nodes-liar")], [None, None]);
}

#[test]
fn a_label_that_somebody_changes_is_set_right() {
    let plane = alone();
    plane.control.add_nodes(&[machine("nodes-changed", "eu-central-1a", "eu-central-1")]).unwrap();
    let _operator = Operator::started(&plane.operator);
    plane.labelled("nodes-changed", Some("DE"));
    relabel(&plane, "nodes-changed", COUNTRY, Some("US"));
    plane.labelled("nodes-changed", Some("DE"));
    relabel(&plane, "nodes-changed", COUNTRY, None);
    plane.labelled("nodes-changed", Some("DE"));
}

#[test]
fn a_label_goes_when_the_evidence_has_contradicted_itself_for_the_grace_period() {
    let plane = alone();
    plane.control.add_nodes(&[machine("nodes-turned", "eu-central-1a", "eu-central-1")]).unwrap();
    let _operator = Operator::started(&plane.operator);
    plane.labelled("nodes-turned", Some("DE"));
    let turned = Instant::now();
    relabel(&plane, "nodes-turned", REGION, Some("us-east-1"));
    plane.labelled("nodes-turned", None);
    let grace = Duration::from_secs(plane.operator.label_grace_seconds);
    assert!(turned.elapsed() >= grace, "gone after {:?} already", turned.elapsed());
    let removed = told(&plane, "nodes-turned", "CountryLabelRemoved");
    assert!(removed.contains("no longer carries the country label DE"), "{removed}");
    told(&plane, "nodes-turned", "PlaceDisputed");
    // What is set right counts again.
    relabel(&plane, "nodes-turned", REGION, Some("eu-central-1"));
    plane.labelled("nodes-turned", Some("DE"));
}

#[test]
fn a_label_stays_when_the_operator_only_restarts() {
    let plane = alone();
    plane.control.add_nodes(&[machine("nodes-kept", "eu-central-1a", "eu-central-1")]).unwrap();
    let operator = Operator::started(&plane.operator);
    plane.labelled("nodes-kept", Some("DE"));
    let told = || {
        let events = plane.admin.events_about("Node", "nodes-kept");
        let count = events.iter().filter(|event| event["reason"] == "CountryLabelled").count();
        yes(count == 1, format!("not written once: {events:?}"))
    };
    // The label comes before its Event: killed in between, the operator would never write it.
    until("the Event of the label", PATIENCE, told);
    operator.kill();
    let _operator = Operator::started(&plane.operator);
    let grace = Duration::from_secs(plane.operator.label_grace_seconds);
    let restarted = Instant::now();
    while restarted.elapsed() < grace + Duration::from_secs(1) {
        assert_eq!(plane.country("nodes-kept").as_deref(), Some("DE"));
        std::thread::sleep(Duration::from_millis(50));
    }
    told().unwrap();
}
