//! The command line, as a process.

mod access;
mod adversarial;
mod answer;
mod cases;
mod geo;
mod lineage;
mod render;
mod surface;
mod timeline;
mod whatif;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use domicile::catalogue;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

/// How a run ended and what it said.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn domicile(arguments: &[&str], stdin: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_domicile"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading all of it.
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&stdin));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn check(stdin: &str) -> Run {
    domicile(&["check", "-f", "-"], stdin.as_bytes())
}

const NAMESPACE: &str = "
---
apiVersion: v1
kind: Namespace
metadata: {name: cx, labels: {domicile.dev/origin: DE}}
";

/// A pod that chooses its nodes.
fn pod(name: &str, selector: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: cx}}
spec:
  nodeSelector: {{{selector}}}
  containers: [{{name: app, image: 'example.org/app:1'}}]
"
    )
}

fn home() -> String {
    pod("home", "domicile.node-restriction.kubernetes.io/country: DE")
}

fn abroad() -> String {
    pod("abroad", "domicile.node-restriction.kubernetes.io/country: US")
}

/// A pod that may not be where nobody can tell, under a policy that never rewrites.
fn unproven() -> String {
    let policy = "
---
apiVersion: domicile.dev/v1alpha1
kind: ResidencyPolicy
metadata: {name: law}
spec: {residence: {Process: [Law]}, rewrite: {pods: Never}}
";
    format!("{policy}{}", pod("somewhere", "topology.kubernetes.io/region: nowhere-1"))
}

#[test]
fn the_exit_code_tells_what_was_found() {
    for (what, manifests, code) in [
        ("nothing", String::new(), 0),
        ("a pod at home", home(), 0),
        ("a pod that is rewritten", pod("anywhere", ""), 0),
        ("a pod abroad", abroad(), 1),
        ("a pod nobody knows where", unproven(), 3),
        ("both", format!("{}{}", unproven(), abroad()), 1),
    ] {
        let run = check(&format!("{NAMESPACE}{manifests}"));
        assert_eq!(run.code, Some(code), "{what}: {run:?}");
    }
}

#[test]
fn a_command_line_without_sense_is_a_usage_error() {
    let lines: [&[&str]; 6] = [
        &[],
        &["nonsense"],
        &["check"],
        &["check", "-f", "-", "-o", "nonsense"],
        &["check", "-f", "-", "--at", "yesterday"],
        &["catalogue", "no such part"],
    ];
    for arguments in lines {
        let run = domicile(arguments, b"");
        assert_eq!(run.code, Some(64), "{arguments:?}: {run:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{arguments:?}: {run:?}");
    }
    assert_eq!(domicile(&["--help"], b"").code, Some(0));
    assert_eq!(domicile(&["--version"], b"").code, Some(0));
}

#[test]
fn the_table_says_what_why_and_how_to_fix_it() {
    // A policy of its own: what law allows changes with the law.
    let policy = "
---
apiVersion: domicile.dev/v1alpha1
kind: ResidencyPolicy
metadata: {name: law}
spec: {residence: {Process: [EEA]}}
";
    let run = check(&format!("{NAMESPACE}{policy}{}{}", home(), abroad()));
    assert_eq!(
        run.stdout,
        "OBJECT               VERDICT   RULES
Namespace/cx         Allow
ResidencyPolicy/law  Allow
Pod/home (cx)        Allow
Pod/abroad (cx)      Refuse    RES-PLACE
    [RES-PLACE] spec.nodeSelector: would process personal data of DE (the origin label of namespace cx) in US; policy \
law allows EEA (37 countries)
        To fix: let the constraints admit nodes in EEA (37 countries), or remove them

4 objects: 1 refused, 0 rewritten when created, 3 without objection
"
    );
}

/// What was judged, as `Kind/name`.
fn judged(run: &Run) -> Vec<String> {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let name = |row: &Value| format!("{}/{}", row["kind"].as_str().unwrap(), row["name"].as_str().unwrap());
    document["results"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn folders_are_read_with_their_folders_and_only_for_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("b.yaml", &home());
    write("a/deeper/namespace.yml", NAMESPACE);
    write(
        "c.json",
        &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "json", "namespace": "cx"},
        "spec": {"containers": []}})
        .to_string(),
    );
    write("README.md", "no: [manifest");
    write("values.txt", "no: [manifest");
    let run = domicile(&["check", "-o", "json", "-f", folder.path().to_str().unwrap()], b"");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(judged(&run), ["Namespace/cx", "Pod/home", "Pod/json"]);
}

