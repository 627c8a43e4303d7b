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
//! - One more policy or origin never makes a verdict milder; one more exception never makes it stricter.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod compile;
pub mod country;
pub mod data;
pub mod endpoint;
pub mod exception;
pub mod explain;
pub mod facts;
pub mod gazetteer;
pub mod law;
pub mod lawbook;
pub mod lineage;
pub mod node;
pub mod place;
pub mod policy;
pub mod rewrite;
pub mod rules;
pub mod scan;
pub mod verdict;

use std::sync::Arc;

use jiff::Timestamp;

use country::CountrySet;
use data::Data;
use exception::Subject;
use facts::{Act, Facts, Flexibility, Placement, Stake};
use law::matter::Matter;
use law::opinion::{Ground, Legal, Outcome, opinion};
use law::source::Authority;
use law::transfer::sooner;
use lawbook::Lawbook;
use place::Places;
use policy::{Asker, Law, Leaves, Mode, PinBy, Policies, Policy, RewritePods, RewriteStorage};
use rules::{Judged, Owners};
use verdict::{Action, Change, Finding, Obligation, Rewrite, Verdict};

/// One policy that limits a placement, and what it leaves.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The intersection of what it allows for each kind of data concerned, with the exceptions that are about it.
    pub allowed: CountrySet,
    /// The same without exceptions.
    pub own: CountrySet,
    /// Whether it allows that because the law does: then no exception widens it.
    pub stands_on_law: bool,
}

/// Judges what an object would do with personal data.
///
/// A placement complies when every possible place is allowed by every policy that covers its data. Where an enforcing
/// policy is broken, the placement is narrowed to possible and allowed places if the object can be changed so;
/// otherwise the request is refused. Policies that warn or audit are judged against the outcome of that.
///
/// What an exception waives stays among the findings and refuses nothing.
pub fn decide(facts: &Facts, lawbook: &Lawbook, policies: &Policies, now: Timestamp) -> Verdict {
    let law = policies.law_for(facts.subject.as_ref(), lawbook, now);
    let verdict = decide_under(facts, policies, &law);
    if law.excepting.is_empty() || verdict.action != Action::Refuse {
        return verdict;
    }
    // More room for one placement may lead another of the same object astray: a wider pin, another class. An exception only
    // ever lets more through, so that what passes without it passes.
    let without = decide_under(facts, policies, &law.without_exceptions());
    if without.action < verdict.action { without } else { verdict }
}

