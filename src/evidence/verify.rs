//! Whether a log is whole (no I/O): every line of a chain follows the one before, chains follow each other, and signatures
//! hold. Files may come in any order, since each line says where it belongs.

use std::collections::BTreeMap;
use std::fmt;

use super::digest::Digest;
use super::key::PublicKey;
use super::record::{Follows, Head, Line, Place, Record};
use super::sink::torn;

/// The kinds of lines that are long.
pub const DECISION: &str = "decision";
/// The other one.
pub const CONTEXT: &str = "context";

/// A file, or a part of one.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What people call it.
    pub name: &'a str,
    /// What stands in it.
    pub bytes: &'a [u8],
}

/// A line and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Number of the line there, from one on.
    pub number: usize,
    /// Whether nothing stands before it in the file.
    pub is_first: bool,
    /// Its text. Most lines are long, and their heads and digests are all that it takes to verify them.
    pub text: &'a [u8],
    /// Digest of its text.
    pub digest: Digest,
    /// What stands before it in the file and is no record.
    unread: &'a [u8],
    /// What every line has.
    pub head: Head,
    /// What lines of the chain itself say: neither decisions nor what they rest on.
    said: Option<Record>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// File and line; of something missing, of what should have come after it.
    pub at: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many lines there are.
    pub lines: usize,
    /// How many of them are decisions.
    pub decisions: usize,
    /// How many decisions the log itself says are missing.
    pub lost: u64,
    /// How many signatures hold; none where there was no key to check them by.
    pub signatures: Option<usize>,
    /// How many signatures there are.
    pub seals: usize,
    /// How many lines no signature vouches for.
    pub unvouched: usize,
    /// What is not as it was written.
    pub breaks: Vec<Break>,
    /// What cannot be told from these files.
    pub notes: Vec<String>,
}

/// What else may stand in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// Nothing.
    Nothing,
    /// Lines of other programs, as where standard output was collected together with others.
    Others,
}

/// The lines of all files, as they stand there.
pub fn entries<'a>(inputs: &[Input<'a>]) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for Input { name, bytes } in inputs {
        let (mut start, mut read) = (0, 0);
        for (position, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let end = start + text.len();
            if let Ok(head) = Head::read(text) {
                let is_long = [DECISION, CONTEXT].contains(&head.kind.as_str());
                let said = if is_long { None } else { Line::read(text).ok().map(|line| line.record) };
                entries.push(Entry {
                    file: name,
                    number: position + 1,
                    is_first: start == 0,
                    text,
                    digest: Digest::of(text),
                    unread: &bytes[read..start],
                    head,
                    said,
                });
                read = (end + 1).min(bytes.len());
            }
            start = end + 1;
        }
    }
    entries
}

/// Checks everything.
pub fn verify(inputs: &[Input<'_>], key: Option<&PublicKey>, between: Between) -> Report {
    let entries = entries(inputs);
    let mut report = Report { lines: entries.len(), signatures: key.map(|_| 0), ..Report::default() };
    if between == Between::Nothing {
        unread(inputs, &entries, &mut report);
        contiguous(&entries, &mut report);
    }
    let chains = chains(&entries, &mut report);
    for chain in chains.values() {
        linked(chain, &mut report);
    }
    for chain in chains.values() {
        followed(chain, &chains, &entries, between, &mut report);
    }
    count(&chains, key, &mut report);
    report
}

impl Report {
    fn broken(&mut self, at: &Entry<'_>, what: impl Into<String>) {
        self.breaks.push(Break { at: at.to_string(), what: what.into() });
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.number)
    }
}

