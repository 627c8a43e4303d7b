//! Every case of the table is recorded, found again and decided again.

use domicile::evidence::explain::{Replay, find};
use domicile::evidence::verify::entries;

use super::{Folder, drafts, inputs, law};

#[test]
fn every_case_is_decided_again_from_the_log_as_it_was_decided_before() {
    let (folder, drafts) = (Folder::new(), drafts());
    // Small enough for many files, each with what its decisions rest on.
    folder.write(256 * 1024, &drafts);
    let files = folder.files();
    assert!(files.len() > 3, "only {} files", files.len());
    let report = folder.verify(&files);
    assert_eq!((report.breaks, report.notes, report.unvouched, report.lost), (Vec::new(), Vec::new(), 0, 0));
    assert_eq!(report.decisions, drafts.len());
    let inputs = inputs(&files);
    let entries = entries(&inputs);
    let mut parts = 0;
    let mut replay = Replay::new(law());
    for draft in &drafts {
        let found = find(&entries, &draft.id);
        assert_eq!(found.len(), 1, "{}", draft.id);
        let (entry, decision) = &found[0];
        let made = replay.again(&entries, entry, decision).unwrap();
        assert!(made.is_same() && made.other_catalogue.is_none(), "{:?}", draft.object);
        assert_eq!(decision.outcome, draft.outcome);
        parts += made.parts.len();
    }
    assert!(parts > 300, "only {parts}");
}

#[test]
fn a_verdict_that_was_written_otherwise_is_told() {
    let (folder, drafts) = (Folder::new(), super::few());
    folder.write(u64::MAX, &drafts);
    let mut files = folder.files();
    let text = String::from_utf8(files[0].1.clone()).unwrap();
    // Whoever writes another verdict and all that follows from it anew is still told by what follows from the facts.
    files[0].1 = text.replace(r#""action":"Refuse""#, r#""action":"Allow""#).into_bytes();
    let inputs = inputs(&files);
    let entries = entries(&inputs);
    let same = |id: &str| {
        let (entry, decision) = &find(&entries, id)[0];
        Replay::new(law()).again(&entries, entry, decision).unwrap().is_same()
    };
    let refused =
        |draft: &&super::Draft| draft.judgement.decided.iter().any(|one| one.verdict.refusals().next().is_some());
    let refused: Vec<_> = drafts.iter().filter(refused).collect();
    assert!(!refused.is_empty() && refused.iter().all(|draft| !same(&draft.id)));
}

#[test]
fn a_user_is_recorded_by_a_hash_that_only_the_installation_can_make() {
    let (folder, drafts) = (Folder::new(), super::few());
    folder.write(u64::MAX, &drafts);
    let text = String::from_utf8(folder.files()[0].1.clone()).unwrap();
    assert!(!text.contains("alice"));
    assert!(text.contains(&format!(r#""user":"{}""#, folder.keys.hash("alice"))), "{text}");
}
