//! The case table through `domicile check`.

use std::collections::BTreeSet;
use std::fmt::Write;

use domicile::engine::explain;
use domicile::interpret::Operation;
use serde_json::{Value, json};

use super::{Run, domicile};
use crate::cases::{self, Case, Layer};

/// Updates and connections cannot be said in files: there is no object before, and nobody who asks. Count them anew when the
/// table has more.
const UNSAID: usize = 52;

#[test]
fn every_case_comes_out_of_the_command_line_as_written() {
    let all = cases::all();
    let (unsaid, cases): (Vec<Case>, Vec<Case>) = all.into_iter().partition(|case| case.operation != Operation::Create);
    assert_eq!(unsaid.len(), UNSAID, "cases that are left out because no file can say them");
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.layer != Layer::Schema).collect();
    let half = cases.len() / 2;
    let failures = std::thread::scope(|scope| {
        let both = [&cases[..half], &cases[half..]].map(|part| scope.spawn(|| failures(part)));
        both.map(|one| one.join().unwrap()).concat()
    });
    assert!(failures.is_empty(), "of {} cases these come out otherwise:\n{failures}", cases.len());
}

fn failures(cases: &[Case]) -> String {
    let mut failures = String::new();
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, manifests: &[Value]| {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
            std::fs::write(folder.path().join(name), list.to_string()).unwrap();
        };
        write("0-world.json", &case.world);
        write("1-request.json", std::slice::from_ref(&case.object));
        let now = case.now.map(|now| now.to_string());
        let mut arguments = vec!["check", "-o", "json", "-f", folder.path().to_str().unwrap()];
        arguments.extend(now.iter().flat_map(|now| ["--at", now.as_str()]));
        let differences = differences(case, &domicile(&arguments, b""));
        if !differences.is_empty() {
            write!(failures, "\n{}/{}: {}\n{differences}", case.topic, case.name, case.about).unwrap();
        }
    }
    failures
}

/// What differs from the table, line by line.
fn differences(case: &Case, run: &Run) -> String {
    let mut lines = String::new();
    let Ok(document) = serde_json::from_str::<Value>(&run.stdout) else { return format!("    {run:?}\n") };
    let results = document["results"].as_array().unwrap();
    let row = results.iter().find(|row| row["file"].as_str().unwrap().ends_with("1-request.json"));
    let Some(row) = row else { return format!("    {run:?}\n") };
    let findings = row["findings"].as_array().unwrap();
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    let lifted = |finding: &&Value| finding["waived"]["relief"] == "Waived";
    let waived: BTreeSet<&str> =
        findings.iter().filter(lifted).map(|finding| finding["rule"].as_str().unwrap()).collect();
    let standing = || findings.iter().filter(|finding| !lifted(finding));
    let unproven = standing().next().is_some() && standing().all(|finding| finding["unproven"] == true);
    let got = json!({"action": row["action"], "rules": rules, "waived": waived, "unproven": unproven});
    let expect = &case.expect;
    let wanted = json!({
        "action": expect.action, "rules": expect.rules, "waived": expect.waived, "unproven": expect.unproven,
    });
    if got != wanted {
        writeln!(lines, "    {got} instead of {wanted}").unwrap();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let said: Vec<String> = findings
        .iter()
        .map(|finding| {
            let [rule, field, message, policy, allows, remedy] =
                ["rule", "field", "message", "policy", "allows", "remedy"].map(|key| text(&finding[key]));
            let clause = if policy.is_empty() { String::new() } else { format!("; policy {policy} allows {allows}") };
            let known = serde_json::from_value(finding["waived"].clone()).ok();
            let relief = |one| format!("; {}", explain::relief(&one, &rule, finding["unproven"] == true));
            let relief = known.map(relief).unwrap_or_default();
            format!("[{rule}] {field}: {message}{clause}{relief}. To fix: {remedy}")
        })
        .collect();
    let warnings: Vec<String> = row["warnings"].as_array().into_iter().flatten().map(text).collect();
    for part in expect.message.iter().filter(|part| !said.iter().any(|one| one.contains(*part))) {
        writeln!(lines, "    does not say {part:?} but {said:?}").unwrap();
    }
    for part in expect.warnings.iter().filter(|part| !said.iter().chain(&warnings).any(|one| one.contains(*part))) {
        writeln!(lines, "    does not warn {part:?} but {warnings:?}").unwrap();
    }
    lines.push_str(&legally(case, row));
    let mut object = case.object.clone();
    if !row["patch"].is_null() {
        let patch: json_patch::Patch = serde_json::from_value(row["patch"].clone()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    for (pointer, wanted) in &expect.patched {
        let got = object.pointer(pointer).unwrap_or(&Value::Null);
        if got != wanted {
            writeln!(lines, "    {pointer}: {got} instead of {wanted}").unwrap();
        }
    }
    // The worst of all rows makes the exit code.
    let refused = || results.iter().filter(|row| row["action"] == "Refuse");
    let breach = |row: &Value| {
        let findings = row["findings"].as_array().into_iter().flatten();
        findings.filter(|one| one["mode"] == "Enforce").any(|one| one["unproven"] == false)
    };
    let code = if refused().any(breach) {
        1
    } else if refused().next().is_some() {
        3
    } else {
        0
    };
    if run.code != Some(code) {
        writeln!(lines, "    ends with {:?} instead of {code}: {}", run.code, run.stderr).unwrap();
    }
    lines
}

/// What differs in what the law says.
fn legally(case: &Case, row: &Value) -> String {
    let mut lines = String::new();
    let expect = &case.expect;
    if expect.legal.is_some_and(|legal| row["legal"] != json!(legal)) {
        writeln!(lines, "    the law says {} instead of {:?}", row["legal"], expect.legal).unwrap();
    }
    let list = |key: &str| row[key].as_array().cloned().unwrap_or_default();
    let texts = |list: &[Value], key: &str| -> Vec<String> {
        let each = list.iter().flat_map(|one| match &one[key] {
            Value::Array(several) => several.clone(),
            one => vec![one.clone()],
        });
        each.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    let (grounds, obligations) = (list("grounds"), list("obligations"));
    let names = texts(&grounds, "name");
    if let Some(name) = expect.ground.as_ref().filter(|name| !names.contains(name)) {
        writeln!(lines, "    does not rest on {name} but on {names:?}").unwrap();
    }
    for (what, part, said) in [
        ("owe", &expect.obligation, texts(&obligations, "message")),
        ("review", &expect.review, texts(&grounds, "review")),
        ("warn of", &expect.risk, texts(&grounds, "atRisk")),
    ] {
        if let Some(part) = part.as_ref().filter(|part| !said.iter().any(|one| one.contains(*part))) {
            writeln!(lines, "    does not {what} {part:?} but {said:?}").unwrap();
        }
    }
    lines
}
