//! Random requests of every form against a living operator, each upon what the ones before have left: whatever is admitted,
//! no pod with personal data may come to run abroad, and no claim with it may lie there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::attempts::{self, ELSEWHERE, NAMESPACE, SOMEBODY, abroad, home, noise};
use super::compiled::claim;
use super::dead::deployment;
use crate::client::{Client, path_of, reference};
use crate::plane::{COUNTRY, alone, pod};
use crate::scheduler;

const ORIGIN: &str = "domicile.dev/origin";

/// How many requests; more with `DOMICILE_BYPASS`, others with `DOMICILE_BYPASS_SEED`.
fn count() -> usize {
    std::env::var("DOMICILE_BYPASS").ok().and_then(|text| text.parse().ok()).unwrap_or(600)
}

fn seed() -> u8 {
    std::env::var("DOMICILE_BYPASS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// What is done, to which of a few objects.
#[derive(Debug, Clone)]
enum Step {
    Create(Value, &'static str),
    /// A patch, by its content type, perhaps of a subresource.
    Patch(Value, &'static str, &'static str, Value),
    /// What is there, with this changed, written back as a whole.
    Replace(Value, &'static str, Value),
    Post(Value, &'static str, Value),
    Delete(Value),
}

/// A pod of a few, here or elsewhere; those elsewhere may carry a label of their own.
fn some_pod() -> impl Strategy<Value = Value> {
    (0..6_u8, any::<bool>()).prop_map(|(number, here)| {
        reference("v1", "Pod", if here { NAMESPACE } else { ELSEWHERE }, &format!("fuzz-{number}"))
    })
}

fn some_claim() -> impl Strategy<Value = Value> {
    (0..4_u8, any::<bool>()).prop_map(|(number, here)| {
        reference("v1", "PersistentVolumeClaim", if here { NAMESPACE } else { ELSEWHERE }, &format!("fuzz-{number}"))
    })
}

fn labels() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!({}),
        json!({ORIGIN: "HU"}),
        json!({ORIGIN: "DE"}),
        json!({ORIGIN: null}),
        json!({COUNTRY: "DE"}),
    ])
}

fn constraints() -> impl Strategy<Value = Value> {
    prop_oneof![2 => Just(json!({})), 2 => abroad(), 3 => home()]
}

fn created() -> impl Strategy<Value = Step> {
    let query = prop::sample::select(vec!["", "?dryRun=All", "?fieldManager=fuzz", "?fieldValidation=Ignore"]);
    let pods = (some_pod(), constraints(), noise(), labels()).prop_map(|(at, spec, noise, labels)| {
        let (namespace, name) =
            (at["metadata"]["namespace"].as_str().unwrap(), at["metadata"]["name"].as_str().unwrap());
        let mut manifest = pod(namespace, name, &json!({}), spec);
        json_patch::merge(&mut manifest, &noise);
        json_patch::merge(&mut manifest, &json!({"metadata": {"labels": labels}}));
        manifest
    });
    let class = prop::sample::select(vec!["drill-de", "drill-us", "drill-any", ""]);
    let volume = prop::sample::select(vec![json!({}), json!({}), json!({"volumeName": "drill-us"})]);
    let claims = (some_claim(), class, volume, labels()).prop_map(|(at, class, volume, labels)| {
        let (namespace, name) =
            (at["metadata"]["namespace"].as_str().unwrap(), at["metadata"]["name"].as_str().unwrap());
        let mut manifest = claim(namespace, name, &json!({"storageClassName": class}));
        json_patch::merge(&mut manifest, &json!({"spec": volume, "metadata": {"labels": labels}}));
        manifest
    });
    let deployments = (constraints(), 0..2_u8).prop_map(|(spec, number)| {
        let mut made = deployment(NAMESPACE, &format!("fuzz-{number}"), 2, json!({}));
        json_patch::merge(&mut made, &json!({"spec": {"template": {"spec": spec}}}));
        made
    });
    (prop_oneof![6 => pods, 3 => claims, 1 => deployments], query)
        .prop_map(|(manifest, query)| Step::Create(manifest, query))
}

/// What of a pod is to be otherwise.
fn changes() -> impl Strategy<Value = Value> {
    let node = prop::sample::select(vec!["drill-iad", "drill-fra"]);
    prop_oneof![
        3 => constraints().prop_map(|spec| json!({"spec": spec})),
        3 => labels().prop_map(|labels| json!({"metadata": {"labels": labels}})),
        2 => noise(),
        1 => node.prop_map(|node| json!({"spec": {"nodeName": node}})),
        1 => Just(json!({"spec": {"schedulingGates": []}})),
        1 => Just(json!({"spec": {"affinity": null}})),
        1 => Just(json!({"spec": {"nodeSelector": null}})),
        1 => Just(json!({"metadata": {"finalizers": null, "ownerReferences": null}})),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    const MERGE: &str = "application/merge-patch+json";
    const STRATEGIC: &str = "application/strategic-merge-patch+json";
    const APPLY: &str = "application/apply-patch+yaml";
    const JSON: &str = "application/json-patch+json";
    let part = || prop::sample::select(vec!["", "", "", "/status", "/ephemeralcontainers", "/resize"]);
    let patched = (some_pod(), part(), prop::sample::select(vec![MERGE, STRATEGIC]), changes())
        .prop_map(|(at, part, kind, change)| Step::Patch(at, part, kind, change));
    let applied = (some_pod(), changes()).prop_map(|(at, change)| {
        let mut manifest = at.clone();
        json_patch::merge(&mut manifest, &change);
        Step::Patch(at, "?fieldManager=fuzz&force=true", APPLY, manifest)
    });
    let operations = prop::sample::select(vec![
        json!([{"op": "remove", "path": "/spec/affinity"}]),
        json!([{"op": "replace", "path": "/spec/nodeSelector", "value": {COUNTRY: "US"}}]),
        json!([{"op": "add", "path": "/spec/nodeName", "value": "drill-iad"}]),
        json!([{"op": "remove", "path": "/spec/schedulingGates"}]),
        json!([{"op": "remove", "path": "/metadata/labels"}]),
        json!([{"op": "add", "path": "/metadata/labels", "value": {ORIGIN: "HU"}}]),
        json!([{"op": "move", "from": "/metadata/labels", "path": "/metadata/annotations"}]),
    ]);
    let by_operations = (some_pod(), operations).prop_map(|(at, change)| Step::Patch(at, "", JSON, change));
    let replaced = (some_pod(), part(), changes()).prop_map(|(at, part, change)| Step::Replace(at, part, change));
    let node = prop::sample::select(vec!["drill-iad", "drill-fra", "drill-nobody-knows"]);
    let bound = (some_pod(), node, labels()).prop_map(|(at, node, labels)| {
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": at["metadata"]["name"], "labels": labels},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        Step::Post(at, "/binding", binding)
    });
    let claims = prop::sample::select(vec![
        json!({"spec": {"volumeName": "drill-us"}}),
        json!({"spec": {"storageClassName": "drill-us"}}),
        json!({"metadata": {"labels": {ORIGIN: "HU"}}}),
        json!({"metadata": {"labels": {ORIGIN: null}}}),
        json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "drill-iad"}}}),
    ]);
    let claim_parts = prop::sample::select(vec!["", "", "/status"]);
    let changed_claims = (some_claim(), claim_parts, claims, any::<bool>()).prop_map(|(at, part, change, replace)| {
        if replace { Step::Replace(at, part, change) } else { Step::Patch(at, part, MERGE, change) }
    });
    let deleted = prop_oneof![3 => some_pod(), 1 => some_claim()].prop_map(Step::Delete);
    prop_oneof![
        8 => created(),
        4 => patched,
        2 => applied,
        3 => by_operations,
        3 => replaced,
        2 => bound,
        3 => changed_claims,
        3 => deleted,
    ]
}

