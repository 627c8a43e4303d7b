//! What the cluster looks like now: every pod and claim that exists, judged by the same decision as at admission.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::audit::{Audit, Judged, Subject};
use super::build::ends;
use super::exceptions::{ExceptionReport, Relieved};
use super::memo::{Kept, Seen};
use super::{FlowState, Index, Name, NodeState, StoreState, Way};
use crate::api::v1alpha1::{
    DataFlow, DataFlowStatus, DataStore, DataStoreStatus, EffectiveOrigin, GROUP, ObjectFinding, ObservedPlace, Owed,
    PastReliance, Reliance, ResidencyPolicy, VERSION,
};
use crate::engine;
use crate::engine::country::Country;
use crate::engine::data::Source;
use crate::engine::explain;
use crate::engine::facts::Facts;
use crate::engine::law::mechanism::EndEffect;
use crate::engine::law::opinion::Ground;
use crate::engine::law::transfer::sooner;
use crate::engine::lineage::{Path, Step};
use crate::engine::node::{Evidence, Located};
use crate::engine::verdict::{Action, Finding, Obligation, Verdict};
use crate::interpret::claim::{self, Asking};
use crate::interpret::own;
use crate::interpret::pod::{self, Pinning, PodView};
use crate::interpret::read::{self, Problem};
use crate::interpret::resource::{self, Key};
use crate::interpret::scope;
use crate::interpret::subject;
use crate::interpret::world::World;

/// Details in a status are capped; counts are exact.
const DETAILS: usize = 20;

/// Everything that statuses say, for the objects that exist.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Stores.
    pub stores: Vec<StoreReport>,
    /// Flows.
    pub flows: Vec<FlowReport>,
    /// Policies.
    pub policies: Vec<PolicyReport>,
    /// Exceptions.
    pub exceptions: Vec<ExceptionReport>,
    /// The same findings by the objects that they are about.
    pub audit: Audit,
    /// The first instant at which time alone may change any of it.
    pub until: Option<Timestamp>,
}

/// An object that exists, with what was decided about it.
#[derive(Debug, Clone, Copy)]
pub struct Audited<'a> {
    /// Its API group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace; empty for objects of the cluster.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid; empty for an object that was admitted, and that no watch has shown yet.
    pub uid: &'a str,
    /// What is known of it.
    pub facts: &'a Facts,
    /// What follows.
    pub verdict: &'a Verdict,
}

/// A store, what it should say of itself, and what keeps it from being read.
#[derive(Debug, Clone)]
pub struct StoreReport {
    /// The object as it was last seen.
    pub object: DataStore,
    /// Its status, without conditions.
    pub status: DataStoreStatus,
    /// What cannot be right in it.
    pub problems: Vec<Problem>,
    /// How many checks found no breach.
    pub checks: usize,
}

/// A flow.
#[derive(Debug, Clone)]
pub struct FlowReport {
    /// The object as it was last seen.
    pub object: DataFlow,
    /// Its status, without conditions.
    pub status: DataFlowStatus,
    /// What cannot be right in it.
    pub problems: Vec<Problem>,
    /// How many breaches there are.
    pub violations: i64,
    /// How many things cannot be proven.
    pub unproven: i64,
    /// How many checks were made.
    pub checks: usize,
    /// What it opens in the network of its store; none where that is not shut.
    pub way: Option<Way>,
}

/// A policy.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// The object as it was last seen.
    pub object: ResidencyPolicy,
    /// How many findings name it.
    pub violations: i64,
    /// What cannot be right in it.
    pub problems: Vec<Problem>,
}

/// What is gathered for one store while its namespace is judged.
#[derive(Default)]
struct Tally {
    findings: Vec<ObjectFinding>,
    violations: i64,
    unproven: i64,
    checks: usize,
    places: BTreeMap<(String, Option<Evidence>), (i64, i64)>,
    until: Option<Timestamp>,
    /// The verdict on what the store declares.
    legal: Option<Verdict>,
}

impl Tally {
    fn add(&mut self, object: &str, verdict: &Verdict) {
        self.checks += 1;
        self.until = sooner(self.until, verdict.holds_until);
        for (position, finding) in verdict.findings.iter().enumerate() {
            self.findings.push(told(object, finding));
            // What several policies say of the same thing is one breach.
            if verdict.findings[..position].iter().any(|before| explain::is_same(before, finding))
                || finding.is_waived()
            {
                continue;
            }
            if finding.unproven {
                self.unproven += 1;
            } else {
                self.violations += 1;
            }
        }
    }
}

