//! Guards: what decides whose data is protected, and where, changes only by the hand of those who may.
//!
//! | what | needs, in group `domicile.dev` |
//! |---|---|
//! | taking an origin away from a namespace | `declassify` on `namespaces` |
//! | policies, law, locations, providers, interpreters | `govern` on the kind |
//! | the webhook configurations of the operator | `govern` on `webhookconfigurations` |
//! | approving an exception that somebody else has written | `approve` on `residencyexceptions` |
//! | taking an origin away from a pod or claim that is there | nobody may: it holds the data already |
//!
//! Generated policies themselves can only be guarded by policies that the API server loads from files; elsewhere they are
//! watched and repaired.

pub mod exceptions;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cel;
use super::{Inputs, Plan};
use crate::api::v1alpha1::{GROUP, ORIGIN_LABEL, VERSION};
use crate::interpret::own::OwnKind;

/// Verb that lets somebody take an origin away.
pub const DECLASSIFY: &str = "declassify";
/// Verb that lets somebody change what decides.
pub const GOVERN: &str = "govern";
/// What removes objects whose owner is gone: without it nothing of ours would go with the chart.
const GARBAGE_COLLECTOR: &str = "system:serviceaccount:kube-system:generic-garbage-collector";

/// The value of the origin label of an object; empty where it has none.
fn origin(object: &str) -> String {
    let labels = format!("{object}.metadata.labels");
    let key = cel::text(ORIGIN_LABEL);
    format!("(has({labels}) && {key} in {labels} ? {labels}[{key}] : '')")
}

/// Whether every origin that the old object's label names is named by the new one as well.
fn keeps_its_origins() -> String {
    let (old, new) = (origin("oldObject"), origin("object"));
    format!("{old} == '' || {old}.split('_').all(origin, origin in {new}.split('_'))")
}

/// Whether neither the operator asks nor what removes objects whose owner is gone.
fn by_somebody_else(inputs: &Inputs) -> Value {
    let collector = GARBAGE_COLLECTOR.to_owned();
    let writers = cel::list(inputs.operator.iter().chain([&collector]));
    json!({"name": "by-somebody-else", "expression": format!("!(request.userInfo.username in {writers})")})
}

fn may(verb: &str, resource: &str) -> String {
    format!("authorizer.group('{GROUP}').resource({resource}).check('{verb}').allowed()")
}

/// Adds the guards of namespaces, of our kinds, of exceptions, and of the webhook configurations.
pub fn add(plan: &mut Plan, inputs: &Inputs) {
    exceptions::add(plan, inputs);
    let exempt = cel::list(&inputs.exempt);
    plan.validate(
        "domicile-guard-namespaces".to_owned(),
        json!({
            // A selector would read the new labels only, and so be blind to the one that is taken away.
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "scope": "Cluster",
                    "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
                }],
                "matchPolicy": "Equivalent",
            },
            "matchConditions": [
                {"name": "not-of-the-system", "expression": format!("!(request.name in {exempt})")},
                {"name": "takes-an-origin-away", "expression": format!("!({})", keeps_its_origins())},
            ],
            "validations": [{
                "expression": may(DECLASSIFY, "'namespaces'"), "reason": "Forbidden",
                "message": format!(
                    "[RES-SCOPE] metadata.labels[{ORIGIN_LABEL}]: this change would take personal data out of protection. \
                     To fix: leave the label as it is, or let somebody do it who may {DECLASSIFY} namespaces.{GROUP}"
                ),
            }],
        }),
    );
    let plurals: Vec<&str> =
        OwnKind::ALL.iter().filter(|(kind, _, _)| !kind.is_namespaced()).map(|(_, _, plural)| *plural).collect();
    plan.validate(
        "domicile-guard-rules".to_owned(),
        json!({
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": [GROUP], "apiVersions": [VERSION], "operations": ["CREATE", "UPDATE", "DELETE"],
                    "resources": plurals, "scope": "Cluster",
                }],
                "matchPolicy": "Equivalent",
            },
            "matchConditions": [
                {
                    // What only notes something about it changes no rule.
                    "name": "changes-a-rule",
                    "expression": "request.operation != 'UPDATE' || object.spec != oldObject.spec",
                },
                {"name": "by-somebody", "expression": format!("request.userInfo.username != '{GARBAGE_COLLECTOR}'")},
            ],
            "validations": [{
                "expression": may(GOVERN, "request.resource.resource"), "reason": "Forbidden",
                "messageExpression": format!(
                    "'[RES-SCOPE] this decides where personal data may be. To fix: let somebody do it who may {GOVERN} ' + \
                     request.resource.resource + '.{GROUP}'"
                ),
            }],
        }),
    );
    plan.validate(
        "domicile-guard-webhooks".to_owned(),
        json!({
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["v1"], "scope": "Cluster",
                    "operations": ["UPDATE", "DELETE"], "resourceNames": [super::CONFIGURATIONS],
                    "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
                }],
                "matchPolicy": "Equivalent",
            },
            "matchConditions": [by_somebody_else(inputs)],
            "validations": [{
                "expression": may(GOVERN, "'webhookconfigurations'"), "reason": "Forbidden",
                "message": format!(
                    "[RES-SCOPE] these configurations protect personal data. To fix: use `domicile emergency-off`, or let \
                     somebody do it who may {GOVERN} webhookconfigurations.{GROUP}"
                ),
            }],
        }),
    );
}

