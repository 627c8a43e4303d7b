//! The webhook's HTTP, without a cluster.

mod time;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use domicile::catalogue;
use domicile::controllers::events::{Admission, Message};
use domicile::index::{Index, Object};
use domicile::state::{Clock, Shared};
use domicile::webhook;
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::client::{RUNTIME, documents};
use crate::plane::COUNTRY;

const WORLD: &str = "
    apiVersion: v1
    kind: Namespace
    metadata: {name: cx, labels: {domicile.dev/origin: DE}}
    ---
    apiVersion: domicile.dev/v1alpha1
    kind: DataStore
    metadata: {name: answers, namespace: cx, uid: '42'}
    spec: {origins: [DE], workloads: {selector: {matchLabels: {app: survey}}}}
";

/// The state of an operator that knows this world, and what it tells.
pub fn operator(world: &str) -> (Arc<Shared>, mpsc::Receiver<Message>) {
    let mut index = Index::new(catalogue::load().unwrap());
    for manifest in documents(world) {
        index.apply(Object::from_manifest(manifest).unwrap().unwrap());
    }
    let (shared, drafts) = Shared::new(index, Clock::new(|| "2026-11-22T12:00:00Z".parse().unwrap()));
    shared.set_synced();
    (shared, drafts)
}

pub async fn send(shared: &Arc<Shared>, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let request = Request::post(path).body(body.into()).unwrap();
    let answer = webhook::app(shared.clone()).oneshot(request).await.unwrap();
    let status = answer.status();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(text.to_vec()).unwrap())
}

/// The response in the answer to a review.
fn ask(shared: &Arc<Shared>, path: &str, review: &Value) -> Value {
    let (status, text) = RUNTIME.block_on(send(shared, path, review.to_string()));
    assert_eq!(status, StatusCode::OK, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let envelope = [&answer["apiVersion"], &answer["kind"], &answer["response"]["uid"]];
    assert_eq!(envelope, ["admission.k8s.io/v1", "AdmissionReview", "7"]);
    answer["response"].clone()
}

fn pod(spec: &Value) -> Value {
    json!({"metadata": {"name": "app", "labels": {"app": "survey"}}, "spec": spec})
}

/// A pod that can only run abroad.
fn abroad() -> Value {
    pod(&json!({"nodeSelector": {COUNTRY: "US"}}))
}

fn review(kind: &str, object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "7", "kind": {"group": if kind == "Pod" { "" } else { "apps" }, "version": "v1", "kind": kind},
            "operation": "CREATE", "namespace": "cx", "name": "app", "object": object,
        },
    })
}

#[test]
fn what_is_no_review_gets_an_answer_that_says_so() {
    let (shared, _drafts) = operator(WORLD);
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "not JSON",
        r#"{"request": null}"#,
        r#"{"request": {}}"#,
        r#"{"request": {"uid": "1", "operation": "CREATE"}}"#,
        r#"{"request": {"uid": 1, "kind": {"kind": "Pod"}, "operation": "CREATE"}}"#,
        r#"{"request": {"uid": "1", "kind": "Pod", "operation": "CREATE"}}"#,
        r#"{"request": {"uid": "1", "kind": {"kind": "Pod"}, "operation": ["CREATE"]}}"#,
        "{\"request\": {\"uid\": \"\u{0}\"",
        deep.as_str(),
    ] {
        let (status, text) = RUNTIME.block_on(send(&shared, "/validate/labelled", body.to_owned()));
        let start: String = body.chars().take(60).collect();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{start}: {text}");
        assert!(text.starts_with("not an admission review: "), "{start}: {text}");
    }
    let (status, _) = RUNTIME.block_on(send(&shared, "/validate/nonsense", review("Pod", &abroad()).to_string()));
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = RUNTIME.block_on(send(&shared, "/elsewhere", ""));
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[test]
fn an_object_that_is_not_of_its_kind_is_refused_by_name() {
    let (shared, _drafts) = operator(WORLD);
    let nested = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let nested = review("Pod", &json!("HERE")).to_string().replace("\"HERE\"", &nested);
    let (status, text) = RUNTIME.block_on(send(&shared, "/validate/labelled", nested));
    assert_eq!(status, StatusCode::OK, "{text}");
    for object in [json!("text"), json!(7), json!({"spec": 7}), json!({"spec": {"nodeSelector": ["DE"]}})] {
        let response = ask(&shared, "/validate/labelled", &review("Pod", &object));
        assert_eq!([&response["allowed"], &response["status"]["code"]], [&json!(false), &json!(400)], "{response}");
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("Pod cx/app: failed to read the Pod: "), "{message}");
    }
}

