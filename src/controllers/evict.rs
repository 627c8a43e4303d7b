//! Evicts pods that run where a policy with `remediation: Evict` does not let them, so that their workloads make them
//! again and admission keeps them inside.
//!
//! Gather (no client): the index says which pods these are, and which of them would come back inside. Plan (no
//! client): the next one, by shares, refusals and what came of those before. Apply (client): the Eviction API, which
//! asks the disruption budgets, with the pod's uid as a precondition, so many times a minute at most. Under the lease,
//! so that one replica counts.
//!
//! Nothing is evicted while nobody would be asked about the pod that comes instead.

pub mod plan;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions};
use kube::api::PostParams;
use kube::core::Status;
use kube::{Api, Client};
use tokio::time::Instant;

use super::configuration::Inputs;
use super::events::{self, Draft};
use super::watch::chain;
use crate::index::{Asked, Audit, Stray, Strays, Workload};
use crate::interpret::objects::Pod;
use crate::state::{Emergency, Shared};
use plan::{Memory, News, Outcome, PATIENCE, Plan};

/// What is planned is forgotten when this is dropped: somebody else plans then.
struct Told<'a>(&'a Shared);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.set_evictions(None);
        self.0.metrics.forget_evictions();
    }
}

/// Runs until dropped (leader only), with a client that does not try again by itself: a budget may refuse for hours.
pub async fn run(client: Client, shared: Arc<Shared>, inputs: Inputs, per_minute: u32) {
    /// It is looked again so often, whatever happens: readiness of pods and nodes is told to nobody.
    const LOOK: Duration = Duration::from_secs(2);
    /// One part in so many of the time it may keep others from the index.
    const PART: u32 = 20;
    let each = Duration::from_secs(60) / per_minute.max(1);
    let _told = Told(&shared);
    let mut memory = Memory::default();
    let mut audits = shared.audits();
    let mut next = Instant::now();
    loop {
        let started = Instant::now();
        let (mut pause, mut rest) = (LOOK, SHORTEST);
        let audit = audits.borrow_and_update().clone();
        if let (Some(audit), Some(in_force)) = (audit, in_force(&shared)) {
            let (strays, Plan { evict, news, evictions }) = look(&shared, &audit, &inputs, in_force, &mut memory);
            let took = started.elapsed();
            shared.metrics.outside(&evictions);
            for one in &news {
                tell_news(&shared, &strays, one);
            }
            shared.set_evictions(Some(evictions));
            if let Some(stray) = evict {
                if next <= Instant::now() {
                    let reconcile = shared.metrics.turn("evict");
                    let outcome = apply(&client, &stray).await;
                    reconcile.ended(outcome != Outcome::Failed);
                    next = Instant::now() + each;
                    shared.metrics.evicted(outcome.category());
                    let standing = strays.workloads.get(&stray.workload).copied().unwrap_or_default();
                    let first = memory.note(&stray, standing, outcome, Instant::now());
                    tell(&shared, &strays, &stray, outcome, first);
                }
                pause = pause.min(next.saturating_duration_since(Instant::now()));
            }
            rest = rest.max(took * PART);
        }
        tokio::select! {
            changed = audits.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
        // One eviction changes what the audit finds several times.
        tokio::time::sleep(rest).await;
    }
}

const SHORTEST: Duration = Duration::from_millis(100);

/// Whether the API server asks, and trusts the answers; nothing as long as that is not known.
fn in_force(shared: &Shared) -> Option<bool> {
    match &*shared.emergency() {
        Emergency::Off(_) => Some(false),
        Emergency::Unknown => None,
        Emergency::Enforcing => (shared.enforcing() && shared.ready().is_ok()).then_some(true),
    }
}

/// What there is to do (no client).
fn look(shared: &Shared, audit: &Audit, inputs: &Inputs, in_force: bool, memory: &mut Memory) -> (Strays, Plan) {
    let (exempt, enforced) = (inputs.exempt(), shared.enforced());
    let (evicted, workloads) = (memory.evicted(), memory.workloads());
    let asked = Asked { in_force, exempt: &exempt, enforced: &enforced, evicted: &evicted, workloads: &workloads };
    let strays = shared.index().strays(audit, asked, shared.now());
    let plan = plan::plan(&strays, memory, Instant::now());
    (strays, plan)
}

/// Evicts a pod (client).
async fn apply(client: &Client, stray: &Stray) -> Outcome {
    let namespace = &stray.workload.namespace;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let preconditions = Preconditions { uid: Some(stray.uid.clone()), ..Preconditions::default() };
    let eviction = Eviction {
        metadata: ObjectMeta {
            name: Some(stray.name.clone()),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        delete_options: Some(DeleteOptions { preconditions: Some(preconditions), ..DeleteOptions::default() }),
    };
    // `Api::evict` writes a field that API servers do not know, and with it the precondition would be lost.
    let answer = api.create_subresource::<_, Status>("eviction", &stray.name, &PostParams::default(), &eviction).await;
    match answer {
        Ok(_) => Outcome::Evicted,
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Outcome::Gone,
        Err(kube::Error::Api(status)) if status.code == 429 && is_of_budget(&status) => Outcome::Refused,
        Err(error) => {
            let pod = stray.name.as_str();
            tracing::warn!(%namespace, pod, error = %chain(&error), "failed to evict a pod");
            Outcome::Failed
        }
    }
}

/// An API server that is busy gives the same code.
fn is_of_budget(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "DisruptionBudget")
}

fn of_pod(stray: &Stray) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(stray.workload.namespace.clone()),
        name: Some(stray.name.clone()),
        uid: Some(stray.uid.clone()),
        ..ObjectReference::default()
    }
}

