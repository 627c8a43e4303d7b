//! The drill: the operator is dead. What could leak is refused, and nothing else suffers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::reference;
use crate::operator::Operator;
use crate::plane::{OURS, Plane, alone, condition, machine, pod};
use crate::poll::{PATIENCE, until, yes};

/// A file name among the arguments may be a host: only the webhook can tell, so that such a pod is not decided without it.
pub fn with_arguments() -> Value {
    let container = json!({"name": "app", "image": "example.org/app:1", "args": ["--config=/etc/answers.conf"]});
    json!({"containers": [container]})
}

pub fn deployment(namespace: &str, name: &str, replicas: u32, spec: Value) -> Value {
    let template = pod(namespace, name, &json!({"app": name}), spec);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]},
        },
    })
}

/// Waits until so many pods of a deployment run.
pub fn running(plane: &Plane, namespace: &str, name: &str, count: usize) {
    // A controller that was refused once waits twice as long each time.
    until("the deployment has its pods", 4 * PATIENCE, || {
        let pods = plane.admin.list("v1", "Pod", namespace, &format!("labelSelector=app%3D{name}"));
        let live = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let running = live.filter(|pod| pod["status"]["phase"] == "Running").count();
        yes(running == count, format!("{running} of {count}: {pods:?}"))
    });
}

/// The median time to create a pod where nobody asks the operator.
fn median_create(plane: &Plane, namespace: &str, round: &str) -> Duration {
    let mut times: Vec<Duration> = (0..50)
        .map(|number| {
            let manifest = pod(namespace, &format!("{round}-{number}"), &json!({}), json!({"nodeName": "none"}));
            let started = Instant::now();
            plane.admin.create(&manifest).ok();
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn with_the_operator_dead_only_what_could_leak_is_refused() {
    let plane = alone();
    let admin = &plane.admin;
    plane.control.add_nodes(&[machine("dead-fra-1", "eu-central-1a", "eu-central-1")]).unwrap();
    let operator = Operator::started(&plane.operator);
    plane.namespace("dead-elsewhere", &json!({}));
    plane.namespace("dead-protected", &json!({"domicile.dev/origin": "DE"}));
    plane.labelled("dead-fra-1", Some("DE"));
    admin.create(&deployment("dead-protected", "answers", 3, with_arguments())).ok();
    running(&plane, "dead-protected", "answers", 3);
    let existing = pod("dead-protected", "existing", &json!({}), json!({}));
    admin.create(&existing).ok();
    admin.create(&pod("dead-protected", "doomed", &json!({}), json!({}))).ok();
    median_create(&plane, "dead-elsewhere", "warm");
    let alive = median_create(&plane, "dead-elsewhere", "alive");

    operator.kill();

    // Elsewhere nothing changes.
    // What else the machine does may fall on one round, hardly on three.
    let slowed = |round: &str| {
        let dead = median_create(&plane, "dead-elsewhere", round);
        println!("median create elsewhere: {alive:?} with the operator, {dead:?} without");
        dead > alive.mul_f64(1.5) + Duration::from_millis(5)
    };
    assert!(!["first", "second", "third"].into_iter().all(slowed), "other namespaces are slowed down");
    admin.create(&pod("kube-system", "dns", &json!({}), json!({}))).ok();
    admin.create(&deployment("dead-elsewhere", "web", 2, json!({}))).ok();
    running(&plane, "dead-elsewhere", "web", 2);
    plane.control.add_nodes(&[machine("dead-fra-2", "eu-central-1b", "eu-central-1")]).unwrap();
    let mut lease = reference("coordination.k8s.io/v1", "Lease", "kube-node-lease", "dead-fra-2");
    lease["spec"] = json!({"holderIdentity": "dead-fra-2", "leaseDurationSeconds": 40});
    admin.create(&lease).ok();
    admin.patch(&lease, &json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}})).ok();
    let heart = json!({"metadata": {"annotations": {"heartbeat": "1"}}});
    admin.patch(&reference("v1", "Node", "", "dead-fra-2"), &heart).ok();

    // Where the data is, nothing new starts,
    let refused = admin.create(&pod("dead-protected", "new", &json!({}), with_arguments()));
    assert_eq!(refused.code, 500, "{}", refused.body);
    let message = refused.message();
    assert!(message.contains("failed calling webhook \"placements.labelled"), "{message}");
    // but what is there can be kept, mended and removed.
    let note = json!({"metadata": {"annotations": {"note": "kept"}, "finalizers": ["example.org/keep"]}});
    admin.patch(&existing, &note).ok();
    let status = format!("{}/status", crate::client::path_of(&existing));
    let patch = json!({"status": {"message": "seen"}});
    admin.try_send("PATCH", &status, "application/merge-patch+json", &patch).unwrap().ok();
    admin.patch(&existing, &json!({"metadata": {"finalizers": null}})).ok();
    let answers = reference("apps/v1", "Deployment", "dead-protected", "answers");
    admin.patch(&answers, &json!({"spec": {"replicas": 1}})).ok();
    running(&plane, "dead-protected", "answers", 1);
    let doomed = reference("v1", "Pod", "dead-protected", "doomed");
    admin.delete(&doomed).ok();
    until("the deleted pod is gone", PATIENCE, || yes(admin.get(&doomed).is_none(), "still there"));
    // Its ReplicaSet may be scaled up, and its pods have to wait.
    admin.patch(&answers, &json!({"spec": {"replicas": 4}})).ok();
    until("the ReplicaSet is refused its pods", PATIENCE, || {
        let sets = admin.list("apps/v1", "ReplicaSet", "dead-protected", "");
        let conditions = sets.iter().filter_map(|set| set["status"]["conditions"].as_array()).flatten();
        yes(conditions.into_iter().any(|one| one["type"] == "ReplicaFailure"), "no ReplicaFailure")
    });
    running(&plane, "dead-protected", "answers", 1);

    // Nothing is lost.
    let _operator = Operator::started(&plane.operator);
    running(&plane, "dead-protected", "answers", 4);
    plane.labelled("dead-fra-2", Some("DE"));
}

