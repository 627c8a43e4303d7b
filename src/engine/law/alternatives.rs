//! What could carry a store or flow whose ground is gone.

use jiff::Timestamp;
use serde::Serialize;

use super::describe::describe;
use super::matter::Matter;
use super::mechanism::{GroundKind, MechanismRole};
use super::opinion::{Legal, Question};
use super::source::{Citation, Confidence};
use super::transfer::{carriage, concerning, holds};
use crate::engine::lawbook::Lawbook;

/// A ground that would carry data over a border, if what it asks were so and were declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    /// Name of the mechanism.
    pub mechanism: String,
    /// Of what kind it is.
    pub kind: GroundKind,
    /// Full name.
    pub title: String,
    /// From where.
    pub from: String,
    /// To where.
    pub to: String,
    /// What it asks.
    pub asks: Vec<String>,
    /// What of that is not declared, or not so.
    pub missing: Vec<String>,
    /// Signs that it may end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_risk: Vec<String>,
    /// Where it is written.
    pub source: Citation,
}

/// The grounds in force at `now` that could carry what nothing carries, the likely ones first.
pub fn alternatives(matter: &Matter, lawbook: &Lawbook, now: Timestamp) -> Vec<Alternative> {
    let question = Question::new(matter, lawbook, now);
    let mut all: Vec<Alternative> = Vec::new();
    for crossing in question.crossings().filter(|crossing| !crossing.transfer.same_entity) {
        if carriage(&question, &crossing).legal <= Legal::Conditional {
            continue;
        }
        for mechanism in concerning(&question, &crossing, MechanismRole::Ground) {
            // Nobody can declare an adequacy decision, and nobody should rely on what the catalogue is not sure of.
            let sure = mechanism.citation.confidence > Confidence::Low;
            if !mechanism.window.contains(now) || mechanism.kind == GroundKind::Adequacy || !sure {
                continue;
            }
            let (law, place) = (crossing.law.code(), crossing.place.to_string());
            if all.iter().any(|known| known.mechanism == mechanism.name && known.from == law && known.to == place) {
                continue;
            }
            let (answer, _) = holds(&question, &crossing, mechanism);
            let risks = mechanism.risks.iter().filter(|risk| risk.window.contains(now));
            all.push(Alternative {
                mechanism: mechanism.name.clone(),
                kind: mechanism.kind,
                title: mechanism.title.clone(),
                from: law.to_owned(),
                to: place,
                asks: mechanism.when.as_ref().map(describe).unwrap_or_default(),
                missing: answer.missing,
                at_risk: risks.map(|risk| risk.note.clone()).collect(),
                source: mechanism.citation.clone(),
            });
        }
    }
    all.sort_by(|a, b| (a.kind, &a.mechanism, &a.from, &a.to).cmp(&(b.kind, &b.mechanism, &b.from, &b.to)));
    all
}
