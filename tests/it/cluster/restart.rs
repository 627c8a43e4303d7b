//! The API server goes and comes back under the running operator.

use std::time::Duration;

use serde_json::json;

use crate::operator::Operator;
use crate::plane::{pod, restarted};
use crate::poll::{until, yes};

/// Watches wait longer and longer before they try again.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_operator_outlives_a_restart_of_the_api_server() {
    let plane = restarted();
    let operator = Operator::started(&plane.operator);
    plane.namespace("restart-before", &json!({"domicile.dev/origin": "DE"}));
    let abroad = json!({"nodeSelector": {"domicile.node-restriction.kubernetes.io/country": "US"}});
    let refused = |namespace: &str| {
        until("a pod abroad is refused", PATIENCE, || {
            let answer = plane.admin.create_dry(&pod(namespace, "app", &json!({"app": "survey"}), abroad.clone()));
            yes(answer.code == 403 && answer.message().contains("[RES-PLACE]"), answer.body)
        });
    };
    refused("restart-before");

    plane.control.stop_apiserver();
    assert!(operator.get("/healthz").is_some_and(|answer| answer.ends_with("ok")), "it lives on");
    plane.control.start_apiserver().unwrap();

    until("the operator is ready again", PATIENCE, || yes(operator.ready(), operator.log_tail()));
    refused("restart-before");
    // What comes new is seen, too.
    plane.namespace("restart-after", &json!({}));
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: restart-after}
        spec:
          origins: [DE]
          workloads: {selector: {matchLabels: {app: survey}}}
        ",
    );
    plane.enforced("restart-after", "answers");
    refused("restart-after");
}
