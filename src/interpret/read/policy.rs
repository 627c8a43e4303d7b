//! Policies into the engine's terms, and what is wrong with their words.

use jiff::{SignedDuration, Timestamp};

use super::{Problem, Reader};
use crate::api::v1alpha1::{PolicyAccess, ResidencyPolicySpec, UnknownPlace};
use crate::engine::facts::Act;
use crate::engine::lawbook::{Bloc, Lawbook};
use crate::engine::place::Places;
use crate::engine::policy::{Accessors, Mode, Policy, PreferredRegion, Term};

/// Reads a policy. Always possible: a word that the lawbook does not know allows nothing and covers everything.
pub fn policy(name: &str, spec: &ResidencyPolicySpec) -> Policy {
    let terms =
        |words: &Option<Vec<String>>| words.as_ref().map(|words| words.iter().map(|word| Term::parse(word)).collect());
    let rules = &spec.residence;
    let residence = Act::ALL.map(|act| {
        terms(match act {
            Act::Collect => &rules.collect,
            Act::Store => &rules.store,
            Act::Process => &rules.process,
            Act::Access => &rules.access,
            Act::Backup => &rules.backup,
            Act::Transfer => &rules.transfer,
        })
    });
    Policy {
        name: name.to_owned(),
        origins: spec.matches.origins.iter().map(|word| Term::parse(word)).collect(),
        categories: spec.matches.categories.clone(),
        residence,
        unknown_place: mode_of(spec.unknown_place),
        mode: spec.mode,
        rewrite_pods: spec.rewrite.pods,
        pin_by: spec.rewrite.pin_by,
        rewrite_storage: spec.rewrite.storage,
        preferred_classes: spec.rewrite.preferred_storage_classes.clone(),
        preferred_regions: spec
            .rewrite
            .preferred_regions
            .iter()
            .map(|region| PreferredRegion { provider: region.provider.clone(), id: region.id.clone() })
            .collect(),
        checks: spec.checks.clone(),
        unknown_law: mode_of(spec.unknown_law),
        accepted_grounds: spec.transfers.as_ref().and_then(|transfers| transfers.accepted_grounds.clone()),
        minimum_confidence: spec.transfers.as_ref().and_then(|transfers| transfers.minimum_confidence),
        refuse_controlled_from: spec
            .parties
            .as_ref()
            .map(|parties| parties.refuse_controlled_from.clone())
            .unwrap_or_default(),
        access: spec.access.iter().map(accessors).collect(),
        network: spec.network,
        longest_exception: spec
            .exceptions
            .as_ref()
            .filter(|exceptions| exceptions.allowed)
            .map(|exceptions| SignedDuration::from_hours(24 * i64::from(exceptions.max_days))),
    }
}

/// A country that nobody knows is no place at all, and leaves whoever is there nowhere in particular.
fn accessors(one: &PolicyAccess) -> Accessors {
    let mut reader = Reader::default();
    let countries = reader.countries("", Some(&one.from));
    let from = if reader.0.is_empty() && !countries.is_empty() {
        Places::known(countries)
    } else {
        Places::unknown("its place in spec.access cannot be read")
    };
    Accessors { groups: one.groups.clone(), users: one.users.clone(), from }
}

fn mode_of(unknown: UnknownPlace) -> Mode {
    match unknown {
        UnknownPlace::Refuse => Mode::Enforce,
        UnknownPlace::Warn => Mode::Warn,
        UnknownPlace::Audit => Mode::Audit,
    }
}

/// What is wrong with a policy: words that nobody understands, lists that allow nothing at `now`.
pub fn policy_problems(spec: &ResidencyPolicySpec, lawbook: &Lawbook, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    let known: Vec<&str> = lawbook.blocs().map(Bloc::code).collect();
    for (at, word) in spec.matches.origins.iter().enumerate() {
        let field = format!("spec.match.origins[{at}]");
        match Term::parse(word) {
            Term::Origin | Term::Law => {
                let message = format!("{word} has no meaning here");
                problems.push(Problem::new(field, message, "name countries and blocs, or leave the list out"));
            }
            term => problems.extend(word_problem(field, word, &term, lawbook, &known, now)),
        }
    }
    let refused = spec.parties.iter().flat_map(|parties| &parties.refuse_controlled_from).enumerate();
    for (at, word) in refused {
        let field = format!("spec.parties.refuseControlledFrom[{at}]");
        problems.extend(match Term::parse(word) {
            Term::Origin | Term::Law => {
                Some(Problem::new(field, format!("{word} has no meaning here"), "name countries and blocs"))
            }
            term => word_problem(field, word, &term, lawbook, &known, now),
        });
    }
    let mut reader = Reader::default();
    for (at, access) in spec.access.iter().enumerate() {
        reader.countries(&format!("spec.access[{at}].from"), Some(&access.from));
    }
    problems.append(&mut reader.0);
    let read = policy("", spec);
    let lists = [
        &spec.residence.collect,
        &spec.residence.store,
        &spec.residence.process,
        &spec.residence.access,
        &spec.residence.backup,
        &spec.residence.transfer,
    ];
    for ((act, terms), words) in Act::ALL.iter().zip(&read.residence).zip(lists) {
        let (Some(terms), Some(words)) = (terms, words) else { continue };
        if terms.is_empty() {
            let message = "allows no place at all";
            problems.push(Problem::new(format!("spec.residence.{act:?}"), message, "name at least one place"));
        }
        for (at, (term, word)) in terms.iter().zip(words).enumerate() {
            let field = format!("spec.residence.{act:?}[{at}]");
            problems.extend(word_problem(field, word, term, lawbook, &known, now));
        }
    }
    problems
}

fn word_problem(
    field: String,
    word: &str,
    term: &Term,
    lawbook: &Lawbook,
    known: &[&str],
    now: Timestamp,
) -> Option<Problem> {
    let Term::Bloc(code) = term else { return None };
    match lawbook.bloc(code) {
        Some(bloc) if bloc.members(now).is_empty() => {
            Some(Problem::new(field, format!("{word} has no member at this time"), "name countries instead"))
        }
        Some(_) => None,
        None => {
            let shown: String = word.chars().take(40).collect();
            let message = format!("{shown:?} is no country that ISO 3166-1 assigns and no bloc that the lawbook knows");
            let remedy = format!("use Origin, Law, a two-letter country code, or one of {}", known.join(", "));
            Some(Problem::new(field, message, remedy))
        }
    }
}
