//! The generated admission policies: what they hold with the operator dead, and with its webhooks deleted as well.

use std::time::Duration;

use serde_json::{Value, json};

use super::dead::{deployment, running};
use crate::client::{Answer, reference};
use crate::operator::Operator;
use crate::plane::{COUNTRY, OURS, Plane, REGION, ZONE, alone, machine, pod};
use crate::poll::{PATIENCE, until, yes};

const REGISTRATION: &str = "admissionregistration.k8s.io/v1";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

fn policy(name: &str) -> Value {
    reference(REGISTRATION, "ValidatingAdmissionPolicy", "", name)
}

/// Waits until the API server no longer asks about what is compiled for a label.
pub fn compiled(plane: &Plane, value: &str) {
    let webhooks = reference(REGISTRATION, "ValidatingWebhookConfiguration", "", "domicile");
    let entry = format!("placements.labelled-{}.domicile.dev", value.to_lowercase());
    until("the label is compiled", PATIENCE, || {
        let webhooks = plane.admin.get(&webhooks).ok_or("no configuration")?;
        let entries = webhooks["webhooks"].as_array().unwrap();
        yes(entries.iter().any(|one| one["name"] == entry.as_str()), "no entry")
    });
    // The API server takes up a changed configuration a moment later.
    std::thread::sleep(Duration::from_secs(2));
}

pub fn class(name: &str, region: &str) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer",
        "allowedTopologies": [{"matchLabelExpressions": [{"key": REGION, "values": [region]}]}],
    })
}

pub fn claim(namespace: &str, name: &str, spec: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": namespace, "name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    manifest["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    manifest
}

fn terms(terms: &Value) -> Value {
    json!({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}})
}

pub fn wanted(key: &str, values: &[&str]) -> Value {
    json!({"matchExpressions": [{"key": key, "operator": "In", "values": values}]})
}

/// Pods that would run abroad, or may.
fn leaking_pods(namespace: &str) -> Vec<Value> {
    let inside = wanted(COUNTRY, &["DE"]);
    let specs = [
        json!({"nodeName": "comp-iad"}),
        json!({"nodeName": "comp-nobody-knows"}),
        json!({"nodeSelector": {REGION: "us-east-1"}}),
        json!({"nodeSelector": {ZONE: "us-east-1a"}}),
        json!({"nodeSelector": {"kubernetes.io/hostname": "comp-iad"}}),
        json!({"nodeSelector": {COUNTRY: "US"}}),
        terms(&json!([wanted(COUNTRY, &["US"])])),
        terms(&json!([inside, wanted(REGION, &["us-east-1"])])),
        terms(&json!([wanted(COUNTRY, &["DE", "US"]), wanted(REGION, &["us-east-1"])])),
        terms(&json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["comp-iad"]}]}])),
        terms(
            &json!([{"matchExpressions": [{"key": COUNTRY, "operator": "NotIn", "values": ["DE"]}]}, wanted(ZONE, &["us-east-1a"])]),
        ),
    ];
    let named = |(at, spec): (usize, Value)| pod(namespace, &format!("leak-{at}"), &json!({}), spec);
    specs.into_iter().enumerate().map(named).collect()
}

fn leaking_claims(namespace: &str) -> Vec<Value> {
    let specs = [
        json!({"storageClassName": "comp-us"}),
        json!({"storageClassName": "comp-nobody-knows"}),
        json!({"storageClassName": ""}),
        json!({"storageClassName": "comp-de", "volumeName": "comp-volume-us"}),
        json!({"storageClassName": "", "volumeName": "comp-nobody-knows"}),
        json!({}),
    ];
    let named = |(at, spec): (usize, Value)| claim(namespace, &format!("leak-{at}"), &spec);
    specs.into_iter().enumerate().map(named).collect()
}

/// Removes what makes the API server ask, and waits until it no longer does.
pub fn remove_webhooks(plane: &Plane) {
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        plane.admin.delete(&reference(REGISTRATION, kind, "", "domicile")).ok();
    }
    std::thread::sleep(Duration::from_secs(2));
}

/// Who refused: the part of the message that names it.
pub fn refused_by<'a>(answer: &'a Answer, policy: &str) -> Option<&'a str> {
    let message = answer.message();
    (answer.code == 403 && message.contains("ValidatingAdmissionPolicy") && message.contains(policy)).then_some(message)
}

