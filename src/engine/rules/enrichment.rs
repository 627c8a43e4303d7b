//! Requires: what was gathered enters a customer profile only as law and professional codes allow.
//! Why: answers given to improve a service may not quietly become sales leads.
//! Source: the enrichment rules of each jurisdiction, for example GDPR Art. 6(4); codes such as ICC/ESOMAR only warn.
//! Example: answers to a survey that was presented as market research, copied into the sales system by name.

use super::LegalRule;
use crate::engine::law::evaluate::{Answer, Asking, Truth};
use crate::engine::law::jurisdiction::{Dated, EnrichmentRule, Jurisdiction, Severity};
use crate::engine::law::opinion::{Applicable, Legal, Outcome, Question};
use crate::engine::law::source::{Authority, Confidence};
use crate::engine::law::transfer::{instant, next_of, sooner};

pub static RULE: LegalRule = LegalRule { id: "LAW-ENRICHMENT", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    if question.matter.is_store || question.matter.purpose.is_none() {
        return Vec::new();
    }
    let mut all: Vec<Outcome> = Vec::new();
    let mut seen: Vec<&Dated<EnrichmentRule>> = Vec::new();
    for applicable in &question.laws {
        for law in applicable.rules(question.lawbook, question.now) {
            for rule in &law.enrichments {
                // A rule that a bloc makes for all its members is one rule.
                if !seen.iter().any(|known| std::ptr::eq(*known, rule)) {
                    seen.push(rule);
                    all.push(outcome(question, applicable, law, rule));
                }
            }
        }
    }
    all
}

fn outcome(
    question: &Question<'_>,
    applicable: &Applicable,
    law: &Jurisdiction,
    dated: &Dated<EnrichmentRule>,
) -> Outcome {
    let EnrichmentRule { name, trigger: _, requirement, when, demands, severity } = &dated.rule;
    let mut outcome = Outcome {
        until: next_of(dated.window, question.now),
        citation: Some(dated.citation.clone()),
        ..Outcome::permitted(RULE.id, &law.code, "spec.purpose")
    };
    if !dated.window.contains(question.now) {
        return outcome;
    }
    let asking = Asking {
        here: Some(applicable.country),
        ..Asking::new(question.matter, question.lawbook, question.now, &law.zone)
    };
    let asked = when.as_ref().map_or(Answer::HOLDS, |when| asking.answer(when));
    outcome.until = sooner(outcome.until, instant(asked.until, &law.zone));
    let Some(demands) = demands.as_ref().filter(|_| asked.truth != Truth::Fails && *severity != Severity::Allow) else {
        return outcome;
    };
    let answer = asking.answer(demands);
    outcome.until = sooner(outcome.until, instant(answer.until, &law.zone));
    let sure = asked.truth == Truth::Holds && dated.citation.confidence > Confidence::Low;
    outcome.legal = match (answer.truth, severity) {
        (Truth::Holds, _) => Legal::Permitted,
        (Truth::Open, _) | (_, Severity::Warn | Severity::Allow) => Legal::Conditional,
        (Truth::Fails, Severity::Deny) if sure => Legal::Prohibited,
        (Truth::Fails | Truth::Unknown, Severity::Deny) => Legal::Unknown,
    };
    // A professional code is no law: what breaks it is owed, and the policy warns.
    if dated.citation.authority == Authority::Code {
        outcome.legal = outcome.legal.min(Legal::Conditional);
    }
    if outcome.legal != Legal::Permitted {
        outcome.message = format!("{name}: {requirement}: {}", answer.missing.join("; "));
        outcome.remedy = String::from("declare how that is met, or keep the data out of the customer profile");
    }
    outcome.relies_on = answer.relies_on;
    outcome
}
