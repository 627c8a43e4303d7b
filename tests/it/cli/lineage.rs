//! `domicile lineage`: where the data of each store comes from.

use serde_json::{Value, json};

use super::{Run, domicile};

/// Answers are copied into a warehouse, where a pod that also works in reports takes them; figures get only aggregates.
const STORES: &str = "
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
metadata: {name: warehouse, namespace: cx}
spec: {subjectsIn: [FR], secrets: [warehouse-password]}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: reports, namespace: cx}
spec: {origins: [US], workloads: {selector: {matchLabels: {app: reports}}}}
---
apiVersion: domicile.dev/v1alpha1
kind: DataStore
metadata: {name: figures, namespace: cx}
spec: {origins: [US]}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: copy, namespace: cx}
spec: {from: {dataStore: {name: answers}}, to: {dataStore: {name: warehouse}}}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: survey, namespace: cx}
spec: {from: {collection: {countries: [IT]}}, to: {dataStore: {name: reports}}}
---
apiVersion: domicile.dev/v1alpha1
kind: DataFlow
metadata: {name: aggregate, namespace: cx}
spec:
  from: {dataStore: {name: answers}}
  to: {dataStore: {name: figures}}
  transformation: {kind: Aggregated, method: k-anonymity, performedIn: DE, minimumGroup: 30, reidentificationAssessment: dpia-2026-04, reviewedBy: dpo, expires: '2027-03-01T00:00:00Z'}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: report, namespace: cx}
spec:
  selector: {matchLabels: {app: reports}}
  template:
    metadata: {labels: {app: reports}}
    spec:
      containers:
      - {name: app, image: 'example.org/app:1', envFrom: [{secretRef: {name: warehouse-password}}]}
";

fn lineage(more: &[&str]) -> Run {
    let mut arguments = vec!["lineage", "-f", "-"];
    arguments.extend(more);
    domicile(&arguments, STORES.as_bytes())
}

fn stores(run: &Run) -> Vec<Value> {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(
        (&document["kind"], &document["notice"]),
        (&"Lineage".into(), &"engineering input, not legal advice".into())
    );
    document["stores"].as_array().unwrap().clone()
}

#[test]
fn every_inherited_origin_has_a_path_that_a_person_can_follow() {
    let run = lineage(&["-o", "json", "--at", "2026-11-22", "cx/reports"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let wanted = json!([{
        "namespace": "cx",
        "name": "reports",
        "declared": [{"origin": "US", "through": ["spec.origins"]}],
        "inherited": [
            {"origin": "DE", "through": ["DataStore cx/answers", "DataFlow cx/copy", "DataStore cx/warehouse", "Deployment/cx/report"]},
            {"origin": "FR", "through": ["DataStore cx/warehouse", "Deployment/cx/report"]},
            {"origin": "IT", "through": ["DataFlow cx/survey"]},
        ],
        "declaredClaims": [],
    }]);
    assert_eq!(Value::from(stores(&run)), wanted);
}

#[test]
fn the_table_says_what_keeps_origins_away_and_until_when() {
    let run = lineage(&["--at", "2026-11-22", "figures"]);
    let wanted = "DataStore/figures (cx)
  ORIGIN  THROUGH
  US      spec.origins
  inherits nothing
  declared claim of DataStore cx/answers > DataFlow cx/aggregate: Aggregated (k-anonymity), reviewed by dpo, until \
                  2027-03-01T00:00:00Z; keeps away DE

engineering input, not legal advice
";
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), wanted), "{run:?}");
    let later = lineage(&["--at", "2027-03-01", "figures"]);
    assert!(later.stdout.contains("  DE      DataStore cx/answers > DataFlow cx/aggregate\n"), "{later:?}");
    assert!(later.stdout.contains("ended 2027-03-01T00:00:00Z; origins travel with the flow"), "{later:?}");
}

#[test]
fn every_store_is_told_of_by_name() {
    let run = lineage(&["-o", "json"]);
    let names: Vec<Value> = stores(&run).iter().map(|store| store["name"].clone()).collect();
    assert_eq!(Value::from(names), json!(["answers", "figures", "reports", "warehouse"]));
    let none = domicile(&["lineage", "-f", "-"], b"");
    assert_eq!(none.code, Some(0), "{none:?}");
    assert!(none.stdout.starts_with("no DataStore is among the files\n"), "{none:?}");
}

#[test]
fn exit_codes_are_those_of_the_other_commands() {
    let unknown = lineage(&["nobody"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(64), ""), "{unknown:?}");
    assert_eq!(domicile(&["lineage"], b"").code, Some(64));
    assert_eq!(domicile(&["lineage", "-f", "-"], b"a: [").code, Some(65));
    assert_eq!(domicile(&["lineage", "--help"], b"").code, Some(0));
}
