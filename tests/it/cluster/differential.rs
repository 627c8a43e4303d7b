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
use crate::client::{Answer, path_of, reference};
use crate::operator::Operator;
use crate::plane::{COUNTRY, OURS, Plane, REGION, ZONE, alone, machine, pod};
use crate::poll::{PATIENCE, until, yes};

const NAMESPACE: &str = "differs";
/// The same with an exception, by which data may be in one more country.
const EXCEPTED: &str = "differs-excepted";
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
        (REGION, "eu-west-3"),
        (REGION, "nobody-knows"),
        (ZONE, "eu-central-1a"),
        (ZONE, "eu-central-1c"),
        (ZONE, "us-east-1a"),
        ("kubernetes.io/hostname", "differs-fra"),
        ("kubernetes.io/hostname", "differs-iad"),
        ("kubernetes.io/hostname", "differs-par"),
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
    let node = prop::sample::select(vec!["differs-fra", "differs-iad", "differs-par", "differs-nobody"]);
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
    let node = prop::sample::select(vec!["differs-fra", "differs-iad", "differs-par", "differs-nobody"]);
    prop_oneof![
        8 => Just(json!({})),
        3 => selector.prop_map(|selector| json!({"nodeSelector": selector})),
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

fn a_pod(namespace: &'static str) -> impl Strategy<Value = (bool, Value)> {
    (constraints(), rest()).prop_map(|(constraints, (compiled, container))| {
        let mut manifest = pod(namespace, "app", &json!({}), constraints);
        let into = manifest["spec"]["containers"][0].as_object_mut().unwrap();
        into.extend(container.as_object().unwrap().clone());
        (compiled, manifest)
    })
}

fn a_claim(namespace: &'static str) -> impl Strategy<Value = (bool, Value)> {
    let class = prop::sample::select(vec![
        json!({"storageClassName": "differs-de"}),
        json!({"storageClassName": "differs-us"}),
        json!({"storageClassName": "differs-fr"}),
        json!({"storageClassName": "differs-nobody"}),
        json!({"storageClassName": ""}),
        json!({}),
    ]);
    let volume = prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"volumeName": "differs-de"})),
        1 => Just(json!({"volumeName": "differs-us"})),
        1 => Just(json!({"volumeName": "differs-fr"})),
        1 => Just(json!({"volumeName": "differs-nobody"})),
        1 => Just(json!({"selector": {"matchLabels": {"a": "b"}}})),
    ];
    (class, volume).prop_map(|(class, volume)| {
        let mut manifest = claim(namespace, "data", &class);
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
        namespace: manifest["metadata"]["namespace"].as_str().unwrap(),
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

/// Nodes, classes and volumes in three countries, of which a policy allows one and the law two.
fn furnish(plane: &Plane) {
    let places = [("fra", "eu-central-1", "de"), ("iad", "us-east-1", "us"), ("par", "eu-west-3", "fr")];
    let named = |(name, region, _): (&str, &str, &str)| {
        let name = format!("differs-{name}");
        machine(&name, &format!("{region}a"), region).label("kubernetes.io/hostname", &name)
    };
    plane.control.add_nodes(&places.map(named)).unwrap();
    for (_, region, country) in places {
        plane.admin.create(&class(&format!("differs-{country}"), region)).ok();
        plane.admin.create(&volume(&format!("differs-{country}"), region)).ok();
    }
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: differs}
        spec:
          match: {origins: [SK]}
          residence: {Process: [DE, SK], Store: [DE]}
          exceptions: {allowed: true, maxDays: 36500}
        ",
    );
}

