//! `domicile whatif`: what would break if law ended, or if law, stores and flows were other than they are.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Exit;
use super::inputs::{self, Document, Files, Inputs, When, Worlds, instant};
use crate::engine::data::Source;
use crate::engine::law;
use crate::engine::law::alternatives::{Alternative, alternatives};
use crate::engine::law::exposure::{Maximum, exposure};
use crate::engine::law::matter::Matter;
use crate::engine::law::timeline::walk;
use crate::engine::lawbook::Lawbook;
use crate::engine::verdict::{Action, Verdict};
use crate::interpret::world::World;
use crate::interpret::{self, Judgement};
use crate::report::Format;
use crate::report::timeline::{State, telling};
use crate::report::whatif::{self as report, Broken, Ending, WhatIf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    when: When,
    /// A mechanism, an alias or a family of them, and the first day on which it is gone; may be given several times
    #[arg(long = "end", value_name = "NAME=DATE", required_unless_present = "add")]
    ends: Vec<End>,
    /// Manifests that are added, or take the place of those of the same kind and name; may be given several times
    #[arg(long, value_name = "FILE|DIR")]
    add: Vec<PathBuf>,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
}

/// An end that the user thinks of.
#[derive(Debug, Clone)]
struct End {
    name: String,
    on: On,
}

/// A day begins where its law is in force; an instant is the same everywhere.
#[derive(Debug, Clone, Copy)]
enum On {
    Day(Date),
    Instant(Timestamp),
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, on) = text.rsplit_once('=').ok_or("not of the form NAME=DATE")?;
        let any = instant(on)?;
        // What is no instant by itself was read as a day.
        let on = match on.parse::<Timestamp>() {
            Ok(instant) => On::Instant(instant),
            Err(_) => On::Day(TimeZone::UTC.to_datetime(any).date()),
        };
        Ok(Self { name: name.to_owned(), on })
    }
}

/// How far into the future it is looked after the last end.
const YEARS: i64 = 5;

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { files, when, ends, add, output } = arguments;
    let documents = inputs::load(&files.filenames, &files.namespace)?;
    let added = inputs::load(add, &files.namespace)?;
    let now = when.now();
    let kept = documents.iter().filter(|old| !added.iter().any(|new| new.is_same(old)));
    let changed: Vec<Document> = kept.chain(&added).cloned().collect();
    let mut before = Inputs::new(documents, when.known_at)?;
    let mut after = Inputs::new(changed, when.known_at)?;
    inputs::tell(&before.notes);
    inputs::tell(after.notes.iter().filter(|note| !before.notes.contains(note)));
    if before.bad || after.bad {
        return Ok(Exit::BadInput);
    }
    let endings = match endings(ends, &after.world(now).lawbook) {
        Ok(endings) => endings,
        Err(problem) => {
            eprintln!("domicile: {problem}");
            return Ok(Exit::Usage);
        }
    };
    after.ending(endings.iter().map(|one| (one.mechanism.clone(), one.until)).collect());
    let last = endings.iter().map(|one| one.until).max().unwrap_or(now).max(now);
    let horizon = last.to_zoned(TimeZone::UTC).checked_add(YEARS.years()).map_or(Timestamp::MAX, |end| end.timestamp());
    let worlds = Both { before: before.worlds(now), after: after.worlds(now) };
    let mut broken = Vec::new();
    let mut bad = false;
    for document in after.documents.iter().filter(|document| interpret::is_namespaced(document.kind())) {
        let old = before.documents.iter().find(|old| old.is_same(document));
        match worlds.compare(old, document, now, horizon, &endings) {
            Ok(one) => broken.extend(one),
            Err(error) => {
                bad = true;
                eprintln!("domicile: {}: {} {}: {error}", document.file, document.kind(), document.name());
            }
        }
    }
    let breaks = !broken.is_empty();
    let what_if = WhatIf { at: now, until: horizon, known_at: when.known_at, endings, broken };
    let mut out = std::io::stdout().lock();
    report::write(&mut out, *output, &what_if)?;
    out.flush()?;
    Ok(match (bad, breaks) {
        (true, _) => Exit::BadInput,
        (false, true) => Exit::Violation,
        (false, false) => Exit::Ok,
    })
}

