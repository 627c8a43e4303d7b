//! The cluster demo: a real control plane, the operator as its own process, and the stack of `examples/stack`.
//!
//! ```text
//! cargo run --release --example playground            # stays up until Ctrl-C
//! cargo run --release --example playground -- --exit  # ends with 0 if every expectation held
//! ```
//!
//! API server, controllers and scheduler are the real ones; kwok plays the nodes, so pods are placed but run nothing.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

#[path = "playground/cluster.rs"]
mod cluster;
#[path = "../tests/controlplane/harness.rs"]
mod harness;
#[path = "playground/operator.rs"]
mod operator;
#[path = "playground/story.rs"]
mod story;
#[path = "playground/terminal.rs"]
mod terminal;

use cluster::{Cluster, checkout};
use harness::{Binaries, ControlPlane, Options};
use operator::Operator;
use story::Story;
use terminal::Terminal;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == operator::AS_DOMICILE) {
        return operator::be_domicile(arguments);
    }
    match play(&arguments.iter().map(|one| one.to_string_lossy()).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &[std::borrow::Cow<'_, str>]) -> Result<ExitCode> {
    let exit = match arguments {
        [] => false,
        [one] if one == "--exit" => true,
        _ => bail!("usage: cargo run --release --example playground [-- --exit]"),
    };
    eprintln!(
        "looking for the control plane's programs (a first run builds them with Go: about 6 minutes on two cores)"
    );
    let binaries = Binaries::ensure(&mut |line| eprintln!("  {line}"))?;
    let started = Instant::now();
    eprintln!("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok");
    let cluster = Cluster::new(ControlPlane::start(&binaries, Options::default())?)?;
    eprintln!("  ready after {:.1} s", started.elapsed().as_secs_f64());

    // What is there before Domicile comes.
    cluster.must("apply -f examples/install/rbac.yaml")?;
    let account = cluster.plane().kubeconfig_for_service_account("domicile-system", "domicile")?;
    let operator = Operator::new(account, cluster.plane().work_dir())?;
    let mut story = Story { cluster, operator, terminal: Terminal::new() };
    let told = story.tell().with_context(|| format!("the operator's log: {}", story.operator.log().display()));
    if told.is_err() {
        show_log(&story);
    }
    told?;
    let held = story.terminal.conclude();
    if !held {
        show_log(&story);
    }
    story.terminal.line(&format!("The story took {:.0} s.", started.elapsed().as_secs_f64()));
    if !exit {
        stay(&story)?;
    }
    Ok(if held || !exit { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folder goes with the playground, so what went wrong is shown before.
fn show_log(story: &Story) {
    let log = std::fs::read_to_string(story.operator.log()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    eprintln!("\nthe operator's last lines:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
}

fn stay(story: &Story) -> Result<()> {
    let plane = story.cluster.plane();
    let kubectl = plane.kubectl().get_program().to_string_lossy().into_owned();
    story.terminal.heading("The cluster stays up until Ctrl-C");
    for line in [
        format!("In another terminal, in {}:", checkout().display()),
        String::new(),
        format!("export KUBECONFIG={}", plane.kubeconfig().display()),
        format!("alias kubectl={kubectl}"),
        String::new(),
        "kubectl get domicile -A".to_owned(),
        "kubectl describe datastore -n cx-de survey-responses".to_owned(),
        "kubectl apply -f examples/refused/".to_owned(),
        "kubectl get pods -n cx-de -o wide".to_owned(),
    ] {
        story.terminal.line(&line);
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(tokio::signal::ctrl_c())
        .context("cannot wait for Ctrl-C")
}
