//! Requires: data that a law keeps in the country is written and kept there as that law says.
//! Why: localisation comes before every transfer ground, and binds whoever the party is.
//! Source: the localisation rules of each jurisdiction, for example 152-FZ Art. 18(5).
//! Example: a form that writes answers of citizens to a database abroad first.

use super::LegalRule;
use crate::engine::law::evaluate::{Answer, Truth};
use crate::engine::law::jurisdiction::{Dated, Jurisdiction, Localisation, LocalisationKind};
use crate::engine::law::opinion::{Crossing, Legal, Outcome, Question};
use crate::engine::law::source::Confidence;
use crate::engine::law::transfer::{asking, instant, next_of, sooner};

pub static RULE: LegalRule = LegalRule { id: "LAW-LOCALISATION", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    let mut all = Vec::new();
    for crossing in question.crossings() {
        for (law, rule) in rules(question, &crossing) {
            all.push(outcome(question, &crossing, law, rule));
        }
    }
    all
}

/// Whether a localisation rule in force forbids what would cross the border.
pub fn forbids(question: &Question<'_>, crossing: &Crossing<'_>) -> bool {
    rules(question, crossing).any(|(law, rule)| outcome(question, crossing, law, rule).legal == Legal::Prohibited)
}

fn rules<'a>(
    question: &Question<'a>,
    crossing: &Crossing<'_>,
) -> impl Iterator<Item = (&'a Jurisdiction, &'a Dated<Localisation>)> {
    let laws = crossing.law.rules(question.lawbook, question.now);
    laws.flat_map(|law| law.localisations.iter().map(move |rule| (law, rule)))
}

fn outcome(
    question: &Question<'_>,
    crossing: &Crossing<'_>,
    law: &Jurisdiction,
    rule: &Dated<Localisation>,
) -> Outcome {
    let mut outcome = Outcome {
        place: Some(crossing.place),
        until: next_of(rule.window, question.now),
        citation: Some(rule.citation.clone()),
        ..Outcome::permitted(RULE.id, crossing.law.code(), &crossing.transfer.field)
    };
    if !rule.window.contains(question.now) {
        return outcome;
    }
    let asking = asking(question, crossing, &law.zone);
    let Localisation { kind, when, demands } = &rule.rule;
    if matches!(kind, LocalisationKind::Sectoral | LocalisationKind::Conditional) && demands.is_none() {
        let note = rule.note.as_deref().unwrap_or("sector law");
        outcome.not_assessed.push(format!("localisation in {}: {note}", law.code));
    }
    let bound = when.as_ref().map_or(Answer::HOLDS, |when| asking.answer(when));
    let demanded = demands.as_ref().filter(|_| bound.truth != Truth::Fails).map(|demands| asking.answer(demands));
    outcome.until = sooner(outcome.until, instant(bound.until, &law.zone));
    let Some(answer) = demanded else {
        outcome.relies_on = bound.relies_on;
        return outcome;
    };
    outcome.until = sooner(outcome.until, instant(answer.until, &law.zone));
    let sure = bound.truth == Truth::Holds && rule.citation.confidence > Confidence::Low;
    outcome.legal = match answer.truth {
        Truth::Holds => Legal::Permitted,
        Truth::Fails if sure => Legal::Prohibited,
        Truth::Open if sure => Legal::Conditional,
        _ => Legal::Unknown,
    };
    if outcome.legal != Legal::Permitted {
        let mut missing = answer.missing;
        missing.extend(bound.missing);
        outcome.message = format!("{} keeps data in the country: {}", law.code, missing.join("; "));
        outcome.remedy = match outcome.legal {
            Legal::Prohibited => format!("write and keep the data in {} as the law says", law.code),
            _ => "declare where the data is first written and where copies are (provenance)".to_owned(),
        };
    }
    outcome.relies_on = answer.relies_on;
    outcome
}
