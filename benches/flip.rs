//! What happens when a mechanism ends on which 10,000 flows rely: how long until every one of them says so, and how many
//! writes that takes, on the real control plane.
//!
//! ```text
//! cargo bench --bench flip
//! ```
//!
//! Ends with 1 when a flow is written more than once, which does not depend on the machine.

#[allow(dead_code, reason = "shared with the cluster tests, which use the rest")]
#[path = "../tests/controlplane/harness.rs"]
mod harness;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use domicile::api::v1alpha1::{DataFlow, TransferMechanism};
use futures::{StreamExt, TryStreamExt};
use harness::{Binaries, ControlPlane, Options};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

const USER: &str = "system:serviceaccount:domicile-system:domicile";
const FLOWS: usize = 10_000;
const NAMESPACES: usize = 100;
/// Aimed at, between the instant of law and the last status.
const AIM: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(300);

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
    tokio::runtime::Runtime::new()?.block_on(measure(&plane))
}

async fn measure(plane: &ControlPlane) -> Result<ExitCode> {
    let kubeconfig = kube::config::Kubeconfig::read_from(plane.kubeconfig())?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let mechanisms: Api<TransferMechanism> = Api::all(client.clone());
    let mechanism = serde_json::from_value(json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "TransferMechanism", "metadata": {"name": "example"},
        "spec": {
            "title": "An example framework", "role": "Ground", "kind": "CertificationFramework",
            "from": ["PT"], "to": ["IN"], "timeZone": "UTC", "source": {"reference": "an example decision"},
        },
    }))?;
    mechanisms.create(&PostParams::default(), &mechanism).await?;
    fill(&client, plane).await?;

    let operator = Operator::start(plane.kubeconfig_for(USER)?)?;
    let started = Instant::now();
    let flows: Api<DataFlow> = Api::all(client.clone());
    settle(&flows, "True", "", &mut BTreeSet::new()).await?;
    println!("{FLOWS} flows judged and written for the first time {:?} after the operator's start", started.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await;

    let before = status_writes(plane)?;
    let ended = json!({"spec": {"until": Timestamp::now().to_string()}});
    let ending = Instant::now();
    mechanisms.patch("example", &PatchParams::default(), &Patch::Merge(&ended)).await?;
    // Counted, not watched: a second watch on every flow would cost the API server what is to be measured.
    while status_writes(plane)? - before < FLOWS {
        ensure!(ending.elapsed() < PATIENCE, "not every flow was written");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let took = ending.elapsed();
    settle(&flows, "False", "", &mut BTreeSet::new()).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let written = status_writes(plane)? - before;
    println!("{FLOWS} flows flipped {took:?} after their mechanism ended (aim: {AIM:?})");
    println!("status writes, counted by the API server: {written}");
    drop(operator);
    Ok(if written <= FLOWS { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Namespaces and flows, before there is an operator.
async fn fill(client: &Client, plane: &ControlPlane) -> Result<()> {
    let namespaces: Vec<String> = (0..NAMESPACES)
        .map(|number| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: flows-{number}}}\n"))
        .collect();
    plane.apply(&namespaces.concat())?;
    let made = futures::stream::iter(0..FLOWS).map(|number| {
        let namespace = format!("flows-{}", number % NAMESPACES);
        let flows: Api<DataFlow> = Api::namespaced(client.clone(), &namespace);
        async move {
            let flow = serde_json::from_value(json!({
                "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow",
                "metadata": {"name": format!("flow-{number}"), "namespace": namespace},
                "spec": {
                    "from": {"collection": {"countries": ["PT"]}},
                    "to": {"recipient": {"name": "Example Analytics", "place": {"country": "IN"}, "establishedIn": "IN"}},
                    "bases": [{"mechanism": "example"}],
                    "workloads": {"selector": {"matchLabels": {"app": format!("flow-{number}")}}},
                },
            }))?;
            flows.create(&PostParams::default(), &flow).await?;
            anyhow::Ok(())
        }
    });
    made.buffer_unordered(32).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// Waits until every flow has the condition, from a version on; from the start where none is given.
async fn settle(flows: &Api<DataFlow>, status: &str, from: &str, seen: &mut BTreeSet<String>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut version = if from.is_empty() { "0".to_owned() } else { from.to_owned() };
    while seen.len() < FLOWS {
        ensure!(Instant::now() < deadline, "only {} flows say {status}", seen.len());
        let mut events = pin!(flows.watch(&WatchParams::default().timeout(60), &version).await?.boxed());
        while seen.len() < FLOWS
            && let Some(event) = events.try_next().await?
        {
            if let WatchEvent::Added(flow) | WatchEvent::Modified(flow) = event {
                version = flow.resource_version().unwrap_or(version);
                let conditions = flow.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
                if conditions.iter().any(|one| one.type_ == "Compliant" && one.status == status) {
                    seen.insert(flow.name_any());
                }
            }
        }
    }
    Ok(())
}

/// Requests for a status of a flow that the API server has answered, by its own count.
fn status_writes(plane: &ControlPlane) -> Result<usize> {
    let output = plane.kubectl_output(&["get", "--raw", "/metrics"])?;
    let mut total = 0.0;
    for line in output.stdout.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        if line.contains(r#"resource="dataflows""#) && line.contains(r#"subresource="status""#) {
            total += line.rsplit(' ').next().context("a metric without a value")?.parse::<f64>()?;
        }
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    Ok(total as usize)
}

struct Operator(Child);

impl Operator {
    fn start(kubeconfig: &Path) -> Result<Self> {
        let port = || Ok::<_, std::io::Error>(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
        let (webhook, health) = (port()?, port()?);
        let child = Command::new(env!("CARGO_BIN_EXE_domicile"))
            .args(["operator", "--log", "warn"])
            .args(["--webhook-listen", &format!("127.0.0.1:{webhook}")])
            .args(["--webhook-url", &format!("https://127.0.0.1:{webhook}")])
            .args(["--health-listen", &format!("127.0.0.1:{health}")])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .spawn()
            .context("failed to start the operator")?;
        Ok(Self(child))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
