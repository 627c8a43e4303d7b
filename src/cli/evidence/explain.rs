//! `domicile evidence explain`

use std::io::Write;

use super::{Files, Log, load};
use crate::catalogue;
use crate::cli::Exit;
use crate::engine::explain as words;
use crate::engine::law::opinion::DISCLAIMER;
use crate::evidence::explain::{Again, Replay, find};
use crate::evidence::record::{Decision, Essence, Found, Object};
use crate::evidence::verify::{Entry, entries, verify};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The decision: its id, as a refusal names it, or the start of it
    id: String,
    #[command(flatten)]
    files: Files,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { id, files } = arguments;
    let log = match load(files) {
        Ok(log) => log,
        Err(exit) => return Ok(exit),
    };
    let inputs = log.inputs();
    let entries = entries(&inputs);
    let found = find(&entries, id);
    if found.is_empty() {
        eprintln!("domicile: no decision {id} stands in these files");
        return Ok(Exit::BadInput);
    }
    // Facts were read from objects long ago; only law is needed to decide.
    let mut replay = Replay::new(catalogue::load_for(|_| false)?);
    let mut out = std::io::stdout().lock();
    let mut exit = Exit::Ok;
    for (entry, decision) in found {
        show(&mut out, entry, &decision)?;
        match replay.again(&entries, entry, &decision) {
            Ok(made) => {
                show_again(&mut out, &decision, &made)?;
                if !made.is_same() {
                    exit = Exit::Violation;
                }
            }
            Err(error) => {
                exit = Exit::Violation;
                let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
                writeln!(out, "  cannot be decided again: {error}{source}")?;
            }
        }
    }
    if !show_log(&mut out, &log)? {
        exit = Exit::Violation;
    }
    out.flush()?;
    Ok(exit)
}

/// What was recorded.
fn show(out: &mut impl Write, entry: &Entry<'_>, decision: &Decision) -> std::io::Result<()> {
    let Decision { id, channel, operation, dry_run, object, user, outcome, holds_until, policies, lawbook, .. } =
        decision;
    let Object { group, kind, namespace, name, uid } = object;
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let place = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
    writeln!(out, "decision {id} at {} ({entry})", entry.head.time)?;
    let asked = operation.as_ref().map(|operation| format!("{operation} ")).unwrap_or_default();
    let dry = if *dry_run { ", dry run" } else { "" };
    writeln!(out, "  {outcome:?}: {asked}{kind}{group} {place}, {}{dry}", channel.name())?;
    if let Some(uid) = uid {
        writeln!(out, "  uid {uid}")?;
    }
    if let Some(user) = user {
        writeln!(out, "  asked for by user {user} (keyed hash)")?;
    }
    writeln!(out, "  under policies {}, lawbook {}", policies.short(), lawbook.short())?;
    if let Some(until) = holds_until {
        writeln!(out, "  holds until {until}")?;
    }
    for found in &decision.findings {
        let Found { rule, mode, policy, field, unproven, source, waived } = found;
        let policy = policy.as_ref().map(|policy| format!(", policy {policy}")).unwrap_or_default();
        let was_unproven = *unproven;
        let unproven = if was_unproven { ", unproven" } else { "" };
        let source = source.as_ref().map(|source| format!("; source: {source}")).unwrap_or_default();
        writeln!(out, "  found [{rule}] {field}: {mode:?}{policy}{unproven}{source}")?;
        if let Some(waiver) = waived {
            writeln!(out, "    {}", words::relief(waiver, rule, was_unproven))?;
        }
    }
    Ok(())
}

/// What follows today from what was recorded.
fn show_again(out: &mut impl Write, decision: &Decision, made: &Again) -> std::io::Result<()> {
    if let Some(digest) = made.other_catalogue {
        writeln!(
            out,
            "  the catalogue of this program ({}) is not that of then ({}, version {}): what differs may differ for that \
             reason alone",
            catalogue::digest().short(),
            digest.short(),
            made.version
        )?;
    }
    if made.parts.is_empty() {
        writeln!(out, "  nothing to decide again: the object alone decided, and objects are not recorded")?;
        return Ok(());
    }
    let said: Vec<String> = made.parts.iter().flat_map(|(_, verdict)| words::lines(&verdict.findings)).collect();
    for line in &said {
        writeln!(out, "  why {line}")?;
    }
    for owed in made.parts.iter().flat_map(|(_, verdict)| &verdict.obligations) {
        writeln!(out, "  owed {}", words::obligation(owed))?;
    }
    if made.parts.iter().any(|(_, verdict)| verdict.speaks_of_law()) {
        writeln!(out, "  ({DISCLAIMER})")?;
    }
    let alone = decision.findings.iter().filter(|found| {
        let is = |part: &Essence| part.findings.contains(found);
        !made.parts.iter().any(|(recorded, _)| is(recorded))
    });
    for found in alone {
        writeln!(out, "  [{}] {} was found in the object itself, which is not recorded", found.rule, found.field)?;
    }
    if made.is_same() {
        writeln!(out, "  decided again from the recorded facts: the same verdict")
    } else {
        writeln!(out, "  decided again from the recorded facts: ANOTHER verdict")?;
        for (recorded, verdict) in made.parts.iter().filter(|(recorded, now)| *recorded != Essence::of(now)) {
            let now = Essence::of(verdict);
            writeln!(out, "    then {}", serde_json::to_string(recorded).unwrap_or_default())?;
            writeln!(out, "    now  {}", serde_json::to_string(&now).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Whether the log that says so is whole.
fn show_log(out: &mut impl Write, log: &Log) -> std::io::Result<bool> {
    let report = verify(&log.inputs(), log.key.as_ref(), log.between);
    if let Some(first) = report.breaks.first() {
        writeln!(out, "{first}")?;
    }
    for line in super::verify::summary(&report) {
        writeln!(out, "{line}")?;
    }
    Ok(report.breaks.is_empty())
}
