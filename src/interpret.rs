//! Kubernetes objects to facts, and verdicts back to patches. The only door: webhook, controllers and command line all
//! come through here, so that all of them judge alike.

pub mod access;
pub mod basis;
pub mod binding;
pub mod claim;
pub mod constraint;
pub mod driver;
pub mod inline;
pub mod matter;
pub mod objects;
pub mod own;
pub mod pod;
pub mod rbac;
pub mod read;
pub mod reads;
pub mod resource;
pub mod room;
pub mod scope;
pub mod source;
pub mod storage;
pub mod subject;
pub mod workload;
pub mod world;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::v1alpha1::{GROUP, ORIGIN_LABEL};
use crate::engine::data::{Data, Source};
use crate::engine::facts::Facts;
use crate::engine::node::COUNTRY_LABEL;
use crate::engine::policy::Mode;
use crate::engine::verdict::{Action, Change, Finding, Verdict};
use crate::engine::{self, rules};

use access::{User, Way};
use claim::Asking;
use objects::{Claim, Pod, SELECTED_NODE};
use own::OwnKind;
use pod::{MadeClaim, Pinning, PodView};
use resource::Key;
use scope::{Labels, NamespaceScope};
use storage::StorageKind;
use workload::{Workload, WorkloadKind};
use world::World;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed one.
    Update,
    /// A connection into something that exists. The object is what was asked of the connection.
    Connect,
}

/// An object to judge.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is asked for.
    pub operation: Operation,
    /// API group of the object.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// Its name; empty while the server still has to make one up.
    pub name: &'a str,
    /// The object.
    pub object: Body<'a>,
    /// What it replaces.
    pub old: Option<Body<'a>>,
    /// Who asks. Only connections depend on it.
    pub user: User<'a>,
}

/// An object as it came.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// As JSON.
    Json(&'a str),
    /// A pod that was decoded together with what surrounds it.
    Pod(&'a Pod),
}

impl<'a> Body<'a> {
    /// The JSON; of a decoded pod none is left, and nothing but pods is ever decoded ahead.
    fn json(self) -> &'a str {
        match self {
            Self::Json(text) => text,
            Self::Pod(_) => "null",
        }
    }

    fn pod(self) -> Result<Cow<'a, Pod>, serde_json::Error> {
        match self {
            Self::Json(text) => serde_json::from_str(text).map(Cow::Owned),
            Self::Pod(pod) => Ok(Cow::Borrowed(pod)),
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Changes to the object that carry out a rewrite.
    pub patch: Vec<PatchOperation>,
    /// What to tell the person who applied it.
    pub warnings: Vec<String>,
    /// Whose data is concerned.
    pub sources: Vec<Source>,
    /// What was decided from which facts, before it was fitted to the object; empty where no personal data is concerned.
    pub decided: Vec<Decided>,
    /// What is known of a pod or claim beside its name.
    pub origin: ObjectOrigin,
    /// Whether it names something that is not known yet and may decide where it belongs: a claim that its controller makes
    /// at the same time, a storage class in the same file.
    pub awaits: bool,
}

/// One decision with what it was made from, so that it can be written down and made again.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The facts.
    pub facts: Facts,
    /// What `decide` made of them.
    pub verdict: Verdict,
}

/// Where an object comes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectOrigin {
    /// The start of its name, while the server still has to make up the rest.
    pub generate_name: Option<String>,
    /// The controller that made it.
    pub owner: Option<OwnerReference>,
}

impl ObjectOrigin {
    fn of(metadata: &ObjectMeta) -> Self {
        let owners = metadata.owner_references.iter().flatten();
        Self {
            generate_name: metadata.generate_name.clone(),
            owner: owners.into_iter().find(|owner| owner.controller == Some(true)).cloned(),
        }
    }
}

