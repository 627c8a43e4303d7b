//! The planner: what has to be written, and what has not.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::contents::{Contents, MOST, id};
use super::*;
use crate::catalogue;
use crate::index::{Index, Judged, Object, Subject};

const API: ReportApi = ReportApi::OpenReports;
const NOON: Stamp = Stamp { seconds: 43_200, nanos: 0 };

/// An index with pods that carry German data; those whose node is `iad` run in America.
fn index(pods: &[(&str, &str)]) -> Index {
    let mut index = Index::new(catalogue::load().unwrap());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "cx", "labels": {"domicile.dev/origin": "DE"}}});
    let node = |name: &str, zone: &str| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"providerID": format!("aws:///{zone}/i-0")}})
    };
    let pods = pods.iter().map(|(name, node)| pod(name, node));
    for manifest in [namespace, node("fra", "eu-central-1a"), node("iad", "us-east-1a")].into_iter().chain(pods) {
        index.apply(object(manifest));
    }
    index
}

fn object(manifest: Value) -> Object {
    Object::from_manifest(manifest).unwrap().unwrap()
}

fn pod(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "cx", "name": name, "uid": format!("uid-{name}")},
        "spec": {"nodeName": node, "containers": [{"name": "app", "env": [{"name": "TOKEN", "value": "canary-7f3a"}]}]},
    })
}

fn audit(index: &mut Index) -> Audit {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    index.refresh(now);
    index.observe(now).audit
}

/// Carries out a plan on what stands there, as the API server would.
fn carry_out(audit: &Audit, present: &mut Reports, now: Stamp) -> Vec<(Name, Step)> {
    let steps = plan::plan(audit, present, API, None);
    for (key, step) in &steps {
        match step {
            Step::Write(position) => {
                let report = plan::report(&audit.objects[*position], API, present, now);
                // What the API server gives back is what is read by the watch.
                let written: DynamicObject = serde_json::from_value(serde_json::to_value(&report).unwrap()).unwrap();
                present.insert(key.clone(), Present::read(&written));
            }
            Step::Delete => drop(present.remove(key)),
        }
    }
    steps
}

fn names(steps: &[(Name, Step)]) -> Vec<(&str, bool)> {
    steps.iter().map(|((_, name), step)| (name.as_str(), matches!(step, Step::Write(_)))).collect()
}

#[test]
fn only_what_is_wrong_has_a_report_and_nothing_is_written_twice() {
    let mut index = index(&[("home", "fra"), ("abroad", "iad")]);
    let mut present = Reports::new();
    let first = audit(&mut index);
    assert_eq!((first.in_scope, first.unproven), (2, 0));
    assert_eq!(names(&carry_out(&first, &mut present, NOON)), [("domicile-uid-abroad", true)]);
    assert_eq!(carry_out(&audit(&mut index), &mut present, NOON), []);

    // A pod that moves in is one write, one that goes is one deletion.
    index.apply(object(pod("late", "iad")));
    index.delete(crate::index::Kind::Pod, "cx", "abroad");
    let steps = carry_out(&audit(&mut index), &mut present, NOON);
    assert_eq!(names(&steps), [("domicile-uid-abroad", false), ("domicile-uid-late", true)]);
    // One of the same name is another object.
    let again = {
        let mut again = pod("late", "iad");
        again["metadata"]["uid"] = json!("uid-again");
        again
    };
    index.apply(object(again));
    let steps = carry_out(&audit(&mut index), &mut present, NOON);
    assert_eq!(names(&steps), [("domicile-uid-again", true), ("domicile-uid-late", false)]);
}

