//! What the parts of a running operator share: the index, the snapshot, and the channels between them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::compile::{Group, Left};
use crate::controllers::emergency::Record;
use crate::controllers::events::{Admission, Draft, Message};
use crate::controllers::evict::plan::Evictions;
use crate::controllers::live::Live;
use crate::controllers::reports::ReportApi;
use crate::controllers::reports::refused::Refusals;
use crate::controllers::types::Served;
use crate::evidence::log::Log;
use crate::index::{Audit, Index, Object};
use crate::interpret::world::World;
use crate::telemetry::Metrics;

/// Shared by webhook and controllers.
#[derive(Debug)]
pub struct Shared {
    index: Mutex<Index>,
    world: ArcSwap<World>,
    generation: watch::Sender<u64>,
    events: mpsc::Sender<Message>,
    synced: AtomicBool,
    unready: ArcSwapOption<String>,
    stopping: AtomicBool,
    types_known: AtomicBool,
    served: ArcSwap<BTreeSet<Served>>,
    enforced: ArcSwap<BTreeSet<String>>,
    compiled: ArcSwapOption<Vec<Group>>,
    registered: watch::Sender<Option<Arc<Vec<Group>>>>,
    left: ArcSwap<Vec<Left>>,
    live: ArcSwapOption<Live>,
    trusted: ArcSwap<String>,
    emergency: ArcSwap<Emergency>,
    report_apis: ArcSwapOption<BTreeSet<ReportApi>>,
    refusals: Refusals,
    audit: watch::Sender<Option<Arc<Audit>>>,
    evictions: ArcSwapOption<Evictions>,
    decision_log: OnceLock<Log>,
    clock: Clock,
    /// Counters.
    pub metrics: Metrics,
}

/// Whether anything is enforced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Emergency {
    /// Nobody has told yet; until then nothing is written.
    #[default]
    Unknown,
    /// As it should be.
    Enforcing,
    /// Somebody has switched it off.
    Off(Record),
}

/// Tells the time by which everything is judged.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The wall clock.
    pub fn wall() -> Self {
        Self::new(Timestamp::now)
    }

    /// Another clock.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Events wait here while the API server is slow. More than this are dropped and counted: admission never waits.
const EVENTS_WAITING: usize = 1024;

impl Shared {
    /// The state around an index, and the end at which events come out.
    pub fn new(index: Index, clock: Clock) -> (Arc<Self>, mpsc::Receiver<Message>) {
        Self::with_metrics(index, clock, Metrics::default())
    }

    /// The same, where something else is counted already.
    pub fn with_metrics(mut index: Index, clock: Clock, metrics: Metrics) -> (Arc<Self>, mpsc::Receiver<Message>) {
        let (events, drafts) = mpsc::channel(EVENTS_WAITING);
        let world = index.refresh(clock.now());
        let shared = Self {
            index: Mutex::new(index),
            world: ArcSwap::new(world),
            generation: watch::Sender::new(0),
            events,
            synced: AtomicBool::new(false),
            unready: ArcSwapOption::from_pointee("starting".to_owned()),
            stopping: AtomicBool::new(false),
            types_known: AtomicBool::new(false),
            served: ArcSwap::default(),
            enforced: ArcSwap::default(),
            compiled: ArcSwapOption::default(),
            registered: watch::Sender::default(),
            left: ArcSwap::default(),
            live: ArcSwapOption::default(),
            trusted: ArcSwap::default(),
            emergency: ArcSwap::default(),
            report_apis: ArcSwapOption::default(),
            refusals: Refusals::default(),
            audit: watch::Sender::default(),
            evictions: ArcSwapOption::default(),
            decision_log: OnceLock::new(),
            clock,
            metrics,
        };
        (Arc::new(shared), drafts)
    }

