//! Bytes that come from outside, changed at random: reviews from the API server, and manifests from files. For some seconds in
//! every run; for longer by `DOMICILE_FUZZ_SECONDS=3600 cargo test --release --test it fuzz`, and along another path by
//! `DOMICILE_FUZZ_SEED`.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use base64::Engine as _;
use domicile::compile;
use domicile::index::{Index, Object};
use domicile::interpret::Operation;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index as Place;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::cases;
use crate::client::RUNTIME;
use crate::webhook::{operator, send};

fn number<T: std::str::FromStr>(variable: &str, otherwise: T) -> T {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One change of a text of bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Place, u8),
    Cut(Place, usize),
    Insert(Place, &'static [u8]),
    Repeat(Place, usize, Place),
    End(Place),
}

/// What readers stumble over.
const PIECES: [&[u8]; 22] = [
    b"null",
    b"{}",
    b"[]",
    b"\"\"",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"true",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":",
    b",",
    b":",
    b"\"",
    b"\n",
    b"&a *a",
    b"9999-12-31T23:59:59Z",
    b"-009999-01-01T00:00:00Z",
    b"\"spec\":",
    b"\"origins\":[\"DE\",\"DE\",\"ZZ\"]",
];

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Place>;
    prop_oneof![
        3 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (place(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        4 => (place(), prop::sample::select(PIECES.to_vec())).prop_map(|(at, piece)| Change::Insert(at, piece)),
        2 => (place(), 1..400_usize, place()).prop_map(|(at, length, to)| Change::Repeat(at, length, to)),
        1 => place().prop_map(Change::End),
    ]
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let within =
            |at: &Place, length: usize| at.index(bytes.len())..(at.index(bytes.len()) + length).min(bytes.len());
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Cut(at, length) => drop(bytes.drain(within(at, *length))),
            Change::Insert(at, piece) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, piece.iter().copied());
            }
            Change::Repeat(at, length, to) => {
                let (part, to) = (bytes[within(at, *length)].to_vec(), to.index(bytes.len()));
                bytes.splice(to..to, part);
            }
            Change::End(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

/// Feeds changed texts to a reader until time is over. What it does not bear is written to a file and named.
fn fuzz(target: &str, corpus: &[Vec<u8>], mut read: impl FnMut(&[u8])) {
    let seed = number("DOMICILE_FUZZ_SEED", 1_u8);
    let end = Instant::now() + Duration::from_secs(number("DOMICILE_FUZZ_SECONDS", 5));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = (any::<Place>(), prop::collection::vec(change(), 1..5));
    let mut tried = 0_u64;
    while Instant::now() < end {
        let (which, changes) = strategy.new_tree(&mut runner).unwrap().current();
        let bytes = changed(&corpus[which.index(corpus.len())], &changes);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| read(&bytes))) {
            let file = std::env::temp_dir().join(format!("domicile-fuzz-{target}-{tried}"));
            std::fs::write(&file, &bytes).unwrap();
            eprintln!("{target} fails for {}", file.display());
            std::panic::resume_unwind(panic);
        }
        tried += 1;
    }
    println!("{target}: {tried} texts");
    assert!(tried > 20, "too few to tell anything: {tried}");
}

/// The requests of the case table as the API server would ask.
fn corpus_of_reviews() -> Vec<Vec<u8>> {
    let review = |case: cases::Case| {
        let (group, version) = match case.object["apiVersion"].as_str().unwrap_or_default().split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), "v1".to_owned()),
        };
        let operation = match case.operation {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Connect => "CONNECT",
        };
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "7", "kind": {"group": group, "version": version, "kind": case.object["kind"]},
                "operation": operation, "namespace": "cx", "name": case.object["metadata"]["name"],
                "subResource": case.subresource, "userInfo": {"username": "alice", "groups": ["support"]},
                "object": case.object, "oldObject": case.old,
            },
        })
        .to_string()
        .into_bytes()
    };
    cases::all().into_iter().map(review).collect()
}

#[test]
fn reviews() {
    let world = "
        apiVersion: v1
        kind: Namespace
        metadata: {name: cx, labels: {domicile.dev/origin: DE}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: cx}
        spec: {origins: [DE], workloads: {selector: {matchLabels: {app: survey}}}}
    ";
    let (shared, _drafts) = operator(world);
    fuzz("reviews", &corpus_of_reviews(), |bytes| {
        for path in ["/mutate/own", "/validate/own"] {
            let (status, text) = RUNTIME.block_on(send(&shared, path, bytes.to_vec()));
            if status == StatusCode::BAD_REQUEST {
                assert!(text.starts_with("not an admission review: "), "{text}");
                continue;
            }
            assert_eq!(status, StatusCode::OK, "{text}");
            let response = &serde_json::from_str::<Value>(&text).unwrap()["response"];
            assert!(response["uid"].is_string() && response["allowed"].is_boolean(), "{response}");
            if response["allowed"] == false {
                assert!(
                    response["status"]["message"].as_str().is_some_and(|message| !message.is_empty()),
                    "{response}"
                );
                assert!(response["patch"].is_null(), "refused and changed: {response}");
            } else if let Some(patch) = response["patch"].as_str() {
                let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
                serde_json::from_slice::<json_patch::Patch>(&patch).unwrap();
            }
        }
    });
}

/// The worlds of the case table, and the catalogue.
fn corpus_of_manifests() -> Vec<Vec<u8>> {
    let worlds = cases::all().into_iter().flat_map(|case| case.world);
    let ours =
        worlds.filter(|one| one["apiVersion"].as_str().is_some_and(|version| version.starts_with("domicile.dev")));
    let catalogue = domicile::catalogue::files().into_iter().map(|(_, text)| text.as_bytes().to_vec());
    let small = catalogue.filter(|text| text.len() < 20_000);
    ours.map(|manifest| manifest.to_string().into_bytes()).chain(small).collect()
}

#[test]
fn manifests_of_every_kind() {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let inputs = compile::Inputs { exempt: BTreeSet::new(), mutating: true, operator: Vec::new(), guards: true };
    let builtin = domicile::catalogue::load_for(|_| false).unwrap();
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let mut index = Index::new(builtin.clone());
    let mut fed = 0;
    fuzz("manifests", &corpus_of_manifests(), |bytes| {
        std::fs::write(file.path(), bytes).unwrap();
        let Ok(documents) = domicile::cli::inputs::load(&[file.path().to_owned()], "cx") else { return };
        for document in documents {
            if let Ok(Some(object)) = Object::from_manifest(document.value) {
                index.apply(object);
                fed += 1;
            }
        }
        compile::plan(&index.refresh(now), &inputs, now);
        if fed > 50 {
            // What has gathered makes the next ones slow.
            (index, fed) = (Index::new(builtin.clone()), 0);
        }
    });
}
