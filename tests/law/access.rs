//! Who reaches into pods: what a policy declares of people counts, and what it limits only ever makes it stricter.

use domicile::engine::verdict::Action;
use domicile::index::Object;
use serde_json::json;

use crate::cases::{self, Case};
use crate::judge;

/// Policies that declare nothing of anybody.
fn others() -> Vec<serde_json::Value> {
    let policy = |spec: serde_json::Value| {
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "case-other"}, "spec": spec,
        })
    };
    vec![
        policy(json!({"residence": {"Access": ["Origin"]}})),
        policy(json!({"residence": {"Access": ["EEA", "US", "IN"]}})),
        policy(json!({"residence": {"Process": ["Law"]}, "checks": ["Transfer"]})),
        policy(json!({"residence": {"Access": ["Law"]}, "mode": "Audit", "unknownPlace": "Audit"})),
        policy(json!({"match": {"origins": ["FR"]}, "residence": {"Access": ["FR"]}, "mode": "Warn"})),
    ]
}

#[test]
fn one_more_policy_that_declares_nobody_never_lets_in_who_was_kept_out() {
    let connections: Vec<Case> = cases::all().into_iter().filter(|case| case.topic == "access").collect();
    let kept_out = connections.iter().filter(|case| judge(case).unwrap().verdict.action == Action::Refuse);
    let mut count = 0;
    for case in kept_out {
        for other in others() {
            assert!(Object::from_manifest(other.clone()).unwrap().is_some());
            let mut case = case.clone();
            case.world.push(other.clone());
            let action = judge(&case).unwrap().verdict.action;
            assert_eq!(action, Action::Refuse, "{}: {other}", case.name);
            count += 1;
        }
    }
    assert!(count > 40, "only {count} were looked at");
}
