//! Requires: no prohibition in force applies to a transfer.
//! Why: a bar forbids whatever ground there is.
//! Source: mechanisms of the role Bar, for example national security rules on bulk data.
//! Example: data of many people sold to a buyer in a country of concern.

use super::LegalRule;
use crate::engine::law::evaluate::Truth;
use crate::engine::law::mechanism::MechanismRole;
use crate::engine::law::opinion::{Legal, Outcome, Question};
use crate::engine::law::source::Confidence;
use crate::engine::law::transfer::{asking, concerning, instant, next_of, sooner};

pub static RULE: LegalRule = LegalRule { id: "LAW-BAR", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    let mut all = Vec::new();
    for crossing in question.crossings() {
        for bar in concerning(question, &crossing, MechanismRole::Bar) {
            let mut outcome = Outcome {
                place: Some(crossing.place),
                until: next_of(bar.window, question.now),
                citation: Some(bar.citation.clone()),
                ..Outcome::permitted(RULE.id, crossing.law.code(), &crossing.transfer.field)
            };
            if bar.window.contains(question.now) {
                let answer = bar.when.as_ref().map(|when| asking(question, &crossing, &bar.zone).answer(when));
                let truth = answer.as_ref().map_or(Truth::Holds, |answer| answer.truth);
                let until = answer.as_ref().and_then(|answer| instant(answer.until, &bar.zone));
                outcome.until = sooner(outcome.until, until);
                let place = crossing.place;
                outcome.legal = match truth {
                    Truth::Fails => Legal::Permitted,
                    Truth::Holds if bar.citation.confidence > Confidence::Low => Legal::Prohibited,
                    _ => Legal::Unknown,
                };
                match outcome.legal {
                    Legal::Prohibited => {
                        outcome.message = format!("{} forbids the transfer from {} to {place}", bar.title, outcome.law);
                        outcome.remedy = format!("keep the data out of {place}");
                    }
                    Legal::Unknown => {
                        let missing = answer.map(|answer| answer.missing.join("; ")).unwrap_or_default();
                        outcome.message = format!("whether {} forbids it is unknown: {missing}", bar.title);
                        outcome.remedy = format!("declare what is missing, or keep the data out of {place}");
                    }
                    _ => outcome.relies_on = answer.map(|answer| answer.relies_on).unwrap_or_default(),
                }
            }
            all.push(outcome);
        }
    }
    all
}