fn decide_under(facts: &Facts, policies: &Policies, law: &Law<'_>) -> Verdict {
    let mut verdict = Verdict::allow();
    let mut all = Vec::with_capacity(facts.placements.len());
    for (position, placement) in facts.placements.iter().enumerate() {
        if placement.data.is_empty() {
            continue;
        }
        verdict.holds_until = sooner(verdict.holds_until, policies.holds_until(&placement.data, law));
        all.extend(judge(position, placement, policies, law, &mut verdict));
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
    for stake in &facts.matters {
        before_the_law(stake, policies, law, &mut verdict);
    }
    if verdict.refusals().next().is_some() {
        verdict.action = Action::Refuse;
        verdict.rewrites.clear();
    } else if !verdict.rewrites.is_empty() {
        verdict.action = Action::Rewrite;
    }
    verdict
}

/// What the law says of a store or flow, and what the policies make of it.
fn before_the_law(stake: &Stake, policies: &Policies, law: &Law<'_>, verdict: &mut Verdict) {
    let (lawbook, now) = (law.lawbook, law.now);
    let matter: &Matter = &stake.matter;
    let opinion = opinion(matter, lawbook, now);
    let field = |field: &str| stake.field.clone().unwrap_or_else(|| field.to_owned());
    // Whoever works for a store or flow is told whose declaration it is.
    let told = |field: &str, message: &str| match stake.field {
        Some(_) => format!("{}, {field}: {message}", matter.via),
        None => message.to_owned(),
    };
    verdict.legal = verdict.legal.max(Some(opinion.legal));
    verdict.holds_until = sooner(verdict.holds_until, sooner(opinion.until, law.excepting.until()));
    let covering: Vec<&Policy> = policies.asking(&matter.origins, &matter.categories, law).collect();
    for outcome in &opinion.outcomes {
        let finding = |policy: &Policy| Finding {
            rule: outcome.rule,
            mode: mode(outcome, policy),
            policy: Some(policy.name.clone()),
            allows: None,
            field: field(&outcome.field),
            message: told(&outcome.field, &outcome.message),
            remedy: outcome.remedy.clone(),
            unproven: outcome.legal == Legal::Unknown,
            citation: outcome.citation.clone(),
            waived: law.excepting.legal(outcome, policy, matter, law.at()),
        };
        match outcome.legal {
            Legal::Permitted => {}
            Legal::Conditional => verdict.obligations.push(Obligation {
                rule: outcome.rule,
                law: outcome.law.clone(),
                field: field(&outcome.field),
                message: told(&outcome.field, &outcome.message),
                remedy: outcome.remedy.clone(),
                citation: outcome.citation.clone(),
            }),
            Legal::Unknown | Legal::Prohibited => {
                let asked = rules::check_of(outcome.rule);
                let asking = covering.iter().filter(|policy| policy.checks.contains(&asked));
                verdict.findings.extend(asking.map(|policy| finding(policy)));
            }
        }
        let carries = outcome.legal <= Legal::Conditional;
        let fresh = |ground: &&Ground| !verdict.grounds.iter().any(|known| known == *ground);
        let ground = outcome.ground.iter().filter(|_| carries).find(fresh).cloned();
        verdict.grounds.extend(ground);
        note(&mut verdict.relies_on, &outcome.relies_on);
        note(&mut verdict.not_assessed, &outcome.not_assessed);
    }
    for policy in covering {
        let owners = Owners { matter, opinion: &opinion, policy, lawbook, now };
        let found = rules::OWNER.iter().flat_map(|rule| (rule.check)(&owners));
        verdict.findings.extend(found.map(|finding| Finding {
            waived: law.excepting.owners(&finding, policy, matter, law.at()),
            message: told(&finding.field, &finding.message),
            field: field(&finding.field),
            ..finding
        }));
    }
}

/// What a policy does about what the law says. Codes and guidance never do more than warn.
fn mode(outcome: &Outcome, policy: &Policy) -> Mode {
    let most = if outcome.authority() >= Authority::Judgment { Mode::Enforce } else { Mode::Warn };
    let wanted = if outcome.legal == Legal::Unknown { policy.mode.min(policy.unknown_law) } else { policy.mode };
    wanted.min(most)
}

fn note(into: &mut Vec<String>, all: &[String]) {
    for one in all {
        if !into.contains(one) {
            into.push(one.clone());
        }
    }
}

/// The policies that limit a placement, by name.
pub fn bindings<'a>(placement: &Placement, policies: &'a Policies, law: &Law<'_>) -> Vec<Binding<'a>> {
    let mut bindings = Vec::new();
    policies.limits(placement.asked(), &placement.data, law, |policy, leaves| {
        let Leaves { allowed, own, stands_on_law } = leaves;
        bindings.push(Binding { policy, allowed, own, stands_on_law });
    });
    bindings
}

/// All policies that limit a placement at once.
struct Limits {
    /// What the enforcing ones leave.
    enforced: CountrySet,
    /// What all of them leave.
    all: CountrySet,
    /// Whether any enforces.
    any_enforces: bool,
    /// Whether every enforcing one lets pods be pinned.
    pods_may_be_pinned: bool,
    /// The strongest demand for a label among the enforcing ones.
    pin_by: PinBy,
}

impl Limits {
    fn of(act: (Act, Asker), data: &[Arc<Data>], policies: &Policies, law: &Law<'_>) -> Self {
        let mut limits = Self {
            enforced: CountrySet::FULL,
            all: CountrySet::FULL,
            any_enforces: false,
            pods_may_be_pinned: true,
            pin_by: PinBy::Auto,
        };
        policies.limits(act, data, law, |policy, Leaves { allowed, .. }| {
            limits.all = limits.all.intersection(&allowed);
            if policy.mode == Mode::Enforce {
                limits.any_enforces = true;
                limits.enforced = limits.enforced.intersection(&allowed);
                limits.pods_may_be_pinned &= policy.rewrite_pods == RewritePods::Always;
                limits.pin_by = limits.pin_by.max(policy.pin_by);
            }
        });
        limits
    }
}

/// Where the enforcing policies let pods with this data run, and by which label they want them pinned; none where nothing is
/// enforced, or a policy does not let pods be pinned.
pub fn pinned_to(
    placement: &Placement,
    subject: Option<&Subject>,
    lawbook: &Lawbook,
    policies: &Policies,
    now: Timestamp,
) -> Option<(CountrySet, PinBy)> {
    let law = policies.law_for(subject, lawbook, now);
    let limits = Limits::of(placement.asked(), &placement.data, policies, &law);
    (limits.any_enforces && limits.pods_may_be_pinned).then_some((limits.enforced, limits.pin_by))
}

/// Judges one placement; none where no rule could find anything. Most placements are right, or are made right, and for
/// those it is not worth telling the policies apart.
fn judge<'a>(
    position: usize,
    placement: &'a Placement,
    policies: &'a Policies,
    law: &'a Law<'a>,
    verdict: &mut Verdict,
) -> Option<Judged<'a>> {
    let limits = Limits::of(placement.asked(), &placement.data, policies, law);
    let enforced = limits.enforced;
    let mut places = placement.places.clone();
    if limits.any_enforces
        && !placement.places.within(&enforced)
        && !enforced.is_empty()
        && let Some((change, narrowed)) = make_right(placement, &limits, || bindings(placement, policies, law))
    {
        verdict.rewrites.extend(change.map(|change| Rewrite { placement: position, change }));
        places = narrowed;
    }
    let covered = |data: &Data| data.unknown_origin.is_none() && policies.cover(placement.asked(), data, law);
    // What passes by an exception alone is told as well.
    let excepted = !law.excepting.is_empty();
    if !excepted
        && places.within(&limits.all)
        && !enforced.is_empty()
        && placement.data.iter().all(|data| covered(data))
    {
        return None;
    }
    let bindings = bindings(placement, policies, law);
    Some(Judged { placement, bindings, enforced, places, policies, law })
}

