//! Keeps the country label of nodes by evidence.
//!
//! A label is set as soon as the evidence is there. It is taken away only when the evidence has been missing or disputed
//! for a grace period of this process's own, never at start-up and never because a cache is empty: daemon sets kill the
//! pods of a node that stops matching.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::FIELD_MANAGER;
use super::events::Draft;
use super::watch::chain;
use crate::engine::node::{COUNTRY_LABEL, Located};
use crate::index::NodeState;
use crate::interpret::objects::Node;
use crate::state::Shared;

/// What to do with one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Set the label to this country.
    Label {
        /// The node.
        node: String,
        /// The country.
        country: String,
        /// By what it is known.
        basis: String,
    },
    /// Say that the evidence is gone or disputed; the grace period begins.
    Doubt {
        /// The node.
        node: String,
        /// Whether the evidence contradicts itself.
        disputed: bool,
        /// What is wrong with the evidence.
        reason: String,
    },
    /// Take the label away.
    Remove {
        /// The node.
        node: String,
        /// The country that it named.
        country: String,
        /// What is wrong with the evidence.
        reason: String,
    },
}

/// Since when each node has been in doubt.
pub type Doubts = BTreeMap<String, (Instant, String)>;

/// What to do (no client). Notes new doubts and drops those that are settled.
pub fn plan<'a>(
    nodes: impl Iterator<Item = &'a NodeState>,
    doubts: &mut Doubts,
    grace: Duration,
    now: Instant,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut present = BTreeMap::new();
    for node in nodes {
        let name = &node.facts.name;
        let (disputed, reason) = match &node.located {
            Located::In { country, basis, .. } => {
                let country = country.to_string();
                if node.label.as_ref() != Some(&country) {
                    steps.push(Step::Label { node: name.clone(), country, basis: basis.clone() });
                }
                continue;
            }
            Located::Unknown(reason) => (false, reason.clone()),
            Located::Disputed(reason) => (true, reason.clone()),
        };
        let since = match doubts.remove(name) {
            Some((since, known)) if known == reason => since,
            _ => {
                steps.push(Step::Doubt { node: name.clone(), disputed, reason: reason.clone() });
                now
            }
        };
        if let Some(country) = node.label.clone().filter(|_| now.duration_since(since) >= grace) {
            steps.push(Step::Remove { node: name.clone(), country, reason: reason.clone() });
        }
        present.insert(name.clone(), (since, reason));
    }
    *doubts = present;
    steps
}

/// Runs until dropped.
pub async fn run(client: Client, shared: Arc<Shared>, grace: Duration) {
    let mut published = shared.published();
    let mut doubts = Doubts::new();
    // How often nodes had changed when they were last looked at, and when they are looked at all the same.
    let (mut seen, mut again) = (None, Instant::now());
    loop {
        let anew = shared.index().nodes_anew();
        if !shared.synced() {
            again = Instant::now() + IDLE;
        } else if seen != Some(anew) || again <= Instant::now() {
            let mut failed = false;
            let reconcile = shared.metrics.turn("nodes");
            let steps = plan(shared.index().nodes(), &mut doubts, grace, Instant::now());
            for step in steps {
                failed |= !apply(&client, &shared, step).await;
            }
            reconcile.ended(!failed);
            let due = doubts.values().map(|(since, _)| grace.saturating_sub(since.elapsed())).min();
            // A label that is gone leaves its doubt behind, which then is due at once and has nothing to do.
            let pause = if failed { Duration::from_secs(1) } else { due.map_or(IDLE, |due| due.clamp(SHORTEST, IDLE)) };
            (seen, again) = (Some(anew), Instant::now() + pause);
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(again.into()) => {}
        }
        // Changes come in bursts.
        tokio::time::sleep(SHORTEST).await;
    }
}

const IDLE: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(20);

/// Carries out a step (client); false if it has to be tried again.
async fn apply(client: &Client, shared: &Shared, step: Step) -> bool {
    let api: Api<Node> = Api::all(client.clone());
    let (name, label, reason, note) = match step {
        Step::Doubt { node, disputed, reason } => {
            let kind = if disputed { "PlaceDisputed" } else { "PlaceUnknown" };
            let note = format!("the country of node {node} cannot be told: {reason}. Nothing new counts on it");
            return tell(shared, &node, kind, note, true);
        }
        Step::Label { node, country, basis } => {
            let note = format!("node {node} is in {country}, by {basis}");
            (node, Some(country), "CountryLabelled", note)
        }
        Step::Remove { node, country, reason } => {
            let note = format!("node {node} no longer carries the country label {country}: {reason}");
            (node, None, "CountryLabelRemoved", note)
        }
    };
    let patch = json!({"metadata": {"labels": {COUNTRY_LABEL: label}}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&name, &params, &Patch::Merge(patch)).await {
        Ok(_) => tell(shared, &name, reason, note, label.is_none()),
        Err(kube::Error::Api(status)) if status.is_not_found() => true,
        Err(error) => {
            tracing::warn!(node = %name, error = %chain(&error), "failed to write the country label");
            false
        }
    }
}

fn tell(shared: &Shared, name: &str, reason: &'static str, note: String, warning: bool) -> bool {
    tracing::info!(node = %name, reason, "node evidence");
    let regarding = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(name.to_owned()),
        // Events of nodes carry the node's name as uid, which is what `kubectl describe node` looks for.
        uid: Some(name.to_owned()),
        ..ObjectReference::default()
    };
    shared.tell(Draft { regarding, related: None, warning, action: "Reconcile", reason, note });
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::node::{Evidence, NodeFacts};
    use crate::interpret::room::Room;

    fn node(label: Option<&str>, located: Located) -> NodeState {
        let facts = NodeFacts { name: "n".into(), ..NodeFacts::default() };
        NodeState { facts, label: label.map(Into::into), located, room: Room::default() }
    }

    fn germany() -> Located {
        let country = crate::engine::country::Country::parse("DE").unwrap();
        Located::In { country, evidence: Evidence::Proven, basis: "test".into() }
    }

    #[test]
    fn a_label_goes_only_after_the_doubt_has_lasted() {
        let mut doubts = Doubts::new();
        let (grace, start) = (Duration::from_secs(30), Instant::now());
        let disputed = [node(Some("DE"), Located::Disputed("two tell different countries".into()))];
        let first = plan(disputed.iter(), &mut doubts, grace, start);
        assert!(matches!(first.as_slice(), [Step::Doubt { .. }]), "{first:?}");
        assert_eq!(plan(disputed.iter(), &mut doubts, grace, start + Duration::from_secs(29)), []);
        let last = plan(disputed.iter(), &mut doubts, grace, start + grace);
        assert!(matches!(last.as_slice(), [Step::Remove { .. }]), "{last:?}");
    }

    #[test]
    fn a_settled_doubt_begins_anew() {
        let mut doubts = Doubts::new();
        let (grace, start) = (Duration::from_secs(30), Instant::now());
        let doubtful = [node(Some("DE"), Located::Unknown("nothing tells".into()))];
        plan(doubtful.iter(), &mut doubts, grace, start);
        assert_eq!(plan([node(Some("DE"), germany())].iter(), &mut doubts, grace, start + grace), []);
        let again = plan(doubtful.iter(), &mut doubts, grace, start + grace);
        assert!(matches!(again.as_slice(), [Step::Doubt { .. }]), "{again:?}");
    }
}
