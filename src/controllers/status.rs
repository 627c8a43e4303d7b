//! Keeps the status of stores, flows and policies: what was found, and what it means; also at the instant at which time
//! alone changes it.

mod apply;
mod mismatch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{Client, ResourceExt};

use self::apply::apply;
use super::clock;
use super::configuration::Inputs;
use super::evict::plan::Evictions;
use super::evidence::audit::Audit;
use super::exceptions;
use crate::api::v1alpha1::{
    DataFlow, DataFlowStatus, DataStore, DataStoreStatus, ObjectFinding, Owed, Reliance, ResidencyException,
    ResidencyExceptionStatus, ResidencyPolicy, ResidencyPolicyStatus,
};
use crate::compile::Left;
use crate::engine::law::opinion::DISCLAIMER;
use crate::index::{Audited, FlowReport, Observed, PolicyReport, StoreReport, Way, Which};
use crate::interpret::read::Problem;
use crate::state::{Emergency, Shared};

/// What to write (no client).
#[derive(Debug)]
pub struct Plan {
    /// New statuses of stores.
    pub stores: Vec<(Arc<DataStore>, DataStoreStatus)>,
    /// New statuses of flows.
    pub flows: Vec<(Arc<DataFlow>, DataFlowStatus)>,
    /// New statuses of policies.
    pub policies: Vec<(ResidencyPolicy, ResidencyPolicyStatus)>,
    /// New statuses of exceptions.
    pub exceptions: Vec<(ResidencyException, ResidencyExceptionStatus)>,
    /// The first instant at which time alone may change any of them.
    pub until: Option<Timestamp>,
}

/// Which namespaces the API server asks about.
#[derive(Debug)]
pub struct Cover {
    /// Namespaces with stores or flows.
    pub declared: Arc<BTreeSet<String>>,
    /// Namespaces that are never judged.
    pub exempt: BTreeSet<String>,
    /// What generated policies leave to the webhooks.
    pub left: Arc<Vec<Left>>,
    /// Why nothing is enforced at all, if somebody has switched it off.
    pub off: Option<String>,
    /// What is done about pods that run where they may not, by the policies that have them evicted; none: nobody has looked yet.
    pub evictions: Option<Arc<Evictions>>,
}

impl Cover {
    /// Whether the statuses of stores and flows say the same by either.
    fn is_alike(&self, other: &Self) -> bool {
        (&self.declared, &self.exempt, &self.off) == (&other.declared, &other.exempt, &other.off)
    }
}

/// What the statuses should be, for those that are not so already (no client).
pub fn plan(observed: Observed, cover: &Cover, now: Timestamp) -> Plan {
    let Observed { stores, flows, policies, exceptions, audit: _, until } = observed;
    Plan {
        until,
        stores: stores.into_iter().filter_map(|report| store(report, cover, now)).collect(),
        flows: flows.into_iter().filter_map(|report| flow(report, now)).collect(),
        policies: policies.into_iter().filter_map(|report| policy(report, cover, now)).collect(),
        exceptions: exceptions::plan(exceptions, now),
    }
}

/// One condition to set.
pub(super) struct Set {
    kind: &'static str,
    status: bool,
    reason: &'static str,
    message: String,
}

pub(super) fn set(kind: &'static str, status: bool, reason: &'static str, message: impl Into<String>) -> Set {
    Set { kind, status, reason, message: message.into() }
}

/// The conditions with the time of their last change kept where nothing changed.
pub(super) fn conditions(
    before: &[Condition],
    generation: Option<i64>,
    sets: Vec<Set>,
    now: Timestamp,
) -> Vec<Condition> {
    sets.into_iter()
        .map(|Set { kind, status, reason, message }| {
            let status = if status { "True" } else { "False" };
            let old = before.iter().find(|old| old.type_ == kind && old.status == status);
            // Kubernetes writes seconds; anything finer would differ from what is read back.
            let second = || Timestamp::from_second(now.as_second()).unwrap_or(now);
            Condition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message,
                observed_generation: generation,
                last_transition_time: old.map_or_else(|| Time(second()), |old| old.last_transition_time.clone()),
            }
        })
        .collect()
}

/// Ready, Reconciling and Stalled: whether the object could be read and judged, which is not whether it complies.
pub(super) fn judged(problems: &[Problem]) -> Vec<Set> {
    match problems.first() {
        None => vec![
            set("Ready", true, "Judged", "the object was read and judged"),
            set("Reconciling", false, "Judged", ""),
            set("Stalled", false, "Judged", ""),
        ],
        Some(problem) => {
            let message = format!("{}: {}. To fix: {}", problem.field, problem.message, problem.remedy);
            vec![
                set("Ready", false, "Invalid", message.clone()),
                set("Reconciling", false, "Invalid", ""),
                set("Stalled", true, "Invalid", message),
            ]
        }
    }
}

