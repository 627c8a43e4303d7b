//! What the operator has written goes with the installation, also when the operator is long dead.

use std::time::Duration;

use serde_json::json;

use super::dead::with_arguments;
use crate::client::reference;
use crate::operator::Operator;
use crate::plane::{alone, configurations, permit, pod};
use crate::poll::{until, yes};

/// The garbage collector looks for its kinds anew every half minute.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn removing_the_installation_removes_what_a_dead_operator_has_written() {
    let plane = alone();
    let admin = &plane.admin;
    let role = reference("rbac.authorization.k8s.io/v1", "ClusterRole", "", "domicile-anchor");
    let operator = Operator::started(&plane.operator);
    plane.namespace("owner-protected", &json!({"domicile.dev/origin": "DE"}));
    let written = [
        reference("v1", "Secret", "domicile-system", "domicile-webhook-tls"),
        reference("coordination.k8s.io/v1", "Lease", "domicile-system", "domicile"),
    ];
    let policies = || {
        let ours = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Ddomicile";
        let kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
        let list = |kind| admin.list("admissionregistration.k8s.io/v1", kind, "", ours);
        kinds.into_iter().flat_map(list).collect::<Vec<_>>()
    };
    until("policies are generated", PATIENCE, || yes(!policies().is_empty(), operator.log_tail()));
    let uid = admin.get(&role).unwrap()["metadata"]["uid"].clone();
    let mut owned = configurations(admin);
    owned.extend(written.iter().map(|one| admin.get(one).unwrap()));
    assert_eq!(owned.len(), 4);
    owned.extend(policies());
    for object in &owned {
        let metadata = &object["metadata"];
        assert_eq!(metadata["ownerReferences"][0]["uid"], uid, "{metadata}");
        assert!(metadata["finalizers"].is_null(), "{metadata}");
    }
    operator.kill();
    let harmless = pod("owner-protected", "app", &json!({}), with_arguments());
    assert_eq!(admin.create_dry(&harmless).code, 500, "a dead operator stops what could leak");

    admin.delete(&role).ok();

    until("what the operator wrote is gone", PATIENCE, || {
        let left = configurations(admin).len()
            + policies().len()
            + written.iter().filter(|one| admin.get(one).is_some()).count();
        yes(left == 0, format!("{left} objects are left"))
    });
    until("pods are accepted again", PATIENCE, || {
        let answer = admin.create_dry(&harmless);
        yes(answer.code == 201, answer.body)
    });

    // Installed again, it has another identity, and so has everything.
    permit(&plane.control);
    let _operator = Operator::started(&plane.operator);
    let again = admin.get(&role).unwrap()["metadata"]["uid"].clone();
    assert_ne!(again, uid);
    for object in configurations(admin) {
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], again);
    }
}
