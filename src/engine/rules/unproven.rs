//! Requires: the place of personal data is proven.
//! Why: unknown is not allowed; a place that cannot be told may be any country.
//! Example: a claim whose storage class provisions at once, in whatever zone the provider picks.

use super::{Judged, Rule};
use crate::engine::explain;
use crate::engine::verdict::Finding;

pub static RULE: Rule = Rule { id: "RES-UNKNOWN", check };

fn check(judged: &Judged<'_>) -> Vec<Finding> {
    let (placement, places) = (judged.placement, &judged.places);
    let Some(reason) = &places.unproven else { return Vec::new() };
    if judged.enforced.is_empty() || judged.has_unknown_origin() {
        return Vec::new();
    }
    judged
        .bindings
        .iter()
        // A known part that lies outside is a breach of its own, and the worse news.
        .filter(|binding| places.countries.is_full() || places.countries.is_subset(&binding.allowed))
        .filter(|binding| !binding.allowed.is_full())
        .map(|binding| Finding {
            rule: RULE.id,
            mode: binding.policy.mode.min(binding.policy.unknown_place),
            policy: Some(binding.policy.name.clone()),
            allows: Some(judged.name(&binding.allowed)),
            field: placement.field.clone(),
            message: format!(
                "cannot prove where this would {} {}: {reason}",
                placement.act.verb(),
                explain::data(&placement.data)
            ),
            remedy: judged.remedy(&binding.allowed),
            unproven: true,
            citation: None,
            waived: judged.unproven(binding),
        })
        .collect()
}
