//! Requires: a store can answer requests for access, rectification and erasure within the time that the law gives.
//! Why: a right that cannot be exercised in time is broken, whoever runs the store.
//! Source: the rights that each jurisdiction gives, for example GDPR Arts. 12(3), 15 to 17.
//! Example: a store that declares to erase within 90 days where the law gives one month.

use super::LegalRule;
use crate::engine::law::jurisdiction::{Deadline, in_force};
use crate::engine::law::opinion::{Legal, Outcome, Question};
use crate::engine::law::source::Confidence;
use crate::engine::law::transfer::{next_of, sooner};

pub(super) static RULE: LegalRule = LegalRule { id: "LAW-RIGHTS", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    let matter = question.matter;
    if !matter.is_store {
        return Vec::new();
    }
    let mut all = Vec::new();
    for applicable in &question.laws {
        let region = applicable.region.as_deref().and_then(|code| question.lawbook.jurisdiction(code));
        let binding: Vec<_> =
            region.into_iter().chain(question.lawbook.binding(applicable.country, question.now)).collect();
        let mut outcome = Outcome::permitted(RULE.id, applicable.code(), "spec.subjectRights");
        for rule in binding.iter().flat_map(|law| &law.rights) {
            outcome.until = sooner(outcome.until, next_of(rule.window, question.now));
        }
        let Some(rule) = binding.iter().find_map(|law| in_force(&law.rights, question.now)) else {
            outcome.not_assessed.push(format!("subject rights in {}: not catalogued", applicable.code()));
            all.push(outcome);
            continue;
        };
        outcome.citation = Some(rule.citation.clone());
        let rights = &rule.rule;
        let (mut late, mut missing) = (Vec::new(), Vec::new());
        for (name, law, own) in [
            ("access", rights.access, matter.rights.access),
            ("rectification", rights.rectification, matter.rights.rectification),
            ("erasure", rights.erasure, matter.rights.erasure),
        ] {
            match own {
                Some(own) if days(law).is_some_and(|most| own.days() > most) => {
                    late.push(format!("{name} within {own} where the law gives {}", text(law)));
                }
                Some(_) => {}
                None => missing.push(format!("{name} ({})", text(law))),
            }
        }
        let sure = rule.citation.confidence > Confidence::Low;
        outcome.legal = match (late.is_empty(), missing.is_empty()) {
            (false, _) if sure => Legal::Prohibited,
            (false, _) => Legal::Unknown,
            (true, false) => Legal::Conditional,
            (true, true) => Legal::Permitted,
        };
        match outcome.legal {
            Legal::Permitted => outcome.relies_on.push("spec.subjectRights".to_owned()),
            Legal::Conditional => {
                outcome.message = format!(
                    "{} gives people rights, and within what time the store answers is not declared: {}",
                    applicable.code(),
                    missing.join(", ")
                );
                outcome.remedy = String::from("declare spec.subjectRights");
            }
            _ => {
                outcome.message = format!("{} is answered too late: {}", applicable.code(), late.join(", "));
                outcome.remedy = String::from("answer sooner, and say so in spec.subjectRights");
            }
        }
        all.push(outcome);
    }
    all
}

/// A deadline in days; working days at the least number of days that they can take.
fn days(deadline: Deadline) -> Option<i64> {
    let days = deadline.within?.days();
    // A month is given as days by its longest form, so that P31D still is one month.
    let calendar = if deadline.working_days { days + 2 * (days / 5) } else { days };
    Some(if deadline.within?.to_string().contains("month") { calendar + 1 } else { calendar })
}

/// A deadline in words.
pub fn text(deadline: Deadline) -> String {
    let Some(within) = deadline.within else { return "no fixed time".to_owned() };
    let working = if deadline.working_days { ", working days only" } else { "" };
    match deadline.extension {
        Some(longer) => format!("{within}{working}, {longer} more if need be"),
        None => format!("{within}{working}"),
    }
}
