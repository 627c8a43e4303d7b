//! Reports in the form of the ecosystem: what the audit found, and which requests were refused, for Policy Reporter and
//! whoever else reads openreports.io or wgpolicyk8s.io.
//!
//! One report an object that something is wrong with, owned by it, and none for the others. Sharded reports by namespace
//! would be fewer, but every change of one object would write its whole shard again, and nothing would take a result
//! away together with its object while no operator is alive. A report with one result takes about 2 kB in etcd, so that 500 of
//! them, which is 5 in 100 of 10,000 objects, take about 1 MB.
//!
//! Gather (client): the reports that stand there, by watches on our own label. Plan (no client). Apply (client), the next step
//! whenever the budget allows: what has changed again until its turn comes is written once. Nothing is written of what has not
//! changed. The audit's reports are written under the lease; `refused` says who writes the others.

mod api;
mod contents;
mod plan;
pub mod refused;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::FIELD_MANAGER;
use super::configuration;
use super::watch::{PAGE, chain};
use crate::index::{Audit, Name};
use crate::state::Shared;
use contents::Stamp;
use plan::{Present, Reports, Step};

pub use api::{ReportApi, ReportChoice};

/// How reports are written.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// To which API.
    pub api: ReportChoice,
    /// How many of them a second at most, of all sorts together.
    pub writes_per_second: u32,
}

/// What a report is about, as its label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An object that exists.
    Audit,
    /// Requests that were refused.
    Refused,
}

const COMPONENT: &str = "app.kubernetes.io/component";

impl Part {
    fn label(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Refused => "refused-requests",
        }
    }
}

fn labels(part: Part) -> BTreeMap<String, String> {
    let mut labels = configuration::labels();
    labels.insert(COMPONENT.to_owned(), part.label().to_owned());
    labels
}

