//! Requires: nobody who holds the data is ultimately controlled from where the owner's policy refuses it.
//! Why: a region says where data lies, not whose courts can order it out; who controls a party is a fact of its own, and a
//! matter of policy, not of legality.
//! Example: a processor established in the country whose parent company sits on another continent.

use super::{OwnerRule, Owners};
use crate::engine::law::matter::Party;
use crate::engine::policy::Mode;
use crate::engine::verdict::Finding;

pub static RULE: OwnerRule = OwnerRule { id: "RES-CONTROL", check };

fn check(owners: &Owners<'_>) -> Vec<Finding> {
    let policy = owners.policy;
    if policy.refuse_controlled_from.is_empty() {
        return Vec::new();
    }
    let refused = owners.lawbook.countries(&policy.refuse_controlled_from, owners.now);
    let importers = owners.matter.transfers.iter().filter_map(|transfer| transfer.importer.as_ref());
    let mut parties: Vec<&Party> = owners.matter.parties.iter().chain(importers).collect();
    parties.sort_by(|a, b| a.field.cmp(&b.field));
    parties.dedup_by(|a, b| a.field == b.field);
    let names = policy.refuse_controlled_from.join(", ");
    let finding = |party: &Party, mode: Mode, message: String, remedy: &str, unproven: bool| Finding {
        rule: RULE.id,
        mode,
        policy: Some(policy.name.clone()),
        allows: Some(format!("no party controlled from {names}")),
        field: format!("{}.controlledFrom", party.field),
        message,
        remedy: remedy.to_owned(),
        unproven,
        citation: None,
        waived: None,
    };
    parties
        .into_iter()
        .filter_map(|party| match party.controlled_from {
            Some(country) if refused.contains(country) => Some(finding(
                party,
                policy.mode,
                format!("the party is ultimately controlled from {country}"),
                "choose a party that is controlled from elsewhere",
                false,
            )),
            Some(_) => None,
            None => Some(finding(
                party,
                policy.mode.min(policy.unknown_law),
                "from where the party is ultimately controlled is not declared".to_owned(),
                "declare controlledFrom",
                true,
            )),
        })
        .collect()
}