#[test]
fn what_came_wrong_while_the_operator_was_dead_is_told_as_stalled() {
    let plane = alone();
    let operator = Operator::started(&plane.operator);
    let mut policy = reference(OURS, "ResidencyPolicy", "", "dead-wrong");
    policy["spec"] = json!({"match": {"origins": ["MT"]}, "residence": {"Process": ["ATLANTIS"]}});
    until("the operator would refuse it", PATIENCE, || {
        let answer = plane.admin.create_dry(&policy);
        yes(answer.code == 403 && answer.message().contains("[RES-SPEC]"), answer.body)
    });
    operator.kill();
    plane.admin.create(&policy).ok();
    let _operator = Operator::started(&plane.operator);
    let told = until("it is told that the policy is wrong", PATIENCE, || {
        let policy = plane.admin.get(&policy).ok_or("no policy")?;
        let told = ["Ready", "Stalled"].map(|kind| condition(&policy, kind));
        yes(told[0]["status"] == "False", &policy["status"]).map(|()| told)
    });
    assert_eq!([&told[0]["reason"], &told[1]["status"]], ["Invalid", "True"]);
    let message = told[1]["message"].as_str().unwrap();
    assert!(message.starts_with("spec.residence.Process") && message.contains("ATLANTIS"), "{message}");
    // It allows nothing as long as nobody knows what it means.
    plane.namespace("dead-wrong", &json!({"domicile.dev/origin": "MT"}));
    let refused = plane.admin.create_dry(&pod("dead-wrong", "app", &json!({}), json!({})));
    assert_eq!(refused.code, 403, "{}", refused.body);
    plane.admin.delete(&policy).ok();
}
