//! Whether a node takes a pod, as the scheduler sees it: is it ready, may pods come, does it have the labels that the
//! pod and its volumes want. Whether it has the memory, and what other pods want of it, is left to the scheduler.

use super::objects::{Node, NodeSelectorTerm, PodSpec, Requirement, Taint, Toleration};
use super::scope::Labels;
use crate::engine::node::COUNTRY_LABEL;
use crate::engine::rewrite::Pin;

/// Whether a node takes pods at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Whether it is ready and not cordoned.
    pub open: bool,
    /// What keeps pods away that do not tolerate it.
    pub taints: Box<[Taint]>,
}

impl Room {
    /// What a node says of it.
    pub fn of(node: &Node) -> Self {
        let open = node.status.ready && !node.spec.unschedulable;
        Self { open, taints: node.spec.taints.clone().into_boxed_slice() }
    }
}

/// A node, as far as pods choose it.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels without the country label.
    pub labels: &'a Labels,
    /// Its country label.
    pub country: Option<&'a str>,
    /// Whether it takes pods.
    pub room: &'a Room,
}

impl Choice<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        if key == COUNTRY_LABEL { self.country } else { self.labels.get(key).map(String::as_str) }
    }
}

/// Whether a node takes a pod with this pin, whose volumes can be reached from nodes that match all of `volumes`.
pub fn takes(node: Choice<'_>, spec: &PodSpec, pin: Option<&Pin>, volumes: &[&[NodeSelectorTerm]]) -> bool {
    let tolerated = |taint: &Taint| spec.tolerations.iter().any(|one| tolerates(one, taint));
    let matches_any = |terms: &[NodeSelectorTerm]| terms.iter().any(|term| matches(node, term));
    node.room.open
        && node.room.taints.iter().all(tolerated)
        && spec.node_selector.iter().all(|(key, value)| node.label(key) == Some(value))
        && spec.required_terms().is_none_or(matches_any)
        && pin.is_none_or(|pin| node.label(pin.key).is_some_and(|value| pin.values.iter().any(|one| one == value)))
        && volumes.iter().all(|terms| matches_any(terms))
}

/// A term without any requirement matches no node.
fn matches(node: Choice<'_>, term: &NodeSelectorTerm) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let named = |one: &Requirement| one.key == "metadata.name" && holds(one, Some(node.name));
    !(expressions.is_empty() && term.match_fields.is_empty())
        && expressions.iter().all(|one| holds(one, node.label(&one.key)))
        && term.match_fields.iter().all(named)
}

fn holds(requirement: &Requirement, value: Option<&str>) -> bool {
    let Requirement { key: _, operator, values } = requirement;
    let listed = || value.is_some_and(|value| values.iter().any(|one| one == value));
    let number = |text: &str| text.parse::<i64>().ok();
    let than = || Some((number(value?)?, number(values.first()?)?));
    match operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => than().is_some_and(|(has, wanted)| has > wanted),
        "Lt" => than().is_some_and(|(has, wanted)| has < wanted),
        // An operator that nobody knows yet: better no node than a wrong one.
        _ => false,
    }
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let Toleration { key, operator, value, effect, toleration_seconds: _ } = toleration;
    let exists = operator == "Exists";
    (effect.is_empty() || *effect == taint.effect)
        && (*key == taint.key || (key.is_empty() && exists))
        && (exists || (matches!(operator.as_str(), "" | "Equal") && *value == taint.value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::country::CountrySet;

    fn node(more: &Value) -> Node {
        let mut node = json!({
            "metadata": {"name": "fra-1", "labels": {"disk": "ssd", "size": "16"}},
            "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        json_patch::merge(&mut node, more);
        serde_json::from_value(node).unwrap()
    }

    fn taken(more: &Value, spec: Value) -> bool {
        let node = node(more);
        let labels = node.metadata.labels.clone().unwrap();
        let room = Room::of(&node);
        let choice = Choice { name: "fra-1", labels: &labels, country: Some("DE"), room: &room };
        let volume: PodSpec =
            serde_json::from_value(affinity(&json!([{"key": "disk", "operator": "Exists"}]))).unwrap();
        let pin = Pin { key: COUNTRY_LABEL, values: vec!["DE".into()], countries: CountrySet::FULL };
        takes(choice, &serde_json::from_value(spec).unwrap(), Some(&pin), &[volume.required_terms().unwrap()])
    }

    fn affinity(expressions: &Value) -> Value {
        let terms = json!({"nodeSelectorTerms": [{"matchExpressions": expressions}]});
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
    }

    #[test]
    fn a_node_that_is_not_ready_cordoned_or_without_a_wanted_label_takes_nobody() {
        let nothing = || json!({});
        assert!(taken(&nothing(), nothing()));
        assert!(!taken(&json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}), nothing()));
        assert!(!taken(&json!({"status": {"conditions": null}}), nothing()));
        assert!(!taken(&json!({"spec": {"unschedulable": true}}), nothing()));
        assert!(!taken(&json!({"metadata": {"labels": {"disk": null}}}), nothing()), "its volume is not reached");
        assert!(!taken(&nothing(), json!({"nodeSelector": {"disk": "tape"}})));
        assert!(taken(&nothing(), json!({"nodeSelector": {"disk": "ssd", COUNTRY_LABEL: "DE"}})));
    }

    #[test]
    fn affinity_is_read_as_the_scheduler_reads_it() {
        for (key, operator, values, taken_so) in [
            ("disk", "In", json!(["ssd", "tape"]), true),
            ("disk", "NotIn", json!(["ssd"]), false),
            ("absent", "NotIn", json!(["ssd"]), true),
            ("absent", "DoesNotExist", json!([]), true),
            ("absent", "Exists", json!([]), false),
            ("size", "Gt", json!(["8"]), true),
            ("size", "Lt", json!(["8"]), false),
            ("disk", "Gt", json!(["8"]), false),
            ("disk", "Like", json!(["s*"]), false),
        ] {
            let spec = affinity(&json!([{"key": key, "operator": operator, "values": values}]));
            assert_eq!(taken(&json!({}), spec), taken_so, "{key} {operator}");
        }
        assert!(!taken(&json!({}), affinity(&json!([]))), "an empty term matches no node");
    }

    #[test]
    fn a_taint_keeps_away_who_does_not_tolerate_it_for_good() {
        let tainted = json!({"spec": {"taints": [
            {"key": "dedicated", "value": "cx", "effect": "NoSchedule"},
            {"key": "spare", "effect": "PreferNoSchedule"},
        ]}});
        for (toleration, taken_so) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "dedicated", "value": "cx"}), true),
            (json!({"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}), true),
            (json!({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"key": "dedicated", "operator": "Exists", "tolerationSeconds": 300}), false),
            (json!({"key": "dedicated", "value": "other"}), false),
            (json!({"key": "", "value": "cx"}), false),
        ] {
            assert_eq!(taken(&tainted, json!({"tolerations": [toleration]})), taken_so, "{toleration}");
        }
    }
}
