//! `domicile surface`

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::ResourceExt;

use super::Exit;
use super::inputs::{self, Document, Inputs};
use crate::api::v1alpha1::{GROUP, ResourceInterpreter};
use crate::catalogue;
use crate::interpret::resource;
use crate::report::Format;
use crate::report::surface::{self as report, Surface};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Interpreters that add to the built-in ones or replace those of their names: a file, a folder with YAML or JSON
    /// files, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    filenames: Vec<PathBuf>,
    /// Only kinds of this name or of groups with this text in them, as in `velero`, `backups` or `backup.velero.io`; the
    /// group of pods and services is `core`
    #[arg(value_name = "GROUP|KIND")]
    filter: Option<String>,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { filenames, filter, output } = arguments;
    let mut documents = inputs::load(filenames, "default")?;
    // What else the files hold is nothing to tell about here.
    documents.retain(|document| document.kind() == "ResourceInterpreter" && document.group() == GROUP);
    let catalogue = catalogue::load().context("failed to read the built-in catalogue")?;
    let mut inputs = Inputs::with(catalogue, documents, None)?;
    inputs::tell(&inputs.notes);
    let remarks: Vec<String> = inputs.documents.iter().flat_map(remarks).collect();
    inputs::tell(&remarks);
    let bad = inputs.bad || !remarks.is_empty();
    let surface = Surface::new(&inputs.world(Timestamp::now()).interpreters, filter.as_deref());
    if let Some(filter) = filter.as_ref().filter(|_| surface.is_empty()) {
        eprintln!("domicile: no kind and no group like {filter} is known, so that no object of it is judged");
        return Ok(if bad { Exit::BadInput } else { Exit::Usage });
    }
    let mut out = std::io::stdout().lock();
    report::write(&mut out, *output, &surface)?;
    out.flush()?;
    Ok(if bad { Exit::BadInput } else { Exit::Ok })
}

/// Why an interpreter does not count though it is of its kind's shape.
fn remarks(document: &Document) -> Vec<String> {
    let Ok(object) = serde_json::from_value::<ResourceInterpreter>(document.value.clone()) else { return Vec::new() };
    let (file, name, taught) = (&document.file, object.name_any(), &object.spec.resource);
    if report::is_built_in(&taught.group, &taught.kind) {
        return vec![format!("{file}: ResourceInterpreter {name}: {} is built in and read without one", taught.kind)];
    }
    let problems = resource::compile(&name, &object.spec).err().unwrap_or_default();
    let line = |problem: &crate::interpret::read::Problem| {
        format!("{file}: ResourceInterpreter {name}: {}: {}; {}", problem.field, problem.message, problem.remedy)
    };
    problems.iter().map(line).collect()
}