fn store(report: StoreReport, cover: &Cover, now: Timestamp) -> Option<(Arc<DataStore>, DataStoreStatus)> {
    let StoreReport { object, mut status, problems, checks } = report;
    let generation = object.metadata.generation;
    let before = object.status.clone().unwrap_or_default();
    let mut sets = judged(&problems);
    let law = words_of_law(&status.grounds, &status.obligations, &status.relies_on);
    sets.push(compliant(status.violations, status.unproven, &status.findings, checks, &law));
    let namespace = object.namespace().unwrap_or_default();
    sets.push(if cover.exempt.contains(&namespace) {
        set("Enforced", false, "SystemNamespace", "system namespaces are never judged; keep personal data elsewhere")
    } else if let Some(off) = &cover.off {
        set("Enforced", false, "EmergencyOff", off.clone())
    } else if cover.declared.contains(&namespace) {
        set("Enforced", true, "Registered", "the API server asks before anything changes in this namespace")
    } else {
        set("Enforced", false, "Pending", "the API server does not ask about this namespace yet")
    });
    sets.extend(object.spec.residence.as_ref().map(|declared| mismatch::condition(&declared.country, &status.places)));
    status.conditions = conditions(&before.conditions, generation, sets, now);
    (object.status.as_ref() != Some(&status)).then_some((object, status))
}

