//! The network of stores: what is let out, of which stores, and how what stands there is brought to what should.

use std::collections::BTreeSet;

use domicile::controllers::network::{Policies, plan, wanted};
use domicile::index::{Index, Object};
use domicile::interpret::{Body, Operation, Request};
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::{Value, json};

use crate::builtin;

/// A German store with flows to Austria, to America by a framework that a certificate carries until the autumn of 2027, to
/// America by nothing, to somebody without addresses, and one that another namespace declares.
const WORLD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: cx, labels: {domicile.dev/origin: DE}}
---
apiVersion: v1
kind: Namespace
metadata: {name: web}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: answers, namespace: cx, uid: u-answers}
spec: {origins: [DE], residence: {country: DE}, workloads: {selector: {matchLabels: {app: answers}}}}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: archive, namespace: cx, uid: u-archive}
spec: {origins: [DE], secrets: [archive]}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: home, namespace: cx}
spec:
  from: {dataStore: {name: answers}}
  to: {recipient: {name: Vienna, place: {country: AT}, addresses: [{cidr: 198.51.100.0/28, ports: [{port: 443}, {port: 53, protocol: UDP}]}]}}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: carried, namespace: cx}
spec:
  from: {dataStore: {name: answers}}
  to: {recipient: {name: Example Analytics Inc., place: {country: US}, addresses: [{cidr: '2001:db8:1::/64'}]}}
  bases: [{mechanism: eu-us-dpf, certified: {scheme: eu-us-dpf, asOf: '2026-11-01', expires: '2027-11-01'}}]
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: refused, namespace: cx}
spec:
  from: {dataStore: {name: answers}}
  to: {recipient: {name: Nobody Inc., place: {country: US}, addresses: [{cidr: 203.0.113.0/24}]}}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: silent, namespace: cx}
spec:
  from: {dataStore: {name: answers}}
  to: {recipient: {name: Berlin, place: {country: DE}}}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: foreign, namespace: web}
spec:
  from: {dataStore: {name: answers, namespace: cx}}
  to: {recipient: {name: Graz, place: {country: AT}, addresses: [{cidr: 192.0.2.7/32}]}}
";

const SHUT: &str = "
apiVersion: domicile.dev/v1alpha1
kind: ResidencyPolicy
metadata: {name: shut}
spec: {match: {origins: [DE]}, residence: {Process: [Law]}, network: Generate}
";

fn index(texts: &[&str]) -> Index {
    let mut index = Index::new(builtin());
    for text in texts {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        for document in documents {
            index.apply(Object::from_manifest(document).unwrap().unwrap());
        }
    }
    index
}

fn at(index: &mut Index, now: &str) -> Policies {
    let now: Timestamp = now.parse().unwrap();
    index.refresh(now);
    wanted(&index.networks(now), &BTreeSet::from(["kube-system".to_owned()]))
}

const NOW: &str = "2026-11-28T12:00:00Z";

fn open(policies: &Policies) -> Vec<Value> {
    let policy = policies.get(&("cx".to_owned(), "domicile-answers".to_owned())).unwrap();
    let spec = serde_json::to_value(policy.spec.as_ref().unwrap()).unwrap();
    assert_eq!(spec["policyTypes"], json!(["Egress"]));
    assert_eq!(spec["podSelector"], json!({"matchLabels": {"app": "answers"}}));
    spec["egress"].as_array().unwrap().clone()
}

#[test]
fn nothing_leaves_but_lookups_what_stays_inside_and_what_lawful_flows_send() {
    let mut index = index(&[WORLD, SHUT]);
    let policies = at(&mut index, NOW);
    assert_eq!(policies.len(), 1, "a store without workloads has no network: {policies:?}");
    let dns = json!({
        "to": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    });
    let wanted = vec![
        dns,
        json!({"to": [{"namespaceSelector": {}}]}),
        json!({
            "to": [{"ipBlock": {"cidr": "198.51.100.0/28"}}],
            "ports": [{"protocol": "TCP", "port": 443}, {"protocol": "UDP", "port": 53}],
        }),
        json!({"to": [{"ipBlock": {"cidr": "2001:db8:1::/64"}}]}),
    ];
    assert_eq!(open(&policies), wanted);
    let owner = &policies.values().next().unwrap().metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.uid.as_str()), ("DataStore", "u-answers"));
}

#[test]
fn a_flow_that_is_not_lawful_any_more_is_shut_at_its_instant() {
    let mut index = index(&[WORLD, SHUT]);
    at(&mut index, NOW);
    let until = index.networks(NOW.parse().unwrap()).until.unwrap();
    assert!(until <= "2027-11-02T00:00:00Z".parse().unwrap(), "somebody looks again in time: {until}");
    let after = open(&at(&mut index, "2027-11-03T00:00:00Z"));
    assert!(!after.iter().any(|rule| rule.to_string().contains("2001:db8:1::/64")), "{after:?}");
    assert!(after.iter().any(|rule| rule.to_string().contains("198.51.100.0/28")), "{after:?}");
}

