//! The emergency switch, with a living operator and with a dead one.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::reference;
use crate::operator::Operator;
use crate::plane::{OURS, Plane, alone, condition, configurations, pod};
use crate::poll::{PATIENCE, until, yes};

/// What the command prints, as an administrator runs it.
fn domicile(kubeconfig: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_domicile"))
        .args(arguments)
        .env_remove("POD_NAMESPACE")
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn abroad(namespace: &str) -> Value {
    let spec = json!({"nodeSelector": {"domicile.node-restriction.kubernetes.io/country": "US"}});
    pod(namespace, "app", &json!({"app": "survey"}), spec)
}

fn refused(plane: &Plane, namespace: &str) {
    until("a pod abroad is refused", PATIENCE, || {
        let answer = plane.admin.create_dry(&abroad(namespace));
        yes(answer.code == 403 && answer.message().contains("[RES-PLACE]"), answer.body)
    });
}

fn accepted(plane: &Plane, namespace: &str) {
    until("a pod abroad is accepted", PATIENCE, || {
        let answer = plane.admin.create_dry(&abroad(namespace));
        yes(answer.code == 201, answer.body)
    });
}

#[test]
fn a_living_operator_enforces_nothing_while_it_is_switched_off() {
    let plane = alone();
    let admin = &plane.admin;
    let operator = Operator::started(&plane.operator);
    plane.namespace("emergency-alive", &json!({}));
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: emergency-alive}
        spec:
          origins: [DE]
          workloads: {selector: {matchLabels: {app: survey}}}
        ",
    );
    plane.enforced("emergency-alive", "answers");
    refused(&plane, "emergency-alive");
    let store = reference(OURS, "DataStore", "emergency-alive", "answers");
    let enforced = |reason: &str| {
        until("the store tells whether it is enforced", PATIENCE, || {
            let enforced = condition(&admin.get(&store).unwrap(), "Enforced");
            yes(enforced["reason"] == reason, &enforced).map(|()| enforced)
        })
    };
    let metric = |line: &str| {
        until("the metric tells", PATIENCE, || {
            let metrics = operator.get("/metrics").unwrap_or_default();
            yes(metrics.lines().any(|one| one == line), metrics)
        });
    };

    let said = domicile(plane.control.kubeconfig(), &["emergency-off", "--reason", "deployments stand still"]);
    for part in [
        "switched off by admin",
        "removed ValidatingWebhookConfiguration domicile",
        "removed MutatingWebhookConfiguration domicile",
        "to get back: domicile emergency-on --namespace domicile-system",
    ] {
        assert!(said.contains(part), "{said}");
    }
    accepted(&plane, "emergency-alive");
    let off = enforced("EmergencyOff");
    let message = off["message"].as_str().unwrap();
    assert!(message.contains("admin") && message.ends_with("deployments stand still"), "{message}");
    metric("domicile_enforcement_off 1");
    until("an Event tells", PATIENCE, || {
        let events = admin.events_about("ConfigMap", "domicile-emergency");
        yes(events.iter().any(|event| event["reason"] == "EnforcementOff"), format!("{events:?}"))
    });
    // It lives on, and writes nothing.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        assert!(configurations(admin).is_empty(), "the operator has written them again");
        assert!(operator.ready(), "{}", operator.log_tail());
        std::thread::sleep(Duration::from_millis(200));
    }
    let again = domicile(plane.control.kubeconfig(), &["emergency-off", "--reason", "again"]);
    assert!(again.contains("already switched off by admin"), "{again}");
    assert!(again.contains("deployments stand still"), "the first record stays: {again}");

    let said = domicile(plane.control.kubeconfig(), &["emergency-on"]);
    assert!(said.contains("switched on again after") && said.contains("deployments stand still"), "{said}");
    let switched = Instant::now();
    refused(&plane, "emergency-alive");
    println!("enforcing again after {:?}", switched.elapsed());
    enforced("Registered");
    metric("domicile_enforcement_off 0");
    let events = admin.events_about("ConfigMap", "domicile-emergency");
    let on = events.iter().find(|event| event["reason"] == "EnforcementOn").expect("an Event of the way back");
    assert!(on["note"].as_str().unwrap().contains("switched on again after"), "{on}");
    let said = domicile(plane.control.kubeconfig(), &["emergency-on"]);
    assert!(said.contains("is not switched off"), "{said}");
}

#[test]
fn a_dead_operator_is_no_obstacle_to_switching_off() {
    let plane = alone();
    let admin = &plane.admin;
    let operator = Operator::started(&plane.operator);
    plane.namespace("emergency-dead", &json!({"domicile.dev/origin": "DE"}));
    refused(&plane, "emergency-dead");
    operator.kill();
    let closed = admin.create_dry(&abroad("emergency-dead"));
    assert!(matches!(closed.code, 403 | 500), "{}", closed.body);
    // Policies are removed by whose they are.
    let policies = ["emergency-ours", "emergency-theirs"].map(|name| {
        let mut policy = reference("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "", name);
        if name == "emergency-ours" {
            policy["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "domicile"});
        }
        let rule = json!({
            "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]
        });
        policy["spec"] = json!({
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "true"}]
        });
        admin.create(&policy).ok();
        let mut binding = reference("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "", name);
        binding["metadata"]["labels"] = policy["metadata"]["labels"].clone();
        binding["spec"] = json!({"policyName": name, "validationActions": ["Deny"]});
        admin.create(&binding).ok();
        [policy, binding]
    });

    let said = domicile(plane.control.kubeconfig(), &["emergency-off", "--reason", "nobody is left"]);
    assert!(said.contains("removed ValidatingAdmissionPolicyBinding emergency-ours"), "{said}");
    assert!(said.contains("removed ValidatingAdmissionPolicy emergency-ours"), "{said}");
    let there = policies.each_ref().map(|both| both.each_ref().map(|one| admin.get(one).is_some()));
    assert_eq!(there, [[false; 2], [true; 2]]);
    accepted(&plane, "emergency-dead");
    policies.iter().flatten().for_each(|one| drop(admin.delete(one)));

    // Who comes later keeps to it.
    let operator = Operator::started(&plane.operator);
    std::thread::sleep(Duration::from_secs(2));
    assert!(configurations(admin).is_empty() && operator.ready());
    accepted(&plane, "emergency-dead");
    domicile(plane.control.kubeconfig(), &["emergency-on"]);
    refused(&plane, "emergency-dead");
}
