//! `domicile crds`

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use super::Exit;
use crate::api::v1alpha1::definitions;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Write one file a kind into this folder instead of printing
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// The definitions by file name, as YAML.
pub fn rendered() -> anyhow::Result<Vec<(String, String)>> {
    definitions()
        .into_iter()
        .map(|definition| {
            let name = definition.metadata.name.clone().unwrap_or_default();
            let yaml = serde_saphyr::to_string(&definition).context("failed to write YAML")?;
            Ok((format!("{name}.yaml"), yaml))
        })
        .collect()
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let rendered = rendered()?;
    let Some(folder) = &arguments.dir else {
        let mut out = std::io::stdout().lock();
        for (_, yaml) in rendered {
            write!(out, "---\n{yaml}")?;
        }
        return Ok(Exit::Ok);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    for (file, yaml) in rendered {
        let path = folder.join(file);
        std::fs::write(&path, yaml).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(Exit::Ok)
}
