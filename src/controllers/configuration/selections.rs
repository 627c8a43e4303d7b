//! Where an entry applies: which namespaces, which objects.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::groups::{Group, reaching_groups};
use super::{BINDINGS, Inputs, PLACEMENTS};
use crate::api::v1alpha1::ORIGIN_LABEL;
use crate::compile::{self, NAMESPACE_NAME, cel};
use crate::webhook::admit::Phase;

/// Where an entry applies.
#[derive(Clone)]
pub(super) struct Selection {
    pub name: &'static str,
    /// What tells entries of one name apart; empty where there is only one.
    pub part: String,
    pub namespaces: Value,
    pub objects: Value,
}

/// Cluster-scoped objects that say themselves whose data they hold; a namespace selector never exempts those.
pub(super) fn labelled_objects() -> Selection {
    Selection {
        name: "cluster",
        part: String::new(),
        namespaces: json!({}),
        objects: json!({"matchExpressions": [{"key": ORIGIN_LABEL, "operator": "Exists"}]}),
    }
}

pub(super) fn named(operator: &str, names: &BTreeSet<String>) -> Value {
    json!({"key": NAMESPACE_NAME, "operator": operator, "values": names})
}

pub(super) fn selections(inputs: &Inputs) -> Vec<Selection> {
    let exempt = inputs.exempt();
    let labelled = |operator: &str| json!({"key": ORIGIN_LABEL, "operator": operator});
    let protected: BTreeSet<String> = inputs.protected.difference(&exempt).cloned().collect();
    let apart: BTreeSet<String> = protected.union(&exempt).cloned().collect();
    let mut selections = vec![
        Selection {
            name: "labelled",
            part: String::new(),
            namespaces: json!({"matchExpressions": [labelled("Exists"), named("NotIn", &exempt)]}),
            objects: json!({}),
        },
        // Objects that say so themselves, wherever neither of the other two looks already.
        Selection {
            name: "object",
            part: String::new(),
            namespaces: json!({"matchExpressions": [labelled("DoesNotExist"), named("NotIn", &apart)]}),
            objects: json!({"matchExpressions": [labelled("Exists")]}),
        },
    ];
    if !protected.is_empty() {
        selections.push(Selection {
            name: "declared",
            part: String::new(),
            namespaces: json!({"matchExpressions": [labelled("DoesNotExist"), named("In", &protected)]}),
            objects: json!({}),
        });
    }
    selections
}

/// A group in a selection, where generated policies decide some of its requests completely: there the API server asks only
/// about the others, so that a dead operator stops nothing that could be decided without it.
pub(super) fn asked(inputs: &Inputs, phase: Phase, selection: &Selection, group: &Group) -> Vec<(Selection, Group)> {
    if group.name != PLACEMENTS || selection.name != "labelled" || inputs.compiled.is_empty() {
        return vec![(selection.clone(), group.clone())];
    }
    let exempt = inputs.exempt();
    let of_label = |operator: &str, values: &BTreeSet<String>| json!({"key": ORIGIN_LABEL, "operator": operator, "values": values});
    let values: BTreeSet<String> = inputs.compiled.iter().map(|one| one.value.clone()).collect();
    let others = json!({"matchExpressions": [
        {"key": ORIGIN_LABEL, "operator": "Exists"}, of_label("NotIn", &values), named("NotIn", &exempt),
    ]});
    let mut asked = vec![(Selection { namespaces: others, ..selection.clone() }, group.clone())];
    let apart: BTreeSet<String> =
        inputs.compiled.iter().flat_map(|one| one.apart.difference(&exempt)).cloned().collect();
    if !apart.is_empty() {
        let namespaces = json!({"matchExpressions": [of_label("In", &values), named("In", &apart)]});
        asked.push((Selection { part: "-apart".to_owned(), namespaces, ..selection.clone() }, group.clone()));
    }
    for one in &*inputs.compiled {
        let without = one.apart.union(&exempt).cloned().collect();
        let value = BTreeSet::from([one.value.clone()]);
        let namespaces = json!({"matchExpressions": [of_label("In", &value), named("NotIn", &without)]});
        let mut conditions = group.conditions.as_array().cloned().unwrap_or_default();
        conditions.extend(
            undecided(one, phase).map(|expression| json!({"name": "is-not-decided", "expression": expression})),
        );
        let selection = Selection { part: format!("-{}", one.id), namespaces, ..selection.clone() };
        asked.push((selection, Group { conditions: conditions.into(), ..group.clone() }));
    }
    asked
}

