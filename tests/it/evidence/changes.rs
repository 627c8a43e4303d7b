//! No change of one line stays unseen.

use std::sync::LazyLock;

use domicile::evidence::verify::Report;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Folder, few};

/// What somebody does to a log.
#[derive(Debug, Clone)]
enum Change {
    /// One bit is another.
    Bit(Index, u8),
    /// One line is missing.
    Removal(Index),
    /// Two neighbours have changed places.
    Swap(Index),
    /// A line stands once more, somewhere.
    Copy(Index, Index),
    /// A line of another log stands here.
    Foreign(Index, Index),
    /// A line is the other log's.
    Replacement(Index, Index),
    /// Some text stands here.
    Text(Index, String),
    /// A letter or digit of a line is another.
    Letter(Index, char),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 0u8..8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        1 => at().prop_map(Change::Removal),
        1 => at().prop_map(Change::Swap),
        1 => (at(), at()).prop_map(|(from, to)| Change::Copy(from, to)),
        1 => (at(), at()).prop_map(|(from, to)| Change::Foreign(from, to)),
        1 => (at(), at()).prop_map(|(from, to)| Change::Replacement(from, to)),
        1 => (at(), "[ -~]{1,40}").prop_map(|(at, text)| Change::Text(at, text)),
        4 => (at(), prop::char::range('0', 'z')).prop_map(|(at, letter)| Change::Letter(at, letter)),
    ]
}

struct Fixture {
    folder: Folder,
    log: Vec<u8>,
    other: Vec<u8>,
    report: Report,
}

/// A log of two lives, and another of the same decisions under another key.
static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let (folder, other) = (Folder::new(), Folder::new());
    for one in [&folder, &other] {
        one.write(u64::MAX, &few());
        one.write(u64::MAX, &few()[..1]);
    }
    let log = folder.files().remove(0).1;
    let report = folder.verify(&folder.files());
    assert_eq!((&report.breaks, &report.notes, report.unvouched), (&Vec::new(), &Vec::new(), 0));
    let other = other.files().remove(0).1;
    Fixture { folder, log, other, report }
});

fn lines(log: &[u8]) -> Vec<Vec<u8>> {
    log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// The changed log, and whether the change reaches its end: what is no longer there leaves no trace but that no end is.
fn changed(change: &Change) -> (Vec<u8>, bool) {
    let (mut log, mut all, other) = (FIXTURE.log.clone(), lines(&FIXTURE.log), lines(&FIXTURE.other));
    let last = all.len() - 1;
    let mut at_end = false;
    match change {
        Change::Bit(at, bit) => {
            let at = at.index(log.len());
            log[at] ^= 1 << bit;
            return (log, at >= FIXTURE.log.len() - all[last].len());
        }
        Change::Letter(at, letter) => {
            let at = at.index(log.len());
            log[at] = u8::try_from(*letter).unwrap();
            return (log, at >= FIXTURE.log.len() - all[last].len());
        }
        Change::Removal(at) => {
            at_end = at.index(all.len()) == last;
            all.remove(at.index(all.len()));
        }
        Change::Swap(at) => {
            let at = at.index(last);
            all.swap(at, at + 1);
        }
        Change::Copy(from, to) => {
            let line = all[from.index(all.len())].clone();
            all.insert(to.index(all.len() + 1), line);
        }
        Change::Foreign(from, to) => all.insert(to.index(all.len() + 1), other[from.index(other.len())].clone()),
        Change::Replacement(from, to) => {
            let to = to.index(all.len());
            at_end = to == last;
            all[to].clone_from(&other[from.index(other.len())]);
        }
        Change::Text(at, text) => {
            let at = at.index(all.len() + 1);
            all.insert(at, format!("{text}\n").into_bytes());
        }
    }
    (all.concat(), at_end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_change_is_found(change in change()) {
        let (log, at_end) = changed(&change);
        prop_assume!(log != FIXTURE.log);
        let report = FIXTURE.folder.verify(&[("decisions.jsonl".to_owned(), log)]);
        prop_assert!(!report.breaks.is_empty() || at_end, "{change:?}: {report:?}");
        // The end itself may only be missing; then that is told.
        prop_assert!(report != FIXTURE.report, "{change:?}");
        prop_assert!(!report.breaks.is_empty() || (!report.notes.is_empty() && report.unvouched > 0), "{change:?}: {report:?}");
    }
}

#[test]
fn an_end_whose_signature_is_not_called_so_any_more_is_told() {
    let log = String::from_utf8(FIXTURE.log.clone()).unwrap();
    let at = log.rfind("\"signature\"").unwrap();
    let changed = format!("{}{}", &log[..at], log[at..].replacen("signature", "signaturf", 1));
    let report = FIXTURE.folder.verify(&[("decisions.jsonl".to_owned(), changed.into_bytes())]);
    assert!(report.unvouched > 0, "{report:?}");
    assert!(report.notes.iter().any(|note| note.contains("not signed")), "{report:?}");
}
