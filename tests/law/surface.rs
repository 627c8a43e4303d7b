//! The placement surface: every path of the built-in interpreters against fixtures that leak through it and that comply.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use domicile::api::v1alpha1::{FieldMeaning, ResourceInterpreter};
use domicile::engine::verdict::Action;
use domicile::index::{Index, Object};
use domicile::interpret::resource::{self, Interpreter, Interpreters};
use domicile::interpret::{self, Body, Judgement, Operation, Request};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A fixture file, as its README describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    #[serde(default)]
    world: String,
    base: String,
    #[serde(default)]
    complies: Vec<Variant>,
    #[serde(default)]
    leaks: Vec<Variant>,
    #[serde(default)]
    unproven: Vec<Variant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    about: String,
    #[serde(default)]
    patch: Option<Value>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    world: String,
}

/// What a variant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Complies,
    Leaks,
    Unproven,
}

const SURROUNDINGS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: cx-de, labels: {domicile.dev/origin: DE}}
---
apiVersion: v1
kind: Namespace
metadata: {name: elsewhere}
";

fn root(folder: &str) -> PathBuf {
    let here = std::env::var("DOMICILE_ROOT").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&here).join(folder)
}

/// The built-in catalogue with the interpreters as they stand in the files, and the namespaces of every fixture.
static SURROUNDED: LazyLock<Index> = LazyLock::new(|| {
    let mut catalogue = crate::builtin();
    catalogue.interpreters = interpreters()
        .into_iter()
        .filter_map(|manifest| {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let read: ResourceInterpreter = serde_json::from_value(manifest).ok()?;
            Some(Arc::new(resource::compile(&name, &read.spec).ok()?))
        })
        .collect();
    let mut index = Index::new(catalogue);
    for document in documents(SURROUNDINGS).unwrap() {
        index.apply(Object::from_manifest(document).unwrap().unwrap());
    }
    index.refresh(now());
    index
});

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

/// The interpreters as they stand in the files, so that one that is being written can be tried without building.
fn interpreters() -> Vec<Value> {
    let texts = files(&root("src/catalogue/interpreters"))
        .into_iter()
        .map(|file| (file.clone(), std::fs::read_to_string(file).unwrap()));
    texts
        .flat_map(|(file, text)| {
            documents(&text).unwrap_or_else(|error| {
                eprintln!("{}: {error}", file.display());
                Vec::new()
            })
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return all };
    for entry in entries.map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.extend(files(&entry));
        } else if entry.extension().is_some_and(|end| end == "yaml") {
            all.push(entry);
        }
    }
    all.sort_unstable();
    all
}

fn documents(text: &str) -> Result<Vec<Value>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// One fixture that was judged.
struct Run {
    judgement: Judgement,
    /// Fields that say something, with the interpreter's word for each.
    said: BTreeSet<String>,
    refused: BTreeSet<String>,
}

fn run(world: &str, object: &Value) -> Result<Run, String> {
    let mut index = SURROUNDED.clone();
    let namespace = object["metadata"]["namespace"].as_str().filter(|name| !["cx-de", "elsewhere"].contains(name));
    let namespace = namespace.map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    for document in namespace.into_iter().chain(documents(world)?) {
        match Object::from_manifest(document).map_err(|error| format!("{error}: {}", error.source))? {
            Some(object) => drop(index.apply(object)),
            None => return Err("the world holds something that is no object".to_owned()),
        }
    }
    let now = now();
    let world = index.refresh(now);
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let json = object.to_string();
    let request = Request {
        operation: Operation::Create,
        group: text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group),
        kind: text("/kind"),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
        object: Body::Json(&json),
        old: None,
        user: domicile::interpret::access::User::default(),
    };
    let judgement = interpret::judge(&world, &request, now).map_err(|error| error.to_string())?;
    let read = resource::read(&world.interpreters, object, request.namespace, request.name);
    let read = read.ok_or_else(|| format!("no interpreter knows {} {}", text("/apiVersion"), text("/kind")))?;
    let said = read.destinations.iter().flat_map(|one| &one.said).map(|said| said.field.clone()).collect();
    let refused = judgement.verdict.refusals().map(|finding| finding.field.clone()).collect();
    Ok(Run { judgement, said, refused })
}

