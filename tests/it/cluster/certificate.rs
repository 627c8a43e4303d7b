//! The serving certificate: renewed under load, never taken from somebody else, and read from others when told so.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine;
use domicile::webhook::tls;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::reference;
use crate::front::Front;
use crate::load::Load;
use crate::operator::{Operator, Setup};
use crate::plane::{Plane, alone};
use crate::poll::{PATIENCE, until, yes};

fn named() -> Value {
    reference("v1", "Secret", "domicile-system", "domicile-webhook-tls")
}

fn two(plane: &Plane, arguments: &[&str]) -> (Front, [Setup; 2]) {
    let mut front = Front::new();
    let setups = ["one", "two"].map(|name| {
        let mut setup = plane.operator.replica(name, front.port);
        setup.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        setup
    });
    front.serve(&[&setups[0], &setups[1]]);
    (front, setups)
}

#[test]
fn authority_and_certificate_are_replaced_under_load_without_one_failed_review() {
    let plane = alone();
    let lifetimes = ["--certificate-lifetime-seconds", "12", "--authority-lifetime-seconds", "36"];
    let (_front, setups) = two(&plane, &lifetimes);
    let running = setups.each_ref().map(Operator::started);
    let load = Load::start(&plane, "certificate-rotated");
    let (mut certificates, mut bundles) = (BTreeSet::new(), BTreeSet::new());
    let started = Instant::now();
    // Long enough for each of them to be replaced in its turn, the authority from one that lasts longer or not.
    while started.elapsed() < Duration::from_secs(60) && (certificates.len() < 4 || bundles.len() < 4) {
        let data = plane.admin.get(&named()).unwrap()["data"].clone();
        certificates.insert(data["tls.crt"].to_string());
        bundles.insert(data["ca.crt"].to_string());
        std::thread::sleep(Duration::from_millis(200));
    }
    let outcome = load.finish();
    let took = started.elapsed();
    outcome.print("renewed");
    println!("{} certificates and {} bundles in {took:?}", certificates.len(), bundles.len());
    outcome.every_review_was_answered();
    // One authority, both, the other; and so on.
    assert!(certificates.len() >= 4 && bundles.len() >= 4, "{}", running[0].log_tail());
    assert!(running.iter().all(Operator::ready));
}

#[test]
fn a_secret_that_somebody_else_made_is_left_alone() {
    let plane = alone();
    let admin = &plane.admin;
    admin.delete(&named());
    let mut foreign = named();
    foreign["stringData"] = json!({"tls.crt": "theirs", "tls.key": "theirs"});
    foreign["type"] = "kubernetes.io/tls".into();
    let before = admin.create(&foreign).ok();
    let mut operator = Operator::start(&plane.operator);
    until("it says what is wrong", PATIENCE, || {
        let answer = operator.get("/readyz").unwrap_or_default();
        yes(answer.starts_with("HTTP/1.1 503") && answer.contains("was made by somebody else"), answer)
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(!operator.ready());
    assert_eq!(admin.get(&named()).unwrap()["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    // It goes on by itself when the name is free.
    admin.delete(&named()).ok();
    operator.wait_until_ready();
    assert_eq!(admin.get(&named()).unwrap()["metadata"]["labels"]["app.kubernetes.io/managed-by"], "domicile");
}

/// A Secret as cert-manager keeps it, with a certificate that ends then.
fn external(until: Timestamp) -> Value {
    let now = Timestamp::now();
    let authority = tls::authority(now, until).unwrap();
    let pair = tls::issue(&authority, &["127.0.0.1".to_owned()], now, until).unwrap();
    let mut secret = named();
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    secret["data"] = json!({
        "ca.crt": encoded(&authority.certificate), "tls.crt": encoded(&pair.certificate), "tls.key": encoded(&pair.key),
    });
    secret["type"] = "kubernetes.io/tls".into();
    secret
}

#[test]
fn a_certificate_of_somebody_else_is_served_followed_and_never_written() {
    let plane = alone();
    let admin = &plane.admin;
    admin.delete(&named());
    let ends = [3600, 7200].map(|seconds| Timestamp::now() + Duration::from_secs(seconds));
    admin.create(&external(ends[0])).ok();
    let (_front, setups) = two(&plane, &["--certificate-mode", "external"]);
    let running = setups.each_ref().map(Operator::started);
    let load = Load::start(&plane, "certificate-external");
    let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
    // Both authority and certificate are others from one moment to the next.
    let replaced = admin.patch(&named(), &external(ends[1])).ok();
    std::thread::sleep(Duration::from_secs(6));
    let outcome = load.finish();
    outcome.print("replaced from outside");
    outcome.every_review_was_answered();
    assert!(running.iter().all(Operator::ready));
    let line = format!("domicile_certificate_expiry_timestamp_seconds {}", ends[1].as_second());
    for operator in &running {
        let metrics = operator.get("/metrics").unwrap();
        assert!(metrics.lines().any(|one| one == line), "the new certificate is not served: {metrics}");
    }
    assert_eq!(version(&admin.get(&named()).unwrap()), version(&replaced));
    admin.delete(&named()).ok();
}