fn bind(plane: &Plane, path: &str, pod: &str, node: &str) -> Answer {
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    plane.admin.try_send("POST", path, "application/json", &binding).unwrap()
}

#[test]
fn what_is_compiled_holds_and_works_without_the_operator_and_without_its_webhooks() {
    let plane = alone();
    let admin = &plane.admin;
    let nodes = [
        machine("comp-fra-1", "eu-central-1a", "eu-central-1"),
        machine("comp-fra-2", "eu-central-1b", "eu-central-1"),
        machine("comp-iad", "us-east-1a", "us-east-1"),
    ];
    plane.control.add_nodes(&nodes).unwrap();
    for (name, region) in [("comp-de", "eu-central-1"), ("comp-us", "us-east-1")] {
        admin.create(&class(name, region)).ok();
    }
    admin
        .create(&json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "comp-volume-us"},
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "comp-de",
                "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0abc"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [wanted(REGION, &["us-east-1"])]}},
            },
        }))
        .ok();
    let only_home = json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "comp-home"},
        "spec": {"match": {"origins": ["DE"]}, "residence": {"Process": ["Origin"], "Store": ["Origin"]}},
    });
    admin.create(&only_home).ok();
    // What an earlier operator has compiled for the same label says nothing of this one.
    remove_webhooks(&plane);
    let operator = Operator::started(&plane.operator);
    plane.namespace("comp-de", &json!({"domicile.dev/origin": "DE"}));
    plane.namespace("comp-elsewhere", &json!({}));
    plane.labelled("comp-fra-1", Some("DE"));
    plane.labelled("comp-fra-2", Some("DE"));
    compiled(&plane, "DE");
    // A pod that waits to be bound by hand.
    let by_hand = pod("comp-de", "by-hand", &json!({}), json!({"schedulerName": "nobody"}));
    admin.create(&by_hand).ok();
    operator.kill();

    // A rollout goes on, and every pod is where it may be.
    admin.create(&deployment("comp-de", "answers", 50, json!({}))).ok();
    running(&plane, "comp-de", "answers", 50);
    for pod in admin.list("v1", "Pod", "comp-de", "labelSelector=app%3Danswers") {
        let node = pod["spec"]["nodeName"].as_str().unwrap();
        // Other tests have nodes there as well.
        assert!(node.contains("-fra"), "{node}");
        let terms = &pod["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"];
        assert_eq!(terms.as_array().unwrap().len(), 1, "{terms}");
    }
    // So does storage, and a pod in every term.
    admin.create(&claim("comp-de", "good", &json!({"storageClassName": "comp-de"}))).ok();
    let several =
        terms(&json!([wanted("disk", &["ssd"]), {}, wanted("disk", &["fast"]), wanted(REGION, &["eu-central-1"]),]));
    let several = admin.create_dry(&pod("comp-de", "several", &json!({}), several)).ok();
    let pinned: Vec<usize> = several["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|term| term["matchExpressions"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(pinned, [2, 0, 2, 1]);
    // What is not decided completely is refused.
    let mut telling = pod("comp-de", "telling", &json!({}), json!({}));
    telling["spec"]["containers"][0]["env"] = json!([{"name": "WAREHOUSE_URL", "value": "https://db.example.com"}]);
    assert_eq!(admin.create_dry(&telling).code, 500);
    let labelled = pod("comp-de", "labelled", &json!({"domicile.dev/origin": "FR"}), json!({}));
    assert_eq!(admin.create_dry(&labelled).code, 500);

    let refused = |policies: bool| {
        for manifest in leaking_pods("comp-de").iter().chain(&leaking_claims("comp-de")) {
            let answer = admin.create(manifest);
            let kind = if manifest["kind"] == "Pod" { "domicile-pods.de" } else { "domicile-claims.de" };
            let by_policy = refused_by(&answer, kind).is_some();
            // A webhook that is not answered refuses what is left to it.
            let by_webhook = answer.code == 500 && answer.message().contains("failed calling webhook");
            assert!(by_policy || (by_webhook && !policies), "{manifest}: {}", answer.body);
        }
        let path = "/api/v1/namespaces/comp-de/pods/by-hand/binding";
        let abroad = bind(&plane, path, "by-hand", "comp-iad");
        assert!(refused_by(&abroad, "domicile-bindings.de").is_some(), "{}", abroad.body);
        let legacy = bind(&plane, "/api/v1/namespaces/comp-de/bindings", "by-hand", "comp-fra-1");
        assert!(refused_by(&legacy, "domicile-bindings.de").is_some(), "{}", legacy.body);
    };
    refused(false);
    remove_webhooks(&plane);
    refused(true);
    let exec = "/api/v1/namespaces/comp-de/pods/by-hand/exec?command=true&stdout=true";
    let inside = admin.try_send("POST", exec, "application/json", &Value::Null).unwrap();
    assert!(refused_by(&inside, "domicile-reach.de").is_some(), "{}", inside.body);
    admin.create(&pod("comp-de", "harmless", &json!({}), json!({}))).ok();
    bind(&plane, "/api/v1/namespaces/comp-de/pods/by-hand/binding", "by-hand", "comp-fra-1").ok();
    for manifest in leaking_pods("comp-elsewhere") {
        admin.create_dry(&manifest).ok();
    }
    // Each line of defence is needed: without it the drill fails.
    admin.delete(&reference(REGISTRATION, "ValidatingAdmissionPolicyBinding", "", "domicile-pods.de")).ok();
    until("nothing refuses pods any more", PATIENCE, || {
        let answer = admin.create_dry(&leaking_pods("comp-de")[0]);
        yes(answer.code == 201, answer.body)
    });
    let _operator = Operator::started(&plane.operator);
    until("the line is back", PATIENCE, || {
        let answer = admin.create_dry(&leaking_pods("comp-de")[0]);
        yes(answer.code == 403, answer.body)
    });
    admin.delete(&only_home).ok();
}

