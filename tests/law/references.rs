//! What the audit judges again when something changes to which objects only refer: whoever depends on it, by whatever chain, and
//! nobody else.

use std::collections::{BTreeMap, BTreeSet};

use domicile::index::{Index, Object, Which};
use domicile::interpret::resource::Key;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

const GROUP: &str = "domicile.dev/v1alpha1";

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn object(api_version: &str, kind: &str, (namespace, name): (&str, &str), rest: &Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    for (key, value) in rest.as_object().into_iter().flatten() {
        if key == "labels" {
            object["metadata"]["labels"] = value.clone();
        } else {
            object[key] = value.clone();
        }
    }
    object
}

fn node(name: &str, region: &str) -> Value {
    let zone = format!("{region}a");
    let labels = json!({"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone});
    let id = format!("aws:///{zone}/i-{name}");
    object("v1", "Node", ("", name), &json!({"labels": labels, "spec": {"providerID": id}}))
}

fn class(name: &str, region: &str) -> Value {
    let expression = json!([{"key": "topology.kubernetes.io/region", "values": [region]}]);
    let rest = json!({"provisioner": "ebs.csi.aws.com", "allowedTopologies": [{"matchLabelExpressions": expression}]});
    object("storage.k8s.io/v1", "StorageClass", ("", name), &rest)
}

fn volume(name: &str, region: &str) -> Value {
    let expression = json!([{"key": "topology.kubernetes.io/region", "operator": "In", "values": [region]}]);
    let affinity = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": expression}]}});
    let spec = json!({
        "capacity": {"storage": "1Gi"}, "nodeAffinity": affinity,
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": name},
    });
    object("v1", "PersistentVolume", ("", name), &json!({"spec": spec}))
}

fn pod(at: (&str, &str), spec: &Value) -> Value {
    let mut spec = spec.clone();
    if spec["containers"].is_null() {
        spec["containers"] = json!([{"name": "app", "image": "app"}]);
    }
    object("v1", "Pod", at, &json!({"spec": spec}))
}

fn claim(at: (&str, &str), spec: &Value) -> Value {
    object("v1", "PersistentVolumeClaim", at, &json!({"spec": spec}))
}

fn namespace(name: &str, origin: Option<&str>) -> Value {
    let labels = origin.map(|origin| json!({"domicile.dev/origin": origin}));
    object("v1", "Namespace", ("", name), &json!({"labels": labels.unwrap_or_else(|| json!({}))}))
}

/// What is looked at: an object, and of which thing alone it must hear when that changes.
fn readers() -> Vec<(&'static str, Value)> {
    let told = |name: &str, value: Value| {
        let mut variable = value;
        variable["name"] = name.into();
        json!({"containers": [{"name": "app", "image": "app", "env": [variable]}]})
    };
    vec![
        ("node", pod(("by-node", "bound"), &json!({"nodeName": "node-0"}))),
        ("class", claim(("by-class", "data"), &json!({"storageClassName": "disk"}))),
        ("volume", claim(("by-volume", "data"), &json!({"storageClassName": "none", "volumeName": "pv"}))),
        (
            "map",
            pod(
                ("by-map", "told"),
                &json!({"nodeName": "node-9", "containers": [
                {"name": "app", "image": "app", "envFrom": [{"configMapRef": {"name": "settings"}}]}]}),
            ),
        ),
        ("location", pod(("by-location", "told"), &told("DATABASE_HOST", json!({"value": "db.corp.example"})))),
        ("slice", pod(("by-slice", "told"), &told("BACKEND_URL", json!({"value": "http://backend.by-slice.svc:80"})))),
        (
            "storage",
            object(
                "velero.io/v1",
                "Backup",
                ("by-storage", "nightly"),
                &json!({
            "spec": {"includedNamespaces": ["by-storage"], "storageLocation": "far"}}),
            ),
        ),
        (
            "other",
            claim(
                ("by-clone", "copy"),
                &json!({
            "storageClassName": "none",
            "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "first", "namespace": "source"}}),
            ),
        ),
    ]
}

/// What changes, in two states: inside, and abroad or elsewhere.
fn subjects() -> BTreeMap<&'static str, Vec<Value>> {
    let map = |host: &str| object("v1", "ConfigMap", ("by-map", "settings"), &json!({"data": {"UPLOAD_URL": host}}));
    let storage = |region: &str| {
        object(
            "velero.io/v1",
            "BackupStorageLocation",
            ("by-storage", "far"),
            &json!({
            "spec": {"provider": "aws", "objectStorage": {"bucket": "b"}, "config": {"region": region}}}),
        )
    };
    let location = |country: &str| {
        object(GROUP, "Location", ("", "corp"), &json!({"spec": {"country": country, "hosts": ["*.corp.example"]}}))
    };
    let slice = |address: &str| {
        object(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            ("by-slice", "backend-1"),
            &json!({
            "labels": {"kubernetes.io/service-name": "backend"}, "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}]}),
        )
    };
    BTreeMap::from([
        ("node", vec![node("node-0", "eu-central-1"), node("node-0", "us-east-1")]),
        ("class", vec![class("disk", "eu-central-1"), class("disk", "us-east-1")]),
        ("volume", vec![volume("pv", "eu-central-1"), volume("pv", "us-east-1")]),
        ("map", vec![map("https://s3.eu-central-1.amazonaws.com/b"), map("https://s3.us-east-1.amazonaws.com/b")]),
        ("location", vec![location("DE"), location("US")]),
        ("slice", vec![slice("10.1.2.3"), slice("198.51.100.7")]),
        ("storage", vec![storage("eu-central-1"), storage("us-east-1")]),
        ("other", vec![namespace("source", Some("DE")), namespace("source", Some("US"))]),
    ])
}

/// Everything else: a policy that enforces, and a namespace with German data for each reader.
fn rest() -> Vec<Value> {
    let policy = json!({"spec": {
        "match": {"origins": ["DE", "US"]},
        "residence": {"Store": ["Origin"], "Process": ["Origin"], "Backup": ["Origin"], "Transfer": ["Origin"]},
        "enforcement": "Enforce",
    }});
    let mut all = vec![object(GROUP, "ResidencyPolicy", ("", "home"), &policy), node("node-9", "eu-central-1")];
    for (_, reader) in readers() {
        all.push(namespace(reader["metadata"]["namespace"].as_str().unwrap(), Some("DE")));
        all.push(reader);
    }
    all.push(class("none", "eu-central-1"));
    all.push(claim(("source", "first"), &json!({"storageClassName": "none"})));
    all
}

fn apply(index: &mut Index, object: &Value) {
    index.apply(Object::from_manifest(object.clone()).unwrap().unwrap());
}

/// Takes an object away.
fn delete(index: &mut Index, object: &Value) {
    use domicile::index::Kind;
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (space, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let kind = match text("/kind") {
        "Node" => Kind::Node,
        "StorageClass" => Kind::StorageClass,
        "PersistentVolume" => Kind::Volume,
        "Location" => Kind::Location,
        "Namespace" => Kind::Namespace,
        kind => {
            let group = text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
            let [group, kind, namespace, name] = [group, kind, space, name].map(str::to_owned);
            return index.delete_other(&Key { group, kind, namespace, name });
        }
    };
    index.delete(kind, space, name);
}

fn fresh(subjects: &BTreeMap<&str, Option<&Value>>) -> Index {
    let mut index = Index::new(crate::builtin());
    rest().iter().chain(subjects.values().copied().flatten()).for_each(|object| apply(&mut index, object));
    index.refresh(now());
    index
}

/// The names of the objects that are judged.
fn judged(index: &mut Index) -> (BTreeSet<String>, String) {
    index.refresh(now());
    let mut seen = BTreeSet::new();
    let observed = index.observe_each(Which::All, now(), &mut |one| {
        seen.insert(format!("{}/{}", one.namespace, one.name));
    });
    (seen, format!("{observed:#?}"))
}

#[test]
fn what_changes_is_heard_of_by_whoever_refers_to_it_and_by_nobody_else() {
    let subjects = subjects();
    for (kind, states) in &subjects {
        let mut index = fresh(&subjects.iter().map(|(kind, states)| (*kind, states.first())).collect());
        let (all, _) = judged(&mut index);
        assert!(all.len() >= readers().len(), "{all:?}");
        let (again, before) = judged(&mut index);
        assert!(again.is_empty(), "nothing has changed, and {again:?} is judged");
        apply(&mut index, &states[1]);
        let (heard, after) = judged(&mut index);
        assert_ne!(before, after, "{kind}: nothing is found otherwise");
        let reader = readers().into_iter().find(|(of, _)| of == kind).unwrap().1;
        let name = |key: &str| reader["metadata"][key].as_str().unwrap().to_owned();
        assert!(heard.contains(&format!("{}/{}", name("namespace"), name("name"))), "{kind}: only {heard:?}");
        // Of names the whole part of the world hears that looks any name up; of all else nobody does but who reads it.
        let limit = if *kind == "location" { all.len() - 1 } else { 3 };
        assert!(heard.len() <= limit, "{kind}: {heard:?}");
        delete(&mut index, &states[1]);
        let (heard, _) = judged(&mut index);
        assert!(heard.contains(&format!("{}/{}", name("namespace"), name("name"))), "{kind} gone: {heard:?}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 40, failure_persistence: None, ..Config::default() })]

    /// Whatever comes, changes and goes, in whatever order: what is remembered is what a fresh look finds.
    #[test]
    fn what_is_remembered_is_what_a_fresh_look_finds(
        begin in proptest::collection::vec(0..3_usize, 8),
        steps in proptest::collection::vec((0..8_usize, 0..3_usize, any::<bool>()), 1..10),
    ) {
        let subjects = subjects();
        let kinds: Vec<&str> = subjects.keys().copied().collect();
        let state = |kind: &str, at: usize| at.checked_sub(1).map(|at| &subjects[kind][at]);
        let mut there: BTreeMap<&str, Option<&Value>> =
            kinds.iter().zip(&begin).map(|(kind, at)| (*kind, state(kind, *at))).collect();
        let mut lasting = fresh(&there);
        for (kind, at, look) in steps {
            let kind = kinds[kind];
            match (there[kind], state(kind, at)) {
                (Some(known), None) => delete(&mut lasting, known),
                (_, Some(now)) => apply(&mut lasting, now),
                (None, None) => {}
            }
            there.insert(kind, state(kind, at));
            if look {
                let (_, remembered) = judged(&mut lasting);
                prop_assert_eq!(remembered, judged(&mut fresh(&there)).1);
            }
        }
    }
}
