//! `domicile check`

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Exit;
use crate::catalogue;
use crate::index::{Index, Object};
use crate::interpret::{self, Body, JudgeError, Operation, Request};
use crate::report::{self, Format, Row};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A file, a folder with YAML or JSON files, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE|DIR|-")]
    filenames: Vec<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short = 'n', long, default_value = "default")]
    namespace: String,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
    /// Judge as if it were this instant, as in 2027-01-01T00:00:00Z
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
}

/// One document of the input.
struct Document {
    file: String,
    value: Value,
}

/// What cannot be read, told with its file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
struct BadInput {
    file: String,
    reason: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let documents = match load(arguments) {
        Ok(documents) => documents,
        Err(error) => {
            eprintln!("domicile: {error}");
            return Ok(Exit::BadInput);
        }
    };
    let now = arguments.at.unwrap_or_else(Timestamp::now);
    let mut index = Index::new(catalogue::load().context("failed to read the built-in catalogue")?);
    let mut declared = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut bad = false;
    for Document { file, value } in &documents {
        let (kind, namespace, name) = identity(value);
        if kind == "Namespace" {
            declared.insert(name.to_owned());
        } else if !namespace.is_empty() {
            used.insert(namespace.to_owned());
        }
        match Object::from_manifest(value.clone()) {
            Ok(Some(object)) => {
                index.apply(object);
            }
            Ok(None) => {}
            Err(error) => {
                bad = true;
                eprintln!("domicile: {file}: {kind} {name}: {error}");
            }
        }
    }
    for namespace in used.difference(&declared) {
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        if let Some(object) = Object::from_manifest(manifest)? {
            index.apply(object);
        }
        eprintln!("domicile: note: namespace {namespace} is not among the files; judged as if it had no origin label");
    }
    let world = index.refresh(now);
    let mut rows = Vec::new();
    for Document { file, value } in &documents {
        let (kind, namespace, name) = identity(value);
        let text = value.to_string();
        let api_version = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let request = Request {
            operation: Operation::Create,
            group,
            kind,
            namespace,
            name,
            object: Body::Json(&text),
            old: None,
        };
        match interpret::judge(&world, &request, now) {
            Ok(judgement) => rows.push(Row::new(file, &request, judgement)),
            Err(error @ (JudgeError::Unreadable { .. } | JudgeError::UnknownNamespace(_))) => {
                bad = true;
                eprintln!("domicile: {file}: {kind} {name}: {error}");
            }
        }
    }
    let mut out = std::io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    report::write(&mut out, arguments.output, &rows, colour)?;
    out.flush()?;
    Ok(if bad { Exit::BadInput } else { report::exit(&rows) })
}

fn identity(value: &Value) -> (&str, &str, &str) {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

/// Every document, with lists unrolled and namespaces filled in.
fn load(arguments: &Arguments) -> Result<Vec<Document>, BadInput> {
    let mut documents = Vec::new();
    for path in &arguments.filenames {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            let read = std::io::stdin().lock().take(LARGEST).read_to_string(&mut text);
            read.map_err(|error| BadInput { file: "-".to_owned(), reason: error.to_string() })?;
            parse("-", &text, &arguments.namespace, &mut documents)?;
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
            parse(&name, &text, &arguments.namespace, &mut documents)?;
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

fn parse(file: &str, text: &str, namespace: &str, into: &mut Vec<Document>) -> Result<(), BadInput> {
    let bad = |reason: String| BadInput { file: file.to_owned(), reason };
    let values: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| bad(error.to_string()))?;
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
        fill_namespace(&mut value, namespace);
        into.push(Document { file: file.to_owned(), value });
    }
    Ok(())
}

/// Objects of a list by themselves; documents without anything in them vanish.
fn unrolled(value: Value) -> Vec<Value> {
    if value.is_null() {
        return Vec::new();
    }
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match value.get("items") {
        Some(Value::Array(items)) if is_list => items.iter().cloned().flat_map(unrolled).collect(),
        _ => vec![value],
    }
}

fn fill_namespace(value: &mut Value, namespace: &str) {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !interpret::is_namespaced(kind) {
        return;
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.get("namespace").and_then(Value::as_str).is_none_or(str::is_empty)
    {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
}
