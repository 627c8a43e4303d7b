//! Pods that run where a policy with `remediation: Evict` does not let them, and whether each would come back inside.
//!
//! The audit says which pods these may be, and each is decided about again from what is known now: as it runs, and as
//! it will be when its workload makes it again. Nothing here says when a pod is evicted; that is the controller's to plan.

mod obstacle;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::audit::Audit;
use super::pods::PodState;
use super::{Index, NodeState};
use crate::api::v1alpha1::{Remediation, ResidencyPolicy};
use crate::engine;
use crate::engine::country::CountrySet;
use crate::engine::explain;
use crate::engine::facts::Facts;
use crate::engine::node::Located;
use crate::engine::policy::Mode;
use crate::engine::rules;
use crate::engine::verdict::{Action, Finding, Verdict};
use crate::interpret::claim;
use crate::interpret::objects::NodeSelectorTerm;
use crate::interpret::pod::{self, Pinning, PodView};
use crate::interpret::room::{self, Choice};
use crate::interpret::scope::NamespaceScope;
use crate::interpret::subject;
use crate::interpret::world::{HeldPod, World};

use obstacle::by_itself;
pub use obstacle::{Controller, Obstacle};

/// What is known of a pod that no decision reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    controller: Controller,
    ready: bool,
    /// Whether it is being deleted.
    leaving: bool,
    /// When it was made, in seconds of Unix time, as the API server says.
    created: i64,
}

impl Life {
    pub fn new(pod: &ObjectMeta, ready: bool) -> Self {
        let created = pod.creation_timestamp.as_ref().map(|time| time.0.as_second()).unwrap_or_default();
        Self { controller: Controller::of(pod), ready, leaving: pod.deletion_timestamp.is_some(), created }
    }
}

/// What makes pods, as a person knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// How the pods of a workload are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many there are that have not ended.
    pub pods: usize,
    /// Of these, how many stay: nobody has deleted or evicted them.
    pub staying: usize,
    /// Of those that stay, how many are ready.
    pub ready: usize,
    /// When the newest was made.
    pub newest: i64,
}

/// A pod that runs where it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its name; its namespace is the workload's.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What made it; itself where nothing did.
    pub workload: Workload,
    /// The policies on whose account it would be evicted, by name.
    pub policies: Vec<String>,
    /// When it was made, in seconds of Unix time.
    pub created: i64,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub leaving: bool,
    /// What keeps it from being evicted.
    pub obstacle: Option<Obstacle>,
}

/// How many pods may be away at once because of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Pods(usize),
    /// So many in a hundred, rounded down, and at least one.
    Percent(usize),
}

impl Share {
    /// A tenth, where a policy does not say.
    const DEFAULT: Self = Self::Percent(10);

    fn of(policy: &ResidencyPolicy) -> Self {
        match policy.spec.eviction.as_ref().and_then(|eviction| eviction.max_unavailable.as_ref()) {
            None => Self::DEFAULT,
            Some(IntOrString::Int(number)) => Self::Pods(usize::try_from(*number).unwrap_or_default()),
            // The schema lets nothing else through; what slips by it all the same gets the least that is a share.
            Some(IntOrString::String(text)) => {
                text.strip_suffix('%').and_then(|number| number.parse().ok()).map_or(Self::Pods(1), Self::Percent)
            }
        }
    }

    /// The share of so many pods.
    pub fn among(self, pods: usize) -> usize {
        match self {
            Self::Pods(number) => number,
            Self::Percent(percent) => (pods * percent.min(100) / 100).max(1),
        }
    }
}

/// A policy that has pods evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicting {
    /// Its uid, to which Events refer.
    pub uid: Option<String>,
    /// Its share.
    pub share: Share,
}

/// What has to be known beside the index.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whether the API server asks about anything at all, and trusts the answers.
    pub in_force: bool,
    /// Namespaces that are never judged.
    pub exempt: &'a BTreeSet<String>,
    /// Namespaces about which the API server asks by name.
    pub enforced: &'a BTreeSet<String>,
    /// Uids of pods that were evicted: they are on their way out, also when no watch has shown that yet.
    pub evicted: &'a BTreeSet<String>,
    /// Workloads of which the standing is wanted also when none of their pods is outside.
    pub workloads: &'a BTreeSet<Workload>,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strays {
    /// The pods, the oldest first.
    pub pods: Vec<Stray>,
    /// Their workloads.
    pub workloads: BTreeMap<Workload, Standing>,
    /// The policies that have pods evicted.
    pub policies: BTreeMap<String, Evicting>,
}

