//! What stands in both configurations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::groups::{Group, changes_what_is_said, clones, rule, rules_of, storage, validating_groups};
use super::selections::{self, Selection, labelled_objects, named, reaching, selections};
use super::{Inputs, NAME, PLACEMENTS, TIMEOUT_SECONDS};
use crate::api::v1alpha1::{GROUP, VERSION};
use crate::compile;
use crate::interpret::own::OwnKind;
use crate::webhook::admit::Phase;

fn entry(inputs: &Inputs, phase: Phase, selection: &Selection, group: &Group) -> Value {
    let mut entry = json!({
        "name": format!("{}.{}{}.{GROUP}", group.name, selection.name, selection.part),
        "admissionReviewVersions": ["v1"],
        "clientConfig": inputs.client(&format!("/{}/{}", phase.name(), selection.name)),
        "failurePolicy": group.failure_policy,
        "matchPolicy": "Equivalent",
        "namespaceSelector": selection.namespaces,
        "objectSelector": selection.objects,
        "rules": group.rules,
        // Events are written for real requests only.
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": TIMEOUT_SECONDS,
    });
    // The API server keeps no empty list, and takes one for a change whenever the same is written again.
    if group.conditions.as_array().is_some_and(|conditions| !conditions.is_empty()) {
        entry["matchConditions"] = group.conditions.clone();
    }
    entry
}

/// The labels of everything that the operator makes.
pub fn labels() -> BTreeMap<String, String> {
    [compile::MANAGED_BY, ("app.kubernetes.io/part-of", "domicile")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn metadata(inputs: &Inputs) -> Value {
    let mut metadata = json!({"name": NAME, "labels": labels()});
    if let Some(owner) = &inputs.owner {
        metadata["ownerReferences"] = json!([owner]);
    }
    metadata
}

/// The mutating configuration (no client).
pub fn mutating(inputs: &Inputs) -> Value {
    let group = Group {
        name: PLACEMENTS,
        rules: json!([rule("", "v1", &["pods", "persistentvolumeclaims"], &["CREATE"], "Namespaced")]),
        failure_policy: "Fail",
        conditions: json!([]),
    };
    let rewritten = |namespaced: bool| {
        let served = inputs.served.iter().filter(move |one| one.rewritten && one.namespaced == namespaced);
        rules_of(
            served.filter(|_| inputs.rewrites_storage),
            &["CREATE"],
            if namespaced { "Namespaced" } else { "Cluster" },
        )
    };
    let interpreted = |namespaced: bool| Group {
        name: "interpreted",
        rules: rewritten(namespaced).into(),
        failure_policy: "Fail",
        conditions: json!([]),
    };
    let mut webhooks: Vec<Value> = Vec::new();
    for selection in selections(inputs) {
        for group in [&group, &interpreted(true)].into_iter().filter(|group| !group.is_empty()) {
            let asked = selections::asked(inputs, Phase::Mutate, &selection, group);
            webhooks.extend(asked.iter().map(|(selection, group)| entry(inputs, Phase::Mutate, selection, group)));
        }
    }
    let clusterwide = interpreted(false);
    if !clusterwide.is_empty() {
        webhooks.push(entry(inputs, Phase::Mutate, &labelled_objects(), &clusterwide));
    }
    for entry in &mut webhooks {
        entry["reinvocationPolicy"] = "IfNeeded".into();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": metadata(inputs), "webhooks": webhooks,
    })
}

/// The validating configuration (no client).
pub fn validating(inputs: &Inputs) -> Value {
    let groups = validating_groups(inputs);
    let mut webhooks: Vec<Value> = selections(inputs)
        .iter()
        .flat_map(|selection| {
            let asked = groups.iter().filter(|group| !group.is_empty());
            let asked = asked.flat_map(|group| selections::asked(inputs, Phase::Validate, selection, group));
            asked.map(|(selection, group)| entry(inputs, Phase::Validate, &selection, &group)).collect::<Vec<_>>()
        })
        .collect();
    webhooks.extend(reaching(inputs).iter().map(|(selection, group)| entry(inputs, Phase::Validate, selection, group)));
    let clusterwide = Group {
        name: "interpreted",
        rules: rules_of(inputs.served.iter().filter(|one| !one.namespaced), &["CREATE", "UPDATE"], "Cluster").into(),
        failure_policy: "Fail",
        conditions: changes_what_is_said(),
    };
    if !clusterwide.is_empty() {
        webhooks.push(entry(inputs, Phase::Validate, &labelled_objects(), &clusterwide));
    }
    let plurals: Vec<&str> = OwnKind::ALL.iter().map(|(_, _, plural)| *plural).collect();
    let anywhere = Selection { name: "own", part: String::new(), namespaces: json!({}), objects: json!({}) };
    let own = Group {
        name: "resources",
        rules: json!([rule(GROUP, VERSION, &plurals, &["CREATE", "UPDATE"], "*")]),
        // The schema in the CRD still holds, and what cannot be read binds more, never less.
        failure_policy: "Ignore",
        conditions: json!([]),
    };
    webhooks.push(entry(inputs, Phase::Validate, &anywhere, &own));
    let labelled = Selection { name: "own", ..labelled_objects() };
    let namespaces = Group {
        name: "namespaces",
        rules: json!([rule("", "v1", &["namespaces"], &["CREATE", "UPDATE"], "Cluster")]),
        failure_policy: "Ignore",
        conditions: json!([]),
    };
    webhooks.push(entry(inputs, Phase::Validate, &labelled, &namespaces));
    webhooks.push(entry(inputs, Phase::Validate, &Selection { name: "object", ..labelled }, &storage()));
    // A claim may be filled from a namespace that is protected into one that is not.
    let exempt = named("NotIn", &inputs.exempt());
    let namespaces = json!({"matchExpressions": [exempt]});
    let elsewhere = Selection { name: "object", part: String::new(), namespaces, objects: json!({}) };
    webhooks.push(entry(inputs, Phase::Validate, &elsewhere, &clones()));
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": metadata(inputs), "webhooks": webhooks,
    })
}