#[test]
fn a_refusal_is_forbidden_with_causes() {
    let (shared, _drafts) = operator(WORLD);
    let response = ask(&shared, "/validate/labelled", &review("Pod", &abroad()));
    let what = "would process personal data of DE (DataStore cx/answers, the origin label of namespace cx) in US";
    let places = "EEA (37 countries), AD, AR, CH, FO, GB, GG, IL, IM, JE, NZ, UY";
    assert_eq!(
        response,
        json!({
            "uid": "7",
            "allowed": false,
            "status": {
                "code": 403,
                "reason": "Forbidden",
                "message": format!(
                    "Pod cx/app: [RES-PLACE] spec.nodeSelector: {what}; policy law allows {places}. To fix: let the \
                     constraints admit nodes in {places}, or remove them"
                ),
                "details": {"causes": [{"reason": "RES-PLACE", "message": what, "field": "spec.nodeSelector"}]},
            },
        })
    );
}

#[test]
fn dry_runs_tell_nobody() {
    let (shared, mut drafts) = operator(WORLD);
    let mut refused = review("Pod", &abroad());
    let mut rewritten = review("Pod", &pod(&json!({})));
    for review in [&mut refused, &mut rewritten] {
        review["request"]["dryRun"] = json!(true);
    }
    assert_eq!(ask(&shared, "/validate/labelled", &refused)["allowed"], false);
    assert!(ask(&shared, "/mutate/labelled", &rewritten)["patch"].is_string());
    assert!(matches!(drafts.try_recv(), Err(mpsc::error::TryRecvError::Empty)));

    refused["request"]["dryRun"] = json!(false);
    ask(&shared, "/validate/labelled", &refused);
    let Ok(Message::Admission(told)) = drafts.try_recv() else { panic!("nobody is told") };
    let Admission { kind, namespace, name, refused, judgement: _ } = *told;
    assert_eq!((kind.as_str(), namespace.as_str(), name.as_str(), refused), ("Pod", "cx", "app", true));
    assert!(matches!(drafts.try_recv(), Err(mpsc::error::TryRecvError::Empty)));
}

#[test]
fn deletions_and_other_subresources_pass() {
    let (shared, mut drafts) = operator(WORLD);
    let with = |changes: &[(&str, Value)]| {
        let mut review = review("Pod", &abroad());
        for (key, value) in changes {
            review["request"][*key] = value.clone();
        }
        review
    };
    for review in [
        with(&[("operation", json!("DELETE"))]),
        with(&[("operation", json!("UPDATE")), ("subResource", json!("resize")), ("oldObject", abroad())]),
        with(&[("subResource", json!("eviction"))]),
        with(&[("object", Value::Null)]),
        // A connection to something that is none of ours.
        with(&[("operation", json!("CONNECT")), ("subResource", json!("exec"))]),
    ] {
        for path in ["/mutate/labelled", "/validate/labelled"] {
            assert_eq!(ask(&shared, path, &review), json!({"uid": "7", "allowed": true}), "{review}");
        }
    }
    assert!(drafts.try_recv().is_err());
}

/// A running pod, and a group that a policy declares to be in Germany.
const REACHED: &str = "
    apiVersion: v1
    kind: Pod
    metadata: {name: app, namespace: cx, labels: {app: survey}}
    spec: {nodeName: fra-1}
    ---
    apiVersion: domicile.dev/v1alpha1
    kind: ResidencyPolicy
    metadata: {name: support}
    spec:
      residence: {Access: [Law]}
      access: [{groups: [support-de], from: [DE]}]
";