impl Judgement {
    fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            patch: Vec::new(),
            warnings: Vec::new(),
            sources: Vec::new(),
            decided: Vec::new(),
            origin: ObjectOrigin::default(),
            awaits: false,
        }
    }

    /// Notes where the object comes from, for those who are told; nobody is told of what simply passes.
    fn with_origin(mut self, metadata: &ObjectMeta) -> Self {
        if self.is_worth_telling() {
            self.origin = ObjectOrigin::of(metadata);
        }
        self
    }

    fn is_worth_telling(&self) -> bool {
        self.verdict.action != Action::Allow || !self.verdict.findings.is_empty()
    }

    /// A verdict on facts that no request brings.
    pub fn of_facts(facts: Facts, verdict: Verdict) -> Self {
        Self::new(verdict).decided_from(facts)
    }

    /// Notes from what the verdict was decided, which nothing has changed since.
    fn decided_from(self, facts: Facts) -> Self {
        let verdict = self.verdict.clone();
        self.with_decided([Decided { facts, verdict }])
    }

    /// The same for what came of several decisions, or was changed afterwards.
    fn with_decided(mut self, decided: impl IntoIterator<Item = Decided>) -> Self {
        self.decided.extend(decided.into_iter().filter(|one| !one.facts.is_empty()));
        if self.is_worth_telling() {
            let placements = self.decided.iter().flat_map(|one| &one.facts.placements);
            self.sources = placements.flat_map(|one| &one.data).map(|data| data.via.clone()).collect();
            self.sources.sort_unstable();
            self.sources.dedup();
        }
        self
    }
}

/// Why a request could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The namespace is not in the snapshot yet. Never guessed: the caller tries again.
    #[error("namespace {0} is not known yet; retry")]
    UnknownNamespace(String),
    /// The pod is not in the snapshot yet, so that nobody can tell whose data it holds.
    #[error("pod {0}/{1} is not known yet; retry")]
    UnknownPod(String, String),
    /// The object is not of its kind's shape.
    #[error("failed to read the {kind}: {source}")]
    Unreadable {
        /// The kind.
        kind: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl JudgeError {
    fn unknown_pod(namespace: &str, name: &str) -> Self {
        Self::UnknownPod(namespace.to_owned(), name.to_owned())
    }
}

fn known_namespace<'a>(world: &'a World, name: &str) -> Result<&'a NamespaceScope, JudgeError> {
    let known = world.namespace(name);
    known.ok_or_else(|| JudgeError::UnknownNamespace(name.to_owned()))
}

/// Nobody can say where an object of a kind that no interpreter knows sends data: it passes, and whoever reads this is told.
fn unread(world: &World, request: &Request<'_>) -> Judgement {
    let mut judgement = Judgement::new(Verdict::allow());
    let holds_data = world.namespace(request.namespace).is_some_and(NamespaceScope::declares_data);
    // What Kubernetes has by itself is read elsewhere, or says no place.
    if holds_data && request.group.contains('.') && !request.group.ends_with("k8s.io") {
        let (kind, group) = (request.kind, request.group);
        judgement.warnings.push(format!("no ResourceInterpreter knows {kind} of {group}: it was not judged"));
    }
    judgement
}

