//! `domicile evidence`: what can be asked of a decision log.

mod explain;
mod verify;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;

use super::Exit;
use crate::evidence::key::PublicKey;
use crate::evidence::verify::{Between, Input};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, clap::Subcommand)]
enum Question {
    /// Check that nothing was changed, left out or put in another order
    Verify(verify::Arguments),
    /// Show what was decided and why, and decide it again from what was recorded
    Explain(explain::Arguments),
}

/// The files of a log.
#[derive(Debug, clap::Args)]
struct Files {
    /// Files of the log, in any order; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    names: Vec<PathBuf>,
    /// The public key of the installation, in PEM: signing.pub in the Secret domicile-evidence. Without it signatures are
    /// not checked
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// Pass over lines of other programs, as where standard output was collected together with others
    #[arg(long)]
    mixed: bool,
}

/// What the files hold.
struct Log {
    files: Vec<(String, Vec<u8>)>,
    key: Option<PublicKey>,
    between: Between,
}

impl Log {
    fn inputs(&self) -> Vec<Input<'_>> {
        self.files.iter().map(|(name, bytes)| Input { name, bytes }).collect()
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.question {
        Question::Verify(arguments) => verify::run(arguments),
        Question::Explain(arguments) => explain::run(arguments),
    }
}

/// Reads a log, or says why it cannot be read.
fn load(files: &Files) -> Result<Log, Exit> {
    let Files { names, key, mixed } = files;
    let refused = |name: &std::path::Path, error: &dyn std::fmt::Display| {
        eprintln!("domicile: failed to read {}: {error}", name.display());
        Exit::BadInput
    };
    let mut read = Vec::new();
    let mut known = BTreeSet::new();
    for name in names {
        // What is named twice, as by overlapping patterns, counts once.
        let path = std::fs::canonicalize(name).unwrap_or_else(|_| name.clone());
        if !known.insert(path) {
            continue;
        }
        let bytes = if name.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            std::fs::read(name)
        };
        read.push((name.display().to_string(), bytes.map_err(|error| refused(name, &error))?));
    }
    let key = match key {
        Some(name) => {
            let text = std::fs::read_to_string(name).map_err(|error| refused(name, &error))?;
            Some(PublicKey::read(&text).map_err(|error| refused(name, &error))?)
        }
        None => None,
    };
    Ok(Log { files: read, key, between: if *mixed { Between::Others } else { Between::Nothing } })
}
