//! The decision: pure, total and deterministic.
//!
//! ```text
//! facts (interpret) + lawbook + policies + now -> decide -> verdict
//! ```
//!
//! Admission, audit and the command line all call [`decide`]; none of them judges by itself.
//!
//! # Invariants
//!
//! - No I/O, clock, environment, logging, async or Kubernetes client: time is an argument, and
//!   `cargo check --no-default-features` builds this module alone.
//! - `decide` never fails and never panics; bad or missing facts become findings.
//! - Equal inputs give equal bytes: nothing depends on the order in which objects arrived.
//! - What is not proven is not allowed: an unknown place is refused wherever a policy enforces.
//! - One more policy or origin never makes a verdict milder.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod country;
pub mod data;
pub mod explain;
pub mod facts;
pub mod gazetteer;
pub mod lawbook;
pub mod lineage;
pub mod node;
pub mod place;
pub mod policy;
pub mod rewrite;
pub mod rules;
pub mod verdict;

use jiff::Timestamp;

use country::CountrySet;
use facts::{Facts, Flexibility, Placement};
use lawbook::Lawbook;
use place::Places;
use policy::{Mode, PinBy, Policies, Policy, RewritePods, RewriteStorage};
use rules::Judged;
use verdict::{Action, Change, Rewrite, Verdict};

/// One policy that limits a placement, and what it leaves.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The intersection of what it allows for each kind of data concerned.
    pub allowed: CountrySet,
}

/// Judges what an object would do with personal data.
///
/// A placement complies when every possible place is allowed by every policy that covers its data. Where an enforcing
/// policy is broken, the placement is narrowed to possible and allowed places if the object can be changed so;
/// otherwise the request is refused. Policies that warn or audit are judged against the outcome of that.
pub fn decide(facts: &Facts, lawbook: &Lawbook, policies: &Policies, now: Timestamp) -> Verdict {
    let mut verdict = Verdict::allow();
    let mut all = Vec::with_capacity(facts.placements.len());
    for (position, placement) in facts.placements.iter().enumerate() {
        if placement.data.is_empty() {
            continue;
        }
        if verdict.holds_until.is_none() {
            verdict.holds_until = lawbook.next_change(now);
        }
        all.push(judge(position, placement, lawbook, policies, now, &mut verdict));
    }
    let pinned = verdict.rewrites.iter().filter_map(|rewrite| match &rewrite.change {
        Change::PinNodes { countries, .. } => Some(*countries),
        Change::Take { .. } => None,
    });
    let pinned = pinned.reduce(|all, one| all.intersection(&one));
    for mut judged in all {
        if let Some(pinned) = &pinned {
            judged.pinned_by_another(pinned);
        }
        verdict.findings.extend(rules::ALL.iter().flat_map(|rule| (rule.check)(&judged)));
    }
    verdict.findings.extend(rules::contradiction(facts, &verdict.rewrites));
    if verdict.refusals().next().is_some() {
        verdict.action = Action::Refuse;
        verdict.rewrites.clear();
    } else if !verdict.rewrites.is_empty() {
        verdict.action = Action::Rewrite;
    }
    verdict
}

/// The policies that limit a placement, by name.
pub fn bindings<'a>(
    placement: &Placement,
    lawbook: &Lawbook,
    policies: &'a Policies,
    now: Timestamp,
) -> Vec<Binding<'a>> {
    let limits = policies.limits(placement.act, &placement.data, lawbook, now);
    limits.into_iter().map(|(policy, allowed)| Binding { policy, allowed }).collect()
}

fn judge<'a>(
    position: usize,
    placement: &'a Placement,
    lawbook: &'a Lawbook,
    policies: &'a Policies,
    now: Timestamp,
    verdict: &mut Verdict,
) -> Judged<'a> {
    let bindings = bindings(placement, lawbook, policies, now);
    let enforcing = || bindings.iter().filter(|binding| binding.policy.mode == Mode::Enforce);
    let enforced = enforcing().fold(CountrySet::FULL, |all, binding| all.intersection(&binding.allowed));

    let mut places = placement.places.clone();
    if enforcing().next().is_some()
        && !placement.places.within(&enforced)
        && !enforced.is_empty()
        && let Some((change, narrowed)) = make_right(placement, &enforced, enforcing)
    {
        verdict.rewrites.extend(change.map(|change| Rewrite { placement: position, change }));
        places = narrowed;
    }
    Judged { placement, bindings, enforced, places, policies, lawbook, now }
}

/// The change that brings a placement inside `enforced`, if it takes one, and where it would be then.
fn make_right<'a, 'b: 'a, I: Iterator<Item = &'a Binding<'b>>>(
    placement: &Placement,
    enforced: &CountrySet,
    enforcing: impl Fn() -> I,
) -> Option<(Option<Change>, Places)> {
    let narrowed = placement.places.countries.intersection(enforced);
    match &placement.flexibility {
        Flexibility::Fixed => None,
        Flexibility::Nodes => {
            let may = enforcing().all(|binding| binding.policy.rewrite_pods == RewritePods::Always);
            let by = enforcing().map(|binding| binding.policy.pin_by).max().unwrap_or(PinBy::Auto);
            let change = Change::PinNodes { countries: narrowed, by };
            (may && !narrowed.is_empty()).then(|| (Some(change), Places::known(narrowed)))
        }
        Flexibility::Choice { with_pod: true, .. } if !narrowed.is_empty() => Some((None, Places::known(narrowed))),
        Flexibility::Choice { alternatives, .. } => {
            if !enforcing().all(|binding| binding.policy.rewrite_storage == RewriteStorage::OnCreate) {
                return None;
            }
            let taken = enforcing()
                .flat_map(|binding| &binding.policy.preferred_classes)
                .filter_map(|wanted| alternatives.iter().find(|alternative| alternative.name == *wanted))
                .chain(alternatives)
                .find(|alternative| alternative.fits(enforced))?;
            let places = Places::known(taken.places.countries.intersection(enforced));
            Some((Some(Change::Take { name: taken.name.clone() }), places))
        }
    }
}
