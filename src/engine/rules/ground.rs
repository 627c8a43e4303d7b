//! Requires: a transfer rests on a kind of ground, and on a confidence, that the owner's policy accepts.
//! Why: an owner may want less than the law allows: no reliance on a framework that may fall, or no border traffic at all.
//! Example: a policy that accepts no ground keeps data collected, stored and processed in its country of origin.

use super::{OwnerRule, Owners};
use crate::engine::verdict::Finding;

pub static RULE: OwnerRule = OwnerRule { id: "RES-GROUND", check };

fn check(owners: &Owners<'_>) -> Vec<Finding> {
    let policy = owners.policy;
    let accepted = policy.accepted_grounds.as_ref();
    let names: Vec<String> = accepted.into_iter().flatten().map(|kind| format!("{kind:?}")).collect();
    let allows = match accepted {
        None => "any ground that is sure enough".to_owned(),
        Some(_) if names.is_empty() => "no transfer across a border".to_owned(),
        Some(_) => names.join(", "),
    };
    let mut all: Vec<Finding> = Vec::new();
    for outcome in &owners.opinion.outcomes {
        let (Some(ground), Some(place)) = (&outcome.ground, outcome.place) else { continue };
        let doubtful = policy.minimum_confidence.is_some_and(|least| ground.citation.confidence < least);
        let message = if accepted.is_some_and(|accepted| !accepted.contains(&ground.kind)) {
            format!("the transfer from {} to {place} rests on {} ({:?})", outcome.law, ground.name, ground.kind)
        } else if doubtful {
            format!("{} is only known with confidence {:?}", ground.name, ground.citation.confidence)
        } else {
            continue;
        };
        all.push(Finding {
            rule: RULE.id,
            mode: policy.mode,
            policy: Some(policy.name.clone()),
            allows: Some(allows.clone()),
            field: outcome.field.clone(),
            message,
            remedy: format!("rely on an accepted ground, or keep the data out of {place}"),
            unproven: false,
            citation: Some(ground.citation.clone()),
            waived: None,
        });
    }
    all
}
