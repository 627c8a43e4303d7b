//! What requirements on node labels say about countries.
//!
//! Terms are ORed, the requirements of a term ANDed; a term without any requirement matches no node. What a key says is
//! looked up by the caller, since pods, volumes and storage classes know different keys.

use crate::engine::country::CountrySet;
use crate::engine::node::COUNTRY_LABEL;
use crate::engine::place::Places;

use super::objects::{NodeSelectorTerm, Requirement};

const UNLABELLED: &str = "nodes without the country label match, and their place is not proven";

/// What a label with this value says about places; none: nothing.
pub type Lookup<'a> = &'a dyn Fn(&str, &str) -> Option<Places>;

/// Where nodes are that match any of these terms.
pub fn terms(terms: &[NodeSelectorTerm], label: Lookup<'_>, node: &dyn Fn(&str) -> Places) -> Places {
    terms
        .iter()
        .map(|one| term(one, label, node))
        .reduce(Places::or)
        .unwrap_or_else(|| Places::known(CountrySet::EMPTY))
}

/// Where nodes are that match this term.
pub fn term(term: &NodeSelectorTerm, label: Lookup<'_>, node: &dyn Fn(&str) -> Places) -> Places {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    if expressions.is_empty() && term.match_fields.is_empty() {
        return Places::known(CountrySet::EMPTY);
    }
    let fields = term.match_fields.iter().map(|field| by_name(field, node));
    expressions.iter().map(|one| requirement(one, label)).chain(fields).fold(Places::anywhere(), Places::and)
}

/// A requirement on a node's fields: only its name can be asked for.
fn by_name(field: &Requirement, node: &dyn Fn(&str) -> Places) -> Places {
    if field.key == "metadata.name" && field.operator == "In" {
        any_of(field.values.iter().map(|name| node(name)))
    } else {
        Places::anywhere()
    }
}

fn requirement(requirement: &Requirement, label: Lookup<'_>) -> Places {
    let Requirement { key, operator, values } = requirement;
    match operator.as_str() {
        "In" => {
            let mut named = Vec::with_capacity(values.len());
            for value in values {
                match label(key, value) {
                    Some(places) => named.push(places),
                    // One value that says nothing leaves the whole requirement saying nothing.
                    None => return Places::anywhere(),
                }
            }
            any_of(named.into_iter())
        }
        // Of the operator's own label each node has at most one value, so that its negation says something; but nodes
        // whose place is not proven carry none and match as well, so that it proves nothing by itself.
        "NotIn" if key == COUNTRY_LABEL => {
            let shut = values.iter().filter_map(|value| label(key, value)).map(|places| places.countries);
            let open = shut.fold(CountrySet::FULL, |open, shut| open.difference(&shut));
            Places { countries: open, unproven: Some(UNLABELLED.to_owned()) }
        }
        "DoesNotExist" if key == COUNTRY_LABEL => Places::unknown(UNLABELLED),
        _ => Places::anywhere(),
    }
}

fn any_of(places: impl Iterator<Item = Places>) -> Places {
    places.reduce(Places::or).unwrap_or_else(|| Places::known(CountrySet::EMPTY))
}