#[test]
fn a_report_says_what_the_schema_wants_and_nothing_of_what_is_in_the_object() {
    let audit = audit(&mut index(&[("abroad", "iad")]));
    let report = plan::report(&audit.objects[0], API, &Reports::new(), NOON);
    let mut report = serde_json::to_value(report).unwrap();
    assert!(!report.to_string().contains("canary"), "{report}");
    // The words are the policy's, and change with it.
    let message = report["results"][0].as_object_mut().unwrap().remove("message").unwrap();
    let message = message.as_str().unwrap();
    assert!(message.starts_with("[RES-PLACE] spec.nodeName: would process personal data of DE"), "{message}");
    let owner = json!({
        "apiVersion": "v1", "kind": "Pod", "name": "abroad", "uid": "uid-abroad",
        "controller": false, "blockOwnerDeletion": false,
    });
    // An id is only ever compared with itself.
    let properties = report["results"][0]["properties"].as_object_mut().unwrap();
    assert_eq!(properties.remove("resultID").unwrap().as_str().unwrap().len(), 16);
    assert_eq!(
        report,
        json!({
            "apiVersion": "openreports.io/v1alpha1", "kind": "Report",
            "metadata": {
                "namespace": "cx", "name": "domicile-uid-abroad", "ownerReferences": [owner],
                "labels": {
                    "app.kubernetes.io/component": "audit", "app.kubernetes.io/managed-by": "domicile",
                    "app.kubernetes.io/part-of": "domicile",
                },
            },
            "source": "domicile",
            "scope": {"apiVersion": "v1", "kind": "Pod", "namespace": "cx", "name": "abroad", "uid": "uid-abroad"},
            "summary": {"fail": 1, "warn": 0, "pass": 0, "error": 0, "skip": 0},
            "results": [{
                "policy": "law", "rule": "RES-PLACE", "category": "Data Residency", "result": "fail", "severity": "high",
                "scored": true, "source": "domicile", "timestamp": {"seconds": 43_200, "nanos": 0},
                "properties": {
                    "channel": "Process", "fieldPath": "spec.nodeName", "fromCountry": "DE", "toCountry": "US",
                    "mode": "Enforce",
                },
            }],
        })
    );
    let older = plan::report(&audit.objects[0], ReportApi::PolicyReports, &Reports::new(), NOON);
    let older = serde_json::to_value(older).unwrap();
    assert_eq!([&older["apiVersion"], &older["kind"]], ["wgpolicyk8s.io/v1alpha2", "PolicyReport"]);
    assert!(older["source"].is_null() && older["results"][0]["source"] == "domicile", "{older}");
}

#[test]
fn a_result_keeps_its_time_and_its_id_while_it_lasts() {
    let mut index = index(&[("abroad", "iad")]);
    let mut present = Reports::new();
    carry_out(&audit(&mut index), &mut present, NOON);
    // A second policy finds the same breach.
    index.apply(object(json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "strict"},
        "spec": {"residence": {"Process": ["DE"]}},
    })));
    let second = audit(&mut index);
    let later = Stamp { seconds: 50_000, nanos: 0 };
    let report = plan::report(&second.objects[0], API, &present, later);
    let contents: Contents = serde_json::from_value(report.data).unwrap();
    let told: Vec<(&str, i64)> =
        contents.results.iter().map(|one| (one.policy.as_str(), one.timestamp.seconds)).collect();
    assert_eq!(told, [("law", NOON.seconds), ("strict", later.seconds)]);
    assert_eq!(names(&carry_out(&second, &mut present, later)), [("domicile-uid-abroad", true)]);
    assert_eq!(carry_out(&audit(&mut index), &mut present, NOON), []);
}

#[test]
fn what_somebody_else_has_changed_is_put_right() {
    let audit = audit(&mut index(&[("abroad", "iad")]));
    let report = plan::report(&audit.objects[0], API, &Reports::new(), NOON);
    let key = key(&report);
    let changed = |change: &dyn Fn(&mut DynamicObject)| {
        let mut changed = report.clone();
        change(&mut changed);
        let present = Reports::from([(key.clone(), Present::read(&changed))]);
        plan::plan(&audit, &present, API, None).len()
    };
    assert_eq!(changed(&|_| ()), 0);
    assert_eq!(changed(&|report| report.data["results"] = json!([])), 1);
    assert_eq!(changed(&|report| report.data["summary"]["fail"] = json!(0)), 1);
    assert_eq!(changed(&|report| report.data["results"] = json!("nonsense")), 1);
    assert_eq!(changed(&|report| report.metadata.owner_references = None), 1);
    // What other programs add for themselves is theirs.
    assert_eq!(changed(&|report| report.metadata.annotations = Some(BTreeMap::new())), 0);
}

