//! What the commands that decide print: for people, or as one JSON document.

pub mod access;
pub mod answer;
mod json;
pub mod lineage;
pub mod surface;
mod table;
pub mod timeline;
pub mod whatif;

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::Exit;
use crate::cli::inputs::Document;
use crate::engine::law::opinion::DISCLAIMER;
use crate::engine::policy::Check;
use crate::engine::verdict::{Action, Verdict};
use crate::interpret::Judgement;

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
    /// The questions of law that were asked; none: it is neither a store nor a flow.
    pub checks: Vec<Check>,
    /// Questions of law that could not be asked, and why.
    pub unasked: Vec<String>,
    /// What was found.
    pub judgement: Judgement,
}

impl Row {
    /// A row of a judged document.
    pub fn new(document: &Document, judgement: Judgement) -> Self {
        let (checks, unasked) = checks(document);
        Self {
            file: document.file.clone(),
            kind: document.kind().to_owned(),
            namespace: document.namespace().to_owned(),
            name: document.name().to_owned(),
            checks,
            unasked,
            judgement,
        }
    }

    /// The object in one word.
    pub fn object(&self) -> String {
        object(&self.kind, &self.namespace, &self.name)
    }

    /// What was not looked at.
    pub fn not_assessed(&self) -> Vec<&str> {
        self.judgement.verdict.not_assessed.iter().chain(&self.unasked).map(String::as_str).collect()
    }
}

/// An object in one word.
pub fn object(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{name} ({namespace})") }
}

/// Which questions of law a store or flow answers by what it declares, and which it leaves out.
fn checks(document: &Document) -> (Vec<Check>, Vec<String>) {
    let declares =
        |field: &str| document.value.pointer(&format!("/spec/{field}")).is_some_and(|value| !value.is_null());
    let mut checks = vec![Check::Localisation, Check::Transfer];
    let mut unasked = Vec::new();
    match document.kind() {
        "DataStore" => checks.push(Check::SubjectRights),
        "DataFlow" => {
            for (check, fields) in [(Check::Consent, &["purpose", "channel"][..]), (Check::Enrichment, &["purpose"])] {
                let missing: Vec<&str> = fields.iter().copied().filter(|field| !declares(field)).collect();
                if missing.is_empty() {
                    checks.push(check);
                } else {
                    unasked.push(format!("{check:?} (no {})", missing.join(", no ")));
                }
            }
        }
        _ => return (Vec::new(), Vec::new()),
    }
    (checks, unasked)
}

/// Prints the rows of `domicile check`.
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

/// Writes one JSON document with its kind and the notice that every output carries.
fn document<T: Serialize>(out: &mut dyn Write, kind: &'static str, body: &T) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a, T> {
        api_version: &'static str,
        kind: &'static str,
        notice: &'static str,
        #[serde(flatten)]
        body: &'a T,
    }
    let document = Document { api_version: "domicile.dev/v1alpha1", kind, notice: DISCLAIMER, body };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Rows in columns as wide as their widest cell.
fn columns<const N: usize>(out: &mut dyn Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
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
