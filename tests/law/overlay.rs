//! Law is data: countries, blocs and mechanisms that nobody has heard of work from files alone, a file replaces what is
//! built in, and no country, bloc or mechanism is named in Rust code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domicile::engine::country::Country;
use domicile::engine::law::opinion::Legal;
use domicile::engine::verdict::{Action, Verdict};
use domicile::index::{Index, Object};
use domicile::interpret::{self, Body, Operation, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A country of which the catalogue knows no law: that of the files below is fiction.
const LAWGIVER: &str = "PW";
/// Another, which belongs to the bloc for some years.
const NEIGHBOUR: &str = "FM";
/// A third, outside.
const OUTSIDE: &str = "NR";

const LAW: &str = r#"
apiVersion: domicile.dev/v1alpha1
kind: Jurisdiction
metadata: {name: pw}
spec:
  country: PW
  title: A lawgiver that does not exist
  timeZone: UTC
  transferRegime:
    - {default: NeedsGround, from: "2020-01-01", source: {reference: Act of Fiction}}
---
apiVersion: domicile.dev/v1alpha1
kind: TransferMechanism
metadata: {name: pw-seal}
spec:
  title: The seal of the lighthouse keepers
  role: Ground
  kind: CertificationFramework
  from: [PW]
  to: ["*"]
  appliesFrom: "2021-01-01"
  timeZone: UTC
  when:
    says: a seal of the lighthouse keepers
    certified: {schemes: [lighthouse]}
  source: {reference: Act of Fiction}
"#;

const BLOC: &str = r#"
apiVersion: domicile.dev/v1alpha1
kind: Bloc
metadata: {name: atlantis}
spec:
  code: Atlantis
  title: League of Atlantis
  timeZone: UTC
  members:
    - {country: PW, from: "2019-01-01"}
    - {country: FM, from: "2019-01-01", until: "2025-01-01"}
  freeFlow:
    - {from: "2022-01-01", source: {reference: Treaty of Fiction}}
"#;

fn at(day: &str) -> Timestamp {
    format!("{day}T12:00:00Z").parse().unwrap()
}

/// Every manifest of every file in a directory, as `--lawbook` reads them.
fn manifests(dir: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files
        .iter()
        .flat_map(|file| serde_saphyr::from_multiple::<Value>(&std::fs::read_to_string(file).unwrap()).unwrap())
        .collect()
}

fn apply(index: &mut Index, manifest: Value) {
    index.apply(Object::from_manifest(manifest).unwrap().unwrap());
}

/// The built-in law with that of these files.
fn overlaid(files: &[(&str, &str)]) -> Index {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut index = Index::new(crate::builtin());
    for manifest in manifests(dir.path()) {
        apply(&mut index, manifest);
    }
    apply(&mut index, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}));
    index
}

fn flow(from: &str, to: &str, bases: &Value) -> Value {
    json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow",
        "metadata": {"name": "answers", "namespace": "ns"},
        "spec": {
            "from": {"collection": {"countries": [from]}},
            "to": {"recipient": {
                "name": "somebody", "place": {"country": to}, "establishedIn": to, "controlledFrom": to, "subjectTo": [],
            }},
            "bases": bases,
        },
    })
}

fn judge(index: &mut Index, object: &Value, now: Timestamp) -> Verdict {
    let text = object.to_string();
    let kind = object["kind"].as_str().unwrap();
    let request = Request {
        operation: Operation::Create,
        group: "domicile.dev",
        kind,
        namespace: object["metadata"]["namespace"].as_str().unwrap_or_default(),
        name: object["metadata"]["name"].as_str().unwrap(),
        object: Body::Json(&text),
        old: None,
        user: domicile::interpret::access::User::default(),
    };
    interpret::judge(&index.refresh(now), &request, now).unwrap().verdict
}

fn seal() -> Value {
    json!([{
        "mechanism": "pw-seal",
        "certified": {"scheme": "lighthouse", "asOf": "2021-06-01", "evidence": "register/1"},
    }])
}

/// The legal state and what carries the data.
fn said(verdict: &Verdict) -> (Option<Legal>, Vec<&str>) {
    (verdict.legal, verdict.grounds.iter().map(|ground| ground.name.as_str()).collect())
}

