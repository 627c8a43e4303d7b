//! What may be set, and what may not.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{chart, template};

/// A value as `values.yaml` shows it.
pub struct Documented {
    /// `image.tag`.
    pub path: String,
    /// As it stands there.
    pub default: String,
    /// The lines of comment above it, as one.
    pub comment: String,
}

/// The values in their order. A line with a value is one; a line without names those indented below it.
pub fn documented() -> Vec<Documented> {
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    let mut values = Vec::new();
    let (mut parents, mut comment) = (Vec::<String>::new(), Vec::<&str>::new());
    for line in text.lines() {
        let content = line.trim_start();
        if let Some(words) = content.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        if let Some((key, default)) = content.split_once(':') {
            parents.truncate((line.len() - content.len()) / 2);
            parents.push(key.to_owned());
            let default = default.trim();
            if !default.is_empty() {
                let path = parents.join(".");
                values.push(Documented { path, default: default.to_owned(), comment: comment.join(" ") });
            }
        }
        comment.clear();
    }
    values
}

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

#[test]
fn every_value_is_commented_and_the_schema_knows_these_and_no_other() {
    fn paths(schema: &Value, prefix: &str, leaves: &BTreeSet<String>, found: &mut BTreeSet<String>) {
        assert_eq!(schema["additionalProperties"], false, "{prefix}* of the schema is open");
        for (key, below) in schema["properties"].as_object().unwrap() {
            let path = format!("{prefix}{key}");
            if leaves.contains(&path) || below.get("properties").is_none() {
                found.insert(path);
            } else {
                paths(below, &format!("{path}."), leaves, found);
            }
        }
    }
    let values = documented();
    let bare: Vec<_> = values.iter().filter(|one| one.comment.is_empty()).map(|one| &one.path).collect();
    assert!(bare.is_empty(), "no comment: {bare:?}");
    let leaves: BTreeSet<String> = values.into_iter().map(|one| one.path).collect();
    let mut known = BTreeSet::new();
    paths(&schema(), "", &leaves, &mut known);
    // Helm's own, where a chart is part of another.
    assert!(known.remove("global"));
    assert_eq!(known, leaves);
}

#[test]
fn what_the_chart_does_not_know_is_refused_at_every_level() {
    let values: Value = serde_saphyr::from_str(&std::fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    let objects: BTreeSet<String> = documented()
        .iter()
        .filter_map(|one| one.path.rsplit_once('.').map(|(parent, _)| format!("{parent}.")))
        .chain([String::new()])
        .collect();
    assert!(objects.len() > 8 && values.is_object());
    for object in objects {
        let run = template(&[&format!("{object}nonsense=1")]);
        assert!(!run.ok && run.stderr.contains("nonsense"), "{object}: {}", run.stderr);
    }
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for wrong in [
        "replicas=\"two\"",
        "replicas=-1",
        "image.digest=\"latest\"",
        "image.repository=\"\"",
        "image.pullPolicy=\"Sometimes\"",
        "operator.logFormat=\"xml\"",
        "networkPolicy.apiServer.cidrs=[\"10.0.0.1\"]",
        "networkPolicy.apiServer.ports=[]",
        "rbac.readable=[{\"apiGroups\":[\"example.org\"],\"resources\":[\"exports\"],\"verbs\":[\"*\"]}]",
        "serviceMonitor.interval=\"often\"",
        "reports.api=\"both\"",
        "reports.writesPerSecond=0",
        "eviction.perMinute=0",
        "prometheusRule.runbookUrl=\"\"",
        "telemetry.otlp.endpoint=\"collector:4318\"",
        "telemetry.otlp.endpoint=\"https://user:password@collector:4318\"",
        "telemetry.otlp.ratio=1.5",
        "networkPolicy.collector.ports=[]",
    ] {
        let run = template(&[wrong]);
        assert!(!run.ok && run.stderr.contains("schema"), "{wrong}: {}", run.stderr);
    }
}
