//! Sentences for people. Names and codes only: never the contents of anything.

use std::sync::Arc;

use jiff::Timestamp;

use super::country::CountrySet;
use super::data::Data;
use super::facts::{Alternative, Flexibility, Placement};
use super::lawbook::Lawbook;
use super::verdict::{Finding, Obligation, Relief, Waiver};

/// "personal data of DE (DataStore cx/answers)", for all the data of a placement.
pub fn data(data: &[Arc<Data>]) -> String {
    const SHOWN: usize = 3;
    let origins = data.iter().fold(CountrySet::EMPTY, |all, one| all.union(&one.origins));
    let mut sources: Vec<String> = data.iter().map(|one| one.via.to_string()).collect();
    sources.sort_unstable();
    sources.dedup();
    let more = sources.len().saturating_sub(SHOWN);
    sources.truncate(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let via = sources.join(", ") + &more;
    if origins.is_empty() {
        format!("personal data of unknown origin ({via})")
    } else {
        format!("personal data of {origins} ({via})")
    }
}

/// A set of countries in a sentence: the name of a bloc that is exactly this set, every country while they are few,
/// otherwise the first and a count.
pub fn countries(set: &CountrySet, lawbook: &Lawbook, now: Timestamp) -> String {
    const FEW: usize = 12;
    // A few countries are clearer than the name of what they have in common.
    const NAMED_FROM: usize = 4;
    if set.is_full() || set.is_empty() || set.len() > CountrySet::FULL.len() / 2 {
        return set.to_string();
    }
    // The largest bloc that lies in the set as a whole, and what is left beside it. Of two alike the first by code.
    let inside =
        lawbook.blocs().filter(|bloc| bloc.members(now).is_subset(set) && bloc.members(now).len() >= NAMED_FROM);
    let bloc = inside.reduce(|best, one| if one.members(now).len() > best.members(now).len() { one } else { best });
    let mut rest = *set;
    let mut parts: Vec<String> = Vec::new();
    if let Some(bloc) = bloc.filter(|bloc| set.len() > FEW || bloc.members(now) == set) {
        parts.push(format!("{} ({} countries)", bloc.code(), bloc.members(now).len()));
        for member in bloc.members(now) {
            rest.remove(member);
        }
    }
    parts.extend(rest.iter().take(FEW).map(|country| country.to_string()));
    match rest.len().saturating_sub(FEW) {
        0 => parts.join(", "),
        more => format!("{} and {more} more", parts.join(", ")),
    }
}

/// How a placement could be made right: by being inside `allowed`, which is called `name`.
pub fn remedy(placement: &Placement, allowed: &CountrySet, name: &str) -> String {
    match &placement.flexibility {
        Flexibility::Nodes => format!("let the constraints admit nodes in {name}, or remove them"),
        Flexibility::Choice { alternatives, .. } => one_of(placement, alternatives, allowed).unwrap_or_else(|| {
            format!(
                "no storage class here is proven to lie in {name}: add allowedTopologies to one, or a Location that \
                 names it"
            )
        }),
        Flexibility::Region { provider, regions, .. } => one_of(placement, regions, allowed)
            .unwrap_or_else(|| format!("no region of {provider} is known to lie in {name}: choose another provider")),
        Flexibility::Person => format!(
            "let somebody in {name} do it, or list a group of yours in spec.access of a ResidencyPolicy that covers this \
             data, if that is where all of its members are"
        ),
        Flexibility::Fixed if placement.places.unproven.is_some() => {
            format!("choose a place that is proven to be in {name}, or say in a Location where it is")
        }
        Flexibility::Fixed => format!("choose a place in {name}"),
    }
}

/// The replacements that fit, in a sentence: those at home first.
fn one_of(placement: &Placement, alternatives: &[Alternative], allowed: &CountrySet) -> Option<String> {
    const SHOWN: usize = 5;
    let field = &placement.field;
    let home = placement.data.iter().fold(CountrySet::FULL, |home, data| home.intersection(&data.origins));
    let mut fitting: Vec<&Alternative> = alternatives.iter().filter(|alternative| alternative.fits(allowed)).collect();
    fitting.sort_by_key(|alternative| !alternative.fits(&home));
    let mut fit: Vec<&str> = fitting.iter().map(|alternative| alternative.name.as_str()).collect();
    let more = fit.len().saturating_sub(SHOWN);
    fit.truncate(SHOWN);
    match (fit.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("set {field} to {}", fit.join(" or "))),
        (false, more) => Some(format!("set {field} to {} or one of {more} more", fit.join(" or "))),
    }
}

/// Findings as lines for people. What several policies say of the same thing becomes one line.
pub fn lines<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<String> {
    // What a policy allows, and every policy that allows just that.
    type Clause<'a> = (&'a str, Vec<&'a str>);
    let mut groups: Vec<(&Finding, Vec<Clause<'_>>)> = Vec::new();
    for finding in findings {
        let position = groups.iter().position(|(known, _)| is_same(known, finding)).unwrap_or_else(|| {
            groups.push((finding, Vec::new()));
            groups.len() - 1
        });
        let clauses = &mut groups[position].1;
        let Some((policy, allows)) = finding.policy.as_deref().zip(finding.allows.as_deref()) else { continue };
        match clauses.iter_mut().find(|(known, _)| *known == allows) {
            Some((_, policies)) if policies.contains(&policy) => {}
            Some((_, policies)) => policies.push(policy),
            None => clauses.push((allows, vec![policy])),
        }
    }
    groups
        .into_iter()
        .map(|(Finding { rule, field, message, remedy, citation, waived, unproven, .. }, clauses)| {
            let clause = |(allows, policies): &(&str, Vec<&str>)| match policies.as_slice() {
                [one] => format!("; policy {one} allows {allows}"),
                several => format!("; policies {} allow {allows}", several.join(", ")),
            };
            let clauses: String = clauses.iter().map(clause).collect();
            let source = citation.as_ref().map(|citation| format!("; source: {citation}")).unwrap_or_default();
            let waived =
                waived.as_ref().map(|waiver| format!("; {}", relief(waiver, rule, *unproven))).unwrap_or_default();
            format!("[{rule}] {field}: {message}{clauses}{source}{waived}. To fix: {remedy}")
        })
        .collect()
}

/// Who lets a finding pass, or has accepted the risk.
pub fn relief(waiver: &Waiver, rule: &str, unproven: bool) -> String {
    let Waiver { exception, approver, until, relief } = waiver;
    match relief {
        Relief::Waived => format!("waived until {until} by ResidencyException {exception}, approved by {approver}"),
        Relief::RiskAccepted => {
            let stays = match (rule.starts_with("LAW-"), unproven) {
                (true, false) => "legal state remains Prohibited",
                (true, true) => "legal state remains Unknown",
                // The list of places says `Law`, and what that allows stays as it is.
                (false, _) => "the law is not waived",
            };
            format!("risk accepted by {approver} until {until} (ResidencyException {exception}); {stays}")
        }
    }
}

/// An obligation as a line for people.
pub fn obligation(one: &Obligation) -> String {
    let Obligation { rule, law: _, field, message, remedy, citation } = one;
    let source = citation.as_ref().map(|citation| format!("; source: {citation}")).unwrap_or_default();
    format!("[{rule}] {field}: owed: {message}{source}. To settle: {remedy}")
}

/// Whether two findings say the same thing under different policies.
pub fn is_same(one: &Finding, other: &Finding) -> bool {
    (one.rule, one.mode, &one.field, &one.message, &one.waived)
        == (other.rule, other.mode, &other.field, &other.message, &other.waived)
}
