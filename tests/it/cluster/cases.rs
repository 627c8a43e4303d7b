//! The case table through the live webhook: each case's world is made, its request asked as a dry run, and the answer has
//! to be the one of the decision.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use domicile::catalogue::Catalogue;
use domicile::engine::explain;
use domicile::engine::policy::Mode;
use domicile::engine::verdict::{Action, Finding};
use domicile::interpret::access::Way;
use domicile::interpret::{Judgement, Operation};
use serde_json::{Value, json};

use crate::cases::{self, Case, Layer};
use crate::client::{Answer, Client, path_of, reference};
use crate::operator::Operator;
use crate::plane::{self, OURS, Plane};

/// Watches need a moment, and the API server needs one to hear that it should ask, or of a policy that was compiled anew:
/// seconds, and on a busy machine a few times as many.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_case_comes_out_on_a_live_cluster_as_written() {
    let live = |case: &Case| case.now.is_none() && case.layer != Layer::Decision;
    let mut cases: Vec<Case> = cases::all().into_iter().filter(live).collect();
    // What is replaced has to be there before somebody looks; policies bind all the other cases, so they go first.
    cases.sort_by_key(|case| case.old.is_none() || case.object["metadata"]["namespace"].is_string());
    let plane = plane::table();
    for case in cases.iter().filter(|case| case.old.is_some()) {
        make_old(&plane, case);
    }
    let _operator = Operator::started(&plane.operator);
    protect(&plane, &cases);
    let mut failures = String::new();
    for case in &cases {
        let differences = run(&plane.admin, case);
        if !differences.is_empty() {
            write!(failures, "\n{}/{}: {}\n{differences}", case.topic, case.name, case.about).unwrap();
        }
    }
    assert!(failures.is_empty(), "of {} cases these come out otherwise:\n{failures}", cases.len());
}

/// Makes what the request replaces, and the namespace around it.
fn make_old(plane: &Plane, case: &Case) {
    for manifest in case.world.iter().filter(|manifest| manifest["kind"] == "Namespace") {
        plane.admin.create(manifest).ok();
        plane.accounts(manifest["metadata"]["name"].as_str().unwrap());
    }
    plane.admin.create(case.old.as_ref().unwrap()).ok();
}

/// A store that selects nothing, in every namespace that holds a store or flow: the API server then asks about all of
/// them from one change of its configuration on, instead of one a case.
fn protect(plane: &Plane, cases: &[Case]) {
    let mut namespaces = BTreeSet::new();
    for case in cases {
        let declares = |manifest: &&Value| manifest["kind"] == "DataStore" || manifest["kind"] == "DataFlow";
        for declared in case.world.iter().filter(declares) {
            namespaces.insert(declared["metadata"]["namespace"].as_str().unwrap());
        }
    }
    for namespace in &namespaces {
        plane.admin.create(&reference("v1", "Namespace", "", namespace));
        let mut store = reference(OURS, "DataStore", namespace, "nothing");
        store["spec"] = json!({"origins": ["DE"]});
        plane.admin.create(&store).ok();
    }
    for namespace in namespaces {
        plane.enforced(namespace, "nothing");
    }
}

/// What differs from the table, line by line.
fn run(admin: &Client, case: &Case) -> String {
    let mut differences = String::new();
    let mut made = Vec::new();
    for manifest in &case.world {
        made.push(manifest);
        differences = retried(|| make(admin, manifest));
        if !differences.is_empty() {
            break;
        }
    }
    if differences.is_empty() {
        let judgement = (case.layer != Layer::Schema).then(|| decide(case));
        differences = retried(|| compare(case, judgement.as_ref(), &ask(admin, case)));
    }
    // What a case replaces would otherwise bind the others.
    made.extend(case.old.iter().filter(|old| old["metadata"]["namespace"].is_null() && old["kind"] != "Namespace"));
    for manifest in made.iter().rev() {
        admin.delete(manifest);
    }
    differences
}

/// Why a part of a world cannot be made; empty if it can.
fn make(admin: &Client, manifest: &Value) -> String {
    let mut answer = admin.create(manifest);
    if answer.code == 409 && manifest["kind"] == "Namespace" {
        answer = admin.patch(manifest, manifest);
    }
    if answer.code < 300 && manifest["kind"] == "ResidencyException" {
        answer = approve(admin, manifest, &answer.body);
    }
    if answer.code < 300 {
        return String::new();
    }
    format!("    its world cannot be made: {} {}\n", answer.code, answer.message())
}

