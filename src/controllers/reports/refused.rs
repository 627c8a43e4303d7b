//! Refused requests: there is no object that a report could be about, so that each namespace keeps a ring of the last ones.
//!
//! Every replica answers requests, and so every replica writes: it reads the ring, adds to it, and writes it back unless
//! somebody else has done so meanwhile. A controller that tries the same again and again adds nothing new; the time of
//! what it was refused is renewed now and then. What generated policies refuse never reaches the operator.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::Notify;

use super::api::ReportApi;
use super::contents::{self, Contents, Entry, Summary, id};
use super::{Budget, Part, Settings, now, plan, reports};
use crate::controllers::FIELD_MANAGER;
use crate::controllers::owner::Owner;
use crate::controllers::watch::chain;
use crate::index::Name;
use crate::interpret::Judgement;
use crate::interpret::access::Way;
use crate::state::Shared;

/// Name of the report in each namespace.
pub const NAME: &str = "domicile-refused-requests";
/// So many results are kept; older ones make room.
const RING: usize = 100;
/// Of one request, so many findings are told.
const TOLD: usize = 5;
/// Namespaces with refusals that are not written yet. Beyond, new ones are dropped: whoever floods the webhook must not
/// fill its memory.
const NAMESPACES: usize = 1000;
/// A repeated refusal is the same until so much time has passed.
const AGAIN: i64 = 600;
/// Refusals come in bursts.
const GATHER: Duration = Duration::from_secs(1);

/// Refused requests that are not written yet, by namespace.
#[derive(Debug, Default)]
pub struct Refusals {
    pending: Mutex<BTreeMap<String, Vec<Entry>>>,
    arrived: Notify,
}

/// A request that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// API group of the object.
    pub group: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// Its name; empty where the API server would have made one up.
    pub name: &'a str,
}

