//! Which pod is evicted next, and why the others are not (no client).
//!
//! One at a time: what is known is looked at anew before each. A pod is away from its eviction until its workload has
//! as many pods as before, and as many that are ready; as long as it is, it takes up room in the share of its policies and of
//! its workload.
//! What the plan remembers is lost with the process; who leads next counts what is being deleted, and what is not ready.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::v1alpha1::{EvictionReason, PolicyEvictionStatus};
use crate::index::{Evicting, Share, Standing, Stray, Strays, Workload};

/// What is done about pods outside, by policies.
pub type Evictions = BTreeMap<String, PolicyEvictionStatus>;

/// No workload loses more of its pods at once.
const OF_WORKLOAD: Share = Share::Percent(10);
/// So long a workload may take to make up for a pod.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// So many pods of a workload may come back outside before its pods are left alone.
const IN_VAIN: usize = 3;
/// Of a workload that has had no pod outside for so long, what was in vain is forgotten.
const QUIET: Duration = Duration::from_secs(600);
/// After a refusal a workload is left alone for so long, and each time for twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest of these.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What came of an eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The pod goes.
    Evicted,
    /// It was gone, or another one had taken its name.
    Gone,
    /// A disruption budget does not let it go now.
    Refused,
    /// The API server could not be asked, or said something else.
    Failed,
}

impl Outcome {
    /// A fixed word for each.
    pub fn category(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Pods of a workload came back outside, and are left alone from now on.
    InVain(Stray),
    /// A workload has not made up for a pod in time.
    Missing(Flight),
}

/// What to do.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Whom to evict.
    pub evict: Option<Stray>,
    /// What to tell.
    pub news: Vec<News>,
    /// What statuses say.
    pub evictions: Evictions,
}

/// A pod that was evicted and is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// Its workload.
    pub workload: Workload,
    /// Its name.
    pub pod: String,
    /// On whose account.
    pub policies: Vec<String>,
    uid: String,
    /// How many pods stay in the workload when it has made up for all of its pods that are away: one that was there all the
    /// time and becomes ready replaces none.
    staying: usize,
    /// How many of them are ready then.
    ready: usize,
    since: Instant,
    told: bool,
}

/// What was done to a workload.
#[derive(Debug)]
struct Past {
    /// When the newest of its pods was made, at the first eviction: what is newer has come back.
    newest: i64,
    /// Uids of pods that came back outside.
    in_vain: BTreeSet<String>,
    told: bool,
    /// When a pod of it was seen outside, or away.
    last: Instant,
}

/// A workload whose pod could not be evicted.
#[derive(Debug)]
struct Wait {
    until: Instant,
    times: u32,
    outcome: Outcome,
}

/// What is remembered from one eviction to the next.
#[derive(Debug, Default)]
pub struct Memory {
    flights: Vec<Flight>,
    past: BTreeMap<Workload, Past>,
    waits: BTreeMap<Workload, Wait>,
}

impl Memory {
    /// Uids of pods that are away.
    pub fn evicted(&self) -> BTreeSet<String> {
        self.flights.iter().map(|flight| flight.uid.clone()).collect()
    }

    /// Workloads that lack pods.
    pub fn workloads(&self) -> BTreeSet<Workload> {
        self.flights.iter().map(|flight| flight.workload.clone()).collect()
    }