#[test]
fn lists_are_taken_apart_and_namespaces_filled_in() {
    let pod = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cx", "labels": {"domicile.dev/origin": "DE"}}},
        {"apiVersion": "v1", "kind": "PodList", "items": [pod("one"), {"metadata": {"name": "two"}, "spec": {}}]},
    ]});
    let run = domicile(&["check", "-f", "-", "-o", "json", "-n", "cx"], list.to_string().as_bytes());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(judged(&run), ["Namespace/cx", "Pod/one", "Pod/two"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let actions: Vec<&Value> = document["results"].as_array().unwrap().iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, ["Allow", "Rewrite", "Rewrite"]);
    assert_eq!(run.stderr, "");
    let elsewhere = domicile(&["check", "-f", "-", "-n", "other"], pod("one").to_string().as_bytes());
    assert!(elsewhere.stderr.contains("namespace other is not among the files"), "{elsewhere:?}");
}

#[test]
fn input_that_cannot_be_read_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.yaml");
    let nested = format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    let indented = (0..2_000).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n");
    // Nine lists of nine of the one before: some hundred million values, were they written out.
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let list = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(aliases, "a{level}: &a{level} [{list}]").unwrap();
    }
    for (what, text) in [
        ("YAML that does not end", "a: [1, 2"),
        ("YAML that is none", "a: b: c\n\t- d"),
        ("a document that is no object", "- 1\n- 2"),
        ("a text", "hello"),
        ("an object without a kind", "apiVersion: v1"),
        ("an object of another shape", "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: 7}"),
        (
            "a kind of ours of another shape",
            "{apiVersion: domicile.dev/v1alpha1, kind: DataStore, metadata: {name: a}, spec: {origins: DE}}",
        ),
        ("deep brackets", nested.as_str()),
        ("deep indentation", indented.as_str()),
        ("an alias bomb", aliases.as_str()),
    ] {
        std::fs::write(&file, text).unwrap();
        let run = domicile(&["check", "-f", file.to_str().unwrap()], b"");
        assert_eq!(run.code, Some(65), "{what}: {run:?}");
        assert!(run.stderr.contains("broken.yaml: "), "{what}: {run:?}");
    }
    std::fs::File::create(&file).unwrap().set_len(65 * 1024 * 1024).unwrap();
    let huge = domicile(&["check", "-f", file.to_str().unwrap()], b"");
    assert_eq!((huge.code, huge.stderr.contains("broken.yaml: is larger than 64 MiB")), (Some(65), true), "{huge:?}");
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(domicile(&["check", "-f", file.to_str().unwrap()], b"").code, Some(65));
    let missing = domicile(&["check", "-f", "no/such/file.yaml"], b"");
    assert_eq!((missing.code, missing.stderr.contains("no/such/file.yaml: ")), (Some(65), true), "{missing:?}");
}

/// Manifests with a piece of them cut out or replaced.
fn broken_manifests() -> impl Strategy<Value = Vec<u8>> {
    let whole = format!("{NAMESPACE}{}{}{}", home(), abroad(), unproven()).into_bytes();
    let length = whole.len();
    (0..length, 0..40_usize, prop::collection::vec(any::<u8>(), 0..12)).prop_map(move |(start, cut, put)| {
        let mut bytes = whole.clone();
        bytes.splice(start..(start + cut).min(length), put);
        bytes
    })
}

#[test]
fn no_bytes_make_it_panic() {
    let strategy = prop_oneof![prop::collection::vec(any::<u8>(), 0..256), broken_manifests()];
    // Each is a process.
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    proptest!(config, |(bytes in strategy)| {
        let run = domicile(&["check", "-f", "-"], &bytes);
        prop_assert!(matches!(run.code, Some(0 | 1 | 3 | 65)), "{:?}", run);
        prop_assert!(!run.stderr.contains("panicked"), "{:?}", run);
    });
}