/// What the law adds to the message of a condition, with its disclaimer.
fn words_of_law(grounds: &[Reliance], obligations: &[Owed], relies_on: &[String]) -> String {
    let mut parts = Vec::new();
    let names: BTreeSet<&str> = grounds.iter().map(|ground| ground.mechanism.as_str()).collect();
    if !names.is_empty() {
        parts.push(format!("carried by {}", names.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if let Some(first) = obligations.first() {
        let source = first.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        parts.push(format!("{} owed, first {}{source}", obligations.len(), first.message));
    }
    if !relies_on.is_empty() {
        let number = i64::try_from(relies_on.len()).unwrap_or(i64::MAX);
        parts.push(format!("relies on {}", count(number, "unverified declaration", "unverified declarations")));
    }
    if parts.is_empty() { String::new() } else { format!("; {} ({DISCLAIMER})", parts.join("; ")) }
}

fn compliant(violations: i64, unproven: i64, findings: &[ObjectFinding], checks: usize, law: &str) -> Set {
    let checked = count(i64::try_from(checks).unwrap_or(i64::MAX), "check", "checks");
    let first = || {
        findings.iter().find(|one| !one.is_waived()).map_or_else(String::new, |one| {
            let source = one.source.as_ref().map(|source| format!("; source: {source} ({DISCLAIMER})"));
            format!("; {}: {}{}", one.object, one.message, source.unwrap_or_default())
        })
    };
    if violations > 0 {
        set(
            "Compliant",
            false,
            "BreachFound",
            format!("{} in {}{}", count(violations, "breach", "breaches"), checked, first()),
        )
    } else if unproven > 0 {
        set(
            "Compliant",
            false,
            "Unproven",
            format!("{} unproven in {}{}", count(unproven, "place", "places"), checked, first()),
        )
    } else if checks == 0 {
        set("Compliant", true, "NothingToCheck", "no pod, claim or declared place belongs to it yet")
    } else {
        let law = if law.is_empty() { "; relies on the declarations in spec" } else { law };
        set("Compliant", true, "NoBreachFound", format!("no breach found in {checked}{law}"))
    }
}

pub(super) fn count(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn flow(report: FlowReport, now: Timestamp) -> Option<(Arc<DataFlow>, DataFlowStatus)> {
    let FlowReport { object, mut status, problems, violations, unproven, checks, way } = report;
    let generation = object.metadata.generation;
    let before = object.status.clone().unwrap_or_default();
    let mut sets = judged(&problems);
    let law = words_of_law(&status.grounds, &status.obligations, &status.relies_on);
    sets.push(compliant(violations, unproven, &status.findings, checks, &law));
    sets.extend(way.map(network_open));
    status.conditions = conditions(&before.conditions, generation, sets, now);
    (object.status.as_ref() != Some(&status)).then_some((object, status))
}

/// What is not compiled for this policy, so that it holds only as long as an operator lives.
fn compiled(name: &str, left: &[Left]) -> Set {
    const SHOWN: usize = 5;
    let concerns = |left: &&Left| left.policies.is_empty() || left.policies.iter().any(|policy| policy == name);
    let left: Vec<&str> = left.iter().filter(concerns).map(|left| left.what.as_str()).collect();
    if left.is_empty() {
        return set(
            "Compiled",
            true,
            "Compiled",
            "generated policies hold it for pods, claims and bindings of origin labels and of what stores select",
        );
    }
    let more = left.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    set(
        "Compiled",
        false,
        "LeftToWebhooks",
        format!("left to the webhooks: {}{more}", left[..left.len().min(SHOWN)].join("; ")),
    )
}

/// What a flow opens in a network that is shut.
fn network_open(way: Way) -> Set {
    let (open, reason, message) = match way {
        Way::Open => {
            (true, "AddressesOpen", "the network of the source lets out what goes to the recipient's addresses")
        }
        Way::NoAddresses => (
            false,
            "NoAddresses",
            "the network of the source is shut, and the flow declares no addresses: name them in \
             spec.to.recipient.addresses",
        ),
        Way::Refused => (false, "FlowRefused", "the network of the source stays shut for a flow that may not happen"),
        Way::Elsewhere => (
            false,
            "AddressesElsewhere",
            "a Location has some of the recipient's addresses elsewhere than spec.to.recipient.place; these stay shut",
        ),
    };
    set("NetworkOpen", open, reason, message)
}

fn policy(report: PolicyReport, cover: &Cover, now: Timestamp) -> Option<(ResidencyPolicy, ResidencyPolicyStatus)> {
    let PolicyReport { object, violations, problems } = report;
    let generation = object.metadata.generation;
    let before = object.status.clone().unwrap_or_default();
    let mut sets = judged(&problems);
    sets.push(compiled(&object.name_any(), &cover.left));
    let conditions = conditions(&before.conditions, generation, sets, now);
    let eviction = match &cover.evictions {
        Some(evictions) => evictions.get(&object.name_any()).cloned(),
        None => before.eviction,
    };
    let status = ResidencyPolicyStatus { observed_generation: generation, violations, eviction, conditions };
    (object.status.as_ref() != Some(&status)).then_some((object, status))
}

/// What was found is told by whoever leads. When this is dropped, somebody else does.
struct Told<'a>(&'a Shared);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.forget_audit();
    }
}

/// Runs until dropped. Judges again when something changed, and at the instant at which time alone changes verdicts.
pub async fn run(client: Client, shared: Arc<Shared>, inputs: Inputs) {
    const AGAIN: Duration = Duration::from_secs(1);
    // Whatever happens, some of what was judged long ago is judged anew.
    const LOOK: Duration = Duration::from_secs(60);
    // So many parts of the cluster are looked at in one go, such as the pods of a namespace.
    const AT_ONCE: usize = 64;
    const LONGEST_PAUSE: Duration = Duration::from_millis(10);
    let mut published = shared.published();
    let _told = Told(&shared);
    let mut recorded = Audit::default();
    // By what the statuses were planned that are there now; none: not all of them are.
    let mut planned: Option<Cover> = None;
    loop {
        let mut failed = false;
        let mut next = None;
        let (mut took, mut objects) = (Duration::ZERO, 0);
        // What the API server asks about is told by a watch, like everything else.
        if shared.synced() && shared.live().is_some() {
            let now = shared.now();
            let reconcile = shared.metrics.turn("status");
            let off = match &*shared.emergency() {
                Emergency::Off(record) => Some(record.sentence()),
                Emergency::Unknown | Emergency::Enforcing => None,
            };
            let (declared, left) = (shared.enforced(), shared.left());
            let cover = Cover { declared, exempt: inputs.exempt(), left, off, evictions: shared.evictions() };
            let is_alike = planned.as_ref().is_some_and(|before| before.is_alike(&cover));
            let which = if is_alike { Which::Changed } else { Which::All };
            let is_recorded = shared.decision_log().is_some();
            let mut note = |found: &Audited<'_>| {
                if is_recorded {
                    recorded.note(found, now);
                }
            };
            let mut paused = Duration::ZERO;
            loop {
                let begun = Instant::now();
                if !shared.index().audit_some(AT_ONCE, now, &mut note) {
                    break;
                }
                // Whoever waits for the index comes first.
                let pause = Instant::now();
                tokio::time::sleep(begun.elapsed().min(LONGEST_PAUSE)).await;
                paused += pause.elapsed();
            }
            let (plan, basis) = {
                let (mut observed, basis) = {
                    let mut index = shared.index();
                    (index.observe_each(which, now, &mut note), index.world().basis.clone())
                };
                shared.metrics.audited(&observed, reconcile.elapsed());
                // What is not listed yet is not known to be right.
                let audit = std::mem::take(&mut observed.audit);
                objects = audit.in_scope;
                recorded.forget_others(&audit);
                if shared.types_known() {
                    shared.set_audit(audit);
                }
                (plan(observed, &cover, now), basis)
            };
            took = reconcile.elapsed().saturating_sub(paused);
            recorded.tell(&shared, &basis).await;
            next = plan.until;
            failed = !apply(&client, &shared, plan).await;
            planned = Some(cover).filter(|_| !failed);
            reconcile.ended(!failed);
        }
        let again = tokio::time::sleep(if failed { AGAIN } else { LOOK });
        tokio::select! {
            changed = published.changed() => {
                if changed.is_err() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(gather(took, objects)) => {}
                    () = clock::reach(next) => shared.publish(),
                }
            }
            () = again => {}
            // What changes by time alone changes at its instant; nothing is gathered first.
            () = clock::reach(next) => shared.publish(),
        }
        published.mark_unchanged();
    }
}

/// How long changes are gathered after a look at so many objects that took so long: statuses follow bursts of changes, not each
/// of them, and in a large cluster that is always changing looking takes a twentieth of a core.
fn gather(took: Duration, objects: usize) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(10);
    const LARGE: usize = 5_000;
    if objects < LARGE { SHORTEST } else { (took * 19).clamp(SHORTEST, LONGEST) }
}