/// Open nodes by the countries in which they are, as they are asked for.
type OpenNodes<'a> = Vec<(CountrySet, Vec<&'a NodeState>)>;

impl Index {
    /// The pods that run where they may not, of those that the audit has found, by policies that have them evicted.
    pub fn strays(&self, audit: &Audit, asked: Asked<'_>, now: Timestamp) -> Strays {
        let evicts = |policy: &&ResidencyPolicy| {
            policy.spec.remediation == Remediation::Evict && policy.spec.mode == Mode::Enforce
        };
        let policies: BTreeMap<String, Evicting> = self
            .policies
            .iter()
            .filter(|(_, policy)| evicts(policy))
            .map(|(name, one)| (name.clone(), Evicting { uid: one.metadata.uid.clone(), share: Share::of(one) }))
            .collect();
        let mut strays = Strays { policies, ..Strays::default() };
        let mut nodes = OpenNodes::new();
        if !strays.policies.is_empty() {
            let pods = audit.objects.iter().filter(|judged| judged.subject.kind == "Pod");
            let outside = pods.filter(|judged| judged.findings.iter().any(|found| strays.concerns(&found.finding)));
            let found: Vec<Stray> = outside
                .filter_map(|judged| {
                    let key = (judged.subject.namespace.clone(), judged.subject.name.clone());
                    let state = self.pods.get(&key.0, &key.1).filter(|state| *state.uid == *judged.subject.uid)?;
                    self.stray(&key, state, &strays, asked, &mut nodes, now)
                })
                .collect();
            strays.pods = found;
            let age = |stray: &Stray| (stray.created, stray.workload.namespace.clone(), stray.name.clone());
            strays.pods.sort_by_cached_key(age);
        }
        strays.workloads = self.standing(strays.pods.iter().map(|stray| &stray.workload).chain(asked.workloads), asked);
        strays
    }

