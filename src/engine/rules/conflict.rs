//! Requires: the enforcing policies leave at least one country in common.
//! Why: where two policies contradict each other the strictest wins, and together they allow nothing; naming the
//! contradiction helps more than naming a place that is not allowed.
//! Example: a store with data of two origins under a policy that keeps each in its own country.

use super::{Judged, Rule};
use crate::engine::country::CountrySet;
use crate::engine::explain;
use crate::engine::facts::Facts;
use crate::engine::policy::Mode;
use crate::engine::verdict::{Change, Finding, Rewrite};

pub static RULE: Rule = Rule { id: "RES-CONFLICT", check };

fn check(judged: &Judged<'_>) -> Vec<Finding> {
    if !judged.enforced.is_empty() || judged.has_unknown_origin() {
        return Vec::new();
    }
    let placement = judged.placement;
    let names: Vec<String> = judged
        .bindings
        .iter()
        .filter(|binding| binding.policy.mode == Mode::Enforce)
        .map(|binding| format!("policy {} leaves {}", binding.policy.name, judged.name(&binding.allowed)))
        .collect();
    vec![Finding {
        rule: RULE.id,
        mode: Mode::Enforce,
        policy: None,
        allows: None,
        field: placement.field.clone(),
        message: format!(
            "no country is left to {} {}: {}",
            placement.act.verb(),
            explain::data(&placement.data),
            names.join("; ")
        ),
        remedy: "keep data of each origin in a store of its own, or change the policies".to_owned(),
        unproven: false,
        citation: None,
        waived: None,
    }]
}

/// A pod that may process here and store only there has nowhere to go.
pub fn between(facts: &Facts, rewrites: &[Rewrite]) -> Option<Finding> {
    let pins = || {
        rewrites.iter().filter_map(|rewrite| match &rewrite.change {
            Change::PinNodes { countries, .. } => Some((facts.placements.get(rewrite.placement)?, countries)),
            Change::Take { .. } => None,
        })
    };
    let (first, _) = pins().next()?;
    if !pins().fold(CountrySet::FULL, |all, (_, countries)| all.intersection(countries)).is_empty() {
        return None;
    }
    let each: Vec<String> = pins()
        .map(|(placement, countries)| format!("to {} it may be in {}", placement.act.verb(), countries))
        .collect();
    Some(Finding {
        rule: RULE.id,
        mode: Mode::Enforce,
        policy: None,
        allows: None,
        field: first.field.clone(),
        message: format!("no country is left for {}: {}", explain::data(&first.data), each.join("; ")),
        remedy: "let the policies leave one country for both acts".to_owned(),
        unproven: false,
        citation: None,
        waived: None,
    })
}