/// A connection of a user with these groups to a pod of this name.
fn connection(name: &str, groups: &[&str]) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "7", "kind": {"group": "", "version": "v1", "kind": "PodExecOptions"}, "operation": "CONNECT",
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "subResource": "exec", "namespace": "cx",
            "name": name, "userInfo": {"username": "alice@example.org", "groups": groups, "extra": {"a": ["b"]}},
            "object": {"kind": "PodExecOptions", "apiVersion": "v1", "command": ["psql"]}, "oldObject": null,
        },
    })
}

#[test]
fn a_connection_is_judged_by_who_asks_and_tells_nobody_who_that_was() {
    let (shared, mut drafts) = operator(&format!("{WORLD}    ---{REACHED}"));
    let mine = ask(&shared, "/validate/labelled", &connection("app", &["staff", "support-de"]));
    assert_eq!(mine, json!({"uid": "7", "allowed": true}));
    let others = ask(&shared, "/validate/labelled", &connection("app", &["staff", "support-us"]));
    let status = &others["status"];
    assert_eq!([&status["code"], &status["details"]["causes"][0]["reason"]], [&json!(403), &json!("RES-UNKNOWN")]);
    let message = status["message"].as_str().unwrap();
    assert!(message.starts_with("pods/exec cx/app: [RES-UNKNOWN] pods/exec: cannot prove where"), "{message}");
    let Ok(Message::Admission(told)) = drafts.try_recv() else { panic!("nobody is told") };
    for secret in ["alice", "staff", "support-us", "psql"] {
        assert!(!message.contains(secret) && !format!("{told:?}").contains(secret), "{secret}: {message}");
    }
    // The order of the fields is the server's affair.
    let mut turned = connection("app", &["support-de"]);
    let info = turned["request"].as_object_mut().unwrap().remove("userInfo").unwrap();
    let turned = turned.to_string().replacen("\"request\":{", &format!("\"request\":{{\"userInfo\":{info},"), 1);
    let answer = RUNTIME.block_on(send(&shared, "/validate/labelled", turned)).1;
    assert!(answer.contains("\"allowed\":true"), "{answer}");
}

#[test]
fn who_asks_without_a_name_is_nobody_in_particular() {
    let (shared, _drafts) = operator(&format!("{WORLD}    ---{REACHED}"));
    for info in [Value::Null, json!({}), json!({"username": null, "groups": null}), json!({"groups": []})] {
        let mut review = connection("app", &[]);
        review["request"]["userInfo"] = info;
        review["request"]["object"] = Value::Null;
        assert_eq!(ask(&shared, "/validate/labelled", &review)["allowed"], false, "{review}");
    }
}

#[test]
fn whoever_reaches_into_or_binds_a_pod_that_is_not_known_has_to_try_again() {
    let (shared, _drafts) = operator(&format!("{WORLD}    ---{REACHED}"));
    let binding = json!({"metadata": {"name": "other"}, "target": {"name": "fra-1"}});
    let mut bound = review("Pod", &binding);
    let kind = json!({"group": "", "version": "v1", "kind": "Binding"});
    for (key, value) in [("kind", kind), ("subResource", json!("binding")), ("name", json!("other"))] {
        bound["request"][key] = value;
    }
    for review in [connection("other", &["support-de"]), bound] {
        let response = ask(&shared, "/validate/labelled", &review);
        let message = response["status"]["message"].as_str().unwrap();
        assert_eq!(response["status"]["code"], 503, "{response}");
        assert!(message.ends_with("pod cx/other is not known yet; retry"), "{message}");
    }
}