/// What is gathered from object to object.
struct Gathered<'e> {
    tallies: BTreeMap<Name, Tally>,
    audit: Audit,
    relieved: Relieved,
    /// Who wants to see what was judged.
    each: &'e mut dyn FnMut(&Audited<'_>),
}

impl Gathered<'_> {
    /// Shows what was judged.
    fn show(&mut self, kind: (&str, &str), name: (&str, &str), uid: &str, facts: &Facts, seen: Option<&Seen>) {
        if let Some(seen) = seen {
            (self.each)(&audited(kind, name, uid, (facts, &seen.verdict)));
        }
    }

    /// Counts an object, also for each store whose data it touches. Most are told nothing about, and need no name.
    fn add(&mut self, seen: &Seen, object: impl Fn(&Name) -> String, more: impl Fn(&mut Tally)) {
        self.relieved.add(&seen.verdict);
        self.audit.add(&seen.verdict, || seen.judged.clone().unwrap_or_default());
        for store in &seen.stores {
            let tally = match self.tallies.get_mut(store) {
                Some(tally) => tally,
                None => self.tallies.entry(store.clone()).or_default(),
            };
            let object = if seen.verdict.findings.is_empty() { String::new() } else { object(store) };
            tally.add(&object, &seen.verdict);
            more(tally);
        }
    }
}

/// Judges what exists; none if it has nothing to do with personal data.
fn seen(
    world: &World,
    facts: &Facts,
    now: Timestamp,
    subject: impl FnOnce() -> Subject,
    tell: impl Fn(&mut Finding),
) -> Option<Seen> {
    if facts.placements.is_empty() {
        return None;
    }
    let mut verdict = engine::decide(facts, &world.lawbook, &world.policies, now);
    verdict.findings.iter_mut().for_each(tell);
    let judged = verdict.standing().next().map(|_| Arc::new(Judged::new(subject(), facts, &verdict)));
    Some(Seen { stores: stores(facts).into_iter().collect(), judged, verdict })
}

/// Remembers an object at its position, which is at most the one after the last.
fn put(kept: &mut Vec<Kept>, position: usize, fresh: Kept) {
    match kept.get_mut(position) {
        Some(known) => *known = fresh,
        None => kept.push(fresh),
    }
}

fn place_of_node(nodes: &BTreeMap<String, NodeState>, node: &str) -> (String, Option<Evidence>) {
    match nodes.get(node).map(|node| &node.located) {
        Some(Located::In { country, evidence, .. }) => (country.to_string(), Some(*evidence)),
        _ => (UNKNOWN.to_owned(), None),
    }
}

fn told(object: &str, finding: &Finding) -> ObjectFinding {
    let Finding { rule, mode, policy, allows, field, message, remedy, unproven: _, citation, waived } = finding.clone();
    let message = match policy.as_ref().zip(allows) {
        Some((policy, allows)) => format!("{message}; policy {policy} allows {allows}"),
        None => message,
    };
    let source = citation.map(|citation| citation.to_string());
    ObjectFinding {
        object: object.to_owned(),
        rule: rule.to_owned(),
        field,
        mode,
        policy,
        message,
        remedy,
        source,
        waived,
    }
}

impl Index {
    /// Says what the statuses should be, and judges for that whatever was not judged before by the same facts.
    pub fn observe(&mut self, now: Timestamp) -> Observed {
        self.observe_each(now, &mut |_| {})
    }