/// Whether generated policies leave something about a request to us; none where they leave everything.
fn undecided(group: &compile::Group, phase: Phase) -> Option<String> {
    let all = |conditions: Vec<(&'static str, String)>| {
        conditions.into_iter().map(|(_, expression)| format!("({expression})")).collect::<Vec<_>>().join(" && ")
    };
    let pods = group.pods.then_some(phase).and_then(|phase| match phase {
        // What is not pinned by the API server is pinned by us.
        Phase::Mutate => group.pins.then(|| all(compile::pods::silent(&group.keys, &group.known))),
        Phase::Validate => Some(all(compile::pods::silent_about_data("object"))),
    });
    let pods = pods
        .map(|silent| format!("(request.resource.resource == 'pods' && request.operation == 'CREATE' && {silent})"));
    // Nothing but a label of its own could bring anything new into an existing pod's scope there.
    let updates = group.pods.then(|| {
        format!(
            "(request.resource.resource == 'pods' && request.operation == 'UPDATE' && {} && {})",
            cel::no_own_label("object"),
            cel::no_own_label("oldObject")
        )
    });
    let claims = group.claims.as_ref().map(|classes| {
        let silent = all(match phase {
            Phase::Mutate => compile::claims::allowed(classes),
            Phase::Validate => compile::claims::silent_about_data(),
        });
        format!("(request.resource.resource == 'persistentvolumeclaims' && request.operation == 'CREATE' && {silent})")
    });
    let decided: Vec<String> = [pods, updates, claims].into_iter().flatten().collect();
    (!decided.is_empty()).then(|| format!("!({})", decided.join(" || ")))
}

/// Where these apply. Where a generated policy refuses bindings to all but nodes that are known to be inside, a dead operator
/// need not keep pods from being scheduled: it is asked while it lives, since it knows the evidence of this moment.
pub(super) fn reaching(inputs: &Inputs) -> Vec<(Selection, Group)> {
    let exempt = inputs.exempt();
    let decided = || inputs.compiled.iter().filter(|one| one.bindings);
    let values: BTreeSet<String> = decided().map(|one| one.value.clone()).collect();
    let apart: BTreeSet<String> = decided().flat_map(|one| one.apart.difference(&exempt)).cloned().collect();
    let of_label = |operator: &str| json!({"key": ORIGIN_LABEL, "operator": operator, "values": values});
    let mut all = Vec::new();
    for selection in selections(inputs).into_iter().filter(|one| one.name != "object").chain(holding(inputs)) {
        for group in reaching_groups() {
            if group.name != BINDINGS || selection.name != "labelled" || values.is_empty() {
                all.push((selection.clone(), group));
                continue;
            }
            let mut add = |part: &str, namespaces: Vec<Value>, failure_policy| {
                let namespaces = json!({"matchExpressions": namespaces});
                let selection = Selection { part: part.to_owned(), namespaces, ..selection.clone() };
                all.push((selection, Group { failure_policy, ..group.clone() }));
            };
            let labelled = json!({"key": ORIGIN_LABEL, "operator": "Exists"});
            add("", vec![labelled, of_label("NotIn"), named("NotIn", &exempt)], "Fail");
            if !apart.is_empty() {
                add("-apart", vec![of_label("In"), named("In", &apart)], "Fail");
            }
            let without = apart.union(&exempt).cloned().collect();
            add("-decided", vec![of_label("In"), named("NotIn", &without)], "Ignore");
        }
    }
    all
}

/// Namespaces that hold no data but that of pods which say so themselves. Of other objects such a label is seen by a selector;
/// what reaches into these pods shows none. By name alone: these are not among the namespaces with stores or flows, and whoever
/// looks for those in the configuration must not find them.
fn holding(inputs: &Inputs) -> Option<Selection> {
    let elsewhere = inputs.exempt().union(&inputs.protected).cloned().collect();
    let holding: BTreeSet<String> = inputs.holding.difference(&elsewhere).cloned().collect();
    (!holding.is_empty()).then(|| Selection {
        name: "declared",
        part: "-holding".to_owned(),
        namespaces: json!({"matchExpressions": [named("In", &holding)]}),
        objects: json!({}),
    })
}
