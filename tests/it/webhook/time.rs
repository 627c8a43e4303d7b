//! The webhook and the audit at other times: every case about one of our own kinds that says when it happens, before an
//! operator whose clock shows that time.

use std::collections::BTreeSet;
use std::fmt::Write;

use domicile::catalogue;
use domicile::catalogue::Catalogue;
use domicile::engine::verdict::Action;
use domicile::index::{Index, Object};
use domicile::interpret::Operation;
use domicile::state::{Clock, Shared};
use serde_json::{Value, json};

use super::ask;
use crate::cases::{self, Case, Layer};

#[test]
fn every_case_of_our_own_kinds_is_judged_at_its_time_by_the_webhook_and_by_the_audit() {
    let builtin = catalogue::load().unwrap();
    let ours = |case: &Case| case.object["apiVersion"] == "domicile.dev/v1alpha1";
    let all = cases::all();
    let timed = all.iter().filter(|case| {
        case.now.is_some() && case.operation == Operation::Create && case.layer != Layer::Schema && ours(case)
    });
    let mut number = 0;
    let mut failures = String::new();
    for case in timed {
        number += 1;
        for difference in [asked(case, &builtin), audited(case, &builtin)].into_iter().flatten() {
            writeln!(failures, "{}/{}: {difference}", case.topic, case.name).unwrap();
        }
    }
    assert!(number > 100, "only {number} cases");
    assert!(failures.is_empty(), "of {number} cases these come out otherwise:\n{failures}");
}

fn index(case: &Case, builtin: &Catalogue) -> Index {
    let mut index = Index::new(builtin.clone());
    case.apply_world(&mut index);
    index
}

/// What the webhook answers otherwise than the table.
fn asked(case: &Case, builtin: &Catalogue) -> Option<String> {
    let now = case.now.unwrap();
    let (shared, _events) = Shared::new(index(case, builtin), Clock::new(move || now));
    shared.set_synced();
    let metadata = &case.object["metadata"];
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "7", "operation": "CREATE", "object": case.object, "namespace": metadata["namespace"].as_str().unwrap_or(""),
            "kind": {"group": "domicile.dev", "version": "v1alpha1", "kind": case.object["kind"]}, "name": metadata["name"],
        },
    });
    let response = ask(&shared, "/validate/own", &review);
    let refused = case.expect.action == Action::Refuse;
    if response["allowed"] != Value::Bool(!refused) {
        return Some(format!("expected {:?}, got {response}", case.expect.action));
    }
    let causes = response["status"]["details"]["causes"].as_array().cloned().unwrap_or_default();
    let rules: BTreeSet<&str> = causes.iter().filter_map(|cause| cause["reason"].as_str()).collect();
    // Rules that only warn are no causes.
    if !rules.iter().all(|rule| case.expect.rules.iter().any(|expected| expected == rule)) {
        return Some(format!("expected {:?}, got {rules:?}", case.expect.rules));
    }
    let said = response["status"]["message"].as_str().unwrap_or_default();
    let law = rules.iter().any(|rule| rule.starts_with("LAW-")) && said.contains("source:");
    (law && said.matches("not legal advice").count() != 1)
        .then(|| format!("the disclaimer does not stand once in {said}"))
}

/// What the status says otherwise than the table, were the object there.
fn audited(case: &Case, builtin: &Catalogue) -> Option<String> {
    let (wanted, now) = (case.expect.legal?, case.now.unwrap());
    let mut index = index(case, builtin);
    index.apply(Object::from_manifest(case.object.clone()).unwrap()?);
    index.refresh(now);
    let observed = index.observe(now);
    let name = case.object["metadata"]["name"].as_str();
    let flow = observed.flows.iter().find(|flow| flow.object.metadata.name.as_deref() == name);
    let store = observed.stores.iter().find(|store| store.object.metadata.name.as_deref() == name);
    let legal = match case.object["kind"].as_str() {
        Some("DataFlow") => flow.and_then(|flow| flow.status.legal),
        Some("DataStore") => store.and_then(|store| store.status.legal),
        _ => return None,
    };
    (legal != Some(wanted)).then(|| format!("its status says {legal:?}, not {wanted:?}"))
}