    /// The time by which everything is judged.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The snapshot. Costs no lock.
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// The index. Held for synchronous work only.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        // The index is only ever changed by whole steps, so that a panic elsewhere leaves nothing half done.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rebuilds what has changed and publishes it.
    pub fn publish(&self) {
        let world = self.index().refresh(self.now());
        self.world.store(world);
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Notes an object that was just admitted, before the watch shows it: what comes next must already see it.
    pub fn anticipate(&self, object: Object) {
        self.index().anticipate(object);
        self.publish();
    }

    /// Changes whenever a snapshot was published.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Hands an event to whoever writes events, or drops it when too many wait.
    pub fn tell(&self, draft: Draft) {
        self.send(|| Message::Event(Box::new(draft)));
    }

    /// The same for an admission, which costs nothing more when too many wait.
    pub fn tell_of_admission(&self, admission: impl FnOnce() -> Admission) {
        self.send(|| Message::Admission(Box::new(admission())));
    }

    fn send(&self, message: impl FnOnce() -> Message) {
        match self.events.try_reserve() {
            Ok(place) => place.send(message()),
            Err(_) => drop(self.metrics.events_dropped.inc()),
        }
    }

    /// Whether every watch has shown its first list.
    pub fn synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// Notes that every watch has shown its first list.
    pub fn set_synced(&self) {
        self.synced.store(true, Ordering::Release);
    }

    /// Whether the interpreted types that the cluster serves are known.
    pub fn types_known(&self) -> bool {
        self.types_known.load(Ordering::Acquire)
    }

    /// Notes that they are.
    pub fn set_types_known(&self) {
        self.types_known.store(true, Ordering::Release);
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// The interpreted types that the cluster serves.
    pub fn served(&self) -> Arc<BTreeSet<Served>> {
        self.served.load_full()
    }

    /// Notes them.
    pub fn set_served(&self, served: BTreeSet<Served>) {
        if *self.served() != served {
            self.served.store(Arc::new(served));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// The report APIs that the cluster serves; nothing as long as nobody has told.
    pub fn report_apis(&self) -> Option<Arc<BTreeSet<ReportApi>>> {
        self.report_apis.load_full()
    }

    /// Notes them.
    pub fn set_report_apis(&self, served: BTreeSet<ReportApi>) {
        if self.report_apis().as_deref() != Some(&served) {
            self.report_apis.store(Some(Arc::new(served)));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// Refused requests that are not written down yet.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// What the audit of this replica found, while it leads.
    pub fn audits(&self) -> watch::Receiver<Option<Arc<Audit>>> {
        self.audit.subscribe()
    }

    /// Notes it, if it is news.
    pub fn set_audit(&self, audit: Audit) {
        self.audit.send_if_modified(|known| {
            let news = known.as_deref() != Some(&audit);
            if news {
                *known = Some(Arc::new(audit));
            }
            news
        });
    }

    /// Forgets it: whoever leads next looks anew.
    pub fn forget_audit(&self) {
        self.audit.send_replace(None);
        self.metrics.forget_audit();
    }

    /// What is done about pods that run where they may not; nothing as long as nobody has looked.
    pub fn evictions(&self) -> Option<Arc<Evictions>> {
        self.evictions.load_full()
    }

    /// Notes it, or that somebody else looks after it.
    pub fn set_evictions(&self, evictions: Option<Evictions>) {
        if self.evictions().as_deref() != evictions.as_ref() {
            self.evictions.store(evictions.map(Arc::new));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// Whether this replica answers requests and the API server trusts its answers.
    ///
    /// # Errors
    ///
    /// Why it is not ready.
    pub fn ready(&self) -> Result<(), Arc<String>> {
        if self.is_stopping() {
            return Err(Arc::new("stopping".to_owned()));
        }
        self.unready.load_full().map_or(Ok(()), Err)
    }

    /// Notes whether it is ready, or why not.
    pub fn set_ready(&self, ready: Result<(), String>) {
        let before = self.unready.load_full();
        let now = ready.err();
        if before.as_deref() != now.as_ref() {
            if let Some(reason) = &now {
                tracing::info!(%reason, "not ready");
            } else {
                tracing::info!("ready");
            }
            self.unready.store(now.map(Arc::new));
        }
    }

    /// Whether this replica goes away.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// From now on it is never ready again.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// What the API server holds of our webhook configurations; nothing as long as nobody has told.
    pub fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }

    /// Notes it.
    pub fn set_live(&self, live: Live) {
        if self.live().as_deref() != Some(&live) {
            self.live.store(Some(Arc::new(live)));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// The authorities that the API server should trust, in PEM; empty as long as there are none.
    pub fn trusted(&self) -> Arc<String> {
        self.trusted.load_full()
    }

    /// Notes them.
    pub fn set_trusted(&self, authorities: String) {
        if *self.trusted() != authorities {
            self.trusted.store(Arc::new(authorities));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// Whether somebody has switched enforcement off.
    pub fn emergency(&self) -> Arc<Emergency> {
        self.emergency.load_full()
    }

    /// Notes it.
    pub fn set_emergency(&self, emergency: Emergency) {
        if *self.emergency() != emergency {
            self.emergency.store(Arc::new(emergency));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// Whether what the API server obeys may be written: everything is known, and nobody has switched it off.
    pub fn enforcing(&self) -> bool {
        self.synced() && self.types_known() && *self.emergency() == Emergency::Enforcing
    }

    /// Where decisions are recorded, if they are.
    pub fn decision_log(&self) -> Option<&Log> {
        self.decision_log.get()
    }

    /// Has decisions recorded from now on. A second log is not taken.
    pub fn set_decision_log(&self, log: Log) {
        let _ = self.decision_log.set(log);
    }

    /// Namespaces for which the API server asks us, beyond those with an origin label.
    pub fn enforced(&self) -> Arc<BTreeSet<String>> {
        self.enforced.load_full()
    }

    /// What generated policies that are in force decide completely, so that the API server need not ask us; nothing as long as
    /// nobody has looked which are.
    pub fn compiled(&self) -> Option<Arc<Vec<Group>>> {
        self.compiled.load_full()
    }

    /// Notes what generated policies decide; they must be in force.
    pub fn set_compiled(&self, groups: &[Group]) {
        if self.compiled().is_none_or(|known| *known != groups) {
            self.compiled.store(Some(Arc::new(groups.to_vec())));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// What this replica has last told the API server not to ask us about, if it has told it anything.
    pub fn registered(&self) -> watch::Receiver<Option<Arc<Vec<Group>>>> {
        self.registered.subscribe()
    }

    /// Notes what the API server was told.
    pub fn set_registered(&self, groups: Option<Arc<Vec<Group>>>) {
        self.registered.send_replace(groups);
    }

    /// Forgets what was in force when this replica last wrote.
    pub fn forget_compiled(&self) {
        self.compiled.store(None);
        self.set_registered(None);
    }

    /// What generated policies leave to the webhooks.
    pub fn left(&self) -> Arc<Vec<Left>> {
        self.left.load_full()
    }

    /// Notes what they leave.
    pub fn set_left(&self, left: &[Left]) {
        if **self.left.load() != left {
            self.left.store(Arc::new(left.to_vec()));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// Notes for which namespaces the API server asks us.
    pub fn set_enforced(&self, namespaces: BTreeSet<String>) {
        if *self.enforced() != namespaces {
            self.enforced.store(Arc::new(namespaces));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }
}
