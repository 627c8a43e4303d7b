//! Chains go on over files, restarts and kills.

use std::fs::OpenOptions;
use std::io::Write as _;

use domicile::evidence::log::Keyring;
use domicile::evidence::verify::{Between, verify};

use super::{Folder, few, inputs};

/// Cuts the last bytes off, as when a process is killed while it writes.
fn cut(folder: &Folder, bytes: usize) {
    let path = folder.path();
    let length = std::fs::metadata(&path).unwrap().len();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length - bytes as u64).unwrap();
}

fn last_line(folder: &Folder) -> usize {
    let bytes = std::fs::read(folder.path()).unwrap();
    bytes.split_inclusive(|byte| *byte == b'\n').next_back().unwrap().len()
}

#[test]
fn files_come_in_any_order_and_a_missing_one_is_told() {
    let (folder, few) = (Folder::new(), few());
    // Every few lines a new file.
    folder.write(4_000, &[&few[..], &few[..]].concat());
    let mut files = folder.files();
    assert!(files.len() > 3, "{}", files.len());
    let whole = folder.verify(&files);
    assert_eq!((&whole.breaks, &whole.notes, whole.unvouched), (&Vec::new(), &Vec::new(), 0));
    files.reverse();
    assert_eq!(folder.verify(&files).breaks, Vec::new());
    // The oldest may have been deleted by rule; that is no break, but it is told.
    let oldest =
        files.iter().position(|(_, bytes)| bytes.starts_with(br#"{"chain":""#) && bytes_say(bytes, r#""seq":0,"#));
    let mut rest = files.clone();
    rest.remove(oldest.unwrap());
    let report = folder.verify(&rest);
    assert_eq!((report.breaks, report.notes.len()), (Vec::new(), 1));
    // One from the middle is a loss.
    files.remove(files.len() / 2);
    assert!(!folder.verify(&files).breaks.is_empty());
}

fn bytes_say(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).lines().next().is_some_and(|line| line.contains(text))
}

#[test]
fn the_chain_goes_on_after_a_restart() {
    let (folder, few) = (Folder::new(), few());
    for _ in 0..3 {
        folder.write(u64::MAX, &few);
    }
    let report = folder.verify(&folder.files());
    assert_eq!((&report.breaks, &report.notes, report.unvouched), (&Vec::new(), &Vec::new(), 0));
    assert_eq!((report.decisions, report.signatures), (3 * few.len(), Some(3)));
}

#[test]
fn a_line_that_a_kill_has_torn_stays_and_is_vouched_for() {
    let few = few();
    for torn in [1, 2, 40] {
        let folder = Folder::new();
        folder.write(u64::MAX, &few);
        // Of the last line nothing but its line feed is missing, or a part of it.
        cut(&folder, torn);
        let before = std::fs::read(folder.path()).unwrap();
        folder.write(u64::MAX, &few);
        let after = std::fs::read(folder.path()).unwrap();
        assert!(after.starts_with(&before), "nothing is written over");
        let report = folder.verify(&folder.files());
        assert_eq!((&report.breaks, report.unvouched), (&Vec::new(), 0), "{torn}");
        // Whoever changes what was torn is told like whoever changes a line.
        let mut files = folder.files();
        let at = before.len() - 3;
        files[0].1[at] ^= 1;
        assert!(!folder.verify(&files).breaks.is_empty(), "{torn}");
    }
}

#[test]
fn what_was_cut_off_before_a_restart_is_told_after_it() {
    let (folder, few) = (Folder::new(), few());
    folder.write(u64::MAX, &few);
    let first = folder.files()[0].1.clone();
    folder.write(u64::MAX, &few);
    let mut files = folder.files();
    let second = files[0].1.split_off(first.len());
    // The last lines of the first life are gone, and the second is whole.
    let end = first.len() - 1 - first[..first.len() - 1].iter().rev().position(|byte| *byte == b'\n').unwrap();
    files[0].1 = [&first[..end], &second[..]].concat();
    assert!(!folder.verify(&files).breaks.is_empty());
    // So is the whole first life.
    files[0].1 = second;
    assert!(!folder.verify(&files).breaks.is_empty());
}

#[test]
fn lines_after_the_last_checkpoint_are_vouched_for_by_nobody() {
    let (folder, few) = (Folder::new(), few());
    folder.write(u64::MAX, &few);
    cut(&folder, last_line(&folder));
    let report = folder.verify(&folder.files());
    // Nothing was sealed but by the end, which is gone.
    assert_eq!((report.breaks.len(), report.signatures, report.unvouched), (0, Some(0), report.lines));
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
}

#[test]
fn another_key_vouches_for_nothing() {
    let (folder, other, few) = (Folder::new(), Folder::new(), few());
    folder.write(u64::MAX, &few);
    let files = folder.files();
    let foreign = other.keys.public();
    let with = |key| verify(&inputs(&files), key, Between::Nothing);
    assert!(!with(Some(&foreign)).breaks.is_empty());
    let unsigned = with(None);
    assert_eq!((unsigned.breaks, unsigned.signatures, unsigned.seals), (Vec::new(), None, 1));
}

#[test]
fn without_keys_decisions_are_recorded_without_users_and_signatures() {
    let (folder, few) = (Folder::new(), few());
    let (log, running) = folder.start(u64::MAX, Keyring::None);
    for draft in &few {
        log.write(draft.clone());
    }
    running.close();
    let report = folder.verify(&folder.files());
    assert_eq!((report.decisions, report.seals, report.unvouched), (few.len(), 0, report.lines));
    assert!(!String::from_utf8_lossy(&folder.files()[0].1).contains(r#""user""#));
}

#[test]
fn a_file_of_something_else_is_left_alone_and_what_is_lost_is_told_when_it_is_gone() {
    let (folder, few) = (Folder::new(), few());
    std::fs::write(folder.path(), "somebody's notes\n").unwrap();
    let (log, running) = folder.start(u64::MAX, folder.keyring());
    log.write(few[0].clone());
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(std::fs::read_to_string(folder.path()).unwrap(), "somebody's notes\n");
    std::fs::remove_file(folder.path()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1600));
    log.write(few[1].clone());
    running.close();
    let report = folder.verify(&folder.files());
    assert_eq!((&report.breaks, report.decisions, report.lost), (&Vec::new(), 1, 1));
}

#[test]
fn lines_of_other_programs_are_passed_over_when_that_is_said() {
    let (folder, few) = (Folder::new(), few());
    folder.write(u64::MAX, &few);
    let mut mixed = Vec::new();
    for line in folder.files()[0].1.split_inclusive(|byte| *byte == b'\n') {
        writeln!(mixed, r#"{{"level":"INFO","message":"another program"}}"#).unwrap();
        mixed.extend_from_slice(line);
    }
    let files = [("mixed".to_owned(), mixed)];
    let key = folder.keys.public();
    assert!(!verify(&inputs(&files), Some(&key), Between::Nothing).breaks.is_empty());
    let report = verify(&inputs(&files), Some(&key), Between::Others);
    assert_eq!((report.breaks, report.decisions), (Vec::new(), few.len()));
}
