//! `domicile surface`: what is judged, and what is not.

use std::collections::BTreeSet;

use domicile::catalogue;
use serde_json::{Value, json};

use super::{Run, domicile};

/// A type that nobody else knows.
const TAUGHT: &str = "
apiVersion: domicile.dev/v1alpha1
kind: ResourceInterpreter
metadata: {name: exports.example.org}
spec:
  resource: {group: example.org, versions: [v1, v2], kind: Export, plural: exports, scope: Cluster}
  destinations:
  - act: Transfer
    at: 'spec.targets[]'
    fields:
    - {path: region, says: Region, provider: aws, rewrite: true}
    - {path: url, says: Endpoint}
  - act: Backup
    fields:
    - {path: 'spec.targets[].url', says: Endpoint}
    - {path: '$.spec.archive', says: Bucket}
  notCovered: [what the exporter keeps in its cache]
";

fn document(run: &Run) -> Value {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let head = (&document["apiVersion"], &document["kind"], &document["notice"]);
    let wanted = ("domicile.dev/v1alpha1".into(), "Surface".into(), "engineering input, not legal advice".into());
    assert_eq!(head, (&wanted.0, &wanted.1, &wanted.2));
    document
}

fn surface(arguments: &[&str], stdin: &str) -> Run {
    domicile(&[&["surface"], arguments].concat(), stdin.as_bytes())
}

#[test]
fn the_table_names_kinds_with_their_versions_and_ends_with_what_is_not_covered() {
    let run = surface(&[], "");
    assert_eq!(run.code, Some(0), "{run:?}");
    let row = |group: &str, kind: &str| -> Vec<String> {
        let rows = run.stdout.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let found = rows.into_iter().find(|row| row.len() > 2 && row[0] == group && row[1] == kind);
        found.unwrap_or_else(|| panic!("no {kind} of {group}"))
    };
    assert_eq!(row("velero.io", "BackupStorageLocation")[2..5], ["v1", "Namespaced", "Backup"]);
    assert_eq!(row("karpenter.sh", "NodePool")[2..5], ["v1,v1beta1", "Cluster", "Process"]);
    assert!(row("core", "Pod").ends_with(&["built".into(), "in".into(), "yes".into(), "yes".into()]));
    // Nobody asks about these: they count where they are used.
    assert_eq!(row("core", "ConfigMap").last().map(String::as_str), Some("no"));
    let (_, not_covered) = run.stdout.split_once("\nNot covered:\n").unwrap();
    for part in ["  BackupStorageLocation.velero.io: ", "contents of secrets", "nodes/proxy", "image registries"] {
        assert!(not_covered.contains(part), "{part} is missing");
    }
}

#[test]
fn counts_are_those_of_the_interpreters() {
    let document = document(&surface(&["-o", "json"], ""));
    let built_in = catalogue::load().unwrap().interpreters;
    let kinds: BTreeSet<(&str, &str)> =
        built_in.iter().map(|one| (one.spec.resource.group.as_str(), one.spec.resource.kind.as_str())).collect();
    let groups: BTreeSet<&str> = kinds.iter().map(|(group, _)| *group).collect();
    let counts = &document["counts"];
    assert_eq!(
        (&counts["interpreters"], &counts["kinds"], &counts["groups"]),
        (&built_in.len().into(), &kinds.len().into(), &groups.len().into())
    );
    let rows = document["kinds"].as_array().unwrap();
    let listed = |key: &str| rows.iter().filter_map(|kind| kind[key].as_u64()).sum::<u64>();
    assert_eq!((rows.len(), Some(listed("paths"))), (kinds.len(), counts["paths"].as_u64()));
    let notes: usize = rows.iter().map(|kind| kind["notCovered"].as_array().unwrap().len()).sum();
    let distinct: BTreeSet<(&str, &str, &String)> = built_in
        .iter()
        .flat_map(|one| {
            let resource = &one.spec.resource;
            one.spec.not_covered.iter().map(|note| (resource.group.as_str(), resource.kind.as_str(), note))
        })
        .collect();
    assert_eq!(notes, distinct.len(), "every note is told");
}

#[test]
fn a_type_that_a_file_teaches_is_listed_and_one_of_the_same_name_is_replaced() {
    let run = surface(&["-f", "-", "-o", "json", "example.org"], TAUGHT);
    assert_eq!(run.code, Some(0), "{run:?}");
    let wanted = json!([{
        "group": "example.org",
        "kind": "Export",
        "plural": "exports",
        "versions": ["v1", "v2"],
        "scope": "Cluster",
        "acts": ["Backup", "Transfer"],
        "carries": [],
        "paths": 3,
        "rewrites": true,
        "asked": true,
        "interpreters": ["exports.example.org"],
        "notCovered": [{"versions": ["v1", "v2"], "note": "what the exporter keeps in its cache"}],
    }]);
    assert_eq!(document(&run)["kinds"], wanted);
    let count = |run: &Run| document(run)["counts"]["interpreters"].as_u64().unwrap();
    let (before, more) = (surface(&["-o", "json"], ""), surface(&["-f", "-", "-o", "json"], TAUGHT));
    assert_eq!(count(&more), count(&before) + 1);
    let instead = TAUGHT.replace("exports.example.org", "schedules.velero.io");
    let replaced = surface(&["-f", "-", "-o", "json"], &instead);
    assert_eq!(count(&replaced), count(&before));
    let kinds = document(&replaced)["kinds"].as_array().unwrap().clone();
    assert!(!kinds.iter().any(|kind| kind["group"] == "velero.io" && kind["kind"] == "Schedule"));
}

#[test]
fn filters_take_groups_kinds_and_plurals() {
    let found = |filter: &str| -> BTreeSet<String> {
        let document = document(&surface(&["-o", "json", filter], ""));
        let rows = ["kinds", "builtIn"].into_iter().flat_map(|list| document[list].as_array().unwrap().clone());
        let name = |row: Value| format!("{}.{}", row["kind"].as_str().unwrap(), row["group"].as_str().unwrap());
        rows.map(name).collect()
    };
    assert!(
        found("velero").contains("Schedule.velero.io") && found("velero").iter().all(|name| name.contains("velero"))
    );
    let backups = found("Backups");
    assert!(backups.contains("Backup.velero.io") && backups.contains("Backup.k8up.io"), "{backups:?}");
    assert_eq!(found("backup.velero.io"), BTreeSet::from(["Backup.velero.io".to_owned()]));
    assert_eq!(found("StatefulSet"), BTreeSet::from(["StatefulSet.apps".to_owned()]));
    assert!(found("core").is_superset(&BTreeSet::from(["Pod.".to_owned(), "Service.".to_owned()])));
}

#[test]
fn what_does_not_count_is_told() {
    let unknown = surface(&["no-such-kind"], "");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(64), ""), "{unknown:?}");
    assert!(unknown.stderr.contains("no-such-kind"), "{unknown:?}");
    for (what, text) in [
        ("no YAML", "a: [".to_owned()),
        ("another shape", TAUGHT.replace("act: Backup", "act: Nonsense")),
        ("a path that cannot be read", TAUGHT.replace("path: url", "path: 'a['")),
        ("a kind that is built in", TAUGHT.replace("group: example.org", "group: ''").replace("Export,", "Pod,")),
    ] {
        let run = surface(&["-f", "-"], &text);
        assert!(run.code == Some(65) && !run.stderr.is_empty(), "{what}: {run:?}");
    }
}
