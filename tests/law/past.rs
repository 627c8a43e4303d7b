//! What a status keeps of the past, and what an end of a mechanism makes of it.

use domicile::index::{Index, Object};
use jiff::Timestamp;
use serde_json::{Value, json};

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

/// A flow to a recipient in the US that has relied on mechanisms before.
fn flow(history: &Value) -> Index {
    let mut index = Index::new(crate::builtin());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cx"}});
    let flow = json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow", "metadata": {"name": "mail", "namespace": "cx"},
        "spec": {
            "from": {"collection": {"countries": ["DE"]}},
            "to": {"recipient": {"name": "Example", "place": {"country": "US"}, "establishedIn": "US"}},
            "bases": [
                {"mechanism": "eu-us-safe-harbor", "certified": {"scheme": "eu-us-safe-harbor", "asOf": "2014-01-01"}},
                {"mechanism": "eu-us-dpf", "certified": {"scheme": "eu-us-dpf", "asOf": "2023-08-01"}},
            ],
        },
        "status": {"history": history, "conditions": []},
    });
    for manifest in [namespace, flow] {
        index.apply(Object::from_manifest(manifest).unwrap().unwrap());
    }
    index
}

fn status(index: &mut Index, now: &str) -> domicile::api::v1alpha1::DataFlowStatus {
    index.refresh(at(now));
    index.observe(at(now)).flows.remove(0).status
}

#[test]
fn what_relied_on_an_annulled_mechanism_has_to_be_looked_at_again() {
    let relied = json!([{"mechanism": "eu-us-safe-harbor", "since": "2014-01-01T00:00:00Z"}]);
    let before = status(&mut flow(&relied), "2015-10-05T12:00:00Z");
    assert_eq!((before.ground.as_deref(), before.review.len()), (Some("eu-us-safe-harbor"), 0));
    let after = status(&mut flow(&relied), "2015-10-06T12:00:00Z");
    assert_eq!(after.ground, None);
    assert_eq!(after.history[0].until.as_deref(), Some("2015-10-06T12:00:00Z"));
    assert!(after.review[0].contains("annulled retroactively"), "{:?}", after.review);
    assert!(after.review[0].contains("2014-01-01T00:00:00Z to 2015-10-06T12:00:00Z"), "{:?}", after.review);
}

#[test]
fn the_history_grows_when_another_mechanism_carries_the_flow_and_not_otherwise() {
    let relied = json!([{"mechanism": "eu-us-dpf", "since": "2023-08-02T00:00:00Z"}]);
    let same = status(&mut flow(&relied), "2024-01-01T00:00:00Z");
    assert_eq!((same.history.len(), same.history[0].since.as_str()), (1, "2023-08-02T00:00:00Z"));
    let fresh = status(&mut flow(&json!([])), "2024-01-01T00:00:00Z");
    assert_eq!(fresh.history[0].since, "2024-01-01T00:00:00Z");
}

#[test]
fn people_are_told_before_the_end_of_what_carries_a_flow() {
    let mut index = flow(&json!([]));
    let mechanism = json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "TransferMechanism", "metadata": {"name": "eu-us-dpf"},
        "spec": {
            "title": "Example", "role": "Ground", "kind": "CertificationFramework", "from": ["DE"], "to": ["US"],
            "timeZone": "UTC", "until": "2030-01-01", "source": {"reference": "an example"},
        },
    });
    index.apply(Object::from_manifest(mechanism).unwrap().unwrap());
    for (now, within) in [
        ("2029-06-01T00:00:00Z", None),
        ("2029-10-03T00:00:00Z", Some("P90D")),
        ("2029-12-24T23:59:59Z", Some("P30D")),
        ("2029-12-25T00:00:00Z", Some("P7D")),
        ("2029-12-31T12:00:00Z", Some("P1D")),
        ("2030-01-01T00:00:00Z", None),
    ] {
        assert_eq!(status(&mut index, now).ends_within.as_deref(), within, "{now}");
    }
    // The operator looks again when the next lead time begins.
    index.refresh(at("2029-12-24T23:59:59Z"));
    assert_eq!(index.observe(at("2029-12-24T23:59:59Z")).until, Some(at("2029-12-25T00:00:00Z")));
}

#[test]
fn the_operator_looks_again_when_a_review_of_anonymity_ends() {
    let mut index = Index::new(crate::builtin());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cx"}});
    let flow = json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow", "metadata": {"name": "scores", "namespace": "cx"},
        "spec": {
            "from": {"collection": {"countries": ["DE"]}},
            "to": {"recipient": {"name": "Example", "place": {"country": "US"}}},
            "transformation": {
                "kind": "Aggregated", "method": "means", "performedIn": "DE", "minimumGroup": 30,
                "reidentificationAssessment": "dpia", "reviewedBy": "dpo", "expires": "2027-03-01T09:00:00Z",
            },
        },
    });
    for manifest in [namespace, flow] {
        index.apply(Object::from_manifest(manifest).unwrap().unwrap());
    }
    index.refresh(at("2026-11-22T00:00:00Z"));
    assert_eq!(index.observe(at("2026-11-22T00:00:00Z")).until, Some(at("2027-03-01T09:00:00Z")));
}
