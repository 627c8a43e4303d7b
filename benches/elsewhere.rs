//! What creations cost where no personal data is: 1,000 harmless pods on an API server without us and as many, in turn, on one that
//! has the operator's webhooks and policies registered, while the operator is alive and after it was killed. What the two differ by
//! of themselves is measured first, before anything of ours is there.
//!
//! ```text
//! cargo bench --bench elsewhere
//! ```
//!
//! Ends with 1 when a pod is refused. Times depend on what else runs, and both API servers run on this machine: the ratio of the
//! medians is what to look at.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it ends by panicking")]

#[allow(dead_code, reason = "shared with the cluster tests, which use the rest")]
#[path = "../tests/it/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the cluster tests, which use the rest")]
#[path = "../tests/controlplane/harness.rs"]
mod harness;
#[allow(dead_code, reason = "shared with the cluster tests, which use the rest")]
#[path = "../tests/it/operator.rs"]
mod operator;
#[allow(dead_code, reason = "shared with the cluster tests, which use the rest")]
#[path = "../tests/it/plane.rs"]
mod plane;
#[allow(dead_code, reason = "shared with the cluster tests, which use the rest")]
#[path = "../tests/it/poll.rs"]
mod poll;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::Client;
use harness::Options;
use operator::Operator;
use plane::{Plane, condition, machine, pod};
use poll::{PATIENCE, until, yes};
use serde_json::json;

/// Pods a phase and a control plane.
const PODS: usize = 1_000;
/// Not counted: connections are opened, caches filled.
const WARM_UP: usize = 50;
const NAMESPACE: &str = "harmless";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let bare = plane::bare(Options::default());
    let without = Client::new(bare.kubeconfig());
    let plane = plane::table();
    let with = &plane.admin;
    for client in [&without, with] {
        client.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})).ok();
        until("the namespace has its service account", PATIENCE, || {
            client.get(&client::reference("v1", "ServiceAccount", NAMESPACE, "default")).ok_or(NAMESPACE)
        });
    }
    println!("{PODS} pods each, one by one in turn; median and p99");
    println!("{:>24} {:>22} {:>22} {:>8} {:>8}", "", "without us", "with us", "ratio", "refused");
    let mut refused = phase("nothing of ours there", [&without, with]);

    let operator = Operator::started(&plane.operator);
    protect(&plane);
    refused += phase("operator alive", [&without, with]);
    operator.kill();
    refused += phase("operator dead", [&without, with]);
    println!("\nregistered: {}", registered(&plane));
    if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Has personal data declared and protected, as in `examples/stack`.
fn protect(plane: &Plane) {
    let nodes = [
        machine("fra-1", "eu-central-1a", "eu-central-1"),
        machine("par-1", "eu-west-3a", "eu-west-3"),
        machine("ohio-1", "us-east-2a", "us-east-2"),
    ];
    plane.control.add_nodes(&nodes).unwrap();
    plane.labelled("fra-1", Some("DE"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stack");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // What is declared in one file is waited for by the next.
        until("the stack is applied", PATIENCE, || plane.control.apply(&text).map_err(|error| error.to_string()));
    }
    until("policies are compiled and what they protect is asked about", PATIENCE, || {
        let policies = plane.admin.list(plane::OURS, "ResidencyPolicy", "", "");
        let open: Vec<_> = policies.iter().map(|policy| condition(policy, "Compiled")).collect();
        let all = !open.is_empty() && open.iter().all(|compiled| compiled["status"].is_string());
        yes(all && plane::configurations(&plane.admin).len() == 2, format!("{open:?}"))
    });
}

/// What the API server has of ours.
fn registered(plane: &Plane) -> String {
    let entries = |configuration: &serde_json::Value| configuration["webhooks"].as_array().map_or(0, Vec::len);
    let webhooks: usize = plane::configurations(&plane.admin).iter().map(entries).sum();
    let count = |kind| plane.admin.list("admissionregistration.k8s.io/v1", kind, "", "").len();
    format!(
        "{webhooks} webhooks, {} validating and {} mutating policies",
        count("ValidatingAdmissionPolicy"),
        count("MutatingAdmissionPolicy")
    )
}

/// Creates the pods, in turn, and which of the two is first changes; how many were refused.
fn phase(name: &str, [without, with]: [&Client; 2]) -> usize {
    let mut times = [Vec::new(), Vec::new()];
    let mut refused = 0;
    for number in 0..WARM_UP + PODS {
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            let client = [without, with][which];
            let name = format!("{}-{number}", name.replace(' ', "-"));
            // Bound to no node that exists, so that nobody else is kept busy.
            let manifest = pod(NAMESPACE, &name, &json!({"app": "web"}), json!({"nodeName": "none"}));
            let started = Instant::now();
            let answer = client.create(&manifest);
            let took = started.elapsed();
            if answer.code != 201 {
                eprintln!("{}: {}", answer.code, answer.body);
                refused += 1;
            }
            if number >= WARM_UP {
                times[which].push(took);
            }
        }
    }
    let [without, with] = times.map(Times::of);
    let ratio = with.median.as_secs_f64() / without.median.as_secs_f64();
    println!("{name:>24} {:>22} {:>22} {ratio:>8.3} {refused:>8}", without.to_string(), with.to_string());
    refused
}

struct Times {
    median: Duration,
    p99: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { median: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2?} {:.2?}", self.median, self.p99)
    }
}
