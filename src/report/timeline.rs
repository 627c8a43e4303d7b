//! What `domicile timeline` prints.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::Format;
use crate::cli::inputs::Document;
use crate::engine::law::opinion::{DISCLAIMER, Legal};
use crate::engine::law::timeline::Span;
use crate::engine::verdict::{Action, Finding, Verdict};

/// What is so of an object for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// What the policies make of it.
    pub action: Action,
    /// The legal state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal: Option<Legal>,
    /// What carries it abroad.
    pub grounds: Vec<String>,
    /// What is wrong or owed first of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why what it relied on has to be looked at again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub review: Vec<String>,
}

impl State {
    /// The state that a verdict tells.
    pub fn of(verdict: &Verdict) -> Self {
        let mut grounds: Vec<String> = Vec::new();
        let mut review: Vec<String> = Vec::new();
        for ground in &verdict.grounds {
            if !grounds.contains(&ground.name) {
                grounds.push(ground.name.clone());
            }
            review.extend(ground.review.iter().filter(|note| !review.contains(note)).cloned().collect::<Vec<_>>());
        }
        let wrong = telling(verdict).map(|finding| format!("[{}] {}", finding.rule, finding.message));
        let owed = || verdict.obligations.first().map(|owed| format!("[{}] owed: {}", owed.rule, owed.message));
        Self { action: verdict.action, legal: verdict.legal, grounds, reason: wrong.or_else(owed), review }
    }
}

/// The finding that says most: one of law before one of a place that follows from it.
pub fn telling(verdict: &Verdict) -> Option<&Finding> {
    let lawful = verdict.findings.iter().find(|finding| finding.citation.is_some());
    lawful.or_else(|| verdict.findings.first())
}

/// One object over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    file: String,
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    rows: Vec<Span<Option<State>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_change: Option<Timestamp>,
}

impl History {
    /// The history of an object, and when it changes after `now`.
    pub fn new(document: &Document, rows: Vec<Span<Option<State>>>, now: Timestamp) -> Self {
        let next_change = rows.iter().skip(1).map(|row| row.from).find(|from| *from > now);
        Self {
            file: document.file.clone(),
            kind: document.kind().to_owned(),
            namespace: document.namespace().to_owned(),
            name: document.name().to_owned(),
            rows,
            next_change,
        }
    }
}

/// Every object over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// Now.
    pub at: Timestamp,
    /// What was known by then, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_at: Option<Timestamp>,
    /// The objects.
    pub objects: Vec<History>,
}

/// Prints a timeline.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, format: Format, timeline: &Timeline) -> io::Result<()> {
    match format {
        Format::Table => table(out, timeline),
        Format::Json => super::document(out, "Timeline", timeline),
    }
}

/// Instants of whole seconds, so that columns stand below each other.
const INSTANT: usize = "2000-01-01T00:00:00Z".len();

fn table(out: &mut dyn Write, timeline: &Timeline) -> io::Result<()> {
    let Timeline { at, known_at: _, objects } = timeline;
    if objects.is_empty() {
        writeln!(out, "no flow, and no store with parties or bases, is among the files")?;
    }
    for History { file: _, kind, namespace, name, rows, next_change } in objects {
        writeln!(out, "{}", super::object(kind, namespace, name))?;
        let grounds = |state: &State| {
            if state.grounds.is_empty() { "-".to_owned() } else { state.grounds.join(", ") }
        };
        let states = || rows.iter().filter_map(|row| Some((row, row.state.as_ref()?)));
        let width = states().map(|(_, state)| grounds(state).chars().count()).max().unwrap_or_default().max(6);
        writeln!(
            out,
            "  {:<INSTANT$}  {:<INSTANT$}  {:<7}  {:<11}  {:<width$}  WHY",
            "FROM", "UNTIL", "VERDICT", "LEGAL", "GROUND"
        )?;
        for (row, state) in states() {
            let until = row.until.map_or_else(|| "-".to_owned(), |until| until.to_string());
            let legal = state.legal.map_or_else(|| "-".to_owned(), |legal| format!("{legal:?}"));
            let action = format!("{:?}", state.action);
            let notes: Vec<&str> = state.reason.iter().chain(&state.review).map(String::as_str).collect();
            let line = format!(
                "  {:<INSTANT$}  {until:<INSTANT$}  {action:<7}  {legal:<11}  {:<width$}  {}",
                row.from.to_string(),
                grounds(state),
                notes.join("; ")
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        match next_change {
            Some(next) => writeln!(out, "  next change after {at}: {next}\n")?,
            None => writeln!(out, "  no change after {at} is known\n")?,
        }
    }
    writeln!(out, "{DISCLAIMER}")
}
