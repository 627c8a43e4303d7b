//! `domicile emergency-off`: the way out when enforcement itself is the trouble.
//!
//! For an administrator, and with every operator dead. The record comes first: from then on no operator writes anything that
//! the API server obeys. Then everything of that kind that carries the operator's label is removed, until nothing comes back.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::Exit;
use crate::compile::MANAGED_BY;
use crate::controllers::emergency::{self, Record};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Why; kept in the record and told by Events
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The operator's namespace, where the record is kept
    #[arg(long, env = "POD_NAMESPACE", default_value = "domicile-system")]
    namespace: String,
}

/// So long nothing may come back: a write of an operator that was on its way when the record was made.
const QUIET: Duration = Duration::from_secs(2);
/// So often it is tried before something else must be writing.
const ROUNDS: usize = 10;

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    super::block_on(switch_off(arguments))
}

async fn switch_off(Arguments { reason, namespace }: &Arguments) -> anyhow::Result<Exit> {
    let client = super::connect().await?;
    let record = Record { by: whoami(&client).await, since: Some(Timestamp::now()), reason: reason.clone() };
    let records: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    match records.create(&PostParams::default(), &record.object(namespace)).await {
        Ok(_) => println!("recorded in ConfigMap {namespace}/{}: {}", emergency::NAME, record.sentence()),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let before = records.get(emergency::NAME).await.context("failed to read the record")?;
            println!("already {}", Record::read(&before).sentence());
        }
        // Without the namespace there is no operator that could write anything again.
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            println!("there is no namespace {namespace}, so that nothing is recorded");
        }
        Err(error) => return Err(error).context("failed to write the record; nothing is switched off"),
    }
    let mut removed = 0;
    let mut rounds = 0;
    loop {
        let found = remove_all(&client).await?;
        found.removed.iter().for_each(|name| println!("removed {name}"));
        removed += found.removed.len();
        // The first look is never the last one.
        if found.removed.is_empty() && found.refused.is_empty() && rounds > 0 {
            break;
        }
        if rounds == ROUNDS {
            ensure!(found.refused.is_empty(), "failed to remove {}", found.refused.join(", "));
            bail!("something keeps writing them again: {}", found.removed.join(", "));
        }
        rounds += 1;
        tokio::time::sleep(QUIET).await;
    }
    if removed == 0 {
        println!("nothing was there to be removed");
    }
    println!("nothing is enforced any more; declared data and running workloads are untouched");
    println!("to get back: domicile emergency-on --namespace {namespace}");
    Ok(Exit::Ok)
}

/// Who the API server takes us for.
async fn whoami(client: &Client) -> String {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let user = review.ok().and_then(|review| review.status?.user_info?.username);
    user.unwrap_or_else(|| "somebody whom the API server does not name".to_owned())
}

/// What came of one round.
#[derive(Default)]
struct Found {
    removed: Vec<String>,
    refused: Vec<String>,
}

/// Removes everything of ours that the API server obeys. Bindings come first: what guards the others is one of them, and
/// refuses for a moment after it is gone.
async fn remove_all(client: &Client) -> anyhow::Result<Found> {
    let mut found = Found::default();
    remove::<ValidatingAdmissionPolicyBinding>(client, &mut found).await?;
    remove::<MutatingAdmissionPolicyBinding>(client, &mut found).await?;
    remove::<ValidatingAdmissionPolicy>(client, &mut found).await?;
    remove::<MutatingAdmissionPolicy>(client, &mut found).await?;
    remove::<ValidatingWebhookConfiguration>(client, &mut found).await?;
    remove::<MutatingWebhookConfiguration>(client, &mut found).await?;
    Ok(found)
}

async fn remove<K>(client: &Client, found: &mut Found) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let kind = K::kind(&());
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    // Whatever stands in them, their names are enough.
    let all = match Api::<PartialObjectMeta<K>>::all(client.clone()).list(&ours).await {
        Ok(all) => all,
        // An API server that does not serve the kind holds none.
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("failed to list objects of kind {kind}")),
    };
    let api: Api<K> = Api::all(client.clone());
    for object in all {
        let name = object.name_any();
        match api.delete(&name, &DeleteParams::default()).await {
            Ok(_) => found.removed.push(format!("{kind} {name}")),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                found.refused.push(format!("{kind} {name}: {}", status.message));
            }
            Err(error) => return Err(error).with_context(|| format!("failed to remove {kind} {name}")),
        }
    }
    Ok(())
}