impl Refusals {
    /// Notes a refusal. Costs a short lock and never waits for anybody.
    pub fn note(&self, request: &Refused<'_>, judgement: &Judgement) {
        // A request about a namespace names it as its own, where it may never come to be.
        let namespace = if request.kind == "Namespace" { "" } else { request.namespace };
        let request = &Refused { namespace, ..*request };
        let fresh = entries(request, judgement);
        if fresh.is_empty() {
            return;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() >= NAMESPACES && !pending.contains_key(request.namespace) {
            return;
        }
        let ring = pending.entry(request.namespace.to_owned()).or_default();
        add(ring, fresh);
        drop(pending);
        self.arrived.notify_one();
    }

    fn take(&self) -> BTreeMap<String, Vec<Entry>> {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A refusal as results (no client).
fn entries(request: &Refused<'_>, judgement: &Judgement) -> Vec<Entry> {
    let resource = concerned(request, judgement);
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let about = [&resource.api_version, &resource.kind, &resource.namespace, &resource.name].map(text).join("/");
    let stamp = now();
    let entry = |finding| {
        let entry = contents::refused(finding, &[&about, request.kind]);
        Entry { timestamp: stamp, resources: vec![resource.clone()], ..entry }
    };
    judgement.verdict.refusals().take(TOLD).map(entry).collect()
}

/// The object: where it has no name yet, the controller that made it, since it will make it again under another name.
fn concerned(request: &Refused<'_>, judgement: &Judgement) -> ObjectReference {
    let Refused { group, version, kind, namespace, name } = *request;
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let named = |api_version: String, kind: &str, name: String, uid: Option<String>| ObjectReference {
        api_version: Some(api_version),
        kind: Some(kind.to_owned()),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        name: Some(name),
        uid,
        ..ObjectReference::default()
    };
    // A connection is a request to an object, whose kind is that of its options.
    if let Some(way) = Way::named(group, kind) {
        let kind = if way.resource.starts_with("services/") { "Service" } else { "Pod" };
        return named("v1".to_owned(), kind, name.to_owned(), None);
    }
    match (&judgement.origin.owner, &judgement.origin.generate_name) {
        (Some(owner), _) if !owner.uid.is_empty() => {
            named(owner.api_version.clone(), &owner.kind, owner.name.clone(), Some(owner.uid.clone()))
        }
        (_, Some(start)) if name.is_empty() => named(api_version, kind, format!("{start}*"), None),
        _ => named(api_version, kind, name.to_owned(), None),
    }
}

/// Adds results to a ring (no client), the newest last; whether that changes it.
fn add(ring: &mut Vec<Entry>, fresh: Vec<Entry>) -> bool {
    let mut changed = false;
    for entry in fresh {
        if let Some(position) = ring.iter().position(|known| id(known) == id(&entry)) {
            if entry.timestamp.seconds - ring[position].timestamp.seconds < AGAIN {
                continue;
            }
            ring.remove(position);
        }
        ring.push(entry);
        changed = true;
    }
    let most = ring.len().saturating_sub(RING);
    ring.drain(..most);
    changed
}

/// Writes refusals down until dropped (every replica).
pub async fn run(client: Client, shared: &Shared, settings: Settings, budget: &Budget, owner: &Owner) {
    loop {
        shared.refusals().arrived.notified().await;
        tokio::time::sleep(GATHER).await;
        let pending = shared.refusals().take();
        let Some(api) = shared.report_apis().and_then(|served| settings.api.of(&served)) else { continue };
        for (namespace, fresh) in pending {
            if let Err(error) = write(&client, shared, api, &namespace, &fresh, budget, owner).await {
                tracing::warn!(namespace, error = %chain(&error), "failed to write a report on refused requests");
            }
        }
    }
}

/// Adds to the ring of a namespace (client).
async fn write(
    client: &Client,
    shared: &Shared,
    api: ReportApi,
    namespace: &str,
    fresh: &[Entry],
    budget: &Budget,
    owner: &Owner,
) -> Result<(), kube::Error> {
    /// Another replica may be faster; so often in a row it will not be.
    const ATTEMPTS: usize = 5;
    let key: Name = (namespace.to_owned(), NAME.to_owned());
    let reports = reports(client, api, &key);
    let mut left = ATTEMPTS;
    loop {
        let there = reports.get_opt(NAME).await?;
        let data = there.as_ref().map(|report| report.data.clone()).unwrap_or_default();
        let mut contents: Contents = serde_json::from_value(data).unwrap_or_default();
        if !add(&mut contents.results, fresh.to_vec()) {
            return Ok(());
        }
        contents.source = contents::source(api);
        contents.summary = Summary::of(&contents.results);
        budget.turn().await;
        let written = if let Some(there) = &there {
            let mut patch = json!(contents);
            // Written only over what was read.
            patch["metadata"] = json!({"resourceVersion": there.resource_version()});
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            reports.patch(NAME, &params, &Patch::Merge(patch)).await
        } else {
            // It goes with the namespace, or with the installation.
            let owner = owner.current(client).await.ok().flatten();
            let report = plan::object(api, &key, Part::Refused, owner, &contents);
            let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            reports.create(&params, &report).await
        };
        match written {
            Ok(_) => {
                shared.metrics.report_written("refused");
                return Ok(());
            }
            Err(kube::Error::Api(status)) if status.code == 409 && left > 0 => left -= 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::reports::contents::Stamp;
    use crate::engine::policy::Mode;
    use crate::engine::verdict::{Action, Finding, Verdict};
    use crate::interpret::ObjectOrigin;

    const POD: Refused<'static> = Refused { group: "", version: "v1", kind: "Pod", namespace: "cx", name: "abroad" };

    fn abroad() -> Judgement {
        let finding = Finding {
            rule: "RES-PLACE",
            mode: Mode::Enforce,
            policy: Some("law".into()),
            allows: Some("DE".into()),
            field: "spec.nodeName".into(),
            message: "would process personal data of DE in US".into(),
            remedy: "choose a place in DE".into(),
            unproven: false,
            citation: None,
            waived: None,
        };
        Judgement {
            verdict: Verdict { action: Action::Refuse, findings: vec![finding], ..Verdict::allow() },
            patch: Vec::new(),
            warnings: Vec::new(),
            sources: Vec::new(),
            decided: Vec::new(),
            origin: ObjectOrigin::default(),
            awaits: false,
        }
    }

    fn at(seconds: i64, name: &str) -> Vec<Entry> {
        let mut entries = entries(&Refused { name, ..POD }, &abroad());
        for entry in &mut entries {
            entry.timestamp = Stamp { seconds, nanos: 0 };
        }
        entries
    }

    #[test]
    fn a_refusal_names_its_object_and_says_that_it_was_blocked() {
        let entries = at(7, "abroad");
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!([&entry.policy, &entry.rule, &entry.result, &entry.severity], ["law", "RES-PLACE", "fail", "high"]);
        assert_eq!(entry.properties["blocked"], "true");
        assert_eq!(
            entry.message,
            "[RES-PLACE] spec.nodeName: would process personal data of DE in US; policy law allows DE. \
             To fix: choose a place in DE"
        );
        let [resource] = entry.resources.as_slice() else { panic!("{entry:?}") };
        let named = [&resource.api_version, &resource.kind, &resource.namespace, &resource.name];
        assert_eq!(named.map(|part| part.as_deref().unwrap_or_default()), ["v1", "Pod", "cx", "abroad"]);
    }

    #[test]
    fn what_is_refused_again_and_again_is_written_once_in_a_while() {
        let mut ring = Vec::new();
        assert!(add(&mut ring, at(0, "a")));
        assert!(add(&mut ring, at(1, "b")));
        assert!(!add(&mut ring, at(AGAIN - 1, "a")));
        assert!(add(&mut ring, at(AGAIN, "a")));
        let told: Vec<_> = ring.iter().map(|one| (one.resources[0].name.as_deref(), one.timestamp.seconds)).collect();
        assert_eq!(told, [(Some("b"), 1), (Some("a"), AGAIN)]);
    }

    #[test]
    fn older_refusals_make_room() {
        let mut ring = Vec::new();
        for position in 0..RING + 5 {
            add(&mut ring, at(0, &format!("pod-{position}")));
        }
        assert_eq!(ring.len(), RING);
        assert_eq!(ring[0].resources[0].name.as_deref(), Some("pod-5"));
        // As large as findings get, it stays far below what etcd takes.
        let largest = Entry { message: "x".repeat(1003), ..ring[0].clone() };
        let contents = Contents { results: vec![largest; RING], ..Contents::default() };
        assert!(serde_json::to_string(&contents).unwrap().len() < 200_000);
    }

    #[test]
    fn a_flood_of_refusals_is_bounded() {
        let refusals = Refusals::default();
        let judgement = abroad();
        for position in 0..NAMESPACES + 10 {
            let namespace = format!("ns-{position}");
            refusals.note(&Refused { namespace: &namespace, ..POD }, &judgement);
        }
        for position in 0..RING + 10 {
            let name = format!("pod-{position}");
            refusals.note(&Refused { namespace: "ns-0", name: &name, ..POD }, &judgement);
        }
        let pending = refusals.take();
        assert_eq!((pending.len(), pending["ns-0"].len()), (NAMESPACES, RING));
        assert!(refusals.take().is_empty());
    }
}
