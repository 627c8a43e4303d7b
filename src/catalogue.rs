//! The built-in catalogue: manifests of our own kinds, embedded in the binary. Knowledge is data: no country, region or
//! field path is named in Rust code.

use std::sync::Arc;

use include_dir::{Dir, include_dir};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::law;
use crate::evidence::digest::Digest;
use crate::interpret::read::{self, Problem};
use crate::interpret::resource::{self, Interpreter};

use crate::api::v1alpha1::{
    Bloc, Jurisdiction, Location, Provider, ResidencyPolicy, ResourceInterpreter, TransferMechanism,
};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/catalogue");

/// The folder of interpreters in it.
const INTERPRETERS: &str = "interpreters/";

/// Every built-in object.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Blocs.
    pub blocs: Vec<Bloc>,
    /// Jurisdictions by name, in the engine's terms: their manifests are many times as large.
    pub jurisdictions: Vec<(String, Arc<law::jurisdiction::Jurisdiction>)>,
    /// Locations.
    pub locations: Vec<Location>,
    /// Providers.
    pub providers: Vec<Provider>,
    /// Interpreters of resource types, compiled.
    pub interpreters: Vec<Arc<Interpreter>>,
    /// Policies.
    pub policies: Vec<ResidencyPolicy>,
    /// Transfer mechanisms by name, in the engine's terms.
    pub mechanisms: Vec<(String, Arc<law::mechanism::Mechanism>)>,
}

/// A manifest that is not what it should be. The built-in ones are tested, so that this can only be seen while one is
/// being written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not YAML, or not of its kind's shape.
    #[error("failed to read {file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A kind that the catalogue does not hold.
    #[error("{file} holds an object of the unknown kind {kind}")]
    UnknownKind {
        /// The file.
        file: String,
        /// The kind.
        kind: String,
    },
}

/// The files of the catalogue with their text, in the order of their paths.
pub fn files() -> Vec<(&'static str, &'static str)> {
    fn walk(dir: &Dir<'static>, into: &mut Vec<(&'static str, &'static str)>) {
        for file in dir.files() {
            if let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
                into.push((path, text));
            }
        }
        for dir in dir.dirs() {
            walk(dir, into);
        }
    }
    let mut files = Vec::new();
    walk(&FILES, &mut files);
    files.sort_unstable();
    files
}

/// Digest of the catalogue: two programs with the same one know the same law.
pub fn digest() -> Digest {
    Digest::of_json(&files())
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(|one| format!("{}: {}", one.field, one.message)).collect::<Vec<_>>().join("; ")
}

/// API groups that a file of interpreters names, its own among them. Read from the text: it costs a hundredth of reading the
/// file.
pub fn groups(text: &str) -> impl Iterator<Item = &str> {
    const KEY: &str = "group: ";
    text.match_indices(KEY).map(|(at, _)| {
        let rest = &text[at + KEY.len()..];
        let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
        rest[..end].trim().trim_matches(['"', '\''])
    })
}

/// Reads the catalogue.
///
/// # Errors
///
/// When a manifest cannot be read.
pub fn load() -> Result<Catalogue, CatalogueError> {
    load_for(|_| true)
}

/// Reads the catalogue without interpreters of API groups that nobody wants. Law, places and policies are always there.
///
/// # Errors
///
/// When a manifest cannot be read.
pub fn load_for(wanted: impl Fn(&str) -> bool) -> Result<Catalogue, CatalogueError> {
    let mut catalogue = Catalogue::default();
    for (file, text) in files() {
        if file.starts_with(INTERPRETERS) && !groups(text).any(&wanted) {
            continue;
        }
        let unreadable = |reason: String| CatalogueError::Unreadable { file: file.to_owned(), reason };
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| unreadable(error.to_string()))?;
        for document in documents {
            fn read<T: DeserializeOwned>(document: Value) -> Result<T, String> {
                serde_json::from_value(document).map_err(|error| error.to_string())
            }
            let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            match kind.as_str() {
                "Bloc" => catalogue.blocs.push(read(document).map_err(unreadable)?),
                "Jurisdiction" => {
                    let object: Jurisdiction = read(document).map_err(unreadable)?;
                    let law = read::jurisdiction(&object.spec).map_err(|problems| unreadable(told(&problems)))?;
                    catalogue.jurisdictions.push((object.name_any(), Arc::new(law)));
                }
                "Location" => catalogue.locations.push(read(document).map_err(unreadable)?),
                "Provider" => catalogue.providers.push(read(document).map_err(unreadable)?),
                "ResourceInterpreter" => {
                    let object: ResourceInterpreter = read(document).map_err(unreadable)?;
                    let compiled = resource::compile(&object.name_any(), &object.spec);
                    let compiled = compiled.map_err(|problems| unreadable(told(&problems)))?;
                    catalogue.interpreters.push(Arc::new(compiled));
                }
                "ResidencyPolicy" => catalogue.policies.push(read(document).map_err(unreadable)?),
                "TransferMechanism" => {
                    let object: TransferMechanism = read(document).map_err(unreadable)?;
                    let name = object.name_any();
                    let law = read::mechanism(&name, &object.spec).map_err(|problems| unreadable(told(&problems)))?;
                    catalogue.mechanisms.push((name, Arc::new(law)));
                }
                _ => return Err(CatalogueError::UnknownKind { file: file.to_owned(), kind }),
            }
        }
    }
    Ok(catalogue)
}