#[test]
fn a_pod_that_becomes_known_in_the_meantime_is_waited_for() {
    let (shared, _drafts) = operator(&format!("{WORLD}    ---{REACHED}"));
    let response = RUNTIME.block_on(async {
        let asked = tokio::spawn({
            let shared = shared.clone();
            async move { send(&shared, "/validate/labelled", connection("late", &["support-de"]).to_string()).await.1 }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!asked.is_finished());
        let mut pod = documents(REACHED).remove(0);
        pod["metadata"]["name"] = json!("late");
        shared.anticipate(Object::from_manifest(pod).unwrap().unwrap());
        asked.await.unwrap()
    });
    assert!(response.contains("\"allowed\":true"), "{response}");
}

#[test]
fn a_status_update_passes_unless_it_changes_whose_data_the_pod_holds() {
    // Without the namespace's label, so that the pod's own label is all that counts.
    let store = documents(WORLD).remove(1);
    let (shared, _drafts) =
        operator(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: cx}}}}\n---\n{store}"));
    let update = |old: &Value, new: &Value| {
        let mut review = review("Pod", new);
        let request = review["request"].as_object_mut().unwrap();
        request.extend([
            ("operation".to_owned(), json!("UPDATE")),
            ("subResource".to_owned(), json!("status")),
            ("oldObject".to_owned(), old.clone()),
        ]);
        ask(&shared, "/validate/declared", &review)
    };
    let mut other = abroad();
    other["metadata"]["labels"]["app"] = json!("web");
    let mut running = abroad();
    running["status"] = json!({"phase": "Running"});
    assert_eq!(update(&abroad(), &running), json!({"uid": "7", "allowed": true}));
    let rule = |response: &Value| response["status"]["details"]["causes"][0]["reason"].clone();
    assert_eq!(rule(&update(&other, &abroad())), "RES-PLACE", "it comes into scope");
    assert_eq!(rule(&update(&abroad(), &other)), "RES-SCOPE", "it leaves its scope");
}

#[test]
fn in_an_unknown_namespace_pods_have_to_wait_and_templates_pass_with_a_warning() {
    let (shared, _drafts) = operator("");
    let response = ask(&shared, "/validate/labelled", &review("Pod", &abroad()));
    assert_eq!(
        response["status"],
        json!({
            "code": 503, "reason": "ServiceUnavailable",
            "message": "Pod cx/app: namespace cx is not known yet; retry",
        })
    );
    let template = json!({"metadata": {"name": "app"}, "spec": {"template": abroad()}});
    assert_eq!(
        ask(&shared, "/validate/labelled", &review("Deployment", &template)),
        json!({
            "uid": "7", "allowed": true,
            "warnings": ["not judged yet: namespace cx is not known yet; retry; its pods will be"],
        })
    );
}

#[test]
fn a_namespace_that_becomes_known_in_the_meantime_is_waited_for() {
    let (shared, _drafts) = operator("");
    let started = Instant::now();
    let response = RUNTIME.block_on(async {
        let asked = tokio::spawn({
            let shared = shared.clone();
            async move { send(&shared, "/validate/labelled", review("Pod", &abroad()).to_string()).await.1 }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!asked.is_finished());
        let namespace = documents(WORLD).remove(0);
        shared.anticipate(Object::from_manifest(namespace).unwrap().unwrap());
        asked.await.unwrap()
    });
    assert!(response.contains("[RES-PLACE]"), "{response}");
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[test]
fn a_body_that_no_review_can_have_is_not_read() {
    let (shared, _drafts) = operator(WORLD);
    let size = |mebibytes: usize| " ".repeat(mebibytes * 1024 * 1024);
    assert_eq!(RUNTIME.block_on(send(&shared, "/validate/labelled", size(9))).0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(RUNTIME.block_on(send(&shared, "/validate/labelled", size(7))).0, StatusCode::BAD_REQUEST);
}

#[test]
fn nothing_is_judged_before_the_caches_are_full() {
    let (shared, _drafts) = Shared::new(Index::new(catalogue::load().unwrap()), Clock::wall());
    let (status, _) = RUNTIME.block_on(send(&shared, "/validate/labelled", review("Pod", &abroad()).to_string()));
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn probes_and_metrics_tell_how_it_goes() {
    let (shared, _drafts) = operator(WORLD);
    let get = |path: &str| {
        RUNTIME.block_on(async {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = webhook::health(shared.clone()).oneshot(request).await.unwrap();
            let status = answer.status();
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(text.to_vec()).unwrap())
        })
    };
    assert_eq!(get("/healthz").0, StatusCode::OK);
    assert_eq!(get("/readyz").0, StatusCode::SERVICE_UNAVAILABLE);
    shared.set_ready(Ok(()));
    assert_eq!(get("/readyz").0, StatusCode::OK);
    ask(&shared, "/validate/labelled", &review("Pod", &abroad()));
    // Kinds that somebody makes up must not become values of a metric.
    ask(&shared, "/validate/labelled", &review("MadeUp", &json!({})));
    let metrics = get("/metrics").1;
    for line in [
        "domicile_admission_requests_total{phase=\"validate\",kind=\"Pod\",verdict=\"Refuse\"} 1",
        "domicile_admission_requests_total{phase=\"validate\",kind=\"other\",verdict=\"Allow\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("MadeUp"));
}

/// Any JSON.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{0,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Every place in a JSON value.
fn pointers(value: &Value, here: &str, into: &mut Vec<String>) {
    into.push(here.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| pointers(value, &format!("{here}/{}", escaped(key)), into));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| pointers(value, &format!("{here}/{at}"), into));
        }
        _ => {}
    }
}

/// An object in which everything that is read says something.
fn rich(kind: &str) -> Value {
    let spec = json!({
        "nodeName": "", "nodeSelector": {COUNTRY: "DE"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": COUNTRY, "operator": "In", "values": ["DE", "US"]}]},
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]},
        ]}}},
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, {"secret": {"secretName": "s"}}],
        "containers": [{"name": "app", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "envFrom": [{"secretRef": {"name": "s"}}]}],
    });
    let metadata = json!({"name": "app", "labels": {"app": "survey", "domicile.dev/origin": "FR_DE"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "ReplicaSet", "name": "r", "uid": "1", "controller": true}]});
    match kind {
        "Pod" => json!({"metadata": metadata, "spec": spec}),
        _ => json!({"metadata": metadata, "spec": {
            "selector": {"matchLabels": {"app": "survey"}},
            "template": {"metadata": metadata, "spec": spec},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"storageClassName": "x"}}],
        }}),
    }
}

