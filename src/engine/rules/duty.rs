//! Requires: every duty that law attaches to a transfer beside its ground is met.
//! Why: a ground alone does not make a transfer lawful where the law also asks for consent, notices or filings.
//! Source: mechanisms of the role Duty, for example PIPL Art. 39.
//! Example: personal information exported on a standard contract without the separate consent that goes with it.

use super::LegalRule;
use crate::engine::law::mechanism::MechanismRole;
use crate::engine::law::opinion::{Legal, Outcome, Question};
use crate::engine::law::transfer::{concerning, holds, instant, next_of, sooner};

pub static RULE: LegalRule = LegalRule { id: "LAW-DUTY", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    let mut all = Vec::new();
    for crossing in question.crossings().filter(|crossing| !crossing.transfer.same_entity) {
        for duty in concerning(question, &crossing, MechanismRole::Duty) {
            let mut outcome = Outcome {
                place: Some(crossing.place),
                until: next_of(duty.window, question.now),
                citation: Some(duty.citation.clone()),
                ..Outcome::permitted(RULE.id, crossing.law.code(), &crossing.transfer.field)
            };
            if duty.window.contains(question.now) {
                let (answer, _) = holds(question, &crossing, duty);
                outcome.until = sooner(outcome.until, instant(answer.until, &duty.zone));
                outcome.legal = answer.truth.into();
                if outcome.legal != Legal::Permitted {
                    outcome.message = format!("{}: {}", duty.title, answer.missing.join("; "));
                    outcome.remedy = String::from("declare how the duty is met");
                }
                outcome.relies_on = answer.relies_on;
            }
            all.push(outcome);
        }
    }
    all
}
