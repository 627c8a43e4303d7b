//! `domicile check`

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use super::Exit;
use super::inputs::{self, Files, Inputs, When};
use crate::geo;
use crate::report::{self, Format, Row};

/// What the exit status says.
const STATUS: &str = "Exit status: 0 nothing is refused, 1 something is, 3 nothing but what cannot be proven is, 64 the command \
                      line makes no sense, 65 some input cannot be read";

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    when: When,
    /// A database of addresses in the MaxMind format. What it believes is told with addresses that nobody declares, and is no
    /// proof
    #[arg(long, value_name = "FILE")]
    geo_database: Option<PathBuf>,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { files, when, geo_database, output } = arguments;
    let documents = inputs::load(&files.filenames, &files.namespace)?;
    let now = when.now();
    let mut inputs = Inputs::new(documents, when.known_at)?;
    inputs::tell(&inputs.notes);
    if let Some(file) = geo_database {
        match geo::open(file) {
            Ok(hints) => inputs.hint(hints),
            Err(error) => {
                eprintln!("domicile: {error:#}");
                return Ok(Exit::BadInput);
            }
        }
    }
    inputs.world(now);
    let mut bad = inputs.bad;
    let mut rows = Vec::new();
    for document in &std::mem::take(&mut inputs.documents) {
        match document.judge(&inputs.world_before(document, now), now) {
            Ok(judgement) => rows.push(Row::new(document, judgement)),
            Err(error) => {
                bad = true;
                eprintln!("domicile: {}: {} {}: {error}", document.file, document.kind(), document.name());
            }
        }
    }
    let mut out = std::io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    report::write(&mut out, *output, &rows, colour)?;
    out.flush()?;
    Ok(if bad { Exit::BadInput } else { report::exit(&rows) })
}
