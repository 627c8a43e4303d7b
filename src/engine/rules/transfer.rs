//! Requires: where data is handed to another controller or processor across a border, something carries it: free flow, or
//! a ground that is in force and whose conditions are met, under every law that applies.
//! Why: transfer law forbids export by default wherever it needs a ground, and grounds end on a day.
//! Source: the transfer regime of each jurisdiction, for example GDPR Art. 44.
//! Example: a flow to a recipient abroad whose certificate has expired.

use super::LegalRule;
use crate::engine::law::matter::{Transfer, TransferKind};
use crate::engine::law::opinion::{Crossing, Legal, Outcome, Question};
use crate::engine::law::transfer::{carriage, onward_forbidden};

use super::localisation;

pub static RULE: LegalRule = LegalRule { id: "LAW-TRANSFER", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    outcomes(RULE.id, question, |transfer| transfer.kind != TransferKind::Access)
}

/// What carries the transfers of some kinds; the rule on access asks the same about those who look in from abroad.
pub fn outcomes(rule: &'static str, question: &Question<'_>, concerns: fn(&Transfer) -> bool) -> Vec<Outcome> {
    // Nobody else receives anything where both ends are one legal entity.
    let asked = |transfer: &Transfer| concerns(transfer) && !transfer.same_entity;
    let mut all: Vec<Outcome> = question
        .unknown_places()
        .filter(|transfer| asked(transfer))
        .map(|transfer| {
            let reason = transfer.places.unproven.clone().unwrap_or_else(|| "it may be almost anywhere".to_owned());
            Outcome {
                legal: Legal::Unknown,
                message: format!("cannot tell where the data goes: {reason}"),
                remedy: "declare the country".to_owned(),
                ..Outcome::permitted(rule, "", &transfer.field)
            }
        })
        .collect();
    for crossing in question.crossings().filter(|crossing| asked(crossing.transfer)) {
        // Localisation is judged first; where it already forbids, a ground would not help.
        if localisation::forbids(question, &crossing) || onward_forbidden(question, &crossing).is_some() {
            continue;
        }
        all.push(of(rule, question, &crossing));
    }
    all
}

fn of(rule: &'static str, question: &Question<'_>, crossing: &Crossing<'_>) -> Outcome {
    let carriage = carriage(question, crossing);
    Outcome {
        legal: carriage.legal,
        place: Some(crossing.place),
        message: carriage.message,
        remedy: carriage.remedy,
        citation: carriage.citation,
        ground: carriage.ground,
        relies_on: carriage.relies_on,
        until: carriage.until,
        ..Outcome::permitted(rule, crossing.law.code(), &crossing.transfer.field)
    }
}
