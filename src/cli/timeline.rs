//! `domicile timeline`

use std::io::Write;

use jiff::Timestamp;

use super::Exit;
use super::inputs::{self, Document, Files, Inputs, When, instant};
use crate::engine::law::timeline::walk;
use crate::report::Format;
use crate::report::timeline::{self as report, History, State, Timeline};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    when: When,
    /// First day or instant that is shown
    #[arg(long, value_name = "DATE|INSTANT", value_parser = instant, default_value = "2000-01-01")]
    from: Timestamp,
    /// First day or instant that is shown no more; none: as far as anything is known
    #[arg(long, value_name = "DATE|INSTANT", value_parser = instant)]
    until: Option<Timestamp>,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { files, when, from, until, output } = arguments;
    let documents = inputs::load(&files.filenames, &files.namespace)?;
    if until.is_some_and(|until| until <= *from) {
        eprintln!("domicile: --until is not after --from");
        return Ok(Exit::Usage);
    }
    let mut inputs = Inputs::new(documents, when.known_at)?;
    inputs::tell(&inputs.notes);
    let worlds = inputs.worlds(*from);
    let changes = worlds.changes();
    let mut bad = inputs.bad;
    let mut objects = Vec::new();
    for document in inputs.documents.iter().filter(|document| has_a_history(document)) {
        let mut failed = None;
        let spans = walk(*from, *until, &changes, |at| match document.judge(worlds.at(at), at) {
            Ok(judgement) => (Some(State::of(&judgement.verdict)), judgement.verdict.holds_until),
            Err(error) => {
                failed = Some(error);
                (None, None)
            }
        });
        if let Some(error) = failed {
            bad = true;
            eprintln!("domicile: {}: {} {}: {error}", document.file, document.kind(), document.name());
            continue;
        }
        objects.push(History::new(document, spans, when.now()));
    }
    let timeline = Timeline { at: when.now(), known_at: when.known_at, objects };
    let mut out = std::io::stdout().lock();
    report::write(&mut out, *output, &timeline)?;
    out.flush()?;
    Ok(if bad { Exit::BadInput } else { Exit::Ok })
}

/// Flows, and stores that declare who touches them or what carries their data.
fn has_a_history(document: &Document) -> bool {
    let declares = |field: &str| {
        let list = document.value.pointer(&format!("/spec/{field}")).and_then(serde_json::Value::as_array);
        list.is_some_and(|list| !list.is_empty())
    };
    match document.kind() {
        "DataFlow" => true,
        "DataStore" => declares("parties") || declares("bases"),
        _ => false,
    }
}
