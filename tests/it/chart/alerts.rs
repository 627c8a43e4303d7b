//! Alerts and the dashboard: that they are right in themselves, go off when they should, speak of metrics that there are, and
//! that somebody who is woken by one finds out what to do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use super::{RELEASE, chart, checkout, one, rendered};
use crate::harness;

static PROMTOOL: LazyLock<PathBuf> =
    LazyLock::new(|| harness::promtool(&mut |line| eprintln!("{line}")).expect("promtool"));

const RUNBOOK: &str = "https://example.org/runbook.md";

/// The rules, as the chart renders them for the Prometheus operator.
fn rules() -> Value {
    let objects = rendered(&["prometheusRule.enabled=true", &format!("prometheusRule.runbookUrl=\"{RUNBOOK}\"")]);
    one(&objects, "PrometheusRule", RELEASE)["spec"].clone()
}

fn alerts(rules: &Value) -> Vec<Value> {
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The dashboard, as the chart renders it for Grafana.
fn dashboard() -> Value {
    let objects = rendered(&["dashboard.enabled=true"]);
    let map = one(&objects, "ConfigMap", &format!("{RELEASE}-dashboard"));
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    serde_json::from_str(map["data"]["domicile.json"].as_str().unwrap()).unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

/// The expressions of the dashboard's panels.
fn shown() -> Vec<String> {
    let text = |target: &Value| target["expr"].as_str().unwrap().to_owned();
    panels()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap().iter().map(text).collect::<Vec<_>>())
        .collect()
}

/// Names of metrics in an expression.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("domicile_")).map(str::to_owned).collect()
}

/// Fails if the alerts or the dashboard speak of a metric that is not in this answer of a running operator.
#[track_caller]
pub fn exports_what_is_shown(scraped: &str) {
    let lines = scraped.lines().filter(|line| !line.starts_with('#'));
    let exported: BTreeSet<String> =
        lines.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect();
    let alerts = alerts(&rules());
    let told = alerts.iter().map(|alert| alert["expr"].as_str().unwrap().to_owned());
    let wanted: BTreeSet<String> = told.chain(shown()).flat_map(|expression| metrics(&expression)).collect();
    assert!(wanted.len() > 15, "{wanted:?}");
    let missing: Vec<_> = wanted.difference(&exported).collect();
    assert!(missing.is_empty(), "not exported: {missing:?}; exported: {exported:?}");
}

fn promtool(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(&*PROMTOOL).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn alerts_are_off_unless_they_are_asked_for() {
    let objects = rendered(&[]);
    let off = |one: &Value| {
        one["kind"] != "PrometheusRule" && one["metadata"]["name"] != format!("{RELEASE}-dashboard").as_str()
    };
    assert!(objects.iter().all(off));
}

#[test]
fn prometheus_takes_the_alerts_and_they_go_off_when_they_should() {
    let folder = tempfile::tempdir().unwrap();
    // YAML takes JSON.
    std::fs::write(folder.path().join("alerts.yaml"), rules().to_string()).unwrap();
    let (ok, said) = promtool(folder.path(), &["check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml"]);
    assert!(ok && said.contains("8 rules found"), "{said}");
    let tests = checkout("tests/it/chart/alerts.test.yaml");
    std::fs::copy(&tests, folder.path().join("alerts.test.yaml")).unwrap();
    let (ok, said) = promtool(folder.path(), &["test", "rules", "alerts.test.yaml"]);
    assert!(ok, "{said}");
    // None is left out.
    let tried = std::fs::read_to_string(tests).unwrap();
    for alert in alerts(&rules()) {
        let name = format!("alertname: {}", alert["alert"].as_str().unwrap());
        assert!(tried.lines().any(|line| line.trim_start_matches([' ', '-']) == name), "{name} is not tried");
    }
}

#[test]
fn prometheus_understands_what_the_dashboard_asks() {
    let folder = tempfile::tempdir().unwrap();
    let expressions = shown();
    assert!(expressions.len() >= panels().len());
    let asked: Vec<Value> = expressions
        .iter()
        .enumerate()
        // Grafana fills it in.
        .map(|(at, one)| serde_json::json!({"record": format!("shown:{at}"), "expr": one.replace("$__rate_interval", "5m")}))
        .collect();
    let rules = serde_json::json!({"groups": [{"name": "dashboard", "rules": asked}]});
    std::fs::write(folder.path().join("dashboard.yaml"), rules.to_string()).unwrap();
    let (ok, said) = promtool(folder.path(), &["check", "rules", "dashboard.yaml"]);
    assert!(ok, "{said}");
}

#[test]
fn every_alert_has_its_section_in_the_runbook() {
    let runbook = std::fs::read_to_string(checkout("docs/runbook.md")).unwrap();
    let sections: Vec<&str> = runbook.split("\n## ").skip(1).collect();
    let mut names = BTreeSet::new();
    for alert in alerts(&rules()) {
        let name = alert["alert"].as_str().unwrap();
        let annotations = &alert["annotations"];
        // As anchors are made of headings.
        assert_eq!(annotations["runbook_url"], format!("{RUNBOOK}#{}", name.to_lowercase()), "{name}");
        let section = sections.iter().find(|section| section.lines().next() == Some(name));
        let section = section.unwrap_or_else(|| panic!("{name} has no section"));
        for part in ["**What it means.**", "**How to look.**", "**What to do.**"] {
            assert!(section.contains(part), "{name}: {part}");
        }
        for text in [&annotations["summary"], &annotations["description"], &alert["labels"]["severity"]] {
            assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{name}: {alert}");
        }
        names.insert(name.to_owned());
    }
    assert_eq!(sections.len(), names.len(), "a section of an alert that is gone");
    // The chart renders the file as it is.
    let file = std::fs::read_to_string(chart().join("files/alerts.yaml")).unwrap();
    assert_eq!(file.matches("- alert: ").count(), names.len());
}
