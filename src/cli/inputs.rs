//! The files of a command, and the world that they make at an instant: one loader for every command that decides.

use std::collections::{BTreeSet, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::strict;
use crate::api::v1alpha1::GROUP;
use crate::catalogue::{self, Catalogue};
use crate::engine::gazetteer::Hints;
use crate::engine::lawbook::Lawbook;
use crate::index::{Index, Object};
use crate::interpret::access::User;
use crate::interpret::read;
use crate::interpret::resource::ANY;
use crate::interpret::world::World;
use crate::interpret::{self, Body, JudgeError, Judgement, Operation, Request};

/// Which files.
#[derive(Debug, clap::Args)]
pub struct Files {
    /// A file, a folder with YAML or JSON files, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE|DIR|-")]
    pub filenames: Vec<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short = 'n', long, default_value = "default")]
    pub namespace: String,
}

/// When.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct When {
    /// Judge as if it were this day or instant, as in 2027-01-01 (its first instant, UTC) or 2027-01-01T00:00:00Z
    #[arg(long, value_name = "DATE|INSTANT", value_parser = instant)]
    pub at: Option<Timestamp>,
    /// Judge by the transfer mechanisms that were known by then, and by what was known of their end
    #[arg(long, value_name = "DATE|INSTANT", value_parser = instant)]
    pub known_at: Option<Timestamp>,
}

impl When {
    /// The instant that is asked about. Nobody asks for fractions of the second in which a command happens to run.
    pub fn now(&self) -> Timestamp {
        let second = || Timestamp::from_second(Timestamp::now().as_second()).ok();
        self.at.or_else(second).unwrap_or_else(Timestamp::now)
    }
}

/// Reads a day, which means its first instant in UTC, or an instant.
///
/// # Errors
///
/// When the text is neither.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    /// As in 2027-01-01; jiff would drop a time that follows.
    const DAY: usize = 10;
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let day = Some(text).filter(|text| text.len() == DAY).and_then(|text| text.parse::<Date>().ok());
    let first = day.and_then(|day| Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp()));
    first.ok_or_else(|| "neither a day such as 2027-01-01 nor an instant such as 2027-01-01T00:00:00Z".to_owned())
}

/// What cannot be read, told with its file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct BadInput {
    file: String,
    reason: String,
}

/// One document of the input.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it was read.
    pub file: String,
    /// The object.
    pub value: Value,
    /// The namespace in which it stands if it names none and its kind has namespaces.
    fallback: String,
}