/// What every answer has to be like.
fn check(status: StatusCode, text: &str) -> Result<(), TestCaseError> {
    if status == StatusCode::BAD_REQUEST {
        prop_assert!(text.starts_with("not an admission review: "), "{}", text);
        return Ok(());
    }
    prop_assert_eq!(status, StatusCode::OK, "{}", text);
    let answer: Value = serde_json::from_str(text).unwrap();
    let response = &answer["response"];
    if response["allowed"] == false {
        prop_assert!(response["status"]["code"].as_u64().is_some_and(|code| code >= 400), "{}", text);
        prop_assert!(response["status"]["message"].as_str().is_some_and(|one| !one.is_empty()), "{}", text);
        prop_assert!(response["patch"].is_null(), "{}", text);
    } else {
        prop_assert_eq!(&response["allowed"], &json!(true));
    }
    Ok(())
}

#[test]
fn no_bytes_make_it_panic() {
    let (shared, _drafts) = operator(WORLD);
    proptest!(|(bytes in prop::collection::vec(any::<u8>(), 0..512))| {
        let (status, text) = RUNTIME.block_on(send(&shared, "/mutate/own", bytes));
        check(status, &text)?;
    });
}

#[test]
fn no_change_to_a_review_makes_it_panic() {
    let (shared, _drafts) = operator(WORLD);
    let paths = ["/mutate/labelled", "/validate/labelled", "/validate/object", "/validate/own"];
    let strategy = (
        prop::sample::select(vec!["Pod", "StatefulSet", "DataStore"]),
        prop::sample::select(paths.to_vec()),
        any::<bool>(),
        prop::collection::vec((any::<prop::sample::Index>(), json_value()), 1..4),
        prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
    );
    proptest!(|((kind, path, update, changes, broken) in strategy)| {
        let mut object = rich(kind);
        for (at, value) in changes {
            let mut all = Vec::new();
            pointers(&object, "", &mut all);
            let pointer: &String = at.get(all.as_slice());
            *object.pointer_mut(pointer).unwrap() = value;
        }
        let mut asked = review(kind, &object);
        if update {
            asked["request"]["operation"] = json!("UPDATE");
            asked["request"]["oldObject"] = rich(kind);
        }
        let mut bytes = asked.to_string().into_bytes();
        // A broken namespace would be waited for; there the API server has no say.
        let path = match broken {
            Some((at, byte)) => {
                *at.get_mut(&mut bytes) = byte;
                "/validate/own"
            }
            None => path,
        };
        let (status, text) = RUNTIME.block_on(send(&shared, path, bytes));
        check(status, &text)?;
    });
}
