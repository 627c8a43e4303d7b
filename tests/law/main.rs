//! The decision, without a cluster: every case of `tests/cases` through the index and `interpret::judge`, the invariants
//! as properties of random worlds, and the built-in catalogue against facts that can be looked up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod access;
mod cases;
mod catalogue;
mod compiled;
mod endpoint;
mod evidence;
mod law_properties;
mod lineage;
mod network;
mod overlay;
mod past;
mod properties;
mod references;
mod surface;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::LazyLock;

use cases::{Case, Expect, Layer};
use domicile::catalogue::Catalogue;
use domicile::engine::explain;
use domicile::engine::rules;
use domicile::engine::verdict::Action;
use domicile::interpret::Judgement;
use serde_json::Value;

/// The built-in catalogue, read once.
fn builtin() -> Catalogue {
    static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| domicile::catalogue::load().unwrap());
    BUILTIN.clone()
}

fn judge(case: &Case) -> Result<Judgement, String> {
    case.judged(builtin()).2.map_err(|error| error.to_string())
}

/// What differs from what the case expects, line by line; empty if nothing does.
fn differences(case: &Case, judgement: &Judgement) -> String {
    let Expect {
        action,
        unproven,
        rules,
        waived,
        message,
        warnings,
        legal,
        ground,
        obligation,
        review,
        risk,
        keeps: _,
        patched,
    } = &case.expect;
    let mut lines = String::new();
    let mut differs = |what: &str, wanted: String, got: String| {
        writeln!(lines, "    {what}: expected {wanted}\n    {:1$}  found    {got}", "", what.len()).unwrap();
    };
    let verdict = &judgement.verdict;
    if verdict.action != *action {
        differs("action", format!("{action:?}"), format!("{:?}", verdict.action));
    }
    let found: BTreeSet<&str> = verdict.findings.iter().map(|finding| finding.rule).collect();
    if !found.iter().copied().eq(rules.iter().map(String::as_str)) {
        differs("rules", format!("{rules:?}"), format!("{found:?}"));
    }
    let lifted = verdict.findings.iter().filter(|finding| finding.is_waived()).map(|finding| finding.rule);
    let lifted: BTreeSet<&str> = lifted.collect();
    if !lifted.iter().copied().eq(waived.iter().map(String::as_str)) {
        differs("waived", format!("{waived:?}"), format!("{lifted:?}"));
    }
    if verdict.only_unproven() != *unproven {
        differs("unproven", unproven.to_string(), verdict.only_unproven().to_string());
    }
    let said = explain::lines(&verdict.findings);
    if let Some(part) = message.as_ref().filter(|part| !said.iter().any(|one| one.contains(*part))) {
        differs("message", format!("{part:?}"), format!("{said:#?}"));
    }
    let mut warned = explain::lines(verdict.warnings());
    warned.extend(judgement.warnings.iter().cloned());
    if let Some(part) = warnings.as_ref().filter(|part| !warned.iter().any(|one| one.contains(*part))) {
        differs("warnings", format!("{part:?}"), format!("{warned:?}"));
    }
    if legal.is_some_and(|legal| verdict.legal != Some(legal)) {
        differs("legal", format!("{legal:?}"), format!("{:?}", verdict.legal));
    }
    let owed: Vec<&str> = verdict.obligations.iter().map(|one| one.message.as_str()).collect();
    let names: Vec<&str> = verdict.grounds.iter().map(|one| one.name.as_str()).collect();
    let reviews: Vec<&str> = verdict.grounds.iter().filter_map(|one| one.review.as_deref()).collect();
    let risks: Vec<&str> = verdict.grounds.iter().flat_map(|one| &one.at_risk).map(String::as_str).collect();
    if let Some(name) = ground.as_ref().filter(|name| !names.contains(&name.as_str())) {
        differs("ground", format!("{name:?}"), format!("{names:?}"));
    }
    for (what, part, all) in [("obligation", obligation, &owed), ("review", review, &reviews), ("risk", risk, &risks)] {
        if let Some(part) = part.as_ref().filter(|part| !all.iter().any(|one| one.contains(*part))) {
            differs(what, format!("{part:?}"), format!("{all:#?}"));
        }
    }
    let mut object = case.object.clone();
    json_patch::patch(&mut object, &judgement.patch).unwrap();
    for (pointer, wanted) in patched {
        let got = object.pointer(pointer).unwrap_or(&Value::Null);
        if got != wanted {
            differs(pointer, wanted.to_string(), got.to_string());
        }
    }
    if !lines.is_empty() {
        writeln!(lines, "    findings: {said:#?}").unwrap();
    }
    lines
}

