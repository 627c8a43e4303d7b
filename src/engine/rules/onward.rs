//! Requires: data that came under a mechanism which forbids passing it on stays where it is.
//! Why: what carried data abroad also says what binds whoever holds it there.
//! Source: the onward rule of the mechanism, for example clause 8.8 of the EU's standard contractual clauses.
//! Example: data exported under an authorisation for one importer only, sent on to a vendor in a third country.

use jiff::Timestamp;

use super::LegalRule;
use crate::engine::law::opinion::{Legal, Outcome, Question};
use crate::engine::law::transfer::{next_of, onward_forbidden};

pub static RULE: LegalRule = LegalRule { id: "LAW-ONWARD", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    let Some(hop) = &question.matter.earlier else { return Vec::new() };
    let (lawbook, now) = (question.lawbook, question.now);
    // Data cannot have come under what did not exist yet.
    let mut named = lawbook.mechanisms().filter(|one| one.is_named(&hop.mechanism));
    let begun = |from: Option<Timestamp>| from.is_none_or(|from| from <= now);
    let until = lawbook
        .mechanisms()
        .filter(|one| one.is_named(&hop.mechanism))
        .filter_map(|one| one.window.from.filter(|from| *from > now))
        .min();
    if !named.any(|one| begun(one.window.from)) {
        return vec![Outcome {
            legal: Legal::Unknown,
            message: format!(
                "the lawbook knows no mechanism {:?} under which the data may have come, so that what binds onward is unknown",
                hop.mechanism
            ),
            remedy: "name the mechanism under which the data was exported".to_owned(),
            until,
            ..Outcome::permitted(RULE.id, "", "spec.earlier.mechanism")
        }];
    }
    question
        .crossings()
        .filter_map(|crossing| {
            let mechanism = onward_forbidden(question, &crossing)?;
            let (name, place) = (&mechanism.name, crossing.place);
            Some(Outcome {
                legal: Legal::Prohibited,
                place: Some(place),
                message: format!("the data came under {name}, which forbids passing it on to {place}"),
                remedy: "keep the data with the importer that received it".to_owned(),
                citation: Some(mechanism.citation.clone()),
                until: next_of(mechanism.window, question.now),
                ..Outcome::permitted(RULE.id, crossing.law.code(), &crossing.transfer.field)
            })
        })
        .collect()
}
