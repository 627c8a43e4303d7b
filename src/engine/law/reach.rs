//! Where law lets data be by itself: with nothing declared but whose data it is.

use jiff::Timestamp;

use super::evaluate::{Asking, Truth};
use super::jurisdiction::{LocalisationKind, Regime, in_force};
use super::matter::Matter;
use super::mechanism::MechanismRole;
use super::source::Confidence;
use super::transfer::{instant, next_of, sooner};
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::Source;
use crate::engine::lawbook::Lawbook;

/// The countries in which data of an origin may be without any claim, and until when that is so: its own country, those
/// with which data flows freely, and those to which a ground leads that asks nothing, such as an adequacy decision.
pub fn reach(origin: Country, lawbook: &Lawbook, now: Timestamp) -> (CountrySet, Option<Timestamp>) {
    let own = CountrySet::only(origin);
    let (mut allowed, mut until) = mechanisms(lawbook, now, |one| one.from.contains(origin, lawbook, now), origin);
    until = sooner(until, lawbook.next_bloc_change(now));
    for regime in lawbook.binding(origin, now).flat_map(|law| &law.regimes) {
        until = sooner(until, next_of(regime.window, now));
    }
    let regime = lawbook.regime(origin, now).filter(|one| one.citation.confidence > Confidence::Low);
    if regime.is_some_and(|one| one.rule.default == Regime::Free) {
        allowed.grounds = CountrySet::FULL;
    }
    let free = lawbook.blocs().map(|bloc| bloc.free(now)).filter(|free| free.contains(origin));
    allowed.grounds = free.fold(allowed.grounds, CountrySet::union);
    let mut countries = allowed.countries();
    let (local, changes) = must_stay(origin, lawbook, now);
    until = sooner(until, changes);
    if local {
        countries = CountrySet::EMPTY;
    }
    (countries.union(&own), until)
}

/// The same for a subdivision. Its own country is not among them: a place known as a country is not known to be in one
/// of its parts. A subdivision without a law of its own adds nothing to its country's.
pub fn reach_of_region(region: &str, lawbook: &Lawbook, now: Timestamp) -> (CountrySet, Option<Timestamp>) {
    let Some(law) = lawbook.jurisdiction(region) else { return (CountrySet::FULL, None) };
    let Ok(country) = Country::parse(region.get(..2).unwrap_or_default()) else { return (CountrySet::EMPTY, None) };
    let from = |one: &super::mechanism::Mechanism| one.from.regions.iter().any(|code| code == region);
    let (mut allowed, mut until) = mechanisms(lawbook, now, from, country);
    for regime in &law.regimes {
        until = sooner(until, next_of(regime.window, now));
    }
    let regime = in_force(&law.regimes, now).filter(|one| one.citation.confidence > Confidence::Low);
    if regime.is_some_and(|one| one.rule.default == Regime::Free) {
        allowed.grounds = CountrySet::FULL;
    }
    (allowed.countries(), sooner(until, lawbook.next_bloc_change(now)))
}

/// What mechanisms leave when nothing is declared.
struct Left {
    grounds: CountrySet,
    barred: CountrySet,
}

impl Left {
    fn countries(self) -> CountrySet {
        let mut left = self.grounds;
        for country in &self.barred {
            left.remove(country);
        }
        left
    }
}

fn mechanisms(
    lawbook: &Lawbook,
    now: Timestamp,
    concerns: impl Fn(&super::mechanism::Mechanism) -> bool,
    origin: Country,
) -> (Left, Option<Timestamp>) {
    let nothing = Matter::of(Source::Label, CountrySet::only(origin));
    let mut left = Left { grounds: CountrySet::EMPTY, barred: CountrySet::EMPTY };
    let mut until = None;
    for mechanism in lawbook.mechanisms().filter(|one| concerns(one)) {
        until = sooner(until, next_of(mechanism.window, now));
        if !mechanism.window.contains(now) {
            continue;
        }
        let truth = mechanism.when.as_ref().map_or(Truth::Holds, |when| {
            let answer = Asking::new(&nothing, lawbook, now, &mechanism.zone).answer(when);
            until = sooner(until, instant(answer.until, &mechanism.zone));
            answer.truth
        });
        let mut to = mechanism.to.countries(lawbook, now);
        for country in &mechanism.except.countries(lawbook, now) {
            to.remove(country);
        }
        let sure = mechanism.citation.confidence > Confidence::Low;
        match mechanism.role {
            MechanismRole::Ground if truth == Truth::Holds && sure => left.grounds = left.grounds.union(&to),
            MechanismRole::Ground => {}
            MechanismRole::Duty if truth == Truth::Holds && sure => {}
            MechanismRole::Bar if truth == Truth::Fails => {}
            MechanismRole::Duty | MechanismRole::Bar => left.barred = left.barred.union(&to),
        }
    }
    (left, until)
}

/// Whether localisation keeps data at home of which nothing is declared.
fn must_stay(origin: Country, lawbook: &Lawbook, now: Timestamp) -> (bool, Option<Timestamp>) {
    let nothing = Matter::of(Source::Label, CountrySet::only(origin));
    let mut until = None;
    let mut stays = false;
    for law in lawbook.binding(origin, now) {
        let asking = Asking { here: Some(origin), ..Asking::new(&nothing, lawbook, now, &law.zone) };
        for one in &law.localisations {
            until = sooner(until, next_of(one.window, now));
            if !one.window.contains(now) || matches!(one.rule.kind, LocalisationKind::None | LocalisationKind::Sectoral)
            {
                continue;
            }
            let mut truth = |condition: &super::condition::Condition| {
                let answer = asking.answer(condition);
                until = sooner(until, instant(answer.until, &law.zone));
                answer.truth
            };
            let bound = one.rule.when.as_ref().is_none_or(|when| truth(when) != Truth::Fails);
            stays |= bound && one.rule.demands.as_ref().is_some_and(|demands| truth(demands) != Truth::Holds);
        }
    }
    (stays, until)
}
