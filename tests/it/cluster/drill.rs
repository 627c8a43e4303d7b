//! The drill with the operator dead: a thousand attempts to get personal data out, by every path, and a thousand requests
//! that are nobody's business.

use std::collections::BTreeMap;

use serde_json::json;

use super::attempts::{self, Attempt, Line, POLICIES, WEBHOOK};
use super::compiled::{claim, remove_webhooks};
use crate::client::{Client, reference};
use crate::plane::{alone, pod};
use crate::poll::{PATIENCE, until, yes};

/// How many of each sort; more with `DOMICILE_DRILL_ATTEMPTS`.
fn count() -> usize {
    std::env::var("DOMICILE_DRILL_ATTEMPTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000)
}

/// Sends all of them; how many each line refused, or what was let through. As long as the API server would ask the operator,
/// that is often the first line that a request meets.
fn drill<'a>(
    admin: &Client,
    all: impl IntoIterator<Item = &'a Attempt>,
    asks: bool,
) -> Result<BTreeMap<Line, usize>, String> {
    let mut refused = BTreeMap::new();
    let mut passed = Vec::new();
    for attempt in all {
        let answer = attempt.send(admin);
        match attempt.refused_by(&answer) {
            Some(line) if line == attempt.line || asks => *refused.entry(line).or_default() += 1,
            _ => passed.push(format!("{} does not refuse {attempt:?}: {} {}", attempt.line, answer.code, answer.body)),
        }
    }
    if passed.is_empty() { Ok(refused) } else { Err(format!("{} pass:\n{}", passed.len(), passed.join("\n"))) }
}

#[test]
fn a_thousand_attempts_are_refused_by_the_line_that_each_is_to_meet_and_nothing_else_is() {
    let plane = alone();
    let admin = &plane.admin;
    let operator = attempts::world(&plane);
    operator.kill();
    let all = attempts::all(count(), 11);

    let refused = drill(admin, &all, true).unwrap_or_else(|passed| panic!("{passed}"));
    println!("refused by each line: {refused:?}");
    plane.namespace("drill-harmless", &json!({}));
    for number in 0..count() {
        let name = format!("harmless-{number}");
        let manifest = match number % 4 {
            0 => pod("drill-harmless", &name, &json!({"app": "web"}), json!({"nodeName": "none"})),
            1 => claim("drill-harmless", &name, &json!({"storageClassName": "drill-us"})),
            2 => json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "drill-harmless"},
                "data": {"region": "us-east-1"},
            }),
            _ => json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "drill-harmless"},
                "spec": {"type": "ExternalName", "externalName": "api.us-east-1.example.com"},
            }),
        };
        admin.create(&manifest).ok();
    }

    // The next test has its own.
    for kind in ["pods", "persistentvolumeclaims", "configmaps", "services"] {
        let path = format!("/api/v1/namespaces/drill-harmless/{kind}");
        admin.send_all("DELETE", &path, "application/json", &json!({"gracePeriodSeconds": 0}), None).ok();
    }

    // A line that is taken away is missed: the drill fails. First whatever the operator would be asked about.
    let meeting = |line: Line| all.iter().filter(move |attempt| attempt.line == line);
    let dry = |line: Line| meeting(line).take(20).map(Attempt::dry).collect::<Vec<_>>();
    let missed = |line: Line| {
        let attempts = dry(line);
        until("the line is missed", PATIENCE, || yes(drill(admin, &attempts, false).is_err(), line));
    };
    // There is no configuration left to guard then.
    remove_webhooks(&plane);
    missed(WEBHOOK);
    let of_policies: Vec<Attempt> = all
        .iter()
        .filter(|attempt| attempt.line != WEBHOOK && attempt.line != "domicile-guard-webhooks")
        .map(Attempt::dry)
        .collect();
    let refused = drill(admin, &of_policies, false).unwrap_or_else(|passed| panic!("{passed}"));
    println!("refused by each line, with nobody left to ask: {refused:?}");
    for line in POLICIES.into_iter().filter(|line| *line != "domicile-guard-webhooks") {
        admin.delete(&reference("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "", line)).ok();
        missed(line);
    }
    admin.delete(&reference("domicile.dev/v1alpha1", "ResidencyPolicy", "", "drill")).ok();
}
