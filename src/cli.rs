//! The command line: one subcommand a file.

mod access;
mod answer;
mod catalogue;
mod check;
mod crds;
mod emergency_off;
mod emergency_on;
mod evidence;
pub mod inputs;
mod lineage;
mod operator;
mod render;
mod strict;
mod surface;
mod timeline;
mod whatif;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Keeps personal data in its country.
#[derive(Debug, Parser)]
#[command(name = "domicile", version, about, long_about = None, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "Verdicts are engineering input, not legal advice.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show who reaches personal data by logs, secrets, node proxies and connections into pods, and from where they are
    /// declared to do so
    Access(access::Arguments),
    /// Answer for countries: is an opt-in required, what may enrich customer profiles, what can people ask for
    Answer(answer::Arguments),
    /// Print the built-in catalogue: law, blocs, locations, providers and the policy `law`
    Catalogue(catalogue::Arguments),
    /// Judge manifests without a cluster, by the same decision as at admission
    Check(check::Arguments),
    /// Print the custom resource definitions, or write them into a folder
    Crds(crds::Arguments),
    /// Remove everything that enforces, and keep operators from writing it again; works with every operator dead
    EmergencyOff(emergency_off::Arguments),
    /// Let operators enforce again
    EmergencyOn(emergency_on::Arguments),
    /// Verify a decision log, and decide again what stands in it
    Evidence(evidence::Arguments),
    /// Show where the data of each store comes from, and by which path each origin came
    Lineage(lineage::Arguments),
    /// Run the operator: webhooks and controllers
    Operator(Box<operator::Arguments>),
    /// Print the admission policies that the operator generates, for manifests without a cluster
    Render(render::Arguments),
    /// Show which kinds are judged, in which versions and by how many paths, and what is not covered
    Surface(surface::Arguments),
    /// Show what the law says of flows and stores over time, and when that changes next
    Timeline(timeline::Arguments),
    /// Show what would break if mechanisms ended, or if other manifests were added, and what could carry it instead
    Whatif(whatif::Arguments),
}

/// Why a command ends as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to object to.
    Ok = 0,
    /// A breach.
    Violation = 1,
    /// Nothing worse than places that cannot be proven.
    Unproven = 3,
    /// The command line makes no sense.
    Usage = 64,
    /// The input cannot be read.
    BadInput = 65,
    /// Something else failed.
    Failed = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs a command that talks to a cluster.
fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    // Both rustls providers may be in the tree; choosing one keeps the client from guessing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// A client with the rights of whoever runs the command.
async fn connect() -> anyhow::Result<kube::Client> {
    let config = kube::Config::infer().await.context("failed to find a cluster: set KUBECONFIG")?;
    kube::Client::try_from(config).context("failed to set up the client")
}

/// Runs a command line, of which the first item is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a mistake.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return exit.into();
        }
    };
    let result = match cli.command {
        Command::Access(arguments) => access::run(&arguments),
        Command::Answer(arguments) => answer::run(&arguments),
        Command::Catalogue(arguments) => catalogue::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::EmergencyOff(arguments) => emergency_off::run(&arguments),
        Command::EmergencyOn(arguments) => emergency_on::run(&arguments),
        Command::Evidence(arguments) => evidence::run(&arguments),
        Command::Lineage(arguments) => lineage::run(&arguments),
        Command::Operator(arguments) => operator::run(*arguments),
        Command::Render(arguments) => render::run(&arguments),
        Command::Surface(arguments) => surface::run(&arguments),
        Command::Timeline(arguments) => timeline::run(&arguments),
        Command::Whatif(arguments) => whatif::run(&arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            // A reader that has seen enough, as in `domicile catalogue | head`, is no failure.
            let closed = |cause: &(dyn std::error::Error + 'static)| {
                cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
            };
            if error.chain().any(closed) {
                return Exit::Ok.into();
            }
            eprintln!("domicile: {error:#}");
            if error.is::<inputs::BadInput>() { Exit::BadInput } else { Exit::Failed }.into()
        }
    }
}
