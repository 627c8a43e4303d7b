//! The same random pods and claims through the decision, the live webhooks, and the generated policies alone: one verdict.

use std::collections::BTreeMap;

use domicile::engine::verdict::Action;
use domicile::index::{Index, Object};
use domicile::interpret::{self, Body, Judgement, Operation, Request};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::compiled::{claim, class, compiled, remove_webhooks, wanted};
use crate::client::Answer;
use crate::operator::Operator;
use crate::plane::{COUNTRY, OURS, REGION, ZONE, alone, machine, pod};

const NAMESPACE: &str = "differs";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// How many of each sort; more with `DOMICILE_DIFFERENTIAL`.
fn count() -> usize {
    std::env::var("DOMICILE_DIFFERENTIAL").ok().and_then(|text| text.parse().ok()).unwrap_or(150)
}

fn pair() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        (COUNTRY, "DE"),
        (COUNTRY, "US"),
        (COUNTRY, "FR"),
        (REGION, "eu-central-1"),
        (REGION, "us-east-1"),
        (REGION, "nobody-knows"),
        (ZONE, "eu-central-1a"),
        (ZONE, "eu-central-1c"),
        (ZONE, "us-east-1a"),
        ("kubernetes.io/hostname", "differs-fra"),
        ("kubernetes.io/hostname", "differs-iad"),
        ("kubernetes.io/os", "linux"),
        ("disk", "ssd"),
    ])
}

fn expression() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![6 => Just("In"), 1 => Just("NotIn"), 1 => Just("Exists"), 1 => Just("DoesNotExist")];
    (pair(), pair(), operator, any::<bool>()).prop_map(|((key, value), (other, more), operator, both)| match operator {
        "In" | "NotIn" => {
            let mut values = vec![value];
            if both && other == key && more != value {
                values.push(more);
            }
            json!({"key": key, "operator": operator, "values": values})
        }
        operator => json!({"key": key, "operator": operator}),
    })
}

fn term() -> impl Strategy<Value = Value> {
    let node = prop::sample::select(vec!["differs-fra", "differs-iad", "differs-nobody"]);
    prop_oneof![
        8 => prop::collection::vec(expression(), 0..3).prop_map(|all| json!({"matchExpressions": all})),
        1 => Just(json!({})),
        1 => node.prop_map(|name| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]})),
    ]
}

/// Constraints of a pod; most say nothing about places, as most pods do.
fn constraints() -> impl Strategy<Value = Value> {
    let selector =
        prop::collection::btree_map(prop::sample::select(vec!["disk", "kubernetes.io/os"]), Just("ssd"), 0..2);
    let placed = prop::collection::vec(pair(), 0..2).prop_map(|pairs| pairs.into_iter().collect::<BTreeMap<_, _>>());
    let affinity = |terms: Vec<Value>| {
        if terms.is_empty() {
            return json!({"podAntiAffinity": {}});
        }
        json!({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}})
    };
    let node = prop::sample::select(vec!["differs-fra", "differs-iad", "differs-nobody"]);
    prop_oneof![
        3 => Just(json!({})),
        2 => selector.prop_map(|selector| json!({"nodeSelector": selector})),
        3 => placed.prop_map(|selector| json!({"nodeSelector": selector})),
        6 => prop::collection::vec(term(), 0..4).prop_map(move |terms| json!({"affinity": affinity(terms)})),
        1 => node.prop_map(|node| json!({"nodeName": node})),
    ]
}

/// What else a pod says. The last ones are not compiled.
fn rest() -> impl Strategy<Value = (bool, Value)> {
    let env = |name: &str, value: &str| json!({"env": [{"name": name, "value": value}]});
    prop_oneof![
        20 => Just((true, json!({}))),
        1 => Just((true, env("LOG_LEVEL", "debug"))),
        1 => Just((true, env("API_TOKEN", "abc"))),
        1 => Just((true, json!({"command": ["serve"], "args": ["--quiet"]}))),
        1 => Just((false, env("UPSTREAM_URL", "https://api.example.com"))),
    ]
}

fn a_pod() -> impl Strategy<Value = (bool, Value)> {
    (constraints(), rest()).prop_map(|(constraints, (compiled, container))| {
        let mut manifest = pod(NAMESPACE, "app", &json!({}), constraints);
        let into = manifest["spec"]["containers"][0].as_object_mut().unwrap();
        into.extend(container.as_object().unwrap().clone());
        (compiled, manifest)
    })
}

fn a_claim() -> impl Strategy<Value = (bool, Value)> {
    let class = prop::sample::select(vec![
        json!({"storageClassName": "differs-de"}),
        json!({"storageClassName": "differs-us"}),
        json!({"storageClassName": "differs-nobody"}),
        json!({"storageClassName": ""}),
        json!({}),
    ]);
    let volume = prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"volumeName": "differs-de"})),
        1 => Just(json!({"volumeName": "differs-us"})),
        1 => Just(json!({"volumeName": "differs-nobody"})),
        1 => Just(json!({"selector": {"matchLabels": {"a": "b"}}})),
    ];
    (class, volume).prop_map(|(class, volume)| {
        let mut manifest = claim(NAMESPACE, "data", &class);
        manifest["spec"].as_object_mut().unwrap().extend(volume.as_object().unwrap().clone());
        (true, manifest)
    })
}