/// Judges an object, or a connection. Kinds that Domicile does not know are none of its business and pass.
///
/// # Errors
///
/// When the namespace is not known yet, or the object cannot be read as its kind.
pub fn judge(world: &World, request: &Request<'_>, now: Timestamp) -> Result<Judgement, JudgeError> {
    let unreadable = |source| JudgeError::Unreadable { kind: request.kind.to_owned(), source };
    if request.operation == Operation::Connect {
        return match Way::named(request.group, request.kind) {
            Some(way) => access::judge(world, way, request, now),
            None => Ok(Judgement::new(Verdict::allow())),
        };
    }
    if request.group == GROUP {
        return match OwnKind::named(request.kind) {
            Some(kind) => own::judge(world, kind, request, now).map_err(unreadable),
            None => Ok(Judgement::new(Verdict::allow())),
        };
    }
    if let Some(kind) = StorageKind::named(request.group, request.kind) {
        return storage::judge(world, kind, request, now).map_err(unreadable);
    }
    let namespace = || known_namespace(world, request.namespace);
    let old = request.old.filter(|_| request.operation == Operation::Update);
    match (request.group, request.kind) {
        ("", "Pod") => {
            let pod = request.object.pod().map_err(unreadable)?;
            let old = old.map(Body::pod).transpose().map_err(unreadable)?;
            let namespace = namespace()?;
            let mut judgement = judge_pod(world, namespace, &pod, old.as_deref(), now).with_origin(&pod.metadata);
            let by_labels = || namespace.stores.iter().any(|store| store.claims.is_some());
            let unknown = |name: &str| !namespace.claims.contains_key(name);
            judgement.awaits = old.is_none() && pod.spec.claims().any(|(_, name)| unknown(name)) && by_labels();
            Ok(judgement)
        }
        ("", "PersistentVolumeClaim") => {
            let claim: Claim = serde_json::from_str(request.object.json()).map_err(unreadable)?;
            let old = old.map(|old| serde_json::from_str(old.json())).transpose().map_err(unreadable)?;
            let judgement = judge_claim(world, namespace()?, request.name, &claim, old.as_ref(), now);
            let mut judgement = judgement.with_origin(&claim.metadata);
            let unknown = |name: &str| !name.is_empty() && world.class(name).is_none();
            let class = claim.spec.storage_class_name.as_deref().is_some_and(unknown);
            judgement.awaits = old.is_none() && (class || source::awaits(namespace()?, &claim.spec));
            Ok(judgement)
        }
        ("", binding::KIND) => binding::judge(world, request, now),
        ("", "Namespace") => Ok(judge_namespace(request.object.json(), old.map(Body::json)).map_err(unreadable)?),
        (group, kind) => {
            let known = workload::KINDS.iter().find(|known| known.group == group && known.kind == kind);
            let Some(known) = known else {
                let key = Key {
                    group: group.to_owned(),
                    kind: kind.to_owned(),
                    namespace: request.namespace.to_owned(),
                    name: request.name.to_owned(),
                };
                if !world.interpreters.knows(group, kind) {
                    return Ok(unread(world, request));
                }
                if !request.namespace.is_empty() {
                    namespace()?;
                }
                let judged = resource::judge(world, &key, request.object.json(), old.map(Body::json), now);
                let mut judgement = judged.map_err(unreadable)?.unwrap_or_else(|| Judgement::new(Verdict::allow()));
                // What it refers to may stand in the same file, a moment ahead of what the watch has shown.
                judgement.awaits = old.is_none() && judgement.verdict.only_unproven();
                return Ok(judgement);
            };
            let workload: Workload = serde_json::from_str(request.object.json()).map_err(unreadable)?;
            let old = old.map(|old| serde_json::from_str::<Workload>(old.json())).transpose();
            // Scaling, pausing and annotating change nothing that is judged, and pass on a workload that is wrong.
            if old.map_err(unreadable)?.is_some_and(|old| old.makes_the_same(&workload)) {
                return Ok(Judgement::new(Verdict::allow()));
            }
            Ok(judge_workload(world, namespace()?, *known, request.name, &workload, now))
        }
    }
}

/// Whether this is a kind that Domicile judges and that stands in a namespace.
pub fn is_namespaced(kind: &str) -> bool {
    ["Pod", "PersistentVolumeClaim", "DataStore", "DataFlow", "ResidencyException", binding::KIND].contains(&kind)
        || workload::KINDS.iter().any(|workload| workload.kind == kind)
}

static NO_LABELS: Labels = Labels::new();

fn judge_pod(world: &World, namespace: &NamespaceScope, pod: &Pod, old: Option<&Pod>, now: Timestamp) -> Judgement {
    let labels = pod.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let now_view = PodView::of(labels, &pod.spec);
    let Some(old) = old else {
        let mut facts = pod::facts(world, namespace, now_view, Pinning::Possible);
        facts.subject = subject::pod(world, &namespace.name, &pod.metadata);
        let mut verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
        let decided = verdict.clone();
        pod::say_literally(world, &pod.spec, &facts, &mut verdict, now);
        let warnings = leave_to_claims(&mut verdict, &facts);
        let patch = pod::pin(world, &verdict).map_or_else(Vec::new, |pin| pod::patch(world, &pod.spec, pin));
        let judgement = Judgement { patch, warnings, ..Judgement::new(verdict) };
        return judgement.with_decided([Decided { facts, verdict: decided }]);
    };
    // An existing pod keeps its affinity, so only what changes whose data it touches is judged, and what containers are told
    // that are added to debug it; everything else passes, also on a pod that was wrong already.
    let old_labels = old.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let before = scope::of_pod(world, namespace, old_labels, &old.spec).data;
    let after = scope::of_pod(world, namespace, labels, &pod.spec).data;
    if let Some(finding) = left(world, &before, &after, now) {
        let verdict = Verdict { action: Action::Refuse, findings: vec![finding], ..Verdict::allow() };
        return Judgement::new(verdict);
    }
    let mut facts = if after.iter().all(|data| before.contains(data)) {
        match pod::added(&old.spec, &pod.spec) {
            Some(added) => pod::told(world, namespace, PodView { spec: &added, ..now_view }, &after),
            None => return Judgement::new(Verdict::allow()),
        }
    } else {
        pod::facts(world, namespace, now_view, Pinning::Impossible)
    };
    facts.subject = subject::pod(world, &namespace.name, &pod.metadata);
    Judgement::new(engine::decide(&facts, &world.lawbook, &world.policies, now)).decided_from(facts)
}

