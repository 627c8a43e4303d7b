//! What people see: status, columns and Events.

use std::sync::Once;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::reference;
use crate::plane::{COUNTRY, OURS, Plane, Shared, condition, pod, shared};
use crate::poll::{PATIENCE, until, yes};

/// A status without the times of its conditions, once its condition says what it should.
fn settled(shared: &Shared, object: &Value, kind: &str, reason: &str) -> Value {
    let mut status = until("the status is settled", PATIENCE, || {
        let object = shared.plane.admin.get(object).ok_or("no object")?;
        let told = condition(&object, kind);
        yes(told["reason"] == reason, &object["status"]).map(|()| object["status"].clone())
    });
    for condition in status["conditions"].as_array_mut().unwrap() {
        let time = condition.as_object_mut().unwrap().remove("lastTransitionTime").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    status
}

fn said(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 1})
}

/// A shop with a pod abroad that was there before anybody declared anything, and its reports in another namespace.
fn shop() -> &'static Shared {
    static SHOP: Once = Once::new();
    let shared = shared();
    SHOP.call_once(|| open_shop(&shared.plane));
    shared
}

fn open_shop(plane: &Plane) {
    plane.namespace("status-shop", &json!({}));
    plane.namespace("status-reports", &json!({}));
    let label = json!({"app": "orders"});
    plane.admin.create(&pod("status-shop", "abroad", &label, json!({"nodeName": "iad-1"}))).ok();
    plane.admin.create(&pod("status-shop", "home", &label, json!({"nodeName": "fra-1"}))).ok();
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: status-area}
        spec:
          match: {origins: [IT]}
          residence: {Process: [EEA]}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: orders, namespace: status-shop}
        spec:
          origins: [IT]
          residence: {country: IT}
          workloads: {selector: {matchLabels: {app: orders}}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: reports, namespace: status-reports}
        spec: {origins: [ES], residence: {country: ES}, workloads: {selector: {matchLabels: {app: reports}}}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataFlow
        metadata: {name: to-reports, namespace: status-shop}
        spec:
          from: {dataStore: {name: orders}}
          to: {dataStore: {namespace: status-reports, name: reports}}
        ",
    );
}

const JUDGED: &str = "the object was read and judged";

#[test]
fn a_store_tells_where_its_data_is_and_what_is_wrong() {
    let shared = shop();
    let mut orders = settled(shared, &reference(OURS, "DataStore", "status-shop", "orders"), "Enforced", "Registered");
    // The law is the catalogue's, and changes with it; that it is told is not.
    let owed = orders.as_object_mut().unwrap().remove("obligations").unwrap();
    assert_eq!(owed[0]["rule"], "LAW-RIGHTS", "{owed}");
    assert!(owed[0]["source"].as_str().unwrap().contains("GDPR Art. 12(3)"), "{owed}");
    let holds_until = orders.as_object_mut().unwrap().remove("holdsUntil").unwrap();
    assert!(holds_until.as_str().unwrap().ends_with('Z'), "{holds_until}");
    let message = "would process personal data of IT (DataStore status-shop/orders) in US; \
                   policy law allows EEA (37 countries), AD, AR, CH, FO, GB, GG, IL, IM, JE, NZ, UY";
    let second = "would process personal data of IT (DataStore status-shop/orders) in US; \
                  policy status-area allows EEA (37 countries)";
    let finding = |policy: &str, message: &str| {
        json!({
            "object": "Pod/abroad", "rule": "RES-PLACE", "field": "spec.nodeName", "mode": "Enforce",
            "policy": policy, "message": message, "remedy": "delete the pod, so that it comes back inside, or choose a place in EEA (37 countries)",
        })
    };
    assert_eq!(
        orders,
        json!({
            "observedGeneration": 1,
            "origins": "IT",
            "country": "DE,US",
            "places": [
                {"country": "DE", "evidence": "Proven", "pods": 1, "claims": 0},
                {"country": "US", "evidence": "Proven", "pods": 1, "claims": 0},
            ],
            "effectiveOrigins": [{"origin": "IT", "through": ["spec.origins"]}],
            "legal": "Conditional",
            // Two policies find the same breach.
            "violations": 1,
            "unproven": 0,
            "findings": [finding("law", message), finding("status-area", second)],
            "conditions": [
                said("Ready", "True", "Judged", JUDGED),
                said("Reconciling", "False", "Judged", ""),
                said("Stalled", "False", "Judged", ""),
                said("Compliant", "False", "BreachFound", &format!("1 breach in 3 checks; Pod/abroad: {message}")),
                said("Enforced", "True", "Registered", "the API server asks before anything changes in this namespace"),
                said(
                    "LocationMismatch",
                    "True",
                    "SeenElsewhere",
                    "spec.residence says IT; seen elsewhere: 1 pod and 0 claims in DE, 1 pod and 0 claims in US",
                ),
            ],
        })
    );

    // A breach that exists is told, too.
    let breach = event(shared, "DataStore", "orders", "ResidencyViolation");
    assert!(breach["note"].as_str().unwrap().contains("1 breach and 0 places unproven now. [RES-PLACE] Pod/abroad"));
}

