//! What is compiled for the API server, as far as no API server is needed to see it.

mod agreement;
mod evaluate;

use std::collections::BTreeSet;

use domicile::compile::{Inputs, Kind, Plan, plan};
use domicile::index::{Index, Object};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::builtin;

const NAMESPACE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: cx, labels: {domicile.dev/origin: DE}}
---
apiVersion: domicile.dev/v1alpha1
kind: ResidencyPolicy
metadata: {name: german}
spec: {match: {origins: [DE]}, residence: {Process: [DE]}, mode: Enforce}
";

/// The plan for manifests.
fn planned(manifests: impl IntoIterator<Item = Value>) -> Plan {
    let mut index = Index::new(builtin());
    for manifest in manifests {
        index.apply(Object::from_manifest(manifest).unwrap().unwrap());
    }
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    index.refresh(now);
    plan(&index.world(), &inputs(), now)
}

fn inputs() -> Inputs {
    Inputs { exempt: BTreeSet::new(), mutating: true, operator: Vec::new(), guards: false }
}

/// The plan for a protected namespace in a cluster with so many nodes in Germany, and as many abroad.
fn with_nodes(number: usize) -> Plan {
    let documents: Vec<Value> = serde_saphyr::from_multiple(NAMESPACE).unwrap();
    let node = |name: String, region: &str| {
        let labels = json!({
            "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": format!("{region}a"),
            "kubernetes.io/hostname": name,
        });
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
            "spec": {"providerID": format!("aws:///{region}a/i-{name}")},
        })
    };
    let nodes = (0..number)
        .flat_map(|at| [node(format!("inside-{at}"), "eu-central-1"), node(format!("abroad-{at}"), "us-east-1")]);
    planned(documents.into_iter().chain(nodes))
}

fn policy(plan: &Plan, name: &str) -> Option<String> {
    plan.objects.get(&(Kind::ValidatingAdmissionPolicy, name.to_owned())).map(|policy| policy.spec.to_string())
}

#[test]
fn nodes_are_listed_as_long_as_that_is_no_burden() {
    let plan = with_nodes(1000);
    let bindings = policy(&plan, "domicile-bindings.de").unwrap();
    assert!(bindings.contains("inside-999") && !bindings.contains("abroad-"), "{bindings}");
    assert!(policy(&plan, "domicile-pods.de").unwrap().contains("inside-999"));
    assert!(plan.groups.iter().all(|group| group.bindings), "{:?}", plan.groups);
    assert!(plan.left.is_empty(), "{:?}", plan.left);
}

#[test]
fn more_nodes_than_can_be_listed_are_left_to_the_webhook_and_not_refused() {
    let plan = with_nodes(1001);
    assert_eq!(policy(&plan, "domicile-bindings.de"), None, "an empty list would refuse every binding");
    assert!(plan.groups.iter().all(|group| !group.bindings && group.pods), "{:?}", plan.groups);
    // Who names a host or node is let through here, and judged by the webhook, which knows that these keys say where.
    let pods = policy(&plan, "domicile-pods.de").unwrap();
    assert!(pods.contains("@nodes") && pods.contains("kubernetes.io/hostname") && !pods.contains("inside-"), "{pods}");
    assert!(plan.groups.iter().all(|group| group.keys.contains("kubernetes.io/hostname")), "{:?}", plan.groups);
    let left: Vec<&str> = plan.left.iter().map(|left| left.what.as_str()).collect();
    assert!(left.iter().any(|what| what.starts_with("bindings with ")), "{left:?}");
    assert!(left.iter().any(|what| what.contains("choose nodes by name, kubernetes.io/hostname")), "{left:?}");
}

/// A protected namespace under the built-in policy, which says this about unknown places, and one more that says that.
fn with_unknown_places(law: &str, other: Option<&str>) -> Plan {
    let policy = |name: &str, unknown: &str| {
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": name},
            "spec": {"residence": {"Process": ["Law"], "Store": ["Law"], "Access": ["Law"]}, "unknownPlace": unknown},
        })
    };
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cx", "labels": {"domicile.dev/origin": "DE"}},
    });
    planned([namespace, policy("law", law)].into_iter().chain(other.map(|unknown| policy("other", unknown))))
}

#[test]
fn where_unknown_places_may_pass_nothing_is_generated_that_would_refuse_them() {
    let plan = with_unknown_places("Warn", None);
    assert!(plan.objects.keys().all(|(_, name)| name.starts_with("domicile-guard-")), "{:?}", plan.objects.keys());
    assert!(plan.groups.iter().all(|group| !group.pods && !group.bindings && group.claims.is_none()));
    let left: Vec<&str> = plan.left.iter().map(|left| left.what.as_str()).collect();
    for what in ["pods", "claims", "bindings", "who reaches into pods"] {
        let told = |one: &&str| one.starts_with(&format!("{what} with")) && one.ends_with("are not refused");
        assert!(left.iter().any(told), "{what} in {left:?}");
    }
}

#[test]
fn one_policy_that_refuses_unknown_places_is_enough() {
    let plan = with_unknown_places("Warn", Some("Refuse"));
    for name in ["pods", "claims", "bindings", "reach"] {
        assert!(policy(&plan, &format!("domicile-{name}.de")).is_some(), "{name} in {:?}", plan.objects.keys());
    }
}
