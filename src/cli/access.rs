//! `domicile access`

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::Exit;
use super::inputs::{self, Document};
use crate::api::v1alpha1::{DataFlow, DataStore, GROUP, ORIGIN_LABEL, ResidencyPolicy};
use crate::catalogue;
use crate::engine::policy::{Accessors, Policy};
use crate::interpret::rbac::{self, Rbac};
use crate::interpret::read;
use crate::report::Format;
use crate::report::access::{self as report, Access};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Namespaces, stores, flows, policies, roles and bindings: a file, a folder with YAML or JSON files, or - for standard
    /// input; may be given several times. None: the cluster of the current kubeconfig, read with your own rights
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    filenames: Vec<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short = 'n', long, default_value = "default")]
    namespace: String,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
}

/// What the answer depends on.
#[derive(Debug, Default)]
struct Gathered {
    namespaces: Vec<Namespace>,
    stores: Vec<DataStore>,
    flows: Vec<DataFlow>,
    policies: Vec<ResidencyPolicy>,
    rbac: Rbac,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { filenames, namespace, output } = arguments;
    let (gathered, bad) = if filenames.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        (runtime.block_on(from_cluster())?, false)
    } else {
        let documents = inputs::load(filenames, namespace)?;
        let (gathered, problems) = from_files(&documents, namespace);
        inputs::tell(&problems);
        (gathered, !problems.is_empty())
    };
    let mut out = std::io::stdout().lock();
    report::write(&mut out, *output, &answer(&gathered)?)?;
    out.flush()?;
    Ok(if bad { Exit::BadInput } else { Exit::Ok })
}

fn answer(gathered: &Gathered) -> anyhow::Result<Access> {
    let Gathered { namespaces, stores, flows, policies, rbac } = gathered;
    let labelled = namespaces.iter().filter(|one| one.labels().contains_key(ORIGIN_LABEL)).map(ResourceExt::name_any);
    let declared = stores.iter().map(ResourceExt::namespace).chain(flows.iter().map(ResourceExt::namespace));
    let protected: BTreeSet<String> = labelled.chain(declared.flatten()).collect();
    let builtin = catalogue::load_for(|_| false).context("failed to read the built-in catalogue")?.policies;
    let replaced = |one: &&ResidencyPolicy| !policies.iter().any(|own| own.name_any() == one.name_any());
    let all = builtin.iter().filter(replaced).chain(policies);
    let policies: Vec<Policy> = all.map(|policy| read::policy(&policy.name_any(), &policy.spec)).collect();
    let access: Vec<&Accessors> = policies.iter().flat_map(|policy| &policy.access).collect();
    let holders = rbac::holders(rbac, &protected, &access);
    Ok(Access { protected, holders })
}

/// Everything in files that says something here, and what of it cannot be read.
fn from_files(documents: &[Document], fallback: &str) -> (Gathered, Vec<String>) {
    let mut gathered = Gathered::default();
    let mut problems = Vec::new();
    for document in documents {
        let Gathered { namespaces, stores, flows, policies, rbac } = &mut gathered;
        let read = match (document.group(), document.kind()) {
            ("", "Namespace") => add(document, fallback, namespaces),
            (GROUP, "DataStore") => add(document, fallback, stores),
            (GROUP, "DataFlow") => add(document, fallback, flows),
            (GROUP, "ResidencyPolicy") => add(document, fallback, policies),
            ("rbac.authorization.k8s.io", "Role") => add(document, fallback, &mut rbac.roles),
            ("rbac.authorization.k8s.io", "ClusterRole") => add(document, fallback, &mut rbac.cluster_roles),
            ("rbac.authorization.k8s.io", "RoleBinding") => add(document, fallback, &mut rbac.role_bindings),
            ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
                add(document, fallback, &mut rbac.cluster_role_bindings)
            }
            _ => Ok(()),
        };
        if let Err(error) = read {
            problems.push(format!("{}: {} {}: {error}", document.file, document.kind(), document.name()));
        }
    }
    (gathered, problems)
}

fn add<K>(document: &Document, fallback: &str, into: &mut Vec<K>) -> Result<(), serde_json::Error>
where
    K: Resource + DeserializeOwned,
{
    let mut object: K = serde_json::from_value(document.value.clone())?;
    // Of kinds without namespaces nobody asks for one.
    object.meta_mut().namespace.get_or_insert_with(|| fallback.to_owned());
    into.push(object);
    Ok(())
}

/// The same from a cluster (client).
async fn from_cluster() -> anyhow::Result<Gathered> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = Client::try_default().await.context("failed to find a cluster: set KUBECONFIG, or name files")?;
    Ok(Gathered {
        namespaces: list(&client).await?,
        stores: list(&client).await?,
        flows: list(&client).await?,
        policies: list(&client).await?,
        rbac: Rbac {
            roles: list(&client).await?,
            cluster_roles: list(&client).await?,
            role_bindings: list(&client).await?,
            cluster_role_bindings: list(&client).await?,
        },
    })
}

/// Every object of a kind; none where the cluster does not know it.
async fn list<K>(client: &Client) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    const PAGE: u32 = 500;
    let api: Api<K> = Api::all(client.clone());
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        match api.list(&params).await {
            Ok(page) => {
                all.extend(page.items);
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => params = params.continue_token(&token),
                    None => return Ok(all),
                }
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(all),
            Err(error) => return Err(error).with_context(|| format!("failed to list {}", K::plural(&()))),
        }
    }
}