    /// The same, and shows what is judged: stores and flows, and of all else what was not judged before.
    pub fn observe_each(&mut self, now: Timestamp, each: &mut dyn FnMut(&Audited<'_>)) -> Observed {
        let world = self.world();
        let epoch = self.memo.rest_on(&world);
        let mut gathered =
            Gathered { tallies: BTreeMap::new(), audit: Audit::default(), relieved: Relieved::default(), each };
        self.observe_pods(&world, epoch, now, &mut gathered);
        self.observe_claims(&world, epoch, now, &mut gathered);
        self.observe_resources(&world, epoch, now, &mut gathered);
        // What changes the snapshot itself, and which blocs have members, waits for nobody's verdict.
        let until = sooner(world.valid_until, world.lawbook.next_bloc_change(now));
        let mut observed = Observed { until, ..Observed::default() };
        let own = |kind: &str, name: &Name, uid: &Option<String>| {
            subject(&format!("{GROUP}/{VERSION}"), kind, &name.0, &name.1, uid.as_deref().unwrap_or_default())
        };
        let mut judged = std::mem::take(&mut self.memo.stores);
        judged.rest_on(&world, |name| self.stores.contains_key(name));
        for (name, state) in &self.stores {
            let mut tally = gathered.tallies.remove(name).unwrap_or_default();
            if let Some(matter) = self.matters.stores.get(name) {
                let facts = own::store_facts(self.data_of_store(name), matter.clone());
                let called = subject::named(&world, &name.0, GROUP, "DataStore", &name.1);
                let facts = Facts { subject: called, ..facts };
                let verdict = judged.judge(name, &facts, now);
                gathered.relieved.add(&verdict);
                let subject = || own("DataStore", name, &state.object.metadata.uid);
                gathered.audit.add(&verdict, || Arc::new(Judged::new(subject(), &facts, &verdict)));
                let uid = state.object.metadata.uid.as_deref().unwrap_or_default();
                (gathered.each)(&audited((GROUP, "DataStore"), (&name.0, &name.1), uid, (&facts, &verdict)));
                tally.add(&format!("DataStore/{}", name.1), &verdict);
                tally.legal = Some(verdict);
            }
            observed.until = sooner(observed.until, tally.until);
            observed.stores.push(self.store_report(name, state, tally));
        }
        self.memo.stores = judged;
        let mut judged = std::mem::take(&mut self.memo.flows);
        judged.rest_on(&world, |name| self.flows.contains_key(name));
        for (name, flow) in &self.flows {
            let facts = self.facts_of_flow(name, flow);
            let verdict = judged.judge(name, &facts, now);
            gathered.relieved.add(&verdict);
            let report = self.flow_report(name, flow, &verdict, &world, now);
            let subject = || own("DataFlow", name, &flow.object.metadata.uid);
            gathered.audit.add(&verdict, || Arc::new(Judged::new(subject(), &facts, &verdict)));
            let uid = flow.object.metadata.uid.as_deref().unwrap_or_default();
            (gathered.each)(&audited((GROUP, "DataFlow"), (&name.0, &name.1), uid, (&facts, &verdict)));
            observed.until = sooner(observed.until, verdict.holds_until);
            observed.until = sooner(observed.until, next_warning(&verdict, now));
            observed.flows.push(report);
        }
        self.memo.flows = judged;
        for policy in self.policies.values() {
            let name = policy.name_any();
            let named = |of: &Option<String>| of.as_deref() == Some(name.as_str());
            let findings = gathered.audit.findings.iter().filter(|((policy, _), _)| named(policy));
            let violations = findings.map(|(_, count)| count).sum::<usize>();
            observed.policies.push(PolicyReport {
                object: policy.clone(),
                violations: i64::try_from(violations).unwrap_or(i64::MAX),
                problems: read::policy_problems(&policy.spec, &world.lawbook, now),
            });
        }
        observed.audit = gathered.audit;
        observed.exceptions = self.exception_reports(&gathered.relieved, &world, now);
        let next = observed.exceptions.iter().filter_map(|report| report.next).min();
        observed.until = sooner(observed.until, next);
        observed
    }

    fn observe_pods(&mut self, world: &World, epoch: u64, now: Timestamp, gathered: &mut Gathered<'_>) {
        let Self { pods, nodes, memo, .. } = self;
        for ((space, name), state) in pods {
            let Some(namespace) = world.namespaces.get(space).filter(|_| !state.ended) else { continue };
            if state.kept.as_ref().and_then(|kept| kept.holds(epoch, now)).is_none() {
                let view = PodView { labels: &state.pod.labels, spec: &state.pod.spec, path: "spec", made: &[] };
                let mut facts = pod::facts(world, namespace, view, Pinning::Impossible);
                facts.subject = subject::held_pod(world, space, name, &state.pod.maker);
                let subject = || subject("v1", "Pod", space, name, &state.uid);
                let seen = seen(world, &facts, now, subject, |finding| {
                    finding.remedy = format!("delete the pod, so that it comes back inside, or {}", finding.remedy);
                });
                gathered.show(("", "Pod"), (space, name), &state.uid, &facts, seen.as_ref());
                state.kept = Some(memo.keep(seen, now));
            }
            let Some(seen) = state.kept.as_ref().and_then(|kept| kept.holds(epoch, now)?.as_ref()) else { continue };
            gathered.add(
                seen,
                |_| format!("Pod/{name}"),
                |tally| {
                    if let Some(node) = &state.pod.spec.node_name {
                        tally.places.entry(place_of_node(nodes, node)).or_default().0 += 1;
                    }
                },
            );
        }
    }

    fn observe_claims(&mut self, world: &World, epoch: u64, now: Timestamp, gathered: &mut Gathered<'_>) {
        for (space, claims) in &self.claims {
            let Some(namespace) = world.namespaces.get(space) else { continue };
            let known = self.memo.claims.remove(space).filter(|(of, _)| Arc::ptr_eq(of, claims));
            let mut kept = known.map(|(_, kept)| kept).unwrap_or_default();
            for (position, (name, state)) in claims.iter().enumerate() {
                if kept.get(position).and_then(|kept| kept.holds(epoch, now)).is_none() {
                    let data = scope::of_claim(world, namespace, name, &state.labels, &state.sources);
                    let placements = claim::placements(world, &state.spec(), None, &data, "spec", Asking::Existing);
                    let called = subject::claim(world, space, name);
                    let facts = Facts { placements, subject: called, ..Facts::default() };
                    let subject = || subject("v1", "PersistentVolumeClaim", space, name, &state.uid);
                    let seen = seen(world, &facts, now, subject, |_| {});
                    gathered.show(("", "PersistentVolumeClaim"), (space, name), &state.uid, &facts, seen.as_ref());
                    let fresh = self.memo.keep(seen, now);
                    put(&mut kept, position, fresh);
                }
                let Some(seen) = kept.get(position).and_then(|kept| kept.holds(epoch, now)?.as_ref()) else { continue };
                gathered.add(
                    seen,
                    |_| format!("PersistentVolumeClaim/{name}"),
                    |tally| {
                        if let Some(volume) = &state.volume {
                            tally.places.entry(place_of_volume(world, volume)).or_default().1 += 1;
                        }
                    },
                );
            }
            self.memo.claims.insert(space.clone(), (claims.clone(), kept));
        }
    }

    /// Objects of interpreted types, also those that admission is not asked about: objects elsewhere that concern the data of a
    /// protected namespace.
    fn observe_resources(&mut self, world: &World, epoch: u64, now: Timestamp, gathered: &mut Gathered<'_>) {
        let mut kept = std::mem::take(&mut self.memo.resources);
        for (position, resource) in self.resources.iter().enumerate() {
            let Key { group, kind, namespace, name } = &resource.key;
            if kept.get(position).and_then(|kept| kept.holds(epoch, now)).is_none() {
                let facts = resource::facts(world, resource, false);
                let subject = || subject(&resource.api_version, kind, namespace, name, &resource.uid);
                let seen = seen(world, &facts, now, subject, |_| {});
                gathered.show((group, kind), (namespace, name), &resource.uid, &facts, seen.as_ref());
                let fresh = self.memo.keep(seen, now);
                put(&mut kept, position, fresh);
            }
            let Some(seen) = kept.get(position).and_then(|kept| kept.holds(epoch, now)?.as_ref()) else { continue };
            let named = |store: &Name| {
                let far = if *namespace == store.0 || namespace.is_empty() { "" } else { namespace };
                if far.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{far}/{name}") }
            };
            gathered.add(seen, named, |_| {});
        }
        self.memo.resources = kept;
    }

    fn store_report(&self, name: &Name, state: &StoreState, tally: Tally) -> StoreReport {
        let Tally { mut findings, violations, unproven, checks, places, until, legal } = tally;
        let legal = legal.unwrap_or_else(Verdict::allow);
        // What stands comes first, so that it is not what is cut off.
        findings.sort_by(|a, b| (a.is_waived(), a).cmp(&(b.is_waived(), b)));
        findings.dedup();
        findings.truncate(DETAILS);
        let origins = self.lineage.origins(name);
        let observed: BTreeSet<String> = places.keys().map(|(country, _)| country.clone()).collect();
        let declared = state.object.spec.residence.as_ref().map(|residence| residence.country.clone());
        let country =
            if observed.is_empty() { declared } else { Some(observed.into_iter().collect::<Vec<_>>().join(",")) };
        let status = DataStoreStatus {
            observed_generation: state.object.metadata.generation,
            origins: (!origins.is_empty()).then(|| origins.to_string()),
            country,
            places: places
                .into_iter()
                .map(|((country, evidence), (pods, claims))| ObservedPlace { country, evidence, pods, claims })
                .collect(),
            effective_origins: self
                .lineage
                .of(name)
                .map(|(origin, path)| EffectiveOrigin {
                    origin: origin.to_string(),
                    through: through(state, origin, &path),
                })
                .collect(),
            violations,
            unproven,
            legal: legal.legal,
            grounds: legal.grounds.iter().map(reliance).collect(),
            obligations: owed(&legal),
            relies_on: legal.relies_on.into_iter().take(DETAILS).collect(),
            holds_until: until.map(|until| until.to_string()),
            findings,
            conditions: Vec::new(),
        };
        StoreReport { object: state.object.clone(), status, problems: state.problems.clone(), checks }
    }

    fn flow_report(
        &self,
        name: &Name,
        state: &FlowState,
        verdict: &Verdict,
        world: &World,
        now: Timestamp,
    ) -> FlowReport {
        let (from, to) = ends(&name.0, &state.object.spec);
        let store = |(namespace, name): Name| format!("{namespace}/{name}");
        let spec = &state.object.spec;
        let collected = spec.from.collection.as_ref().map(|one| format!("people in {}", one.countries.join(", ")));
        let recipient = spec.to.recipient.as_ref().map(|one| match &one.place {
            Some(place) => format!("{} ({})", one.name, place.country),
            None => format!("{} (unknown place)", one.name),
        });
        let origins = self.data_of_flow(name).origins;
        let object = format!("DataFlow/{}", name.1);
        let mut findings: Vec<ObjectFinding> = verdict.findings.iter().map(|finding| told(&object, finding)).collect();
        findings.truncate(DETAILS);
        let status = DataFlowStatus {
            observed_generation: state.object.metadata.generation,
            from: from.map(store).or(collected),
            to: to.map(store).or(recipient),
            action: Some(if verdict.action == Action::Refuse { "Refuse" } else { "Allow" }.to_owned()),
            origins: (!origins.is_empty()).then(|| origins.to_string()),
            legal: verdict.legal,
            ground: (!verdict.grounds.is_empty()).then(|| {
                let names: BTreeSet<&str> = verdict.grounds.iter().map(|ground| ground.name.as_str()).collect();
                names.into_iter().collect::<Vec<_>>().join(", ")
            }),
            ends_within: ends_within(verdict, now).map(String::from),
            grounds: verdict.grounds.iter().map(reliance).collect(),
            at_risk: verdict.grounds.iter().any(|ground| !ground.at_risk.is_empty()),
            obligations: owed(verdict),
            relies_on: verdict.relies_on.iter().take(DETAILS).cloned().collect(),
            holds_until: verdict.holds_until.map(|until| until.to_string()),
            history: Vec::new(),
            review: Vec::new(),
            findings,
            conditions: Vec::new(),
        };
        let (history, review) = past(state.object.status.as_ref(), verdict, world, now);
        let status = DataFlowStatus { history, review, ..status };
        let mut tally = Tally::default();
        tally.add(&object, verdict);
        FlowReport {
            object: state.object.clone(),
            status,
            problems: state.problems.clone(),
            violations: tally.violations,
            unproven: tally.unproven,
            checks: tally.checks,
            way: self.way(name, state, verdict, now),
        }
    }
}

fn reliance(ground: &Ground) -> Reliance {
    Reliance {
        mechanism: ground.name.clone(),
        law: ground.law.clone(),
        source: ground.citation.to_string(),
        at_risk: ground.at_risk.clone(),
    }
}

fn owed(verdict: &Verdict) -> Vec<Owed> {
    let one = |owed: &Obligation| Owed {
        rule: owed.rule.to_owned(),
        field: owed.field.clone(),
        message: owed.message.clone(),
        remedy: owed.remedy.clone(),
        source: owed.citation.as_ref().map(ToString::to_string),
    };
    verdict.obligations.iter().take(DETAILS).map(one).collect()
}

/// How long before the end of a ground people are told, the longest first.
const LEAD_TIMES: [(i64, &str); 4] = [(90, "P90D"), (30, "P30D"), (7, "P7D"), (1, "P1D")];

/// When each ground of a verdict ends that has an end.
fn last_instants(verdict: &Verdict) -> impl Iterator<Item = Timestamp> {
    verdict.grounds.iter().filter_map(|ground| ground.until)
}

fn days_before(end: Timestamp, days: i64) -> Timestamp {
    end.saturating_sub(jiff::SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MIN)
}

/// The shortest lead time within which a ground ends.
fn ends_within(verdict: &Verdict, now: Timestamp) -> Option<&'static str> {
    let first = last_instants(verdict).filter(|end| *end > now).min()?;
    LEAD_TIMES.iter().rev().find(|(days, _)| days_before(first, *days) <= now).map(|(_, name)| *name)
}