impl Step {
    /// Does it, as somebody who may neither declassify nor govern; whether it was admitted.
    fn run(&self, client: &Client) -> bool {
        let send = |method, path: &str, kind, body: &Value| {
            client.send_all(method, path, kind, body, Some(SOMEBODY)).code < 300
        };
        let part_of = |at: &Value, part: &str| format!("{}{part}", path_of(at));
        match self {
            Self::Create(manifest, query) => {
                let path = path_of(manifest);
                let collection = path.rsplit_once('/').unwrap().0;
                send("POST", &format!("{collection}{query}"), "application/json", manifest)
            }
            Self::Patch(at, part, kind, patch) => send("PATCH", &part_of(at, part), kind, patch),
            Self::Replace(at, part, change) => client.get(at).is_some_and(|mut object| {
                json_patch::merge(&mut object, change);
                send("PUT", &part_of(at, part), "application/json", &object)
            }),
            // Of a pod that is not there the operator says that it may be soon, and the client would try again for long.
            Self::Post(at, part, body) => {
                client.get(at).is_some() && send("POST", &part_of(at, part), "application/json", body)
            }
            Self::Delete(at) => send("DELETE", &path_of(at), "application/json", &json!({"gracePeriodSeconds": 0})),
        }
    }

    fn form(&self) -> &'static str {
        match self {
            Self::Create(..) => "create",
            Self::Patch(_, _, kind, _) => kind,
            Self::Replace(..) => "replace",
            Self::Post(..) => "bind",
            Self::Delete(..) => "delete",
        }
    }
}

