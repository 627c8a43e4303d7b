//! `domicile emergency-on`: the way back.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::Exit;
use crate::controllers::emergency::{self, Record};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The operator's namespace, where the record is kept
    #[arg(long, env = "POD_NAMESPACE", default_value = "domicile-system")]
    namespace: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    super::block_on(switch_on(arguments))
}

async fn switch_on(Arguments { namespace }: &Arguments) -> anyhow::Result<Exit> {
    let client = super::connect().await?;
    let records: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let Some(object) = records.get_opt(emergency::NAME).await.context("failed to read the record")? else {
        println!("enforcement is not switched off: there is no ConfigMap {namespace}/{}", emergency::NAME);
        return Ok(Exit::Ok);
    };
    let record = Record::read(&object);
    records.delete(emergency::NAME, &DeleteParams::default()).await.context("failed to remove the record")?;
    let lasted = record.since.map(|since| {
        let lasted = Timestamp::now().duration_since(since);
        format!(" after {:#}", SignedDuration::from_secs(lasted.as_secs()))
    });
    let note = format!("switched on again{}; it was {}", lasted.unwrap_or_default(), record.sentence());
    println!("{note}");
    println!("operators write everything again at once; if none runs, nothing is enforced until one does");
    let reporter = Reporter { controller: "domicile.dev/emergency".to_owned(), instance: None };
    let event = Event {
        type_: EventType::Normal,
        reason: "EnforcementOn".to_owned(),
        note: Some(note),
        action: "SwitchOn".to_owned(),
        secondary: None,
    };
    if let Err(error) = Recorder::new(client, reporter).publish(&event, &emergency::reference(namespace)).await {
        eprintln!("domicile: failed to write an event: {error}");
    }
    Ok(Exit::Ok)
}
