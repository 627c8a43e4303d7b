//! Requires: every possible place of a placement is allowed by every policy that covers its data.
//! Why: what may happen counts as happening; a pod that may land abroad will, on a bad day.
//! Example: a pod bound by hand to a node in a country that the policy does not name.

use super::{Judged, Rule};
use crate::engine::explain;
use crate::engine::verdict::Finding;

pub static RULE: Rule = Rule { id: "RES-PLACE", check };

fn check(judged: &Judged<'_>) -> Vec<Finding> {
    let (placement, places) = (judged.placement, &judged.places);
    let unknown = places.unproven.is_some() && places.countries.is_full();
    if judged.enforced.is_empty() || unknown || judged.has_unknown_origin() {
        return Vec::new();
    }
    judged
        .bindings
        .iter()
        .filter(|binding| !places.countries.is_subset(&binding.own))
        .map(|binding| {
            let waived = judged.placed(binding);
            let allowed = if waived.is_some() { &binding.own } else { &binding.allowed };
            Finding {
                rule: RULE.id,
                mode: binding.policy.mode,
                policy: Some(binding.policy.name.clone()),
                allows: Some(judged.name(allowed)),
                field: placement.field.clone(),
                message: format!(
                    "would {} {} {}",
                    placement.act.verb(),
                    explain::data(&placement.data),
                    judged.inside(&places.countries)
                ),
                remedy: judged.remedy(allowed),
                unproven: false,
                citation: None,
                waived,
            }
        })
        .collect()
}
