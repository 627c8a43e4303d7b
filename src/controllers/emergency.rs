//! The emergency switch: a ConfigMap in the operator's namespace, by whose existence nothing is enforced.
//!
//! `domicile emergency-off` makes it and `domicile emergency-on` removes it, with or without a living operator. While it is
//! there, operators write nothing that the API server would obey, go on watching and judging, and say so.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};

use super::configuration::labels;
use super::events::Draft;
use super::watch::chain;
use crate::state::{Emergency, Shared};

/// Name of the ConfigMap.
pub const NAME: &str = "domicile-emergency";
/// So often a log line says that nothing is enforced.
const REMIND: Duration = Duration::from_secs(300);

/// Who switched enforcement off, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The user, as the API server knows them.
    pub by: String,
    /// Since when; nothing if somebody wrote the record by hand.
    pub since: Option<Timestamp>,
    /// Their words.
    pub reason: String,
}

impl Record {
    /// Reads the record. Whatever it holds, that it is there is what counts.
    pub fn read(object: &ConfigMap) -> Self {
        let data = object.data.clone().unwrap_or_default();
        let text = |key: &str| data.get(key).cloned().unwrap_or_else(|| "unknown".to_owned());
        Self { by: text("by"), since: text("since").parse().ok(), reason: text("reason") }
    }

    /// The object that says so.
    pub fn object(&self, namespace: &str) -> ConfigMap {
        let Self { by, since, reason } = self;
        let since = since.map(|since| since.to_string()).unwrap_or_default();
        let data = [("by", by.clone()), ("since", since), ("reason", reason.clone())];
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                namespace: Some(namespace.to_owned()),
                labels: Some(labels()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from(data.map(|(key, value)| (key.to_owned(), value)))),
            ..ConfigMap::default()
        }
    }

    /// As a sentence.
    pub fn sentence(&self) -> String {
        let Self { by, since, reason } = self;
        let since = since.map(|since| format!(" since {since:.0}")).unwrap_or_default();
        format!("switched off by {by}{since}: {reason}")
    }
}

/// The record as something that Events are about.
pub fn reference(namespace: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("ConfigMap".to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(NAME.to_owned()),
        ..ObjectReference::default()
    }
}

/// Notes whether the record is there, until dropped (every replica).
pub async fn follow(client: Client, shared: &Shared, namespace: &str) {
    let mut records = pin!(watch_object(Api::<ConfigMap>::namespaced(client, namespace), NAME).default_backoff());
    while let Some(event) = records.next().await {
        match event {
            Ok(record) => {
                let emergency = record.as_ref().map_or(Emergency::Enforcing, |one| Emergency::Off(Record::read(one)));
                shared.metrics.enforcement_off.set(i64::from(record.is_some()));
                shared.set_emergency(emergency);
            }
            Err(error) => {
                shared.metrics.watch_failures.inc();
                tracing::warn!(error = %chain(&error), "the watch on the emergency switch failed, starting again");
            }
        }
    }
}

/// Waits until enforcement is known to be switched on, or off.
pub async fn switched(shared: &Shared, on: bool) {
    let mut published = shared.published();
    loop {
        let is = match &*shared.emergency() {
            Emergency::Unknown => None,
            Emergency::Enforcing => Some(true),
            Emergency::Off(_) => Some(false),
        };
        if is == Some(on) || published.changed().await.is_err() {
            return;
        }
    }
}

/// Says that nothing is enforced, as long as that is so (leader only).
pub async fn tell(shared: &Shared, namespace: &str) {
    let mut published = shared.published();
    let mut known = None;
    let mut reminded = tokio::time::Instant::now();
    loop {
        match &*shared.emergency() {
            Emergency::Off(record) => {
                if known.as_ref() != Some(record) {
                    let note = format!("nothing is enforced: {}", record.sentence());
                    let (regarding, reason) = (reference(namespace), "EnforcementOff");
                    shared.tell(Draft { regarding, related: None, warning: true, action: "Reconcile", reason, note });
                    known = Some(record.clone());
                    reminded = tokio::time::Instant::now();
                }
                if reminded <= tokio::time::Instant::now() {
                    tracing::warn!(by = %record.by, reason = %record.reason, "nothing is enforced: switched off");
                    reminded = tokio::time::Instant::now() + REMIND;
                }
            }
            Emergency::Enforcing => {
                if known.take().is_some() {
                    tracing::info!("enforcement is on again");
                }
            }
            Emergency::Unknown => {}
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(reminded.max(tokio::time::Instant::now() + Duration::from_secs(1))) => {}
        }
    }
}
