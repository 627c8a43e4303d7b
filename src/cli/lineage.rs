//! `domicile lineage`

use std::io::Write;

use super::Exit;
use super::inputs::{self, Files, Inputs, When};
use crate::report::Format;
use crate::report::lineage::{self as report, Lineage, Store};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    when: When,
    /// Only this store, as NAME or NAMESPACE/NAME; none: every store of the files
    #[arg(value_name = "STORE")]
    store: Option<String>,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { files, when, store, output } = arguments;
    let documents = inputs::load(&files.filenames, &files.namespace)?;
    let mut inputs = Inputs::new(documents, when.known_at)?;
    inputs::tell(&inputs.notes);
    let now = when.now();
    let wanted = |name: &(String, String)| match store.as_deref().map(|store| store.split_once('/').ok_or(store)) {
        None => true,
        Some(Ok((namespace, store))) => name.0 == namespace && name.1 == store,
        Some(Err(store)) => name.1 == store,
    };
    let stores: Vec<Store> = inputs.index(now).origins().filter(|one| wanted(&one.store)).map(Store::new).collect();
    if let Some(store) = store.as_ref().filter(|_| stores.is_empty()) {
        eprintln!("domicile: no DataStore {store} is among the files");
        return Ok(if inputs.bad { Exit::BadInput } else { Exit::Usage });
    }
    let mut out = std::io::stdout().lock();
    report::write(&mut out, *output, &Lineage { at: now, stores })?;
    out.flush()?;
    Ok(if inputs.bad { Exit::BadInput } else { Exit::Ok })
}
