//! One JSON document, with a stable shape.

use std::io::{self, Write};

use json_patch::PatchOperation;
use serde::Serialize;

use super::Row;
use crate::engine::verdict::{Action, Finding};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    results: Vec<Judged<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Judged<'a> {
    file: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    name: &'a str,
    action: Action,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    patch: &'a [PatchOperation],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    holds_until: Option<jiff::Timestamp>,
}

pub fn write(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    let results = rows
        .iter()
        .map(|row| Judged {
            file: &row.file,
            kind: &row.kind,
            namespace: &row.namespace,
            name: &row.name,
            action: row.judgement.verdict.action,
            findings: &row.judgement.verdict.findings,
            patch: &row.judgement.patch,
            warnings: &row.judgement.warnings,
            holds_until: row.judgement.verdict.holds_until,
        })
        .collect();
    let document = Document { api_version: "domicile.dev/v1alpha1", kind: "CheckResult", results };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