/// Adds the guard of generated policies and their bindings.
pub fn policies(plan: &mut Plan, inputs: &Inputs) {
    let (key, value) = super::MANAGED_BY;
    let resources: Vec<&str> = super::Kind::ALL.into_iter().map(super::Kind::plural).collect();
    plan.validate(
        "domicile-guard-policies".to_owned(),
        json!({
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["v1"], "scope": "Cluster",
                    "operations": ["UPDATE", "DELETE"], "resources": resources,
                }],
                "matchPolicy": "Equivalent", "objectSelector": {"matchLabels": {key: value}},
            },
            "matchConditions": [by_somebody_else(inputs)],
            "validations": [{
                "expression": may(GOVERN, "'admissionpolicies'"), "reason": "Forbidden",
                "message": format!(
                    "[RES-SCOPE] these policies protect personal data. To fix: use `domicile emergency-off`, or let somebody \
                     do it who may {GOVERN} admissionpolicies.{GROUP}"
                ),
            }],
        }),
    );
}

/// Adds the guard of the labels that pods and claims carry themselves, for the values about which something is enforced.
pub fn labels(plan: &mut Plan, inputs: &Inputs, enforced: &BTreeSet<String>) {
    if !inputs.guards || enforced.is_empty() {
        return;
    }
    plan.validate(
        "domicile-guard-labels".to_owned(),
        json!({
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "scope": "Namespaced",
                    "resources": [
                        "pods", "pods/status", "pods/ephemeralcontainers", "persistentvolumeclaims", "persistentvolumeclaims/status",
                    ],
                }],
                "matchPolicy": "Equivalent",
                "namespaceSelector": {"matchExpressions": [
                    {"key": super::NAMESPACE_NAME, "operator": "NotIn", "values": inputs.exempt},
                ]},
                "objectSelector": {"matchExpressions": [{"key": ORIGIN_LABEL, "operator": "Exists"}]},
            },
            "matchConditions": [{
                "name": "was-protected", "expression": format!("{} in {}", origin("oldObject"), cel::list(enforced)),
            }],
            "validations": [{
                "expression": keeps_its_origins(), "reason": "Forbidden",
                "message": format!(
                    "[RES-SCOPE] metadata.labels[{ORIGIN_LABEL}]: this change would take the object out of scope while it \
                     holds personal data. To fix: leave the labels as they are, or replace the object by a new one"
                ),
            }],
        }),
    );
}
