//! The Helm chart: what it renders, what its values may be, and that the API server takes all of it.

pub mod alerts;
mod cluster;
mod generated;
mod templates;
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::client::documents;
use crate::harness;

/// Name of the release, and with it of everything in it.
const RELEASE: &str = "domicile";
/// Where it goes.
const NAMESPACE: &str = "domicile-system";

static HELM: LazyLock<PathBuf> = LazyLock::new(|| harness::helm(&mut |line| eprintln!("{line}")).expect("helm"));

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn chart() -> PathBuf {
    checkout("charts/domicile")
}

/// How a run of helm ended, and what it printed.
struct Run {
    ok: bool,
    stdout: String,
    stderr: String,
}

/// helm, apart from the settings and caches of whoever runs the tests.
fn helm(arguments: &[&str]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(&*HELM)
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run { ok: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// What `helm template` makes of the chart with these settings, as text.
fn template(settings: &[&str]) -> Run {
    let chart = chart();
    let mut arguments = vec!["template", RELEASE, chart.to_str().unwrap(), "--namespace", NAMESPACE];
    for setting in settings {
        arguments.extend(["--set-json", setting]);
    }
    helm(&arguments)
}

/// The objects that it renders with these settings.
#[track_caller]
fn rendered(settings: &[&str]) -> Vec<Value> {
    let run = template(settings);
    assert!(run.ok, "{settings:?}: {}", run.stderr);
    documents(&run.stdout)
}

/// The one object of a kind and name.
#[track_caller]
fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    match (found.next(), found.next()) {
        (Some(one), None) => one,
        _ => panic!("not exactly one {kind} {name} in {:?}", names(objects)),
    }
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|one| one["kind"] == kind).collect()
}

fn names(objects: &[Value]) -> Vec<String> {
    objects.iter().map(|one| format!("{} {}", one["kind"], one["metadata"]["name"])).collect()
}

/// The elements of a list of texts.
fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
}
