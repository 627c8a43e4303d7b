//! Sentences for people. Names and codes only: never the contents of anything.

use std::sync::Arc;

use super::country::CountrySet;
use super::data::Data;
use super::facts::{Flexibility, Placement};

/// "personal data of DE (DataStore cx/answers)", for all the data of a placement.
pub fn data(data: &[Arc<Data>]) -> String {
    let origins = data.iter().fold(CountrySet::EMPTY, |all, one| all.union(&one.origins));
    let mut sources: Vec<String> = data.iter().map(|one| one.via.to_string()).collect();
    sources.sort_unstable();
    sources.dedup();
    const SHOWN: usize = 3;
    let more = sources.len().saturating_sub(SHOWN);
    sources.truncate(SHOWN);
    let mut via = sources.join(", ");
    if more > 0 {
        via.push_str(&format!(" and {more} more"));
    }
    if origins.is_empty() {
        format!("personal data of unknown origin ({via})")
    } else {
        format!("personal data of {origins} ({via})")
    }
}

/// A set of countries in a sentence: every name while they are few, otherwise the first and a count.
pub fn countries(set: &CountrySet) -> String {
    const FEW: usize = 12;
    if set.is_full() || set.is_empty() || set.len() <= FEW || set.len() > CountrySet::FULL.len() / 2 {
        return set.to_string();
    }
    let first: Vec<String> = set.iter().take(FEW).map(|country| country.to_string()).collect();
    format!("{} and {} more", first.join(", "), set.len() - FEW)
}

/// How a placement could be made right.
pub fn remedy(placement: &Placement, allowed: &CountrySet) -> String {
    match &placement.flexibility {
        Flexibility::Nodes => {
            format!("let the constraints admit nodes in {}, or remove them", countries(allowed))
        }
        Flexibility::Choice { alternatives, .. } => {
            let mut fit: Vec<&str> = alternatives
                .iter()
                .filter(|alternative| alternative.fits(allowed))
                .map(|alternative| alternative.name.as_str())
                .collect();
            const SHOWN: usize = 5;
            let more = fit.len().saturating_sub(SHOWN);
            fit.truncate(SHOWN);
            match (fit.is_empty(), more) {
                (true, _) => format!(
                    "no storage class here is proven to lie in {}: add allowedTopologies to one, or a Location that \
                     names it",
                    countries(allowed)
                ),
                (false, 0) => format!("set {} to {}", placement.field, fit.join(" or ")),
                (false, more) => format!("set {} to {} or one of {more} more", placement.field, fit.join(" or ")),
            }
        }
        Flexibility::Fixed => match placement.places.unproven {
            Some(_) => format!("choose a place that is proven to be in {}", countries(allowed)),
            None => format!("choose a place in {}", countries(allowed)),
        },
    }
}
