//! What a collector of traces is told of reviews and of turns of controllers, without a cluster.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use domicile::state::Shared;
use domicile::telemetry::otlp::{Exporter, Settings, Source};
use domicile::telemetry::{LogFormat, Metrics, subscriber};
use domicile::webhook;
use domicile::webhook::tls;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::client::RUNTIME;
use crate::collector::{Attributes, Collector, Seen};
use crate::plane::COUNTRY;
use crate::poll::{PATIENCE, until, yes};
use crate::webhook::operator;

const WORLD: &str = "
    apiVersion: v1
    kind: Namespace
    metadata: {name: cx, labels: {domicile.dev/origin: DE}}
";

/// Planted where no trace has any business.
const CANARY: &str = "canary-4711";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn settings(endpoint: &str) -> Settings {
    Settings { endpoint: Some(endpoint.parse().unwrap()), authority: None, ratio: 1.0 }
}

fn source() -> Source {
    Source { replica: "replica-1".into(), pod: Some("domicile-7d4".into()), namespace: "domicile-system".into() }
}

/// Does something while an exporter listens, and lets it send what it has heard. How many spans it lost.
fn heard(settings: &Settings, work: impl FnOnce()) -> u64 {
    let lost = Metrics::default().spans_lost;
    let exporter = Exporter::start(settings, source(), RUNTIME.handle().clone(), lost.clone()).unwrap().unwrap();
    let listens = subscriber(LogFormat::Json, "off", Some(exporter.listener()));
    tracing::subscriber::with_default(listens, work);
    exporter.close();
    lost.get()
}

/// A review of a pod with secrets of every sort.
fn review(name: &str, country: &str) -> Value {
    let pod = json!({
        "metadata": {"name": name, "labels": {"note": CANARY}, "annotations": {"note": CANARY}},
        "spec": {
            "nodeSelector": {COUNTRY: country},
            "containers": [{
                "name": CANARY, "image": format!("{CANARY}/app"), "args": [CANARY],
                "env": [{"name": "PASSWORD", "value": CANARY}, {"name": CANARY, "value": "postgres://a.example.com/b"}],
            }],
        },
    });
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "7", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "cx",
            "name": name, "userInfo": {"username": CANARY, "groups": [CANARY]}, "object": pod,
        },
    })
}