/// The labels of every report of ours, as a selector.
fn ours() -> String {
    configuration::labels().iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn now() -> Stamp {
    Stamp { seconds: jiff::Timestamp::now().as_second(), nanos: 0 }
}

/// Spreads writes evenly over time.
#[derive(Debug)]
pub struct Budget {
    each: Duration,
    next: Mutex<Instant>,
}

impl Budget {
    /// So many writes a second.
    pub fn new(writes_per_second: u32) -> Self {
        Self { each: Duration::from_secs(1) / writes_per_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next write's turn. Whoever does not wait to the end uses nothing up.
    async fn turn(&self) {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + self.each;
    }
}

/// Keeps the audit's reports until dropped (leader only).
pub async fn run(client: Client, shared: Arc<Shared>, settings: Settings, budget: &Budget) {
    let mut published = shared.published();
    loop {
        let served = shared.report_apis();
        let work = async {
            let Some(served) = &served else { return std::future::pending().await };
            let chosen = settings.api.of(served);
            for other in served.iter().filter(|api| Some(**api) != chosen) {
                sweep(&client, &shared, *other, budget).await;
            }
            match chosen {
                Some(api) => {
                    tracing::info!(group = api.group(), "reports are written");
                    keep(&client, &shared, api, budget).await;
                }
                None => std::future::pending().await,
            }
        };
        let others = async { while published.changed().await.is_ok() && shared.report_apis() == served {} };
        tokio::select! {
            () = others => {}
            () = work => return,
        }
    }
}

/// Deletes what was written to an API that is not written to any more (client).
async fn sweep(client: &Client, shared: &Shared, api: ReportApi, budget: &Budget) {
    for namespaced in [true, false] {
        let resource = api.resource(namespaced);
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let reports = match all.list(&ListParams::default().labels(&ours())).await {
            Ok(reports) => reports,
            Err(error) => {
                tracing::warn!(kind = resource.kind, error = %chain(&error), "failed to list reports");
                continue;
            }
        };
        for report in reports {
            budget.turn().await;
            delete(client, shared, api, &key(&report)).await;
        }
    }
}

fn key(report: &DynamicObject) -> Name {
    (report.namespace().unwrap_or_default(), report.name_any())
}

/// What the watches have shown.
#[derive(Debug, Default)]
struct Seen {
    present: Reports,
    /// Whether each kind was listed: those in namespaces, and the others.
    listed: [bool; 2],
}

impl Seen {
    /// Notes what a watch shows; whether there may be something to do about it.
    fn note(&mut self, namespaced: bool, event: Event<DynamicObject>) -> bool {
        match event {
            Event::Init => {
                self.present.retain(|(namespace, _), _| namespace.is_empty() == namespaced);
                self.listed[usize::from(namespaced)] = false;
                false
            }
            Event::InitDone => {
                self.listed[usize::from(namespaced)] = true;
                true
            }
            Event::InitApply(report) | Event::Apply(report) => {
                let (key, now) = (key(&report), Present::read(&report));
                let known = self.present.get(&key);
                // What was written since is known already: its own echo is still on its way.
                if now.is_older(known) {
                    return false;
                }
                let news = now.is_news(known);
                self.present.insert(key, now);
                news
            }
            Event::Delete(report) => {
                let key = key(&report);
                !Present::read(&report).is_older(self.present.get(&key)) && self.present.remove(&key).is_some()
            }
        }
    }
}

/// Keeps the reports of one API until dropped.
async fn keep(client: &Client, shared: &Shared, api: ReportApi, budget: &Budget) {
    /// What could not be written is tried again after this.
    const AGAIN: Duration = Duration::from_secs(5);
    let watch = |namespaced: bool| {
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &api.resource(namespaced));
        let selector = format!("{},{COMPONENT}={}", ours(), Part::Audit.label());
        let config = watcher::Config::default().labels(&selector).page_size(PAGE);
        watcher(all, config).default_backoff().map(move |event| (namespaced, event)).boxed()
    };
    let mut watches = pin!(futures::stream::select(watch(true), watch(false)));
    let mut audits = shared.audits();
    let mut seen = Seen::default();
    let mut audit: Option<Arc<Audit>> = None;
    let mut steps: Vec<(Name, Step)> = Vec::new();
    let mut last: Option<Name> = None;
    let mut stale = true;
    let mut retry: Option<Instant> = None;
    loop {
        if stale && seen.listed == [true, true] {
            audit.clone_from(&audits.borrow_and_update());
            if let Some(audit) = &audit {
                // The last first, so that each is taken from the end.
                steps = plan::plan(audit, &seen.present, api, last.as_ref());
                steps.reverse();
            }
            stale = false;
        }
        shared.metrics.reports_waiting.set(i64::try_from(steps.len()).unwrap_or(i64::MAX));
        tokio::select! {
            event = watches.next() => match event {
                Some((namespaced, Ok(event))) => stale |= seen.note(namespaced, event),
                Some((namespaced, Err(error))) => {
                    shared.metrics.watch_failures.inc();
                    let kind = api.resource(namespaced).kind;
                    tracing::warn!(kind, error = %chain(&error), "watch failed, starting again");
                }
                None => return,
            },
            changed = audits.changed() => {
                if changed.is_err() {
                    return;
                }
                // Of what is right there is no report, however much of it comes and goes.
                let now = audits.borrow_and_update().clone();
                stale |= now.as_ref().map(|audit| &audit.objects) != audit.as_ref().map(|audit| &audit.objects);
                audit = now;
            }
            () = tokio::time::sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {
                (stale, retry) = (true, None);
            }
            () = budget.turn(), if !stale && !steps.is_empty() => {
                let (Some((key, step)), Some(audit)) = (steps.pop(), &audit) else { continue };
                let reconcile = shared.metrics.turn("reports");
                let done = match step {
                    Step::Write(position) => write(client, shared, api, audit, position, &mut seen.present).await,
                    Step::Delete => {
                        let done = delete(client, shared, api, &key).await;
                        if done {
                            seen.present.remove(&key);
                        }
                        done
                    }
                };
                reconcile.ended(done);
                if !done {
                    retry.get_or_insert(Instant::now() + AGAIN);
                }
                last = Some(key);
            }
        }
    }
}

/// Writes the report on an object (client), and notes it; whether that is done.
async fn write(
    client: &Client,
    shared: &Shared,
    api: ReportApi,
    audit: &Audit,
    position: usize,
    present: &mut Reports,
) -> bool {
    let Some(judged) = audit.objects.get(position) else { return true };
    let report = plan::report(judged, api, present, now());
    let key = key(&report);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match reports(client, api, &key).patch(&key.1, &params, &Patch::Apply(&report)).await {
        Ok(written) => {
            shared.metrics.report_written("write");
            present.insert(key, Present::read(&written));
            true
        }
        Err(error) => {
            tracing::warn!(namespace = key.0, name = key.1, error = %chain(&error), "failed to write a report");
            false
        }
    }
}

/// Deletes a report (client); whether that is done.
async fn delete(client: &Client, shared: &Shared, api: ReportApi, key: &Name) -> bool {
    match reports(client, api, key).delete(&key.1, &DeleteParams::default()).await {
        Ok(_) => {
            shared.metrics.report_written("delete");
            true
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => true,
        Err(error) => {
            tracing::warn!(namespace = key.0, name = key.1, error = %chain(&error), "failed to delete a report");
            false
        }
    }
}

/// The API for the report of this key.
fn reports(client: &Client, api: ReportApi, (namespace, _): &Name) -> Api<DynamicObject> {
    let resource = api.resource(!namespace.is_empty());
    if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    }
}

#[cfg(test)]
mod tests;
