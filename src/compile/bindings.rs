//! Bindings: a pod is bound only to a node that is known to be inside, whoever binds it: the scheduler, one of somebody's own,
//! or a person with a request written by hand.

use serde_json::json;

use super::cel;
use super::scope::NODE_NAMES;
use super::{Left, Plan, Scope, rules};
use crate::engine::node::{REGION_LABEL, ZONE_LABEL};

/// Name of these policies, before what tells them apart.
pub const NAME: &str = "domicile-bindings";

/// Adds the policy of a scope. A binding does not show the labels of its pod, so that only whole namespaces can be judged.
pub fn add(plan: &mut Plan, scope: &Scope) {
    let Some(first) = scope.process.first().filter(|_| scope.whole && scope.open.is_none()) else { return };
    if !scope.process.refuse_unproven() {
        return plan.leave_unproven("bindings", scope, &first.policies);
    }
    if first.ways.unlisted.contains(NODE_NAMES) {
        let what = format!("bindings with {}: too many nodes inside to list", scope.data.via);
        plan.left.push(Left { policies: first.policies.clone(), what });
        return;
    }
    // The API server copies region and zone from the node; any other label would replace one of the pod's.
    let topology = cel::list([&REGION_LABEL.to_owned(), &ZONE_LABEL.to_owned()]);
    plan.validate(
        format!("{NAME}.{}", scope.id),
        json!({
            "matchConstraints": {
                "resourceRules": rules(&["pods/binding", "bindings"], &["CREATE"]), "matchPolicy": "Equivalent",
                "namespaceSelector": scope.namespaces, "objectSelector": {},
            },
            "variables": [{"name": "nodes", "expression": cel::set(&first.ways.nodes)}],
            "validations": [
                {
                    "expression": "request.resource.resource != 'bindings'", "reason": "Forbidden",
                    "message": "[RES-PLACE] legacy bindings are not proven to lead inside. To fix: create pods/binding",
                },
                {
                    "expression": "object.target.name in variables.nodes", "reason": "Forbidden",
                    "messageExpression": format!(
                        "'[RES-PLACE] target.name: node ' + object.target.name + ' is not known to be where {} may be \
                         processed. To fix: bind to a node that is'",
                        scope.data.origins
                    ),
                },
                {
                    "expression": format!(
                        "!has(object.metadata.labels) || object.metadata.labels.all(key, key in {topology})"
                    ),
                    "reason": "Forbidden",
                    "message": "[RES-SCOPE] metadata.labels: a binding would replace labels of the pod, and with them \
                                its scope. To fix: leave them out",
                },
            ],
        }),
    );
}
