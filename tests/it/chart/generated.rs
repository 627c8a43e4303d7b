//! Files that are written from others, and stale when those change. To write them anew:
//! `DOMICILE_WRITE=1 cargo test --test it chart::generated`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use domicile::catalogue;

use super::values::documented;
use super::{NAMESPACE, RELEASE, chart, checkout, helm};

/// Fails if a file is not as it should be, or makes it so.
#[track_caller]
fn fresh(path: &Path, wanted: &str) {
    if std::env::var_os("DOMICILE_WRITE").is_some_and(|value| value == "1") {
        std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let name = path.strip_prefix(checkout("")).unwrap().display();
    assert!(
        found == wanted,
        "{name} is stale; write it anew by DOMICILE_WRITE=1 cargo test --test it chart::generated"
    );
}

#[test]
fn the_chart_has_the_definitions() {
    let folder = chart().join("files/crds");
    let read = |folder: &Path| -> BTreeSet<_> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let wanted = read(&checkout("crds"));
    for name in &wanted {
        fresh(&folder.join(name), &std::fs::read_to_string(checkout("crds").join(name)).unwrap());
    }
    assert_eq!(read(&folder), wanted, "and no other");
}

#[test]
fn the_operator_may_read_every_type_that_is_described_and_no_secret() {
    let interpreters = catalogue::load().unwrap().interpreters;
    let mut plurals: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let watched = interpreters.iter().filter(|one| !one.is_family());
    for resource in watched.map(|one| &one.spec.resource) {
        plurals.entry(&resource.group).or_default().insert(&resource.plural);
    }
    plurals.get_mut("").unwrap().remove("secrets");
    let mut text = String::from(
        "# What the built-in interpreters describe, as rules of a role; generated, as chart::generated of the tests says.\n",
    );
    for (group, plurals) in plurals {
        let group = if group.is_empty() { "\"\"" } else { group };
        let plurals: Vec<&str> = plurals.into_iter().collect();
        writeln!(text, "- apiGroups: [{group}]\n  resources: {}\n  verbs: [list, watch]", flow(&plurals, 2)).unwrap();
    }
    fresh(&chart().join("files/interpreted.yaml"), &text);
}

/// A YAML list in lines that are not too long.
fn flow(items: &[&str], indent: usize) -> String {
    const WIDTH: usize = 110;
    let line = format!("[{}]", items.join(", "));
    if line.len() + indent + "resources: ".len() <= WIDTH {
        return line;
    }
    let margin = " ".repeat(indent + 2);
    let mut lines = vec![margin.clone() + "  "];
    for (at, item) in items.iter().enumerate() {
        let item = if at + 1 == items.len() { (*item).to_owned() } else { format!("{item},") };
        if lines.last().unwrap().len() + item.len() + 1 > WIDTH {
            lines.push(margin.clone() + "  ");
        }
        let last = lines.last_mut().unwrap();
        if last.trim().is_empty() { last.push_str(&item) } else { last.extend([" ", &item]) }
    }
    format!("\n{margin}[\n{}\n{margin}]", lines.join("\n"))
}

#[test]
fn the_permissions_without_helm_are_those_of_the_chart() {
    // Which the chart has in it.
    the_operator_may_read_every_type_that_is_described_and_no_secret();
    let chart = chart();
    let mut text = format!(
        "# The operator's account and what it may do, for those who run it outside the cluster: as the chart renders it.\n\
         apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n"
    );
    for template in ["serviceaccount", "rbac", "anchor"] {
        let file = format!("templates/{template}.yaml");
        let arguments = ["template", RELEASE, chart.to_str().unwrap(), "--namespace", NAMESPACE, "-s", &file];
        let run = helm(&arguments);
        assert!(run.ok, "{}", run.stderr);
        text.push_str(&run.stdout);
    }
    fresh(&checkout("examples/install/rbac.yaml"), &text);
}

#[test]
fn the_readme_explains_every_value() {
    const BEGIN: &str = "<!-- values -->\n";
    const END: &str = "<!-- end of values -->";
    let path = chart().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let mut table = String::from("\n| value | default | what it is |\n|---|---|---|\n");
    for value in documented() {
        writeln!(table, "| `{}` | `{}` | {} |", value.path, value.default, value.comment.replace('|', "\\|")).unwrap();
    }
    fresh(&path, &format!("{head}{BEGIN}{table}\n{END}{tail}"));
}

#[test]
fn artifact_hub_lists_every_kind_and_the_version_is_the_operators() {
    let chart: serde_json::Value =
        serde_saphyr::from_str(&std::fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap();
    for version in ["version", "appVersion"] {
        assert_eq!(chart[version], env!("CARGO_PKG_VERSION"), "{version}");
    }
    let listed: Vec<serde_json::Value> =
        serde_saphyr::from_str(chart["annotations"]["artifacthub.io/crds"].as_str().unwrap()).unwrap();
    let listed: Vec<_> = listed.iter().map(|one| (one["name"].as_str(), one["kind"].as_str())).collect();
    let definitions = domicile::api::v1alpha1::definitions();
    let wanted: Vec<_> =
        definitions.iter().map(|one| (one.metadata.name.as_deref(), Some(one.spec.names.kind.as_str()))).collect();
    assert_eq!(listed, wanted);
}