/// The change that brings a placement inside `enforced`, if it takes one, and where it would be then.
fn make_right<'a>(
    placement: &Placement,
    limits: &Limits,
    bindings: impl FnOnce() -> Vec<Binding<'a>>,
) -> Option<(Option<Change>, Places)> {
    let Limits { enforced, pods_may_be_pinned, pin_by, .. } = limits;
    let narrowed = placement.places.countries.intersection(enforced);
    match &placement.flexibility {
        Flexibility::Fixed | Flexibility::Person => None,
        Flexibility::Nodes => {
            let change = Change::PinNodes { countries: narrowed, by: *pin_by };
            (*pods_may_be_pinned && !narrowed.is_empty()).then(|| (Some(change), Places::known(narrowed)))
        }
        Flexibility::Region { provider, regions, may_take } => {
            let bindings = bindings();
            let enforcing = || bindings.iter().map(|binding| binding.policy).filter(|one| one.mode == Mode::Enforce);
            if !may_take || !enforcing().all(|policy| policy.rewrite_storage == RewriteStorage::OnCreate) {
                return None;
            }
            // Only a region that a policy names: the nearest one would be a guess at somebody's bill.
            let taken = enforcing()
                .flat_map(|policy| &policy.preferred_regions)
                .filter(|wanted| wanted.provider == *provider)
                .filter_map(|wanted| regions.iter().find(|region| region.name == wanted.id))
                .find(|region| region.fits(enforced))?;
            let places = Places::known(taken.places.countries.intersection(enforced));
            Some((Some(Change::Take { name: taken.name.clone() }), places))
        }
        Flexibility::Choice { with_pod: true, .. } if !narrowed.is_empty() => Some((None, Places::known(narrowed))),
        Flexibility::Choice { alternatives, .. } => {
            let bindings = bindings();
            let enforcing = || bindings.iter().map(|binding| binding.policy).filter(|one| one.mode == Mode::Enforce);
            if !enforcing().all(|policy| policy.rewrite_storage == RewriteStorage::OnCreate) {
                return None;
            }
            let taken = enforcing()
                .flat_map(|policy| &policy.preferred_classes)
                .filter_map(|wanted| alternatives.iter().find(|alternative| alternative.name == *wanted))
                .chain(alternatives)
                .find(|alternative| alternative.fits(enforced))?;
            let places = Places::known(taken.places.countries.intersection(enforced));
            Some((Some(Change::Take { name: taken.name.clone() }), places))
        }
    }
}