#[test]
fn a_store_tells_from_where_its_origins_came() {
    let shared = shop();
    let reports = reference(OURS, "DataStore", "status-reports", "reports");
    until("the origins have travelled", PATIENCE, || {
        let store = shared.plane.admin.get(&reports).ok_or("no store")?;
        yes(store["status"]["origins"] == "ES, IT", &store["status"])
    });
    let reports = settled(shared, &reports, "Enforced", "Registered");
    assert_eq!(
        [&reports["effectiveOrigins"], &reports["country"], &reports["violations"]],
        [
            &json!([
                {"origin": "ES", "through": ["spec.origins"]},
                {"origin": "IT", "through": ["DataStore status-shop/orders", "DataFlow status-shop/to-reports"]},
            ]),
            &json!("ES"),
            &json!(0),
        ]
    );
}

#[test]
fn flows_and_policies_tell_what_becomes_of_them() {
    let shared = shop();
    let mut flow = settled(shared, &reference(OURS, "DataFlow", "status-shop", "to-reports"), "Ready", "Judged");
    let history = flow.as_object_mut().unwrap().remove("history").unwrap();
    assert_eq!(history[0]["mechanism"], "EEA", "{history}");
    let message = "no breach found in 1 check; carried by EEA (engineering input, not legal advice)";
    let compliant = said("Compliant", "True", "NoBreachFound", message);
    let source = "Directive 95/46/EC Art. 1(2), 32(1); since 2018-05-25 Regulation (EU) 2016/679 Art. 1(3)";
    assert_eq!(
        flow,
        json!({
            "observedGeneration": 1, "from": "status-shop/orders", "to": "status-reports/reports",
            "action": "Allow", "origins": "IT", "legal": "Permitted", "ground": "EEA", "atRisk": false,
            "grounds": [{"mechanism": "EEA", "law": "IT", "source": source}],
            "conditions": [
                said("Ready", "True", "Judged", JUDGED),
                said("Reconciling", "False", "Judged", ""),
                said("Stalled", "False", "Judged", ""),
                compliant,
            ],
        })
    );

    let policy = reference(OURS, "ResidencyPolicy", "", "status-area");
    until("the policy counts its breach", PATIENCE, || {
        let policy = shared.plane.admin.get(&policy).ok_or("no policy")?;
        yes(policy["status"]["violations"] == 1, &policy["status"])
    });
}

#[test]
fn kubectl_shows_what_matters_in_columns() {
    let shared = shop();
    settled(shared, &reference(OURS, "DataStore", "status-shop", "orders"), "Compliant", "BreachFound");
    settled(shared, &reference(OURS, "DataFlow", "status-shop", "to-reports"), "Compliant", "NoBreachFound");
    settled(shared, &reference(OURS, "ResidencyPolicy", "", "status-area"), "Ready", "Judged");
    let table = |arguments: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        shared.plane.control.kubectl_output(&words).unwrap().success().unwrap()
    };
    let line = |table: &str, start: &str| {
        let line = table.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {table}"));
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        words.truncate(if start == "NAME" { usize::MAX } else { words.len() - 1 });
        words.join(" ")
    };
    let stores = table("get dstore -n status-shop");
    assert_eq!(line(&stores, "NAME"), "NAME ORIGINS LEGAL COUNTRY COMPLIANT VIOLATIONS AGE");
    assert_eq!(line(&stores, "orders"), "orders IT Conditional DE,US False 1");
    let flows = table("get dflow -n status-shop");
    assert_eq!(line(&flows, "NAME"), "NAME FROM TO BASIS LEGAL VERDICT AGE");
    assert_eq!(line(&flows, "to-reports"), "to-reports status-shop/orders status-reports/reports EEA Permitted Allow");
    let policies = table("get rpol");
    assert_eq!(line(&policies, "NAME"), "NAME MODE VIOLATIONS READY AGE");
    assert_eq!(line(&policies, "status-area"), "status-area Enforce 1 True");
    let everything = table("get domicile -A -o name");
    for name in [
        "datastore.domicile.dev/orders",
        "dataflow.domicile.dev/to-reports",
        "residencypolicy.domicile.dev/status-area",
    ] {
        assert!(everything.lines().any(|line| line == name), "{name}: {everything}");
    }
}