    /// Notes what came of an eviction. Whether it is the first time that a workload is refused one.
    pub fn note(&mut self, stray: &Stray, standing: Standing, outcome: Outcome, now: Instant) -> bool {
        match outcome {
            Outcome::Gone => {
                self.waits.remove(&stray.workload);
                false
            }
            Outcome::Evicted => {
                self.waits.remove(&stray.workload);
                let away = self.away_of(&stray.workload);
                // Some may have been made up for by pods that are not ready yet: these stay already.
                let others = self.flights.iter().filter(|flight| flight.workload == stray.workload);
                let staying = others.map(|flight| flight.staying).fold(standing.staying, usize::max);
                self.flights.push(Flight {
                    workload: stray.workload.clone(),
                    pod: stray.name.clone(),
                    policies: stray.policies.clone(),
                    uid: stray.uid.clone(),
                    staying,
                    ready: standing.ready + away + usize::from(!stray.ready),
                    since: now,
                    told: false,
                });
                let fresh = Past { newest: standing.newest, in_vain: BTreeSet::new(), told: false, last: now };
                self.past.entry(stray.workload.clone()).or_insert(fresh);
                false
            }
            Outcome::Refused | Outcome::Failed => {
                let before = self.waits.get(&stray.workload).filter(|wait| wait.outcome == outcome);
                let times = before.map_or(0, |wait| wait.times);
                let pause = FIRST_WAIT.saturating_mul(1 << times.min(16)).min(LONGEST_WAIT);
                let wait = Wait { until: now + pause, times: times + 1, outcome };
                self.waits.insert(stray.workload.clone(), wait);
                times == 0
            }
        }
    }

    /// Forgets what is settled, and counts what came back outside.
    fn follow(&mut self, strays: &Strays, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        let standing = |workload: &Workload| strays.workloads.get(workload).copied().unwrap_or_default();
        self.flights.retain(|flight| {
            let Standing { pods, staying, ready, newest: _ } = standing(&flight.workload);
            let as_before = staying >= flight.staying && ready >= flight.ready;
            let made_smaller = ready == pods && flight.since + PATIENCE <= now;
            !(as_before || made_smaller)
        });
        for flight in &mut self.flights {
            if flight.since + PATIENCE <= now && !flight.told {
                flight.told = true;
                news.push(News::Missing(flight.clone()));
            }
            if let Some(past) = self.past.get_mut(&flight.workload) {
                past.last = now;
            }
        }
        for stray in strays.pods.iter().filter(|stray| !stray.leaving) {
            let Some(past) = self.past.get_mut(&stray.workload) else { continue };
            past.last = now;
            if stray.created > past.newest && past.in_vain.len() < IN_VAIN {
                past.in_vain.insert(stray.uid.clone());
            }
            if past.is_in_vain() && !past.told {
                past.told = true;
                news.push(News::InVain(stray.clone()));
            }
        }
        self.past.retain(|_, past| now < past.last + QUIET);
        let outside: BTreeSet<&Workload> = strays.pods.iter().map(|stray| &stray.workload).collect();
        self.waits.retain(|workload, _| outside.contains(workload));
        news
    }

    fn away_of(&self, workload: &Workload) -> usize {
        self.flights.iter().filter(|flight| flight.workload == *workload).count()
    }

    /// Why a pod that could be evicted is not evicted now, beside its turn.
    fn hold(&self, stray: &Stray, now: Instant) -> Option<Hold> {
        if self.past.get(&stray.workload).is_some_and(Past::is_in_vain) {
            let why = format!("{IN_VAIN} pods of {} were evicted and came back outside", stray.workload);
            return Some(Hold { reason: "CameBackOutside", why, waits: false, due: false });
        }
        let late = |flight: &&Flight| flight.workload == stray.workload && flight.since + PATIENCE <= now;
        if let Some(flight) = self.flights.iter().find(late) {
            let why = format!("{} has not made up for pod {} yet, which was evicted", flight.workload, flight.pod);
            return Some(Hold { reason: "ReplacementMissing", why, waits: true, due: false });
        }
        self.waits.get(&stray.workload).map(|wait| {
            let (reason, why) = match wait.outcome {
                Outcome::Refused => ("DisruptionBudget", "a disruption budget does not let it go now"),
                _ => ("EvictionFailed", "its eviction failed, and is tried again"),
            };
            Hold { reason, why: why.to_owned(), waits: true, due: wait.until <= now }
        })
    }
}

/// What keeps a pod from being evicted now.
struct Hold {
    reason: &'static str,
    why: String,
    /// Whether it will be evicted when that is over.
    waits: bool,
    /// Whether it is time to try again.
    due: bool,
}

impl Past {
    fn is_in_vain(&self) -> bool {
        self.in_vain.len() >= IN_VAIN
    }
}