/// Asks the webhook, in a request with these headers.
fn ask(shared: &Arc<Shared>, review: &Value, headers: &[(&str, &str)]) -> Value {
    let mut request = Request::post("/validate/labelled");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(review.to_string())).unwrap();
    RUNTIME.block_on(async {
        let answer = webhook::app(shared.clone()).oneshot(request).await.unwrap();
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap_or_default()
    })
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Attributes {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The span of the review among those of its parts.
fn of_review(spans: &[Seen]) -> &Seen {
    let is = |span: &&Seen| span.attributes.contains_key("domicile.verdict");
    spans.iter().find(is).unwrap_or_else(|| panic!("no review: {spans:?}"))
}

#[test]
fn a_review_is_a_child_of_the_request_and_tells_names_and_nothing_of_what_objects_hold() {
    let (collector, (shared, _drafts)) = (Collector::start(), operator(WORLD));
    let state = format!("vendor={CANARY}");
    let headers = [("traceparent", &*traceparent("01")), ("tracestate", &*state), ("baggage", CANARY)];
    let lost = heard(&settings(&collector.endpoint()), || {
        assert_eq!(ask(&shared, &review("app", "US"), &headers)["response"]["allowed"], false);
    });
    assert_eq!(lost, 0);
    let spans = collector.spans();
    let review = of_review(&spans);
    let told = attributes([
        ("domicile.dry_run", "false"),
        ("domicile.operation", "CREATE"),
        ("domicile.phase", "validate"),
        ("domicile.policies", "law"),
        ("domicile.rules", "RES-PLACE,RES-UNKNOWN"),
        ("domicile.scope", "labelled"),
        ("domicile.verdict", "Refuse"),
        ("k8s.namespace.name", "cx"),
        ("k8s.object.kind", "Pod"),
        ("k8s.object.name", "app"),
        ("k8s.pod.name", "app"),
    ]);
    assert_eq!(review.attributes, told);
    let place = (review.name.as_str(), review.trace.as_str(), review.parent.as_str(), review.state.as_str());
    assert_eq!(place, ("/validate/labelled", TRACE, PARENT, ""));
    let own = attributes([
        ("k8s.namespace.name", "domicile-system"),
        ("k8s.pod.name", "domicile-7d4"),
        ("service.instance.id", "replica-1"),
        ("service.name", "domicile"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ]);
    assert!(own.iter().all(|(key, value)| review.resource.get(key) == Some(value)), "{:?}", review.resource);
    let parts: Vec<_> = spans.iter().filter(|span| span.parent == review.id).map(|span| &*span.name).collect();
    assert_eq!(parts, ["decode", "decide"]);
    assert_eq!(spans.iter().map(|span| span.words).sum::<usize>(), 0);
    assert!(!String::from_utf8_lossy(&collector.raw()).contains(CANARY));
}

#[test]
fn what_the_request_does_not_trace_is_not_traced_and_what_says_nothing_of_it_is_its_own_trace() {
    let (collector, (shared, _drafts)) = (Collector::start(), operator(WORLD));
    let settings = settings(&collector.endpoint());
    heard(&settings, || drop(ask(&shared, &review("app", "DE"), &[("traceparent", &traceparent("00"))])));
    assert_eq!(collector.spans(), []);
    let never = Settings { ratio: 0.0, ..settings.clone() };
    heard(&never, || drop(ask(&shared, &review("app", "DE"), &[])));
    assert_eq!(collector.spans(), []);
    heard(&never, || drop(ask(&shared, &review("app", "DE"), &[("traceparent", &traceparent("01"))])));
    assert_eq!(of_review(&collector.spans()).trace, TRACE);

    let collector = Collector::start();
    let settings = Settings { endpoint: Some(collector.endpoint().parse().unwrap()), ..settings };
    let wrong = format!("00-{TRACE}-0000000000000000-01");
    heard(&settings, || {
        for traceparent in ["", "nonsense", &wrong, &traceparent("01").to_uppercase()] {
            ask(&shared, &review("app", "DE"), &[("traceparent", traceparent)]);
        }
    });
    let roots = collector.spans().into_iter().filter(|span| span.parent.is_empty() && span.trace != TRACE).count();
    assert_eq!(roots, 4);
}

#[test]
fn what_is_told_is_no_longer_than_names_are() {
    let (collector, (shared, _drafts)) = (Collector::start(), operator(WORLD));
    let mut long = review(&"ä".repeat(5_000), "DE");
    long["request"]["kind"]["kind"] = "K".repeat(5_000).into();
    long["request"]["operation"] = "O".repeat(5_000).into();
    heard(&settings(&collector.endpoint()), || {
        let mut pod = long.clone();
        pod["request"]["kind"]["kind"] = "Pod".into();
        pod["request"]["operation"] = "CREATE".into();
        ask(&shared, &pod, &[]);
        ask(&shared, &long, &[]);
    });
    let spans = collector.spans();
    let longest = spans.iter().flat_map(|span| span.attributes.values().chain([&span.name])).map(String::len).max();
    assert_eq!(longest, Some(253));
    assert_eq!(of_review(&spans).attributes["k8s.pod.name"], "ä".repeat(126));
    assert_eq!(spans.iter().filter(|span| span.attributes.contains_key("k8s.object.name")).count(), 2);
}

#[test]
fn a_review_that_waits_tells_for_what() {
    let (collector, (shared, _drafts)) = (Collector::start(), operator(""));
    heard(&settings(&collector.endpoint()), || {
        assert_eq!(ask(&shared, &review("app", "DE"), &[])["response"]["status"]["code"], 503);
    });
    let spans = collector.spans();
    let review = of_review(&spans);
    assert_eq!(review.attributes["domicile.verdict"], "Error");
    let waits: Vec<_> = spans.iter().filter_map(|span| span.attributes.get("domicile.awaits")).collect();
    assert_eq!(waits, ["namespace"]);
}

#[test]
fn a_turn_of_a_controller_tells_what_came_of_it() {
    let collector = Collector::start();
    let metrics = Metrics::default();
    heard(&settings(&collector.endpoint()), || {
        metrics.turn("nodes").ended(true);
        metrics.turn("status").ended(false);
        // Cut short, as when the lease is lost.
        drop(metrics.turn("network"));
    });
    let told: Vec<_> = collector.spans().into_iter().map(|span| (span.name, span.attributes)).collect();
    let turn = |controller, result: Option<_>| {
        let result = result.map(|result| ("domicile.result", result));
        (format!("reconcile {controller}"), attributes([("domicile.controller", controller)].into_iter().chain(result)))
    };
    assert_eq!(told, [turn("nodes", Some("done")), turn("status", Some("failed")), turn("network", None)]);
}

#[test]
fn a_collector_that_does_not_answer_neither_slows_nor_changes_reviews_and_what_it_misses_is_counted() {
    const REVIEWS: usize = 1_000;
    let (shared, _drafts) = operator(WORLD);
    let expected = ask(&shared, &review("app", "US"), &[]);
    // One takes connections and says nothing, the other is not there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let absent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [silent.local_addr().unwrap(), absent.local_addr().unwrap()];
    drop(absent);
    for address in addresses {
        let mut slowest = Duration::ZERO;
        let started = Instant::now();
        let lost = heard(&settings(&format!("http://{address}")), || {
            for _ in 0..REVIEWS {
                let started = Instant::now();
                assert_eq!(ask(&shared, &review("app", "US"), &[]), expected);
                slowest = slowest.max(started.elapsed());
            }
            // One that waited for the exporter would wait for seconds.
            assert!(slowest < Duration::from_secs(1), "{address}: {slowest:?}");
        });
        assert!(started.elapsed() < Duration::from_secs(20), "{address}: {:?}", started.elapsed());
        // A full queue loses more; an exporter that is told to stop does not wait for its last batch.
        assert!(lost >= 512 || address == addresses[0], "{address}: {lost}");
    }
}

#[test]
fn a_collector_is_called_over_tls_only_if_an_authority_of_ours_vouches_for_it() {
    let now = Timestamp::now();
    let until = now + SignedDuration::from_hours(1);
    let authority = tls::authority(now, until).unwrap();
    let pair = tls::issue(&authority, &["localhost".to_owned()], now, until).unwrap();
    let serving = Arc::new(tls::Serving::default());
    serving.set(&tls::Identity::new(&pair).unwrap());
    let collector = Collector::start_with(Some(tls::config(serving).unwrap()));

    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("https://localhost:{}", collector.address.port());
    let metrics = Metrics::default();
    for (name, authority, taken) in [("other", tls::authority(now, until).unwrap(), 0), ("ours", authority, 1)] {
        let file = folder.path().join(name);
        std::fs::write(&file, authority.certificate).unwrap();
        let settings = Settings { authority: Some(file), ..settings(&endpoint) };
        let lost = heard(&settings, || metrics.turn("nodes").ended(true));
        assert_eq!((collector.spans().len(), lost), (taken, 1 - taken as u64), "{name}");
    }
}

#[test]
fn spans_are_not_kept_until_the_end() {
    let collector = Collector::start();
    let metrics = Metrics::default();
    heard(&settings(&collector.endpoint()), || {
        metrics.turn("nodes").ended(true);
        until("the span is there", PATIENCE, || yes(collector.spans().len() == 1, "it is not"));
    });
}
