//! `domicile catalogue`

use std::io::Write;

use super::Exit;
use crate::catalogue;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only files whose path contains this text, as in `locations/` or `blocs/eea`
    #[arg(value_name = "PART")]
    part: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    let wanted = |path: &str| arguments.part.as_ref().is_none_or(|part| path.contains(part.as_str()));
    let mut found = false;
    for (path, text) in catalogue::files().into_iter().filter(|(path, _)| wanted(path)) {
        found = true;
        writeln!(out, "---\n# {path}\n{}", text.trim_start_matches("---\n").trim_end())?;
    }
    if !found {
        eprintln!("domicile: no file of the catalogue has a path like that");
        return Ok(Exit::Usage);
    }
    Ok(Exit::Ok)
}