/// Whom to evict now, if anybody, and what to say of the others.
pub fn plan(strays: &Strays, memory: &mut Memory, now: Instant) -> Plan {
    let mut plan = Plan { news: memory.follow(strays, now), ..Plan::default() };
    let room = Room::new(strays, memory);
    let mut told: BTreeMap<&str, BTreeMap<&'static str, EvictionReason>> = BTreeMap::new();
    let mut counts: Evictions = strays.policies.keys().map(|name| (name.clone(), <_>::default())).collect();
    for flight in &memory.flights {
        for policy in &flight.policies {
            if let Some(counts) = counts.get_mut(policy) {
                counts.away += 1;
            }
        }
    }
    for stray in strays.pods.iter().filter(|stray| !stray.leaving) {
        let itself = stray.obstacle.as_ref().map(|one| {
            let why = one.to_string();
            Hold { reason: one.category(), why, waits: false, due: false }
        });
        let hold = itself.or_else(|| memory.hold(stray, now));
        let waits = hold.as_ref().is_none_or(|hold| hold.waits);
        for policy in &stray.policies {
            let Some(counts) = counts.get_mut(policy) else { continue };
            *(if waits { &mut counts.waiting } else { &mut counts.left }) += 1;
            if let Some(Hold { reason, why, .. }) = &hold {
                let first = || EvictionReason {
                    reason: (*reason).to_owned(),
                    pods: 0,
                    message: format!("Pod {}/{}: {why}", stray.workload.namespace, stray.name),
                };
                told.entry(policy).or_default().entry(reason).or_insert_with(first).pods += 1;
            }
        }
        if plan.evict.is_none() && hold.is_none_or(|hold| hold.due) && room.is_there_for(stray) {
            plan.evict = Some(stray.clone());
        }
    }
    for (policy, reasons) in told {
        if let Some(counts) = counts.get_mut(policy) {
            counts.reasons = reasons.into_values().collect();
        }
    }
    plan.evictions = counts;
    plan
}

/// How many more pods may be away.
struct Room<'a> {
    strays: &'a Strays,
    memory: &'a Memory,
    /// By policy.
    of_policies: BTreeMap<&'a str, usize>,
}

impl<'a> Room<'a> {
    fn new(strays: &'a Strays, memory: &'a Memory) -> Self {
        let room = |(name, evicting): (&'a String, &Evicting)| {
            let named = |policies: &[String]| policies.contains(name);
            let outside = || strays.pods.iter().filter(|stray| named(&stray.policies));
            let flights = || memory.flights.iter().filter(|flight| named(&flight.policies));
            // Of what is never evicted there is no share.
            let concerned = outside().filter(|stray| stray.obstacle.is_none()).map(|stray| &stray.workload);
            let workloads: BTreeSet<&Workload> = concerned.chain(flights().map(|flight| &flight.workload)).collect();
            let pods = workloads.iter().filter_map(|workload| strays.workloads.get(workload)).map(|one| one.pods).sum();
            // What leaves and was not sent away by this process was sent away by the one before it, or somebody else.
            let known = |stray: &&Stray| memory.flights.iter().any(|flight| flight.uid == stray.uid);
            let leaving = outside().filter(|stray| stray.leaving && !known(stray)).count();
            let away = flights().count() + leaving;
            (name.as_str(), evicting.share.among(pods).saturating_sub(away))
        };
        Self { strays, memory, of_policies: strays.policies.iter().map(room).collect() }
    }

    fn is_there_for(&self, stray: &Stray) -> bool {
        let Standing { pods, ready, staying: _, newest: _ } =
            self.strays.workloads.get(&stray.workload).copied().unwrap_or_default();
        // Between a pod's end and the next one's beginning nobody sees that one is missing. A pod that is not ready
        // takes nothing away from its workload.
        let away = self.memory.away_of(&stray.workload);
        let lacking = if stray.ready { pods.saturating_sub(ready).max(away) } else { away };
        let of_workload = lacking < OF_WORKLOAD.among(pods);
        let of_policy = |policy: &String| self.of_policies.get(policy.as_str()).is_some_and(|room| *room > 0);
        of_workload && stray.policies.iter().all(of_policy)
    }
}

#[cfg(test)]
mod tests;
