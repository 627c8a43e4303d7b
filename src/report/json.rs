//! One JSON document, with a stable shape.

use std::io::{self, Write};

use jiff::Timestamp;
use json_patch::PatchOperation;
use serde::Serialize;

use super::Row;
use crate::engine::law::opinion::{Ground, Legal};
use crate::engine::policy::Check;
use crate::engine::verdict::{Action, Finding, Obligation};

#[derive(Serialize)]
struct Body<'a> {
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
    holds_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal: Option<Legal>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    checks: &'a [Check],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    grounds: &'a [Ground],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    obligations: &'a [Obligation],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    relies_on: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_assessed: Vec<&'a str>,
}

pub fn write(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    let results = rows
        .iter()
        .map(|row| {
            let verdict = &row.judgement.verdict;
            Judged {
                file: &row.file,
                kind: &row.kind,
                namespace: &row.namespace,
                name: &row.name,
                action: verdict.action,
                findings: &verdict.findings,
                patch: &row.judgement.patch,
                warnings: &row.judgement.warnings,
                holds_until: verdict.holds_until,
                legal: verdict.legal,
                checks: &row.checks,
                grounds: &verdict.grounds,
                obligations: &verdict.obligations,
                relies_on: &verdict.relies_on,
                not_assessed: row.not_assessed(),
            }
        })
        .collect();
    super::document(out, "CheckResult", &Body { results })
}