#[test]
fn a_claim_that_was_there_before_and_lies_nobody_knows_where_is_told_as_unproven() {
    let shared = shared();
    let plane = &shared.plane;
    plane.namespace("status-unproven", &json!({}));
    let mut claim = reference("v1", "PersistentVolumeClaim", "status-unproven", "data");
    claim["spec"] = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "nobody-knows",
        "resources": {"requests": {"storage": "1Gi"}},
    });
    plane.admin.create(&claim).ok();
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: unproven, namespace: status-unproven}
        spec: {origins: [PL], claims: {names: [data]}}
        ",
    );
    plane.enforced("status-unproven", "unproven");
    let store = reference(OURS, "DataStore", "status-unproven", "unproven");
    let status = settled(shared, &store, "Compliant", "Unproven");
    assert_eq!([&status["violations"], &status["unproven"]], [0, 1]);
    let findings = status["findings"].as_array().unwrap();
    let told: Vec<[&str; 3]> =
        findings.iter().map(|one| ["object", "rule", "field"].map(|key| one[key].as_str().unwrap())).collect();
    assert_eq!(told, [["PersistentVolumeClaim/data", "RES-UNKNOWN", "spec.storageClassName"]]);
    event(shared, "DataStore", "unproven", "ResidencyUnproven");
    // One more of it does not come in.
    plane.admin.delete(&claim);
    let again = until("the claim is judged when it comes again", PATIENCE, || {
        let answer = plane.admin.create_dry(&claim);
        yes(answer.code != 409, &answer.body).map(|()| answer)
    });
    assert_eq!(again.code, 403, "{}", again.body);
}

#[test]
fn a_store_in_a_system_namespace_is_told_that_it_is_not_enforced() {
    let shared = shared();
    shared.plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: status-system, namespace: kube-public}
        spec: {origins: [PL], claims: {names: [data]}}
        ",
    );
    let store = reference(OURS, "DataStore", "kube-public", "status-system");
    let status = settled(shared, &store, "Enforced", "SystemNamespace");
    let conditions = status["conditions"].as_array().unwrap();
    let told: Vec<[&str; 3]> =
        conditions.iter().map(|one| ["type", "status", "reason"].map(|key| one[key].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ["Ready", "True", "Judged"],
            ["Reconciling", "False", "Judged"],
            ["Stalled", "False", "Judged"],
            ["Compliant", "True", "NoBreachFound"],
            ["Enforced", "False", "SystemNamespace"],
        ]
    );
}

#[test]
fn a_status_is_not_written_again_while_nothing_changes() {
    let shared = shared();
    let plane = &shared.plane;
    plane.namespace("status-idle", &json!({}));
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: idle, namespace: status-idle}
        spec: {origins: [PT], workloads: {selector: {matchLabels: {app: idle}}}}
        ",
    );
    plane.enforced("status-idle", "idle");
    let version = || {
        let store = plane.admin.get(&reference(OURS, "DataStore", "status-idle", "idle")).unwrap();
        store["metadata"]["resourceVersion"].clone()
    };
    let before = version();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(version(), before);
}

/// Waits for an Event.
fn event(shared: &Shared, kind: &str, name: &str, reason: &str) -> Value {
    until("there is an Event", PATIENCE, || {
        let events = shared.plane.admin.events_about(kind, name);
        let reasons: Vec<String> = events.iter().map(|event| event["reason"].to_string()).collect();
        events.into_iter().find(|event| event["reason"] == reason).ok_or(format!("{kind} {name}: {reasons:?}"))
    })
}

fn deployment(namespace: &str, name: &str, spec: Value) -> Value {
    let template = pod(namespace, name, &json!({"app": "orders"}), spec);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "orders"}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
    })
}

