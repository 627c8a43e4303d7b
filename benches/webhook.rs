//! Our webhook beside one that does nothing, in the same run: TLS 1.3 and HTTP/2 over one connection, as the API server
//! calls it, with 1,000 stores and 100 policies loaded.
//!
//! ```text
//! cargo bench --bench webhook
//! ```
//!
//! The webhook that does nothing reads the review's uid, without which no answer is possible, and allows. Rounds of the
//! two take turns, so that whatever else the machine does falls on both; the ratios are what to read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes as Body;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use domicile::catalogue;
use domicile::index::{Index, Object};
use domicile::interpret::world::World;
use domicile::interpret::{self, Body as Content, Operation, Request};
use domicile::state::{Clock, Shared};
use domicile::webhook::{self, tls};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const STORES: usize = 1_000;
const POLICIES: usize = 100;
const NODES: usize = 50;
const ROUNDS: usize = 7;
const LATENCY_REQUESTS: usize = 3_000;
const THROUGHPUT: Duration = Duration::from_millis(1_500);
const STREAMS: usize = 64;

type Client = SendRequest<Full<Bytes>>;
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    // `cargo test --benches` only wants to see that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?;
    runtime.block_on(run())
}

async fn run() -> Outcome<()> {
    let (shared, _events) = Shared::new(world()?, Clock::wall());
    shared.set_synced();
    let world = shared.world();
    let nothing = serve(Router::new().route("/{*any}", post(do_nothing)))?;
    let ours = serve(webhook::app(shared))?;
    let pinned = review(&pod(true));
    let unpinned = review(&pod(false));
    println!("review of {} bytes, {STORES} stores, {POLICIES} policies, {NODES} nodes\n", unpinned.len());
    let cases = [
        ("mutate, pod is rewritten", "/mutate/labelled", &unpinned),
        ("validate, pod is pinned", "/validate/labelled", &pinned),
    ];
    for (name, pod) in [("rewritten", pod(false)), ("pinned", pod(true))] {
        println!("the decision alone, pod is {name}: {:.1} µs", decision(&world, &pod)?);
    }
    println!("\n{:<28} {:>10} {:>10} {:>12}", "", "p50 µs", "p99 µs", "reviews/s");
    for (name, path, body) in cases {
        let mut baseline = Figures::default();
        let mut measured = Figures::default();
        for round in 0..=ROUNDS {
            let nothing = round_of(nothing, path, body).await?;
            let ours = round_of(ours, path, body).await?;
            // The first round warms up both.
            if round > 0 {
                baseline.add(&nothing);
                measured.add(&ours);
            }
        }
        baseline.print("does nothing");
        measured.print(name);
        println!(
            "{:<28} {:>10.2} {:>10.2} {:>12.2}\n",
            "  ratio (1 is equal)",
            median(&measured.p50) / median(&baseline.p50),
            median(&measured.p99) / median(&baseline.p99),
            median(&baseline.rate) / median(&measured.rate),
        );
    }
    Ok(())
}

/// Microseconds of one judgement, decoding of the pod included: the median of some hundred batches.
fn decision(world: &World, pod: &Value) -> Outcome<f64> {
    const BATCHES: usize = 300;
    const BATCH: u32 = 50;
    let object = pod.to_string();
    let request = Request {
        operation: Operation::Create,
        group: "",
        kind: "Pod",
        namespace: "cx-7",
        name: "",
        object: Content::Json(&object),
        old: None,
        user: domicile::interpret::access::User::default(),
    };
    let now = jiff::Timestamp::now();
    let mut times = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..BATCH {
            std::hint::black_box(interpret::judge(world, std::hint::black_box(&request), now)?);
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH));
    }
    Ok(median(&times))
}

#[derive(Default)]
struct Figures {
    p50: Vec<f64>,
    p99: Vec<f64>,
    rate: Vec<f64>,
}