/// Approves an exception as the one that it names.
fn approve(admin: &Client, manifest: &Value, made: &Value) -> Answer {
    let by = manifest["spec"]["approver"].as_str().unwrap();
    let approval = json!({"by": by, "generation": made["metadata"]["generation"]});
    let path = format!("{}/status", path_of(manifest));
    admin.patch_as(&path, &json!({"status": {"approval": approval}}), (by, &["system:masters"]))
}

/// Asks until nothing differs any more, or time is over.
fn retried(mut ask: impl FnMut() -> String) -> String {
    let started = Instant::now();
    loop {
        let differences = ask();
        if differences.is_empty() || started.elapsed() > PATIENCE {
            return differences;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ask(admin: &Client, case: &Case) -> Answer {
    let reference = |kind| {
        let metadata = &case.object["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default();
        reference("v1", kind, text("namespace"), text("name"))
    };
    match (case.operation, &case.old) {
        (Operation::Connect, _) => connect(admin, case),
        (Operation::Update, Some(old)) => {
            let part = if case.subresource.is_empty() { String::new() } else { format!("/{}", case.subresource) };
            admin.patch_dry_part(&case.object, &part, &merge_patch(old, &case.object))
        }
        // The legacy form of the same is nothing that a case needs to know.
        _ if case.object["kind"] == "Binding" => {
            admin.create_part(&reference("Pod"), "binding?dryRun=All", &case.object)
        }
        _ => admin.create_dry(&case.object),
    }
}

/// A connection as the case's user, whom nothing but admission keeps out.
fn connect(admin: &Client, case: &Case) -> Answer {
    let kind = case.object["kind"].as_str().unwrap();
    let way = Way::ALL.into_iter().find(|way| way.kind == kind).unwrap();
    let (resource, part) = way.resource.split_once('/').unwrap();
    let text = |key: &str| case.object["metadata"][key].as_str().unwrap();
    let path = format!("/api/v1/namespaces/{}/{resource}/{}/{part}?command=true", text("namespace"), text("name"));
    let groups: Vec<&str> = case.user.groups.iter().map(|group| &**group).chain(["system:masters"]).collect();
    let name = if case.user.name.is_empty() { "somebody" } else { &case.user.name };
    let mut answer = admin.send_as("GET", &path, &Value::Null, (name, &groups));
    // Nobody is at the other end here: whatever comes once admission has let it pass is a success.
    let of_ours = ["domicile.dev\"", "ValidatingAdmissionPolicy 'domicile-"];
    if !of_ours.iter().any(|part| answer.message().contains(part)) {
        answer.code = 200;
    }
    answer
}

/// What has to be merged into one object to get another.
fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = serde_json::Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in to.iter().filter(|(key, value)| from.get(*key) != Some(value)) {
        let part = from.get(key).map_or_else(|| value.clone(), |old| merge_patch(old, value));
        patch.insert(key.clone(), part);
    }
    Value::Object(patch)
}

fn compare(case: &Case, judgement: Option<&Judgement>, answer: &Answer) -> String {
    let mut lines = String::new();
    let by_policy = answer.message().contains("ValidatingAdmissionPolicy 'domicile-");
    let refused_by_us = answer.refused_by_the_operator() || (answer.code == 403 && by_policy);
    let Some(judgement) = judgement else {
        if answer.code != 422 {
            writeln!(lines, "    the schema lets it pass: {} {}", answer.code, answer.body).unwrap();
        }
        return lines;
    };
    match case.expect.action {
        Action::Refuse if !refused_by_us => {
            writeln!(lines, "    is not refused: {} {}", answer.code, answer.message()).unwrap();
            return lines;
        }
        Action::Allow | Action::Rewrite if answer.code >= 300 => {
            writeln!(lines, "    is refused: {} {}", answer.code, answer.message()).unwrap();
            return lines;
        }
        _ => {}
    }
    let findings = &judgement.verdict.findings;
    let told = |which: &dyn Fn(&Finding) -> bool| {
        let findings: Vec<_> = findings.iter().filter(|finding| which(finding)).collect();
        let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule).collect();
        (explain::lines(findings.iter().copied()), rules.into_iter().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    if case.expect.action == Action::Refuse {
        let refuses = |finding: &Finding| finding.mode == Mode::Enforce && !finding.is_waived();
        let (sentences, rules) = told(&refuses);
        let found = rules_in(answer.message());
        let named = if by_policy { !found.is_empty() && found.is_subset(&rules) } else { found == rules };
        if !named || !rules.iter().all(|rule| case.expect.rules.contains(rule)) {
            writeln!(lines, "    rules: {found:?} instead of {rules:?}").unwrap();
        }
        // A generated policy comes before the webhook, and says the same in words of its own.
        if by_policy {
            return lines;
        }
        for sentence in sentences.iter().filter(|sentence| !answer.message().contains(*sentence)) {
            writeln!(lines, "    does not say {sentence:?} but {:?}", answer.message()).unwrap();
        }
        // What only warns or audits, or is waived, is not said where something else refuses.
        let (silent, _) = told(&|finding| !refuses(finding));
        let part = case.expect.message.iter().filter(|part| !silent.iter().any(|one| one.contains(*part)));
        for part in part.filter(|part| !answer.message().contains(*part)) {
            writeln!(lines, "    does not say {part:?} but {:?}", answer.message()).unwrap();
        }
        return lines;
    }
    let (mut sentences, rules) = told(&|finding| finding.mode != Mode::Audit);
    // What is owed is told as a warning too, and is no finding.
    let warned: Vec<&str> =
        answer.warnings.iter().map(String::as_str).filter(|one| !one.contains(": owed: ")).collect();
    let found = rules_in(&warned.join("\n"));
    if found != rules {
        writeln!(lines, "    rules in warnings: {found:?} instead of {rules:?}").unwrap();
    }
    sentences.extend(judgement.warnings.iter().cloned());
    for sentence in &sentences {
        let said = |warning: &String| match warning.strip_suffix('…') {
            Some(start) => sentence.starts_with(start),
            None => warning == sentence,
        };
        if !answer.warnings.iter().any(said) {
            writeln!(lines, "    does not warn {sentence:?} but {:?}", answer.warnings).unwrap();
        }
    }
    let cut = answer.warnings.iter().any(|warning| warning.ends_with('…'));
    let part = case.expect.warnings.iter().filter(|part| !answer.warnings.iter().any(|one| one.contains(*part)));
    for part in part.filter(|_| !cut) {
        writeln!(lines, "    does not warn {part:?} but {:?}", answer.warnings).unwrap();
    }
    for (pointer, wanted) in &case.expect.patched {
        let got = answer.body.pointer(pointer).unwrap_or(&Value::Null);
        if got != wanted {
            writeln!(lines, "    {pointer}: {got} instead of {wanted}").unwrap();
        }
    }
    let mut patched = case.object.clone();
    json_patch::patch(&mut patched, &judgement.patch).unwrap();
    for pointer in ["/spec/affinity", "/spec/nodeSelector", "/spec/storageClassName"] {
        let (wanted, got) = (patched.pointer(pointer), answer.body.pointer(pointer));
        // A volume without a class is answered without the field.
        let wanted = wanted.filter(|wanted| got.is_some() || wanted.as_str() != Some(""));
        // Where nothing is said, Kubernetes may fill in a default of its own.
        if case.object["kind"] == "Pod" && wanted != got || wanted.is_some_and(|wanted| Some(wanted) != got) {
            writeln!(lines, "    {pointer}: {got:?} instead of {wanted:?}").unwrap();
        }
    }
    lines
}

/// The decision without a cluster, which `tests/law` compares with the table.
fn decide(case: &Case) -> Judgement {
    static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| domicile::catalogue::load().unwrap());
    case.judged(BUILTIN.clone()).2.unwrap()
}

/// The rules that a text names, as in `[RES-PLACE]`.
fn rules_in(text: &str) -> BTreeSet<String> {
    let starts = ["[RES-", "[LAW-"].into_iter().flat_map(|start| text.match_indices(start)).map(|(start, _)| start + 1);
    starts.filter_map(|start| Some(text[start..].split_once(']')?.0.to_owned())).collect()
}
