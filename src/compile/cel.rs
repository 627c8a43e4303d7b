//! Pieces of CEL: literals, and what is asked about the constraints of a pod. Each function returns an expression in
//! parentheses or a literal, so that they can be put together without a thought.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::v1alpha1::ORIGIN_LABEL;

/// A string literal. CEL escapes as JSON does.
pub fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// A list of strings.
pub fn list<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    format!("[{}]", values.into_iter().map(|value| text(value)).collect::<Vec<_>>().join(", "))
}

/// A set of strings, as a map: to look something up in a map costs one step, however long it is.
pub fn set<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    format!("{{{}}}", values.into_iter().map(|value| format!("{}: 1", text(value))).collect::<Vec<_>>().join(", "))
}

/// Sets by key.
pub fn sets(sets: &BTreeMap<String, BTreeSet<String>>) -> String {
    let filled = sets.iter().filter(|(_, values)| !values.is_empty());
    let each = filled.map(|(key, values)| format!("{}: {}", text(key), set(values)));
    format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
}

/// One literal after another as time goes by, by the instant at which the API server makes the object; after the last one
/// the literal that allows nothing. Literals must be of one type.
pub fn by_time(spans: &[(Option<Timestamp>, String)], nothing: &str) -> String {
    let Some(((until, literal), later)) = spans.split_first() else { return nothing.to_owned() };
    let Some(until) = until else { return literal.clone() };
    let rest = by_time(later, nothing);
    // Every instant of the law is a whole second, and so are the stamps.
    format!(
        "(timestamp(object.metadata.creationTimestamp) < timestamp({}) ? {literal} : {rest})",
        text(&until.to_string())
    )
}

/// Whether an object carries no origin label of its own.
pub fn no_own_label(object: &str) -> String {
    format!("(!has({object}.metadata.labels) || !({} in {object}.metadata.labels))", text(ORIGIN_LABEL))
}

/// The required node selector terms of a pod; an empty list where it requires nothing.
pub const TERMS: &str = "(has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity) && \
    has(object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution) ? \
    object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms : [])";

/// Whether a term has no requirement, and so matches no node.
pub const EMPTY_TERM: &str = "((!has(term.matchExpressions) || size(term.matchExpressions) == 0) && \
    (!has(term.matchFields) || size(term.matchFields) == 0))";

/// Whether a pod is bound to a node by name.
pub const BOUND: &str = "(has(object.spec.nodeName) && object.spec.nodeName != '')";

/// All of these, or true where there are none.
pub fn all(conditions: &[String]) -> String {
    if conditions.is_empty() { "true".to_owned() } else { format!("({})", conditions.join(" && ")) }
}