/// When the next lead time begins.
fn next_warning(verdict: &Verdict, now: Timestamp) -> Option<Timestamp> {
    let all = last_instants(verdict).flat_map(|end| LEAD_TIMES.iter().map(move |(days, _)| days_before(end, *days)));
    all.filter(|instant| *instant > now).min()
}

/// On what a flow has relied so far, the newest first, and what of that has to be looked at again.
fn past(
    before: Option<&DataFlowStatus>,
    verdict: &Verdict,
    world: &World,
    now: Timestamp,
) -> (Vec<PastReliance>, Vec<String>) {
    let mut history = before.map(|status| status.history.clone()).unwrap_or_default();
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    let relied: BTreeSet<&str> = verdict.grounds.iter().map(|ground| ground.name.as_str()).collect();
    for past in history.iter_mut().filter(|past| past.until.is_none() && !relied.contains(past.mechanism.as_str())) {
        past.until = Some(second.clone());
    }
    for name in relied {
        if !history.iter().any(|past| past.until.is_none() && past.mechanism == name) {
            let fresh = PastReliance { mechanism: name.to_owned(), since: second.clone(), until: None };
            history.insert(0, fresh);
        }
    }
    history.truncate(DETAILS);
    let annulled = |past: &PastReliance| {
        let mechanism = world.lawbook.mechanism(&past.mechanism)?;
        let ended = mechanism.ended.as_ref().filter(|ended| ended.effect == EndEffect::ExTunc)?;
        let on = mechanism.window.until.filter(|until| *until <= now)?;
        let by = ended.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let until = past.until.as_deref().unwrap_or("now");
        Some(format!(
            "{} carried this flow from {} to {until}; annulled retroactively{by} on {}; review",
            past.mechanism,
            past.since,
            mechanism.zone.to_datetime(on).date()
        ))
    };
    let review = history.iter().filter_map(annulled).collect();
    (history, review)
}

