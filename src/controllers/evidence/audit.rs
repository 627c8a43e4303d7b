//! What the audit adds to the decision log: an object whose verdict is another than when it was last looked at (no client).
//!
//! What is right and was never found otherwise is not recorded: a log of everything that stays as it was would hold nothing
//! else. Whoever takes over the lease records what is wrong once more, as far as it has not judged it before.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::verdict::Verdict;
use crate::evidence::log::{self, Draft};
use crate::evidence::record::{Channel, Object};
use crate::index::{self, Audited, Subject};
use crate::interpret::Judgement;
use crate::interpret::basis::Basis;
use crate::state::Shared;

/// How long the audit waits where the log is full.
const PAUSE: Duration = Duration::from_millis(20);

/// What was last found of each object, by hashes of its name and of its verdict; of those with nothing to tell none is
/// kept.
#[derive(Debug, Default)]
pub struct Audit {
    known: BTreeMap<u64, u64>,
    changed: Vec<Draft>,
}

impl Audit {
    /// Notes what was found of an object.
    pub fn note(&mut self, found: &Audited<'_>, at: Timestamp) {
        let Audited { group, kind, namespace, name, uid, facts, verdict } = found;
        let key = hash(&(group, kind, namespace, name));
        let is = fingerprint(verdict);
        let is_right = is == fingerprint(&Verdict::allow());
        let before = if is_right { self.known.remove(&key) } else { self.known.insert(key, is) };
        let changed = match before {
            Some(before) => before != is,
            None => !verdict.findings.is_empty(),
        };
        if !changed {
            return;
        }
        let text = |text: &&str| (*text).to_owned();
        let object = Object {
            group: text(group),
            kind: text(kind),
            namespace: text(namespace),
            name: text(name),
            uid: (!uid.is_empty()).then(|| (*uid).to_owned()),
        };
        self.changed.push(Draft {
            id: log::id(Channel::Audit, &format!("{group}/{kind}/{namespace}/{name} {at}")),
            at,
            channel: Channel::Audit,
            operation: None,
            dry_run: false,
            object,
            user: None,
            outcome: verdict.action,
            judgement: Arc::new(Judgement::of_facts((*facts).clone(), (*verdict).clone())),
            // What it rests on is the same for all, and known when all are told.
            basis: Arc::default(),
        });
    }

    /// Forgets objects that are gone, when they have become many: pods come and go.
    pub fn forget_others(&mut self, found: &index::Audit) {
        const FEW: usize = 1024;
        if self.known.len() > FEW + 2 * found.objects.len() {
            let subjects = found.objects.iter().map(|object| &object.subject);
            let keys: BTreeSet<u64> = subjects
                .map(|Subject { api_version, kind, namespace, name, uid: _ }| {
                    let group = api_version.split_once('/').map_or("", |(group, _)| group);
                    hash(&(group, kind.as_str(), namespace.as_str(), name.as_str()))
                })
                .collect();
            self.known.retain(|key, _| keys.contains(key));
        }
    }

    /// Hands over what has changed since the last time, as fast as it is written.
    pub async fn tell(&mut self, shared: &Shared, basis: &Arc<Basis>) {
        for draft in std::mem::take(&mut self.changed) {
            let Some(log) = shared.decision_log() else { return };
            while !log.has_room() {
                tokio::time::sleep(PAUSE).await;
            }
            log.write(Draft { basis: basis.clone(), ..draft });
        }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What makes a verdict another one: not its sentences, and not until when it holds.
fn fingerprint(verdict: &Verdict) -> u64 {
    let findings = verdict.findings.iter();
    let findings: Vec<_> =
        findings.map(|one| (one.rule, one.mode, one.policy.as_deref(), one.field.as_str(), one.unproven)).collect();
    let grounds: Vec<&str> = verdict.grounds.iter().map(|ground| ground.name.as_str()).collect();
    hash(&(verdict.action, verdict.legal, findings, grounds))
}
