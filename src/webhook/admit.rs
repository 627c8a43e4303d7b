//! One admission review: read it, judge it against the snapshot, answer it.
//!
//! No I/O and no lock while judging. A review for something that the snapshot does not know yet waits a moment for the
//! watches, and is then refused with "retry" rather than guessed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use json_patch::PatchOperation;
use serde::{Deserialize, Serialize};

use super::recorded;
use super::review::{Asked, Content};
use super::traced::Trace;
use crate::api::v1alpha1::GROUP;
use crate::controllers::events::Admission;
use crate::controllers::reports::refused::Refused;
use crate::engine::explain;
use crate::engine::law::opinion::DISCLAIMER;
use crate::engine::policy::Mode;
use crate::engine::verdict::{Action, Finding};
use crate::index::Object;
use crate::interpret::access::Way;
use crate::interpret::world::World;
use crate::interpret::{self, Body, JudgeError, Judgement, Operation, Request};
use crate::state::Shared;
use crate::telemetry::AdmissionLabels;

/// Which of the two webhooks asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The one that may change the object.
    Mutate,
    /// The one that sees what came out of it.
    Validate,
}

impl Phase {
    /// As it is called in metrics, logs and spans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// Why the API server asks: the entry of the configuration that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The namespace carries an origin label.
    Labelled,
    /// The namespace holds a store or a flow.
    Declared,
    /// The object carries an origin label.
    Object,
    /// The object stands in no namespace, and carries an origin label.
    Cluster,
    /// The object is one of our own kinds, or a namespace.
    Own,
}

impl Scope {
    /// As it is called in the path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Labelled => "labelled",
            Self::Declared => "declared",
            Self::Object => "object",
            Self::Cluster => "cluster",
            Self::Own => "own",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<Annotations>,
}

/// What the API server adds to its own audit log.
#[derive(Debug, Serialize)]
struct Annotations {
    /// By which the decision is found in the decision log.
    decision: String,
}

impl<'a> Response<'a> {
    fn new(uid: &'a str, allowed: bool) -> Self {
        Self {
            uid,
            allowed,
            status: None,
            patch: None,
            patch_type: None,
            warnings: Vec::new(),
            audit_annotations: None,
        }
    }
}

impl Response<'_> {
    /// Tells by which id the decision is found again: whoever is refused reads it in the message, and the API server's own
    /// audit log has it of everything.
    fn is_recorded(&mut self, id: &str) {
        if let Some(status) = &mut self.status {
            status.message = format!("{} (decision {id})", status.message);
        }
        self.audit_annotations = Some(Annotations { decision: id.to_owned() });
    }
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Debug, Serialize)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Debug, Serialize)]
struct Cause {
    reason: &'static str,
    message: String,
    field: String,
}

