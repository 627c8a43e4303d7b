//! Requires: people are contacted over a channel only as the law of their country allows for the purpose.
//! Why: an e-mailed survey needs consent in one country and none in the next; consent for one thing never covers another.
//! Source: the consent rules of each jurisdiction, for example Directive 2002/58/EC Art. 13 and its transpositions.
//! Example: a satisfaction survey attached to an invoice, sent to people who could not object when they gave the address.

use jiff::Timestamp;

use super::LegalRule;
use crate::engine::country::Country;
use crate::engine::law::claims::{Channel, ConsentFor};
use crate::engine::law::condition::Condition;
use crate::engine::law::evaluate::{Answer, Asking, Truth};
use crate::engine::law::jurisdiction::{ChannelRule, ConsentRule, Dated, Jurisdiction};
use crate::engine::law::opinion::{Legal, Outcome, Question};
use crate::engine::law::source::Confidence;
use crate::engine::law::transfer::{instant, next_of, sooner};

pub static RULE: LegalRule = LegalRule { id: "LAW-CONSENT", check };

const FIELD: &str = "spec.channel";

fn check(question: &Question<'_>) -> Vec<Outcome> {
    let matter = question.matter;
    let (Some(channel), Some(purpose)) = (matter.channel, matter.purpose.as_deref()) else { return Vec::new() };
    // Nobody is contacted over these.
    if matches!(channel, Channel::Web | Channel::InApp | Channel::Api) {
        return Vec::new();
    }
    let people = if matter.collects_from.is_empty() { &matter.subjects_in } else { &matter.collects_from };
    people.iter().map(|country| of(question, country, channel, purpose)).collect()
}

fn of(question: &Question<'_>, country: Country, channel: Channel, purpose: &str) -> Outcome {
    let (lawbook, now) = (question.lawbook, question.now);
    let rules = lawbook.consent_rules(country, channel, purpose, now);
    let mut until: Option<Timestamp> = None;
    for (_, rule) in &rules {
        until = sooner(until, next_of(rule.window, now));
    }
    let current = rules.iter().filter(|(_, rule)| rule.window.contains(now)).max_by_key(|(_, rule)| rule.window.from);
    let mut outcome = if let Some((law, rule)) = current {
        judged(question, country, law, rule)
    } else {
        let unresearched = rules.iter().find(|(_, rule)| rule.rule.start_unknown);
        let message = match unresearched {
            Some(_) => format!("since when {country} has its rule for {purpose} by {} is not known", channel.name()),
            None => format!("the rule of {country} for {purpose} by {} is not known", channel.name()),
        };
        Outcome {
            legal: Legal::Unknown,
            message,
            remedy: "obtain consent and ask a lawyer, or add a Jurisdiction that says what is asked".to_owned(),
            citation: unresearched.map(|(_, rule)| rule.citation.clone()),
            ..Outcome::permitted(RULE.id, country.as_str(), FIELD)
        }
    };
    outcome.until = sooner(outcome.until, until);
    outcome
}

fn judged(question: &Question<'_>, country: Country, law: &Jurisdiction, dated: &Dated<ChannelRule>) -> Outcome {
    let asking =
        Asking { here: Some(country), ..Asking::new(question.matter, question.lawbook, question.now, &law.zone) };
    let ChannelRule { channel, purpose, rule, demands, unless, start_unknown: _ } = &dated.rule;
    let consent = || asking.answer(&Condition::consent(ConsentFor::Channel, true));
    let permission = match rule {
        ConsentRule::OptIn | ConsentRule::SoftOptIn => match unless {
            Some(unless) => consent().or(asking.answer(unless)),
            None => consent(),
        },
        ConsentRule::OptOut | ConsentRule::None => Answer::HOLDS,
        ConsentRule::Unsure => Answer {
            truth: Truth::Unknown,
            missing: vec!["sources disagree or are silent".to_owned()],
            ..Answer::HOLDS
        },
    };
    let beside = demands.as_ref().map_or(Answer::HOLDS, |demands| asking.answer(demands));
    let beside = match (rule, unless) {
        // What an exception frees from is what else would have to be done.
        (ConsentRule::OptOut, Some(unless)) => beside.or(asking.answer(unless)),
        _ => beside,
    };
    let ignored =
        question.matter.claims.handling.as_ref().and_then(|handling| handling.suppression_list) == Some(false);
    let mut answer = permission.and(beside);
    if ignored && *rule != ConsentRule::None {
        answer.truth = Truth::Fails;
        answer.missing.push("people who objected are not kept out (handling.suppressionList)".to_owned());
    }
    let low = dated.citation.confidence == Confidence::Low;
    let legal = match answer.truth {
        Truth::Fails => Legal::Prohibited,
        _ if low => Legal::Unknown,
        Truth::Holds => Legal::Permitted,
        Truth::Open => Legal::Conditional,
        Truth::Unknown => Legal::Unknown,
    };
    let what = match rule {
        ConsentRule::OptIn => "asks for consent before",
        ConsentRule::SoftOptIn => "asks for consent or a customer relationship before",
        ConsentRule::OptOut => "lets people object to",
        ConsentRule::None => "asks for no consent before",
        ConsentRule::Unsure => "does not settle what is asked before",
    };
    let mut relies_on = answer.relies_on;
    if *rule == ConsentRule::OptOut {
        relies_on.push("objections being heeded".to_owned());
    }
    let (message, remedy) = if legal == Legal::Permitted {
        (String::new(), String::new())
    } else {
        let message = format!("{country} {what} {purpose} by {}: {}", channel.name(), answer.missing.join("; "));
        (message, "declare in consents or relationship what was obtained, or use another channel".to_owned())
    };
    Outcome {
        legal,
        message,
        remedy,
        citation: Some(dated.citation.clone()),
        relies_on,
        until: instant(answer.until, &law.zone),
        ..Outcome::permitted(RULE.id, country.as_str(), FIELD)
    }
}