impl Document {
    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Its namespace; empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Its API group.
    pub fn group(&self) -> &str {
        self.text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// Whether another document means the same object.
    pub fn is_same(&self, other: &Self) -> bool {
        let identity = |one: &Self| [one.group(), one.kind(), one.namespace(), one.name()].map(str::to_owned);
        identity(self) == identity(other)
    }

    /// Judges it by the same decision as at admission.
    ///
    /// # Errors
    ///
    /// As [`interpret::judge`].
    pub fn judge(&self, world: &World, now: Timestamp) -> Result<Judgement, JudgeError> {
        let text = self.value.to_string();
        let request = Request {
            operation: Operation::Create,
            group: self.group(),
            kind: self.kind(),
            namespace: self.namespace(),
            name: self.name(),
            object: Body::Json(&text),
            old: None,
            user: User::default(),
        };
        interpret::judge(world, &request, now)
    }
}

/// Longest name of a group, in octets (RFC 1123).
const LONGEST_NAME: usize = 253;

/// Every word that may be the name of an API group, wherever it stands: also within a string, or after a resource as in
/// `deployments.apps`.
fn names<'a>(value: &'a Value, into: &mut HashSet<&'a str>) {
    fn of_text<'a>(text: &'a str, into: &mut HashSet<&'a str>) {
        let other = |one: char| !(one.is_ascii_alphanumeric() || one == '.' || one == '-');
        for mut word in text.split(other).filter(|word| word.len() <= LONGEST_NAME) {
            // Whoever writes many words writes most of them often.
            while into.insert(word) {
                let Some((_, rest)) = word.split_once('.') else { break };
                word = rest;
            }
        }
    }
    match value {
        Value::String(text) => of_text(text, into),
        Value::Array(list) => list.iter().for_each(|one| names(one, into)),
        Value::Object(map) => map.iter().for_each(|(key, one)| {
            of_text(key, into);
            names(one, into);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A world of files that can be looked at from any instant, the later ones after the earlier ones.
#[derive(Debug)]
pub struct Inputs {
    /// What was read.
    pub documents: Vec<Document>,
    /// Whether something among it is not of its kind's shape.
    pub bad: bool,
    /// What to tell the user about it.
    pub notes: Vec<String>,
    index: Index,
    known_at: Option<Timestamp>,
    endings: Vec<(String, Timestamp)>,
    /// The law as the index has it, and as it is asked about.
    law: Option<(Arc<Lawbook>, Arc<Lawbook>)>,
}

impl Inputs {
    /// Makes a world of documents.
    ///
    /// # Errors
    ///
    /// When the built-in catalogue cannot be read.
    pub fn new(documents: Vec<Document>, known_at: Option<Timestamp>) -> anyhow::Result<Self> {
        // Most of the catalogue is about groups that most files have nothing of.
        let mut named = HashSet::from([""]);
        for document in &documents {
            names(&document.value, &mut named);
        }
        // A family is written by what the names of its groups end with.
        let catalogue = catalogue::load_for(|group| match group.strip_prefix(ANY) {
            Some(below) => named.iter().any(|one| one.ends_with(below)),
            None => named.contains(group),
        });
        let catalogue = catalogue.context("failed to read the built-in catalogue")?;
        drop(named);
        Self::with(catalogue, documents, known_at)
    }

    /// Makes a world of documents and a catalogue.
    ///
    /// # Errors
    ///
    /// When a namespace that nobody declares cannot be made up, which a name that is none can cause.
    pub fn with(catalogue: Catalogue, documents: Vec<Document>, known_at: Option<Timestamp>) -> anyhow::Result<Self> {
        let index = Index::new(catalogue);
        let mut inputs =
            Self { documents, bad: false, notes: Vec::new(), index, known_at, endings: Vec::new(), law: None };
        let mut declared = BTreeSet::new();
        let mut used = BTreeSet::new();
        // What teaches types comes before objects of them, whatever the order of the files.
        let teaches = |document: &&mut Document| document.kind() == "ResourceInterpreter" && document.group() == GROUP;
        for document in inputs.documents.iter_mut().filter(teaches) {
            if let Ok(Some(object)) = Object::from_manifest(document.value.clone()) {
                inputs.index.apply(object);
            }
        }
        for document in &mut inputs.documents {
            if inputs.index.is_namespaced(document.group(), document.kind()) {
                let fallback = std::mem::take(&mut document.fallback);
                fill_namespace(&mut document.value, &fallback);
            }
        }
        for document in &inputs.documents {
            let (kind, namespace, name) = (document.kind(), document.namespace(), document.name());
            if kind == "Namespace" {
                declared.insert(name.to_owned());
            } else if !namespace.is_empty() {
                used.insert(namespace.to_owned());
            }
            if document.group() == GROUP {
                for field in strict::unknown_fields(kind, &document.value) {
                    inputs.bad = true;
                    inputs.notes.push(format!("{}: {kind} {name}: unknown field {field}", document.file));
                }
            }
            match Object::from_manifest(document.value.clone()) {
                Ok(Some(Object::ResidencyException(mut exception))) => {
                    if read::exception::take_its_word(&mut exception) {
                        inputs.notes.push(format!(
                            "note: ResidencyException {namespace}/{name} is taken at its word: no file shows whether {} has \
                             approved it",
                            exception.spec.approver
                        ));
                    }
                    inputs.index.apply(Object::ResidencyException(exception));
                }
                Ok(Some(object)) => {
                    inputs.index.apply(object);
                }
                Ok(None) => {}
                Err(error) => {
                    inputs.bad = true;
                    let error = anyhow::Error::from(error);
                    inputs.notes.push(format!("{}: {kind} {name}: {error:#}", document.file));
                }
            }
        }
        for namespace in used.difference(&declared) {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            if let Some(object) = Object::from_manifest(manifest)? {
                inputs.index.apply(object);
            }
            inputs.notes.push(format!(
                "note: namespace {namespace} is not among the files; judged as if it had no origin label"
            ));
        }
        Ok(inputs)
    }

    /// Lets reasons name what a database believes about addresses.
    pub fn hint(&mut self, hints: Hints) {
        self.index.hint(hints);
    }

    /// Lets mechanisms end at other times than the law says.
    pub fn ending(&mut self, endings: Vec<(String, Timestamp)>) {
        self.endings = endings;
        self.law = None;
    }

    /// The world at an instant.
    pub fn world(&mut self, at: Timestamp) -> Arc<World> {
        let world = self.index.refresh(at);
        if self.known_at.is_none() && self.endings.is_empty() {
            return world;
        }
        let law = self.law.take().filter(|(own, _)| Arc::ptr_eq(own, &world.lawbook));
        let (own, asked) = law.unwrap_or_else(|| (world.lawbook.clone(), Arc::new(self.asked(&world.lawbook))));
        self.law = Some((own, asked.clone()));
        // Policies that were prepared for the other lawbook find out and look into this one.
        let mut world = World::clone(&world);
        world.lawbook = asked;
        Arc::new(world)
    }

    /// The world at an instant in which a document is judged: without what it would itself carry from store to store, as at
    /// its admission.
    pub fn world_before(&mut self, document: &Document, at: Timestamp) -> Arc<World> {
        let aside = self.index.set_aside(document.kind(), document.namespace(), document.name());
        let world = self.world(at);
        if let Some(aside) = aside {
            self.index.put_back(aside);
        }
        world
    }

    /// The index at an instant.
    pub fn index(&mut self, at: Timestamp) -> &Index {
        self.index.refresh(at);
        &self.index
    }

    /// The worlds from an instant on: one until lineage changes by itself, then the next.
    pub fn worlds(&mut self, from: Timestamp) -> Worlds {
        let mut all = vec![(from, self.world(from))];
        while let Some(next) = all.last().and_then(|(from, world)| world.valid_until.filter(|until| until > from)) {
            all.push((next, self.world(next)));
        }
        Worlds(all)
    }

    fn asked(&self, lawbook: &Lawbook) -> Lawbook {
        let known = self.known_at.map_or_else(|| lawbook.clone(), |instant| lawbook.known_at(instant));
        self.endings.iter().fold(known, |law, (name, until)| law.ending(name, *until))
    }
}

/// Worlds by their first instants; never empty.
#[derive(Debug)]
pub struct Worlds(Vec<(Timestamp, Arc<World>)>);

impl Worlds {
    /// The world at an instant; of an instant before all of them the first.
    pub fn at(&self, instant: Timestamp) -> &World {
        let passed = self.0.partition_point(|(from, _)| *from <= instant);
        &self.0[passed.saturating_sub(1)].1
    }

    /// The law, which is the same in all of them.
    pub fn lawbook(&self) -> &Lawbook {
        &self.0[0].1.lawbook
    }

    /// Every instant at which the law or lineage changes by itself, sorted.
    pub fn changes(&self) -> Vec<Timestamp> {
        let lineage = self.0.iter().map(|(from, _)| *from);
        let mut all: Vec<Timestamp> = self.lawbook().changes().iter().copied().chain(lineage).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Tells the user what was noted about the input.
pub fn tell<'a>(notes: impl IntoIterator<Item = &'a String>) {
    for note in notes {
        eprintln!("domicile: {note}");
    }
}

/// Every document of some files, with lists unrolled and namespaces filled in.
///
/// # Errors
///
/// When a file cannot be read or holds something that is no Kubernetes object.
pub fn load(filenames: &[PathBuf], namespace: &str) -> Result<Vec<Document>, BadInput> {
    let mut documents = Vec::new();
    for path in filenames {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            let read = std::io::stdin().lock().take(LARGEST).read_to_string(&mut text);
            read.map_err(|error| BadInput { file: "-".to_owned(), reason: error.to_string() })?;
            parse("-", &text, namespace, &mut documents)?;
            continue;
        }
        for file in files(path)? {
            let name = file.display().to_string();
            let bad = |reason: String| BadInput { file: name.clone(), reason };
            let size = std::fs::metadata(&file).map_err(|error| bad(error.to_string()))?.len();
            if size > LARGEST {
                return Err(bad(format!("is larger than {} MiB", LARGEST / 1024 / 1024)));
            }
            let text = std::fs::read_to_string(&file).map_err(|error| bad(error.to_string()))?;
            parse(&name, &text, namespace, &mut documents)?;
        }
    }
    Ok(documents)
}

/// A rendered chart with every example of the world is far below this.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The files of a path: itself, or what a folder and its folders hold, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, BadInput> {
    let bad = |error: std::io::Error| BadInput { file: path.display().to_string(), reason: error.to_string() };
    if !std::fs::metadata(path).map_err(bad)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).map_err(bad)?.map(|entry| Ok(entry.map_err(bad)?.path())).collect::<Result<_, _>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        let manifest = entry.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if entry.is_dir() && !entry.is_symlink() {
            found.extend(files(&entry)?);
        } else if manifest {
            found.push(entry);
        }
    }
    Ok(found)
}

