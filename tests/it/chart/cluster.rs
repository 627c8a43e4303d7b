//! The chart and a real API server.

use serde_json::{Value, json};

use super::{RELEASE, checkout, one, rendered, template};
use crate::client::{documents, reference};
use crate::operator::Operator;
use crate::plane::{OURS, Plane, alone, condition};
use crate::poll::{PATIENCE, until, yes};

#[test]
fn the_api_server_takes_all_of_it() {
    let plane = alone();
    // Which is asked about what the test of the chart creates.
    let _operator = Operator::started(&plane.operator);
    let run = template(&[]);
    assert!(run.ok, "{}", run.stderr);
    let file = plane.control.work_dir().join("chart.yaml");
    std::fs::write(&file, &run.stdout).unwrap();
    let arguments = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f"];
    let output = plane.control.kubectl_output(&[&arguments[..], &[file.to_str().unwrap()]].concat()).unwrap();
    let warnings = output.stderr.clone();
    let applied = output.success().unwrap();
    assert_eq!(applied.lines().count(), documents(&run.stdout).len(), "{applied}");
    assert!(warnings.is_empty(), "{warnings}");
}

#[test]
fn its_pods_hold_to_the_restricted_standard() {
    let plane = alone();
    let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    plane.namespace("chart-restricted", &restricted);
    let mut pod = one(&rendered(&[]), "Deployment", RELEASE)["spec"]["template"].clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "operator".into();
    pod["metadata"]["namespace"] = "chart-restricted".into();
    pod["spec"]["serviceAccountName"] = "default".into();
    plane.admin.create_dry(&pod).ok();
    pod["spec"]["containers"][0]["securityContext"] = json!({});
    let refused = plane.admin.create_dry(&pod);
    assert!(refused.message().contains("violates PodSecurity"), "{}", refused.body);
}

/// Definitions of the version before, without their descriptions.
fn previous() -> Vec<Value> {
    documents(&std::fs::read_to_string(checkout("tests/upgrade/crds.yaml")).unwrap())
}

fn current() -> Vec<Value> {
    rendered(&[]).into_iter().filter(|one| one["kind"] == "CustomResourceDefinition").collect()
}

/// Documents of YAML, which contains JSON.
fn stream(objects: &[Value]) -> String {
    objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn install(plane: &Plane, definitions: &[Value]) {
    plane.control.apply(&stream(definitions)).unwrap();
    let wait = ["wait", "--for=condition=Established", "crds", "--all", "--timeout=30s"];
    until("the API server serves it", PATIENCE, || {
        plane.control.kubectl_output(&wait).and_then(crate::harness::Output::success).map_err(|error| error.to_string())
    });
}

#[test]
fn definitions_go_from_the_version_before_to_this_one_and_back_with_live_objects() {
    let plane = alone();
    let _operator = Operator::started(&plane.operator);
    install(&plane, &previous());
    plane.namespace("chart-upgrade", &json!({}));
    let objects = documents(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: chart-upgrade}
        spec: {origins: [DE], categories: [Contact], claims: {names: [answers]}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: archive, namespace: chart-upgrade}
        spec: {origins: [FR]}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataFlow
        metadata: {name: nightly, namespace: chart-upgrade}
        spec: {from: {dataStore: {name: answers}}, to: {dataStore: {name: archive}}, purpose: cx-feedback}
        ",
    );
    for object in &objects {
        plane.admin.create(object).ok();
    }
    let specs = || -> Vec<(Value, Value)> {
        let get = |object: &Value| {
            let found = plane.admin.get(object).expect("the object");
            (found["metadata"]["uid"].clone(), found["spec"].clone())
        };
        objects.iter().map(get).collect()
    };
    let judged = |what: &str| {
        // A change under whichever definitions there are now, and the operator's answer to it.
        let store = reference(OURS, "DataStore", "chart-upgrade", "answers");
        plane.admin.patch(&store, &json!({"spec": {"origins": [if what == "back" { "DE" } else { "AT" }]}})).ok();
        until("the store is judged", PATIENCE, || {
            let found = plane.admin.get(&store).ok_or("no store")?;
            let ready = condition(&found, "Ready");
            yes(ready["observedGeneration"] == found["metadata"]["generation"], &found)
        });
        plane.admin.patch(&store, &json!({"spec": {"origins": ["DE"]}})).ok();
    };
    let before = specs();
    for (what, definitions) in [("this", current()), ("back", previous()), ("this again", current())] {
        install(&plane, &definitions);
        assert_eq!(specs(), before, "{what}");
        judged(what);
        assert_eq!(specs(), before, "{what}");
    }
    plane.admin.delete(&reference("v1", "Namespace", "", "chart-upgrade")).ok();
}

#[test]
fn what_is_aggregated_reaches_the_people() {
    let plane = alone();
    let roles: Vec<Value> = rendered(&[]).into_iter().filter(|one| one["kind"] == "ClusterRole").collect();
    plane.control.apply(&stream(&roles)).unwrap();
    let may = |role: &str, verb: &str, resource: &str| -> bool {
        let role = plane.admin.get(&reference("rbac.authorization.k8s.io/v1", "ClusterRole", "", role)).unwrap();
        let has = |list: &Value, one: &str| list.as_array().is_some_and(|list| list.iter().any(|of| of == one));
        role["rules"].as_array().into_iter().flatten().any(|rule| {
            has(&rule["apiGroups"], "domicile.dev") && has(&rule["resources"], resource) && has(&rule["verbs"], verb)
        })
    };
    for (role, verb, resource) in [
        ("view", "list", "datastores"),
        ("edit", "get", "residencypolicies"),
        ("edit", "create", "dataflows"),
        ("edit", "create", "residencyexceptions"),
        ("admin", "deletecollection", "datastores"),
    ] {
        until("the role is aggregated", PATIENCE, || {
            yes(may(role, verb, resource), format!("{role} {verb} {resource}"))
        });
    }
    for (role, verb, resource) in [
        ("view", "patch", "datastores"),
        ("edit", "create", "residencypolicies"),
        ("admin", "patch", "locations"),
        ("admin", "approve", "residencyexceptions"),
        ("admin", "patch", "residencyexceptions/status"),
    ] {
        assert!(!may(role, verb, resource), "{role} {verb} {resource}");
    }
}