impl Figures {
    fn add(&mut self, round: &(f64, f64, f64)) {
        self.p50.push(round.0);
        self.p99.push(round.1);
        self.rate.push(round.2);
    }

    fn print(&self, name: &str) {
        let [p50, p99, rate] = [&self.p50, &self.p99, &self.rate].map(|values| median(values));
        println!("{name:<28} {p50:>10.1} {p99:>10.1} {rate:>12.0}");
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// p50 and p99 of single requests in microseconds, then requests a second with many streams at once.
async fn round_of(address: SocketAddr, path: &str, body: &Bytes) -> Outcome<(f64, f64, f64)> {
    let mut client = connect(address).await?;
    let mut times = Vec::with_capacity(LATENCY_REQUESTS);
    for _ in 0..LATENCY_REQUESTS {
        let start = Instant::now();
        call(&mut client, path, body).await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let start = Instant::now();
    let workers: Vec<_> = (0..STREAMS)
        .map(|_| {
            let (mut client, path, body) = (client.clone(), path.to_owned(), body.clone());
            tokio::spawn(async move {
                let mut count = 0_u32;
                while start.elapsed() < THROUGHPUT {
                    call(&mut client, &path, &body).await?;
                    count += 1;
                }
                Outcome::Ok(count)
            })
        })
        .collect();
    let mut total = 0;
    for worker in workers {
        total += worker.await??;
    }
    let rate = f64::from(total) / start.elapsed().as_secs_f64();
    Ok((times[times.len() / 2], times[times.len() * 99 / 100], rate))
}

async fn call(client: &mut Client, path: &str, body: &Bytes) -> Outcome<()> {
    let request = hyper::Request::post(format!("https://127.0.0.1{path}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body.clone()))?;
    client.ready().await?;
    let answer = client.send_request(request).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    let allowed = bytes.windows(14).any(|part| part == b"\"allowed\":true");
    if status.is_success() && allowed { Ok(()) } else { Err(String::from_utf8_lossy(&bytes).into()) }
}

async fn connect(address: SocketAddr) -> Outcome<Client> {
    let mut roots = rustls::RootCertStore::empty();
    let authority = AUTHORITY.get().ok_or("no server yet")?;
    roots.add(rustls_pki_types::pem::PemObject::from_pem_slice(authority.as_bytes())?)?;
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let stream = TlsConnector::from(Arc::new(config)).connect("127.0.0.1".try_into()?, tcp).await?;
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

static AUTHORITY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
static KEY: std::sync::OnceLock<axum_server::tls_rustls::RustlsConfig> = std::sync::OnceLock::new();

fn serve(app: Router) -> Outcome<SocketAddr> {
    if KEY.get().is_none() {
        let (now, tomorrow) = (jiff::Timestamp::now(), jiff::Timestamp::now() + std::time::Duration::from_secs(86_400));
        let authority = tls::authority(now, tomorrow)?;
        let serving = Arc::new(tls::Serving::default());
        let pair = tls::issue(&authority, &["127.0.0.1".to_owned()], now, tomorrow)?;
        serving.set(&tls::Identity::new(&pair)?);
        let _ = AUTHORITY.set(authority.certificate);
        let _ = KEY.set(tls::config(serving)?);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let tls = KEY.get().ok_or("no key")?.clone();
    tokio::spawn(webhook::serve(listener, tls, axum_server::Handle::new(), app)?);
    Ok(address)
}

#[derive(Deserialize)]
struct Review {
    request: Asked,
}

#[derive(Deserialize)]
struct Asked {
    uid: String,
}

async fn do_nothing(body: Body) -> impl IntoResponse {
    let uid = serde_json::from_slice::<Review>(&body).map(|review| review.request.uid).unwrap_or_default();
    let answer = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"{uid}","allowed":true}}}}"#
    );
    ([(header::CONTENT_TYPE, "application/json")], answer)
}

/// The world in which reviews are judged: every store in one of a hundred namespaces, policies of which half cover it.
fn world() -> Outcome<Index> {
    let mut index = Index::new(catalogue::load()?);
    let mut apply = |manifest: Value| -> Outcome<()> {
        index.apply(Object::from_manifest(manifest)?.ok_or("not a kind that the index keeps")?);
        Ok(())
    };
    let namespaces = STORES / 10;
    for namespace in 0..namespaces {
        let name = format!("cx-{namespace}");
        let labels = json!({"domicile.dev/origin": "DE"});
        apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))?;
    }
    for store in 0..STORES {
        let namespace = format!("cx-{}", store % namespaces);
        apply(json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore",
            "metadata": {"name": format!("store-{store}"), "namespace": namespace},
            "spec": {
                "origins": ["DE"], "categories": ["user.content.survey_response"],
                "workloads": {"selector": {"matchLabels": {"app": format!("app-{store}")}}},
                "claims": {"selector": {"matchLabels": {"data": format!("app-{store}")}}},
                "secrets": [format!("app-{store}-credentials")],
            },
        }))?;
    }
    for policy in 0..POLICIES {
        let origins = if policy % 2 == 0 { json!(["EEA"]) } else { json!(["US", "CA"]) };
        apply(json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy",
            "metadata": {"name": format!("policy-{policy}")},
            "spec": {
                "match": {"origins": origins},
                "residence": {"Store": ["Origin"], "Process": ["EEA"], "Backup": ["Origin"]},
            },
        }))?;
    }
    let places = [("eu-central-1", "a"), ("eu-west-3", "b"), ("us-east-2", "a")];
    for node in 0..NODES {
        let (region, zone) = places[node % places.len()];
        apply(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("node-{node}"), "labels": {
                "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": format!("{region}{zone}"),
            }},
            "spec": {"providerID": format!("aws:///{region}{zone}/i-{node}")},
        }))?;
    }
    Ok(index)
}

