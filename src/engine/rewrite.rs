//! How "nodes in these countries only" is said in node labels.

use super::country::{Country, CountrySet};
use super::node::{COUNTRY_LABEL, NodeMap, REGION_LABEL};
use super::policy::PinBy;

/// A node label and the values of which it must have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The label's key.
    pub key: &'static str,
    /// Its allowed values, sorted.
    pub values: Vec<String>,
    /// The countries that they stand for.
    pub countries: CountrySet,
}

/// The requirement that keeps a pod in `countries`.
///
/// The region label is preferred, since autoscalers know it on nodes that do not exist yet; but only where it proves
/// the country of every node concerned: no node elsewhere, disputed or unknown may carry one of its values, and every
/// node inside must carry one. Otherwise the country label is used, which the operator keeps by evidence.
pub fn pin(countries: &CountrySet, by: PinBy, nodes: &NodeMap) -> Pin {
    let regions = match by {
        PinBy::Country => None,
        PinBy::Auto => {
            regions(countries, nodes).filter(|_| nodes.without_region_label().intersection(countries).is_empty())
        }
        PinBy::Region => regions(countries, nodes),
    };
    match regions {
        Some(values) => Pin { key: REGION_LABEL, values, countries: *countries },
        None => Pin {
            key: COUNTRY_LABEL,
            // A set that is "everywhere but" holds codes that no country has; no node is ever labelled with one.
            values: countries.iter().filter(Country::is_assigned).map(|one| one.to_string()).collect(),
            countries: *countries,
        },
    }
}

/// The region ids that mean these countries and nothing else; none if a region is not unambiguous, or there is none.
fn regions(countries: &CountrySet, nodes: &NodeMap) -> Option<Vec<String>> {
    let mut values = Vec::new();
    for (id, places) in nodes.candidate_regions() {
        if places.within(countries) {
            values.push(id.clone());
        } else if !places.countries.intersection(countries).is_empty() && nodes.has_region(id) {
            return None;
        }
    }
    (!values.is_empty()).then_some(values)
}
