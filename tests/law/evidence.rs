//! What is recorded of a decision: facts can be written and read again, and the same follows from them.

use domicile::engine;
use domicile::engine::facts::Facts;
use domicile::evidence::digest::Digest;
use domicile::evidence::record::{Essence, Part, WITHHELD};
use domicile::index::Index;
use jiff::Timestamp;
use serde_json::Value;

use crate::builtin;
use crate::cases::{self, Layer};

#[test]
fn what_follows_from_the_facts_of_every_case_follows_from_what_was_written_of_them() {
    let mut decisions = 0;
    for case in cases::all().iter().filter(|case| case.layer != Layer::Schema) {
        let (world, now, judgement) = case.judged(builtin());
        for decided in &judgement.unwrap().decided {
            decisions += 1;
            let text = serde_json::to_string(&decided.facts).unwrap();
            let facts: Facts = serde_json::from_str(&text).unwrap();
            assert_eq!(facts, decided.facts, "{}", case.name);
            let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
            assert_eq!(format!("{verdict:?}"), format!("{:?}", decided.verdict), "{}", case.name);

            // Without the text that is not recorded the same follows, but for its sentences.
            let part = Part::of(decided).unwrap();
            let written = serde_json::to_string(&part).unwrap();
            let part: Part = serde_json::from_str(&written).unwrap();
            let facts: Facts = serde_json::from_value(part.facts.clone()).unwrap();
            let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
            assert_eq!(Essence::of(&verdict), part.verdict, "{}", case.name);
            assert_withheld(&part.facts);
        }
    }
    assert!(decisions > 300, "only {decisions}");
}

/// No text stands where it may quote an object.
fn assert_withheld(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let (true, Value::String(text)) =
                    (["evidence", "unknownOrigin", "unproven"].contains(&name.as_str()), member)
                {
                    assert!(text.is_empty() || text == WITHHELD, "{text}");
                }
                assert_withheld(member);
            }
        }
        Value::Array(items) => items.iter().for_each(assert_withheld),
        _ => {}
    }
}

#[test]
fn what_decisions_rest_on_changes_its_digest_with_every_change_of_it() {
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut index = Index::new(builtin());
    let before = index.refresh(now).basis.clone();
    let apply = |index: &mut Index, manifest: Value| {
        index.apply(domicile::index::Object::from_manifest(manifest).unwrap().unwrap());
        index.refresh(now).basis.clone()
    };
    let policy = serde_json::json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "strict"},
        "spec": {"residence": {"Process": ["DE"]}},
    });
    let ruled = apply(&mut index, policy);
    assert_ne!(Digest::of_json(&ruled.rules), Digest::of_json(&before.rules));
    assert_eq!(Digest::of_json(&ruled.law), Digest::of_json(&before.law));
    let bloc = serde_json::json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "Bloc", "metadata": {"name": "own"},
        "spec": {"code": "OWN", "title": "Own", "timeZone": "Europe/Berlin", "members": [{"country": "DE"}]},
    });
    let enlarged = apply(&mut index, bloc);
    assert_eq!(Digest::of_json(&enlarged.rules), Digest::of_json(&ruled.rules));
    assert_ne!(Digest::of_json(&enlarged.law), Digest::of_json(&ruled.law));
    let location = serde_json::json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "Location", "metadata": {"name": "own"},
        "spec": {"country": "DE", "hosts": ["fra.example.org"]},
    });
    let placed = apply(&mut index, location);
    assert_eq!((&placed.rules, &placed.law), (&enlarged.rules, &enlarged.law));
    assert_ne!(placed.places, enlarged.places);
}