#[test]
fn the_catalogue_prints_what_is_built_in() {
    let run = domicile(&["catalogue"], b"");
    assert_eq!(run.code, Some(0));
    for (path, _) in catalogue::files() {
        assert!(run.stdout.contains(&format!("---\n# {path}\n")), "{path} is not printed");
    }
    // One by one: a reader takes no more than a thousand at a time.
    let documents = run.stdout.split("\n---\n").flat_map(|text| serde_saphyr::from_multiple::<Value>(text).unwrap());
    let documents: Vec<Value> = documents.collect();
    let printed = documents.iter().filter(|document| document["kind"].is_string()).count();
    let built_in = catalogue::load().unwrap();
    let law = built_in.jurisdictions.len() + built_in.mechanisms.len();
    let places = built_in.blocs.len() + built_in.locations.len() + built_in.providers.len();
    let count = law + places + built_in.policies.len() + built_in.interpreters.len();
    assert_eq!(printed, count);
    let part = domicile(&["catalogue", "blocs/eea"], b"");
    assert!(part.stdout.contains("kind: Bloc") && !part.stdout.contains("kind: Provider"), "{part:?}");
    let one = domicile(&["catalogue", "mechanism/eu-us-dpf"], b"");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&one.stdout).unwrap();
    assert_eq!((objects.len(), &objects[0]["metadata"]["name"]), (1, &"eu-us-dpf".into()), "{one:?}");
}

#[test]
fn days_begin_in_utc_and_annulments_show_once_they_are_known() {
    let at = |more: &[&str]| {
        let mut arguments = vec!["check", "-f", "-", "-o", "json"];
        arguments.extend(more);
        let run = domicile(&arguments, timeline::FLOW.as_bytes());
        let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        assert_eq!(document["notice"], "engineering input, not legal advice");
        document["results"][1].clone()
    };
    let known = at(&["--at", "2015-10-05"]);
    assert_eq!((&known["legal"], &known["grounds"][0]["name"]), (&"Permitted".into(), &"eu-us-safe-harbor".into()));
    assert_eq!(known["holdsUntil"], "2015-10-05T22:00:00Z");
    let review = known["grounds"][0]["review"].as_str().unwrap();
    assert!(review.contains("later annulled retroactively") && review.contains("2015-10-06; review"), "{review}");
    let then = at(&["--at", "2015-10-05", "--known-at", "2015-10-05"]);
    assert_eq!((&then["legal"], &then["grounds"][0]["review"]), (&"Permitted".into(), &Value::Null));
    let still = at(&["--at", "2018-01-01", "--known-at", "2015-10-05"]);
    assert_eq!(still["grounds"][0]["name"], "eu-us-safe-harbor");
    let after = at(&["--at", "2015-10-06T00:00:00Z"]);
    assert_eq!((&after["action"], &after["legal"]), (&"Refuse".into(), &"Prohibited".into()));
    assert!(after["findings"][0]["citation"]["reference"].as_str().is_some_and(|source| !source.is_empty()), "{after}");
}

#[test]
fn the_table_says_on_what_a_flow_rests_and_what_was_not_looked_at() {
    let run = domicile(&["check", "-f", "-", "--at", "2026-11-22"], timeline::FLOW.as_bytes());
    for part in [
        "    Legal: Permitted, may change on ",
        "    Ground: eu-us-dpf, EU-US Data Privacy Framework (law of DE); source: Implementing Decision (EU) 2023/1795",
        "        At risk: Appeal C-703/25 P",
        "no breach found in the checks Localisation, Transfer; relies on these unverified declarations: the certificate",
        "not assessed: Consent (no purpose, no channel), Enrichment (no purpose)",
    ] {
        assert!(run.stdout.contains(part), "{part:?} is missing in {}", run.stdout);
    }
    assert!(run.stdout.ends_with("without objection\nengineering input, not legal advice\n"), "{run:?}");
    assert!(!run.stdout.to_lowercase().contains("compliant"), "{run:?}");
}

#[test]
fn the_definitions_in_the_checkout_are_those_of_the_types() {
    let fresh = tempfile::tempdir().unwrap();
    let run = domicile(&["crds", "--dir", fresh.path().to_str().unwrap()], b"");
    assert_eq!(run.code, Some(0), "{run:?}");
    let read = |folder: &Path| -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let text = |entry: &std::fs::DirEntry| std::fs::read_to_string(entry.path()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| (entry.file_name().into_string().unwrap(), text(&entry))).collect();
        files.sort();
        files
    };
    let (fresh, committed) = (read(fresh.path()), read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")));
    let stale: Vec<&String> = fresh.iter().filter(|file| !committed.contains(file)).map(|(name, _)| name).collect();
    assert!(fresh == committed, "stale in crds/: {stale:?}; write them anew by `cargo run -- crds --dir crds`");
    let printed: Vec<Value> = serde_saphyr::from_multiple(&domicile(&["crds"], b"").stdout).unwrap();
    let names: Vec<String> =
        printed.iter().map(|one| format!("{}.yaml", one["metadata"]["name"].as_str().unwrap())).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, fresh.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
}
