//! Bindings: a pod goes to a node. Whatever its constraints say, this is where it will really be, by the evidence for the
//! node; and what labels a binding brings become the pod's.

use jiff::Timestamp;
use serde::Deserialize;

use super::pod::{self, PodView};
use super::scope::{self, Labels};
use super::subject;
use super::world::World;
use super::{JudgeError, Judgement, Request, known_namespace, left};
use crate::engine;
use crate::engine::verdict::{Action, Verdict};

/// The kind, in the core group.
pub const KIND: &str = "Binding";

/// What a binding says.
#[derive(Debug, Deserialize)]
struct Binding {
    #[serde(default)]
    metadata: Metadata,
    target: Target,
}

/// What becomes the pod's. Annotations never say whose data a pod holds.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    labels: Option<Labels>,
}

/// The node.
#[derive(Debug, Deserialize)]
struct Target {
    #[serde(default)]
    name: String,
}

/// Judges a binding.
///
/// # Errors
///
/// When the namespace or the pod is not known yet, or the object is no binding.
pub fn judge(world: &World, request: &Request<'_>, now: Timestamp) -> Result<Judgement, JudgeError> {
    let unreadable = |source| JudgeError::Unreadable { kind: request.kind.to_owned(), source };
    let binding: Binding = serde_json::from_str(request.object.json()).map_err(unreadable)?;
    let namespace = known_namespace(world, request.namespace)?;
    let own = binding.metadata.name.as_deref().unwrap_or_default();
    let name = if request.name.is_empty() { own } else { request.name };
    let pod = world.pod(request.namespace, name).ok_or_else(|| JudgeError::unknown_pod(request.namespace, name))?;
    let mut labels = (*pod.labels).clone();
    labels.extend(binding.metadata.labels.unwrap_or_default());
    let before = scope::of_pod(world, namespace, &pod.labels, &pod.spec).data;
    let after = scope::of_pod(world, namespace, &labels, &pod.spec).data;
    if let Some(finding) = left(world, &before, &after, now) {
        let verdict = Verdict { action: Action::Refuse, findings: vec![finding], ..Verdict::allow() };
        return Ok(Judgement::new(verdict));
    }
    let view = PodView { labels: &labels, ..pod.view() };
    let mut facts = pod::bound(world, namespace, view, &binding.target.name);
    facts.subject = subject::held_pod(world, request.namespace, name, &pod.maker);
    let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
    // The node may have come a moment before the watch has shown it.
    let awaits = verdict.only_unproven();
    Ok(Judgement { awaits, ..Judgement::new(verdict) }.decided_from(facts))
}