/// What stands in the files and is no record, though nothing says why.
fn unread(inputs: &[Input<'_>], entries: &[Entry<'_>], report: &mut Report) {
    for entry in entries.iter().filter(|entry| !entry.unread.is_empty()) {
        let told = matches!(&entry.said, Some(Record::Chain(chain)) if chain.torn == torn(entry.unread));
        if !told {
            report.broken(entry, "what stands before this line is no record, or a changed one");
        }
    }
    for entry in entries {
        if let Some(Record::Chain(chain)) = &entry.said
            && chain.torn.is_some()
            && chain.torn != torn(entry.unread)
        {
            report.broken(entry, "the unfinished line that it tells of does not stand before it");
        }
    }
    for Input { name, bytes } in inputs {
        let end = entries.iter().rev().find(|entry| entry.file == *name).map_or(0, |last| {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            lines.take(last.number).map(<[u8]>::len).sum()
        });
        let Some(torn) = torn(&bytes[end..]) else { continue };
        let at = format!("{name}, at its end");
        let what = if bytes.ends_with(b"\n") {
            "a line that is no record, or a changed one".to_owned()
        } else {
            // As after a kill; whoever cuts a line off leaves the same.
            report.notes.push(format!("{at}: an unfinished line of {} bytes", torn.bytes));
            continue;
        };
        report.breaks.push(Break { at, what });
    }
}

/// One process writes a file at a time: whoever begins a chain there has seen the one before end.
fn contiguous(entries: &[Entry<'_>], report: &mut Report) {
    for pair in entries.windows(2).filter(|pair| pair[0].file == pair[1].file) {
        let (before, entry) = (&pair[0], &pair[1]);
        if before.head.chain != entry.head.chain && !matches!(entry.said, Some(Record::Chain(_))) {
            report.broken(entry, format!("stands between lines of another chain, after {before}"));
        }
    }
}

type Chains<'e, 'a> = BTreeMap<&'e str, Vec<&'e Entry<'a>>>;

/// The lines of each chain in their order. What stands twice in the same form, as in copies of a file, counts once.
fn chains<'e, 'a>(entries: &'e [Entry<'a>], report: &mut Report) -> Chains<'e, 'a> {
    let mut chains: Chains<'e, 'a> = BTreeMap::new();
    for entry in entries {
        chains.entry(&entry.head.chain).or_default().push(entry);
    }
    for chain in chains.values_mut() {
        for pair in chain.windows(2) {
            if pair[0].file == pair[1].file && pair[1].head.seq <= pair[0].head.seq {
                let what = if pair[0].head.seq == pair[1].head.seq {
                    "stands twice"
                } else {
                    "stands after a line that came later"
                };
                report.broken(pair[1], what);
            }
        }
        chain.sort_by_key(|entry| entry.head.seq);
        chain.dedup_by(|later, earlier| later.digest == earlier.digest);
    }
    chains
}

