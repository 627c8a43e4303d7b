//! Lineage of 10,000 stores and 30,000 flows: the fixed point from scratch, and after one change.
//!
//! ```text
//! cargo bench --bench lineage
//! ```
//!
//! Most flows stay in their own namespace and some lead to any other, so that nearly everything is one tangle with cycles:
//! harder than real systems, which have tiers. Changes are drawn at random from all stores and flows. The engine is timed
//! alone, then the index with all that follows from a change; the ratio to from-scratch in the same run is what to read.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use domicile::catalogue;
use domicile::engine::country::{Country, CountrySet};
use domicile::engine::lineage::{Edge, Lineage, Name, Through};
use domicile::index::{Index, Kind, Object};
use jiff::Timestamp;
use serde_json::{Value, json};

const STORES: usize = 10_000;
const FLOWS: usize = 30_000;
const NAMESPACES: usize = 500;
/// One flow of so many leads into any namespace.
const ABROAD: usize = 20;
/// One store of so many declares an origin; the others have theirs from flows.
const DECLARING: usize = 10;
const ORIGINS: [&str; 30] = [
    "AT", "AU", "BE", "BR", "CA", "CH", "CN", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "HU", "IE", "IN", "IT", "JP",
    "KR", "LU", "MX", "NL", "NO", "PL", "PT", "SE", "SG", "US", "ZA",
];
/// From-scratch runs.
const ROUNDS: usize = 10;
/// Changes of each kind.
const CHANGES: usize = 500;
/// The aims, in milliseconds.
const AIM_SCRATCH: f64 = 200.0;
const AIM_CHANGE: f64 = 2.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    // `cargo test --benches` only wants to see that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let flows: Vec<(usize, usize)> = (0..FLOWS).map(|_| random.flow()).collect();
    println!(
        "{STORES} stores, {FLOWS} flows, {NAMESPACES} namespaces, {} origins; aims: {AIM_SCRATCH} ms and {AIM_CHANGE} ms\n",
        ORIGINS.len()
    );
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "ms", "p50", "p99", "max", "ratio");
    engine(&mut random, &flows)?;
    println!();
    index(&mut random, &flows)
}

/// The fixed point alone.
fn engine(random: &mut Random, flows: &[(usize, usize)]) -> Outcome<()> {
    let stores: BTreeMap<Name, CountrySet> =
        (0..STORES).map(|at| Ok((name(at), origin(at)?))).collect::<Outcome<_>>()?;
    let edge = |at: usize, (from, to): (usize, usize)| {
        Edge::new(Through::Flow((name(from).0, format!("flow-{at}"))), [name(from)], [name(to)])
    };
    let edges: Vec<Edge> = flows.iter().enumerate().map(|(at, ends)| edge(at, *ends)).collect();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(Lineage::new(&stores, &edges));
        times.push(millis(start));
    }
    let scratch = print("engine: from scratch", times, None);
    let mut lineage = Lineage::new(&stores, &edges);
    let mut measure = |what: &str, change: &mut dyn FnMut(&mut Random, &mut Lineage, &mut Vec<f64>)| {
        let mut times = Vec::new();
        for _ in 0..CHANGES {
            change(random, &mut lineage, &mut times);
        }
        print(what, times, Some(scratch));
    };
    let settle = |lineage: &mut Lineage, change: &dyn Fn(&mut Lineage)| {
        let start = Instant::now();
        change(lineage);
        black_box(lineage.settle());
        millis(start)
    };
    measure("engine: a flow goes", &mut |random, lineage, times| {
        let edge = &edges[random.below(FLOWS)];
        times.push(settle(lineage, &|lineage| lineage.remove(edge)));
        settle(lineage, &|lineage| lineage.add(edge.clone()));
    });
    measure("engine: a flow comes", &mut |random, lineage, times| {
        let new = edge(FLOWS, random.flow());
        times.push(settle(lineage, &|lineage| lineage.add(new.clone())));
        settle(lineage, &|lineage| lineage.remove(&new));
    });
    measure("engine: a flow leads elsewhere", &mut |random, lineage, times| {
        let old = &edges[random.below(FLOWS)];
        let new = edge(FLOWS, random.flow());
        let swap = |lineage: &mut Lineage, old: &Edge, new: &Edge| {
            lineage.remove(old);
            lineage.add(new.clone());
        };
        times.push(settle(lineage, &|lineage| swap(lineage, old, &new)));
        settle(lineage, &|lineage| swap(lineage, &new, old));
    });
    for (what, other) in [
        ("engine: a store goes", None),
        ("engine: a store declares other origins", Some(CountrySet::only(Country::parse("NZ")?))),
    ] {
        measure(what, &mut |random, lineage, times| {
            let store = name(random.below(STORES));
            times.push(settle(lineage, &|lineage| lineage.declare(&store, other)));
            settle(lineage, &|lineage| lineage.declare(&store, Some(stores[&store])));
        });
    }
    Ok(())
}

