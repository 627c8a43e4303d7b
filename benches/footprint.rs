//! What the operator costs on the real control plane: time from the start of its process until it is ready, and resident
//! memory, with an empty cluster and with 1,000 pods, 50 nodes and 100 stores.
//!
//! ```text
//! cargo bench --bench footprint
//! ```
//!
//! Ends with 1 when the memory is above what is promised: memory, unlike time, does not depend on what else runs.

#[allow(dead_code, reason = "shared with the cluster tests, which use the rest")]
#[path = "../tests/controlplane/harness.rs"]
mod harness;

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::{Binaries, ControlPlane, Node, Options};

const USER: &str = "system:serviceaccount:domicile-system:domicile";
const NODES: usize = 50;
const STORES: usize = 100;
const PODS: usize = 1_000;
const NAMESPACES: usize = 20;
/// Promised, in KiB.
const EMPTY_LIMIT: u64 = 20 * 1024;
const FULL_LIMIT: u64 = 30 * 1024;
const STARTS: usize = 5;

fn main() -> Result<ExitCode> {
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(ExitCode::SUCCESS);
    }
    let binaries = Binaries::ensure(&mut |line| eprintln!("{line}"))?;
    let plane = ControlPlane::start(&binaries, Options::default().user(USER, &["system:serviceaccounts"]))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for manifests in ["crds", "examples/install"] {
        for entry in std::fs::read_dir(root.join(manifests))? {
            plane.apply(&std::fs::read_to_string(entry?.path())?)?;
        }
    }
    let kubeconfig = plane.kubeconfig_for(USER)?;

    let mut times = Vec::new();
    let mut empty = 0;
    for _ in 0..STARTS {
        let operator = Operator::start(kubeconfig)?;
        times.push(operator.ready()?);
        std::thread::sleep(Duration::from_secs(2));
        empty = empty.max(operator.resident()?);
    }
    times.sort();
    println!("ready after {:?} (median of {STARTS} starts, empty cluster)", times[STARTS / 2]);
    println!("resident, empty cluster: {:.1} MiB (promised: below {})", mib(empty), EMPTY_LIMIT / 1024);

    let operator = Operator::start(kubeconfig)?;
    operator.ready()?;
    fill(&plane)?;
    std::thread::sleep(Duration::from_secs(5));
    let grown = operator.resident()?;
    drop(operator);
    let operator = Operator::start(kubeconfig)?;
    let ready = operator.ready()?;
    std::thread::sleep(Duration::from_secs(5));
    let fresh = operator.resident()?;
    println!("\n{PODS} pods, {NODES} nodes, {STORES} stores:");
    println!("resident after they were made:   {:.1} MiB (promised: below {})", mib(grown), FULL_LIMIT / 1024);
    println!("resident after a restart:        {:.1} MiB", mib(fresh));
    println!("ready after a restart:           {ready:?}");
    let kept = empty < EMPTY_LIMIT && grown < FULL_LIMIT && fresh < FULL_LIMIT;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[allow(clippy::cast_precision_loss, reason = "a few MiB")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Nodes, stores and pods, and a wait until every pod runs.
fn fill(plane: &ControlPlane) -> Result<()> {
    let nodes: Vec<Node> = (0..NODES)
        .map(|node| {
            Node::new(format!("node-{node}"))
                .provider(format!("aws:///eu-central-1a/i-{node}"))
                .label("topology.kubernetes.io/region", "eu-central-1")
                .label("topology.kubernetes.io/zone", "eu-central-1a")
        })
        .collect();
    plane.add_nodes(&nodes)?;
    let mut yaml = String::new();
    for namespace in 0..NAMESPACES {
        write!(
            yaml,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: cx-{namespace}, labels: {{domicile.dev/origin: DE}}}}\n"
        )?;
    }
    plane.apply(&yaml)?;
    yaml.clear();
    for store in 0..STORES {
        let namespace = store % NAMESPACES;
        let pods = PODS / STORES;
        write!(
            yaml,
            "---\napiVersion: domicile.dev/v1alpha1\nkind: DataStore\n\
             metadata: {{name: store-{store}, namespace: cx-{namespace}}}\n\
             spec: {{origins: [DE], workloads: {{selector: {{matchLabels: {{app: app-{store}}}}}}}}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\n\
             metadata: {{name: app-{store}, namespace: cx-{namespace}}}\n\
             spec:\n  replicas: {pods}\n  selector: {{matchLabels: {{app: app-{store}}}}}\n  template:\n    \
             metadata: {{labels: {{app: app-{store}}}}}\n    \
             spec: {{containers: [{{name: app, image: registry.example.com/cx/app:1}}]}}\n"
        )?;
    }
    plane.apply(&yaml)?;
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        let output =
            plane.kubectl_output(&["get", "pods", "-A", "--field-selector=status.phase=Running", "-o", "name"])?;
        if output.stdout.lines().count() >= PODS {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not every pod runs after three minutes");
        std::thread::sleep(Duration::from_millis(500));
    }
}

struct Operator {
    child: Child,
    health: u16,
    started: Instant,
}

impl Operator {
    fn start(kubeconfig: &Path) -> Result<Self> {
        let port = || Ok::<_, std::io::Error>(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
        let (webhook, health) = (port()?, port()?);
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_domicile"))
            .args(["operator", "--log", "warn"])
            .args(["--webhook-listen", &format!("127.0.0.1:{webhook}")])
            .args(["--webhook-url", &format!("https://127.0.0.1:{webhook}")])
            .args(["--health-listen", &format!("127.0.0.1:{health}")])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .spawn()
            .context("failed to start the operator")?;
        Ok(Self { child, health, started })
    }

    /// Waits until it is ready, and says how long that took.
    fn ready(&self) -> Result<Duration> {
        while self.started.elapsed() < Duration::from_secs(60) {
            if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.health)) {
                stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                if answer.starts_with("HTTP/1.1 200") {
                    return Ok(self.started.elapsed());
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the operator is not ready after a minute")
    }

    /// Resident memory in KiB.
    fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.split_whitespace().next().context("no number")?.parse().context("not a number")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
