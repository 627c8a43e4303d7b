//! What `domicile whatif` prints.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::Format;
use super::timeline::State;
use crate::engine::law::alternatives::Alternative;
use crate::engine::law::exposure::Maximum;
use crate::engine::law::opinion::DISCLAIMER;

/// A mechanism that is thought to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// Its name.
    pub mechanism: String,
    /// The first day on which it is gone, where it is in force.
    pub on: Date,
    /// The first instant of that.
    pub until: Timestamp,
}

/// An object that would break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broken {
    /// The file it stands in.
    pub file: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The day on which it breaks.
    pub on: Date,
    /// The first instant of that.
    pub from: Timestamp,
    /// From when on the change makes no difference: it is mended by then, or broken all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How it would be without the change; none: it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<State>,
    /// How it would be.
    pub after: State,
    /// How to make it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What that may cost at most under the laws concerned.
    pub fines: Vec<Maximum>,
    /// Grounds in force then that could carry the data instead.
    pub alternatives: Vec<Alternative>,
}

/// What would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhatIf {
    /// From when on it was looked.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// What was known by then, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_at: Option<Timestamp>,
    /// What is thought to end.
    pub endings: Vec<Ending>,
    /// What would break.
    pub broken: Vec<Broken>,
}

/// Prints what would be.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, format: Format, what_if: &WhatIf) -> io::Result<()> {
    match format {
        Format::Table => table(out, what_if),
        Format::Json => super::document(out, "WhatIf", what_if),
    }
}

fn table(out: &mut dyn Write, what_if: &WhatIf) -> io::Result<()> {
    let WhatIf { at, until, known_at: _, endings, broken } = what_if;
    for Ending { mechanism, on, until } in endings {
        writeln!(out, "If {mechanism} ended on {on} ({until}):")?;
    }
    if endings.is_empty() {
        writeln!(out, "With what is added:")?;
    }
    if broken.is_empty() {
        writeln!(out, "\nnothing breaks from {at} until {until}")?;
    }
    for one in broken {
        object(out, one)?;
    }
    writeln!(out, "\n{DISCLAIMER}")
}

fn object(out: &mut dyn Write, broken: &Broken) -> io::Result<()> {
    let Broken { file: _, kind, namespace, name, on, from, until, before, after, remedy, fines, alternatives } = broken;
    let until = until.map(|until| format!("; from {until} on the change makes no difference")).unwrap_or_default();
    writeln!(out, "\n{} breaks on {on} ({from}{until})", super::object(kind, namespace, name))?;
    let before = before.as_ref().map_or_else(|| "not there".to_owned(), state);
    writeln!(out, "    {before} -> {}", state(after))?;
    if let Some(reason) = &after.reason {
        writeln!(out, "    {reason}")?;
    }
    if let Some(remedy) = remedy {
        writeln!(out, "        To fix: {remedy}")?;
    }
    for fine in fines {
        let source = &fine.written.source;
        writeln!(out, "    Fine: {} ({}); law of {}, source: {source}", fine.words, fine.notice, fine.written.law)?;
    }
    let mut shown: Vec<&str> = Vec::new();
    for one in alternatives {
        if shown.contains(&one.mechanism.as_str()) {
            continue;
        }
        shown.push(&one.mechanism);
        let asks = if one.asks.is_empty() { "nothing more".to_owned() } else { one.asks.join(", and ") };
        writeln!(out, "    Instead: {} ({:?}), which asks: {asks}; source: {}", one.mechanism, one.kind, one.source)?;
        for risk in &one.at_risk {
            writeln!(out, "        At risk: {risk}")?;
        }
    }
    Ok(())
}

/// "Allow, Permitted by eu-scc".
fn state(state: &State) -> String {
    let legal = state.legal.map(|legal| format!(", {legal:?}")).unwrap_or_default();
    let by = if state.grounds.is_empty() { String::new() } else { format!(" by {}", state.grounds.join(", ")) };
    format!("{:?}{legal}{by}", state.action)
}
