//! Requires: some policy covers personal data wherever it is touched.
//! Why: data that no policy covers is protected by nobody; silence would look like approval.
//! Example: the built-in policy was replaced by one that covers other origins only.

use std::sync::Arc;

use super::{Judged, Rule};
use crate::engine::data::Data;
use crate::engine::explain;
use crate::engine::policy::Mode;
use crate::engine::verdict::Finding;

pub static RULE: Rule = Rule { id: "RES-UNCOVERED", check };

fn check(judged: &Judged<'_>) -> Vec<Finding> {
    let placement = judged.placement;
    let covered = |data: &&Arc<Data>| judged.policies.cover(placement.asked(), data, judged.law);
    // That a policy covers some of the data does not excuse the rest.
    let uncovered: Vec<Arc<Data>> = placement.data.iter().filter(|data| !covered(data)).cloned().collect();
    if uncovered.is_empty() || judged.has_unknown_origin() {
        return Vec::new();
    }
    vec![Finding {
        rule: RULE.id,
        mode: Mode::Warn,
        policy: None,
        allows: None,
        field: placement.field.clone(),
        message: format!(
            "no ResidencyPolicy says where {} may be used to {} it",
            explain::data(&uncovered),
            placement.act.verb()
        ),
        remedy: format!("add spec.residence.{:?} to a policy that covers this data", placement.act),
        unproven: true,
        citation: None,
        waived: None,
    }]
}