/// Whether every line of a chain follows the one before it.
fn linked(chain: &[&Entry<'_>], report: &mut Report) {
    let Some(first) = chain.first() else { return };
    match (&first.said, first.head.seq) {
        (Some(Record::Chain(begin)), 0) => {
            let previous = begin.follows.as_ref().map_or(Digest::ZERO, |follows| follows.digest);
            if previous != first.head.previous {
                report.broken(first, "does not follow the line that it names");
            }
        }
        (Some(Record::File(_)), seq) if first.is_first => {
            report.notes.push(format!("{first}: {seq} earlier lines of its chain are not in these files"));
        }
        (_, 0) => report.broken(first, "no chain begins like this"),
        (_, seq) => report.broken(first, format!("{seq} lines before it are missing")),
    }
    for pair in chain.windows(2) {
        let (before, entry) = (pair[0], pair[1]);
        let missing = entry.head.seq - before.head.seq;
        if missing == 0 {
            report.broken(entry, format!("another line has its place: {before}"));
        } else if missing > 1 {
            report.broken(entry, format!("{} lines before it are missing", missing - 1));
        } else if entry.head.previous != before.digest {
            report.broken(entry, format!("does not follow {before}: one of the two was changed"));
        }
        if matches!(before.said, Some(Record::End(_))) {
            report.broken(entry, "stands after the end of its chain");
        }
        match &entry.said {
            Some(Record::Chain(_)) => report.broken(entry, "a chain begins in the middle of itself"),
            Some(Record::File(_)) if !entry.is_first => report.broken(entry, "a file begins in the middle of itself"),
            _ => {}
        }
    }
    for entry in chain.iter().filter(|entry| entry.said.is_none()) {
        if ![DECISION, CONTEXT].contains(&entry.head.kind.as_str()) {
            report.notes.push(format!("{entry}: a line of kind {:?} that this version does not know", entry.head.kind));
        }
    }
    let last = chain.last().filter(|last| !matches!(last.said, Some(Record::End(_))));
    if let Some(last) = last {
        let what = "its chain does not end here: its process was killed or still writes, or lines were cut off";
        report.notes.push(format!("{last}: {what}"));
    }
}

/// Whether a chain follows what it says.
fn followed(chain: &[&Entry<'_>], chains: &Chains<'_, '_>, all: &[Entry<'_>], between: Between, report: &mut Report) {
    let Some(first) = chain.first() else { return };
    let Some(Record::Chain(begin)) = &first.said else { return };
    let Some(Follows { chain: name, seq, digest, at }) = &begin.follows else {
        // Whoever begins a chain in a file has read what stands there.
        let before = || all.iter().any(|entry| entry.file == first.file && entry.number < first.number);
        if between == Between::Nothing && before() {
            report.broken(first, "its chain follows no other, though lines stand before it");
        }
        return;
    };
    let Some(other) = chains.get(name.as_str()) else {
        if *at == Place::SameFile {
            report.broken(first, format!("the lines that stood before it are missing: chain {name}"));
        } else {
            report.notes.push(format!("{first}: follows chain {name}, which is not in these files"));
        }
        return;
    };
    let Some(named) = other.iter().find(|entry| entry.head.seq == *seq) else {
        report.broken(first, format!("line {seq} of chain {name}, which it follows, is missing"));
        return;
    };
    if named.digest != *digest {
        report.broken(first, format!("the line that it follows was changed: {named}"));
    }
    if let Some(more) = other.iter().find(|entry| entry.head.seq > *seq).filter(|_| *at != Place::Elsewhere) {
        report.broken(first, format!("its chain follows chain {name} at line {seq}, and yet there is {more}"));
    }
}

/// Whether a key vouches for a line, and every byte of it: no other line follows the last one to tell.
fn is_sealed(entry: &Entry<'_>, key: &PublicKey) -> bool {
    Line::read(entry.text)
        .is_ok_and(|line| key.vouches_for(&line) && line.write().is_ok_and(|again| again.as_bytes() == entry.text))
}

/// Signatures, and what they vouch for.
fn count(chains: &Chains<'_, '_>, key: Option<&PublicKey>, report: &mut Report) {
    // Through which line each chain is vouched for.
    let mut vouched: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, chain) in chains {
        for entry in chain {
            match &entry.said {
                None if entry.head.kind == DECISION => report.decisions += 1,
                Some(Record::Lost(lost)) => report.lost += lost.decisions,
                Some(Record::Checkpoint(seal) | Record::End(seal)) if seal.signature.is_some() => {
                    report.seals += 1;
                    let Some(key) = key else { continue };
                    if seal.key.as_ref() != Some(&key.id()) {
                        report.broken(entry, "signed by another key, or not at all");
                    } else if !is_sealed(entry, key) {
                        report.broken(entry, "the signature does not hold");
                    } else {
                        report.signatures = report.signatures.map(|number| number + 1);
                        vouched.insert(name, entry.head.seq);
                    }
                }
                Some(Record::Checkpoint(_) | Record::End(_)) if key.is_some() => {
                    let what = "not signed: it was written without a key, or its signature was taken away";
                    report.notes.push(format!("{entry}: {what}"));
                }
                _ => {}
            }
        }
    }
    // Whoever vouches for a chain vouches for what it follows.
    loop {
        let before = vouched.clone();
        for (name, chain) in chains {
            if let Some(Record::Chain(begin)) = chain.first().and_then(|first| first.said.as_ref())
                && let Some(follows) = begin.follows.as_ref().filter(|_| before.contains_key(name))
                && let Some((other, _)) = chains.get_key_value(follows.chain.as_str())
            {
                let through = vouched.entry(other).or_default();
                *through = (*through).max(follows.seq);
            }
        }
        if before == vouched {
            break;
        }
    }
    let beyond = |(name, chain): (&&str, &Vec<&Entry<'_>>)| {
        chain.iter().filter(|entry| vouched.get(name).is_none_or(|through| entry.head.seq > *through)).count()
    };
    report.unvouched = chains.iter().map(beyond).sum();
}
