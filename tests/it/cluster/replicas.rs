//! Two replicas behind one address: one of them writes, both answer, and either may go at any time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::reference;
use crate::front::Front;
use crate::load::Load;
use crate::operator::{Operator, Setup};
use crate::plane::{COUNTRY, Plane, alone, machine, pod};
use crate::poll::{PATIENCE, until, yes};

/// The lease lasts ten seconds, and others look every two; the rest is for a busy machine.
const HEALS_WITHIN: Duration = Duration::from_secs(20);

/// Two replicas, and who is in front of them.
fn two(plane: &Plane) -> (Front, [Setup; 2]) {
    let mut front = Front::new();
    let setups = ["one", "two"].map(|name| plane.operator.replica(name, front.port));
    front.serve(&[&setups[0], &setups[1]]);
    (front, setups)
}

/// Who writes.
fn leader(plane: &Plane) -> Option<String> {
    let lease = plane.admin.get(&reference("coordination.k8s.io/v1", "Lease", "domicile-system", "domicile"))?;
    lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

fn led_by(plane: &Plane, name: &str, patience: Duration) -> Duration {
    let started = Instant::now();
    until("the lease has its holder", patience, || {
        let holder = leader(plane);
        yes(holder.as_deref() == Some(name), format!("{holder:?} is not {name}"))
    });
    started.elapsed()
}

#[test]
fn a_lost_leader_is_replaced_within_its_lease_and_one_that_leaves_at_once() {
    let plane = alone();
    let (_front, [one, two]) = two(&plane);
    let first = Operator::started(&one);
    // Somebody before may have left without a word.
    led_by(&plane, "one", HEALS_WITHIN);
    let second = Operator::started(&two);
    let leads = |operator: &Operator| {
        let metrics = operator.get("/metrics").unwrap_or_default();
        metrics.lines().any(|line| line == "domicile_leading 1")
    };
    assert_eq!((leads(&first), leads(&second)), (true, false));

    first.kill();
    println!("a leader that was killed is replaced after {:?}", led_by(&plane, "two", HEALS_WITHIN));
    // It writes: what comes new is labelled.
    plane.control.add_nodes(&[machine("replicas-fra", "eu-central-1a", "eu-central-1")]).unwrap();
    plane.labelled("replicas-fra", Some("DE"));

    let first = Operator::started(&one);
    second.terminate();
    let took = led_by(&plane, "one", PATIENCE);
    println!("a leader that leaves is replaced after {took:?}");
    assert!(took < Duration::from_secs(8), "it gives the lease back instead of letting it expire: {took:?}");
    assert_eq!(second.wait().code(), Some(0));
    until("it says that it leads", PATIENCE, || yes(leads(&first), first.log_tail()));
}

#[test]
fn a_replica_that_loses_the_lease_stops_writing_and_goes_on_answering() {
    let plane = alone();
    let admin = &plane.admin;
    let operator = Operator::started(&plane.operator);
    led_by(&plane, "operator", HEALS_WITHIN);
    plane.control.add_nodes(&[machine("replicas-before", "eu-central-1a", "eu-central-1")]).unwrap();
    plane.labelled("replicas-before", Some("DE"));

    // Somebody else takes it, by hand, and renews it as long as this test needs.
    let lease = reference("coordination.k8s.io/v1", "Lease", "domicile-system", "domicile");
    let take = json!({"spec": {"holderIdentity": "a hand", "leaseDurationSeconds": 3600}});
    admin.patch(&lease, &take).ok();
    until("it notices", PATIENCE, || {
        let metrics = operator.get("/metrics").unwrap_or_default();
        yes(metrics.lines().any(|line| line == "domicile_leading 0"), operator.log_tail())
    });
    plane.control.add_nodes(&[machine("replicas-after", "eu-central-1a", "eu-central-1")]).unwrap();
    plane.namespace("replicas-protected", &json!({"domicile.dev/origin": "DE"}));
    until("it still judges", PATIENCE, || {
        let spec = json!({"nodeSelector": {COUNTRY: "US"}});
        let answer = admin.create_dry(&pod("replicas-protected", "app", &json!({}), spec));
        yes(answer.code == 403, answer.body)
    });
    assert!(operator.ready(), "{}", operator.log_tail());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(plane.country("replicas-after"), None, "it has written though it may not");

    admin.patch(&lease, &json!({"spec": {"holderIdentity": ""}})).ok();
    plane.labelled("replicas-after", Some("DE"));
}

#[test]
fn what_somebody_removes_or_changes_of_the_configurations_is_there_again_within_seconds() {
    let plane = alone();
    let admin = &plane.admin;
    let _operator = Operator::started(&plane.operator);
    led_by(&plane, "operator", HEALS_WITHIN);
    let validating = reference("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "domicile");
    let mutating = reference("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", "domicile");
    let entries = |named| admin.get(named).map(|one: Value| one["webhooks"].as_array().map_or(0, Vec::len));
    // What another operator has left there is replaced once generated policies are in force.
    let settled = Duration::from_secs(4);
    let before = until("both are there and stay as they are", PATIENCE, || {
        let both = || entries(&validating).zip(entries(&mutating)).ok_or_else(|| "not both".to_owned());
        let before = both()?;
        std::thread::sleep(settled);
        let now = both()?;
        if now == before { Ok(now) } else { Err(format!("{before:?} became {now:?}")) }
    });
    admin.delete(&validating).ok();
    admin.patch(&mutating, &json!({"webhooks": []})).ok();
    // Well before they would be written anew anyway.
    let started = Instant::now();
    until("both are as they were", Duration::from_secs(10), || {
        let now = entries(&validating).zip(entries(&mutating));
        yes(now == Some(before), format!("{now:?} is not {before:?}"))
    });
    println!("mended after {:?}", started.elapsed());
    until("it is told", PATIENCE, || {
        let events = admin.events_about("ValidatingWebhookConfiguration", "domicile");
        yes(events.iter().any(|event| event["reason"] == "EnforcementTampered"), format!("{events:?}"))
    });
}

#[test]
fn replicas_that_are_killed_every_second_leak_nothing_and_stop_nobody_else() {
    // Fifteen seconds show it; a minute is for whoever wants to be sure, see tests/controlplane/README.md.
    let seconds = std::env::var("DOMICILE_DRILL_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let lasts = Duration::from_secs(seconds.unwrap_or(15));
    let plane = alone();
    let (_front, setups) = two(&plane);
    let mut running = setups.each_ref().map(|setup| Some(Operator::started(setup)));

    let load = Load::start(&plane, "replicas-undisturbed");
    std::thread::sleep(lasts / 3);
    load.finish().print("undisturbed");

    let load = Load::start(&plane, "replicas-killed");
    let started = Instant::now();
    for victim in [0, 1].into_iter().cycle() {
        let next = Instant::now() + Duration::from_secs(1);
        // Its port is free only when it is gone.
        drop(running[victim].take());
        running[victim] = Some(Operator::start(&setups[victim]));
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if started.elapsed() >= lasts {
            break;
        }
    }
    let outcome = load.finish();
    outcome.print("killed every second");
    outcome.nothing_leaked_and_nothing_else_was_lost();

    running.iter_mut().flatten().for_each(Operator::wait_until_ready);
    let load = Load::start(&plane, "replicas-mended");
    std::thread::sleep(Duration::from_secs(1));
    load.finish().every_review_was_answered();
}

#[test]
fn replicas_are_replaced_one_by_one_without_one_failed_review() {
    let plane = alone();
    let (_front, setups) = two(&plane);
    let mut running = setups.each_ref().map(|setup| Some(Operator::started(setup)));
    let load = Load::start(&plane, "replicas-rolling");
    for (setup, place) in setups.iter().zip(&mut running) {
        let old = place.take().unwrap();
        old.terminate();
        assert_eq!(old.wait().code(), Some(0));
        *place = Some(Operator::started(setup));
    }
    std::thread::sleep(Duration::from_secs(1));
    let outcome = load.finish();
    outcome.print("replaced one by one");
    outcome.every_review_was_answered();
}