#[test]
fn whoever_begins_to_lead_leaves_what_is_in_force_as_it_is() {
    let plane = alone();
    plane.namespace("again-lt", &json!({"domicile.dev/origin": "LT"}));
    let operator = Operator::started(&plane.operator);
    compiled(&plane, "LT");
    let generations = || {
        ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"].map(|kind| {
            let configuration = plane.admin.get(&reference(REGISTRATION, kind, "", "domicile")).unwrap();
            configuration["metadata"]["generation"].as_i64().unwrap()
        })
    };
    let looks = |operator: &Operator| operator.log().matches("generated policies are in force").count();
    let (before, seen) = (generations(), looks(&operator));
    operator.kill();
    let operator = Operator::started(&plane.operator);
    until("the next one has looked at them", PATIENCE, || yes(looks(&operator) > seen, operator.log_tail()));
    // A repair would come at once.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(generations(), before, "in between the webhooks were asked about everything again");
}

#[test]
fn whoever_changes_a_generated_policy_changes_nothing_for_long() {
    let plane = alone();
    let admin = &plane.admin;
    let _operator = Operator::started(&plane.operator);
    plane.namespace("comp-tampered", &json!({"domicile.dev/origin": "BE"}));
    compiled(&plane, "BE");
    let name = "domicile-pods.be";
    let wanted = admin.get(&policy(name)).unwrap()["spec"].clone();
    let never = json!({"spec": {"matchConditions": [{"name": "never", "expression": "false"}]}});
    admin.patch(&policy(name), &never).ok();
    let restored = |what: &str| {
        until(what, PATIENCE, || {
            let now = admin.get(&policy(name)).ok_or("it is gone")?;
            yes(now["spec"] == wanted, &now["spec"])
        });
    };
    restored("an added condition is gone");
    admin.patch(&policy(name), &json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}})).ok();
    until("the label is back", PATIENCE, || {
        let now = admin.get(&policy(name)).ok_or("it is gone")?;
        yes(now["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "domicile", &now["metadata"])
    });
    admin.delete(&policy(name)).ok();
    restored("a removed policy is back");
    // The same for the webhook configurations, of which lists are merged by name.
    let webhooks = reference(REGISTRATION, "ValidatingWebhookConfiguration", "", "domicile");
    let before = admin.get(&webhooks).unwrap()["webhooks"].clone();
    let mut changed = before.clone();
    for entry in changed.as_array_mut().unwrap() {
        let conditions = entry["matchConditions"].as_array().cloned().unwrap_or_default();
        let never = json!({"name": "never", "expression": "false"});
        entry["matchConditions"] = conditions.into_iter().chain([never]).collect();
    }
    admin.patch(&webhooks, &json!({"webhooks": changed})).ok();
    until("the added conditions are gone", PATIENCE, || {
        let now = admin.get(&webhooks).ok_or("it is gone")?;
        let never = now["webhooks"].to_string().contains("never");
        yes(!never, &now["webhooks"])
    });
    until("it is told", PATIENCE, || {
        let events = admin.events_about("ValidatingAdmissionPolicy", name);
        yes(events.iter().any(|event| event["reason"] == "EnforcementTampered"), "no event")
    });
}

#[test]
fn a_ground_ends_at_its_instant_with_nobody_alive() {
    let plane = alone();
    let admin = &plane.admin;
    plane.control.add_nodes(&[machine("comp-end-iad", "us-east-1a", "us-east-1")]).unwrap();
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(25);
    let ends = jiff::Timestamp::from_second(ends.as_second()).unwrap();
    let ground = json!({
        "apiVersion": OURS, "kind": "TransferMechanism", "metadata": {"name": "comp-ends"},
        "spec": {
            "title": "An example decision", "role": "Ground", "kind": "Adequacy", "from": ["LU"], "to": ["US"],
            "timeZone": "UTC", "until": ends.to_string(), "ended": {"effect": "Repeal", "by": "an example act"},
            "source": {"reference": "an example decision", "confidence": "High"},
        },
    });
    admin.create(&ground).ok();
    let operator = Operator::started(&plane.operator);
    plane.namespace("comp-end", &json!({"domicile.dev/origin": "LU"}));
    compiled(&plane, "LU");
    let abroad = pod("comp-end", "abroad", &json!({}), json!({"nodeName": "comp-end-iad"}));
    until("the node is listed", PATIENCE, || {
        let answer = admin.create_dry(&abroad);
        yes(answer.code == 201, answer.body)
    });
    operator.kill();
    remove_webhooks(&plane);
    admin.create_dry(&abroad).ok();
    assert!(jiff::Timestamp::now() < ends, "the machine is too slow for this drill");
    std::thread::sleep(ends.duration_since(jiff::Timestamp::now()).unsigned_abs() + Duration::from_millis(100));
    let answer = admin.create_dry(&abroad);
    assert!(refused_by(&answer, "domicile-pods.lu").is_some(), "{}", answer.body);
    admin.delete(&ground).ok();
}

#[test]
fn what_decides_is_changed_only_by_those_who_may() {
    let plane = alone();
    let admin = &plane.admin;
    let _operator = Operator::started(&plane.operator);
    plane.namespace("comp-guarded", &json!({"domicile.dev/origin": "AT_DE"}));
    compiled(&plane, "at-de");
    let rules = json!([
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "update", "patch"]},
        {"apiGroups": ["domicile.dev"], "resources": ["*"], "verbs": ["get", "create", "update", "patch", "delete"]},
        {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["get", "update", "patch", "delete"]},
    ]);
    let role = |name: &str, rules: &Value| {
        admin
            .create(&json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
            }))
            .ok();
        admin
            .create(&json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "comp-guarded"}],
            }))
            .ok();
    };
    role("comp-guarded", &rules);
    let account = plane.control.kubeconfig_for_service_account("comp-guarded", "default").unwrap();
    let somebody = crate::client::Client::new(&account);
    let namespace = reference("v1", "Namespace", "", "comp-guarded");
    let relabel = |value: Value| json!({"metadata": {"labels": {"domicile.dev/origin": value}}});
    until("the guards are in force", PATIENCE, || {
        let answer = somebody.patch_dry(&namespace, &relabel(Value::Null));
        yes(refused_by(&answer, "domicile-guard-namespaces").is_some(), answer.body)
    });
    let refused = |answer: Answer, guard: &str| assert!(refused_by(&answer, guard).is_some(), "{}", answer.body);
    refused(somebody.patch_dry(&namespace, &relabel(json!("AT"))), "domicile-guard-namespaces");
    somebody.patch_dry(&namespace, &relabel(json!("AT_DE_FR"))).ok();
    somebody.patch_dry(&namespace, &json!({"metadata": {"labels": {"team": "cx"}}})).ok();
    let location = json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "Location", "metadata": {"name": "comp-guarded"},
        "spec": {"country": "DE", "hosts": ["comp-guarded.example.com"]},
    });
    refused(somebody.create_dry(&location), "domicile-guard-rules");
    let webhooks = reference(REGISTRATION, "ValidatingWebhookConfiguration", "", "domicile");
    refused(somebody.patch_dry(&webhooks, &json!({"webhooks": []})), "domicile-guard-webhooks");
    let labelled = pod("comp-guarded", "labelled", &json!({"domicile.dev/origin": "AT_DE"}), json!({}));
    admin.create(&labelled).ok();
    refused(admin.patch_dry(&labelled, &relabel(Value::Null)), "domicile-guard-labels");
    // With the verbs it goes.
    let may = json!([
        {"apiGroups": ["domicile.dev"], "resources": ["namespaces"], "verbs": ["declassify"]},
        {"apiGroups": ["domicile.dev"], "resources": ["*"], "verbs": ["govern"]},
    ]);
    role("comp-guarded-may", &may);
    until("the verbs count", PATIENCE, || {
        let answer = somebody.patch_dry(&namespace, &relabel(json!("AT")));
        yes(answer.code == 200, answer.body)
    });
    somebody.create_dry(&location).ok();
    somebody.patch_dry(&webhooks, &json!({"metadata": {"annotations": {"note": "x"}}})).ok();
}

