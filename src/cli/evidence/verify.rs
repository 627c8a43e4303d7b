//! `domicile evidence verify`

use std::io::Write;

use super::{Files, load};
use crate::cli::Exit;
use crate::evidence::verify::{Report, verify};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let log = match load(&arguments.files) {
        Ok(log) => log,
        Err(exit) => return Ok(exit),
    };
    let report = verify(&log.inputs(), log.key.as_ref(), log.between);
    if report.lines == 0 {
        eprintln!("domicile: no record stands in these files");
        return Ok(Exit::BadInput);
    }
    let mut out = std::io::stdout().lock();
    for found in &report.breaks {
        writeln!(out, "{found}")?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for line in summary(&report) {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(if report.breaks.is_empty() { Exit::Ok } else { Exit::Violation })
}

/// What was found as a whole.
pub fn summary(report: &Report) -> Vec<String> {
    let Report { lines, decisions, lost, signatures, seals, unvouched, breaks, notes: _ } = report;
    let mut said = Vec::new();
    let verdict = match breaks.len() {
        0 => "nothing was changed, left out or put in another order".to_owned(),
        1 => "the log is not as it was written: 1 break".to_owned(),
        many => format!("the log is not as it was written: {many} breaks"),
    };
    said.push(format!("{lines} lines, {decisions} decisions: {verdict}"));
    if *lost > 0 {
        said.push(format!("{lost} more decisions were not recorded, as the log itself says"));
    }
    said.push(match signatures {
        Some(number) => format!("{number} of {seals} signatures hold"),
        None => format!("{seals} signatures were not checked: name the public key by --key"),
    });
    if signatures.is_some() && *unvouched > 0 {
        said.push(format!("{unvouched} lines after the last checkpoint are not vouched for"));
    }
    said
}
