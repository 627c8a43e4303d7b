//! What the decision log is told of a review. Called on the admission path: it hands over what is there already, and what it
//! copies is names.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use super::admit::{ALLOW, Phase, REFUSE, REWRITE};
use super::review::{Asked, Content};
use crate::engine::verdict::Action;
use crate::evidence::log::{self, Draft};
use crate::evidence::record::{Channel, Object};
use crate::interpret::Judgement;
use crate::interpret::access::Way;
use crate::interpret::world::World;

/// The record of a review, if it decided about personal data. What the mutating webhook simply lets pass, the validating one
/// decides a moment later.
pub fn draft(
    asked: &Asked<'_>,
    phase: Phase,
    verdict: &str,
    judgement: &Arc<Judgement>,
    (at, world): (Timestamp, &World),
) -> Option<Draft> {
    let outcome = match verdict {
        ALLOW => Action::Allow,
        REWRITE => Action::Rewrite,
        REFUSE => Action::Refuse,
        _ => return None,
    };
    let channel = match phase {
        Phase::Mutate => Channel::Mutate,
        Phase::Validate => Channel::Validate,
    };
    let concerns = !judgement.decided.is_empty() || !judgement.verdict.findings.is_empty();
    if !concerns || (phase == Phase::Mutate && outcome == Action::Allow) {
        return None;
    }
    let user = asked.user.as_user().name;
    Some(Draft {
        id: log::id(channel, &asked.uid),
        at,
        channel,
        operation: Some(asked.operation.to_string()),
        dry_run: asked.dry_run,
        object: object(asked),
        user: (!user.is_empty()).then(|| user.to_owned()),
        outcome,
        judgement: judgement.clone(),
        basis: world.basis.clone(),
    })
}

/// What an object says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    name: Option<String>,
    generate_name: Option<String>,
    uid: Option<String>,
}

impl Named {
    fn of(metadata: &ObjectMeta) -> Self {
        let ObjectMeta { name, generate_name, uid, .. } = metadata;
        Self { name: name.clone(), generate_name: generate_name.clone(), uid: uid.clone() }
    }

    /// Skims an object for its names. What cannot be read was judged unreadable before.
    fn read(object: &str) -> Self {
        #[derive(Default, Deserialize)]
        struct Any {
            #[serde(default)]
            metadata: Named,
        }
        serde_json::from_str::<Any>(object).unwrap_or_default().metadata
    }
}

fn object(asked: &Asked<'_>) -> Object {
    let Named { name, generate_name, uid } = match &asked.object {
        Some(Content::Pod(pod)) => Named::of(&pod.metadata),
        Some(Content::Raw(json)) => Named::read(json.get()),
        None => Named::default(),
    };
    let generated = || generate_name.map(|start| format!("{start}*"));
    let own = Some(asked.name.to_string()).filter(|name| !name.is_empty());
    let kind = Way::named(&asked.kind.group, &asked.kind.kind).map_or(&*asked.kind.kind, |way| way.resource);
    Object {
        group: asked.kind.group.to_string(),
        kind: kind.to_owned(),
        namespace: asked.namespace.to_string(),
        name: own.or(name).or_else(generated).unwrap_or_default(),
        uid,
    }
}
