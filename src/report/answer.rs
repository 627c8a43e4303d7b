//! What `domicile answer` prints.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::Format;
use crate::engine::law::answer::{Answered, Asked, Contact, Effect, Enrichment, Programme, Requirement, Written};
use crate::engine::law::opinion::DISCLAIMER;

/// The answers of several countries about one programme.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// What was asked about.
    pub programme: &'a Programme,
    /// The instant that was asked about.
    pub at: Timestamp,
    /// What was known by then, where that was asked.
    pub known_at: Option<Timestamp>,
    /// One for each country.
    pub answers: &'a [Answered],
}

/// Prints the answers.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, format: Format, answers: &Answers<'_>) -> io::Result<()> {
    match format {
        Format::Table => table(out, answers),
        Format::Json => json(out, answers),
    }
}

fn json(out: &mut dyn Write, answers: &Answers<'_>) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        at: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        known_at: Option<Timestamp>,
        purpose: &'a str,
        channel: &'static str,
        answers: &'a [Answered],
    }
    let Answers { programme: Programme { purpose, channel }, at, known_at, answers } = *answers;
    let body = Body { at, known_at, purpose, channel: channel.name(), answers };
    super::document(out, "Answers", &body)
}

fn table(out: &mut dyn Write, answers: &Answers<'_>) -> io::Result<()> {
    let Answers { programme: Programme { purpose, channel }, at, known_at: _, answers } = *answers;
    for one in answers {
        let title = one.title.as_ref().map(|title| format!(" {title}")).unwrap_or_default();
        writeln!(out, "{}{title}: {purpose} over {} at {at}\n", one.country, channel.name())?;
        contact(out, &one.contact)?;
        enrichment(out, one)?;
        rights(out, one)?;
        if !one.unknown.is_empty() {
            writeln!(out, "  Unknown: {}", one.unknown.join(", "))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{DISCLAIMER}")
}

/// "since 2018-05-25; source: Act 1 s.2 (confidence high)".
fn cited(written: &Written) -> String {
    let confidence = format!("{:?}", written.source.confidence).to_lowercase();
    let note = written.note.as_ref().map(|note| format!("; note: {note}")).unwrap_or_default();
    format!("{}; source: {} (confidence {confidence}){note}", written.when(), written.source.reference)
}

fn contact(out: &mut dyn Write, contact: &Contact) -> io::Result<()> {
    let Contact { requirement, unless, demands, reason, written } = contact;
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    writeln!(out, "  Is an opt-in required? {}{reason}", requirement.words())?;
    let head = match requirement {
        Requirement::OptOut | Requirement::None => "free of what else is asked where",
        _ => "without consent only where",
    };
    for one in unless {
        writeln!(out, "    {head}: {one}")?;
    }
    for one in demands {
        writeln!(out, "    beside that: {one}")?;
    }
    if let Some(written) = written {
        writeln!(out, "    {}", cited(written))?;
    }
    Ok(())
}

fn enrichment(out: &mut dyn Write, answered: &Answered) -> io::Result<()> {
    let rules = &answered.enrichment;
    writeln!(out, "  What does it take to enrich customer profiles with the answers?")?;
    let others: Vec<&str> =
        rules.iter().filter(|rule| rule.asked == Asked::OtherUse).map(|rule| rule.rule.as_str()).collect();
    if answered.unknown.contains(&"enrichment") {
        writeln!(out, "    unknown: no rule of law is catalogued")?;
    }
    for rule in rules.iter().filter(|rule| rule.asked != Asked::OtherUse) {
        let effect = match rule.effect {
            Effect::Must => "must",
            Effect::Should => "should",
            Effect::Allowed => "allowed",
        };
        let Enrichment { rule: name, trigger, requirement, .. } = rule;
        let case = if rule.asked == Asked::Depends { "only where" } else { "where" };
        writeln!(out, "    {effect:<7} {name} ({case}: {trigger}): {requirement}")?;
        if !rule.demands.is_empty() {
            writeln!(out, "            met by: {}", rule.demands.join(", and "))?;
        }
        writeln!(out, "            {}", cited(&rule.written))?;
    }
    if !others.is_empty() {
        writeln!(out, "    if the profile is then used for other purposes also: {}", others.join(", "))?;
    }
    Ok(())
}

fn rights(out: &mut dyn Write, answered: &Answered) -> io::Result<()> {
    writeln!(out, "  Can people access, correct and erase everything, by when, and what may failing cost?")?;
    match &answered.subject_rights {
        Some(rights) => {
            for right in &rights.rights {
                writeln!(out, "    {:<14} {}", right.right, right.words)?;
            }
            writeln!(out, "            {}", cited(&rights.written))?;
        }
        None => writeln!(out, "    unknown: no rule is catalogued")?,
    }
    match &answered.breach_notice {
        Some(breach) => writeln!(out, "    breach notice  {}\n            {}", breach.words, cited(&breach.written))?,
        None => writeln!(out, "    breach notice  unknown")?,
    }
    for fine in &answered.fines {
        writeln!(out, "    fine           {} ({})\n            {}", fine.words, fine.notice, cited(&fine.written))?;
    }
    if answered.fines.is_empty() {
        writeln!(out, "    fine           unknown")?;
    }
    Ok(())
}
