//! What breaking the law may cost at most: the statutory maxima, never a forecast.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::answer::{Place, Written};
use super::jurisdiction::{Fine, FineRule, Jurisdiction};
use super::matter::Matter;
use super::opinion::{Legal, opinion};
use crate::engine::lawbook::Lawbook;

/// What every maximum of a fine is called.
pub const MAXIMUM: &str = "statutory maximum, not a forecast";

/// The statutory maximum of a fine: not a forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Maximum {
    /// In words.
    pub words: String,
    /// How it is found.
    pub rule: FineRule,
    /// The fixed amount, in units of the currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<i64>,
    /// ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Share of turnover in per cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turnover_percent: Option<i64>,
    /// What the number is, and is not.
    pub notice: &'static str,
    /// Where that is written.
    #[serde(flatten)]
    pub written: Written,
}

/// What breaking the laws that object to a matter may cost at most; where none objects, those of its origins.
pub fn exposure(matter: &Matter, lawbook: &Lawbook, now: Timestamp) -> Vec<Maximum> {
    let opinion = opinion(matter, lawbook, now);
    let against = opinion.outcomes.iter().filter(|outcome| outcome.legal > Legal::Conditional);
    let mut laws: BTreeSet<String> = against.map(|outcome| outcome.law.clone()).collect();
    laws.remove("");
    if laws.is_empty() {
        laws = matter.origins.iter().map(|country| country.to_string()).chain(matter.regions.iter().cloned()).collect();
    }
    let mut all: Vec<Maximum> = Vec::new();
    for code in laws {
        let fines = match Place::parse(&code, lawbook) {
            Some(place) => maxima(&place, lawbook, now),
            None => lawbook.jurisdiction(&code).map(|law| maxima_of(law, now)).unwrap_or_default(),
        };
        for fine in fines {
            if !all.contains(&fine) {
                all.push(fine);
            }
        }
    }
    all
}

/// What breaking the laws of a place may cost at most, the most specific law first.
pub fn maxima(place: &Place, lawbook: &Lawbook, now: Timestamp) -> Vec<Maximum> {
    place.laws(lawbook, now).into_iter().flat_map(|law| maxima_of(law, now)).collect()
}

/// The same for the law of this code alone: a country, a subdivision or a bloc.
pub fn maxima_of(law: &Jurisdiction, now: Timestamp) -> Vec<Maximum> {
    let current = law.fines.iter().filter(|fine| fine.window.contains(now));
    current
        .map(|dated| {
            let Fine { rule, fixed, currency, turnover_percent } = &dated.rule;
            Maximum {
                words: words(&dated.rule),
                rule: *rule,
                fixed: *fixed,
                currency: currency.clone(),
                turnover_percent: *turnover_percent,
                notice: MAXIMUM,
                written: Written::of(law, dated, false),
            }
        })
        .collect()
}

/// "the higher of EUR 20 000 000 and 4 % of turnover".
fn words(fine: &Fine) -> String {
    let Fine { rule, fixed, currency, turnover_percent } = fine;
    let fixed = fixed.map(|fixed| format!("{} {}", currency.as_deref().unwrap_or_default(), thousands(fixed)));
    let share = turnover_percent.map(|percent| format!("{percent} % of turnover"));
    let (head, between) = match rule {
        FineRule::HigherOf => ("the higher of ", " and "),
        FineRule::LowerOf => ("the lower of ", " and "),
        FineRule::Either => ("either ", " or "),
        FineRule::Capped => {
            return match (fixed, share) {
                (Some(fixed), Some(share)) => format!("{share}, at most {fixed}"),
                (fixed, share) => fixed.or(share).unwrap_or_else(|| UNKNOWN.to_owned()),
            };
        }
        FineRule::OnPerson => {
            let amount = fixed.or(share).unwrap_or_else(|| UNKNOWN.to_owned());
            return format!("{amount}, on the person responsible");
        }
        FineRule::Fixed | FineRule::Turnover => ("", " and "),
        FineRule::Unknown => return UNKNOWN.to_owned(),
    };
    match (fixed, share) {
        (Some(fixed), Some(share)) => format!("{head}{fixed}{between}{share}"),
        (fixed, share) => fixed.or(share).unwrap_or_else(|| UNKNOWN.to_owned()),
    }
}

const UNKNOWN: &str = "not known in figures";

/// "20 000 000".
fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxima_are_told_in_words() {
        let fine = |rule, fixed, turnover_percent| {
            words(&Fine { rule, fixed, currency: Some("XXX".to_owned()), turnover_percent })
        };
        let higher = fine(FineRule::HigherOf, Some(20_000_000), Some(4));
        assert_eq!(higher, "the higher of XXX 20 000 000 and 4 % of turnover");
        assert_eq!(fine(FineRule::Capped, Some(500), Some(2)), "2 % of turnover, at most XXX 500");
        assert_eq!(fine(FineRule::Fixed, Some(1_000), None), "XXX 1 000");
        assert_eq!(fine(FineRule::HigherOf, None, None), UNKNOWN);
    }
}
