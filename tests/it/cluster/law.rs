//! The law changes while the operator runs: what depends on it changes at that instant, once.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::reference;
use crate::plane::{OURS, Plane, condition, pod, shared};
use crate::poll::{PATIENCE, until, yes};

/// What is promised between an instant of law, or an edit, and what follows from it.
const AT_ONCE: Duration = Duration::from_secs(1);

fn mechanism(name: &str, from: &str, until: Option<Timestamp>) -> Value {
    let mut manifest = json!({
        "apiVersion": OURS, "kind": "TransferMechanism", "metadata": {"name": name},
        "spec": {
            "title": "An example framework", "role": "Ground", "kind": "CertificationFramework", "from": [from],
            "to": ["IN"], "timeZone": "UTC", "ended": {"effect": "Repeal", "by": "an example act"},
            "source": {"reference": "an example decision"},
        },
    });
    if let Some(until) = until {
        manifest["spec"]["until"] = until.to_string().into();
    }
    manifest
}

fn flow(namespace: &str, name: &str, from: &str, mechanism: &str) -> Value {
    json!({
        "apiVersion": OURS, "kind": "DataFlow", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "from": {"collection": {"countries": [from]}},
            "to": {"recipient": {"name": "Example Analytics", "place": {"country": "IN"}, "establishedIn": "IN"}},
            "bases": [{"mechanism": mechanism}],
            "workloads": {"selector": {"matchLabels": {"app": name}}},
        },
    })
}

/// A namespace about which the API server asks, with one flow.
fn open(plane: &Plane, namespace: &str, from: &str, mechanism: &Value) -> Value {
    plane.namespace(namespace, &json!({}));
    plane.create(&format!(
        "
        apiVersion: {OURS}
        kind: DataStore
        metadata: {{name: answers, namespace: {namespace}}}
        spec: {{origins: [{from}], claims: {{names: [answers]}}}}
        "
    ));
    plane.enforced(namespace, "answers");
    plane.admin.create(mechanism).ok();
    let name = mechanism["metadata"]["name"].as_str().unwrap();
    let flow = flow(namespace, "mail", from, name);
    plane.admin.create(&flow).ok();
    let flow = reference(OURS, "DataFlow", namespace, "mail");
    until("the flow is carried", PATIENCE, || {
        let flow = plane.admin.get(&flow).ok_or("no flow")?;
        yes(condition(&flow, "Compliant")["status"] == "True" && flow["status"]["ground"] == name, &flow["status"])
    });
    assert_eq!(try_pod(plane, namespace), 201);
    flow
}

/// The answer to a new workload of the flow.
fn try_pod(plane: &Plane, namespace: &str) -> u16 {
    plane.admin.create_dry(&pod(namespace, "mail", &json!({"app": "mail"}), json!({}))).code
}

/// Waits until the flow is refused, and returns how long that took for its status and for its workloads.
fn refused(plane: &Plane, namespace: &str, flow: &Value, since: Instant) -> (Duration, Duration) {
    let mut pod_refused = None;
    let status_changed = until("the flow is refused", PATIENCE, || {
        if pod_refused.is_none() && try_pod(plane, namespace) == 403 {
            pod_refused = Some(since.elapsed());
        }
        let flow = plane.admin.get(flow).ok_or("no flow")?;
        let told = condition(&flow, "Compliant")["status"] == "False" && flow["status"]["legal"] == "Prohibited";
        yes(told && pod_refused.is_some(), &flow["status"]).map(|()| since.elapsed())
    });
    (status_changed, pod_refused.unwrap())
}

fn told(plane: &Plane, namespace: &str, reason: &str) {
    until("an Event says so", PATIENCE, || {
        let events = plane.admin.events_about("DataFlow", "mail");
        let here = events.iter().filter(|event| event["metadata"]["namespace"] == namespace);
        let reasons: Vec<&str> = here.filter_map(|event| event["reason"].as_str()).collect();
        yes(reasons.contains(&reason), format!("{reasons:?}"))
    });
}

#[test]
fn a_flow_breaks_at_the_instant_at_which_its_mechanism_ends() {
    let plane = &shared().plane;
    let end = Timestamp::now().saturating_add(SignedDuration::from_secs(12)).unwrap();
    let flow = open(plane, "law-ends", "PT", &mechanism("law-ends", "PT", Some(end)));
    let holds_until = plane.admin.get(&flow).unwrap()["status"]["holdsUntil"].clone();
    assert_eq!(holds_until.as_str().unwrap().parse::<Timestamp>().unwrap(), end);
    let left = Duration::try_from(end.duration_since(Timestamp::now())).expect("set up before the end");
    std::thread::sleep(left.saturating_sub(Duration::from_millis(300)));
    assert_eq!(try_pod(plane, "law-ends"), 201, "lawful to the last");
    let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
    std::thread::sleep(left);
    let (status, workload) = refused(plane, "law-ends", &flow, Instant::now());
    assert!(status < AT_ONCE && workload < AT_ONCE, "status after {status:?}, workload after {workload:?}");
    told(plane, "law-ends", "MechanismEnded");
    let message = condition(&plane.admin.get(&flow).unwrap(), "Compliant")["message"].clone();
    assert!(message.as_str().unwrap().contains("law-ends ended on"), "{message}");
}

