//! Guards of exceptions: whoever writes one signs it, and only the approver that it names approves it, who is somebody else.
//!
//! | what | needs |
//! |---|---|
//! | writing or changing a specification | `spec.requestedBy` is empty, or the name of who writes |
//! | writing `status.approval` | to be `spec.approver` and not `spec.requestedBy`, to name the generation that is there, and `approve` on `residencyexceptions` in group `domicile.dev` |
//!
//! Taking an approval away only makes stricter, and is open to whoever may write the status.

use serde_json::json;

use super::super::{Inputs, Plan};
use crate::api::v1alpha1::{GROUP, VERSION};

/// Verb that lets somebody approve an exception.
pub const APPROVE: &str = "approve";
const PLURAL: &str = "residencyexceptions";

/// What is asked for is new, or has changed.
const IS_WRITTEN: &str = "request.operation == 'CREATE' || object.spec != oldObject.spec";
const IS_SIGNED: &str = "has(object.spec.requestedBy) && object.spec.requestedBy == request.userInfo.username";

/// Adds the guards.
pub fn add(plan: &mut Plan, inputs: &Inputs) {
    let constraints = |resource: &str, operations: &[&str]| {
        json!({
            "resourceRules": [{
                "apiGroups": [GROUP], "apiVersions": [VERSION], "operations": operations, "resources": [resource],
                "scope": "Namespaced",
            }],
            "matchPolicy": "Equivalent",
        })
    };
    if inputs.mutating {
        let mut matching = constraints(PLURAL, &["CREATE", "UPDATE"]);
        matching["namespaceSelector"] = json!({});
        matching["objectSelector"] = json!({});
        plan.mutate(
            "domicile-sign-exceptions".to_owned(),
            json!({
                "matchConstraints": matching,
                "matchConditions": [
                    {"name": "is-written", "expression": IS_WRITTEN},
                    {"name": "is-not-signed", "expression": format!("!({IS_SIGNED})")},
                ],
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression":
                    "[JSONPatch{op: \"add\", path: \"/spec/requestedBy\", value: dyn(request.userInfo.username)}]"
                }}],
            }),
        );
    }
    plan.validate(
        "domicile-guard-exceptions".to_owned(),
        json!({
            "matchConstraints": constraints(PLURAL, &["CREATE", "UPDATE"]),
            "matchConditions": [{"name": "is-written", "expression": IS_WRITTEN}],
            "validations": [{
                "expression": format!("!has(object.spec.requestedBy) || ({IS_SIGNED})"), "reason": "Forbidden",
                "message": "[RES-SCOPE] spec.requestedBy: whoever writes an exception, or changes one, signs it with their \
                            own name. To fix: write yours, or leave it out",
            }],
        }),
    );
    let approval = |object: &str| format!("has({object}.status) && has({object}.status.approval)");
    let fresh = format!(
        "{} && !({} && oldObject.status.approval == object.status.approval)",
        approval("object"),
        approval("oldObject")
    );
    let may = format!(
        "authorizer.group('{GROUP}').resource('{PLURAL}').namespace(object.metadata.namespace)\
         .name(object.metadata.name).check('{APPROVE}').allowed()"
    );
    let refusing = |expression: &str, message: String| json!({"expression": expression, "reason": "Forbidden", "message": message});
    plan.validate(
        "domicile-guard-approvals".to_owned(),
        json!({
            "matchConstraints": constraints("residencyexceptions/status", &["UPDATE"]),
            "matchConditions": [{"name": "approves", "expression": fresh}],
            "validations": [
                refusing(
                    "object.status.approval.by == request.userInfo.username && object.spec.approver == request.userInfo.username",
                    "[RES-SCOPE] status.approval.by: only who is named in spec.approver approves, in their own name".to_owned(),
                ),
                refusing(
                    "has(object.spec.requestedBy) && object.spec.requestedBy != request.userInfo.username",
                    "[RES-SCOPE] status.approval: nobody approves what they have written themselves, or what nobody has \
                     signed in spec.requestedBy".to_owned(),
                ),
                refusing(
                    "object.status.approval.generation == object.metadata.generation",
                    "[RES-SCOPE] status.approval.generation: is not metadata.generation; read the exception as it stands, and \
                     approve that".to_owned(),
                ),
                refusing(
                    &may,
                    format!("[RES-SCOPE] status.approval: needs the verb {APPROVE} on {PLURAL}.{GROUP}"),
                ),
            ],
        }),
    );
}
