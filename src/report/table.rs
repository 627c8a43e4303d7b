//! Columns for people: one line an object, and below it what was found and what the law says.

use std::io::{self, Write};

use super::Row;
use crate::engine::explain;
use crate::engine::law::opinion::{DISCLAIMER, Ground, Legal};
use crate::engine::policy::Mode;
use crate::engine::verdict::{Action, Verdict};

pub fn write(out: &mut dyn Write, rows: &[Row], colour: bool) -> io::Result<()> {
    let width = rows.iter().map(|row| row.object().chars().count()).max().unwrap_or_default().max("OBJECT".len());
    writeln!(out, "{:<width$}  {:<8}  RULES", "OBJECT", "VERDICT")?;
    for row in rows {
        let verdict = &row.judgement.verdict;
        let (word, paint) = match verdict.action {
            Action::Allow => ("Allow", "32"),
            Action::Rewrite => ("Rewrite", "36"),
            Action::Refuse => ("Refuse", "31"),
        };
        let mut rules: Vec<&str> = verdict.findings.iter().map(|finding| finding.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        let padded = format!("{word:<8}");
        let shown = if colour { format!("\x1b[{paint}m{padded}\x1b[0m") } else { padded };
        let line = format!("{:<width$}  {shown}  {}", row.object(), rules.join(" "));
        writeln!(out, "{}", line.trim_end())?;
        for (mode, mark) in [(Mode::Enforce, ""), (Mode::Warn, "(warning) "), (Mode::Audit, "(audit) ")] {
            for line in explain::lines(verdict.standing().filter(|finding| finding.mode == mode)) {
                let (what, fix) = line.split_once(". To fix: ").unwrap_or((&line, ""));
                writeln!(out, "    {mark}{what}\n        To fix: {fix}")?;
            }
        }
        for line in explain::lines(verdict.findings.iter().filter(|finding| finding.is_waived())) {
            let (what, _) = line.split_once(". To fix: ").unwrap_or((&line, ""));
            writeln!(out, "    (waived) {what}")?;
        }
        law(out, row)?;
    }
    let refused = rows.iter().filter(|row| row.judgement.verdict.action == Action::Refuse).count();
    let rewritten = rows.iter().filter(|row| row.judgement.verdict.action == Action::Rewrite).count();
    writeln!(
        out,
        "\n{} objects: {refused} refused, {rewritten} rewritten when created, {} without objection",
        rows.len(),
        rows.len() - refused - rewritten
    )?;
    let lawful = |row: &Row| row.judgement.verdict.speaks_of_law() || shows_law(row);
    if rows.iter().any(lawful) { writeln!(out, "{DISCLAIMER}") } else { Ok(()) }
}

/// Whether what the law says of an object is shown: of stores and flows that declare more than whose data it is.
fn shows_law(row: &Row) -> bool {
    row.judgement.verdict.legal.is_some() && !row.checks.is_empty()
}

/// What the law says, what is owed, and what else there is to know.
fn law(out: &mut dyn Write, row: &Row) -> io::Result<()> {
    let verdict = &row.judgement.verdict;
    let owed: Vec<String> = verdict.obligations.iter().map(explain::obligation).collect();
    if shows_law(row)
        && let Some(legal) = verdict.legal
    {
        let until = verdict.holds_until.map(|until| format!(", may change on {until}")).unwrap_or_default();
        writeln!(out, "    Legal: {legal:?}{until}")?;
        grounds(out, &verdict.grounds)?;
    }
    for line in &owed {
        writeln!(out, "    {line}")?;
    }
    for warning in row.judgement.warnings.iter().filter(|warning| !owed.contains(warning)) {
        writeln!(out, "    Note: {warning}")?;
    }
    if shows_law(row) { writeln!(out, "    {}", statement(row, verdict)) } else { Ok(()) }
}

/// Each ground once, with the laws under which it carries.
fn grounds(out: &mut dyn Write, grounds: &[Ground]) -> io::Result<()> {
    for (at, ground) in grounds.iter().enumerate() {
        if grounds[..at].iter().any(|before| before.name == ground.name) {
            continue;
        }
        let mut laws: Vec<&str> =
            grounds.iter().filter(|one| one.name == ground.name).map(|one| one.law.as_str()).collect();
        laws.dedup();
        let Ground { name, title, until, at_risk, review, citation, .. } = ground;
        let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
        let source = if citation.reference.is_empty() { String::new() } else { format!("; source: {citation}") };
        writeln!(out, "    Ground: {name}, {title} (law of {}{until}){source}", laws.join(", "))?;
        for risk in at_risk {
            writeln!(out, "        At risk: {risk}")?;
        }
        if let Some(review) = review {
            writeln!(out, "        Review: {review}")?;
        }
    }
    Ok(())
}

/// Never more than what was looked at: a check that finds nothing proves nothing.
fn statement(row: &Row, verdict: &Verdict) -> String {
    let list = |all: &[&str]| if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
    let checks: Vec<String> = row.checks.iter().map(|check| format!("{check:?}")).collect();
    let found = match verdict.legal {
        Some(Legal::Permitted | Legal::Conditional) if verdict.findings.is_empty() => "no breach found in the checks",
        _ => "checked:",
    };
    let relies: Vec<&str> = verdict.relies_on.iter().map(String::as_str).collect();
    format!(
        "{found} {}; relies on these unverified declarations: {}; not assessed: {}",
        checks.join(", "),
        list(&relies),
        list(&row.not_assessed())
    )
}