#[test]
fn every_case_is_judged_as_written() {
    let mut failures = String::new();
    for case in cases::all().iter().filter(|case| case.layer != Layer::Schema) {
        let differences = match judge(case) {
            Ok(judgement) => differences(case, &judgement),
            Err(error) => format!("    could not be judged: {error}\n"),
        };
        if !differences.is_empty() {
            write!(failures, "\n{}/{}: {}\n{differences}", case.topic, case.name, case.about).unwrap();
        }
    }
    assert!(failures.is_empty(), "these cases are judged otherwise:\n{failures}");
}

#[test]
fn what_a_case_lets_pass_changed_passes_unchanged_the_second_time() {
    for case in cases::all().iter().filter(|case| case.layer != Layer::Schema) {
        let judgement = judge(case).unwrap();
        if judgement.verdict.action != Action::Rewrite {
            assert!(judgement.patch.is_empty(), "{} is patched, but not rewritten", case.name);
            continue;
        }
        assert!(!judgement.patch.is_empty(), "{} is rewritten by nothing", case.name);
        let mut again = case.clone();
        json_patch::patch(&mut again.object, &judgement.patch).unwrap();
        let second = judge(&again).unwrap();
        assert_eq!((second.verdict.action, second.patch), (Action::Allow, Vec::new()), "{}", case.name);
    }
}

/// Rows of the table of facts that say on which day a transfer or a call was lawful.
const TIME_TRAVEL: usize = 47;

#[test]
fn every_row_of_time_travel_is_a_case() {
    let cases: Vec<Case> = cases::all().into_iter().filter(|case| case.topic == "time-travel").collect();
    let rows: BTreeSet<&str> = cases.iter().filter_map(|case| case.name.split('-').next()).collect();
    assert_eq!((rows.len(), cases.len()), (TIME_TRAVEL, TIME_TRAVEL), "one case for each row: {rows:?}");
    let undated: Vec<&str> = cases.iter().filter(|case| case.now.is_none()).map(|case| case.name.as_str()).collect();
    assert!(undated.is_empty(), "these say no day: {undated:?}");
    let unjudged: Vec<&str> =
        cases.iter().filter(|case| case.expect.legal.is_none()).map(|case| case.name.as_str()).collect();
    assert!(unjudged.is_empty(), "these say no legal state: {unjudged:?}");
}

#[test]
fn every_rule_has_a_case_that_breaks_it_and_one_that_keeps_it() {
    let ids: Vec<&str> = rules::ALL
        .iter()
        .map(|rule| rule.id)
        .chain(rules::LEGAL.iter().map(|rule| rule.id))
        .chain(rules::OWNER.iter().map(|rule| rule.id))
        .chain([rules::SCOPE, rules::SPEC])
        .collect();
    let all = cases::all();
    let mut wrong = Vec::new();
    for case in &all {
        for id in &case.expect.keeps {
            if !ids.contains(&id.as_str()) {
                wrong.push(format!("{}/{} keeps {id}, which is no rule", case.topic, case.name));
            }
            if case.expect.rules.contains(id) {
                wrong.push(format!("{}/{} both breaks and keeps {id}", case.topic, case.name));
            }
        }
    }
    for id in &ids {
        let has = |list: &dyn Fn(&Expect) -> &Vec<String>| {
            all.iter().any(|case| list(&case.expect).iter().any(|one| one == id))
        };
        if !has(&|expect| &expect.rules) {
            wrong.push(format!("no case breaks {id}"));
        }
        if !has(&|expect| &expect.keeps) {
            wrong.push(format!("no case keeps {id}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A namespace is named by a DNS label.
const NAMESPACE_LENGTH: usize = 63;

/// Cases run on one cluster one after the other, so what they make must be theirs alone.
#[test]
fn cases_keep_to_names_of_their_own() {
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for case in cases::all() {
        assert!(names.insert(case.name.clone()), "two cases are named {}", case.name);
        assert!(case.prefix().len() <= NAMESPACE_LENGTH, "{} is too long for the name of a namespace", case.name);
        for object in case.world.iter().chain([&case.object]) {
            let kind = object["kind"].as_str().unwrap();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let space = object["metadata"]["namespace"].as_str().unwrap_or(name);
            let shared = match kind {
                // Replacing a built-in object takes its name.
                "ResidencyPolicy" => name == "law",
                "Location" | "Bloc" | "Provider" => case.about.contains("built-in"),
                _ => false,
            };
            if !shared && !space.starts_with(&case.prefix()) {
                wrong.push(format!("{}/{}: {kind} {name}", case.topic, case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "these are not named after their case: {wrong:#?}");
}