/// Claims that are made for a pod are rewritten when they are made, not in the pod. What will become of them.
fn leave_to_claims(verdict: &mut Verdict, facts: &Facts) -> Vec<String> {
    let mut warnings = Vec::new();
    verdict.rewrites.retain(|rewrite| {
        let Change::Take { name } = &rewrite.change else { return true };
        let field = facts.placements.get(rewrite.placement).map_or("", |placement| &placement.field);
        warnings.push(format!("{field}: the claim will get storage class {name} when it is created"));
        false
    });
    if verdict.rewrites.is_empty() && verdict.action == Action::Rewrite {
        verdict.action = Action::Allow;
    }
    warnings
}

/// A change that takes an object out of the scope in which it was judged would free data that it already holds.
pub(crate) fn left(world: &World, before: &[Arc<Data>], after: &[Arc<Data>], now: Timestamp) -> Option<Finding> {
    // The same declaration with more origins binds more, so that nothing is lost by it.
    let kept = |data: &Data| {
        after.iter().any(|now| {
            **now == *data
                || (now.via == data.via
                    && now.categories == data.categories
                    && data.unknown_origin.is_none()
                    && data.origins.is_subset(&now.origins))
        })
    };
    let lost: Vec<Arc<Data>> = before.iter().filter(|data| !kept(data)).cloned().collect();
    let enforced = world.policies.iter().any(|policy| {
        policy.mode == Mode::Enforce
            && engine::facts::Act::ALL
                .iter()
                .any(|act| lost.iter().any(|data| policy.allowed(*act, data, &world.lawbook, now).is_some()))
    });
    enforced.then(|| Finding {
        rule: rules::SCOPE,
        mode: Mode::Enforce,
        policy: None,
        allows: None,
        field: "metadata.labels".to_owned(),
        message: format!(
            "this change would take the object out of scope while it holds {}",
            engine::explain::data(&lost)
        ),
        remedy: "leave the labels as they are, or replace the object by a new one".to_owned(),
        unproven: false,
        citation: None,
        waived: None,
    })
}

fn judge_claim(
    world: &World,
    namespace: &NamespaceScope,
    name: &str,
    claim: &Claim,
    old: Option<&Claim>,
    now: Timestamp,
) -> Judgement {
    let selected =
        |claim: &'_ Claim| claim.metadata.annotations.as_ref().and_then(|all| all.get(SELECTED_NODE)).cloned();
    let held = |claim: &Claim| {
        let labels = claim.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
        scope::of_claim(world, namespace, name, labels, &source::of(&claim.spec))
    };
    let data = held(claim);
    if let Some(old) = old {
        let before = held(old);
        if let Some(finding) = left(world, &before, &data, now) {
            let verdict = Verdict { action: Action::Refuse, findings: vec![finding], ..Verdict::allow() };
            return Judgement::new(verdict);
        }
        let same_place = old.spec == claim.spec && selected(old) == selected(claim);
        if same_place && data.iter().all(|one| before.contains(one)) {
            return Judgement::new(Verdict::allow());
        }
    }
    let node = selected(claim);
    let asking = if old.is_none() { Asking::New } else { Asking::Existing };
    let placements = claim::placements(world, &claim.spec, node.as_deref(), &data, "spec", asking);
    let subject = subject::claim(world, &namespace.name, name);
    let facts = Facts { placements, subject, ..Facts::default() };
    let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
    let patch = taken(&verdict)
        .map(|name| {
            PatchOperation::Add(AddOperation {
                path: PointerBuf::from_tokens(["spec", "storageClassName"]),
                value: name.into(),
            })
        })
        .into_iter()
        .collect();
    Judgement { patch, ..Judgement::new(verdict) }.decided_from(facts)
}

/// The storage class that a verdict takes.
fn taken(verdict: &Verdict) -> Option<&str> {
    verdict.rewrites.iter().find_map(|rewrite| match &rewrite.change {
        Change::Take { name } => Some(name.as_str()),
        Change::PinNodes { .. } => None,
    })
}

