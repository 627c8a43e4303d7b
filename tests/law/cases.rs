//! The table of cases under `tests/cases`: one file a case, described in its README. Read here and nowhere else, so that
//! the decision, the binary and a live cluster are tested with the same cases.

#![allow(dead_code, reason = "each test target that includes this file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test support: a case that cannot be read fails the test")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domicile::catalogue::Catalogue;
use domicile::engine::law::opinion::Legal;
use domicile::engine::verdict::Action;
use domicile::index::{Index, Object};
use domicile::interpret::access::User;
use domicile::interpret::world::World;
use domicile::interpret::{self, Body, JudgeError, Judgement, Operation, Request};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its topic: the folder.
    pub topic: String,
    /// Its name: the file, without its ending. Everything in the case that needs a name of its own is named after it.
    pub name: String,
    /// One sentence: what the case shows.
    pub about: String,
    /// The time at which it holds; none: at any time.
    pub now: Option<Timestamp>,
    /// Where it can be run.
    pub layer: Layer,
    /// What exists before, in the order in which it can be applied.
    pub world: Vec<Value>,
    /// What is asked for.
    pub operation: Operation,
    /// The object that is applied.
    pub object: Value,
    /// What it replaces.
    pub old: Option<Value>,
    /// The part of the object that is asked for; empty for the object itself.
    pub subresource: String,
    /// Who asks.
    pub user: Asker,
    /// What comes of it.
    pub expect: Expect,
}

/// Who asks for a connection.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asker {
    /// The user's name.
    #[serde(default)]
    pub name: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<Cow<'static, str>>,
}

/// Where a case can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Everywhere.
    #[default]
    All,
    /// Not on a live cluster: its world holds an object that is refused there.
    Decision,
    /// On a live cluster only: the schema of the kind refuses it before any decision.
    Schema,
}

/// What comes of a case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What becomes of the request.
    pub action: Action,
    /// Whether all findings are about places or origins that are not proven.
    #[serde(default)]
    pub unproven: bool,
    /// The rules that found something, sorted.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The rules of which an exception waives a finding, sorted.
    #[serde(default)]
    pub waived: Vec<String>,
    /// A part of one finding's message or remedy.
    pub message: Option<String>,
    /// A part of one warning that the person gets.
    pub warnings: Option<String>,
    /// The legal state; none: not looked at.
    pub legal: Option<Legal>,
    /// The name of one ground that carries data abroad.
    pub ground: Option<String>,
    /// A part of what is owed.
    pub obligation: Option<String>,
    /// A part of why a ground has to be looked at again.
    pub review: Option<String>,
    /// A part of one sign that a ground may end.
    pub risk: Option<String>,
    /// Rules that the case is about and complies with.
    #[serde(default)]
    pub keeps: Vec<String>,
    /// JSON pointers into the object after the patch, and what stands there; null: nothing.
    #[serde(default)]
    pub patched: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    about: String,
    now: Option<Timestamp>,
    #[serde(default)]
    layer: Layer,
    #[serde(default)]
    world: String,
    request: RequestPart,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestPart {
    operation: String,
    object: String,
    old: Option<String>,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    user: Asker,
}

/// Every case, by topic and name.
pub fn all() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = Vec::new();
    for topic in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        files.extend(std::fs::read_dir(topic).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.sort_unstable();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Case {
    let part = |path: Option<&std::ffi::OsStr>| path.and_then(|part| part.to_str()).unwrap().to_owned();
    let fail = |what: &str, error: &dyn std::fmt::Display| -> ! { panic!("{}: {what}: {error}", file.display()) };
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| fail("cannot be read", &error));
    let CaseFile { about, now, layer, world, request, expect } =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| fail("is not a case", &error));
    let documents = |text: &str| documents(text).unwrap_or_else(|error| fail("holds YAML that cannot be read", &error));
    let single = |text: &str| documents(text).pop().unwrap_or_else(|| fail("request", &"holds no object"));
    Case {
        topic: part(file.parent().and_then(Path::file_name)),
        name: part(file.file_stem()),
        about,
        now,
        layer,
        world: documents(&world),
        operation: match request.operation.as_str() {
            "Create" => Operation::Create,
            "Update" => Operation::Update,
            "Connect" => Operation::Connect,
            other => fail("request.operation is none of Create, Update and Connect", &other),
        },
        object: single(&request.object),
        old: request.old.as_deref().map(single),
        subresource: request.subresource,
        user: request.user,
        expect,
    }
}

/// The documents of a YAML text; empty ones are left out.
fn documents(text: &str) -> Result<Vec<Value>, serde_saphyr::Error> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

impl Case {
    /// What stands in names that belong to the case alone.
    pub fn prefix(&self) -> String {
        format!("case-{}", self.name)
    }

    /// Notes the case's world in an index.
    pub fn apply_world(&self, index: &mut Index) {
        for manifest in &self.world {
            match Object::from_manifest(manifest.clone()) {
                Ok(Some(object)) => {
                    index.apply(object);
                }
                Ok(None) => {}
                Err(error) => panic!("{}/{}: {error}: {}", self.topic, self.name, error.source),
            }
        }
    }

    /// The case judged in its own world, with that world and the time.
    pub fn judged(&self, catalogue: Catalogue) -> (Arc<World>, Timestamp, Result<Judgement, JudgeError>) {
        let now = self.now.unwrap_or_else(Timestamp::now);
        let mut index = Index::new(catalogue);
        self.apply_world(&mut index);
        let world = index.refresh(now);
        let texts = self.texts();
        let judgement = interpret::judge(&world, &self.request(&texts), now);
        (world, now, judgement)
    }

    /// The object as the API server would send it, and what it replaces.
    pub fn texts(&self) -> (String, Option<String>) {
        (self.object.to_string(), self.old.as_ref().map(Value::to_string))
    }

    /// The request, around the texts.
    pub fn request<'a>(&'a self, texts: &'a (String, Option<String>)) -> Request<'a> {
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        let group = text(&self.object["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
        Request {
            operation: self.operation,
            group,
            kind: text(&self.object["kind"]),
            namespace: text(&self.object["metadata"]["namespace"]),
            name: text(&self.object["metadata"]["name"]),
            object: Body::Json(&texts.0),
            old: texts.1.as_deref().map(Body::Json),
            user: User { name: &self.user.name, groups: &self.user.groups },
        }
    }
}
