//! `domicile render`

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::Exit;
use super::inputs::{self, Files, Inputs, When};
use crate::compile::{self, Generated, Kind};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    when: When,
    /// For API servers that load admission policies from files, in the form that such files must have; adds a guard of the
    /// policies in the cluster, which only such files can hold
    #[arg(long = "static")]
    fixed: bool,
    /// Write `validating.yaml` and `mutating.yaml` into folders `validating` and `mutating` of this one, instead of all to
    /// standard output: an API server reads each from a folder of its own
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Leave out policies that pin pods, for API servers before 1.36
    #[arg(long)]
    no_mutating: bool,
    /// Leave out the guards of labels, kinds and configurations
    #[arg(long)]
    no_guards: bool,
    /// The user name of the operator, which the guards let do its work
    #[arg(long, default_value = "system:serviceaccount:domicile-system:domicile", value_name = "NAME")]
    operator_user: String,
    /// A further namespace that is never judged, such as the operator's own; may be given several times
    #[arg(long, default_value = "domicile-system", value_name = "NAMESPACE")]
    exempt: Vec<String>,
}

/// What the API server wants names of such objects to end with.
const SUFFIX: &str = ".static.k8s.io";

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { files, when, fixed, dir, no_mutating, no_guards, operator_user, exempt } = arguments;
    let documents = inputs::load(&files.filenames, &files.namespace)?;
    let mut inputs = Inputs::new(documents, when.known_at)?;
    inputs::tell(&inputs.notes);
    let now = when.now();
    let system = crate::controllers::configuration::SYSTEM.iter().map(|name| (*name).to_owned());
    let wanted = compile::Inputs {
        exempt: system.chain(exempt.iter().cloned()).collect::<BTreeSet<_>>(),
        mutating: !no_mutating,
        operator: vec![operator_user.clone()],
        guards: !no_guards,
    };
    let mut plan = compile::plan(&inputs.world(now), &wanted, now);
    for left in &plan.left {
        eprintln!("domicile: left to the webhooks: {}", left.what);
    }
    if *fixed {
        compile::guard_policies(&mut plan, &wanted);
    }
    let objects: Vec<Value> = plan.objects.into_values().map(|one| manifest(&one, *fixed)).collect();
    let (mutating, validating): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|one| one["kind"].as_str().is_some_and(|kind| kind.starts_with("Mutating")));
    if let Some(folder) = dir {
        write(folder, "validating", &validating)?;
        write(folder, "mutating", &mutating)?;
    } else {
        let mut out = std::io::stdout().lock();
        out.write_all(text(&[validating, mutating].concat())?.as_bytes())?;
        out.flush()?;
    }
    Ok(if inputs.bad { Exit::BadInput } else { Exit::Ok })
}

fn manifest(object: &Generated, fixed: bool) -> Value {
    let named = |name: &str| if fixed { format!("{name}{SUFFIX}") } else { name.to_owned() };
    let mut manifest = object.manifest();
    manifest["metadata"]["name"] = named(&object.name).into();
    if matches!(object.kind, Kind::ValidatingAdmissionPolicyBinding | Kind::MutatingAdmissionPolicyBinding)
        && let Some(policy) = object.spec["policyName"].as_str()
    {
        manifest["spec"]["policyName"] = named(policy).into();
    }
    manifest
}

fn text(objects: &[Value]) -> anyhow::Result<String> {
    let mut text = String::new();
    for object in objects {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(object).context("failed to write a policy as YAML")?);
    }
    Ok(text)
}

fn write(folder: &Path, part: &str, objects: &[Value]) -> anyhow::Result<()> {
    let folder = folder.join(part);
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let file = folder.join(format!("{part}.yaml"));
    std::fs::write(&file, text(objects)?).with_context(|| format!("failed to write {}", file.display()))
}
