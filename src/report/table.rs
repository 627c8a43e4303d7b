//! Columns for people: one line an object, and below it what was found.

use std::io::{self, Write};

use super::Row;
use crate::engine::explain;
use crate::engine::policy::Mode;
use crate::engine::verdict::Action;

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
            for line in explain::lines(verdict.findings.iter().filter(|finding| finding.mode == mode)) {
                let (what, fix) = line.split_once(". To fix: ").unwrap_or((&line, ""));
                writeln!(out, "    {mark}{what}\n        To fix: {fix}")?;
            }
        }
        for warning in &row.judgement.warnings {
            writeln!(out, "    Note: {warning}")?;
        }
    }
    let refused = rows.iter().filter(|row| row.judgement.verdict.action == Action::Refuse).count();
    let rewritten = rows.iter().filter(|row| row.judgement.verdict.action == Action::Rewrite).count();
    writeln!(
        out,
        "\n{} objects: {refused} refused, {rewritten} rewritten when created, {} without objection",
        rows.len(),
        rows.len() - refused - rewritten
    )
}
