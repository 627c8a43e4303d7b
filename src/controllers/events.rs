//! Events: what admission and controllers have to tell, written by one task (client).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use super::watch::chain;
use crate::api::v1alpha1::{GROUP, VERSION};
use crate::engine::data::Source;
use crate::engine::explain;
use crate::engine::law::opinion::DISCLAIMER;
use crate::engine::verdict::{Change, Rewrite};
use crate::interpret::Judgement;
use crate::interpret::access::Way;
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

/// What somebody has to tell.
#[derive(Debug)]
pub enum Message {
    /// An event as it will be written.
    Event(Box<Draft>),
    /// An admission; its events are worded here, where nobody waits.
    Admission(Box<Admission>),
}

/// A placement that was refused or rewritten.
#[derive(Debug)]
pub struct Admission {
    /// Kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it was refused.
    pub refused: bool,
    /// What was decided.
    pub judgement: Arc<Judgement>,
}

/// Writes events until nobody can send any more.
pub async fn run(client: Client, shared: Arc<Shared>, mut messages: mpsc::Receiver<Message>) {
    let reporter =
        Reporter { controller: "domicile.dev/operator".to_owned(), instance: std::env::var("POD_NAME").ok() };
    let recorder = Recorder::new(client, reporter);
    let mut recent = Recent::default();
    while let Some(message) = messages.recv().await {
        let drafts = match message {
            Message::Event(draft) => vec![*draft],
            Message::Admission(admission) => of_admission(&shared, &admission),
        };
        for Draft { regarding, related, warning, action, reason, note } in drafts {
            if !warning && recent.repeats(&regarding, reason, Instant::now()) {
                continue;
            }
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
}

/// Who was told what a moment ago. A deployment of a thousand pods is kept inside a thousand times; saying so once is
/// enough, and spares the API server the rest. Warnings are never left out.
#[derive(Debug, Default)]
struct Recent(BTreeMap<(String, &'static str), Instant>);

impl Recent {
    const MOMENT: Duration = Duration::from_secs(10);
    const MOST: usize = 1000;

    fn repeats(&mut self, regarding: &ObjectReference, reason: &'static str, now: Instant) -> bool {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let about = [&regarding.kind, &regarding.namespace, &regarding.name, &regarding.uid].map(text).join("/");
        let lately = |told: &Instant| now.duration_since(*told) < Self::MOMENT;
        if self.0.get(&(about.clone(), reason)).is_some_and(lately) {
            return true;
        }
        if self.0.len() >= Self::MOST {
            self.0.retain(|_, told| lately(told));
        }
        if self.0.len() < Self::MOST {
            self.0.insert((about, reason), now);
        }
        false
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

/// What the stores and the owner of an object are told of what admission did with it.
fn of_admission(shared: &Shared, admission: &Admission) -> Vec<Draft> {
    // Data may stand in many stores; telling the first few is enough to find the others.
    const TOLD: usize = 5;
    let Admission { kind, namespace, name, refused, judgement } = admission;
    let subject = admit::subject(kind, namespace, name, judgement.origin.generate_name.as_deref());
    let note = if *refused {
        let law = judgement.verdict.refusals().any(|finding| finding.citation.is_some());
        let first = explain::lines(judgement.verdict.refusals()).into_iter().next();
        let first = first.map(|line| if law { format!("{line} ({DISCLAIMER})") } else { line });
        let raced = || "what it depends on changed while it was being created; it will be tried again".to_owned();
        format!("{subject}: {}", first.unwrap_or_else(raced))
    } else {
        let world = shared.world();
        let change = |rewrite: &Rewrite| match &rewrite.change {
            Change::PinNodes { countries, .. } => {
                format!("kept in {}", explain::countries(countries, &world.lawbook, shared.now()))
            }
            Change::Take { name } => format!("given storage class {name}"),
        };
        let changes: BTreeSet<String> = judgement.verdict.rewrites.iter().map(change).collect();
        format!("{subject} is {}", changes.into_iter().collect::<Vec<_>>().join(" and "))
    };
    let owner = judgement.origin.owner.as_ref().map(|owner| ObjectReference {
        api_version: Some(owner.api_version.clone()),
        kind: Some(owner.kind.clone()),
        name: Some(owner.name.clone()),
        namespace: Some(namespace.clone()),
        uid: Some(owner.uid.clone()),
        ..ObjectReference::default()
    });
    let draft = |regarding, related| Draft {
        regarding,
        related,
        warning: *refused,
        action: "Admission",
        reason: match (Way::named("", kind), refused) {
            (Some(_), _) => "AccessRefused",
            (None, true) => "PlacementRefused",
            (None, false) => "PlacementRewritten",
        },
        note: note.clone(),
    };
    let sources = judgement.sources.iter().take(TOLD).filter_map(|source| reference(shared, source));
    let mut drafts: Vec<Draft> = sources.map(|regarding| draft(regarding, owner.clone())).collect();
    drafts.extend(owner.clone().map(|owner| draft(owner, None)));
    drafts
}

/// A reference to one of our own objects. Without its version, so that events about it fold into one series.
pub fn own(kind: &str, namespace: Option<&String>, name: Option<&String>, uid: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some(kind.to_owned()),
        name: name.cloned(),
        namespace: namespace.cloned(),
        uid,
        ..ObjectReference::default()
    }
}

/// What declared the data.
fn reference(shared: &Shared, source: &Source) -> Option<ObjectReference> {
    match source {
        Source::Store(namespace, name) => {
            let uid = shared.index().store_uid(namespace, name);
            Some(own("DataStore", Some(namespace), Some(name), uid))
        }
        Source::Flow(namespace, name) => {
            let uid = shared.index().flow_uid(namespace, name);
            Some(own("DataFlow", Some(namespace), Some(name), uid))
        }
        Source::Namespace(name) => Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Namespace".to_owned()),
            name: Some(name.clone()),
            ..ObjectReference::default()
        }),
        // A namespace, store or flow is told; what is between hears of it by its own verdict.
        Source::Label | Source::Object(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_in_a_moment_and_again_later() {
        let mut recent = Recent::default();
        let about = |name: &str| ObjectReference { name: Some(name.into()), ..ObjectReference::default() };
        let start = Instant::now();
        assert!(!recent.repeats(&about("a"), "PlacementRewritten", start));
        assert!(recent.repeats(&about("a"), "PlacementRewritten", start + Duration::from_secs(9)));
        assert!(!recent.repeats(&about("b"), "PlacementRewritten", start));
        assert!(!recent.repeats(&about("a"), "CountryLabelled", start));
        assert!(!recent.repeats(&about("a"), "PlacementRewritten", start + Recent::MOMENT));
    }
}
