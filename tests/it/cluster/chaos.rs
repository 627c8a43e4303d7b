//! Random changes while the operator is killed and the API server goes away: afterwards it says what a fresh one says, in
//! statuses, reports and figures, and its decision log is whole.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::reports::{OPENREPORTS, serve};
use crate::client::{Client, path_of, reference};
use crate::operator::Operator;
use crate::plane::{OURS, REGION, machine, pod, restarted};
use crate::poll::{PATIENCE, until, yes};

const NAMESPACE: &str = "chaos";

/// How many changes; more with `DOMICILE_CHAOS`.
fn count() -> usize {
    std::env::var("DOMICILE_CHAOS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

#[derive(Debug, Clone)]
enum Step {
    /// A pod with the label of a store, bound to a node.
    Pod(u8, &'static str, &'static str),
    NoPod(u8),
    /// A store whose data comes from there.
    Store(&'static str, &'static str),
    /// A flow between stores, or to somebody in a country.
    Flow(u8, &'static str),
    NoFlow(u8),
    /// A node that says to be in another region.
    Node(&'static str, &'static str),
    /// Where the policy lets data be.
    Policy(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let node = || prop::sample::select(vec!["chaos-fra", "chaos-par", "chaos-iad"]);
    let store = || prop::sample::select(vec!["one", "two"]);
    let country = || prop::sample::select(vec!["DE", "FR", "AT"]);
    let region = prop::sample::select(vec!["eu-central-1", "eu-west-3", "us-east-1"]);
    prop_oneof![
        8 => (0..12_u8, store(), node()).prop_map(|(number, store, node)| Step::Pod(number, store, node)),
        4 => (0..12_u8).prop_map(Step::NoPod),
        2 => (store(), country()).prop_map(|(store, country)| Step::Store(store, country)),
        2 => (0..4_u8, prop::sample::select(vec!["AT", "US", "JP"])).prop_map(|(number, to)| Step::Flow(number, to)),
        1 => (0..4_u8).prop_map(Step::NoFlow),
        1 => (node(), region).prop_map(|(node, region)| Step::Node(node, region)),
        1 => prop::sample::select(vec!["Origin", "DE", "EEA"]).prop_map(Step::Policy),
    ]
}

fn store(name: &str, country: &str) -> Value {
    let mut store = reference(OURS, "DataStore", NAMESPACE, name);
    store["spec"] = json!({
        "origins": [country], "residence": {"country": "DE"}, "workloads": {"selector": {"matchLabels": {"app": name}}},
    });
    store
}

fn policy(word: &str) -> Value {
    let mut policy = reference(OURS, "ResidencyPolicy", "", "chaos");
    // It refuses nothing, so that what is wrong comes to exist.
    policy["spec"] = json!({"mode": "Audit", "residence": {"Process": [word], "Transfer": [word]}});
    policy
}

impl Step {
    /// Does it; whether it was let through. While the operator is away, what would concern data is not.
    fn run(&self, admin: &Client) -> bool {
        let replace = |object: &Value| admin.patch(object, &json!({"spec": object["spec"]})).code < 300;
        let delete = |reference: &Value| matches!(admin.delete(reference).code, 200..300 | 404);
        let create = |object: &Value| admin.create(object).code < 300;
        match self {
            Self::Pod(number, app, node) => {
                let name = format!("app-{number}");
                delete(&reference("v1", "Pod", NAMESPACE, &name));
                create(&pod(NAMESPACE, &name, &json!({"app": app}), json!({"nodeName": node})))
            }
            Self::NoPod(number) => delete(&reference("v1", "Pod", NAMESPACE, &format!("app-{number}"))),
            Self::Store(name, country) => replace(&store(name, country)),
            Self::Flow(number, to) => {
                let mut flow = reference(OURS, "DataFlow", NAMESPACE, &format!("flow-{number}"));
                flow["spec"] = json!({
                    "from": {"dataStore": {"name": if number % 2 == 0 { "one" } else { "two" }}},
                    "to": {"recipient": {"name": "Somebody", "place": {"country": to}}},
                });
                delete(&flow);
                create(&flow)
            }
            Self::NoFlow(number) => delete(&reference(OURS, "DataFlow", NAMESPACE, &format!("flow-{number}"))),
            Self::Node(name, region) => {
                let labels = json!({"metadata": {"labels": {REGION: region}}});
                admin.patch(&reference("v1", "Node", "", name), &labels).code < 300
            }
            Self::Policy(word) => replace(&policy(word)),
        }
    }
}

/// What the operator says about everything, without when it said so first.
fn said(admin: &Client) -> BTreeMap<String, Value> {
    let timeless = |mut status: Value| {
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            condition.as_object_mut().unwrap().remove("lastTransitionTime");
        }
        // What a flow has relied on is history, which a fresh operator takes up where it stands.
        if let Some(status) = status.as_object_mut() {
            status.remove("history");
            status.remove("review");
        }
        status
    };
    let mut all = BTreeMap::new();
    for (kind, namespace) in [("DataStore", NAMESPACE), ("DataFlow", NAMESPACE), ("ResidencyPolicy", "")] {
        for object in admin.list(OURS, kind, namespace, "") {
            all.insert(format!("{kind}/{}", object["metadata"]["name"]), timeless(object["status"].clone()));
        }
    }
    // What was refused is reported without a scope: nobody knows of it any more who has not seen it.
    for mut report in reports(admin) {
        for result in report["results"].as_array_mut().into_iter().flatten() {
            result.as_object_mut().unwrap().remove("timestamp");
        }
        let of = format!("Report on {} {}", report["scope"]["kind"], report["scope"]["name"]);
        all.insert(of, json!([report["summary"], report["results"]]));
    }
    all
}

fn reports(admin: &Client) -> impl Iterator<Item = Value> {
    admin.list(OPENREPORTS, "Report", NAMESPACE, "").into_iter().filter(|report| report["scope"].is_object())
}

/// The figures that the audit has told.
fn figures(operator: &Operator) -> Vec<String> {
    const FIGURES: [&str; 3] = ["domicile_violations", "domicile_objects_in_scope", "domicile_unproven_objects"];
    let metrics = operator.get("/metrics").unwrap_or_default();
    let told = metrics.lines().filter(|line| FIGURES.iter().any(|figure| line.starts_with(figure)));
    let mut lines: Vec<String> = told.map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Waits until nothing that it says changes for some seconds.
fn settled(admin: &Client, operator: &Operator) -> (BTreeMap<String, Value>, Vec<String>) {
    const QUIET: Duration = Duration::from_secs(4);
    let mut before = (said(admin), figures(operator));
    until("it has said what it has to say", PATIENCE, || {
        std::thread::sleep(QUIET);
        let now = (said(admin), figures(operator));
        let is_settled = now == before && operator.ready() && !now.1.is_empty();
        before = now;
        yes(is_settled, "it still changes")
    });
    before
}

#[test]
fn whatever_happens_to_it_in_the_end_it_says_what_a_fresh_one_says() {
    let plane = restarted();
    let nodes = [
        machine("chaos-fra", "eu-central-1a", "eu-central-1"),
        machine("chaos-par", "eu-west-3a", "eu-west-3"),
        machine("chaos-iad", "us-east-1a", "us-east-1"),
    ];
    plane.control.add_nodes(&nodes).unwrap();
    let admin = plane.admin.clone();
    serve(&plane, OPENREPORTS, true);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("decisions.jsonl").to_str().unwrap().to_owned();
    let mut setup = plane.operator.clone();
    setup.arguments.extend(["--decision-log".to_owned(), log.clone()]);
    let mut operator = Operator::started(&setup);
    plane.namespace(NAMESPACE, &json!({}));
    for object in [store("one", "DE"), store("two", "FR"), policy("EEA")] {
        admin.create(&object).ok();
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[23; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut done = 0;
    for number in 0..count() {
        let step = step().new_tree(&mut runner).unwrap().current();
        done += usize::from(step.run(&admin));
        if number % 40 == 25 {
            operator.kill();
            operator = Operator::start(&setup);
        }
        if number == count() / 2 {
            plane.control.stop_apiserver();
            plane.control.start_apiserver().unwrap();
        }
    }
    println!("{done} of {} changes were made", count());
    assert!(done * 3 > count(), "too few changes: {done} of {}", count());
    let lasting = settled(&admin, &operator);
    operator.kill();
    // A fresh one finds nothing that it could take over.
    for (kind, namespace) in [("DataStore", NAMESPACE), ("DataFlow", NAMESPACE)] {
        for object in admin.list(OURS, kind, namespace, "") {
            let name = object["metadata"]["name"].as_str().unwrap();
            let path = format!("{}/status", path_of(&reference(OURS, kind, namespace, name)));
            let forget = json!([{"op": "remove", "path": "/status"}]);
            admin.send_all("PATCH", &path, "application/json-patch+json", &forget, None).ok();
        }
    }
    for report in reports(&admin) {
        admin.delete(&reference(OPENREPORTS, "Report", NAMESPACE, report["metadata"]["name"].as_str().unwrap()));
    }
    let fresh = Operator::started(&setup);
    assert_eq!(settled(&admin, &fresh), lasting);
    assert!(lasting.1.iter().any(|line| line.starts_with("domicile_violations")), "nothing was wrong: {:?}", lasting.1);
    assert!(lasting.0.keys().any(|of| of.starts_with("Report on")), "nothing was reported: {:?}", lasting.0);
    fresh.kill();
    let verified = Command::new(env!("CARGO_BIN_EXE_domicile")).args(["evidence", "verify", &log]).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&verified.stdout), String::from_utf8_lossy(&verified.stderr));
    assert!(verified.status.success(), "{told}");
    serve(&plane, OPENREPORTS, false);
}
