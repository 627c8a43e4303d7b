//! Which requests an entry is about, and what a dead operator means for them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{BINDINGS, Inputs, PLACEMENTS};
use crate::controllers::types::Served;
use crate::interpret::access::Way;
use crate::interpret::objects::SELECTED_NODE;
use crate::interpret::storage::StorageKind;
use crate::interpret::workload;

/// Which objects an entry is about, and what a dead operator means for them.
#[derive(Clone)]
pub(super) struct Group {
    pub name: &'static str,
    pub rules: Value,
    pub failure_policy: &'static str,
    pub conditions: Value,
}

impl Group {
    /// An entry without rules matches nothing, and is left out.
    pub fn is_empty(&self) -> bool {
        self.rules.as_array().is_none_or(Vec::is_empty)
    }
}

pub(super) fn rule(group: &str, version: &str, resources: &[&str], operations: &[&str], scope: &str) -> Value {
    rule_of(group, &[version], resources, operations, scope)
}

/// The same for several versions.
fn rule_of(group: &str, versions: &[impl Serialize], resources: &[&str], operations: &[&str], scope: &str) -> Value {
    json!({
        "apiGroups": [group], "apiVersions": versions, "resources": resources, "operations": operations, "scope": scope,
    })
}

/// An update that changes nothing of what is judged passes without asking, so that status and bookkeeping of existing
/// objects never depend on the operator.
fn changes_what_is_judged() -> Value {
    let labels = |object: &str| format!("(has({object}.metadata.labels) ? {object}.metadata.labels : {{}})");
    let node = |object: &str| {
        format!(
            "(has({object}.metadata.annotations) && '{SELECTED_NODE}' in {object}.metadata.annotations ? \
             {object}.metadata.annotations['{SELECTED_NODE}'] : '')"
        )
    };
    let expression = format!(
        "request.operation != 'UPDATE' || object.spec != oldObject.spec || {} != {} || {} != {}",
        labels("object"),
        labels("oldObject"),
        node("object"),
        node("oldObject")
    );
    json!([{"name": "changes-what-is-judged", "expression": expression}])
}

/// A template that stays as it is needs no second opinion: scaling, pausing and status pass without asking.
fn changes_the_template() -> Value {
    let part = |object: &str, field: &str| format!("(has({object}.spec.{field}) ? {object}.spec.{field} : null)");
    let same = |field: &str| format!("{} != {}", part("object", field), part("oldObject", field));
    let expression = format!("request.operation != 'UPDATE' || {} || {}", same("template"), same("jobTemplate"));
    json!([{"name": "changes-the-template", "expression": expression}])
}

/// Types whose objects are judged where they are used, or that the control plane itself must always be able to write.
pub const NOT_ASKED: [(&str, &str); 5] = [
    ("", "configmaps"),
    ("", "secrets"),
    ("", "endpoints"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
];

/// Rules for interpreted types, one for each group of versions.
pub(super) fn rules_of<'a>(served: impl Iterator<Item = &'a Served>, operations: &[&str], scope: &str) -> Vec<Value> {
    let mut kinds: BTreeMap<(&str, &[String]), Vec<&str>> = BTreeMap::new();
    for one in served.filter(|one| !NOT_ASKED.contains(&(one.group.as_str(), one.plural.as_str()))) {
        kinds.entry((&one.group, &one.versions)).or_default().push(&one.plural);
    }
    kinds
        .into_iter()
        .map(|((group, versions), plurals)| rule_of(group, versions, &plurals, operations, scope))
        .collect()
}

/// An update of any object that leaves everything but status and bookkeeping as it is passes without asking; so does what
/// the control plane itself writes about pods.
pub(super) fn changes_what_is_said() -> Value {
    let part = |object: &str, field: &str| format!("(has({object}.{field}) ? {object}.{field} : null)");
    let differs = |field: &str| format!("{} != {}", part("object", field), part("oldObject", field));
    // What lies outside a specification is read as well: the endpoints of a slice, the value of a setting.
    let changed = ["spec", "metadata.labels", "metadata.annotations"].map(differs).join(" || ");
    let expression = format!("request.operation != 'UPDATE' || !has(object.spec) || {changed}");
    let labels = "(has(object.metadata.labels) ? object.metadata.labels : {})";
    let made = format!(
        "!('endpointslice.kubernetes.io/managed-by' in {labels}) || \
         {labels}['endpointslice.kubernetes.io/managed-by'] != 'endpointslice-controller.k8s.io'"
    );
    json!([
        {"name": "changes-what-is-said", "expression": expression},
        {"name": "not-of-the-control-plane", "expression": made},
    ])
}

