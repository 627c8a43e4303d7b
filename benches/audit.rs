//! What the audit costs in a large cluster, without one: the first look at everything, and the looks that follow when pods come
//! and go, as one pass each.
//!
//! ```text
//! cargo bench --bench audit             # 1,000, 10,000 and 100,000 pods
//! cargo bench --bench audit -- 500000
//! ```
//!
//! For each 100 pods there are 10 claims, 2 namespaces, 1 store and 3 flows, as in a company that runs programmes in four
//! countries; one pod in twenty runs where it may not. Reported are times, what each pod costs in memory, and what a hundred
//! changed pods cost compared with the first look.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use domicile::catalogue;
use domicile::index::{Index, Object};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Countries with regions of one provider.
const PLACES: [(&str, &str); 4] =
    [("DE", "eu-central-1"), ("FR", "eu-west-3"), ("IE", "eu-west-1"), ("US", "us-east-1")];
/// Pods that change between two looks.
const CHANGES: usize = 100;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return Ok(());
    }
    let sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000, 100_000] } else { sizes };
    println!(
        "{:>9} {:>12} {:>14} {:>14} {:>12} {:>10}",
        "pods", "first look", "100 changes", "no change", "ratio", "KiB a pod"
    );
    for size in sizes {
        measure(size)?;
    }
    Ok(())
}

fn measure(size: usize) -> Result<()> {
    let before = resident()?;
    let mut index = Index::new(catalogue::load()?);
    for manifest in world(size) {
        apply(&mut index, manifest)?;
    }
    for number in 0..size {
        apply(&mut index, pod(size, number, 0))?;
    }
    let now: Timestamp = "2026-11-01T00:00:00Z".parse()?;
    let started = Instant::now();
    index.refresh(now);
    let observed = index.observe(now);
    let first = started.elapsed();
    anyhow::ensure!(observed.audit.in_scope >= size / 2 && !observed.audit.objects.is_empty(), "nothing was judged");
    drop(black_box(observed));
    let memory = resident()?.saturating_sub(before);

    let mut changed: Vec<Duration> = (1..=9)
        .map(|round| {
            for number in 0..CHANGES.min(size) {
                apply(&mut index, pod(size, number * 7 % size, round))?;
            }
            let started = Instant::now();
            index.refresh(now);
            drop(black_box(index.observe(now)));
            Ok(started.elapsed())
        })
        .collect::<Result<_>>()?;
    let mut unchanged: Vec<Duration> = (0..9)
        .map(|_| {
            let started = Instant::now();
            index.refresh(now);
            drop(black_box(index.observe(now)));
            started.elapsed()
        })
        .collect();
    let (changed, unchanged) = (median(&mut changed), median(&mut unchanged));
    let ratio = changed.as_secs_f64() / first.as_secs_f64();
    println!("{size:>9} {first:>12.1?} {changed:>14.1?} {unchanged:>14.1?} {ratio:>12.3} {:>12}", memory * 1024 / size);
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn apply(index: &mut Index, manifest: Value) -> Result<()> {
    let object = Object::from_manifest(manifest)?.context("a kind that nobody knows")?;
    index.apply(object);
    Ok(())
}

/// Resident memory of this process, in KiB.
fn resident() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS in /proc/self/status")?;
    Ok(line.split_whitespace().nth(1).context("no number in VmRSS")?.parse()?)
}

fn namespaces(size: usize) -> usize {
    (size / 50).max(4)
}

fn stores(size: usize) -> usize {
    (size / 100).max(1)
}

/// Everything but the pods. Every other namespace has a store.
fn world(size: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for number in 0..(size / 100).clamp(8, 1_000) {
        let (_, region) = PLACES[number % PLACES.len()];
        all.push(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("node-{number}"), "labels": {
                "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": format!("{region}a"),
            }},
            "spec": {"providerID": format!("aws:///{region}a/i-{number}")},
        }));
    }
    for number in 0..namespaces(size) {
        all.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("cx-{number}")}}));
    }
    for number in 0..stores(size) {
        let (country, region) = PLACES[number % PLACES.len()];
        let namespace = format!("cx-{}", number * 2 % namespaces(size));
        all.push(json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore",
            "metadata": {"name": format!("answers-{number}"), "namespace": namespace},
            "spec": {
                "origins": [country], "residence": {"country": country},
                "workloads": {"selector": {"matchLabels": {"app": "answers"}}},
            },
        }));
        for flow in 0..3 {
            let (to, _) = PLACES[(number + flow) % PLACES.len()];
            all.push(json!({
                "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow",
                "metadata": {"name": format!("to-{number}-{flow}"), "namespace": namespace},
                "spec": {
                    "from": {"dataStore": {"name": format!("answers-{number}")}},
                    "to": {"recipient": {"name": format!("Recipient {flow}"), "place": {"country": to}}},
                },
            }));
        }
        for claim in 0..10 {
            all.push(json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": format!("data-{number}-{claim}"), "namespace": namespace},
                "spec": {"storageClassName": format!("disk-{region}")},
            }));
        }
    }
    for (_, region) in PLACES {
        all.push(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": format!("disk-{region}")},
            "provisioner": "ebs.csi.aws.com",
            "allowedTopologies": [{"matchLabelExpressions": [{"key": "topology.kubernetes.io/region", "values": [region]}]}],
        }));
    }
    all
}

/// A pod in one of the namespaces; one in twenty runs in the country after the one where it should.
fn pod(size: usize, number: usize, round: usize) -> Value {
    let space = number % namespaces(size);
    let nodes = (size / 100).clamp(8, 1_000);
    let home = space / 2 % PLACES.len();
    let place = if number % 20 == 7 { home + 1 } else { home };
    let node = (number / PLACES.len() * PLACES.len() + place) % nodes;
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("answers-{number}"), "namespace": format!("cx-{space}"), "uid": format!("{number}-{round}"),
            "labels": {"app": "answers", "pod-template-hash": format!("{round}")},
        },
        "spec": {
            "nodeName": format!("node-{node}"),
            "containers": [{"name": "app", "image": "example.org/app:1", "env": [{"name": "LOG_LEVEL", "value": "info"}]}],
        },
    })
}
