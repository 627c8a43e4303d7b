//! Where pods really land, by the real scheduler.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::plane::{REGION, Shared, ZONE, plain_pod, pod, shared, stored};
use crate::poll::{until, yes};

const PATIENCE: Duration = Duration::from_secs(90);

/// Specifications that leave more than one country open, each in another way.
fn open_specifications() -> Vec<Value> {
    let affinity = |terms: Value| {
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
        json!({"affinity": {"nodeAffinity": required}})
    };
    let within = |key: &str, values: Value| json!({"key": key, "operator": "In", "values": values});
    let term = |requirements: Value| json!({"matchExpressions": requirements});
    let every_taint = json!([{"operator": "Exists"}]);
    vec![
        json!({}),
        json!({"tolerations": every_taint}),
        json!({"nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": every_taint}),
        // The liar carries this label, too.
        affinity(json!([term(json!([within(REGION, json!(["eu-central-1"]))]))])),
        affinity(json!([
            term(json!([within(REGION, json!(["us-east-1"]))])),
            term(json!([within(REGION, json!(["eu-central-1", "eu-west-3"]))])),
            term(json!([within(ZONE, json!(["ru-central1-a", "eu-central-1b"]))])),
        ])),
        affinity(json!([
            term(json!([within("kubernetes.io/arch", json!(["amd64"]))])),
            term(json!([within("kubernetes.io/os", json!(["linux"])), within(REGION, json!(["us-east-1"]))])),
        ])),
        affinity(json!([
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["fra-2"]}]},
            term(json!([{"key": REGION, "operator": "NotIn", "values": ["eu-central-1"]}])),
        ])),
        affinity(json!([term(json!([{"key": "kubernetes.io/hostname", "operator": "Exists"}]))])),
    ]
}

/// 12 pods of Deployments and 13 by themselves for each specification.
fn run_pods(shared: &Shared, namespace: &str) {
    for (number, spec) in open_specifications().into_iter().enumerate() {
        let name = format!("answers-{number}");
        let template = pod(namespace, &name, &json!({"app": "survey", "name": name}), spec.clone());
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 12, "selector": {"matchLabels": {"name": name}},
                "template": {"metadata": {"labels": template["metadata"]["labels"]}, "spec": template["spec"]},
            },
        });
        shared.plane.admin.create(&deployment).ok();
        for copy in 0..13 {
            let single = pod(namespace, &format!("{name}-{copy}"), &json!({"app": "survey"}), spec.clone());
            shared.plane.admin.create(&single).ok();
        }
    }
}

/// How many pods are on which node, once all of them are somewhere.
fn placements(shared: &Shared, namespace: &str, count: usize) -> BTreeMap<String, usize> {
    let nodes = until("every pod is scheduled", PATIENCE, || {
        let pods = shared.plane.admin.list("v1", "Pod", namespace, "");
        let nodes: Vec<String> =
            pods.iter().filter_map(|pod| Some(pod["spec"]["nodeName"].as_str()?.to_owned())).collect();
        if nodes.len() == count { Ok(nodes) } else { Err(format!("{} of {} are", nodes.len(), pods.len())) }
    });
    nodes.into_iter().fold(BTreeMap::new(), |mut all, node| {
        *all.entry(node).or_default() += 1;
        all
    })
}

fn names(placements: &BTreeMap<String, usize>) -> BTreeSet<&str> {
    placements.keys().map(String::as_str).collect()
}

#[test]
fn none_of_200_pods_of_a_german_store_lands_abroad_or_on_the_node_that_lies() {
    let shared = shared();
    shared.plane.namespace("scheduling-de", &json!({}));
    shared.plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: scheduling-de}
        spec:
          match: {origins: [DE]}
          residence: {Process: [Origin]}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: scheduling-de}
        spec:
          origins: [DE]
          workloads: {selector: {matchLabels: {app: survey}}}
        ",
    );
    shared.plane.enforced("scheduling-de", "answers");
    run_pods(shared, "scheduling-de");
    let placements = placements(shared, "scheduling-de", 200);
    let germany = BTreeSet::from(["fra-1", "fra-2", "fra-tainted"]);
    assert!(names(&placements).is_subset(&germany), "{placements:?}");
    assert!(names(&placements).contains("fra-tainted"), "own tolerations still count: {placements:?}");
}

#[test]
fn pods_under_the_built_in_policy_land_in_the_economic_area_only() {
    let shared = shared();
    // Nothing but the label says so.
    shared.plane.namespace("scheduling-eea", &json!({"domicile.dev/origin": "FR"}));
    run_pods(shared, "scheduling-eea");
    let placements = placements(shared, "scheduling-eea", 200);
    let area = BTreeSet::from(["fra-1", "fra-2", "fra-tainted", "par-1", "par-2"]);
    assert!(names(&placements).is_subset(&area), "{placements:?}");
    assert!(names(&placements).contains("par-1"), "both countries are used: {placements:?}");
}

#[test]
fn pods_elsewhere_land_anywhere() {
    let shared = shared();
    shared.plane.namespace("scheduling-elsewhere", &json!({}));
    run_pods(shared, "scheduling-elsewhere");
    let placements = placements(shared, "scheduling-elsewhere", 200);
    assert!(names(&placements).is_superset(&BTreeSet::from(["iad-1", "msk-1", "liar", "fra-1"])), "{placements:?}");
}

#[test]
fn a_pod_elsewhere_is_stored_with_the_operator_byte_by_byte_as_without() {
    let shared = shared();
    let name = "after";
    let after = stored(&shared.plane.admin.create(&plain_pod(name)).ok());
    assert_eq!(serde_json::to_string(&after).unwrap(), serde_json::to_string(&shared.before).unwrap());
}

#[test]
fn a_node_that_lies_about_its_region_gets_no_country() {
    let shared = shared();
    for (node, country) in
        [("fra-1", Some("DE")), ("par-1", Some("FR")), ("iad-1", Some("US")), ("msk-1", Some("RU")), ("liar", None)]
    {
        shared.plane.labelled(node, country);
    }
    let told = until("an Event tells of the dispute", PATIENCE, || {
        let events = shared.plane.admin.events_about("Node", "liar");
        let disputed = events.into_iter().find(|event| event["reason"] == "PlaceDisputed");
        disputed.ok_or("none")
    });
    let note = told["note"].as_str().unwrap();
    yes(["us-east-1", "eu-central-1"].iter().all(|region| note.contains(region)), note).unwrap();
}