/// Answers a review.
///
/// # Errors
///
/// When `body` is not an admission review with a request. What is wrong with the object itself is an answer, not an
/// error.
pub async fn review(
    shared: &Shared,
    phase: Phase,
    scope: Scope,
    body: &[u8],
    trace: &Trace,
) -> Result<Vec<u8>, serde_json::Error> {
    let reading = trace.decode();
    let asked = Asked::read(body)?;
    drop(reading);
    trace.asked(phase, scope, &asked);
    let operation = match (asked.operation.as_ref(), asked.sub_resource.as_ref()) {
        ("CREATE", "" | "binding") => Operation::Create,
        // A pod's labels can also be changed through its status, and containers be added to a running one.
        ("UPDATE", "" | "status" | "ephemeralcontainers") => Operation::Update,
        ("CONNECT", _) => Operation::Connect,
        _ => return allow(&asked.uid),
    };
    let object = match &asked.object {
        Some(object) => object.as_body(),
        // Who connects, and to what, stands beside the object.
        None if operation == Operation::Connect => Body::Json("null"),
        None => return allow(&asked.uid),
    };
    let request = Request {
        operation,
        group: &asked.kind.group,
        kind: &asked.kind.kind,
        namespace: &asked.namespace,
        name: &asked.name,
        object,
        old: asked.old_object.as_ref().map(Content::as_body),
        user: asked.user.as_user(),
    };
    let Judged { world, at, outcome } = judge(shared, scope, &request, trace).await;
    let outcome = outcome.map(Arc::new);
    let (verdict, mut response) = match &outcome {
        Ok(judgement) => respond(&asked.uid, phase, &request, judgement),
        Err(error) => (ERROR, refuse(&asked.uid, error, &request)),
    };
    trace.judged(verdict, outcome.as_deref().ok());
    let labels = AdmissionLabels { phase: phase.name(), kind: known_kind(&asked.kind.kind), verdict };
    shared.metrics.admissions.get_or_create(&labels).inc();
    if let (Ok(judgement), Some(log)) = (&outcome, shared.decision_log())
        && let Some(draft) = recorded::draft(&asked, phase, verdict, judgement, (at, &world))
    {
        response.is_recorded(&draft.id);
        trace.is_recorded(&draft.id);
        log.write(draft);
    }
    if let Ok(judgement) = outcome
        && !asked.dry_run
    {
        if verdict == REFUSE {
            let refusals = || judgement.verdict.refusals();
            let rules: BTreeSet<&str> = refusals().map(|finding| finding.rule).collect();
            let policies: BTreeSet<&str> = refusals().filter_map(|finding| finding.policy.as_deref()).collect();
            tracing::info!(
                phase = phase.name(), verdict, gvk = %asked.kind, namespace = %asked.namespace, name = %asked.name,
                rule = joined(&rules), policy = joined(&policies),
                "refused"
            );
            let (group, version, kind) = (&*asked.kind.group, &*asked.kind.version, &*asked.kind.kind);
            let (namespace, name) = (&*asked.namespace, &*asked.name);
            shared.refusals().note(&Refused { group, version, kind, namespace, name }, &judgement);
        }
        // A refusal ends in one of the two phases; a rewrite is told by the phase that does it. Our own objects are
        // told to whoever applies them: there is nothing yet that an event could be about.
        let told = verdict == REFUSE || (verdict == REWRITE && phase == Phase::Mutate);
        if told && request.group != GROUP {
            shared.tell_of_admission(|| Admission {
                kind: request.kind.to_owned(),
                namespace: request.namespace.to_owned(),
                name: request.name.to_owned(),
                refused: verdict == REFUSE,
                judgement,
            });
        }
        let created = phase == Phase::Validate && operation == Operation::Create && request.group == GROUP;
        if let Some(object) = asked.object.as_ref().filter(|_| response.allowed && created) {
            anticipate(shared, object);
        }
    }
    answer(response)
}

fn joined(words: &BTreeSet<&str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(",")
}

pub(super) const ALLOW: &str = "Allow";
pub(super) const REWRITE: &str = "Rewrite";
pub(super) const REFUSE: &str = "Refuse";
const ERROR: &str = "Error";

/// Kinds that may become a label value of a metric.
fn known_kind(kind: &str) -> &'static str {
    const KINDS: [&str; 4] = ["Pod", "PersistentVolumeClaim", "Namespace", interpret::binding::KIND];
    let workloads = interpret::workload::KINDS.iter().map(|workload| workload.kind);
    let storage = interpret::storage::StorageKind::ALL.iter().map(|(_, _, name, _)| *name);
    let own = interpret::own::OwnKind::ALL.iter().map(|(_, name, _)| *name);
    let ways = Way::ALL.iter().map(|way| way.kind);
    KINDS
        .into_iter()
        .chain(workloads)
        .chain(ways)
        .chain(storage)
        .chain(own)
        .find(|known| *known == kind)
        .unwrap_or("other")
}

fn allow(uid: &str) -> Result<Vec<u8>, serde_json::Error> {
    answer(Response::new(uid, true))
}

fn answer(response: Response<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Answer { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response })
}

/// What came of a review, and what it was judged by.
struct Judged {
    world: Arc<World>,
    at: Timestamp,
    outcome: Result<Judgement, JudgeError>,
}