    /// A pod, if it still runs where one of the policies does not let it.
    fn stray<'a>(
        &'a self,
        key: &(String, String),
        state: &PodState,
        among: &Strays,
        asked: Asked<'_>,
        nodes: &mut OpenNodes<'a>,
        now: Timestamp,
    ) -> Option<Stray> {
        let world = &*self.world;
        let namespace = world.namespace(&key.0).filter(|_| !state.ended)?;
        let (_, verdict) = decide(world, namespace, key, (&state.pod, state.pod.view()), Pinning::Impossible, now);
        let concerned = verdict.standing().filter(|finding| among.concerns(finding));
        let policies: BTreeSet<String> = concerned.filter_map(|finding| finding.policy.clone()).collect();
        if policies.is_empty() {
            return None;
        }
        let (kind, name) = (*state.pod.maker).clone();
        let Life { controller, ready, leaving, created } = state.life;
        let obstacle = by_itself(controller, &kind, namespace, &state.pod, asked)
            .or_else(|| self.obstacle(world, namespace, key, &state.pod, nodes, now));
        Some(Stray {
            name: key.1.clone(),
            uid: state.uid.to_string(),
            workload: Workload { namespace: key.0.clone(), kind, name },
            policies: policies.into_iter().collect(),
            created,
            ready,
            leaving: leaving || asked.evicted.contains(&*state.uid),
            obstacle,
        })
    }

    /// What keeps a pod that its workload would make again from coming back inside.
    fn obstacle<'a>(
        &'a self,
        world: &World,
        namespace: &NamespaceScope,
        key: &(String, String),
        pod: &HeldPod,
        nodes: &mut OpenNodes<'a>,
        now: Timestamp,
    ) -> Option<Obstacle> {
        let again = PodView { node: None, ..pod.view() };
        let spec = again.spec;
        let (facts, verdict) = decide(world, namespace, key, (pod, again), Pinning::Possible, now);
        if verdict.action == Action::Refuse {
            let why = explain::lines(verdict.refusals()).into_iter().next().unwrap_or_default();
            return Some(Obstacle::WouldBeRefused { why });
        }
        let pin = pod::pin(world, &verdict);
        let reached = || facts.placements.first().map_or(CountrySet::EMPTY, |process| process.places.countries);
        let countries = pin.as_ref().map_or_else(reached, |pin| pin.countries);
        let mut volumes: Vec<&[NodeSelectorTerm]> = Vec::new();
        for (_, name) in spec.claims() {
            let refused = |why: &str| Some(Obstacle::Claim { name: name.to_owned(), why: why.to_owned() });
            let Some(state) = namespace.claims.get(name) else { return refused("it is not known") };
            let Some(volume) = state.volume.as_deref().filter(|volume| !volume.is_empty()) else {
                if claim::decided_by_pod(world, state.class.as_deref(), None) {
                    continue;
                }
                return refused("nobody knows where its volume will be");
            };
            if world.volume(volume).is_none_or(|places| !places.within(&countries)) {
                return refused("its volume is not known to lie inside");
            }
            let affinity = self.volumes.get(volume).and_then(|volume| volume.spec.node_affinity.as_ref());
            volumes.extend(affinity.and_then(|one| one.required.as_ref()).map(|one| &*one.node_selector_terms));
        }
        let takes = |node: &&NodeState| {
            let (name, labels) = (node.facts.name.as_str(), &node.facts.labels);
            let choice = Choice { name, labels, country: node.label.as_deref(), room: &node.room };
            room::takes(choice, spec, pin.as_ref(), &volumes)
        };
        let countries_named = || explain::countries(&countries, &world.lawbook, now);
        let open = self.open_nodes(&countries, nodes);
        (!open.iter().any(takes)).then(|| Obstacle::NoNode { countries: countries_named() })
    }

    /// Nodes that are known to be in one of the countries and take pods.
    fn open_nodes<'a, 'k>(&'a self, countries: &CountrySet, known: &'k mut OpenNodes<'a>) -> &'k [&'a NodeState] {
        let position = known.iter().position(|(of, _)| of == countries).unwrap_or_else(|| {
            let inside = |node: &&NodeState| match &node.located {
                Located::In { country, .. } => node.room.open && countries.contains(*country),
                Located::Unknown(_) | Located::Disputed(_) => false,
            };
            known.push((*countries, self.nodes.values().filter(inside).collect()));
            known.len() - 1
        });
        &known[position].1
    }

    /// How these workloads are.
    fn standing<'a>(
        &self,
        wanted: impl Iterator<Item = &'a Workload>,
        asked: Asked<'_>,
    ) -> BTreeMap<Workload, Standing> {
        let mut all: BTreeMap<Workload, Standing> =
            wanted.map(|workload| (workload.clone(), Standing::default())).collect();
        let namespaces: BTreeSet<String> = all.keys().map(|workload| workload.namespace.clone()).collect();
        for namespace in &namespaces {
            for (_, state) in self.pods.of(namespace).filter(|(_, state)| !state.ended) {
                let (kind, name) = (*state.pod.maker).clone();
                let workload = Workload { namespace: namespace.clone(), kind, name };
                let Some(standing) = all.get_mut(&workload) else { continue };
                let Life { ready, leaving, created, controller: _ } = state.life;
                let stays = !leaving && !asked.evicted.contains(&*state.uid);
                standing.pods += 1;
                standing.staying += usize::from(stays);
                standing.ready += usize::from(stays && ready);
                standing.newest = standing.newest.max(created);
            }
        }
        all
    }
}

impl Strays {
    /// Whether a finding says that a pod runs where one of these policies does not let it: proven, about the pod's own
    /// node, and excepted by nobody.
    fn concerns(&self, finding: &Finding) -> bool {
        finding.rule == rules::PLACE
            && finding.mode == Mode::Enforce
            && finding.field == NODE_NAME
            && !finding.unproven
            && !finding.is_waived()
            && finding.policy.as_ref().is_some_and(|policy| self.policies.contains_key(policy))
    }
}

/// The field that says where a pod runs.
const NODE_NAME: &str = "spec.nodeName";

/// What is decided about a pod, seen like this.
fn decide(
    world: &World,
    namespace: &NamespaceScope,
    (space, name): &(String, String),
    (pod, view): (&HeldPod, PodView<'_>),
    pinning: Pinning,
    now: Timestamp,
) -> (Facts, Verdict) {
    let mut facts = pod::facts(world, namespace, view, pinning);
    facts.subject = subject::held_pod(world, space, name, &pod.maker);
    let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
    (facts, verdict)
}

#[cfg(test)]
mod tests;
