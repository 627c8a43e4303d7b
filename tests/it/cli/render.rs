//! `domicile render`: what the operator would generate, without a cluster.

use serde_json::Value;

use crate::client::documents;

use super::domicile;

const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: cx-de, labels: {domicile.dev/origin: DE}}
---
apiVersion: v1
kind: Node
metadata: {name: fra-1, labels: {topology.kubernetes.io/region: eu-central-1}}
spec: {providerID: aws:///eu-central-1a/i-0a}
---
apiVersion: v1
kind: Node
metadata: {name: iad-1, labels: {topology.kubernetes.io/region: us-east-1}}
spec: {providerID: aws:///us-east-1a/i-0b}
";

fn rendered(arguments: &[&str]) -> Vec<Value> {
    let output = domicile(&[&["render", "-f", "-"], arguments].concat(), MANIFESTS.as_bytes());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    documents(&output.stdout)
}

fn names(manifests: &[Value]) -> Vec<String> {
    manifests
        .iter()
        .map(|one| format!("{}/{}", one["kind"].as_str().unwrap(), one["metadata"]["name"].as_str().unwrap()))
        .collect()
}

#[test]
fn what_the_operator_would_generate_is_printed() {
    let all = rendered(&[]);
    let names = names(&all);
    for name in ["domicile-pods.de", "domicile-claims.de", "domicile-bindings.de", "domicile-guard-namespaces"] {
        assert!(names.contains(&format!("ValidatingAdmissionPolicy/{name}")), "{names:?}");
        assert!(names.contains(&format!("ValidatingAdmissionPolicyBinding/{name}")), "{names:?}");
    }
    assert!(names.contains(&"MutatingAdmissionPolicy/domicile-pin.de".to_owned()), "{names:?}");
    let bindings = all.iter().find(|one| one["metadata"]["name"] == "domicile-bindings.de").unwrap();
    let nodes = bindings["spec"]["variables"][0]["expression"].as_str().unwrap();
    assert!(nodes.contains("fra-1") && !nodes.contains("iad-1"), "{nodes}");
    assert!(all.iter().all(|one| one["spec"]["paramKind"].is_null()));
}

#[test]
fn what_is_not_wanted_is_left_out() {
    let names = names(&rendered(&["--no-mutating", "--no-guards"]));
    assert!(
        !names.is_empty() && !names.iter().any(|name| name.contains("Mutating") || name.contains("guard")),
        "{names:?}"
    );
}

#[test]
fn files_for_the_api_server_have_names_of_their_own_and_guard_policies() {
    let all = rendered(&["--static"]);
    for one in &all {
        assert!(one["metadata"]["name"].as_str().unwrap().ends_with(".static.k8s.io"), "{one}");
        if let Some(policy) = one["spec"]["policyName"].as_str() {
            assert_eq!(one["metadata"]["name"], policy);
        }
    }
    assert!(names(&all).contains(&"ValidatingAdmissionPolicy/domicile-guard-policies.static.k8s.io".to_owned()));
    assert!(!names(&rendered(&[])).iter().any(|name| name.contains("guard-policies")));
}