#[test]
fn decision_webhooks_and_generated_policies_agree() {
    let plane = alone();
    furnish(&plane);
    let operator = Operator::started(&plane.operator);
    for name in [NAMESPACE, EXCEPTED] {
        plane.namespace(name, &json!({"domicile.dev/origin": "SK"}));
    }
    for (node, country) in [("differs-fra", "DE"), ("differs-iad", "US"), ("differs-par", "FR")] {
        plane.labelled(node, Some(country));
    }
    let mut exception = reference(OURS, "ResidencyException", EXCEPTED, "move");
    exception["spec"] = json!({
        "scope": {"rules": ["RES-PLACE"], "to": ["FR"]}, "approver": "somebody-else", "legalBasis": "a contract",
        "reason": "a move", "expires": "2099-01-01T00:00:00Z",
    });
    until("the exception is signed", PATIENCE, || {
        let answer = plane.admin.create(&exception);
        if answer.code == 201 && answer.body["spec"]["requestedBy"].is_null() {
            plane.admin.delete(&exception);
        }
        yes(answer.body["spec"]["requestedBy"].is_string(), answer.body)
    });
    let approval = json!({"status": {"approval": {"by": "somebody-else", "generation": 1}}});
    let status = format!("{}/status", path_of(&exception));
    plane.admin.patch_as(&status, &approval, ("somebody-else", &["system:masters"])).ok();
    compiled(&plane, "SK");
    let mut in_france = pod(EXCEPTED, "app", &json!({}), json!({"nodeName": "differs-par"}));
    until("the exception is compiled", PATIENCE, || {
        let answer = plane.admin.create_dry(&in_france);
        yes(answer.code == 201, answer.body)
    });
    in_france["metadata"]["namespace"] = NAMESPACE.into();
    assert_eq!(plane.admin.create_dry(&in_france).code, 403);
    let (plain, excepted) = (cases(&plane, NAMESPACE), cases(&plane, EXCEPTED));
    let outside = |cases: &[Sample]| cases.iter().filter(|one| one.judgement.verdict.action == Action::Refuse).count();
    assert!(outside(&excepted) < outside(&plain), "the exception lets something pass");
    operator.kill();
    remove_webhooks(&plane);

    let decided = without_us(&plane, &plain);
    for path in [
        ("Pod", "refused"),
        ("Pod", "allowed"),
        ("Pod", "pinned"),
        ("PersistentVolumeClaim", "refused"),
        ("PersistentVolumeClaim", "allowed"),
    ] {
        assert!(decided.contains_key(&path), "no case came this way: {path:?} of {decided:?}");
    }
    let inside = |paths: &Paths| {
        let ways = paths.iter().filter(|((_, way), _)| !["left", "waits"].contains(way));
        ways.map(|(_, count)| count).sum::<usize>()
    };
    assert!(inside(&decided) * 10 >= plain.len() * 9, "{} of {}: {decided:?}", inside(&decided), plain.len());
    // Pods that say nothing wait for an operator where there are exceptions; nothing else differs.
    let decided = without_us(&plane, &excepted);
    for path in [("Pod", "refused"), ("Pod", "allowed"), ("PersistentVolumeClaim", "allowed")] {
        assert!(decided.contains_key(&path), "no case came this way: {path:?} of {decided:?}");
    }
}

/// A random object, and what the decision says of it.
struct Sample {
    compiled: bool,
    manifest: Value,
    judgement: Judgement,
}

/// How many objects of a kind came which way.
type Paths = BTreeMap<(&'static str, &'static str), usize>;

/// Random objects of a namespace through the decision and the live webhooks, which must agree.
fn cases(plane: &Plane, namespace: &'static str) -> Vec<Sample> {
    // The same world without a cluster: whatever is there that says something about places.
    let mut index = Index::new(domicile::catalogue::load().unwrap());
    let there = [
        ("v1", "Node"),
        ("v1", "Namespace"),
        ("v1", "PersistentVolume"),
        ("storage.k8s.io/v1", "StorageClass"),
        (OURS, "ResidencyException"),
        (OURS, "ResidencyPolicy"),
    ];
    for (version, kind) in there {
        for mut object in plane.admin.list(version, kind, "", "") {
            object["apiVersion"] = version.into();
            object["kind"] = kind.into();
            index.apply(Object::from_manifest(object).unwrap().unwrap());
        }
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut cases = Vec::new();
    for _ in 0..count() {
        for case in [a_pod(namespace).boxed(), a_claim(namespace).boxed()] {
            let (compiled, manifest) = case.new_tree(&mut runner).unwrap().current();
            let judgement = judge(&mut index, &manifest);
            cases.push(Sample { compiled, manifest, judgement });
        }
    }
    for Sample { manifest, judgement, .. } in &cases {
        let answer = plane.admin.create_dry(manifest);
        let wanted = judgement.verdict.action != Action::Refuse;
        assert_eq!(allowed(&answer), wanted, "{manifest}: {:?}: {}", judgement.verdict.findings, answer.body);
    }
    cases
}

/// The same objects where nobody is left but the API server.
fn without_us(plane: &Plane, cases: &[Sample]) -> Paths {
    let admin = &plane.admin;
    let mut paths = Paths::new();
    for Sample { compiled, manifest, judgement } in cases {
        let kind = if manifest["kind"] == "Pod" { "Pod" } else { "PersistentVolumeClaim" };
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
        *paths.entry((kind, path)).or_default() += 1;
    }
    println!("{paths:?}");
    paths
}