pub(super) fn validating_groups(inputs: &Inputs) -> Vec<Group> {
    let both = ["CREATE", "UPDATE"];
    let by_group = |group: &str| -> Vec<&str> {
        workload::KINDS.iter().filter(|kind| kind.group == group).map(|kind| kind.plural).collect()
    };
    vec![
        Group {
            name: PLACEMENTS,
            rules: json!([
                rule("", "v1", &["pods", "persistentvolumeclaims"], &both, "Namespaced"),
                // Labels can be changed here as well, and with them the scope.
                rule("", "v1", &["pods/status", "persistentvolumeclaims/status"], &["UPDATE"], "Namespaced"),
            ]),
            failure_policy: "Fail",
            conditions: changes_what_is_judged(),
        },
        // Containers that are added to a running pod to debug it.
        Group {
            name: "debugging",
            rules: json!([rule("", "v1", &["pods/ephemeralcontainers"], &["UPDATE"], "Namespaced")]),
            failure_policy: "Fail",
            conditions: changes_what_is_judged(),
        },
        // A template leaks nothing by itself, and its pods are judged: a dead operator need not stop deployments.
        Group {
            name: "templates",
            rules: json!([
                rule("apps", "v1", &by_group("apps"), &both, "Namespaced"),
                rule("batch", "v1", &by_group("batch"), &both, "Namespaced"),
                rule("", "v1", &by_group(""), &both, "Namespaced"),
            ]),
            failure_policy: "Ignore",
            conditions: changes_the_template(),
        },
        Group {
            name: "interpreted",
            rules: rules_of(inputs.served.iter().filter(|one| one.namespaced), &both, "Namespaced").into(),
            failure_policy: "Fail",
            conditions: changes_what_is_said(),
        },
    ]
}

/// What reaches into a pod, or puts it somewhere, without being a pod: such an object carries no label of the pod's, so that
/// no selector on objects finds it.
pub(super) fn reaching_groups() -> [Group; 2] {
    let ways: Vec<&str> = Way::ALL.iter().map(|way| way.resource).collect();
    [
        Group {
            name: "reach",
            rules: json!([rule("", "v1", &ways, &["CONNECT"], "Namespaced")]),
            failure_policy: "Fail",
            conditions: json!([]),
        },
        Group {
            name: BINDINGS,
            rules: json!([rule("", "v1", &["pods/binding", "bindings"], &["CREATE"], "Namespaced")]),
            failure_policy: "Fail",
            conditions: json!([]),
        },
    ]
}

/// Volumes and classes that carry an origin label. Those without never ask, so that provisioning never depends on the
/// operator; they are judged at the claims.
pub(super) fn storage() -> Group {
    let by_group = |group: &str| -> Vec<&str> {
        let kinds = StorageKind::ALL.iter().filter(|(_, of, _, _)| *of == group);
        kinds.map(|(_, _, _, plural)| *plural).collect()
    };
    // Classes have no `spec`; they hardly ever change.
    let labels = |object: &str| format!("(has({object}.metadata.labels) ? {object}.metadata.labels : {{}})");
    let expression = format!(
        "request.operation != 'UPDATE' || !has(object.spec) || object.spec != oldObject.spec || {} != {}",
        labels("object"),
        labels("oldObject")
    );
    Group {
        name: "storage",
        rules: json!([
            rule("", "v1", &by_group(""), &["CREATE", "UPDATE"], "Cluster"),
            rule("storage.k8s.io", "v1", &by_group("storage.k8s.io"), &["CREATE", "UPDATE"], "Cluster"),
        ]),
        failure_policy: "Fail",
        conditions: json!([{"name": "changes-what-is-judged", "expression": expression}]),
    }
}

/// Claims that are filled from another namespace, wherever they are: what they bring is in scope though nothing else there
/// is. Hardly any claim asks for that, so that no other ever waits for this.
pub(super) fn clones() -> Group {
    let expression = "has(object.spec.dataSourceRef) && has(object.spec.dataSourceRef.namespace)";
    Group {
        name: "clones",
        rules: json!([rule("", "v1", &["persistentvolumeclaims"], &["CREATE"], "Namespaced")]),
        failure_policy: "Fail",
        conditions: json!([{"name": "comes-from-another-namespace", "expression": expression}]),
    }
}