/// What is wrong in the cluster, told by the nodes' own evidence and by how the scheduler reads constraints. `seen` are objects
/// that have held data at some time: a label that was taken away makes it no other data.
fn leaks(client: &Client, seen: &mut BTreeSet<String>) -> Vec<String> {
    let nodes = client.list("v1", "Node", "", "");
    let is_inside = |node: &Value| node["spec"]["providerID"].as_str().is_some_and(|id| id.contains("eu-central-1"));
    let mut leaks = Vec::new();
    for namespace in [NAMESPACE, ELSEWHERE] {
        let mut holding = |object: &Value| {
            let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
            let holds = namespace == NAMESPACE || object["metadata"]["labels"][ORIGIN] == "HU";
            if holds {
                seen.insert(uid);
                return true;
            }
            seen.contains(&uid)
        };
        for pod in client.list("v1", "Pod", namespace, "").iter().filter(|pod| holding(pod)) {
            let outside = nodes.iter().filter(|node| !is_inside(node) && scheduler::accepts(node, pod));
            leaks.extend(
                outside
                    .map(|node| format!("{} may run on {}: {pod}", pod["metadata"]["name"], node["metadata"]["name"])),
            );
        }
        for claim in client.list("v1", "PersistentVolumeClaim", namespace, "").iter().filter(|claim| holding(claim)) {
            let (class, volume) = (&claim["spec"]["storageClassName"], &claim["spec"]["volumeName"]);
            // A class that leads inside only is not led astray by a node; one that follows pods is.
            let node = &claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"];
            let follows = class == "drill-any" && node == "drill-iad";
            if class == "drill-us" || volume == "drill-us" || follows {
                leaks.push(format!("{} lies abroad: {claim}", claim["metadata"]["name"]));
            }
        }
    }
    leaks
}

#[test]
fn no_form_of_request_gets_personal_data_out() {
    let plane = alone();
    let admin = &plane.admin;
    let _operator = attempts::world(&plane);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed(); 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = steps();
    let mut admitted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut since: Vec<Step> = Vec::new();
    for number in 0..count() {
        let step = steps.new_tree(&mut runner).unwrap().current();
        if step.run(admin) {
            *admitted.entry(step.form()).or_default() += 1;
        }
        since.push(step);
        if number % 10 == 9 || number + 1 == count() {
            let leaks = leaks(admin, &mut seen);
            assert!(leaks.is_empty(), "after\n{since:#?}\n{}", leaks.join("\n"));
            since.clear();
        }
    }
    println!("of {} requests were admitted: {admitted:?}; {} objects held data", count(), seen.len());
    for form in
        ["create", "application/merge-patch+json", "application/strategic-merge-patch+json", "replace", "delete"]
    {
        assert!(admitted.contains_key(form), "none of this form was admitted, so that it tried nothing: {form}");
    }
    assert!(seen.len() > 10, "too few objects held data: {seen:?}");
    admin.delete(&reference("domicile.dev/v1alpha1", "ResidencyPolicy", "", "drill")).ok();
}