/// The name of the only ReplicaSet.
fn replica_set(shared: &Shared, namespace: &str) -> String {
    let set = until("there is a ReplicaSet", PATIENCE, || {
        let sets = shared.plane.admin.list("apps/v1", "ReplicaSet", namespace, "");
        sets.into_iter().next().ok_or("none")
    });
    set["metadata"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn refusals_and_rewrites_are_told_to_the_store_and_to_the_owner() {
    let shared = shared();
    let plane = &shared.plane;
    let abroad = json!({"nodeSelector": {COUNTRY: "US"}});
    for (namespace, spec) in [("status-refused", abroad), ("status-rewritten", json!({}))] {
        plane.namespace(namespace, &json!({}));
        let deployment = deployment(namespace, "orders", spec);
        plane.admin.create(&deployment).ok();
        let owner = replica_set(shared, namespace);
        let mut store = reference(OURS, "DataStore", namespace, namespace);
        store["spec"] = json!({"origins": ["GR"], "workloads": {"selector": {"matchLabels": {"app": "orders"}}}});
        plane.admin.create(&store).ok();
        plane.enforced(namespace, namespace);
        // It may be scaled whatever it makes.
        plane.admin.patch(&deployment, &json!({"spec": {"replicas": 1}})).ok();
        let (reason, kind, sentence) = match namespace {
            "status-refused" => ("PlacementRefused", "Warning", "[RES-PLACE] spec.nodeSelector: would process"),
            _ => (
                "PlacementRewritten",
                "Normal",
                " is kept in EEA (37 countries), AD, AR, CH, FO, GB, GG, IL, IM, JE, NZ, UY",
            ),
        };
        let store = event(shared, "DataStore", namespace, reason);
        let told_owner = event(shared, "ReplicaSet", &owner, reason);
        for told in [&store, &told_owner] {
            let note = told["note"].as_str().unwrap();
            assert!(note.starts_with(&format!("Pod {namespace}/{owner}-")) && note.contains(sentence), "{note}");
            assert_eq!([&told["type"], &told["action"]], [kind, "Admission"]);
            assert_eq!(told["reportingController"], "domicile.dev/operator");
        }
        assert_eq!(store["related"]["name"], owner.as_str(), "the store's Event leads to the owner");
    }
}

#[test]
fn dry_runs_cause_no_event() {
    let shared = shared();
    let plane = &shared.plane;
    plane.namespace("status-dry", &json!({}));
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: dry, namespace: status-dry}
        spec: {origins: [GR], workloads: {selector: {matchLabels: {app: orders}}}}
        ",
    );
    plane.enforced("status-dry", "dry");
    let label = json!({"app": "orders"});
    let refused = until("a dry run is refused", PATIENCE, || {
        let abroad = pod("status-dry", "abroad", &label, json!({"nodeSelector": {COUNTRY: "US"}}));
        let answer = plane.admin.create_dry(&abroad);
        yes(answer.code == 403, &answer.body).map(|()| answer)
    });
    assert!(refused.message().contains("[RES-PLACE]"), "{}", refused.message());
    let rewritten = plane.admin.create_dry(&pod("status-dry", "dry", &label, json!({}))).ok();
    assert!(rewritten["spec"]["affinity"].is_object(), "{rewritten}");
    // Events are written in their order, so the others would be there before this one.
    plane.admin.create(&pod("status-dry", "wet", &label, json!({}))).ok();
    event(shared, "DataStore", "dry", "PlacementRewritten");
    let notes: Vec<Value> =
        plane.admin.events_about("DataStore", "dry").iter().map(|one| one["note"].clone()).collect();
    assert!(
        matches!(notes.as_slice(), [note] if note.as_str().unwrap().starts_with("Pod status-dry/wet is kept in EEA")),
        "{notes:?}"
    );
}

#[test]
fn stores_that_come_while_much_else_happens_are_all_kept() {
    let shared = shared();
    let admin = &shared.plane.admin;
    shared.plane.namespace("status-many", &json!({}));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 0..50 {
                    let mut store = reference(OURS, "DataStore", "status-many", &format!("many-{thread}-{number}"));
                    store["spec"] = json!({"origins": ["LU"], "claims": {"names": ["data"]}});
                    admin.create(&store).ok();
                }
            });
        }
    });
    until("every store has a status", PATIENCE, || {
        let stores = admin.list(OURS, "DataStore", "status-many", "");
        let without: Vec<String> = stores
            .iter()
            .filter(|store| condition(store, "Ready")["status"] != "True")
            .map(|store| store["metadata"]["name"].to_string())
            .collect();
        yes(without.is_empty(), format!("{} of {} have none: {without:?}", without.len(), stores.len()))
    });
}
