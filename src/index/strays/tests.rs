//! Which pods are outside, and which of them would come back inside.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::catalogue;
use crate::index::Object;

const NOON: &str = "2026-11-22T12:00:00Z";

fn node(name: &str, zone: &str) -> Value {
    let region = &zone[..zone.len() - 1];
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone, "disk": "ssd"
        }},
        "spec": {"providerID": format!("aws:///{zone}/i-0{name}")},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn pod(name: &str, owner: Option<(&str, &str)>) -> Value {
    let owners: Vec<Value> = owner
        .map(|(api, kind)| json!({"apiVersion": api, "kind": kind, "name": "web", "uid": "o", "controller": true}))
        .into_iter()
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "cx", "name": name, "uid": format!("uid-{name}"), "ownerReferences": owners},
        "spec": {"nodeName": "iad", "containers": [{"name": "app"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn ours(name: &str) -> Value {
    pod(name, Some(("apps/v1", "ReplicaSet")))
}

fn policy(more: &Value) -> Value {
    let mut policy = json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "home"},
        "spec": {"residence": {"Process": ["DE"]}, "remediation": "Evict"},
    });
    json_patch::merge(&mut policy["spec"], more);
    policy
}

fn with(mut object: Value, more: &Value) -> Value {
    json_patch::merge(&mut object, more);
    object
}

fn take(index: &mut Index, manifest: Value) -> bool {
    index.apply(Object::from_manifest(manifest).unwrap().unwrap())
}

/// A namespace with German data, a node in Germany, one in America, and the policy; with more objects, or others of the
/// same names.
fn index(objects: impl IntoIterator<Item = Value>) -> Index {
    static USUAL: LazyLock<Index> = LazyLock::new(|| {
        let namespace = |name: &str| {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": name, "labels": {"domicile.dev/origin": "DE"}}})
        };
        let nodes = [node("fra", "eu-central-1a"), node("iad", "us-east-1a")];
        let others = [namespace("cx"), namespace("kube-system"), policy(&json!({}))];
        let mut index = Index::new(catalogue::load().unwrap());
        for manifest in nodes.into_iter().chain(others) {
            take(&mut index, manifest);
        }
        index.refresh(NOON.parse().unwrap());
        index
    });
    let mut index = USUAL.clone();
    for manifest in objects {
        take(&mut index, manifest);
    }
    index.refresh(NOON.parse().unwrap());
    index
}

fn strays_when(index: &mut Index, in_force: bool) -> Strays {
    let now = NOON.parse().unwrap();
    let audit = index.observe(now).audit;
    let (exempt, none, nobody) = (["kube-system".to_owned()].into(), BTreeSet::new(), BTreeSet::new());
    let asked = Asked { in_force, exempt: &exempt, enforced: &none, evicted: &none, workloads: &nobody };
    index.strays(&audit, asked, now)
}

fn strays(objects: impl IntoIterator<Item = Value>) -> Strays {
    strays_when(&mut index(objects), true)
}

/// What keeps the one pod that is outside.
#[track_caller]
fn kept(objects: impl IntoIterator<Item = Value>) -> Option<&'static str> {
    let found = strays(objects).pods;
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].obstacle.as_ref().map(Obstacle::category)
}

#[test]
fn a_pod_that_its_workload_makes_again_inside_is_told_with_its_policies() {
    let found = strays([ours("a"), with(ours("b"), &json!({"spec": {"nodeName": "fra"}, "status": null}))]);
    let stray = Stray {
        name: "a".into(),
        uid: "uid-a".into(),
        workload: Workload { namespace: "cx".into(), kind: "ReplicaSet".into(), name: "web".into() },
        policies: vec!["home".into()],
        created: 0,
        ready: true,
        leaving: false,
        obstacle: None,
    };
    assert_eq!(found.workloads[&stray.workload], Standing { pods: 2, staying: 2, ready: 1, newest: 0 });
    assert_eq!(found.pods, [stray]);
}

#[test]
fn nothing_is_outside_under_a_policy_that_reports_or_does_not_enforce() {
    for quiet in [
        json!({"remediation": "Report"}),
        json!({"remediation": null}),
        json!({"mode": "Audit"}),
        json!({"mode": "Warn"}),
    ] {
        assert_eq!(strays([ours("a"), policy(&quiet)]).pods, [], "{quiet}");
    }
    assert_eq!(strays([ours("a"), policy(&json!({"match": {"origins": ["FR"]}}))]).pods, [], "other data");
}