/// Whether a field is one to which a path of an interpreter leads: `spec.a[0].b` for `spec.a[].b`.
fn is_at(path: &str, field: &str) -> bool {
    let mut pattern = String::from("^");
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[]") {
            pattern.push_str(r"(\[[0-9]+\])?");
            rest = after;
        } else if let Some(after) = rest
            .strip_prefix(".*")
            .or_else(|| rest.strip_prefix(".~"))
            .filter(|after| after.is_empty() || after.starts_with(['.', '[']))
        {
            pattern.push_str(r#"(\.[^.\[]+|\["[^"]*"\])"#);
            rest = after;
        } else {
            let letter = rest.chars().next().unwrap();
            if letter == '*' && pattern == "^" {
                pattern.push_str(r#"([^.\[]+|\["[^"]*"\])"#);
            } else if letter.is_alphanumeric() {
                pattern.push(letter);
            } else {
                let _ = write!(pattern, "\\{letter}");
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    // Lists of texts are told apart by position, and free text by the place in it.
    pattern.push_str(r"(\[[0-9]+\])?$");
    regex_lite::Regex::new(&pattern).unwrap_or_else(|error| panic!("{path}: {error}")).is_match(field)
}

fn path_of(interpreter: &Interpreter, destination: usize, field: usize) -> (String, FieldMeaning) {
    let destination = &interpreter.spec.destinations[destination];
    let one = &destination.fields[field];
    let path = match (&destination.at, one.path.strip_prefix("$.")) {
        (_, Some(rooted)) => rooted.to_owned(),
        (None, None) => one.path.clone(),
        (Some(at), None) if one.path.is_empty() => at.clone(),
        (Some(at), None) if one.path.starts_with('[') => format!("{at}{}", one.path),
        (Some(at), None) => format!("{at}.{}", one.path),
    };
    (path.strip_prefix("$.").unwrap_or(&path).to_owned(), one.says)
}

/// What never proves anything, so that a manifest complies only without it, or with a word about it elsewhere.
fn proves_nothing(says: FieldMeaning) -> bool {
    use FieldMeaning::{
        Anywhere, ClusterSelector, ConfigReference, Elsewhere, Model, Opaque, Replicated, SecretReference,
    };
    [Anywhere, ClusterSelector, ConfigReference, Elsewhere, Model, Opaque, Replicated, SecretReference].contains(&says)
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *target = patch.clone() };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Group and kind.
type Kind = (String, String);
/// Version, fields through which it leaks, fields with which it complies.
type Shown = (String, BTreeSet<String>, BTreeSet<String>);

/// What is wrong with one fixture file, and which fields it shows: leaking, complying.
fn check(file: &Path, wrong: &mut String) -> Vec<(Kind, Shown)> {
    let name = file.strip_prefix(root("tests/surface")).unwrap().display().to_string();
    let mut tell = |what: String| writeln!(wrong, "{name}: {what}").unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let fixture: Fixture = match serde_saphyr::from_str(&text) {
        Ok(fixture) => fixture,
        Err(error) => {
            tell(format!("is no fixture: {error}"));
            return Vec::new();
        }
    };
    let base = match documents(&fixture.base).map(|mut all| all.pop()) {
        Ok(Some(base)) => base,
        other => {
            tell(format!("has no base: {other:?}"));
            return Vec::new();
        }
    };
    let mut shown = Vec::new();
    let lists = [
        (Expected::Complies, &fixture.complies),
        (Expected::Leaks, &fixture.leaks),
        (Expected::Unproven, &fixture.unproven),
    ];
    for (expected, variant) in lists.iter().flat_map(|(expected, list)| list.iter().map(move |one| (*expected, one))) {
        let mut object = base.clone();
        if let Some(own) = &variant.object {
            match documents(own).map(|mut all| all.pop()) {
                Ok(Some(own)) => object = own,
                other => tell(format!("{}: {other:?}", variant.about)),
            }
        }
        if let Some(patch) = &variant.patch {
            merge(&mut object, patch);
        }
        let world = format!("{}\n---\n{}", fixture.world, variant.world);
        let run = match run(&world, &object) {
            Ok(run) => run,
            Err(error) => {
                tell(format!("{}: {error}", variant.about));
                continue;
            }
        };
        let verdict = &run.judgement.verdict;
        let found: Vec<String> =
            verdict.findings.iter().map(|one| format!("{} {}: {}", one.rule, one.field, one.message)).collect();
        let proven = verdict.refusals().any(|finding| !finding.unproven);
        let as_expected = match expected {
            Expected::Complies => verdict.action != Action::Refuse,
            Expected::Leaks => verdict.action == Action::Refuse && proven,
            Expected::Unproven => verdict.action == Action::Refuse && !proven,
        };
        if !as_expected {
            tell(format!("{:?}: {}: {:?} {found:#?}", expected, variant.about, verdict.action));
        }
        let (group, kind) = (
            object["apiVersion"]
                .as_str()
                .and_then(|text| text.rsplit_once('/'))
                .map_or("", |(group, _)| group)
                .to_owned(),
            object["kind"].as_str().unwrap_or_default().to_owned(),
        );
        let version = object["apiVersion"].as_str().unwrap_or_default().rsplit('/').next().unwrap().to_owned();
        let (refused, said) = match expected {
            Expected::Complies => (BTreeSet::new(), run.said),
            Expected::Leaks | Expected::Unproven => (run.refused, BTreeSet::new()),
        };
        shown.push(((group, kind), (version, refused, said)));
    }
    shown
}

/// Every manifest of the catalogue's interpreters can be read, every fixture is judged as it says, and every path has both.
#[test]
fn every_path_of_the_catalogue_leaks_and_complies() {
    let filter = std::env::var("DOMICILE_SURFACE").unwrap_or_default();
    let mut wrong = String::new();
    let mut shown: BTreeMap<Kind, Vec<Shown>> = BTreeMap::new();
    for file in files(&root("tests/surface")).iter().filter(|file| file.display().to_string().contains(&filter)) {
        for (kind, one) in check(file, &mut wrong) {
            shown.entry(kind).or_default().push(one);
        }
    }
    let mut paths = 0;
    let mut all = Interpreters::default();
    SURROUNDED.world().interpreters.iter().for_each(|one| all.add(one.clone()));
    for manifest in interpreters() {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let read: ResourceInterpreter = match serde_json::from_value(manifest) {
            Ok(read) => read,
            Err(error) => {
                writeln!(wrong, "{name}: {error}").unwrap();
                continue;
            }
        };
        let interpreter = match resource::compile(&name, &read.spec) {
            Ok(interpreter) => interpreter,
            Err(problems) => {
                writeln!(wrong, "{name}: {problems:?}").unwrap();
                continue;
            }
        };
        let resource = &interpreter.spec.resource;
        let group = if resource.group.is_empty() { "core" } else { &resource.group };
        if !format!("tests/surface/{group}/{}", resource.kind).contains(&filter) {
            continue;
        }
        // Kinds of a family are any that it describes.
        let own = |(group, kind): &&Kind| all.of(group, kind).iter().any(|one| one.name == interpreter.name);
        let runs = shown.iter().filter(|(kind, _)| own(kind)).flat_map(|(_, runs)| runs);
        let runs = runs.filter(|(version, _, _)| interpreter.reads(version));
        for (at, destination) in interpreter.spec.destinations.iter().enumerate() {
            for field in 0..destination.fields.len() {
                paths += 1;
                let (path, says) = path_of(&interpreter, at, field);
                let leaks = runs.clone().any(|(_, refused, _)| {
                    refused.iter().any(|field| is_at(&path, field) || is_below(&path, field, says) || *field == path)
                });
                let complies = proves_nothing(says)
                    || runs.clone().any(|(_, _, said)| said.iter().any(|field| is_at(&path, field)));
                if !leaks {
                    writeln!(wrong, "{}: no fixture leaks through {path}", interpreter.name).unwrap();
                }
                if !complies {
                    writeln!(wrong, "{}: no fixture complies with a value at {path}", interpreter.name).unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{paths} paths\n{wrong}");
}

fn is_below(path: &str, field: &str, says: FieldMeaning) -> bool {
    let free = matches!(says, FieldMeaning::Opaque | FieldMeaning::Hints | FieldMeaning::NodeLabels);
    free && (1..field.len()).any(|end| field.is_char_boundary(end) && is_at(path, &field[..end]))
}

/// Kept separate so that a manifest that is being written says at once what is wrong with it.
#[test]
fn interpreters_are_read_as_they_are_written() {
    for file in files(&root("src/catalogue/interpreters")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for document in documents(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())) {
            let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let fail = |what: String| -> ! { panic!("{} {name}: {what}", file.display()) };
            let read: ResourceInterpreter =
                serde_json::from_value(document).unwrap_or_else(|error| fail(error.to_string()));
            if let Err(problems) = resource::compile(&name, &read.spec) {
                fail(format!("{problems:#?}"));
            }
            let plural = &read.spec.resource.plural;
            let family = read.spec.resource.kind == "*";
            assert!(family || name.starts_with(plural.as_str()), "{name} does not begin with its plural {plural}");
        }
    }
}
