//! `domicile timeline`: what the law said and will say of a flow.

use serde_json::Value;

use super::{Run, domicile};

/// A flow that has relied on one framework after the other.
pub const FLOW: &str = "
---
apiVersion: v1
kind: Namespace
metadata: {name: cx}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: to-agency, namespace: cx}
spec:
  from: {collection: {countries: [DE]}}
  to: {recipient: {name: Agency, place: {country: US}, establishedIn: US, subjectTo: []}}
  parties: [{role: Controller, establishedIn: DE}]
  bases:
  - {mechanism: eu-us-safe-harbor, certified: {scheme: eu-us-safe-harbor}}
  - {mechanism: eu-us-privacy-shield, certified: {scheme: eu-us-privacy-shield}}
  - {mechanism: eu-us-dpf, certified: {scheme: eu-us-dpf, expires: '2040-01-01'}}
";

fn timeline(more: &[&str]) -> Run {
    let mut arguments = vec!["timeline", "-f", "-"];
    arguments.extend(more);
    domicile(&arguments, FLOW.as_bytes())
}

/// The rows of the only object: from, until, legal state, ground.
fn rows(run: &Run) -> Vec<[String; 4]> {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(
        (&document["kind"], &document["notice"]),
        (&"Timeline".into(), &"engineering input, not legal advice".into())
    );
    let rows = document["objects"][0]["rows"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.iter().map(|row| [&row["from"], &row["until"], &row["legal"], &row["grounds"][0]].map(text)).collect()
}

#[test]
fn frameworks_carry_a_flow_from_their_first_instant_to_their_last() {
    let run = timeline(&["-o", "json", "--from", "2010-01-01", "--until", "2026-01-01"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    // Days begin in Brussels, where it is two hours later than in UTC in summer.
    let wanted = [
        ["2010-01-01T00:00:00Z", "2015-10-05T22:00:00Z", "Permitted", "eu-us-safe-harbor"],
        ["2015-10-05T22:00:00Z", "2016-07-11T22:00:00Z", "Prohibited", "-"],
        ["2016-07-11T22:00:00Z", "2020-07-15T22:00:00Z", "Permitted", "eu-us-privacy-shield"],
        ["2020-07-15T22:00:00Z", "2023-07-09T22:00:00Z", "Prohibited", "-"],
        ["2023-07-09T22:00:00Z", "2026-01-01T00:00:00Z", "Permitted", "eu-us-dpf"],
    ];
    assert_eq!(rows(&run), wanted.map(|row| row.map(str::to_owned)));
}

#[test]
fn what_was_not_known_yet_is_not_shown() {
    let known = timeline(&["-o", "json", "--from", "2014-01-01", "--known-at", "2015-10-05"]);
    assert_eq!(rows(&known), [["2014-01-01T00:00:00Z", "-", "Permitted", "eu-us-safe-harbor"].map(str::to_owned)]);
    assert!(!known.stdout.contains("review"), "{known:?}");
    let later = timeline(&["--from", "2014-01-01", "--until", "2016-01-01", "--known-at", "2015-10-07"]);
    assert!(later.stdout.contains("in force then; later annulled retroactively"), "{later:?}");
}

#[test]
fn the_next_change_is_the_first_one_after_now() {
    let run = timeline(&["--at", "2016-01-01"]);
    assert!(run.stdout.contains("next change after 2016-01-01T00:00:00Z: 2016-07-11T22:00:00Z"), "{run:?}");
    let run = timeline(&["--at", "2030-01-01"]);
    assert!(run.stdout.contains("next change after 2030-01-01T00:00:00Z: 2039-12-31T23:00:00Z"), "{run:?}");
    assert_eq!(run.stdout.matches("engineering input, not legal advice").count(), 1);
}

#[test]
fn origins_travel_again_when_a_review_ends() {
    let chain = "
---
apiVersion: v1
kind: Namespace
metadata: {name: cx}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: answers, namespace: cx}
spec: {origins: [DE]}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: figures, namespace: cx}
spec: {origins: [US], residence: {country: US}, parties: [{role: Controller, establishedIn: US}]}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: aggregate, namespace: cx}
spec:
  from: {dataStore: {name: answers}}
  to: {dataStore: {name: figures}}
  transformation: {kind: Aggregated, method: k-anonymity, performedIn: DE, minimumGroup: 30, reidentificationAssessment: dpia-2026-04, reviewedBy: dpo, expires: '2027-03-01T00:00:00Z'}
";
    let run = domicile(&["timeline", "-f", "-", "--from", "2026-12-01", "-o", "json"], chain.as_bytes());
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let store = document["objects"].as_array().unwrap().iter().find(|one| one["name"] == "figures").unwrap();
    let rows = store["rows"].as_array().unwrap();
    assert_eq!((&rows[0]["action"], &rows[1]["action"]), (&"Allow".into(), &"Refuse".into()), "{store}");
    assert_eq!(rows[1]["from"], "2027-03-01T00:00:00Z");
}

#[test]
fn a_time_that_ends_before_it_begins_is_a_usage_error() {
    let run = timeline(&["--from", "2020-01-01", "--until", "2019-01-01"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{run:?}");
}