/// A pod as a replica set makes it, with what the API server has filled in.
fn pod(pinned: bool) -> Value {
    let env: Vec<Value> =
        (0..12).map(|at| json!({"name": format!("SETTING_{at}"), "value": format!("value-of-setting-{at}")})).collect();
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/cx/{name}:1.2.3"), "imagePullPolicy": "IfNotPresent",
            "env": env, "envFrom": [{"secretRef": {"name": "app-7-credentials"}}],
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/token", "readOnly": true}],
        })
    };
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "responses-7d4b9c6f5-", "namespace": "cx-7", "uid": "5b6f2f0e-1111-4222-8333-444455556666",
            "labels": {"app": "app-7", "pod-template-hash": "7d4b9c6f5", "team": "cx"},
            "annotations": {"prometheus.io/scrape": "true", "checksum/config": "0123456789abcdef0123456789abcdef"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "responses-7d4b9c6f5",
                "uid": "0a1b2c3d-1111-4222-8333-444455556666", "controller": true, "blockOwnerDeletion": true}],
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {".": {}, "f:image": {}, "f:env": {}}}}}}],
        },
        "spec": {
            "containers": [container("api"), container("proxy")],
            "volumes": [
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
                {"name": "config", "configMap": {"name": "responses"}},
                {"name": "scratch", "emptyDir": {}},
            ],
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "serviceAccountName": "responses",
            "schedulerName": "default-scheduler", "enableServiceLinks": true, "priority": 0,
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
        "status": {},
    });
    if pinned {
        let regions = ["eu-central-1", "eu-west-3"];
        pod["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [
                {"key": "topology.kubernetes.io/region", "operator": "In", "values": regions},
            ]}]
        }}});
    }
    pod
}

fn review(pod: &Value) -> Bytes {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "cx-7", "operation": "CREATE", "dryRun": false,
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller",
                "groups": ["system:serviceaccounts", "system:authenticated"]},
            "object": pod, "oldObject": null,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    });
    Bytes::from(review.to_string())
}
