//! `domicile whatif`: what breaks when a framework falls.

use serde_json::Value;

use super::timeline::FLOW;
use super::{Run, domicile};

/// The same with a contract beside, a store that relies on the framework alone, and a pod of that store.
const OTHERS: &str = "
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: insured, namespace: cx}
spec:
  from: {collection: {countries: [DE]}}
  to: {recipient: {name: Agency, place: {country: US}, establishedIn: US, subjectTo: []}}
  parties: [{role: Controller, establishedIn: DE}]
  bases:
  - {mechanism: eu-us-dpf, certified: {scheme: eu-us-dpf, expires: '2040-01-01'}}
  - mechanism: eu-scc
    instrument: {text: 2021/914, module: 1, concluded: '2024-01-01'}
    assessment: {kind: TransferImpact, outcome: EssentiallyEquivalent}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: crm, namespace: cx}
spec:
  origins: [DE]
  residence: {country: US}
  parties:
  - {role: Controller, establishedIn: DE}
  - {role: Processor, establishedIn: US, subjectTo: []}
  bases: [{mechanism: eu-us-dpf, certified: {scheme: eu-us-dpf, expires: '2040-01-01'}}]
  workloads: {selector: {matchLabels: {app: crm}}}
---
apiVersion: v1
kind: Pod
metadata: {name: crm-0, namespace: cx, labels: {app: crm}}
spec:
  nodeSelector: {domicile.node-restriction.kubernetes.io/country: US}
  containers: [{name: app, image: 'example.org/app:1'}]
";

fn whatif(more: &[&str]) -> Run {
    let mut arguments = vec!["whatif", "-f", "-", "--at", "2026-11-22"];
    arguments.extend(more);
    domicile(&arguments, format!("{FLOW}{OTHERS}").as_bytes())
}

fn broken(run: &Run) -> Vec<Value> {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(
        (&document["kind"], &document["notice"]),
        (&"WhatIf".into(), &"engineering input, not legal advice".into())
    );
    document["broken"].as_array().unwrap().clone()
}

#[test]
fn what_relies_on_one_ground_alone_breaks_on_the_day_on_which_it_ends() {
    let run = whatif(&["--end", "eu-us-dpf=2027-01-01", "-o", "json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let broken = broken(&run);
    let names: Vec<&str> = broken.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["to-agency", "crm", "crm-0"], "the flow with a second basis must not break");
    for one in &broken {
        assert_eq!((&one["on"], &one["from"]), (&"2027-01-01".into(), &"2026-12-31T23:00:00Z".into()), "{one}");
        assert_eq!((&one["before"]["action"], &one["after"]["action"]), (&"Allow".into(), &"Refuse".into()));
        let alternatives = one["alternatives"].as_array().unwrap();
        let contract = alternatives.iter().find(|other| other["mechanism"] == "eu-scc-2021");
        let contract = contract.unwrap_or_else(|| panic!("no contract among the alternatives of {one}"));
        assert_eq!((&contract["from"], &contract["to"]), (&"DE".into(), &"US".into()));
        assert!(
            contract["asks"].as_array().unwrap().iter().any(|ask| ask.as_str().unwrap().contains("impact assessment"))
        );
        assert!(alternatives.iter().all(|other| other["mechanism"] != "eu-us-dpf"));
        assert_eq!(one["fines"][0]["notice"], "statutory maximum, not a forecast");
        assert_eq!(one["fines"][0]["fixed"], 20_000_000);
    }
}

#[test]
fn a_family_ends_with_its_members_in_force() {
    let run = whatif(&["--end", "eu-us-certification=2027-01-01", "-o", "json"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let ended: Vec<&str> =
        document["endings"].as_array().unwrap().iter().map(|one| one["mechanism"].as_str().unwrap()).collect();
    assert_eq!((run.code, ended), (Some(1), vec!["eu-us-dpf"]));
}

#[test]
fn nothing_breaks_where_nothing_relies_on_it() {
    let run = whatif(&["--end", "eu-bcr=2027-01-01"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("nothing breaks from 2026-11-22T00:00:00Z until "), "{run:?}");
}

#[test]
fn what_is_added_can_break_or_mend() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let strict = write(
        "strict.yaml",
        "
apiVersion: domicile.dev/v1alpha1
kind: ResidencyPolicy
metadata: {name: contracts-only}
spec: {residence: {Backup: [Law]}, transfers: {acceptedGrounds: [StandardContractualClauses]}, mode: Enforce}
",
    );
    let run = whatif(&["--add", &strict, "-o", "json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(broken(&run)[0]["on"], "2026-11-22");
    let contract = "
  - mechanism: eu-scc
    instrument: {text: 2021/914, module: 1, concluded: '2024-01-01'}
    assessment: {kind: TransferImpact, outcome: EssentiallyEquivalent}
";
    let mended = write("mended.yaml", &format!("{}{}", FLOW.trim_end(), contract));
    let run = whatif(&["--end", "eu-us-dpf=2027-01-01", "--add", &mended, "-o", "json"]);
    let names: Vec<Value> = broken(&run).iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["crm", "crm-0"], "{run:?}");
}

#[test]
fn the_table_names_the_day_the_maximum_and_the_way_out() {
    let run = whatif(&["--end", "eu-us-dpf=2027-01-01"]);
    for part in [
        "If eu-us-dpf ended on 2027-01-01 (2026-12-31T23:00:00Z):",
        "DataFlow/to-agency (cx) breaks on 2027-01-01",
        "the higher of EUR 20 000 000 and 4 % of turnover (statutory maximum, not a forecast); law of EEA",
        "Instead: eu-scc-2021 (StandardContractualClauses), which asks: ",
    ] {
        assert!(run.stdout.contains(part), "{part:?} is missing in {}", run.stdout);
    }
    assert_eq!(run.stdout.matches("engineering input, not legal advice").count(), 1);
}

#[test]
fn what_cannot_end_is_a_usage_error() {
    for (end, says) in [
        ("eu-us-dfp=2027-01-01", "did you mean eu-us-"),
        ("eu-us-safe-harbor=2027-01-01", "eu-us-safe-harbor ended before"),
        ("eu-us-dpf", "NAME=DATE"),
        ("eu-us-dpf=soon", "neither a day"),
    ] {
        let run = whatif(&["--end", end]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{end}: {run:?}");
        assert!(run.stderr.contains(says), "{end}: {run:?}");
    }
    assert_eq!(whatif(&[]).code, Some(64));
}