fn of_policy(strays: &Strays, name: &String) -> ObjectReference {
    let uid = strays.policies.get(name).and_then(|policy| policy.uid.clone());
    events::own("ResidencyPolicy", None, Some(name), uid)
}

/// Tells what came of an eviction, at the pod and at each policy.
fn tell(shared: &Shared, strays: &Strays, stray: &Stray, outcome: Outcome, first: bool) {
    let policies = stray.policies.join(", ");
    let (reason, warning, what) = match outcome {
        Outcome::Evicted => ("Evicted", false, "evicted, so that it comes back inside"),
        Outcome::Refused if first => {
            ("EvictionBlocked", true, "left for now, as a disruption budget does not let it go")
        }
        Outcome::Failed if first => ("EvictionFailed", true, "left for now, as its eviction failed"),
        Outcome::Refused | Outcome::Failed | Outcome::Gone => return,
    };
    let Workload { namespace, .. } = &stray.workload;
    tracing::info!(%namespace, pod = %stray.name, reason, "eviction");
    let note = format!("Pod {namespace}/{} runs where {policies} does not let it: {what}", stray.name);
    let pod = of_pod(stray);
    for policy in &stray.policies {
        let regarding = of_policy(strays, policy);
        let (related, note) = (Some(pod.clone()), note.clone());
        shared.tell(Draft { regarding, related, warning, action: "Remediation", reason, note });
    }
    let related = stray.policies.first().map(|policy| of_policy(strays, policy));
    shared.tell(Draft { regarding: pod, related, warning, action: "Remediation", reason, note });
}

fn tell_news(shared: &Shared, strays: &Strays, news: &News) {
    let (policies, reason, note) = match news {
        News::InVain(stray) => {
            let note = format!(
                "pods of {} were evicted and come back outside, as pod {}: they are left alone. To fix: see what keeps \
                 them there",
                stray.workload, stray.name
            );
            shared.metrics.evicted("in_vain");
            (&stray.policies, "EvictionStopped", note)
        }
        News::Missing(flight) => {
            let minutes = PATIENCE.as_secs() / 60;
            let note = format!(
                "{} has not made up for pod {} in {minutes} minutes, which was evicted: none of its pods is evicted \
                 until it has. To fix: see why its pods are not ready",
                flight.workload, flight.pod
            );
            shared.metrics.evicted("missing");
            (&flight.policies, "ReplacementMissing", note)
        }
    };
    tracing::warn!(reason, %note, "eviction");
    for policy in policies {
        let (regarding, note) = (of_policy(strays, policy), note.clone());
        shared.tell(Draft { regarding, related: None, warning: true, action: "Remediation", reason, note });
    }
}
