//! Requires: where people of another party look at data from abroad, something carries it there as if it were sent.
//! Why: to let somebody abroad see data is to transfer it; where the server stands does not matter.
//! Source: EDPB Guidelines 05/2021, and the transfer regime of each jurisdiction.
//! Example: a processor in the country whose support staff logs in from another continent.

use super::{LegalRule, transfer};
use crate::engine::law::matter::TransferKind;
use crate::engine::law::opinion::{Outcome, Question};

pub static RULE: LegalRule = LegalRule { id: "LAW-ACCESS", check };

fn check(question: &Question<'_>) -> Vec<Outcome> {
    transfer::outcomes(RULE.id, question, |transfer| transfer.kind == TransferKind::Access)
}
