//! What policies leave for an act over time, so that it can be written down ahead: the part of a decision that depends on
//! law and policies alone, and not on any object.

use std::sync::Arc;

use jiff::Timestamp;

use super::Limits;
use super::country::CountrySet;
use super::data::Data;
use super::exception::Subject;
use super::facts::Act;
use super::lawbook::Lawbook;
use super::policy::{Asker, Mode, PinBy, Policies, RewriteStorage};

/// What may happen to some data under one act, from one instant to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The first instant at which time alone may change it; none: it holds until something is changed.
    pub until: Option<Timestamp>,
    /// Where the enforcing policies let it happen; none where no policy enforces anything about it.
    pub enforced: Option<CountrySet>,
    /// Whether a policy that only warns or audits leaves less, so that there is more to say than yes or no.
    pub has_more_to_say: bool,
    /// Whether every enforcing policy lets pods be pinned.
    pub pods_may_be_pinned: bool,
    /// Which node label the enforcing policies want.
    pub pin_by: PinBy,
    /// Whether an enforcing policy that allows less than every place refuses those that are not proven: a place that may be
    /// anywhere is then refused by that one, and one of which a part is known to lie outside by whichever forbids it.
    pub refuses_unproven: bool,
    /// Whether every enforcing policy lets a class or region be replaced.
    pub storage_may_be_replaced: bool,
    /// Names of the enforcing policies.
    pub policies: Vec<String>,
}

/// What may happen at `now`, with every exception that may be about the subject.
pub fn allowance(
    act: Act,
    (data, subject): (&[Arc<Data>], Option<&Subject>),
    lawbook: &Lawbook,
    policies: &Policies,
    now: Timestamp,
) -> Allowance {
    let law = policies.law_for(subject, lawbook, now);
    // Looking at data is what people do; of objects nothing is compiled that looks.
    let asked = (act, if act == Act::Access { Asker::Person } else { Asker::Object });
    let limits = Limits::of(asked, data, policies, &law);
    let mut allowance = Allowance {
        until: policies.holds_until(data, &law),
        enforced: limits.any_enforces.then_some(limits.enforced),
        has_more_to_say: !limits.enforced.is_subset(&limits.all),
        pods_may_be_pinned: limits.pods_may_be_pinned,
        pin_by: limits.pin_by,
        refuses_unproven: false,
        storage_may_be_replaced: true,
        policies: Vec::new(),
    };
    policies.limits(asked, data, &law, |policy, leaves| {
        if policy.mode == Mode::Enforce {
            allowance.refuses_unproven |= policy.unknown_place == Mode::Enforce && !leaves.allowed.is_full();
            allowance.storage_may_be_replaced &= policy.rewrite_storage == RewriteStorage::OnCreate;
            allowance.policies.push(policy.name.clone());
        }
    });
    allowance
}

/// What may happen from `now` on: one allowance for each span of time in which nothing changes by time alone, at most
/// `most`. The last one may end, and what is allowed after that is not worked out.
pub fn allowances(
    act: Act,
    data: (&[Arc<Data>], Option<&Subject>),
    lawbook: &Lawbook,
    policies: &Policies,
    now: Timestamp,
    most: usize,
) -> Vec<Allowance> {
    // Many instants change something elsewhere in the law; as long as nothing changes here they are one span.
    const INSTANTS: usize = 200;
    let mut spans: Vec<Allowance> = Vec::new();
    let mut at = now;
    for _ in 0..INSTANTS {
        let next = allowance(act, data, lawbook, policies, at);
        let until = next.until;
        let full = spans.len() == most;
        match spans.last_mut() {
            Some(last) if (Allowance { until: last.until, ..next.clone() }) == *last => last.until = until,
            _ if full => break,
            _ => spans.push(next),
        }
        match until {
            Some(until) if until > at => at = until,
            _ => break,
        }
    }
    spans
}