/// The index: lineage, stores and flows before the law, and the namespaces of the snapshot.
fn index(random: &mut Random, flows: &[(usize, usize)]) -> Outcome<()> {
    let now: Timestamp = "2026-11-22T00:00:00Z".parse()?;
    let catalogue = catalogue::load()?;
    let fill = || {
        let mut index = Index::new(catalogue.clone());
        // What does not depend on lineage is there before the clock starts.
        index.refresh(now);
        for at in 0..NAMESPACES {
            index.apply(object(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("ns-{at}")}}),
            )?);
        }
        for at in 0..STORES {
            index.apply(object(store(at))?);
        }
        for (at, ends) in flows.iter().enumerate() {
            index.apply(object(flow(at, *ends))?);
        }
        Outcome::Ok(index)
    };
    let mut times = Vec::new();
    for _ in 0..3 {
        let mut index = fill()?;
        let start = Instant::now();
        black_box(index.refresh(now));
        times.push(millis(start));
    }
    let scratch = print("index: from scratch", times, None);
    let mut index = fill()?;
    index.refresh(now);
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for _ in 0..CHANGES {
        let at = random.below(FLOWS);
        let again = object(flow(at, flows[at]))?;
        let start = Instant::now();
        index.delete(Kind::DataFlow, &name(flows[at].0).0, &format!("flow-{at}"));
        black_box(index.refresh(now));
        gone.push(millis(start));
        let start = Instant::now();
        index.apply(again);
        black_box(index.refresh(now));
        back.push(millis(start));
    }
    print("index: a flow goes", gone, Some(scratch));
    print("index: a flow comes", back, Some(scratch));
    Ok(())
}

fn object(manifest: Value) -> Outcome<Object> {
    Object::from_manifest(manifest)?.ok_or_else(|| "the index keeps no such kind".into())
}

fn store(at: usize) -> Value {
    let (namespace, name) = name(at);
    let origins: Vec<&str> =
        if at.is_multiple_of(DECLARING) { vec![ORIGINS[at / DECLARING % ORIGINS.len()]] } else { vec![] };
    json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore", "metadata": {"namespace": namespace, "name": name},
        "spec": {"origins": origins, "workloads": {"selector": {"matchLabels": {"app": name}}}},
    })
}

fn flow(at: usize, (from, to): (usize, usize)) -> Value {
    let (from, to) = (name(from), name(to));
    json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow",
        "metadata": {"namespace": from.0, "name": format!("flow-{at}")},
        "spec": {"from": {"dataStore": {"name": from.1}}, "to": {"dataStore": {"namespace": to.0, "name": to.1}}},
    })
}

fn name(at: usize) -> Name {
    (format!("ns-{}", at % NAMESPACES), format!("store-{at}"))
}

fn origin(at: usize) -> Outcome<CountrySet> {
    if !at.is_multiple_of(DECLARING) {
        return Ok(CountrySet::EMPTY);
    }
    Ok(CountrySet::only(Country::parse(ORIGINS[at / DECLARING % ORIGINS.len()])?))
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }

    /// The ends of a flow.
    fn flow(&mut self) -> (usize, usize) {
        let from = self.below(STORES);
        if self.below(ABROAD) == 0 {
            return (from, self.below(STORES));
        }
        (from, self.below(STORES / NAMESPACES) * NAMESPACES + from % NAMESPACES)
    }
}

fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Prints a row and returns its median.
fn print(what: &str, mut times: Vec<f64>, scratch: Option<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let ratio = scratch.map(|scratch| format!("1/{:.0}", scratch / at(50))).unwrap_or_default();
    println!("{what:<44} {:>9.3} {:>9.3} {:>9.3} {ratio:>9}", at(50), at(99), at(100));
    at(50)
}