#[test]
fn an_echo_of_what_was_written_before_is_no_news() {
    let audit = audit(&mut index(&[("abroad", "iad")]));
    let report = |version: &str, fail: i64| {
        let mut report = plan::report(&audit.objects[0], API, &Reports::new(), NOON);
        report.metadata.resource_version = Some(version.to_owned());
        report.data["summary"]["fail"] = json!(fail);
        report
    };
    let mut seen = Seen::default();
    assert!(seen.note(true, Event::Apply(report("7", 1))));
    assert!(!seen.note(true, Event::Apply(report("7", 1))));
    assert!(!seen.note(true, Event::Apply(report("6", 2))), "older than what is known");
    assert!(!seen.note(true, Event::Delete(report("5", 1))), "it was made again since");
    assert_eq!(plan::plan(&audit, &seen.present, API, None), []);
    assert!(seen.note(true, Event::Apply(report("10", 2))), "ten is more than seven");
    assert!(seen.note(true, Event::Delete(report("11", 2))));
    // A new list begins anew, whatever the versions were.
    seen.note(true, Event::Apply(report("12", 1)));
    seen.note(true, Event::Init);
    assert!(seen.note(true, Event::InitApply(report("3", 1))));
}

#[test]
fn details_are_capped_and_counts_are_exact() {
    let audit = audit(&mut index(&[("abroad", "iad")]));
    let judged = &audit.objects[0];
    let many = |number: usize| {
        let each = (0..number).map(|position| {
            let mut found = judged.findings[0].clone();
            found.finding.field = format!("spec.containers[{position}]");
            found
        });
        Judged { findings: each.collect(), ..Judged::clone(judged) }
    };
    let contents = Contents::of(&many(MOST + 7), API);
    assert_eq!((contents.results.len(), contents.summary.fail), (MOST, 57));
    // The order in which something is found changes nothing.
    let mut reversed = many(MOST + 7);
    reversed.findings.reverse();
    assert_eq!(Contents::of(&reversed, API), contents);
    let ids: std::collections::BTreeSet<&str> = contents.results.iter().map(id).collect();
    assert_eq!(ids.len(), MOST);
}

#[test]
fn a_flip_of_many_objects_is_one_write_each_and_goes_on_where_it_was() {
    const NUMBER: usize = 10_000;
    let template = audit(&mut index(&[("abroad", "iad")])).objects.remove(0);
    let object = |position: usize| {
        let subject = Subject { uid: format!("{position:05}"), ..template.subject.clone() };
        Arc::new(Judged { subject, ..Judged::clone(&template) })
    };
    let flipped = Audit { objects: (0..NUMBER).map(object).collect(), ..Audit::default() };
    let mut present = Reports::new();
    let steps = plan::plan(&flipped, &present, API, None);
    assert_eq!(steps.len(), NUMBER);
    // Half of them are written when something else changes.
    for (key, step) in &steps[..NUMBER / 2] {
        let Step::Write(position) = step else { panic!("{key:?}") };
        let report = plan::report(&flipped.objects[*position], API, &present, NOON);
        present.insert(key.clone(), Present::read(&report));
    }
    let last = &steps[NUMBER / 2 - 1].0;
    let mut changed = flipped.clone();
    Arc::make_mut(&mut changed.objects[0]).findings[0].finding.message.push_str(", still");
    let rest = plan::plan(&changed, &present, API, Some(last));
    assert_eq!(rest.len(), NUMBER / 2 + 1);
    assert_eq!(rest[0].0, steps[NUMBER / 2].0, "whoever has waited is next");
    assert_eq!(rest.last().unwrap().0.1, "domicile-00000", "what has changed again waits its turn");
}

#[test]
fn one_api_is_written_to_and_never_both() {
    let both = || [ReportApi::OpenReports, ReportApi::PolicyReports].into();
    let older = || [ReportApi::PolicyReports].into();
    let chosen = |choice: ReportChoice| [choice.of(&both()), choice.of(&older()), choice.of(&[].into())];
    let (new, old) = (Some(ReportApi::OpenReports), Some(ReportApi::PolicyReports));
    assert_eq!(chosen(ReportChoice::Auto), [new, old, None]);
    assert_eq!(chosen(ReportChoice::Openreports), [new, None, None]);
    assert_eq!(chosen(ReportChoice::Wgpolicy), [old, old, None]);
    assert_eq!(chosen(ReportChoice::None), [None, None, None]);
}

#[tokio::test]
async fn the_budget_spreads_writes() {
    let budget = Budget::new(100);
    let started = Instant::now();
    for _ in 0..11 {
        budget.turn().await;
    }
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
}