#[test]
fn what_is_not_proven_or_is_over_is_not_outside() {
    let somewhere = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "nowhere"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let unproven = with(ours("a"), &json!({"spec": {"nodeName": "nowhere"}}));
    let ended = with(ours("b"), &json!({"status": {"phase": "Succeeded"}}));
    assert_eq!(strays([somewhere, unproven, ended]).pods, []);
}

#[test]
fn who_would_not_come_back_stays() {
    for (owner, obstacle) in [
        (None, Some("NoController")),
        (Some(("apps/v1", "DaemonSet")), Some("DaemonSet")),
        (Some(("batch/v1", "Job")), Some("Job")),
        (Some(("batch.volcano.sh/v1alpha1", "Job")), Some("UnknownController")),
        (Some(("v1", "Node")), Some("StaticPod")),
        (Some(("apps.example.org/v1", "StatefulSet")), Some("UnknownController")),
        (Some(("apps/v1", "StatefulSet")), None),
        (Some(("v1", "ReplicationController")), None),
    ] {
        assert_eq!(kept([pod("a", owner)]), obstacle, "{owner:?}");
    }
    assert_eq!(kept([with(ours("a"), &json!({"metadata": {"namespace": "kube-system"}}))]), Some("SystemNamespace"));
    let directory = json!([{"name": "logs", "hostPath": {"path": "/var/log"}}]);
    assert_eq!(kept([with(ours("a"), &json!({"spec": {"volumes": directory}}))]), Some("HostPath"));
}

#[test]
fn nobody_goes_while_nobody_is_asked_who_comes() {
    let stray = strays_when(&mut index([ours("a")]), false).pods.remove(0);
    assert_eq!(stray.obstacle, Some(Obstacle::NotEnforced));
    // A namespace without a label counts from when the API server asks about it by name.
    let store = json!({"apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore",
        "metadata": {"name": "s", "namespace": "new"}, "spec": {"origins": ["DE"], "workloads": {"selector": {}}}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}});
    assert_eq!(
        kept([namespace, store, with(ours("a"), &json!({"metadata": {"namespace": "new"}}))]),
        Some("NotEnforced")
    );
}

