//! Events: what admission and controllers have to tell, written by one task (client).

use json_patch::PatchOperation;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::watch::chain;
use crate::api::v1alpha1::{GROUP, VERSION};
use crate::engine::data::Source;
use crate::engine::explain;
use crate::interpret::{Judgement, Request};
use crate::state::Shared;
use crate::webhook::admit;

/// An event to be written.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Whom it is about.
    pub regarding: ObjectReference,
    /// The other object concerned.
    pub related: Option<ObjectReference>,
    /// Whether somebody should look at it.
    pub warning: bool,
    /// What was being done: `Admission`, `Audit` or `Reconcile`.
    pub action: &'static str,
    /// What happened, from a fixed vocabulary.
    pub reason: &'static str,
    /// The sentence.
    pub note: String,
}

/// Writes events until nobody can send any more.
pub async fn run(client: Client, mut drafts: mpsc::Receiver<Draft>) {
    let reporter =
        Reporter { controller: "domicile.dev/operator".to_owned(), instance: std::env::var("POD_NAME").ok() };
    let recorder = Recorder::new(client, reporter);
    while let Some(Draft { regarding, related, warning, action, reason, note }) = drafts.recv().await {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(clip(note)),
            action: action.to_owned(),
            secondary: related,
        };
        if let Err(error) = recorder.publish(&event, &regarding).await {
            tracing::warn!(reason, error = %chain(&error), "failed to write an event");
        }
    }
}

/// The API refuses longer notes.
fn clip(note: String) -> String {
    const LONGEST: usize = 1000;
    if note.len() <= LONGEST {
        return note;
    }
    let mut end = LONGEST;
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &note[..end])
}

/// Tells the stores and the owner of an object what admission did with it.
pub fn of_admission(shared: &Shared, request: &Request<'_>, judgement: &Judgement, refused: bool) {
    // A data set may stand in many stores; telling the first few is enough to find the others.
    const TOLD: usize = 5;
    let owner = owner(request);
    let subject = admit::subject(request);
    let note = if refused {
        let first = explain::lines(judgement.verdict.refusals()).into_iter().next();
        format!("{subject}: {}", first.unwrap_or_else(|| "it is not pinned".to_owned()))
    } else {
        let changed: Vec<String> = judgement.patch.iter().map(change).collect();
        format!("{subject} is kept inside: {}", changed.join(", "))
    };
    let draft = |regarding, related| Draft {
        regarding,
        related,
        warning: refused,
        action: "Admission",
        reason: if refused { "PlacementRefused" } else { "PlacementRewritten" },
        note: note.clone(),
    };
    for source in judgement.sources.iter().take(TOLD) {
        if let Some(regarding) = reference(shared, source) {
            shared.tell(draft(regarding, owner.clone()));
        }
    }
    if let Some(owner) = owner {
        shared.tell(draft(owner, None));
    }
}

/// A change in words: where, and what.
fn change(operation: &PatchOperation) -> String {
    match operation {
        PatchOperation::Add(add) => format!("{} = {}", add.path, add.value),
        other => other.path().to_string(),
    }
}

/// Who made the object, or for an existing one the object itself.
fn owner(request: &Request<'_>) -> Option<ObjectReference> {
    #[derive(Deserialize)]
    struct Owned {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        owner_references: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference>,
    }
    let owned: Owned = serde_json::from_str(request.object).ok()?;
    let owner = owned.metadata.owner_references.into_iter().find(|owner| owner.controller == Some(true))?;
    Some(ObjectReference {
        api_version: Some(owner.api_version),
        kind: Some(owner.kind),
        name: Some(owner.name),
        namespace: Some(request.namespace.to_owned()),
        uid: Some(owner.uid),
        ..ObjectReference::default()
    })
}

/// What declared the data.
fn reference(shared: &Shared, source: &Source) -> Option<ObjectReference> {
    let own = |kind: &str, namespace: &String, name: &String, uid| ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some(kind.to_owned()),
        name: Some(name.clone()),
        namespace: Some(namespace.clone()),
        uid,
        ..ObjectReference::default()
    };
    match source {
        Source::Store(namespace, name) => {
            let uid = shared.index().store_uid(namespace, name);
            Some(own("DataStore", namespace, name, uid))
        }
        Source::Flow(namespace, name) => {
            let uid = shared.index().flow_uid(namespace, name);
            Some(own("DataFlow", namespace, name, uid))
        }
        Source::Namespace(name) => Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Namespace".to_owned()),
            name: Some(name.clone()),
            ..ObjectReference::default()
        }),
        Source::Label => None,
    }
}
