//! Traces of a running operator: sent where it is told, with nothing of what objects hold in them, and to nobody else.

use std::collections::BTreeSet;

use serde_json::json;

use crate::collector::{Collector, Seen};
use crate::operator::Operator;
use crate::plane::{alone, pod};
use crate::poll::{PATIENCE, until, yes};

/// Planted where no trace has any business.
const CANARY: &str = "canary-4712";

/// Whether it is the review of this pod that creates it.
fn creates(span: &Seen, name: &str) -> bool {
    let is = |key: &str, value: &str| span.attributes.get(key).is_some_and(|told| told == value);
    is("k8s.pod.name", name) && is("k8s.namespace.name", "traced") && is("domicile.operation", "CREATE")
}

#[test]
fn reviews_and_turns_are_told_where_the_flag_says_until_the_last_one_and_to_nobody_without_it() {
    let plane = alone();
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("decisions.jsonl");
    let mut setup = plane.operator.replica("traced", 0);
    setup.front = None;
    let without = setup.arguments.clone();
    setup.arguments =
        ["--otlp-endpoint", &collector.endpoint(), "--decision-log", log.to_str().unwrap()].map(str::to_owned).to_vec();
    let operator = Operator::started(&setup);
    plane.namespace("traced", &json!({"domicile.dev/origin": "DE"}));
    let secretive = |name: &str| {
        let containers = json!([{
            "name": "app", "image": "example.org/app:1", "args": [CANARY], "env": [{"name": "PASSWORD", "value": CANARY}],
        }]);
        let mut pod = pod("traced", name, &json!({"note": CANARY}), json!({"containers": containers}));
        pod["metadata"]["annotations"] = json!({"note": CANARY});
        pod
    };
    let controllers = ["configuration", "network", "nodes", "policies", "status"];
    until("reviews and turns of every controller are told", PATIENCE, || {
        // The API server may not know yet that it has to ask, or whom.
        plane.admin.create_dry(&secretive("first"));
        let spans = collector.spans();
        let turns: BTreeSet<&str> =
            spans.iter().filter_map(|span| span.attributes.get("domicile.controller")).map(String::as_str).collect();
        let phases: BTreeSet<&str> = spans
            .iter()
            .filter(|span| creates(span, "first"))
            .map(|span| span.attributes["domicile.phase"].as_str())
            .collect();
        yes(
            controllers.iter().all(|one| turns.contains(one)) && phases == BTreeSet::from(["mutate", "validate"]),
            format!("{turns:?} {phases:?}"),
        )
    });
    let spans = collector.spans();
    let recorded = std::fs::read_to_string(&log).unwrap();
    for span in spans.iter().filter(|span| creates(span, "first")) {
        // What could not be decided yet is no decision, and what has come pinned already is decided by the other phase.
        let of = |key: &str| span.attributes[key].as_str();
        let elsewhere = matches!((of("domicile.phase"), of("domicile.verdict")), (_, "Error") | ("mutate", "Allow"));
        let id = span.attributes.get("domicile.decision.id");
        assert!(id.map_or(elsewhere, |id| recorded.contains(id)), "{span:?}");
        assert_eq!(span.resource["service.instance.id"], "traced");
        assert_eq!(span.resource["k8s.pod.name"], "traced");
    }

    plane.admin.create(&secretive("last")).ok();
    operator.terminate();
    assert!(operator.wait().success());
    assert_eq!(collector.spans().iter().filter(|span| creates(span, "last")).count(), 2);
    assert_eq!(collector.spans().iter().map(|span| span.words).sum::<usize>(), 0);
    assert!(!String::from_utf8_lossy(&collector.raw()).contains(CANARY));

    setup.arguments = without;
    let before = collector.spans().len();
    let operator = Operator::started(&setup);
    plane.admin.create(&secretive("untold")).ok();
    operator.terminate();
    assert!(operator.wait().success());
    assert_eq!(collector.spans().len(), before);
}
