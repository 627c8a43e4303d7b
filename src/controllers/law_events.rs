//! Events about the law (no client): a mechanism ended, is about to end, or is at risk. Told from the difference between the
//! status that an object has and the one that it gets, so that a restart tells nothing twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::events::{self, Draft};
use crate::api::v1alpha1::{DataFlow, DataFlowStatus, DataStore, DataStoreStatus, Reliance};
use crate::engine::law::opinion::{DISCLAIMER, Legal};
use crate::engine::lawbook::Lawbook;
use crate::state::Shared;

/// A mechanism may carry thousands of flows. Each of them says so in its status; so many are told by Events as well.
const TOLD: usize = 100;

/// Tells what the law has changed for stores and flows.
pub fn tell(shared: &Shared, stores: &[(Arc<DataStore>, DataStoreStatus)], flows: &[(Arc<DataFlow>, DataFlowStatus)]) {
    let world = shared.world();
    let mut told = 0;
    let mut left_out = 0;
    let mut send = |draft: Draft| {
        if told < TOLD {
            told += 1;
            shared.tell(draft);
        } else {
            left_out += 1;
        }
    };
    let draft = |kind, metadata: &ObjectMeta, (reason, warning, note)| {
        let regarding = events::own(kind, metadata.namespace.as_ref(), metadata.name.as_ref(), metadata.uid.clone());
        Draft { regarding, related: None, warning, action: "Reconcile", reason, note }
    };
    for (flow, status) in flows {
        let before = flow.status.as_ref();
        let grounds = before.map(|before| before.grounds.as_slice()).unwrap_or_default();
        let subject = Subject { before: grounds, now: &status.grounds, legal: status.legal };
        let told = changes(&world.lawbook, &subject, shared.now()).into_iter().chain(ending(before, status));
        for told in told {
            send(draft("DataFlow", &flow.metadata, told));
        }
    }
    for (store, status) in stores {
        let grounds = store.status.as_ref().map(|before| before.grounds.as_slice()).unwrap_or_default();
        let subject = Subject { before: grounds, now: &status.grounds, legal: status.legal };
        for told in changes(&world.lawbook, &subject, shared.now()) {
            send(draft("DataStore", &store.metadata, told));
        }
    }
    if left_out > 0 {
        tracing::warn!(left_out, "more changes of the law than Events were written; every status has them");
    }
}

/// Reason, whether somebody should look at it, and the sentence.
type Told = (&'static str, bool, String);

/// That what carries a flow ends soon, when the next lead time has begun.
fn ending(before: Option<&DataFlowStatus>, status: &DataFlowStatus) -> Option<Told> {
    let known = before.and_then(|before| before.ends_within.as_ref());
    let within = status.ends_within.as_ref().filter(|within| known != Some(within) && !status.grounds.is_empty())?;
    let ground = status.ground.as_deref().unwrap_or_default();
    let note = format!("{ground} ends within {within}; add a basis that can carry the flow then ({DISCLAIMER})");
    Some(("MechanismEnding", true, note))
}

struct Subject<'a> {
    before: &'a [Reliance],
    now: &'a [Reliance],
    legal: Option<Legal>,
}

/// What happened to the grounds of one object.
fn changes(lawbook: &Lawbook, subject: &Subject<'_>, at: Timestamp) -> Vec<Told> {
    let names = |all: &[Reliance]| all.iter().map(|one| one.mechanism.clone()).collect::<BTreeSet<String>>();
    let (before, now) = (names(subject.before), names(subject.now));
    let mut all = Vec::new();
    let lawful = subject.legal.is_none_or(|legal| legal <= Legal::Conditional);
    let fresh: Vec<&str> = now.difference(&before).map(String::as_str).collect();
    let what_now = match (lawful, fresh.as_slice()) {
        (true, []) => "what is left carries it".to_owned(),
        (true, fresh) => format!("{} carries it now", fresh.join(", ")),
        (false, _) => "nothing carries it any more, and its workloads are refused".to_owned(),
    };
    for gone in before.difference(&now) {
        let mechanism = lawbook.mechanism(gone);
        let by = mechanism.and_then(|one| one.ended.as_ref()?.by.clone()).map(|by| format!(" ({by})"));
        let in_force = mechanism.is_some_and(|one| one.window.contains(at));
        let (reason, ended) =
            if in_force { ("BasisLost", "is no longer met") } else { ("MechanismEnded", "has ended") };
        let by = by.filter(|_| !in_force).unwrap_or_default();
        all.push((reason, !lawful, format!("{gone} {ended}{by}; {what_now} ({DISCLAIMER})")));
    }
    let risks = |all: &[Reliance]| -> BTreeSet<(String, String)> {
        all.iter().flat_map(|one| one.at_risk.iter().map(|note| (one.mechanism.clone(), note.clone()))).collect()
    };
    for (mechanism, note) in risks(subject.now).difference(&risks(subject.before)) {
        all.push(("MechanismAtRisk", true, format!("{mechanism} may end: {note} ({DISCLAIMER})")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relying(mechanism: &str, risks: &[&str]) -> Reliance {
        Reliance {
            mechanism: mechanism.into(),
            law: "XX".into(),
            source: "an act".into(),
            at_risk: risks.iter().map(|risk| (*risk).to_owned()).collect(),
        }
    }

    fn told(before: &[Reliance], now: &[Reliance], legal: Legal) -> Vec<(&'static str, bool)> {
        let subject = Subject { before, now, legal: Some(legal) };
        let all = changes(&Lawbook::default(), &subject, Timestamp::UNIX_EPOCH);
        assert!(all.iter().all(|(_, _, note)| note.matches(DISCLAIMER).count() == 1), "{all:?}");
        all.into_iter().map(|(reason, warning, _)| (reason, warning)).collect()
    }

    #[test]
    fn what_changes_is_told_and_what_does_not_is_not() {
        let (a, b, risky) = ([relying("a", &[])], [relying("b", &[])], [relying("a", &["an appeal"])]);
        assert_eq!(told(&a, &a, Legal::Permitted), []);
        assert_eq!(told(&a, &b, Legal::Permitted), [("MechanismEnded", false)]);
        assert_eq!(told(&a, &[], Legal::Prohibited), [("MechanismEnded", true)]);
        assert_eq!(told(&a, &risky, Legal::Permitted), [("MechanismAtRisk", true)]);
        assert_eq!(told(&risky, &risky, Legal::Permitted), []);
    }
}