fn volume(name: &str, region: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "differs-de",
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": format!("vol-{name}")},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [wanted(REGION, &[region])]}},
        },
    })
}

fn judge(index: &mut Index, manifest: &Value) -> Judgement {
    let now = Timestamp::now();
    let world = index.refresh(now);
    let text = manifest.to_string();
    let request = Request {
        operation: Operation::Create,
        group: "",
        kind: manifest["kind"].as_str().unwrap(),
        namespace: NAMESPACE,
        name: manifest["metadata"]["name"].as_str().unwrap(),
        object: Body::Json(&text),
        old: None,
        user: domicile::interpret::access::User::default(),
    };
    interpret::judge(&world, &request, now).unwrap()
}

fn allowed(answer: &Answer) -> bool {
    assert!(answer.code == 201 || answer.code == 403, "{}", answer.body);
    answer.code == 201
}

#[test]
fn decision_webhooks_and_generated_policies_agree() {
    let plane = alone();
    let admin = &plane.admin;
    let nodes = [
        machine("differs-fra", "eu-central-1a", "eu-central-1").label("kubernetes.io/hostname", "differs-fra"),
        machine("differs-iad", "us-east-1a", "us-east-1").label("kubernetes.io/hostname", "differs-iad"),
    ];
    plane.control.add_nodes(&nodes).unwrap();
    let mut made = vec![class("differs-de", "eu-central-1"), class("differs-us", "us-east-1")];
    made.extend([volume("differs-de", "eu-central-1"), volume("differs-us", "us-east-1")]);
    made.push(json!({
        "apiVersion": OURS, "kind": "ResidencyPolicy", "metadata": {"name": "differs"},
        "spec": {"match": {"origins": ["SK"]}, "residence": {"Process": ["DE", "SK"], "Store": ["DE"]}},
    }));
    for manifest in &made {
        admin.create(manifest).ok();
    }
    let operator = Operator::started(&plane.operator);
    plane.namespace(NAMESPACE, &json!({"domicile.dev/origin": "SK"}));
    plane.labelled("differs-fra", Some("DE"));
    plane.labelled("differs-iad", Some("US"));
    compiled(&plane, "SK");

    // The same world without a cluster: whatever is there that says something about places.
    let mut index = Index::new(domicile::catalogue::load().unwrap());
    let there = [
        ("v1", "Node"),
        ("v1", "Namespace"),
        ("v1", "PersistentVolume"),
        ("storage.k8s.io/v1", "StorageClass"),
        (OURS, "ResidencyPolicy"),
    ];
    for (version, kind) in there {
        for mut object in admin.list(version, kind, "", "") {
            object["apiVersion"] = version.into();
            object["kind"] = kind.into();
            index.apply(Object::from_manifest(object).unwrap().unwrap());
        }
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut cases: Vec<(bool, Value, Judgement)> = Vec::new();
    for _ in 0..count() {
        for case in [a_pod().boxed(), a_claim().boxed()] {
            let (compiled, manifest) = case.new_tree(&mut runner).unwrap().current();
            let judgement = judge(&mut index, &manifest);
            cases.push((compiled, manifest, judgement));
        }
    }
    for (_, manifest, judgement) in &cases {
        let answer = admin.create_dry(manifest);
        let wanted = judgement.verdict.action != Action::Refuse;
        assert_eq!(allowed(&answer), wanted, "{manifest}: {:?}: {}", judgement.verdict.findings, answer.body);
    }
    operator.kill();
    remove_webhooks(&plane);

    let mut paths: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut inside = 0;
    for (compiled, manifest, judgement) in &cases {
        let kind = manifest["kind"].as_str().unwrap();
        let answer = admin.create_dry(manifest);
        let told = || format!("{manifest}: {:?}: {}", judgement.verdict.findings, answer.body);
        let path = match judgement.verdict.action {
            // What a pod is told is left to the webhook.
            Action::Refuse if !compiled => "left",
            Action::Refuse => {
                assert!(!allowed(&answer), "it leaks: {}", told());
                "refused"
            }
            Action::Allow => {
                assert!(allowed(&answer) || !compiled, "it is refused: {}", told());
                "allowed"
            }
            Action::Rewrite => {
                let mut patched = manifest.clone();
                json_patch::patch(&mut patched, &judgement.patch).unwrap();
                let rewritten = admin.create_dry(&patched);
                assert!(allowed(&rewritten), "it is refused as it was rewritten: {patched}: {}", rewritten.body);
                // Without us it is pinned in the same way, or has to wait for us.
                if allowed(&answer) {
                    assert_eq!(answer.body["spec"]["affinity"], rewritten.body["spec"]["affinity"], "{}", told());
                    "pinned"
                } else {
                    "waits"
                }
            }
        };
        inside += usize::from(path != "left" && path != "waits");
        *paths.entry((kind, path)).or_default() += 1;
    }
    println!("{paths:?}, {inside} of {} decided completely", cases.len());
    for path in [
        ("Pod", "refused"),
        ("Pod", "allowed"),
        ("Pod", "pinned"),
        ("PersistentVolumeClaim", "refused"),
        ("PersistentVolumeClaim", "allowed"),
    ] {
        assert!(paths.contains_key(&path), "no case came this way: {path:?} of {paths:?}");
    }
    assert!(inside * 10 >= cases.len() * 9, "{inside} of {}: {paths:?}", cases.len());
}
