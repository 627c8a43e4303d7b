//! The decision alone, with the whole built-in lawbook, 1,000 stores, 1,000 flows and 100 policies beside the built-in one.
//!
//! ```text
//! cargo bench --bench decision
//! ```
//!
//! Each decision is timed by itself, over every store or flow in turn, and divided by its placements. The baseline in the
//! same run is to read the same object from JSON, which no webhook can do without; rounds of the two take turns, so that
//! whatever else the machine does falls on both. The ratios are what to read.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use domicile::api::v1alpha1::DataFlow;
use domicile::catalogue;
use domicile::engine::country::Country;
use domicile::engine::decide;
use domicile::engine::facts::Facts;
use domicile::engine::law::matter::Matter;
use domicile::engine::law::opinion::{Legal, opinion};
use domicile::engine::law::reach::reach;
use domicile::engine::lawbook::Lawbook;
use domicile::engine::verdict::Action;
use domicile::index::{Index, Object};
use domicile::interpret::objects::Pod;
use domicile::interpret::pod::{self, Pinning, PodView};
use domicile::interpret::world::World;
use domicile::interpret::{self, Body, Operation, Request, matter, own, read};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const STORES: usize = 1_000;
const FLOWS: usize = 1_000;
const POLICIES: usize = 100;
const NODES: usize = 50;
const NAMESPACES: usize = 100;
/// The first rounds only warm up.
const WARM: usize = 2;
const ROUNDS: usize = 10;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    // `cargo test --benches` only wants to see that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let now: Timestamp = "2026-11-22T00:00:00Z".parse()?;
    let world = index()?.refresh(now);
    let lawbook = &world.lawbook;
    println!(
        "{STORES} stores, {FLOWS} flows, {POLICIES} policies and the built-in one, {} mechanisms, {} jurisdictions, {} blocs\n",
        lawbook.mechanisms().count(),
        lawbook.jurisdictions().count(),
        lawbook.blocs().count(),
    );
    println!(
        "{:<44} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "µs for each placement", "placements", "p50", "p99", "ratio", "allocs", "bytes", "action"
    );
    let pods = |pods: Vec<Value>| judged::<Pod>(&world, &pods, now, of_pod);
    print("pods of labelled namespaces, rewritten", &pods(labelled(false))?);
    print("pods of labelled namespaces, pinned", &pods(labelled(true))?);
    print("pods of stores, rewritten", &pods(of_stores(false))?);
    print("pods of stores, pinned", &pods(of_stores(true))?);
    print("pods of flows with a claimed ground", &pods(of_flows())?);
    let flows: Vec<Value> = (0..FLOWS).map(flow).collect();
    print("flows themselves", &judged::<DataFlow>(&world, &flows, now, of_flow)?);
    println!("\nratio: to reading the object from JSON, for the whole decision; allocs and bytes: for each decision\n");
    admission(&world, &flows, now)?;
    law(&world, now)
}

/// What was measured of one kind of object.
struct Figures {
    placements: f64,
    /// Microseconds for each placement, sorted.
    times: Vec<f64>,
    /// How long a decision takes against the baseline, at the median.
    ratio: f64,
    allocations: f64,
    bytes: f64,
    action: Action,
}