/// Judges against a snapshot that has caught up with what the API server knows.
async fn judge(shared: &Shared, scope: Scope, request: &Request<'_>, trace: &Trace) -> Judged {
    // Both well below the timeout of the configuration, so that the answer still says why.
    const PATIENCE: Duration = Duration::from_millis(1500);
    const PATIENCE_FOR_OTHERS: Duration = Duration::from_millis(500);
    if !matches!(scope, Scope::Own | Scope::Cluster) && !knows(shared, scope, request.namespace) {
        let mut published = shared.published();
        let _waiting = trace.wait("namespace");
        let caught_up = published.wait_for(|_| knows(shared, scope, request.namespace));
        if tokio::time::timeout(PATIENCE, caught_up).await.is_err() {
            let outcome = Err(JudgeError::UnknownNamespace(request.namespace.to_owned()));
            return Judged { world: shared.world(), at: shared.now(), outcome };
        }
    }
    let judge = || {
        let _deciding = trace.decide();
        let (world, at) = (shared.world(), shared.now());
        let outcome = interpret::judge(&world, request, at);
        Judged { world, at, outcome }
    };
    let mut judged = judge();
    let patience = |judged: &Result<Judgement, JudgeError>| match judged {
        // A claim that does not come is judged by itself when it does, and holds its volume back until then; a class that
        // does not come leaves its claim unproven.
        Ok(judgement) => judgement.awaits.then_some(PATIENCE_FOR_OTHERS),
        // The scheduler, or whoever has just made a pod, may be faster than the watch.
        Err(JudgeError::UnknownPod(..)) => Some(PATIENCE),
        Err(_) => None,
    };
    let started = tokio::time::Instant::now();
    // From here on nothing that is published is missed; what came since is seen by the first turn.
    let mut published = shared.published();
    published.mark_changed();
    let mut waiting = None;
    while let Some(patience) = patience(&judged.outcome) {
        waiting.get_or_insert_with(|| trace.wait("others"));
        if !matches!(tokio::time::timeout_at(started + patience, published.changed()).await, Ok(Ok(()))) {
            break;
        }
        judged = judge();
    }
    judged
}

/// Whether the snapshot has caught up with what made the API server ask.
fn knows(shared: &Shared, scope: Scope, namespace: &str) -> bool {
    // What stands in no namespace waits for none.
    if namespace.is_empty() {
        return true;
    }
    let world = shared.world();
    match (world.namespace(namespace), scope) {
        (Some(known), Scope::Labelled) => known.label.is_some(),
        (known, _) => known.is_some(),
    }
}

fn respond<'a>(
    uid: &'a str,
    phase: Phase,
    request: &Request<'_>,
    judgement: &Judgement,
) -> (&'static str, Response<'a>) {
    let mut response = Response::new(uid, true);
    let verdict = match (judgement.verdict.action, phase) {
        (Action::Refuse, _) => REFUSE,
        (Action::Rewrite, Phase::Mutate) if !judgement.patch.is_empty() => REWRITE,
        // The mutating webhook did not see this object as it is now; what still needs rewriting is not right.
        (Action::Rewrite, Phase::Validate) if !judgement.patch.is_empty() => REFUSE,
        (Action::Allow | Action::Rewrite, _) => ALLOW,
    };
    match verdict {
        REFUSE => {
            response.allowed = false;
            response.status = Some(forbidden(request, judgement));
        }
        REWRITE => match patch(&judgement.patch) {
            Ok(patch) => {
                response.patch = Some(patch);
                response.patch_type = Some("JSONPatch");
            }
            Err(error) => {
                response.allowed = false;
                response.status = Some(failed(500, "InternalError", error.to_string()));
            }
        },
        _ => {}
    }
    // Each webhook would say the same again: the one that validates speaks last, and for both.
    if phase == Phase::Validate && response.allowed {
        let findings = judgement.verdict.findings.iter().filter(|finding| finding.mode != Mode::Audit);
        response.warnings = judgement.warnings.iter().cloned().chain(explain::lines(findings)).map(short).collect();
        if judgement.verdict.speaks_of_law() && !response.warnings.is_empty() {
            response.warnings.push(DISCLAIMER.to_owned());
        }
    }
    (verdict, response)
}

