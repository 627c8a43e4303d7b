//! What `domicile check` prints.

mod json;
mod table;

use std::io::{self, Write};

use crate::cli::Exit;
use crate::engine::verdict::{Action, Verdict};
use crate::interpret::{Judgement, Request};

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// One JSON document.
    Json,
}

/// One judged object.
#[derive(Debug, Clone)]
pub struct Row {
    /// The file it stands in.
    pub file: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What was found.
    pub judgement: Judgement,
}

impl Row {
    /// A row of a judged request.
    pub fn new(file: &str, request: &Request<'_>, judgement: Judgement) -> Self {
        Self {
            file: file.to_owned(),
            kind: request.kind.to_owned(),
            namespace: request.namespace.to_owned(),
            name: request.name.to_owned(),
            judgement,
        }
    }

    /// The object in one word.
    pub fn object(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}/{}", self.kind, self.name)
        } else {
            format!("{}/{} ({})", self.kind, self.name, self.namespace)
        }
    }
}

/// Prints the rows.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, format: Format, rows: &[Row], colour: bool) -> io::Result<()> {
    match format {
        Format::Table => table::write(out, rows, colour),
        Format::Json => json::write(out, rows),
    }
}

/// How a command ends that found this.
pub fn exit(rows: &[Row]) -> Exit {
    let refused = |verdict: &Verdict| verdict.action == Action::Refuse;
    let mut worst = Exit::Ok;
    for verdict in rows.iter().map(|row| &row.judgement.verdict).filter(|verdict| refused(verdict)) {
        if verdict.refusals().any(|finding| !finding.unproven) {
            return Exit::Violation;
        }
        worst = Exit::Unproven;
    }
    worst
}
