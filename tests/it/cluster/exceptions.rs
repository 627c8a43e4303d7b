//! Exceptions on a live cluster: who may approve one, what it lets pass, and that it ends when it says, also with nobody alive.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::compiled::{compiled, refused_by, remove_webhooks};
use crate::client::{Answer, Client, path_of, reference};
use crate::operator::Operator;
use crate::plane::{OURS, Plane, REGION, alone, condition, machine, pod, shared};
use crate::poll::{PATIENCE, until, yes};

const ALICE: (&str, &[&str]) = ("exc-alice", &["exc-people"]);
const BOB: (&str, &[&str]) = ("exc-bob", &["exc-people", "exc-approvers"]);
const CAROL: (&str, &[&str]) = ("exc-carol", &["exc-people"]);

/// Everybody here may write exceptions and their status; one group may approve them as well.
fn people(admin: &Client) {
    let rules = json!([{
        "apiGroups": ["domicile.dev"], "resources": ["residencyexceptions", "residencyexceptions/status"],
        "verbs": ["get", "create", "update", "patch"],
    }]);
    let approve = json!([{"apiGroups": ["domicile.dev"], "resources": ["residencyexceptions"], "verbs": ["approve"]}]);
    for (group, rules) in [("exc-people", rules), ("exc-approvers", approve)] {
        const RBAC: &str = "rbac.authorization.k8s.io/v1";
        let mut role = reference(RBAC, "ClusterRole", "", group);
        role["rules"] = rules;
        let mut binding = reference(RBAC, "ClusterRoleBinding", "", group);
        binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": group});
        binding["subjects"] = json!([{"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}]);
        for object in [role, binding] {
            let answer = admin.create(&object);
            assert!(answer.code < 300 || answer.code == 409, "{}", answer.body);
        }
    }
}

fn exception(namespace: &str, name: &str, approver: &str, expires: &str) -> Value {
    let mut exception = reference(OURS, "ResidencyException", namespace, name);
    exception["spec"] = json!({
        "scope": {"rules": ["RES-PLACE"], "to": ["FR"]}, "approver": approver, "expires": expires,
        "legalBasis": "EEA free flow, GDPR Art. 1(3)", "reason": "a move between providers",
    });
    exception
}

fn write(admin: &Client, exception: &Value, who: (&str, &[&str])) -> Answer {
    let path = path_of(exception);
    let (collection, _) = path.rsplit_once('/').unwrap();
    admin.send_as("POST", collection, exception, who)
}

fn approve(admin: &Client, exception: &Value, by: &str, generation: i64, who: (&str, &[&str])) -> Answer {
    let approval = json!({"status": {"approval": {"by": by, "generation": generation}}});
    admin.patch_as(&format!("{}/status", path_of(exception)), &approval, who)
}

fn honoured(admin: &Client, exception: &Value, status: &str, reason: &str) {
    until("the exception says what it counts", PATIENCE, || {
        let found = admin.get(exception).ok_or("no exception")?;
        let honoured = condition(&found, "Honoured");
        yes(honoured["status"] == status && honoured["reason"] == reason, &found["status"])
    });
}

/// A namespace with data of a country, which a policy keeps in Germany and an exception may let to France, where the law
/// lets it be anyway.
fn stage(plane: &Plane, name: &str, origin: &str) -> Value {
    plane.create(&format!(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {{name: {name}}}
        spec:
          match: {{origins: [{origin}]}}
          residence: {{Process: [DE]}}
          exceptions: {{allowed: true, maxDays: 36500}}
        "
    ));
    plane.namespace(name, &json!({"domicile.dev/origin": origin}));
    pod(name, "in-france", &json!({}), json!({"nodeSelector": {REGION: "eu-west-3"}}))
}

/// Waits until a pod passes, or is refused.
fn comes_to(admin: &Client, object: &Value, code: u16) -> Answer {
    until("the verdict has changed", PATIENCE, || {
        let answer = admin.create_dry(object);
        if answer.code == code { Ok(answer) } else { Err(format!("{}: {}", answer.code, answer.body)) }
    })
}

#[test]
fn an_exception_takes_two_people_and_is_void_when_it_changes() {
    const SPACE: &str = "exc-people";
    let plane = &shared().plane;
    let admin = &plane.admin;
    people(admin);
    let abroad = stage(plane, SPACE, "CZ");
    comes_to(admin, &abroad, 403);
    let one = exception(SPACE, "move", BOB.0, "2099-01-01T00:00:00Z");
    until("the API server signs what is written", PATIENCE, || {
        let answer =
            admin.send_as("POST", &format!("{}?dryRun=All", path_of(&one).rsplit_once('/').unwrap().0), &one, ALICE);
        yes(answer.body["spec"]["requestedBy"] == ALICE.0, answer.body)
    });
    // Nobody writes in another's name, nor names themselves.
    let mut forged = one.clone();
    forged["spec"]["requestedBy"] = CAROL.0.into();
    assert_eq!(write(admin, &forged, ALICE).ok()["spec"]["requestedBy"], ALICE.0);
    admin.delete(&forged).ok();
    let own = write(admin, &exception(SPACE, "own", ALICE.0, "2099-01-01T00:00:00Z"), ALICE);
    assert_eq!(own.code, 422, "{}", own.body);

    // Status is nothing that comes with a manifest.
    let mut brought = one.clone();
    brought["status"] = json!({"approval": {"by": BOB.0, "generation": 1}});
    assert!(write(admin, &brought, ALICE).ok()["status"].is_null());
    honoured(admin, &one, "False", "Unapproved");
    let refused = |answer: Answer| {
        assert!(refused_by(&answer, "domicile-guard-approvals").is_some(), "{}", answer.body);
    };
    refused(approve(admin, &one, ALICE.0, 1, ALICE));
    refused(approve(admin, &one, BOB.0, 1, ALICE));
    refused(approve(admin, &one, CAROL.0, 1, CAROL));
    refused(approve(admin, &one, BOB.0, 2, BOB));
    // Named as the approver, without the verb.
    let other = exception(SPACE, "other", CAROL.0, "2099-01-01T00:00:00Z");
    write(admin, &other, ALICE).ok();
    refused(approve(admin, &other, CAROL.0, 1, CAROL));
    let answer = admin.create_dry(&abroad);
    assert_eq!(answer.code, 403, "{}", answer.body);

    approve(admin, &one, BOB.0, 1, BOB).ok();
    let passed = comes_to(admin, &abroad, 201);
    let told = passed.warnings.join("\n");
    assert!(told.contains("waived until 2099-01-01T00:00:00Z by ResidencyException exc-people/move"), "{told}");
    honoured(admin, &one, "True", "NothingMatches");
    // The API server may still take up what was compiled before.
    until("the pod is made", PATIENCE, || {
        let answer = admin.create(&abroad);
        yes(answer.code == 201, answer.body)
    });
    honoured(admin, &one, "True", "Honoured");
    let found = admin.get(&one).unwrap();
    assert_eq!(found["status"]["waived"], 1, "{}", found["status"]);
    // What the operator writes beside it leaves the approval as it is.
    assert_eq!(found["status"]["approval"], json!({"by": BOB.0, "generation": 1}));
    admin.delete(&abroad).ok();

    // Whatever changes makes it another one, whoever changes it.
    let longer = json!({"spec": {"expires": "2099-06-01T00:00:00Z"}});
    admin.patch_as(&path_of(&one), &longer, ALICE).ok();
    honoured(admin, &one, "False", "ChangedSinceApproval");
    comes_to(admin, &abroad, 403);
    let approver = admin.patch_as(&path_of(&one), &json!({"spec": {"scope": {"to": ["FR", "IT"]}}}), BOB);
    assert_eq!(approver.code, 422, "who changes it has asked for it: {}", approver.body);
    approve(admin, &one, BOB.0, 2, BOB).ok();
    comes_to(admin, &abroad, 201);
    // Anybody may take it away again.
    admin.patch_as(&format!("{}/status", path_of(&one)), &json!({"status": {"approval": null}}), ALICE).ok();
    honoured(admin, &one, "False", "Unapproved");
    comes_to(admin, &abroad, 403);
}

/// An instant so far ahead, as a manifest says it.
fn ahead(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

fn reach(instant: Timestamp) {
    std::thread::sleep(instant.duration_since(Timestamp::now()).unsigned_abs() + Duration::from_millis(100));
}

fn told(admin: &Client, name: &str, reason: &str) {
    until(reason, PATIENCE, || {
        let events = admin.events_about("ResidencyException", name);
        yes(events.iter().any(|event| event["reason"] == reason), format!("{events:?}"))
    });
}

#[test]
fn an_exception_ends_at_its_instant_also_with_nobody_alive() {
    const SPACE: &str = "exc-end";
    let plane = alone();
    let admin = &plane.admin;
    people(admin);
    let nodes = [machine("exc-fra", "eu-central-1a", "eu-central-1"), machine("exc-par", "eu-west-3a", "eu-west-3")];
    plane.control.add_nodes(&nodes).unwrap();
    let operator = Operator::started(&plane.operator);
    plane.labelled("exc-par", Some("FR"));
    let abroad = stage(&plane, SPACE, "BG");
    compiled(&plane, "BG");
    comes_to(admin, &abroad, 403);
    let grant = |name: &str, seconds: i64| {
        let ends = ahead(seconds);
        let exception = exception(SPACE, name, BOB.0, &ends.to_string());
        until("the exception is signed", PATIENCE, || {
            let answer = write(admin, &exception, ALICE);
            if answer.body["spec"]["requestedBy"] == ALICE.0 {
                return Ok(());
            }
            admin.delete(&exception);
            Err(answer.body)
        });
        approve(admin, &exception, BOB.0, 1, BOB).ok();
        comes_to(admin, &abroad, 201);
        assert!(Timestamp::now() < ends, "the machine is too slow for this drill");
        (exception, ends)
    };

    // With the operator alive.
    let (first, ends) = grant("first", 12);
    told(admin, "first", "ExceptionExpiring");
    reach(ends);
    let refused = admin.create_dry(&abroad);
    assert_eq!(refused.code, 403, "{}", refused.body);
    honoured(admin, &first, "False", "Expired");
    told(admin, "first", "ExceptionExpired");

    // With the operator dead and its webhooks gone, the API server alone lets pass and refuses the same.
    let (second, ends) = grant("second", 25);
    operator.kill();
    remove_webhooks(&plane);
    admin.create_dry(&abroad).ok();
    let elsewhere = pod(SPACE, "in-ohio", &json!({}), json!({"nodeSelector": {REGION: "us-east-2"}}));
    assert!(refused_by(&admin.create_dry(&elsewhere), "domicile-pods.excepted").is_some());
    assert!(Timestamp::now() < ends, "the machine is too slow for this drill");
    reach(ends);
    let refused = admin.create_dry(&abroad);
    assert!(refused_by(&refused, "domicile-pods.excepted").is_some(), "{}", refused.body);

    let _operator = Operator::started(&plane.operator);
    honoured(admin, &second, "False", "Expired");
    told(admin, "second", "ExceptionExpired");
    // Nothing of it is left.
    until("the namespace is like the others again", PATIENCE, || {
        let policies = admin.list("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "", "");
        let names: Vec<&str> = policies.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
        yes(!names.iter().any(|name| name.contains(SPACE)), format!("{names:?}"))
    });
    let label = reference("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "", "domicile-pods.bg");
    let selector = admin.get(&label).unwrap()["spec"]["matchConstraints"]["namespaceSelector"].to_string();
    assert!(!selector.contains(SPACE), "{selector}");
    admin.delete(&reference(OURS, "ResidencyPolicy", "", SPACE)).ok();
    for node in ["exc-fra", "exc-par"] {
        admin.delete(&reference("v1", "Node", "", node)).ok();
    }
}