fn patch(operations: &[PatchOperation]) -> Result<String, serde_json::Error> {
    Ok(BASE64.encode(serde_json::to_vec(operations)?))
}

fn forbidden(request: &Request<'_>, judgement: &Judgement) -> Status {
    let generate_name = judgement.origin.generate_name.as_deref();
    let subject = subject(request.kind, request.namespace, request.name, generate_name);
    let findings: Vec<&Finding> = judgement.verdict.refusals().collect();
    if findings.is_empty() {
        let message = format!(
            "{subject}: what it depends on changed while it was being created, and it is not kept where it may be; \
             create it again"
        );
        return failed(403, "Forbidden", message);
    }
    let lines: Vec<String> =
        explain::lines(findings.iter().copied()).into_iter().map(|line| format!("{subject}: {line}")).collect();
    let causes = findings
        .iter()
        .map(|finding| Cause { reason: finding.rule, message: finding.message.clone(), field: finding.field.clone() })
        .collect();
    let law = findings.iter().any(|finding| finding.citation.is_some());
    let message = if law { format!("{} ({DISCLAIMER})", lines.join("\n")) } else { lines.join("\n") };
    Status { details: Some(Details { causes }), ..failed(403, "Forbidden", message) }
}

/// The object in a sentence; one whose name the server still makes up is called by the start of it.
pub fn subject(kind: &str, namespace: &str, name: &str, generate_name: Option<&str>) -> String {
    let generated = || generate_name.map_or_else(|| "(unnamed)".to_owned(), |start| format!("{start}*"));
    let name = if name.is_empty() { generated() } else { name.to_owned() };
    let kind = Way::named("", kind).map_or(kind, |way| way.resource);
    // A request about a namespace names it as its own namespace as well.
    if namespace.is_empty() || (kind == "Namespace" && namespace == name) {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

/// The API server cuts warnings that are long; better to do it at a character.
fn short(warning: String) -> String {
    const LONGEST: usize = 250;
    if warning.chars().count() <= LONGEST {
        return warning;
    }
    let mut cut: String = warning.chars().take(LONGEST - 1).collect();
    cut.push('…');
    cut
}

fn refuse<'a>(uid: &'a str, error: &JudgeError, request: &Request<'_>) -> Response<'a> {
    let mut response = Response::new(uid, false);
    let message = || format!("{}: {error}", subject(request.kind, request.namespace, request.name, None));
    match error {
        // A template makes nothing by itself; its pods will be judged when the namespace is known.
        JudgeError::UnknownNamespace(_) if interpret::workload::KINDS.iter().any(|kind| kind.kind == request.kind) => {
            response.allowed = true;
            response.warnings.push(format!("not judged yet: {error}; its pods will be"));
        }
        JudgeError::UnknownNamespace(_) | JudgeError::UnknownPod(..) => {
            response.status = Some(failed(503, "ServiceUnavailable", message()));
        }
        JudgeError::Unreadable { .. } => {
            response.status = Some(failed(400, "BadRequest", message()));
        }
    }
    response
}

fn failed(code: u16, reason: &'static str, message: String) -> Status {
    Status { code, reason, message, details: None }
}

/// Notes a new object of ours in the index, so that what is applied next already meets it.
///
/// Only what can make verdicts stricter: if the request fails further on, the status controller finds nothing to write
/// to and forgets the object again, and until then nothing was allowed that should not have been.
fn anticipate(shared: &Shared, object: &Content<'_>) {
    let Content::Raw(object) = object else { return };
    let Ok(value) = serde_json::from_str(object.get()) else { return };
    let Ok(Some(object)) = Object::from_manifest(value) else { return };
    let stricter = match &object {
        Object::DataStore(_) | Object::DataFlow(_) => true,
        Object::ResidencyPolicy(policy) => {
            let name = policy.metadata.name.as_deref();
            shared.world().policies.iter().all(|known| Some(known.name.as_str()) != name)
        }
        _ => false,
    };
    if stricter {
        shared.anticipate(object);
    }
}