/// An API server reads these before it answers anybody, and nobody can change them through it.
#[test]
fn files_that_the_api_server_loads_hold_from_its_first_answer() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = "
apiVersion: v1
kind: Namespace
metadata: {name: cx, labels: {domicile.dev/origin: DE}}
---
apiVersion: v1
kind: Node
metadata: {name: fra, labels: {topology.kubernetes.io/region: eu-central-1}}
spec: {providerID: aws:///eu-central-1a/i-0a}
";
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("world.yaml"), manifests).unwrap();
    let rendered = std::process::Command::new(env!("CARGO_BIN_EXE_domicile"))
        .args(["render", "--static", "-f"])
        .args([path("world.yaml").as_os_str(), "--dir".as_ref(), folder.path().as_os_str()])
        .status();
    assert!(rendered.unwrap().success());
    let plugin = |kind: &str, part: &str| {
        json!({
            "name": kind, "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": format!("{kind}Configuration"),
                "staticManifestsDir": path(part),
            },
        })
    };
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
        "plugins": [
            plugin("ValidatingAdmissionPolicy", "validating"),
            plugin("MutatingAdmissionPolicy", "mutating"),
        ],
    });
    std::fs::write(path("admission.yaml"), configuration.to_string()).unwrap();
    let options = crate::harness::Options::default()
        .apiserver_arg("--feature-gates=ManifestBasedAdmissionControlConfig=true")
        .apiserver_arg(format!("--admission-control-config-file={}", path("admission.yaml").display()));
    let plane = crate::plane::bare(options);
    let admin = crate::client::Client::new(plane.kubeconfig());
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cx", "labels": {"domicile.dev/origin": "DE"}},
    });
    admin.create(&namespace).ok();
    until("the namespace has its service account", PATIENCE, || {
        admin.get(&reference("v1", "ServiceAccount", "cx", "default")).ok_or("none")
    });
    let abroad = admin.create_dry(&pod("cx", "abroad", &json!({}), json!({"nodeName": "iad"})));
    assert!(refused_by(&abroad, "domicile-pods.de.static.k8s.io").is_some(), "{}", abroad.body);
    admin.create_dry(&pod("cx", "inside", &json!({}), json!({"nodeName": "fra"}))).ok();
    let pinned = admin.create_dry(&pod("cx", "anywhere", &json!({}), json!({}))).ok();
    assert!(pinned["spec"]["affinity"]["nodeAffinity"][REQUIRED].is_object(), "{}", pinned["spec"]);
    // They guard generated policies as well, which policies of the cluster cannot.
    let mut generated = policy("domicile-pods.de");
    generated["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "domicile"});
    generated["spec"] = json!({
        "matchConstraints": {"resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
        }]},
        "validations": [{"expression": "true"}],
    });
    admin.create(&generated).ok();
    let somebody = plane.kubeconfig_for_service_account("cx", "default").unwrap();
    let may = json!([{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["get", "patch", "delete"]}]);
    admin
        .create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "somebody"}, "rules": may,
        }))
        .ok();
    admin
        .create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "somebody"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "somebody"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "cx"}],
        }))
        .ok();
    let somebody = crate::client::Client::new(&somebody);
    until("the policy is guarded", PATIENCE, || {
        let answer = somebody.delete(&generated);
        yes(refused_by(&answer, "domicile-guard-policies.static.k8s.io").is_some(), answer.body)
    });
    admin.delete(&generated).ok();
}
