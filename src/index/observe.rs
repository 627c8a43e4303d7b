//! What the cluster looks like now: every pod and claim that exists, judged by the same decision as at admission.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::audit::{Audit, Audited, Called};
use super::build::ends;
use super::exceptions::ExceptionReport;
use super::gather::{DETAILS, Tally, Where, told};
use super::{FlowState, Index, Name, NodeState, StoreState, Way};
use crate::api::v1alpha1::{
    DataFlow, DataFlowStatus, DataStore, DataStoreStatus, EffectiveOrigin, GROUP, ObjectFinding, ObservedPlace, Owed,
    PastReliance, Reliance, ResidencyPolicy, VERSION,
};
use crate::engine::country::Country;
use crate::engine::facts::Facts;
use crate::engine::law::mechanism::EndEffect;
use crate::engine::law::opinion::Ground;
use crate::engine::law::transfer::sooner;
use crate::engine::lineage::{Path, Step};
use crate::engine::node::Located;
use crate::engine::verdict::{Action, Obligation, Verdict};
use crate::interpret::own;
use crate::interpret::read::{self, Problem};
use crate::interpret::subject;
use crate::interpret::world::World;

/// Which stores and flows are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of which something else may be to be told than when this was last asked.
    Changed,
}

/// Everything that statuses say, for the objects that exist.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Stores, as far as they were asked for.
    pub stores: Vec<StoreReport>,
    /// Flows, as far as they were asked for.
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

/// A store, what it should say of itself, and what keeps it from being read.
#[derive(Debug, Clone)]
pub struct StoreReport {
    /// The object as it was last seen.
    pub object: Arc<DataStore>,
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
    pub object: Arc<DataFlow>,
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

impl Index {
    /// Says what the statuses should be, and judges for that whatever was not judged before by the same facts.
    pub fn observe(&mut self, now: Timestamp) -> Observed {
        self.observe_each(Which::All, now, &mut |_| {})
    }

    /// The same for some stores and flows, and shows what is judged: of stores and flows those, and of all else what was not
    /// judged before.
    pub fn observe_each(&mut self, which: Which, now: Timestamp, each: &mut dyn FnMut(&Audited<'_>)) -> Observed {
        let world = self.world();
        let mut gathered = self.gather(now, each);
        // What changes the snapshot itself, and which blocs have members, waits for nobody's verdict.
        let until = sooner(world.valid_until, world.lawbook.next_bloc_change(now));
        let until = sooner(until, gathered.until);
        let mut observed = Observed { until, ..Observed::default() };
        let api_version = format!("{GROUP}/{VERSION}");
        let own = |kind, name, uid| called(&api_version, kind, name, uid);
        let retold = self.memo.take_retold();
        let mut stores = std::mem::take(&mut self.memo.stores);
        stores.begin(&world, self.declared_anew, now, |name| self.stores.contains_key(name));
        for (name, state) in &self.stores {
            let object = &state.object;
            let news = which == Which::All || retold.contains(name) || stores.get(name, object).is_none();
            let called = own("DataStore", name, object.metadata.uid.as_deref());
            let known = match stores.get(name, object) {
                Some(known) => known,
                None => stores.judge(name, object, called, self.facts_of_store(name, &world), now),
            };
            let is_judged = !known.facts.matters.is_empty();
            if is_judged {
                gathered.relieved.add(&known.verdict);
                gathered.audit.add(&known.verdict, || known.judged.clone().unwrap_or_default());
            }
            if !news {
                continue;
            }
            let legal = is_judged.then(|| known.verdict.clone());
            let mut tally = self.memo.tally_of(name);
            if let Some(verdict) = &legal {
                each(&called.audited(&known.facts, verdict));
                tally.add(&format!("DataStore/{}", name.1), verdict);
            }
            stores.until(tally.until);
            observed.stores.push(self.store_report(name, state, tally, legal));
        }
        observed.until = sooner(observed.until, stores.next());
        self.memo.stores = stores;
        let mut flows = std::mem::take(&mut self.memo.flows);
        flows.begin(&world, self.declared_anew, now, |name| self.flows.contains_key(name));
        for (name, flow) in &self.flows {
            let object = &flow.object;
            let news = which == Which::All || flows.get(name, object).is_none();
            let called = own("DataFlow", name, object.metadata.uid.as_deref());
            let known = match flows.get(name, object) {
                Some(known) => known,
                None => flows.judge(name, object, called, self.facts_of_flow(name, flow), now),
            };
            gathered.relieved.add(&known.verdict);
            gathered.audit.add(&known.verdict, || known.judged.clone().unwrap_or_default());
            if !news {
                continue;
            }
            each(&called.audited(&known.facts, &known.verdict));
            observed.flows.push(self.flow_report(name, flow, &known.verdict, &world, now));
            let next = sooner(known.verdict.holds_until, next_warning(&known.verdict, now));
            flows.until(next);
        }
        observed.until = sooner(observed.until, flows.next());
        self.memo.flows = flows;
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

    /// Everything that a store declares; without a matter where there is nothing to judge.
    fn facts_of_store(&self, name: &Name, world: &World) -> Facts {
        let Some(matter) = self.matters.stores.get(name) else { return Facts::default() };
        let facts = own::store_facts(self.data_of_store(name), matter.clone());
        Facts { subject: subject::named(world, &name.0, GROUP, "DataStore", &name.1), ..facts }
    }

    fn store_report(&self, name: &Name, state: &StoreState, tally: Tally, legal: Option<Verdict>) -> StoreReport {
        let Tally { findings, violations, unproven, checks, nodes, volumes, until } = tally;
        let legal = legal.unwrap_or_else(Verdict::allow);
        let findings = findings.into_iter().map(|(_, finding)| finding).collect();
        let mut places: BTreeMap<Where, (i64, i64)> = BTreeMap::new();
        for (node, pods) in nodes {
            places.entry(place_of_node(&self.nodes, &node)).or_default().0 += pods;
        }
        for (place, claims) in volumes {
            places.entry(place).or_default().1 += claims;
        }
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

fn place_of_node(nodes: &BTreeMap<String, NodeState>, node: &str) -> Where {
    match nodes.get(node).map(|node| &node.located) {
        Some(Located::In { country, evidence, .. }) => (country.to_string(), Some(*evidence)),
        _ => (UNKNOWN.to_owned(), None),
    }
}

fn called<'a>(api_version: &'a str, kind: &'a str, (namespace, name): &'a Name, uid: Option<&'a str>) -> Called<'a> {
    Called { api_version, kind, namespace, name, uid: uid.unwrap_or_default() }
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