#[test]
fn what_stands_in_two_files_is_law() {
    for code in [LAWGIVER, NEIGHBOUR, OUTSIDE] {
        let known = crate::builtin().jurisdictions.iter().any(|(_, law)| law.code == code);
        assert!(!known, "{code} has a law of its own by now; take another country");
    }
    let mut index = overlaid(&[("bloc.yaml", BLOC), ("law.yaml", LAW)]);
    let none = json!([]);
    let mut judged = |to: &str, bases: &Value, day: &str| judge(&mut index, &flow(LAWGIVER, to, bases), at(day));

    let inside = judged(NEIGHBOUR, &none, "2023-06-01");
    assert_eq!((inside.action, said(&inside)), (Action::Allow, (Some(Legal::Permitted), vec!["Atlantis"])));
    assert_eq!(inside.holds_until, Some("2025-01-01T00:00:00Z".parse().unwrap()));
    // It has left by then.
    let left = judged(NEIGHBOUR, &none, "2025-06-01");
    assert_eq!((left.action, left.legal), (Action::Refuse, Some(Legal::Prohibited)));
    // A member, and nothing is free yet.
    let early = judged(NEIGHBOUR, &none, "2021-06-01");
    assert_eq!((early.action, early.legal), (Action::Refuse, Some(Legal::Prohibited)));

    let outside = judged(OUTSIDE, &none, "2023-06-01");
    assert_eq!((outside.action, said(&outside)), (Action::Refuse, (Some(Legal::Prohibited), vec![])));
    let remedy = outside.findings.iter().find(|finding| finding.rule == "LAW-TRANSFER").unwrap().remedy.clone();
    assert!(remedy.contains("pw-seal: a seal of the lighthouse keepers"), "{remedy}");

    let sealed = judged(OUTSIDE, &seal(), "2023-06-01");
    assert_eq!((sealed.action, said(&sealed)), (Action::Allow, (Some(Legal::Permitted), vec!["pw-seal"])));
    // The seal was not there yet.
    let unsealed = judged(OUTSIDE, &seal(), "2020-06-01");
    assert_eq!((unsealed.action, unsealed.legal), (Action::Refuse, Some(Legal::Prohibited)));

    // Before the regime began nothing is known, which is never free.
    let before = judged(OUTSIDE, &none, "2019-06-01");
    assert_eq!((before.action, before.legal), (Action::Refuse, Some(Legal::Unknown)));
    assert!(before.only_unproven());
}

#[test]
fn without_the_files_nothing_is_known() {
    let mut index = overlaid(&[]);
    let verdict = judge(&mut index, &flow(LAWGIVER, OUTSIDE, &seal()), at("2023-06-01"));
    assert_eq!((verdict.action, said(&verdict)), (Action::Refuse, (Some(Legal::Unknown), vec![])));
}

/// A ground of the catalogue that asks nothing: from, to and name.
fn adequacy() -> (String, String, String) {
    let now = at("2026-06-01");
    let lawbook = Index::new(crate::builtin()).refresh(now).lawbook.clone();
    let from = Country::parse("DE").unwrap();
    let one = lawbook.mechanisms().find(|one| {
        one.kind == domicile::engine::law::mechanism::GroundKind::Adequacy
            && one.when.is_none()
            && one.window.contains(now)
            && one.from.contains(from, &lawbook, now)
            && one.to.countries(&lawbook, now).len() == 1
    });
    let one = one.unwrap();
    let to = one.to.countries(&lawbook, now).iter().next().unwrap();
    (from.to_string(), to.to_string(), one.name.clone())
}

#[test]
fn a_file_replaces_the_built_in_object_of_its_name() {
    let (from, to, name) = adequacy();
    let file = format!(
        r#"
apiVersion: domicile.dev/v1alpha1
kind: TransferMechanism
metadata: {{name: {name}}}
spec:
  title: As if it were annulled
  role: Ground
  kind: Adequacy
  from: [EEA]
  to: [{to}]
  appliesFrom: "2001-01-01"
  until: "2026-07-01"
  timeZone: UTC
  ended: {{effect: ExTunc, by: a court of fiction}}
  source: {{reference: Judgment of Fiction}}
"#
    );
    let none = json!([]);
    let carried = flow(&from, &to, &none);
    let mut builtin = overlaid(&[]);
    for day in ["2026-06-30", "2026-07-01"] {
        assert_eq!(said(&judge(&mut builtin, &carried, at(day))), (Some(Legal::Permitted), vec![name.as_str()]));
    }
    let mut index = overlaid(&[("judgment.yaml", &file)]);
    let before = judge(&mut index, &carried, at("2026-06-30"));
    assert_eq!(said(&before), (Some(Legal::Permitted), vec![name.as_str()]));
    assert_eq!(before.holds_until, Some("2026-07-01T00:00:00Z".parse().unwrap()));
    assert!(before.grounds[0].review.as_ref().is_some_and(|review| review.contains("a court of fiction")));
    let after = judge(&mut index, &carried, at("2026-07-01"));
    assert_eq!((after.action, after.legal), (Action::Refuse, Some(Legal::Prohibited)));
    // Without the file the built-in law is back.
    index.delete(domicile::index::Kind::TransferMechanism, "", &name);
    assert_eq!(said(&judge(&mut index, &carried, at("2026-07-01"))), (Some(Legal::Permitted), vec![name.as_str()]));
}