#[test]
fn a_flow_breaks_when_its_mechanism_is_ended_early() {
    let plane = &shared().plane;
    let flow = open(plane, "law-edited", "GR", &mechanism("law-edited", "GR", None));
    let edited = json!({"spec": {"until": Timestamp::now().to_string()}});
    plane.admin.patch(&reference(OURS, "TransferMechanism", "", "law-edited"), &edited).ok();
    let (status, workload) = refused(plane, "law-edited", &flow, Instant::now());
    assert!(status < AT_ONCE && workload < AT_ONCE, "status after {status:?}, workload after {workload:?}");
    told(plane, "law-edited", "MechanismEnded");
}

#[test]
fn the_next_basis_carries_a_flow_whose_first_one_ends() {
    let plane = &shared().plane;
    let flow = open(plane, "law-next", "MT", &mechanism("law-first", "MT", None));
    plane.admin.create(&mechanism("law-second", "MT", None)).ok();
    let bases = json!({"spec": {"bases": [{"mechanism": "law-first"}, {"mechanism": "law-second"}]}});
    plane.admin.patch(&flow, &bases).ok();
    let ended = json!({"spec": {"until": Timestamp::now().to_string()}});
    plane.admin.patch(&reference(OURS, "TransferMechanism", "", "law-first"), &ended).ok();
    until("the second basis carries it", PATIENCE, || {
        let flow = plane.admin.get(&flow).ok_or("no flow")?;
        let lawful = condition(&flow, "Compliant")["status"] == "True" && flow["status"]["legal"] == "Permitted";
        yes(lawful && flow["status"]["ground"] == "law-second", &flow["status"])
    });
    assert_eq!(try_pod(plane, "law-next"), 201);
    told(plane, "law-next", "MechanismEnded");
    let history = plane.admin.get(&flow).unwrap()["status"]["history"].clone();
    assert_eq!(history[0]["mechanism"], "law-second", "{history}");
}

#[test]
fn an_invalid_law_is_refused_with_its_field_and_changes_nothing() {
    let plane = &shared().plane;
    let mut bad = mechanism("law-invalid", "PT", None);
    bad["spec"]["when"] = json!({"anyOf": [{"certifed": {"schemes": ["x"]}}]});
    let answer = plane.admin.create(&bad);
    assert_eq!(answer.code, 403, "{}", answer.body);
    assert!(answer.message().contains("spec.when.anyOf[0]"), "{}", answer.message());
}

/// Counted at the API server, by its own metric of answered requests.
fn status_writes(plane: &Plane) -> f64 {
    let metrics = plane.control.kubectl_output(&["get", "--raw", "/metrics"]).unwrap().success().unwrap();
    let concerned = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && line.contains(r#"resource="dataflows""#)
            && line.contains(r#"subresource="status""#)
    };
    metrics.lines().filter(concerned).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn every_flow_that_depends_on_a_mechanism_is_written_once_when_it_ends() {
    const FLOWS: usize = 200;
    // Other tests write statuses too, so that this one has a cluster for itself.
    let plane = &crate::plane::alone();
    let operator = crate::operator::Operator::started(&plane.operator);
    plane.namespace("law-many", &json!({}));
    plane.admin.create(&mechanism("law-many", "PT", None)).ok();
    for number in 0..FLOWS {
        plane.admin.create(&flow("law-many", &format!("flow-{number}"), "PT", "law-many")).ok();
    }
    let all = |status: &str| {
        until("every flow has its status", PATIENCE, || {
            let flows = plane.admin.list(OURS, "DataFlow", "law-many", "");
            let number = flows.iter().filter(|flow| condition(flow, "Compliant")["status"] == status).count();
            yes(number == FLOWS, number)
        });
    };
    all("True");
    // Statuses follow within moments of each other; let the last echo pass.
    std::thread::sleep(Duration::from_secs(1));
    let before = status_writes(plane);
    let ended = json!({"spec": {"until": Timestamp::now().to_string()}});
    plane.admin.patch(&reference(OURS, "TransferMechanism", "", "law-many"), &ended).ok();
    all("False");
    std::thread::sleep(Duration::from_secs(1));
    let written = status_writes(plane) - before;
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let flows = FLOWS as f64;
    assert!((written - flows).abs() < 0.5, "{written} writes for {FLOWS} flows");
    operator.kill();
}
