//! What stands in a report (no client), in the schema that both APIs share, and how findings are told in it.
//!
//! A report names objects, rules and countries, never what is in an object. It tells what is wrong, or cannot be proven;
//! that an object has no report says that no breach was found in it, and no more than that.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ObjectReference;
use serde::{Deserialize, Serialize};

use super::api::ReportApi;
use crate::engine::explain;
use crate::engine::law::opinion::DISCLAIMER;
use crate::engine::policy::Mode;
use crate::engine::verdict::Finding;
use crate::index::{Found, Judged, Subject};

/// What everything here comes from.
pub const SOURCE: &str = "domicile";
const CATEGORY: &str = "Data Residency";
/// Details of one object are capped; its counts are exact.
pub const MOST: usize = 50;
/// Messages are capped, so that a report of many results stays far below what etcd takes.
const LONGEST: usize = 1000;
/// The property by which readers tell results apart.
pub const RESULT_ID: &str = "resultID";

/// A report without its metadata.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Contents {
    /// Who reports. Only one of the two APIs has it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The object that is reported on; none: the results name theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<ObjectReference>,
    /// How many results there are, also of those that the cap leaves out.
    pub summary: Summary,
    /// The results.
    pub results: Vec<Entry>,
}

/// Results by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Breaches.
    pub fail: i64,
    /// What only warns, or cannot be proven.
    pub warn: i64,
    /// Always none: an object in which no breach was found has no report.
    pub pass: i64,
    /// Always none: whatever exists is judged.
    pub error: i64,
    /// Always none, for the same reason.
    pub skip: i64,
}

/// One result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    /// The policy, or the rule where no policy is concerned.
    pub policy: String,
    /// Stable id of the rule.
    pub rule: String,
    /// What sort of results these are.
    pub category: String,
    /// The sentence that admission says.
    pub message: String,
    /// `fail` or `warn`.
    pub result: String,
    /// `critical`, `high`, `medium` or `low`.
    pub severity: String,
    /// Whether it counts against the object.
    pub scored: bool,
    /// Who reports.
    pub source: String,
    /// When it was seen first; of a refused request, last.
    pub timestamp: Stamp,
    /// The objects; none: that of the report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ObjectReference>,
    /// Facts for programs.
    pub properties: BTreeMap<String, String>,
}

/// An instant, in the form of the schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Stamp {
    /// Seconds of Unix time.
    pub seconds: i64,
    /// Beside that.
    pub nanos: i32,
}

impl Contents {
    /// What is reported of an object. The times of its results are set when it is written.
    pub fn of(judged: &Judged, api: ReportApi) -> Self {
        let Judged { subject, findings } = judged;
        let mut entries: Vec<Entry> = findings.iter().map(|found| entry_of(subject, found)).collect();
        entries.sort_by(|one, other| rank(one).cmp(&rank(other)));
        entries.dedup_by(|one, other| id(one) == id(other));
        let summary = Summary::of(&entries);
        entries.truncate(MOST);
        Self { source: source(api), scope: Some(reference(subject)), summary, results: entries }
    }

    /// A number that changes with everything but the times.
    pub fn digest(&self) -> u64 {
        let mut timeless = self.clone();
        for entry in &mut timeless.results {
            entry.timestamp = Stamp::default();
        }
        // A struct of texts and numbers can always be written as JSON.
        fingerprint(&[&serde_json::to_string(&timeless).unwrap_or_default()])
    }
}

impl Summary {
    /// Counts results.
    pub fn of(entries: &[Entry]) -> Self {
        let count = |outcome: &str| {
            let number = entries.iter().filter(|entry| entry.result == outcome).count();
            i64::try_from(number).unwrap_or(i64::MAX)
        };
        Self { fail: count(FAIL), warn: count(WARN), ..Self::default() }
    }
}

/// Only one of the two APIs names the source of a whole report.
pub fn source(api: ReportApi) -> Option<String> {
    (api == ReportApi::OpenReports).then(|| SOURCE.to_owned())
}

const FAIL: &str = "fail";
const WARN: &str = "warn";

/// The worst first, then by what never changes.
fn rank(entry: &Entry) -> (usize, &str, &str, &str) {
    let severity = ["critical", "high", "medium", "low"].iter().position(|one| *one == entry.severity);
    (severity.unwrap_or_default(), &entry.policy, &entry.rule, id(entry))
}

/// By what a result is known.
pub fn id(entry: &Entry) -> &str {
    entry.properties.get(RESULT_ID).map_or("", String::as_str)
}

/// An object as reports and Events name it.
pub fn reference(subject: &Subject) -> ObjectReference {
    let Subject { api_version, kind, namespace, name, uid } = subject;
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    ObjectReference {
        api_version: some(api_version),
        kind: some(kind),
        namespace: some(namespace),
        name: some(name),
        uid: some(uid),
        ..ObjectReference::default()
    }
}

fn entry_of(subject: &Subject, found: &Found) -> Entry {
    let Found { finding, act, from, to, categories } = found;
    let mut entry = entry(finding, &[&subject.uid]);
    let countries = to.filter(|to| !to.is_empty()).map(|to| to.to_string());
    let facts = [
        ("channel", act.map(|act| format!("{act:?}"))),
        ("fromCountry", (!from.is_empty()).then(|| from.to_string())),
        ("toCountry", countries.or_else(|| finding.unproven.then(|| "unknown".to_owned()))),
        ("dataCategories", (!categories.is_empty()).then(|| categories.join(","))),
    ];
    entry.properties.extend(facts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), clip(value?)))));
    entry
}

/// A finding as a result, without a time. `about` tells the objects of results apart.
pub fn entry(finding: &Finding, about: &[&str]) -> Entry {
    let Finding { rule, mode, policy, allows: _, field, message: _, remedy: _, unproven, citation, waived: _ } =
        finding;
    let line = explain::lines([finding]).concat();
    let message = if citation.is_some() { format!("{line} ({DISCLAIMER})") } else { line };
    // What is only guidance, or only told, is no failure; nor is what may yet turn out well.
    let mild = *unproven || *mode == Mode::Warn;
    let severity = match (unproven, mode, citation) {
        (true, ..) => "medium",
        (false, Mode::Warn, _) => "low",
        (false, _, Some(_)) => "critical",
        (false, _, None) => "high",
    };
    let policy = policy.clone().unwrap_or_else(|| (*rule).to_owned());
    let parts: Vec<&str> = about.iter().copied().chain([policy.as_str(), rule, field]).collect();
    let properties = [
        ("fieldPath", field.clone()),
        ("mode", format!("{mode:?}")),
        (RESULT_ID, format!("{:016x}", fingerprint(&parts))),
    ];
    Entry {
        rule: (*rule).to_owned(),
        category: CATEGORY.to_owned(),
        message: clip(message),
        result: if mild { WARN } else { FAIL }.to_owned(),
        severity: severity.to_owned(),
        scored: !mild,
        source: SOURCE.to_owned(),
        timestamp: Stamp::default(),
        resources: Vec::new(),
        properties: properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        policy,
    }
}

/// A refusal is a failure, whatever led to it.
pub fn refused(finding: &Finding, about: &[&str]) -> Entry {
    let mut entry = Entry { result: FAIL.to_owned(), scored: true, ..entry(finding, about) };
    entry.properties.insert("blocked".to_owned(), "true".to_owned());
    entry
}

fn clip(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// FNV-1a over texts. Results keep their ids over versions of the operator and of the compiler, and nothing that is signed
/// or secret depends on them.
fn fingerprint(parts: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