fn print(name: &str, figures: &Figures) {
    let Figures { placements, times, ratio, allocations, bytes, action } = figures;
    let (p50, p99) = (at(times, 50), at(times, 99));
    println!(
        "{name:<44} {placements:>10.1} {p50:>8.2} {p99:>8.2} {ratio:>8.2} {allocations:>8.1} {bytes:>8.0} {:>8}",
        format!("{action:?}")
    );
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[sorted.len() * percent / 100]
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(number: impl TryInto<u64>) -> f64 {
    number.try_into().unwrap_or(u64::MAX) as f64
}

/// Decides every object some rounds long, and reads it from JSON in between.
fn judged<T: DeserializeOwned>(
    world: &World,
    objects: &[Value],
    now: Timestamp,
    facts: fn(&World, &T) -> Outcome<Facts>,
) -> Outcome<Figures> {
    let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
    let all: Vec<Facts> =
        texts.iter().map(|text| facts(world, &serde_json::from_str(text)?)).collect::<Outcome<_>>()?;
    let mut figures = Figures {
        placements: float(all[0].placements.len()),
        times: Vec::new(),
        ratio: 0.0,
        allocations: 0.0,
        bytes: 0.0,
        action: Action::Allow,
    };
    let (mut decisions, mut baseline) = (Vec::new(), Vec::new());
    for round in 0..WARM + ROUNDS {
        for facts in &all {
            let start = Instant::now();
            black_box(decide(black_box(facts), &world.lawbook, &world.policies, now));
            let time = micros(start);
            if round >= WARM {
                decisions.push(time);
                figures.times.push(time / float(facts.placements.len()));
            }
        }
        for text in &texts {
            let start = Instant::now();
            black_box(serde_json::from_str::<T>(black_box(text))?);
            let time = micros(start);
            if round >= WARM {
                baseline.push(time);
            }
        }
    }
    figures.times = sorted(figures.times);
    figures.ratio = at(&sorted(decisions), 50) / at(&sorted(baseline), 50);
    let counted = allocation_counter::measure(|| {
        for facts in &all {
            black_box(decide(facts, &world.lawbook, &world.policies, now));
        }
    });
    figures.allocations = float(counted.count_total) / float(all.len());
    figures.bytes = float(counted.bytes_total) / float(all.len());
    for facts in &all {
        let verdict = decide(facts, &world.lawbook, &world.policies, now);
        if verdict.action == Action::Refuse {
            // What is refused is another, slower way through the decision than the one that is meant here.
            return Err(format!("refused: {:#?}", verdict.findings).into());
        }
        figures.action = figures.action.max(verdict.action);
    }
    Ok(figures)
}

fn of_pod(world: &World, pod: &Pod) -> Outcome<Facts> {
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let namespace = world.namespace(&pod.namespace().unwrap_or_default()).ok_or("no such namespace")?;
    let view = PodView::of(&labels, &pod.spec);
    let facts = pod::facts(world, namespace, view, Pinning::Possible);
    if facts.placements.is_empty() { Err("out of scope".into()) } else { Ok(facts) }
}

fn of_flow(world: &World, flow: &DataFlow) -> Outcome<Facts> {
    let (data, matter) = before_the_law(world, flow)?;
    let reading = read::flow(&flow.spec).map_err(|problems| format!("{problems:?}"))?;
    Ok(own::flow_facts(&flow.spec, reading.recipient, data, matter))
}

/// A flow as its own admission sees it.
fn before_the_law(world: &World, flow: &DataFlow) -> Outcome<(domicile::engine::data::Data, Arc<Matter>)> {
    use domicile::engine::data::{Data, Source};
    let namespace = flow.namespace().unwrap_or_default();
    let store = flow.spec.from.data_store.as_ref().ok_or("no source")?;
    let source = world.store(&namespace, &store.name).ok_or("no such store")?;
    let data = Data { via: Source::Flow(namespace.clone(), flow.name_any()), ..source.clone() };
    let reading = read::flow(&flow.spec).map_err(|problems| format!("{problems:?}"))?;
    let from = world.store_matter(&namespace, &store.name);
    let matter = matter::of_flow(&flow.spec, &reading, &data, from, None, true);
    Ok((data, Arc::new(matter)))
}

/// A flow's admission as a whole, reading included.
fn admission(world: &World, flows: &[Value], now: Timestamp) -> Outcome<()> {
    let mut times = Vec::new();
    for (round, flow) in (0..WARM + ROUNDS).flat_map(|round| flows.iter().map(move |flow| (round, flow))) {
        let text = flow.to_string();
        let request = Request {
            operation: Operation::Create,
            group: "domicile.dev",
            kind: "DataFlow",
            namespace: flow["metadata"]["namespace"].as_str().unwrap_or_default(),
            name: flow["metadata"]["name"].as_str().unwrap_or_default(),
            object: Body::Json(&text),
            old: None,
            user: domicile::interpret::access::User::default(),
        };
        let start = Instant::now();
        let judgement = interpret::judge(world, &request, now)?;
        if round >= WARM {
            times.push(micros(start));
        }
        if judgement.verdict.action != Action::Allow {
            return Err(format!("{:#?}", judgement.verdict).into());
        }
    }
    let times = sorted(times);
    println!("a flow's admission with reading it: p50 {:.1} µs, p99 {:.1} µs", at(&times, 50), at(&times, 99));
    Ok(())
}

/// The law by itself: to make a lawbook, to work out where it lets data be, to ask it about one flow.
fn law(world: &World, now: Timestamp) -> Outcome<()> {
    let builtin = catalogue::load()?;
    let problem = |problems: Vec<read::Problem>| format!("{problems:?}");
    let blocs: Vec<_> =
        builtin.blocs.iter().map(|one| read::bloc(&one.spec).map_err(problem)).collect::<Result<_, _>>()?;
    let jurisdictions: Vec<_> = builtin.jurisdictions.into_iter().map(|(_, law)| law).collect();
    let mechanisms: Vec<_> = builtin.mechanisms.into_iter().map(|(_, mechanism)| mechanism).collect();
    let lawbook = &world.lawbook;
    let letters = || 'A'..='Z';
    let countries: Vec<Country> = letters()
        .flat_map(|first| letters().map(move |second| format!("{first}{second}")))
        .filter_map(|code| Country::parse(&code).ok())
        .collect();
    let flow: DataFlow = serde_json::from_value(flow(0))?;
    let (_, matter) = before_the_law(world, &flow)?;
    let said = opinion(&matter, lawbook, now);
    if said.legal > Legal::Conditional {
        return Err(format!("{said:#?}").into());
    }
    single("catalogue from YAML", 5, || drop(black_box(catalogue::load())));
    single("Lawbook::new", 50, || {
        drop(black_box(Lawbook::new(blocs.clone(), jurisdictions.clone(), mechanisms.clone())));
    });
    single("Lawbook::known_at", 50, || drop(black_box(lawbook.known_at(now))));
    single(&format!("reach of all {} countries", countries.len()), 50, || {
        for country in &countries {
            black_box(reach(*country, lawbook, now));
        }
    });
    single(&format!("opinion on a flow, {} outcomes", said.outcomes.len()), 3_000, || {
        drop(black_box(opinion(&matter, lawbook, now)));
    });
    Ok(())
}

fn single(name: &str, times: usize, mut work: impl FnMut()) {
    work();
    let measured = (0..times).map(|_| {
        let start = Instant::now();
        work();
        micros(start)
    });
    let measured = sorted(measured.collect());
    let counted = allocation_counter::measure(&mut work);
    println!(
        "{name:<44} p50 {:>10.1} µs, p99 {:>10.1} µs, {:>6} allocations",
        at(&measured, 50),
        at(&measured, 99),
        counted.count_total
    );
}

/// Ten stores and ten flows in each namespace; policies of which half cover the data, a tenth by what law allows.
fn index() -> Outcome<Index> {
    let mut index = Index::new(catalogue::load()?);
    let mut apply = |manifest: Value| -> Outcome<()> {
        index.apply(Object::from_manifest(manifest)?.ok_or("not a kind that the index keeps")?);
        Ok(())
    };
    for namespace in 0..NAMESPACES {
        let name = format!("cx-{namespace}");
        let labels = json!({"domicile.dev/origin": "DE"});
        apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))?;
    }
    for number in 0..STORES {
        apply(store(number))?;
    }
    for number in 0..FLOWS {
        apply(flow(number))?;
    }
    for policy in 0..POLICIES {
        let origins = if policy % 2 == 0 { json!(["EEA"]) } else { json!(["US", "CA"]) };
        let process = if policy % 10 == 0 { json!(["Law"]) } else { json!(["EEA"]) };
        apply(json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy",
            "metadata": {"name": format!("policy-{policy}")},
            "spec": {
                "match": {"origins": origins},
                "residence": {"Store": ["Origin"], "Process": process, "Backup": ["Origin"]},
                "checks": ["Localisation", "Transfer"],
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

fn store(number: usize) -> Value {
    json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore",
        "metadata": {"name": format!("store-{number}"), "namespace": format!("cx-{}", number % NAMESPACES)},
        "spec": {
            "origins": ["DE"], "categories": ["user.content.survey_response"], "purposes": ["cx-feedback"],
            "residence": {"country": "DE"},
            "parties": [
                {"role": "Controller", "establishedIn": "DE", "legalEntity": "example"},
                {"role": "Processor", "establishedIn": "FR", "accessFrom": ["FR"]},
            ],
            "workloads": {"selector": {"matchLabels": {"app": format!("app-{number}")}}},
            "secrets": [format!("app-{number}-credentials")],
        },
    })
}

/// To a recipient abroad, on a certificate with clauses to fall back to.
fn flow(number: usize) -> Value {
    json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow",
        "metadata": {"name": format!("flow-{number}"), "namespace": format!("cx-{}", number % NAMESPACES)},
        "spec": {
            "from": {"dataStore": {"name": format!("store-{number}")}},
            "to": {"recipient": {
                "name": "Example, Inc.", "place": {"country": "US"},
                "establishedIn": "US", "controlledFrom": "US", "subjectTo": [],
            }},
            "pattern": "Systematic",
            "bases": [
                {
                    "mechanism": "eu-us-dpf",
                    "certified": {"scheme": "eu-us-dpf", "asOf": "2026-09-01", "evidence": "register/example"},
                },
                {
                    "mechanism": "eu-scc-2021",
                    "instrument": {
                        "text": "2021/914", "module": 2, "concluded": "2024-03-01", "unmodified": true,
                        "evidence": "contracts/example",
                    },
                    "assessment": {"kind": "TransferImpact", "outcome": "Favourable", "asOf": "2026-02-01"},
                },
            ],
            "workloads": {"selector": {"matchLabels": {"carries": format!("flow-{number}")}}},
        },
    })
}

