//! Requires: every declaration of an origin can be read.
//! Why: data whose origin is unknown may be bound by any law, so no place is proven lawful for it.
//! Example: a namespace labelled `domicile.dev/origin=Germany`.

use super::{Judged, Rule};
use crate::engine::policy::Mode;
use crate::engine::verdict::Finding;

pub static RULE: Rule = Rule { id: "RES-ORIGIN", check };

fn check(judged: &Judged<'_>) -> Vec<Finding> {
    let mode = judged.bindings.iter().map(|binding| binding.policy.mode).max().unwrap_or(Mode::Warn);
    judged
        .placement
        .data
        .iter()
        .filter_map(|data| data.unknown_origin.as_ref().map(|reason| (data, reason)))
        .map(|(data, reason)| Finding {
            rule: RULE.id,
            mode,
            policy: None,
            allows: None,
            field: judged.placement.field.clone(),
            message: format!("the origin of the data cannot be read from {}: {reason}", data.via),
            remedy: "name the countries by their two-letter codes in capitals; in a label, join several by _"
                .to_owned(),
            unproven: true,
            citation: None,
            waived: None,
        })
        .collect()
}