/// What a status calls a place that nobody knows.
pub const UNKNOWN: &str = "unknown";

fn place_of_volume(world: &World, volume: &str) -> (String, Option<Evidence>) {
    match world.volumes.get(volume) {
        Some(places) if places.unproven.is_none() && !places.countries.is_full() => {
            let evidence = places.countries.single().map(|_| Evidence::Claimed);
            (places.countries.iter().map(|country| country.to_string()).collect::<Vec<_>>().join("/"), evidence)
        }
        _ => (UNKNOWN.to_owned(), None),
    }
}

fn subject(api_version: &str, kind: &str, namespace: &str, name: &str, uid: &str) -> Subject {
    let [api_version, kind, namespace, name, uid] = [api_version, kind, namespace, name, uid].map(str::to_owned);
    Subject { api_version, kind, namespace, name, uid }
}

fn audited<'a>(
    (group, kind): (&'a str, &'a str),
    (namespace, name): (&'a str, &'a str),
    uid: &'a str,
    (facts, verdict): (&'a Facts, &'a Verdict),
) -> Audited<'a> {
    Audited { group, kind, namespace, name, uid, facts, verdict }
}

/// The stores whose data an object touches.
fn stores(facts: &Facts) -> BTreeSet<Name> {
    let data = facts.placements.iter().flat_map(|placement| &placement.data);
    data.filter_map(|data| match &data.via {
        Source::Store(namespace, name) => Some((namespace.clone(), name.clone())),
        _ => None,
    })
    .collect()
}

/// How an origin came to a store, in words.
pub(super) fn through(state: &StoreState, origin: Country, path: &Path) -> Vec<String> {
    if path.0.is_empty() {
        let spec = &state.object.spec;
        let fields = [
            ("spec.origins", &spec.origins),
            ("spec.collectedIn", &spec.collected_in),
            ("spec.subjectsIn", &spec.subjects_in),
        ];
        let names = |codes: &Option<Vec<String>>| codes.iter().flatten().any(|code| code == origin.as_str());
        return fields.iter().filter(|(_, codes)| names(codes)).map(|(field, _)| (*field).to_owned()).collect();
    }
    let told = |step: &Step| {
        let store = step.from.as_ref().map(|store| format!("DataStore {}/{}", store.0, store.1));
        store.into_iter().chain([step.through.to_string()])
    };
    path.0.iter().flat_map(told).collect()
}