/// How files are read. What cannot be read is not shown: the text around it may hold anything.
fn reading() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        // A rendered chart with its definitions has thousands of documents.
        budget: serde_saphyr::budget! { max_documents: 100_000, max_nodes: 10_000_000, max_events: 40_000_000 },
    }
}

fn parse(file: &str, text: &str, namespace: &str, into: &mut Vec<Document>) -> Result<(), BadInput> {
    let bad = |reason: String| BadInput { file: file.to_owned(), reason };
    let values: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, reading()).map_err(|error| bad(error.to_string()))?;
    for value in values.into_iter().flat_map(unrolled) {
        if !value.is_object() {
            return Err(bad("holds a document that is no Kubernetes object".to_owned()));
        }
        if value.get("apiVersion").and_then(Value::as_str).is_none()
            || value.get("kind").and_then(Value::as_str).is_none()
        {
            return Err(bad("holds a document without apiVersion or kind".to_owned()));
        }
        let mut value = value;
        if interpret::is_namespaced(value.get("kind").and_then(Value::as_str).unwrap_or_default()) {
            fill_namespace(&mut value, namespace);
        }
        into.push(Document { file: file.to_owned(), value, fallback: namespace.to_owned() });
    }
    Ok(())
}

/// Objects of a list by themselves; documents without anything in them vanish.
fn unrolled(mut value: Value) -> Vec<Value> {
    if value.is_null() {
        return Vec::new();
    }
    let kind = value.get("kind").and_then(Value::as_str).and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
    let items = value.get_mut("items").filter(|items| kind.is_some() && items.is_array()).map(Value::take);
    let (Some(kind), Some(Value::Array(items))) = (kind, items) else { return vec![value] };
    // The items of a list of one kind need not say again what they are.
    let whole = |mut item: Value| {
        if let Some(object) = item.as_object_mut().filter(|_| !kind.is_empty()) {
            object.entry("apiVersion").or_insert_with(|| value.get("apiVersion").cloned().unwrap_or_default());
            object.entry("kind").or_insert_with(|| kind.as_str().into());
        }
        item
    };
    items.into_iter().map(whole).flat_map(unrolled).collect()
}

fn fill_namespace(value: &mut Value, namespace: &str) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.get("namespace").and_then(Value::as_str).is_none_or(str::is_empty)
    {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
}
