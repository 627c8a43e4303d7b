//! `domicile catalogue`

use std::io::Write;

use serde::Deserialize;

use super::Exit;
use crate::catalogue;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only files whose path contains this text, as in `locations/` or `blocs/eea`; or one object by the end of its kind
    /// and its name, as in `mechanism/NAME` or `policy/law`
    #[arg(value_name = "PART|KIND/NAME")]
    part: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    let part = arguments.part.as_deref().unwrap_or_default();
    let mut found = false;
    for (path, text) in catalogue::files().into_iter().filter(|(path, _)| path.contains(part)) {
        found = true;
        writeln!(out, "---\n# {path}\n{}", text.trim_start_matches("---\n").trim_end())?;
    }
    if !found && let Some((kind, name)) = part.split_once('/') {
        for (path, text) in catalogue::files() {
            for document in text.split("\n---\n").filter(|document| is(document, kind, name)) {
                found = true;
                writeln!(out, "---\n# {path}\n{}", document.trim_start_matches("---\n").trim_end())?;
            }
        }
    }
    if !found {
        eprintln!("domicile: the catalogue has no file with a path like that, and no such object");
        return Ok(Exit::Usage);
    }
    Ok(Exit::Ok)
}

/// Whether a document is the object of this name and of a kind that ends so.
fn is(document: &str, kind: &str, name: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    // Most documents do not even mention the name, and need not be read.
    document.contains(name)
        && serde_saphyr::from_str::<Head>(document)
            .is_ok_and(|head| head.metadata.name == name && head.kind.to_lowercase().ends_with(&kind.to_lowercase()))
}