/// The mechanisms that end, and when.
fn endings(ends: &[End], lawbook: &Lawbook) -> Result<Vec<Ending>, String> {
    let mut all: Vec<Ending> = Vec::new();
    for End { name, on } in ends {
        let until = |zone: &TimeZone| match on {
            On::Instant(instant) => Some(*instant),
            On::Day(day) => law::transfer::instant(Some(*day), zone),
        };
        let named: Vec<_> = match lawbook.mechanism(name) {
            Some(one) => vec![one],
            None => lawbook.mechanisms().filter(|one| one.is_named(name)).collect(),
        };
        if named.is_empty() {
            return Err(format!("no mechanism or family is called {name:?}; {}", suggestion(name, lawbook)));
        }
        let mut gone = Vec::new();
        let known = all.len();
        for mechanism in named {
            let Some(until) = until(&mechanism.zone) else { continue };
            // What has ended by then cannot end again, and what begins later is another matter.
            if mechanism.window.until.is_some_and(|end| end <= until) {
                gone.push(mechanism.name.as_str());
            } else if mechanism.window.from.is_none_or(|from| from < until) {
                all.push(Ending { mechanism: mechanism.name.clone(), until, on: day(until, &mechanism.zone) });
            }
        }
        if all.len() == known {
            let ended = if gone.is_empty() { String::new() } else { format!(": {} ended before", gone.join(", ")) };
            return Err(format!("nothing that is called {name:?} is in force by then{ended}"));
        }
    }
    Ok(all)
}

fn day(instant: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(instant).date()
}

/// Names that look like one that nobody knows.
fn suggestion(name: &str, lawbook: &Lawbook) -> String {
    const SHOWN: usize = 5;
    const ALIKE: usize = 3;
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for mechanism in lawbook.mechanisms() {
        names.insert(&mechanism.name);
        names.extend(mechanism.aliases.iter().chain(&mechanism.family).map(String::as_str));
    }
    let wanted = name.to_lowercase();
    let parts: Vec<&str> = wanted.split('-').filter(|part| !part.is_empty()).collect();
    let mut alike: Vec<(usize, &str)> = names
        .into_iter()
        .map(|known| {
            let start = known.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
            let shared = known.split('-').filter(|part| parts.contains(part)).map(str::len).sum::<usize>();
            (start + 2 * shared, known)
        })
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    alike.sort_by_key(|(score, name)| (std::cmp::Reverse(*score), *name));
    let alike: Vec<&str> = alike.into_iter().take(SHOWN).map(|(_, name)| name).collect();
    if alike.is_empty() {
        "`domicile catalogue mechanisms/` prints every one".to_owned()
    } else {
        format!("did you mean {}?", alike.join(", "))
    }
}

/// The world as it is, and as it would be.
struct Both {
    before: Worlds,
    after: Worlds,
}