#[test]
fn one_policy_that_covers_the_data_is_enough_and_one_on_other_data_is_not() {
    assert!(at(&mut index(&[WORLD]), NOW).is_empty());
    let french = SHUT.replace("origins: [DE]", "origins: [FR]");
    assert!(at(&mut index(&[WORLD, &french]), NOW).is_empty());
    let open = "
        {apiVersion: domicile.dev/v1alpha1, kind: ResidencyPolicy, metadata: {name: open},
        spec: {residence: {Process: [Law]}, network: None}}";
    assert_eq!(at(&mut index(&[WORLD, SHUT, open]), NOW).len(), 1);
    let elsewhere = WORLD.replace("namespace: cx", "namespace: kube-system");
    assert!(at(&mut index(&[&elsewhere, SHUT]), NOW).is_empty(), "system namespaces never get one");
}

#[test]
fn addresses_that_a_location_has_elsewhere_stay_shut() {
    let ohio = "
        {apiVersion: domicile.dev/v1alpha1, kind: Location, metadata: {name: ohio},
        spec: {country: US, cidrs: [198.51.100.0/24]}}";
    let rules = open(&at(&mut index(&[WORLD, SHUT, ohio]), NOW));
    assert!(!rules.iter().any(|rule| rule.to_string().contains("198.51.100")), "{rules:?}");
}

#[test]
fn only_what_differs_is_written_and_only_our_own_is_deleted() {
    let mut index = index(&[WORLD, SHUT]);
    let all = at(&mut index, NOW);
    let missing = plan(&all, &Policies::new());
    assert_eq!((missing.apply.len(), missing.delete.len()), (1, 0));
    // What others add beside it is theirs.
    let mut there = all.clone();
    for policy in there.values_mut() {
        policy.metadata.labels.as_mut().unwrap().insert("team".to_owned(), "cx".to_owned());
        policy.spec.as_mut().unwrap().ingress = Some(Vec::new());
    }
    assert_eq!(plan(&all, &there), plan(&all, &all));
    assert!(plan(&all, &there).apply.is_empty());
    for change in [
        (|policy| policy.spec.as_mut().unwrap().egress = None) as fn(&mut NetworkPolicy),
        |policy| policy.spec.as_mut().unwrap().policy_types = Some(vec!["Ingress".to_owned()]),
        |policy| policy.metadata.owner_references = None,
    ] {
        let mut there = all.clone();
        there.values_mut().for_each(change);
        assert_eq!(plan(&all, &there).apply.len(), 1, "what somebody changed is set right");
    }
    let gone = plan(&Policies::new(), &all);
    assert_eq!((gone.apply.len(), gone.delete.len()), (0, 1));
    let mut foreign = all;
    for policy in foreign.values_mut() {
        policy.metadata.owner_references = None;
    }
    assert!(plan(&Policies::new(), &foreign).delete.is_empty());
}

/// What is generated passes admission itself, though nobody but the flow says where its addresses are.
#[test]
fn what_is_generated_passes_and_the_same_to_another_address_does_not() {
    let mut index = index(&[WORLD, SHUT]);
    let now: Timestamp = NOW.parse().unwrap();
    let policies = at(&mut index, NOW);
    let world = index.refresh(now);
    let judged = |policy: &NetworkPolicy| {
        let text = serde_json::to_string(policy).unwrap();
        let request = Request {
            operation: Operation::Create,
            group: "networking.k8s.io",
            kind: "NetworkPolicy",
            namespace: "cx",
            name: "domicile-answers",
            object: Body::Json(&text),
            old: None,
            user: domicile::interpret::access::User::default(),
        };
        let judgement = domicile::interpret::judge(&world, &request, now).unwrap();
        judgement.verdict.findings.iter().map(|finding| (finding.rule, finding.field.clone())).collect::<Vec<_>>()
    };
    let mut policy = policies.values().next().unwrap().clone();
    assert_eq!(judged(&policy), []);
    let egress = policy.spec.as_mut().unwrap().egress.as_mut().unwrap();
    let to = &mut egress.last_mut().unwrap().to.as_mut().unwrap()[0];
    to.ip_block.as_mut().unwrap().cidr = "203.0.113.0/25".to_owned();
    let found = judged(&policy);
    assert!(found.contains(&("LAW-TRANSFER", "spec.egress[3].to[0].ipBlock.cidr".to_owned())), "{found:?}");
    let egress = policy.spec.as_mut().unwrap().egress.as_mut().unwrap();
    let to = &mut egress.last_mut().unwrap().to.as_mut().unwrap()[0];
    to.ip_block.as_mut().unwrap().cidr = "192.0.2.0/24".to_owned();
    assert!(judged(&policy).iter().any(|(rule, _)| *rule == "RES-UNKNOWN"), "nobody knows these");
}
