//! Cold starts: everything was down at once, and whatever the operator has left behind is there first. The cluster comes up.

use serde_json::json;

use super::dead::with_arguments;
use crate::client::reference;
use crate::operator::Operator;
use crate::plane::{Plane, configurations, define, machine, pod, restarted};
use crate::poll::{PATIENCE, until, yes};

/// What a cluster does when it comes up, none of which may wait for us.
fn comes_up(plane: &Plane, round: &str) {
    let admin = &plane.admin;
    let node = format!("cold-{round}");
    plane.control.add_nodes(&[machine(&node, "eu-central-1a", "eu-central-1")]).unwrap();
    admin.patch(&reference("v1", "Node", "", &node), &json!({"metadata": {"annotations": {"heartbeat": "1"}}})).ok();
    for (namespace, name) in [("kube-node-lease", &node), ("kube-system", &format!("scheduler-{round}"))] {
        let mut lease = reference("coordination.k8s.io/v1", "Lease", namespace, name);
        lease["spec"] = json!({"holderIdentity": name, "leaseDurationSeconds": 40});
        let created = admin.create(&lease);
        assert!(matches!(created.code, 201 | 409), "{}", created.body);
        admin.patch(&lease, &json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}})).ok();
    }
    for name in ["dns", "proxy"] {
        admin.create(&pod("kube-system", &format!("{name}-{round}"), &json!({"app": name}), json!({}))).ok();
    }
    let set = reference("apps/v1", "DaemonSet", "kube-system", &format!("agent-{round}"));
    let template = pod("kube-system", "agent", &json!({}), json!({}));
    let mut manifest = set.clone();
    manifest["spec"] = json!({
        "selector": {"matchLabels": {"app": round}},
        "template": {"metadata": {"labels": {"app": round}}, "spec": template["spec"]},
    });
    admin.create(&manifest).ok();
    admin.patch(&set, &json!({"spec": {"minReadySeconds": 1}})).ok();
    plane.namespace(&format!("cold-elsewhere-{round}"), &json!({}));
    admin.create(&pod(&format!("cold-elsewhere-{round}"), "web", &json!({}), json!({}))).ok();
    // The operator itself must be able to come back.
    let own = pod("domicile-system", &format!("domicile-{round}"), &json!({"domicile.dev/origin": "DE"}), json!({}));
    plane.accounts("domicile-system");
    admin.create(&own).ok();
}

fn restart(plane: &Plane) {
    plane.control.stop_apiserver();
    plane.control.stop_etcd();
    plane.control.start_etcd().unwrap();
    plane.control.start_apiserver().unwrap();
    for node in plane.admin.list("v1", "Node", "", "") {
        let name = node["metadata"]["name"].as_str().unwrap();
        plane.admin.delete(&reference("v1", "Node", "", name)).ok();
    }
}

#[test]
fn a_cluster_comes_up_though_every_operator_is_dead() {
    let plane = restarted();
    let operator = Operator::started(&plane.operator);
    plane.namespace("cold-protected", &json!({"domicile.dev/origin": "DE"}));
    operator.kill();

    restart(&plane);
    assert_eq!(configurations(&plane.admin).len(), 2, "what the operator wrote is there");
    comes_up(&plane, "first");
    let closed = |name: &str| {
        let answer = plane.admin.create_dry(&pod("cold-protected", name, &json!({}), with_arguments()));
        assert_eq!(
            answer.code, 500,
            "where the data is, nothing starts that only the operator can judge: {}",
            answer.body
        );
    };
    closed("first");

    // The same, and somebody has removed our kinds in between.
    for definition in plane.admin.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "") {
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        if name.ends_with(".domicile.dev") {
            let named = reference("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &name);
            plane.admin.delete(&named).ok();
        }
    }
    restart(&plane);
    comes_up(&plane, "second");
    closed("second");

    // The operator waits for its kinds, and takes up where it was.
    define(&plane.control);
    let _operator = Operator::started(&plane.operator);
    until("pods are admitted where the data is", PATIENCE, || {
        let answer = plane.admin.create_dry(&pod("cold-protected", "app", &json!({}), with_arguments()));
        yes(answer.code == 201, answer.body)
    });
}
