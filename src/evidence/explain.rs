//! Finds a recorded decision, and makes it again from what was recorded (no I/O).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::v1alpha1::{Bloc, Jurisdiction, ResidencyException, ResidencyPolicy, TransferMechanism};
use crate::catalogue::{self, Catalogue};
use crate::engine;
use crate::engine::facts::Facts;
use crate::engine::verdict::Verdict;
use crate::index::{Index, Object};
use crate::interpret::read::exception::take_its_word;
use crate::interpret::world::World;

use super::digest::Digest;
use super::record::{Context, Decision, Essence, Line, Record};
use super::verify::{CONTEXT, DECISION, Entry};

/// Why a decision cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The record of what it rests on is missing.
    #[error("no record of policies {0} under lawbook {1} stands in these files")]
    NoContext(Digest, Digest),
    /// The record does not hold what its digest says.
    #[error("the recorded policies or law are not those of the digests")]
    OtherContext,
    /// Facts that are none.
    #[error("failed to read the recorded facts")]
    Facts(#[source] serde_json::Error),
}

/// A decision that was made again.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// What was recorded, and what follows now, of each part.
    pub parts: Vec<(Essence, Verdict)>,
    /// Digest of the catalogue then, if this program has another.
    pub other_catalogue: Option<Digest>,
    /// The version that decided then.
    pub version: String,
}

impl Again {
    /// Whether the same follows.
    pub fn is_same(&self) -> bool {
        self.parts.iter().all(|(recorded, verdict)| *recorded == Essence::of(verdict))
    }
}

/// Lines of a kind with this text in them: most need not be read to know that they are not meant.
fn with<'e, 'a>(
    entries: &'e [Entry<'a>],
    kind: &'static str,
    text: String,
) -> impl Iterator<Item = (&'e Entry<'a>, Line)> {
    let entries = entries.iter().filter(move |entry| entry.head.kind == kind);
    let entries = entries.filter(move |entry| std::str::from_utf8(entry.text).is_ok_and(|all| all.contains(&text)));
    entries.filter_map(|entry| Some((entry, Line::read(entry.text).ok()?)))
}

/// The decisions whose id begins like this.
pub fn find<'e, 'a>(entries: &'e [Entry<'a>], id: &str) -> Vec<(&'e Entry<'a>, Decision)> {
    let mut found: Vec<(&Entry<'_>, Decision)> = Vec::new();
    for (entry, line) in with(entries, DECISION, format!(r#""id":"{id}"#)) {
        if let Record::Decision(decision) = line.record
            && decision.id.starts_with(id)
            && !found.iter().any(|(known, _)| known.digest == entry.digest)
        {
            found.push((entry, *decision));
        }
    }
    found
}

/// Makes decisions again, at the time and under the rules of then.
pub struct Replay {
    builtin: Catalogue,
    catalogue: Digest,
    /// What many decisions rest on is read once, by the digests of its rules and its law.
    known: BTreeMap<(Digest, Digest), Rest>,
}

/// What decisions rest on.
#[derive(Clone)]
struct Rest {
    world: Arc<World>,
    catalogue: Digest,
    version: String,
}

impl Replay {
    /// With the catalogue of this program.
    pub fn new(builtin: Catalogue) -> Self {
        Self { builtin, catalogue: catalogue::digest(), known: BTreeMap::new() }
    }

    /// Makes a decision again.
    ///
    /// # Errors
    ///
    /// When what it rests on was not recorded, or cannot be read.
    pub fn again(
        &mut self,
        entries: &[Entry<'_>],
        entry: &Entry<'_>,
        decision: &Decision,
    ) -> Result<Again, ExplainError> {
        let now = entry.head.time;
        let Rest { world, catalogue, version } = self.rest(entries, decision, now)?;
        let parts = decision.decided.iter().map(|part| {
            let facts: Facts = serde_json::from_value(part.facts.clone()).map_err(ExplainError::Facts)?;
            Ok((part.verdict.clone(), engine::decide(&facts, &world.lawbook, &world.policies, now)))
        });
        let parts = parts.collect::<Result<_, ExplainError>>()?;
        Ok(Again { parts, other_catalogue: Some(catalogue).filter(|then| *then != self.catalogue), version })
    }

    /// What a decision rests on. What is worked out of it ahead for `now` serves other times as well, only slower.
    fn rest(&mut self, entries: &[Entry<'_>], decision: &Decision, now: Timestamp) -> Result<Rest, ExplainError> {
        let digests = (decision.policies, decision.lawbook);
        if let Some(known) = self.known.get(&digests) {
            return Ok(known.clone());
        }
        let mut contexts = with(entries, CONTEXT, decision.policies.to_string());
        let context = contexts.find_map(|(_, line)| match line.record {
            Record::Context(context) => ((context.policies, context.lawbook) == digests).then_some(context),
            _ => None,
        });
        let context = context.ok_or(ExplainError::NoContext(decision.policies, decision.lawbook))?;
        if (Digest::of_json(&context.rules), Digest::of_json(&(&context.law, context.catalogue))) != digests {
            return Err(ExplainError::OtherContext);
        }
        let world = index(&context, self.builtin.clone()).refresh(now);
        let rest = Rest { world, catalogue: context.catalogue, version: context.version.clone() };
        self.known.insert(digests, rest.clone());
        Ok(rest)
    }
}

/// The rules and the law of then.
fn index(context: &Context, builtin: Catalogue) -> Index {
    let Context { version: _, catalogue: _, places: _, policies: _, lawbook: _, rules, law } = context;
    let mut index = Index::new(builtin);
    let policies = rules.policies.iter();
    let objects = policies.map(|(name, spec)| Object::ResidencyPolicy(ResidencyPolicy::new(name, spec.clone())));
    let objects = objects
        .chain(law.blocs.iter().map(|(name, spec)| Object::Bloc(Bloc::new(name, spec.clone()))))
        .chain(law.jurisdictions.iter().map(|(name, spec)| Object::Jurisdiction(Jurisdiction::new(name, spec.clone()))))
        .chain(
            law.mechanisms
                .iter()
                .map(|(name, spec)| Object::TransferMechanism(TransferMechanism::new(name, spec.clone()))),
        );
    // Whoever recorded them had seen the approval.
    let excepted = rules.exceptions.iter().filter_map(|(name, spec)| {
        let (namespace, name) = name.split_once('/')?;
        let mut exception = ResidencyException::new(name, spec.clone());
        exception.metadata.namespace = Some(namespace.to_owned());
        take_its_word(&mut exception);
        Some(Object::ResidencyException(exception))
    });
    for object in objects.chain(excepted).collect::<Vec<_>>() {
        index.apply(object);
    }
    index
}