fn labelled(pinned: bool) -> Vec<Value> {
    (0..STORES).map(|number| pod(number, &json!({"app": "plain"}), pinned)).collect()
}

fn of_stores(pinned: bool) -> Vec<Value> {
    (0..STORES).map(|number| pod(number, &json!({"app": format!("app-{number}")}), pinned)).collect()
}

fn of_flows() -> Vec<Value> {
    (0..FLOWS).map(|number| pod(number, &json!({"carries": format!("flow-{number}")}), true)).collect()
}

/// A pod as a replica set makes it.
fn pod(number: usize, labels: &Value, pinned: bool) -> Value {
    let env: Vec<Value> =
        (0..12).map(|at| json!({"name": format!("SETTING_{at}"), "value": format!("{at}")})).collect();
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/cx/{name}:1.2.3"), "imagePullPolicy": "IfNotPresent",
            "env": env, "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true},
        })
    };
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "responses-7d4b9c6f5-", "namespace": format!("cx-{}", number % NAMESPACES),
            "labels": labels,
        },
        "spec": {
            "containers": [container("api"), container("proxy")],
            "volumes": [{"name": "config", "configMap": {"name": "responses"}}, {"name": "scratch", "emptyDir": {}}],
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
        },
    });
    if pinned {
        pod["spec"]["nodeSelector"] = json!({"topology.kubernetes.io/region": "eu-central-1"});
    }
    pod
}