fn manifest(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// The manifest with another value at a place.
fn with(text: &str, pointer: &str, value: Value) -> Value {
    let mut manifest = manifest(text);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    manifest.pointer_mut(parent).unwrap()[field] = value;
    manifest
}

#[test]
fn what_cannot_be_read_is_refused_with_its_field() {
    let mut documents = LAW.split("\n---\n");
    let (law, seal) = (documents.next().unwrap(), documents.next().unwrap());
    let any = |condition: Value| json!({"anyOf": [condition, {"consent": {"for": "Transfer"}}]});
    let cases = [
        (
            with(seal, "/spec/when", any(json!({"certifed": {"schemes": ["lighthouse"]}}))),
            "spec.when.anyOf[0].certifed",
            "unknown field",
        ),
        (
            with(seal, "/spec/when", any(json!({"certified": {"scheme": "lighthouse"}}))),
            "spec.when.anyOf[0].certified.scheme",
            "unknown field",
        ),
        (
            with(seal, "/spec/when", any(json!({"consent": {"for": "Everything"}}))),
            "spec.when.anyOf[0].consent.for",
            "unknown variant",
        ),
        (with(seal, "/spec/when", any(json!({}))), "spec.when", "tests nothing"),
        (with(seal, "/spec/timeZone", json!("Atlantis/Capital")), "spec.timeZone", "Atlantis/Capital"),
        (with(seal, "/spec/until", json!("2020-01-01")), "spec.until", "ends before it begins"),
        (with(law, "/spec/country", json!("ZZ")), "spec.country", "ZZ"),
        (with(law, "/spec/bloc", json!("Atlantis")), "spec", "whose law"),
        (with(law, "/spec/transferRegime/0/until", json!("2019-01-01")), "spec.transferRegime[0].until", "ends before"),
        (with(BLOC, "/spec/members/1/until", json!("2018-01-01")), "spec.members[1].until", "ends before it begins"),
        (with(BLOC, "/spec/members/0/country", json!("ZZ")), "spec.members[0].country", "ZZ"),
        (with(BLOC, "/spec/timeZone", json!("Nowhere")), "spec.timeZone", "Nowhere"),
        (with(BLOC, "/spec/code", json!("PW")), "spec.code", "country"),
    ];
    let mut index = overlaid(&[]);
    for (object, field, part) in cases {
        let verdict = judge(&mut index, &object, at("2026-06-01"));
        let found: Vec<(&str, &str)> =
            verdict.findings.iter().map(|finding| (finding.field.as_str(), finding.message.as_str())).collect();
        assert_eq!(verdict.action, Action::Refuse, "{object}");
        assert!(
            found.len() == 1 && found[0].0 == field && found[0].1.contains(part),
            "expected {field}: {part}, found {found:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_leaves_the_built_in_law_in_force() {
    let (from, to, name) = adequacy();
    let (none, now) = (json!([]), at("2026-06-01"));
    let carried = flow(&from, &to, &none);
    let mut index = overlaid(&[]);
    let before = judge(&mut index, &carried, now);
    assert_eq!(said(&before), (Some(Legal::Permitted), vec![name.as_str()]));
    // Admission would refuse it; whoever switches admission off does not switch the law off.
    let seal = LAW.split("\n---\n").nth(1).unwrap();
    let mut broken = with(seal, "/spec/when", json!({"certifed": {}}));
    broken["metadata"]["name"] = name.clone().into();
    apply(&mut index, broken);
    let mut bloc = with(BLOC, "/spec/timeZone", json!("Nowhere"));
    bloc["metadata"]["name"] = "eea".into();
    apply(&mut index, bloc);
    let mut law = with(LAW.split("\n---\n").next().unwrap(), "/spec/timeZone", json!("Nowhere"));
    law["metadata"]["name"] = from.to_lowercase().into();
    apply(&mut index, law);
    assert_eq!(judge(&mut index, &carried, now), before);
}

// No law in Rust code.

/// Words of the catalogue that are plain English and mean something else in code.
const PLAIN_WORDS: &[&str] = &["World"];

/// The string literals of a Rust file with their lines, outside comments and tests.
fn literals(code: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let (mut line, mut depth) = (1, 0_usize);
    // The depth of braces below which a test module ends.
    let (mut announced, mut test): (bool, Option<usize>) = (false, None);
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        if rest.starts_with("//") {
            taken = rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            taken = rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if rest.starts_with("#[cfg(test)]") || rest.starts_with("#[cfg(all(test,") {
            announced = true;
        } else if let Some((hashes, start)) = raw(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = rest[start..].find(&end).unwrap_or(rest.len() - start);
            if test.is_none() {
                all.push((line, rest[start..start + length].to_owned()));
            }
            taken = (start + length + end.len()).min(rest.len());
        } else if first == '"' {
            let length = quoted(&rest[1..]);
            if test.is_none() {
                all.push((line, rest[1..=length].to_owned()));
            }
            taken = (length + 2).min(rest.len());
        } else if first == '\'' {
            // A character such as '"' opens no string; a lifetime closes nothing.
            let character = rest[1..].chars().next().map_or(0, char::len_utf8);
            if rest[1..].starts_with('\\') {
                taken = rest[2..].find('\'').map_or(1, |end| end + 3).max(4);
            } else if rest[1 + character..].starts_with('\'') {
                taken = character + 2;
            }
        } else if first == '{' {
            depth += 1;
            if announced {
                (announced, test) = (false, test.or(Some(depth)));
            }
        } else if first == '}' {
            if test == Some(depth) {
                test = None;
            }
            depth = depth.saturating_sub(1);
        } else if first == ';' {
            announced = false;
        }
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    all
}

/// The number of hashes of a raw string that starts here, and where its text starts.
fn raw(code: &str) -> Option<(usize, usize)> {
    let code = code.strip_prefix('r')?;
    let hashes = code.len() - code.trim_start_matches('#').len();
    code[hashes..].starts_with('"').then_some((hashes, hashes + 2))
}

/// The length of a string up to its closing quote.
fn quoted(code: &str) -> usize {
    let mut escaped = false;
    let end = code.char_indices().find(|(_, one)| {
        let ends = *one == '"' && !escaped;
        escaped = *one == '\\' && !escaped;
        ends
    });
    end.map_or(code.len(), |(at, _)| at)
}

fn rust_files(dir: &Path, into: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            // Tests with a file of their own are declared as tests where they belong.
            into.push(path);
        }
    }
}

#[test]
fn no_country_and_no_law_is_named_in_rust_code() {
    let lawbook = Index::new(crate::builtin()).refresh(at("2026-06-01")).lawbook.clone();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for one in lawbook.mechanisms() {
        names.insert(one.name.clone());
        names.extend(one.family.iter().chain(&one.aliases).cloned());
        if let Some(when) = &one.when {
            when.each(&mut |one| {
                names.extend(one.certified.iter().flat_map(|one| one.schemes.clone()));
                names.extend(one.filing.iter().map(|one| one.authority.clone()));
                names.extend(one.register_screened.iter().map(|one| one.register.clone()));
                names.extend(one.party_scope.iter().flat_map(|one| one.subject_to.clone()));
            });
        }
    }
    for law in lawbook.jurisdictions() {
        names.extend([law.code.clone(), law.title.clone()]);
    }
    names.extend(lawbook.blocs().map(|bloc| bloc.code().to_owned()));
    names.retain(|name| !PLAIN_WORDS.contains(&name.as_str()));
    assert!(names.len() > 100, "{names:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort_unstable();
    let mut wrong = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap().display().to_string();
        for (line, text) in literals(&std::fs::read_to_string(file).unwrap()) {
            if names.contains(&text) || Country::parse(&text).is_ok() {
                wrong.push(format!("src/{path}:{line}: {text:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "Rust code names what belongs into the catalogue:\n{}", wrong.join("\n"));
}

#[test]
fn literals_are_told_from_comments_and_tests() {
    let code = r##"
        /// A doc comment says "DE".
        const A: &str = "one \" two"; // "no"
        const B: (char, &str) = ('"', r#"thr"ee"#);
        fn f<'a>(x: &'a str) -> char { /* "no" */ '\'' }
        #[cfg(test)]
        use std::fmt;
        const C: &str = "four";
        #[cfg(test)]
        mod tests {
            fn g() { let x = "no"; }
        }
        const D: &str = "five";
    "##;
    let found: Vec<(usize, String)> = literals(code);
    let expected = [(3, "one \\\" two"), (4, "thr\"ee"), (8, "four"), (13, "five")];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
}