fn judge_workload(
    world: &World,
    namespace: &NamespaceScope,
    kind: WorkloadKind,
    name: &str,
    workload: &Workload,
    now: Timestamp,
) -> Judgement {
    let Some(template) = workload.template() else { return Judgement::new(Verdict::allow()) };
    let pinning = if kind.pods_can_be_pinned { Pinning::Possible } else { Pinning::Impossible };
    let claims = workload.claims();
    let made: Vec<MadeClaim> = claims
        .iter()
        .enumerate()
        .map(|(position, claim)| {
            let template = claim.metadata.name.as_deref().unwrap_or_default();
            let labels = claim.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
            let (class, volume) = (claim.spec.storage_class_name.as_deref(), claim.spec.volume_name.as_deref());
            MadeClaim {
                field: format!("spec.volumeClaimTemplates[{position}].spec"),
                data: scope::of_made_claims(world, namespace, template, name, (labels, &source::of(&claim.spec))),
                with_pod: claim::decided_by_pod(world, class, volume),
            }
        })
        .collect();
    let view = PodView::of_template(template, kind.path, &made);
    let called = subject::named(world, &namespace.name, kind.group, kind.kind, name);
    let mut facts = pod::facts(world, namespace, view, pinning);
    facts.subject.clone_from(&called);
    let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
    let mut judgement = Judgement::new(verdict.clone());
    let mut decided = vec![Decided { facts, verdict }];
    if let Some(pin) = pod::pin(world, &judgement.verdict) {
        let countries = engine::explain::countries(&pin.countries, &world.lawbook, now);
        judgement.warnings.push(format!("pods will be pinned to {countries} when they are created, by {}", pin.key));
        if pin.key == COUNTRY_LABEL {
            let warning = "a node autoscaler must know this label on its node groups to make nodes for these pods";
            judgement.warnings.push(warning.to_owned());
        }
    }
    if !kind.pods_can_be_pinned {
        suggest_pin(&mut judgement.verdict, kind);
    }
    for (claim, made) in claims.iter().zip(made) {
        let MadeClaim { field, data, with_pod: _ } = made;
        let placements = claim::placements(world, &claim.spec, None, &data, &field, Asking::New);
        let facts = Facts { placements, subject: called.clone(), ..Facts::default() };
        let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
        if let Some(name) = taken(&verdict) {
            judgement.warnings.push(format!("{field}: claims will get storage class {name} when they are created"));
        }
        judgement.verdict.findings.extend(verdict.findings.iter().cloned());
        judgement.verdict.holds_until = judgement.verdict.holds_until.or(verdict.holds_until);
        decided.push(Decided { facts, verdict });
    }
    // A template is never changed itself: GitOps would see a difference. Its pods and claims are.
    judgement.verdict.rewrites.clear();
    judgement.verdict.action =
        if judgement.verdict.refusals().next().is_some() { Action::Refuse } else { Action::Allow };
    judgement.with_decided(decided)
}

/// What must stand in a template whose pods cannot be pinned one by one.
fn suggest_pin(verdict: &mut Verdict, kind: WorkloadKind) {
    for finding in verdict.findings.iter_mut().filter(|finding| finding.field.starts_with(kind.path)) {
        finding.remedy = format!(
            "the controller binds each pod to a node, so the template itself must choose the nodes: add {COUNTRY_LABEL} \
             to {}.nodeSelector or to its required node affinity ({})",
            kind.path, finding.remedy
        );
    }
}

fn judge_namespace(object: &str, old: Option<&str>) -> Result<Judgement, serde_json::Error> {
    let label = |object: &str| {
        let namespace: objects::Namespace = serde_json::from_str(object)?;
        Ok(namespace.metadata.labels.and_then(|mut labels| labels.remove(ORIGIN_LABEL)))
    };
    let value = label(object)?;
    let unchanged = old.map(label).transpose()?.is_some_and(|old| old == value);
    let problem = value
        .filter(|_| !unchanged)
        .and_then(|value| scope::labelled(&value, Source::Label).unknown_origin)
        .map(|reason| {
            own::finding(read::Problem {
                field: format!("metadata.labels[{ORIGIN_LABEL}]"),
                message: reason,
                remedy: "use two-letter country codes in capitals, several joined by _".to_owned(),
            })
        });
    let findings: Vec<Finding> = problem.into_iter().collect();
    let action = if findings.is_empty() { Action::Allow } else { Action::Refuse };
    Ok(Judgement::new(Verdict { action, findings, ..Verdict::allow() }))
}
