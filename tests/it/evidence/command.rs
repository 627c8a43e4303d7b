//! `domicile evidence` as people run it.

use std::path::Path;
use std::process::Command;

use domicile::engine::verdict::Action;

use super::{Folder, few};

/// Exit status and what was said.
fn evidence(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_domicile")).arg("evidence").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn exit_status_and_words_say_whether_a_log_is_whole() {
    let (folder, few) = (Folder::new(), few());
    folder.write(u64::MAX, &few);
    let (log, key, changed) =
        (folder.path(), folder.path().with_extension("pub"), folder.path().with_extension("changed"));
    std::fs::write(&key, folder.keys.public().pem()).unwrap();
    let contents = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&changed, contents.replacen("Refuse", "Allow", 1)).unwrap();
    let (log, key, changed) = (text(&log), text(&key), text(&changed));

    let (status, said) = evidence(&["verify", &log, "--key", &key]);
    assert!(status == Some(0) && said.contains("1 of 1 signatures hold"), "{said}");
    let (status, said) = evidence(&["verify", &log]);
    assert!(status == Some(0) && said.contains("1 signatures were not checked"), "{said}");
    let (status, said) = evidence(&["verify", &changed, "--key", &key]);
    assert!(status == Some(1) && said.contains("the log is not as it was written"), "{said}");
    for missing in [&["verify", "/nowhere"][..], &["verify", &key], &["verify", &log, "--key", &log]] {
        assert_eq!(evidence(missing).0, Some(65), "{missing:?}");
    }
    assert_eq!(evidence(&["verify"]).0, Some(64));
}

#[test]
fn a_decision_is_explained_by_the_start_of_its_id() {
    let (folder, few) = (Folder::new(), few());
    folder.write(u64::MAX, &few);
    let log = text(&folder.path());
    let refused =
        few.iter().find(|draft| draft.outcome == Action::Refuse && !draft.judgement.decided.is_empty()).unwrap();
    let (status, said) = evidence(&["explain", &refused.id[..10], &log]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(&refused.id) && said.contains(&refused.object.name), "{said}");
    assert!(said.contains("decided again from the recorded facts: the same verdict"), "{said}");
    let rule = refused.judgement.verdict.refusals().next().unwrap().rule;
    assert!(said.contains(&format!("why [{rule}]")), "{said}");
    assert_eq!(evidence(&["explain", "none", &log]).0, Some(65));
    // A verdict that does not follow from the facts, in a log that does not hold together either.
    let changed = folder.path().with_extension("changed");
    let contents = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&changed, contents.replace(r#""action":"Refuse""#, r#""action":"Allow""#)).unwrap();
    let (status, said) = evidence(&["explain", &refused.id, &text(&changed)]);
    assert!(status == Some(1) && said.contains("ANOTHER verdict"), "{said}");
}
