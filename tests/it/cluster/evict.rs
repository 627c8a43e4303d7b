//! Pods that ran abroad before anybody minded: who is evicted and comes back inside, and who stays.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::reference;
use crate::operator::{Operator, Setup};
use crate::plane::{OURS, Plane, alone, machine, pod};
use crate::poll::{PATIENCE, until, yes};

const ABROAD: &str = "evict-iad";
const INSIDE: &str = "evict-fra";

/// A deployment whose pods run on the nodes of this test, wherever these are.
fn deployment(plane: &Plane, namespace: &str, name: &str, replicas: usize) {
    let labels = json!({"app": name});
    let template = pod(namespace, name, &labels, json!({"nodeSelector": {"evict": "here"}}));
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
        },
    });
    plane.admin.create(&deployment).ok();
}

/// Pods by uid: where they are, if they are ready and stay.
fn running(plane: &Plane, namespace: &str, app: &str) -> BTreeMap<String, String> {
    let pods = plane.admin.list("v1", "Pod", namespace, &format!("labelSelector=app%3D{app}"));
    let runs = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        pod["metadata"]["deletionTimestamp"].is_null()
            && conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    pods.iter().filter(runs).map(|pod| (text(&pod["metadata"]["uid"]), text(&pod["spec"]["nodeName"]))).collect()
}

/// Waits until so many pods run on a node, and no other; never are fewer than `least` ready.
#[track_caller]
fn runs_on(plane: &Plane, (namespace, app): (&str, &str), number: usize, node: &str, least: usize) {
    until("they run there", PATIENCE * 3, || {
        let pods = running(plane, namespace, app);
        assert!(pods.len() >= least, "{app}: {pods:?}");
        let told = plane.admin.get(&reference(OURS, "ResidencyPolicy", "", "evict")).unwrap_or_default();
        let reason = format!("{app}: {pods:?}; {}", told["status"]["eviction"]);
        yes(pods.len() == number && pods.values().all(|on| on == node), reason)
    });
}

fn policy(plane: &Plane, name: &str) -> Value {
    plane.admin.get(&reference(OURS, "ResidencyPolicy", "", name)).unwrap()
}

#[test]
fn pods_abroad_are_evicted_and_come_back_inside_and_the_others_stay() {
    let plane = alone();
    let admin = &plane.admin;
    plane.control.add_nodes(&[machine(ABROAD, "us-east-1a", "us-east-1").label("evict", "here")]).unwrap();
    for namespace in ["evict", "evict-reported"] {
        plane.namespace(namespace, &json!({}));
        deployment(&plane, namespace, "web", 3);
    }
    deployment(&plane, "evict", "guarded", 1);
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guarded", "namespace": "evict"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
    });
    admin.create(&budget).ok();
    admin.create(&pod("evict", "bare", &json!({"app": "bare"}), json!({"nodeName": ABROAD}))).ok();
    for (app, number) in
        [(("evict", "web"), 3), (("evict", "guarded"), 1), (("evict", "bare"), 1), (("evict-reported", "web"), 3)]
    {
        runs_on(&plane, app, number, ABROAD, 0);
    }
    let before = |namespace: &str, app: &str| running(&plane, namespace, app);
    let (guarded, bare, reported) =
        (before("evict", "guarded"), before("evict", "bare"), before("evict-reported", "web"));

    // There is a node inside, and somebody who minds.
    plane.control.add_nodes(&[machine(INSIDE, "eu-central-1a", "eu-central-1").label("evict", "here")]).unwrap();
    let setup =
        Setup::new(plane.operator.kubeconfig.clone(), &plane.operator.folder, plane.operator.label_grace_seconds);
    let arguments = ["--evictions-per-minute", "600"].map(str::to_owned).to_vec();
    let operator = Operator::started(&Setup { arguments, ..setup });
    plane.labelled(INSIDE, Some("DE"));
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: evict}
        spec: {match: {origins: [SE]}, residence: {Process: [DE]}, remediation: Evict}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: evict-reported}
        spec: {match: {origins: [FI]}, residence: {Process: [DE]}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: evict}
        spec: {origins: [SE], workloads: {selector: {}}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: evict-reported}
        spec: {origins: [FI], workloads: {selector: {}}}
        ",
    );
    // One of three at a time: a tenth, but one at least.
    runs_on(&plane, ("evict", "web"), 3, INSIDE, 2);

    until("the policy says who is left, and why", PATIENCE, || {
        let told = policy(&plane, "evict")["status"]["eviction"].clone();
        let reasons: Vec<_> =
            told["reasons"].as_array().into_iter().flatten().map(|one| (&one["reason"], &one["pods"])).collect();
        let wanted = [(json!("DisruptionBudget"), json!(1)), (json!("NoController"), json!(1))];
        let as_wanted = reasons == wanted.iter().map(|(reason, pods)| (reason, pods)).collect::<Vec<_>>();
        yes(as_wanted && told["waiting"] == 1 && told["left"] == 1 && told["away"] == 0, told)
    });
    assert_eq!(before("evict", "guarded"), guarded);
    assert_eq!(before("evict", "bare"), bare);
    assert_eq!(before("evict-reported", "web"), reported);
    assert!(policy(&plane, "evict-reported")["status"]["eviction"].is_null());
    let told = |reason: &str| {
        until("an Event tells of it", PATIENCE, || {
            let events = admin.events_about("ResidencyPolicy", "evict");
            events.into_iter().find(|event| event["reason"] == reason).ok_or_else(|| operator.log_tail())
        })
    };
    let note = told("Evicted")["note"].as_str().unwrap().to_owned();
    assert!(note.ends_with("runs where evict does not let it: evicted, so that it comes back inside"), "{note}");
    assert_eq!(
        told("EvictionBlocked")["related"]["name"],
        *admin.list("v1", "Pod", "evict", "labelSelector=app%3Dguarded")[0]["metadata"]["name"].as_str().unwrap()
    );
    let metrics = operator.get("/metrics").unwrap();
    assert!(metrics.contains("domicile_evictions_total{result=\"evicted\"} 3\n"), "{metrics}");

    // Whoever looks after the budget may let it go.
    admin.delete(&budget);
    runs_on(&plane, ("evict", "guarded"), 1, INSIDE, 0);
    assert_eq!(before("evict", "bare"), bare);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(before("evict-reported", "web"), reported);
    for name in ["evict", "evict-reported"] {
        admin.delete(&reference(OURS, "ResidencyPolicy", "", name));
        admin.delete(&reference("v1", "Namespace", "", name));
    }
}