impl Both {
    /// When and how an object would break first; none where it would not.
    fn compare(
        &self,
        old: Option<&Document>,
        new: &Document,
        now: Timestamp,
        horizon: Timestamp,
        endings: &[Ending],
    ) -> Result<Option<Broken>, interpret::JudgeError> {
        let judge = |at: Timestamp| -> Result<(Option<Judgement>, Judgement), interpret::JudgeError> {
            let before = old.map(|old| old.judge(self.before.at(at), at)).transpose()?;
            Ok((before, new.judge(self.after.at(at), at)?))
        };
        let mut failed = None;
        let mut changes = self.before.changes();
        changes.extend(self.after.changes());
        changes.sort_unstable();
        let spans = walk(now, Some(horizon), &changes, |at| match judge(at) {
            Ok((before, after)) => {
                let ends = before.as_ref().and_then(|one| one.verdict.holds_until);
                let until = law::transfer::sooner(ends, after.verdict.holds_until);
                (breaks(before.as_ref().map(|one| &one.verdict), &after.verdict), until)
            }
            Err(error) => {
                failed = Some(error);
                (false, None)
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(span) = spans.into_iter().find(|span| span.state) else { return Ok(None) };
        let (before, after) = judge(span.from)?;
        let world = self.after.at(span.from);
        let (fines, alternatives) = consequences(world, new, &after, span.from);
        let on = endings.iter().find(|one| one.until == span.from).map(|one| one.on);
        Ok(Some(Broken {
            file: new.file.clone(),
            kind: new.kind().to_owned(),
            namespace: new.namespace().to_owned(),
            name: new.name().to_owned(),
            on: on.unwrap_or_else(|| day(span.from, &TimeZone::UTC)),
            from: span.from,
            until: span.until.filter(|until| *until < horizon),
            remedy: telling(&after.verdict).map(|finding| finding.remedy.clone()),
            before: before.map(|one| State::of(&one.verdict)),
            after: State::of(&after.verdict),
            fines,
            alternatives,
        }))
    }
}

/// Whether what was without objection meets one, or the law thinks worse of it. What is new breaks if it is refused.
fn breaks(before: Option<&Verdict>, after: &Verdict) -> bool {
    let refused = |verdict: &Verdict| verdict.action == Action::Refuse;
    match before {
        None => refused(after),
        Some(before) if refused(before) => false,
        Some(before) => {
            refused(after) || after.legal > before.legal || (before.findings.is_empty() && !after.findings.is_empty())
        }
    }
}

/// What breaking costs at most, and what else could carry the data.
fn consequences(
    world: &World,
    document: &Document,
    judgement: &Judgement,
    now: Timestamp,
) -> (Vec<Maximum>, Vec<Alternative>) {
    let (mut fines, mut others): (Vec<Maximum>, Vec<Alternative>) = (Vec::new(), Vec::new());
    for matter in matters(world, document, judgement) {
        for fine in exposure(&matter, &world.lawbook, now) {
            if !fines.contains(&fine) {
                fines.push(fine);
            }
        }
        for other in alternatives(&matter, &world.lawbook, now) {
            if !others.contains(&other) {
                others.push(other);
            }
        }
    }
    (fines, others)
}

/// The stores and flows that an object is or works for, before the law.
fn matters(world: &World, document: &Document, judgement: &Judgement) -> Vec<Arc<Matter>> {
    let own = (document.namespace().to_owned(), document.name().to_owned());
    let sources = match document.kind() {
        "DataStore" => vec![Source::Store(own.0, own.1)],
        "DataFlow" => vec![Source::Flow(own.0, own.1)],
        _ => judgement.sources.clone(),
    };
    let mut all: Vec<Arc<Matter>> = Vec::new();
    let mut add = |matter: Arc<Matter>| {
        if !all.contains(&matter) {
            all.push(matter);
        }
    };
    let scopes = || world.namespaces();
    for source in sources {
        let stores = scopes().flat_map(|scope| &scope.stores).map(|store| (&store.data, &store.matter));
        let flows = scopes().flat_map(|scope| &scope.flows).map(|flow| (&flow.data, &flow.matter));
        let labels = scopes().filter_map(|scope| scope.label.as_ref());
        for (data, matter) in stores.chain(flows).filter(|(data, _)| data.via == source) {
            matter.iter().cloned().for_each(&mut add);
            data.carriers.iter().cloned().for_each(&mut add);
        }
        for data in labels.filter(|data| data.via == source) {
            // Nothing is declared of it but its origin.
            add(Arc::new(Matter::of(source.clone(), data.origins)));
        }
    }
    all
}