#[test]
fn a_node_inside_has_to_take_it() {
    let changed = |more: &Value| kept([ours("a"), with(node("fra", "eu-central-1a"), more)]);
    assert_eq!(changed(&json!({})), None);
    assert_eq!(changed(&json!({"spec": {"unschedulable": true}})), Some("NoNode"));
    assert_eq!(changed(&json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})), Some("NoNode"));
    let taint = json!({"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}});
    assert_eq!(changed(&taint), Some("NoNode"));
    let tolerant = with(ours("a"), &json!({"spec": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}));
    assert_eq!(kept([tolerant, with(node("fra", "eu-central-1a"), &taint)]), None);
    let wants = |selector: Value| kept([with(ours("a"), &json!({"spec": {"nodeSelector": selector}}))]);
    assert_eq!(wants(json!({"disk": "ssd"})), None);
    assert_eq!(wants(json!({"disk": "tape"})), Some("NoNode"));
    assert_eq!(wants(json!({"topology.kubernetes.io/region": "us-east-1"})), Some("WouldBeRefused"));
}

#[test]
fn its_volumes_have_to_be_inside_and_reached() {
    let volume = |zone: &str, host: &str| {
        let within = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
        let terms = json!([{"matchExpressions": [
            within("topology.kubernetes.io/zone", zone), within("kubernetes.io/hostname", host)]}]);
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0a1b2c"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}})
    };
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": "cx", "name": "data"}, "spec": {"volumeName": "v"}});
    let mounts = json!({"spec": {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}});
    let fra = with(node("fra", "eu-central-1a"), &json!({"metadata": {"labels": {"kubernetes.io/hostname": "fra"}}}));
    let case = |volume: Value| kept([fra.clone(), with(ours("a"), &mounts), claim.clone(), volume]);
    assert_eq!(case(volume("eu-central-1a", "fra")), None);
    assert_eq!(case(volume("us-east-1a", "iad")), Some("VolumeNotInside"));
    // Inside, but nobody else can mount it: the disk of a node that is gone.
    assert_eq!(case(volume("eu-central-1a", "gone")), Some("NoNode"));
    assert_eq!(kept([with(ours("a"), &mounts)]), Some("VolumeNotInside"), "the claim is not known");
}

#[test]
fn what_changes_with_readiness_alone_is_noted_and_wakes_nobody() {
    let mut index = index([ours("a")]);
    assert!(!take(&mut index, with(ours("a"), &json!({"status": {"conditions": []}}))));
    assert!(!take(&mut index, with(node("fra", "eu-central-1a"), &json!({"spec": {"unschedulable": true}}))));
    let found = strays_when(&mut index, true).pods.remove(0);
    assert_eq!((found.ready, found.obstacle.map(|one| one.category())), (false, Some("NoNode")));
    let deleted = json!({"metadata": {"deletionTimestamp": NOON}});
    assert!(!take(&mut index, with(ours("a"), &deleted)));
    assert!(strays_when(&mut index, true).pods[0].leaving);
}

/// A node and a pod at random.
#[derive(Debug, Clone)]
struct SomeNode {
    zone: &'static str,
    ready: bool,
    cordoned: bool,
    tainted: bool,
    disk: &'static str,
}

#[derive(Debug, Clone)]
struct SomePod {
    system: bool,
    owner: Option<(&'static str, &'static str)>,
    node: prop::sample::Index,
    tolerates: bool,
    disk: Option<&'static str>,
}

fn some_node() -> impl Strategy<Value = SomeNode> {
    let zone = prop::sample::select(vec!["eu-central-1a", "eu-central-1b", "us-east-1a", "eu-west-3a"]);
    let disk = prop::sample::select(vec!["ssd", "tape"]);
    (zone, any::<bool>(), any::<bool>(), any::<bool>(), disk)
        .prop_map(|(zone, ready, cordoned, tainted, disk)| SomeNode { zone, ready, cordoned, tainted, disk })
}

fn some_pod() -> impl Strategy<Value = SomePod> {
    let owners = vec![
        None,
        Some(("apps/v1", "ReplicaSet")),
        Some(("apps/v1", "StatefulSet")),
        Some(("apps/v1", "DaemonSet")),
        Some(("batch/v1", "Job")),
    ];
    let disk = prop::option::of(prop::sample::select(vec!["ssd", "tape"]));
    (prop::bool::weighted(0.3), prop::sample::select(owners), any::<prop::sample::Index>(), any::<bool>(), disk)
        .prop_map(|(system, owner, node, tolerates, disk)| SomePod { system, owner, node, tolerates, disk })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// By what the cluster was made of, and not by what the index made of it.
    #[test]
    fn who_may_go_is_made_again_outside_of_system_namespaces_and_taken_by_a_ready_node_inside(
        nodes in prop::collection::vec(some_node(), 1..6),
        pods in prop::collection::vec(some_pod(), 1..12),
    ) {
        let inside = |node: &SomeNode| node.zone.starts_with("eu-central-1");
        let manifests = nodes.iter().enumerate().map(|(at, one)| {
            let SomeNode { zone, ready, cordoned, tainted, disk } = one;
            let taints = if *tainted { json!([{"key": "t", "effect": "NoExecute"}]) } else { json!([]) };
            let status = if *ready { "True" } else { "Unknown" };
            with(node(&format!("n{at}"), zone), &json!({
                "metadata": {"labels": {"disk": disk}}, "spec": {"unschedulable": cordoned, "taints": taints},
                "status": {"conditions": [{"type": "Ready", "status": status}]}}))
        });
        let of_pods = pods.iter().enumerate().map(|(at, one)| {
            let tolerations = if one.tolerates { json!([{"operator": "Exists"}]) } else { json!([]) };
            let selector = one.disk.map(|disk| json!({"disk": disk}));
            with(pod(&format!("p{at}"), one.owner), &json!({
                "metadata": {"namespace": if one.system { "kube-system" } else { "cx" }},
                "spec": {
                    "nodeName": format!("n{}", one.node.index(nodes.len())), "nodeSelector": selector,
                    "tolerations": tolerations,
                }}))
        });
        // The usual node inside takes nobody.
        let cordoned = with(node("fra", "eu-central-1a"), &json!({"spec": {"unschedulable": true}}));
        let found = strays([cordoned].into_iter().chain(manifests).chain(of_pods).collect::<Vec<_>>());
        for (at, one) in pods.iter().enumerate() {
            let outside = !inside(&nodes[one.node.index(nodes.len())]);
            let told = found.pods.iter().find(|stray| stray.name == format!("p{at}"));
            prop_assert_eq!(told.is_some(), outside, "{:?}", one);
            let made_again = matches!(one.owner, Some((_, "ReplicaSet" | "StatefulSet")));
            let taken = nodes.iter().any(|node| {
                inside(node) && node.ready && !node.cordoned && (one.tolerates || !node.tainted)
                    && one.disk.is_none_or(|disk| disk == node.disk)
            });
            let may_go = told.is_some_and(|stray| stray.obstacle.is_none());
            prop_assert_eq!(may_go, outside && !one.system && made_again && taken, "{:?}: {:?}", one, told);
        }
    }
}
