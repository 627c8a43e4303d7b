//! What the operator costs in clusters of many sizes, on the real control plane; and whether it grows under changes that go on.
//!
//! ```text
//! cargo run --release --example scale                     # 1,000, 10,000 and 100,000 pods; about an hour on two cores
//! cargo run --release --example scale -- 1000 20000       # other sizes
//! cargo run --release --example scale -- --soak 20m       # changes for so long, and the slope of the memory
//! ```
//!
//! For each 100 pods there are 10 claims, 2 namespaces, 1 store and 3 flows, and nodes in four countries; every pod is in scope, and
//! one in twenty is in violation. What the operator asks for is counted by the API server's own record of it; memory and time of
//! processors are the kernel's. Pods are bound when they are created and never said to run: there is neither a scheduler nor
//! anybody who plays pods, and nobody provisions claims. kwok plays the nodes.
//!
//! Ends with 1 when something is not as it should be that does not depend on the machine: memory, bytes in etcd, writes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;

#[path = "scale/cluster.rs"]
mod cluster;
#[path = "../tests/controlplane/harness.rs"]
mod harness;
#[path = "scale/http.rs"]
mod http;
#[path = "scale/load.rs"]
mod load;
#[path = "scale/measure.rs"]
mod measure;
#[path = "scale/operator.rs"]
mod operator;
#[allow(dead_code, reason = "shared with the playground, which uses the rest")]
#[path = "playground/operator.rs"]
mod playground;
#[path = "scale/record.rs"]
mod record;
#[path = "scale/soak.rs"]
mod soak;
#[path = "scale/stock.rs"]
mod stock;
#[path = "scale/table.rs"]
mod table;

use cluster::Cluster;
use harness::Binaries;
use operator::Setup;
use stock::Stock;
use table::Figures;

/// Measures the operator in clusters of many sizes, on the real control plane
#[derive(Debug, Parser)]
#[command(name = "scale")]
struct Arguments {
    /// Numbers of pods [default: 1000 10000 100000; 2000 for a soak]
    #[arg(value_name = "PODS", value_parser = clap::value_parser!(u32).range(200..=500_000))]
    sizes: Vec<u32>,
    /// Change the cluster a hundred times a second for so long instead, as in 20m, and fail if memory goes on growing
    #[arg(long, value_name = "TIME", value_parser = time)]
    soak: Option<Duration>,
    /// By how many KiB a minute memory may grow in the second half of a soak
    #[arg(long, value_name = "KIB", default_value_t = 128.0)]
    growth: f64,
    /// How many seconds each rate and each latency is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
    /// The operator's program, if not as this one was built
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
}

/// A number with `s`, `m` or `h`.
fn time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600)];
    let found =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?.parse::<u32>().ok()?, *seconds)));
    let (number, seconds) = found.ok_or("a number with s, m or h, as in 20m")?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == playground::AS_DOMICILE) {
        return playground::be_domicile(arguments);
    }
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) && arguments.operator.is_none() {
        eprintln!("this is a debug build: times and memory say nothing about a release");
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let binaries = Binaries::ensure(&mut |line| eprintln!("{line}"))?;
    let sizes = match (arguments.sizes.as_slice(), arguments.soak) {
        ([], None) => &[1_000, 10_000, 100_000][..],
        ([], Some(_)) => &[2_000],
        (sizes, _) => sizes,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut runs = Vec::new();
    for pods in sizes {
        let started = Instant::now();
        eprintln!("\n{pods} pods");
        let stock = Stock { pods: usize::try_from(*pods)? };
        let figures =
            runtime.block_on(one(&binaries, stock, arguments)).with_context(|| format!("with {pods} pods"))?;
        eprintln!("  took {:.0} s", started.elapsed().as_secs_f64());
        runs.push(figures);
    }
    table::print(&runs);
    let failures: Vec<String> =
        runs.iter().flat_map(|run| run.failures.iter().map(move |text| format!("{} pods: {text}", run.pods))).collect();
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    Ok(failures.is_empty())
}

/// A cluster, a run in it, and its end.
async fn one(binaries: &Binaries, stock: Stock, arguments: &Arguments) -> Result<Figures> {
    let cluster = Arc::new(Cluster::start(binaries, stock).await?);
    let (program, kubeconfig) = (arguments.operator.clone(), cluster.account.clone());
    let setup = Setup { program, kubeconfig, folder: cluster.plane.work_dir().to_owned() };
    match arguments.soak {
        Some(lasts) => soak::soak(&cluster, &setup, lasts, arguments.growth).await,
        None => measure::measure(&cluster, &setup, arguments.seconds).await,
    }
}
