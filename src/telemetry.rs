//! Logs, metrics and spans. Never the content of an object: names, kinds, rules and verdicts only.
//!
//! No label grows with the cluster: what labels name are rules, policies, controllers and kinds, never objects or namespaces.
//! Histograms are classic ones: the library writes native ones in Prometheus' protobuf form only, which this endpoint does not
//! speak.

#[cfg(feature = "otlp")]
pub mod otlp;
pub mod spans;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::api::v1alpha1::PolicyEvictionStatus;
use crate::controllers::evict::plan::Evictions;
use crate::engine::policy::Mode;
use crate::index::{Audit, Hearing, Observed, PolicyReport};

/// Labels of the admission counters. Every value is one of a fixed few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AdmissionLabels {
    /// `mutate` or `validate`.
    pub phase: &'static str,
    /// Kind of the object, or `other`.
    pub kind: &'static str,
    /// `Allow`, `Rewrite`, `Refuse` or `Error`.
    pub verdict: &'static str,
}

/// Labels of what the audit found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct FindingLabels {
    /// The policy that is broken; empty where no policy is concerned.
    pub policy: String,
    /// Stable id of the rule.
    pub rule: &'static str,
}

/// Labels of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct PolicyLabels {
    /// Its name.
    pub policy: String,
    /// `Enforce`, `Warn` or `Audit`.
    pub mode: &'static str,
}

/// Labels of a controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerLabels {
    /// Its name, as that of its source file.
    pub controller: &'static str,
}

/// Labels of what became of a controller's turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReconcileLabels {
    /// Its name.
    pub controller: &'static str,
    /// `done` or `failed`.
    pub result: &'static str,
}

/// Labels of writes of reports.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReportLabels {
    /// `write` or `delete` for a report on an object, `refused` for one on refused requests.
    pub operation: &'static str,
}

/// Labels of what came of evictions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EvictionLabels {
    /// `evicted`, `gone`, `refused` by a disruption budget, `failed`; `in_vain` where a workload's pods come back outside,
    /// `missing` where it does not make up for one.
    pub result: &'static str,
}

/// Labels of pods that run where a policy does not let them that has such pods evicted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutsideLabels {
    /// `waiting`, `away` or `left`.
    pub state: &'static str,
}

/// What the operator counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Reviews answered.
    pub admissions: Family<AdmissionLabels, Counter>,
    /// Seconds from a review's arrival to its answer, waiting for caches included.
    pub admission_seconds: Histogram,
    /// Events that were dropped because too many waited.
    pub events_dropped: Counter,
    /// Decisions that the decision log lacks.
    pub decisions_lost: Counter,
    /// Spans in batches that the collector of traces did not take.
    pub spans_lost: Counter,
    /// Watches that failed and were started again.
    pub watch_failures: Counter,
    /// Whether this replica holds the lease and writes.
    pub leading: Gauge,
    /// Whether somebody has switched enforcement off.
    pub enforcement_off: Gauge,
    /// When the certificate in use ends, in seconds of Unix time.
    pub certificate_expiry: Gauge,
    /// What somebody else has changed of what protects personal data, and is put back.
    pub tampered: Counter,
    /// Findings on what exists. Told by whoever leads, like the four that follow.
    pub findings: Family<FindingLabels, Gauge>,
    /// Policies and what they do about a breach.
    pub policies: Family<PolicyLabels, Gauge>,
    /// Objects that hold, move or work on personal data.
    pub in_scope: Gauge,
    /// Of these, how many are wrong in nothing but in a place that cannot be proven.
    pub unproven: Gauge,
    /// Exceptions that count now.
    pub exceptions: Gauge,
    /// When the next of them expires, in seconds of Unix time; zero where none counts.
    pub exception_expiry: Gauge,
    /// How long the last pass over everything that exists took.
    pub audit_seconds: Gauge<f64, AtomicU64>,
    /// Turns of controllers.
    pub reconciles: Family<ReconcileLabels, Counter>,
    /// How long they took.
    pub reconcile_seconds: Family<ControllerLabels, Histogram>,
    /// Writes of reports.
    pub report_writes: Family<ReportLabels, Counter>,
    /// Reports that wait for their turn.
    pub reports_waiting: Gauge,
    /// What came of evictions.
    pub evictions: Family<EvictionLabels, Counter>,
    /// Pods that run where they may not, as far as evictions are concerned. Told by whoever leads.
    pub pods_outside: Family<OutsideLabels, Gauge>,
    /// Which findings and policies are told now.
    told: Arc<Mutex<(BTreeSet<FindingLabels>, BTreeSet<PolicyLabels>)>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 3.0];
        Self {
            admissions: Family::default(),
            admission_seconds: Histogram::new(buckets),
            events_dropped: Counter::default(),
            decisions_lost: Counter::default(),
            spans_lost: Counter::default(),
            watch_failures: Counter::default(),
            leading: Gauge::default(),
            enforcement_off: Gauge::default(),
            certificate_expiry: Gauge::default(),
            tampered: Counter::default(),
            findings: Family::default(),
            policies: Family::default(),
            in_scope: Gauge::default(),
            unproven: Gauge::default(),
            exceptions: Gauge::default(),
            exception_expiry: Gauge::default(),
            audit_seconds: Gauge::default(),
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(|| Histogram::new(TURNS)),
            report_writes: Family::default(),
            reports_waiting: Gauge::default(),
            evictions: counted(),
            pods_outside: nobody(),
            told: Arc::default(),
        }
    }
}

/// What becomes of pods outside, and how many of them a status counts.
const OUTSIDE: [(&str, Count); 3] =
    [("waiting", |one| one.waiting), ("away", |one| one.away), ("left", |one| one.left)];

type Count = fn(&PolicyEvictionStatus) -> i64;

fn nobody() -> Family<OutsideLabels, Gauge> {
    let family = Family::<OutsideLabels, Gauge>::default();
    for (state, _) in OUTSIDE {
        drop(family.get_or_create(&OutsideLabels { state }));
    }
    family
}

/// Every result is there from the start: an alert on growth does not see the first of a kind otherwise.
fn counted() -> Family<EvictionLabels, Counter> {
    let family = Family::<EvictionLabels, Counter>::default();
    for result in ["evicted", "gone", "refused", "failed", "in_vain", "missing"] {
        drop(family.get_or_create(&EvictionLabels { result }));
    }
    family
}

/// Buckets for turns of controllers, in seconds.
const TURNS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

impl Metrics {
    /// The metrics under their names.
    pub fn registry(&self) -> Registry {
        let Self {
            admissions,
            admission_seconds,
            events_dropped,
            decisions_lost,
            spans_lost,
            watch_failures,
            leading,
            enforcement_off,
            certificate_expiry,
            tampered,
            findings,
            policies,
            in_scope,
            unproven,
            exceptions,
            exception_expiry,
            audit_seconds,
            reconciles,
            reconcile_seconds,
            report_writes,
            reports_waiting,
            evictions,
            pods_outside,
            told: _,
        } = self.clone();
        let mut registry = Registry::with_prefix("domicile");
        registry.register("admission_requests", "Admission reviews answered", admissions);
        registry.register("admission_duration_seconds", "Time to answer an admission review", admission_seconds);
        registry.register("events_dropped", "Events dropped because too many waited", events_dropped);
        registry.register("decisions_lost", "Decisions that the decision log lacks", decisions_lost);
        registry.register("spans_lost", "Spans that the collector of traces did not take", spans_lost);
        registry.register("watch_failures", "Watches that failed and were started again", watch_failures);
        registry.register("leading", "Whether this replica writes", leading);
        registry.register("enforcement_off", "Whether enforcement is switched off", enforcement_off);
        registry.register("certificate_expiry_timestamp_seconds", "End of the certificate in use", certificate_expiry);
        registry.register("tampering", "Changes by somebody else to what protects personal data", tampered);
        registry.register("violations", "Findings on what exists, by policy and rule", findings);
        registry.register("policy_info", "Policies of the cluster and their modes", policies);
        registry.register("objects_in_scope", "Objects that hold, move or work on personal data", in_scope);
        registry.register("unproven_objects", "Objects wrong in nothing but a place that is not proven", unproven);
        registry.register("exceptions_honoured", "Exceptions that count now", exceptions);
        registry.register(
            "exception_expiry_timestamp_seconds",
            "End of the next exception that counts",
            exception_expiry,
        );
        registry.register("audit_last_pass_seconds", "Time that the last pass over everything took", audit_seconds);
        registry.register("reconcile", "Turns of controllers", reconciles);
        registry.register("reconcile_duration_seconds", "Time that turns of controllers took", reconcile_seconds);
        registry.register("report_writes", "Writes of reports", report_writes);
        registry.register("reports_waiting", "Reports that wait for their turn to be written", reports_waiting);
        registry.register("evictions", "What came of evictions of pods that run where they may not", evictions);
        registry.register(
            "pods_outside",
            "Pods outside, by what is done about them where they are evicted",
            pods_outside,
        );
        registry
    }

    /// Counts what came of an eviction.
    pub fn evicted(&self, result: &'static str) {
        self.evictions.get_or_create(&EvictionLabels { result }).inc();
    }

    /// Tells what is done about pods outside.
    pub fn outside(&self, evictions: &Evictions) {
        for (state, pods) in OUTSIDE {
            self.pods_outside.get_or_create(&OutsideLabels { state }).set(evictions.values().map(pods).sum());
        }
    }

    /// Tells no more of it: somebody else leads.
    pub fn forget_evictions(&self) {
        self.outside(&Evictions::new());
    }

    /// Counts a turn of a controller, and returns what is said to have come of it.
    pub fn reconciled(&self, controller: &'static str, started: Instant, done: bool) -> &'static str {
        let result = if done { "done" } else { "failed" };
        self.reconciles.get_or_create(&ReconcileLabels { controller, result }).inc();
        let seconds = started.elapsed().as_secs_f64();
        self.reconcile_seconds.get_or_create(&ControllerLabels { controller }).observe(seconds);
        result
    }

    /// Counts a write of a report.
    pub fn report_written(&self, operation: &'static str) {
        self.report_writes.get_or_create(&ReportLabels { operation }).inc();
    }

    /// Tells what the audit found.
    pub fn audited(&self, observed: &Observed, took: Duration) {
        let Audit { objects: _, in_scope, unproven, findings } = &observed.audit;
        self.audit_seconds.set(took.as_secs_f64());
        self.in_scope.set(gauge(*in_scope));
        self.unproven.set(gauge(*unproven));
        let ends = observed.exceptions.iter().filter_map(|exception| match &exception.hearing {
            Hearing::Honoured { until, .. } => Some(until.as_second()),
            _ => None,
        });
        self.exceptions.set(gauge(ends.clone().count()));
        self.exception_expiry.set(ends.min().unwrap_or_default());
        let found = |((policy, rule), number): (&(Option<String>, &'static str), &usize)| {
            (FindingLabels { policy: policy.clone().unwrap_or_default(), rule }, gauge(*number))
        };
        let policy = |policy: &PolicyReport| {
            let mode = match policy.object.spec.mode {
                Mode::Enforce => "Enforce",
                Mode::Warn => "Warn",
                Mode::Audit => "Audit",
            };
            (PolicyLabels { policy: policy.object.name_any(), mode }, 1)
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (known_findings, known_policies) = &mut *told;
        replace(&self.findings, known_findings, findings.iter().map(found).collect());
        replace(&self.policies, known_policies, observed.policies.iter().map(policy).collect());
    }

    /// Tells no more of it: somebody else leads.
    pub fn forget_audit(&self) {
        self.audit_seconds.set(0.0);
        for gauge in [&self.in_scope, &self.unproven, &self.exceptions, &self.exception_expiry, &self.reports_waiting] {
            gauge.set(0);
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (known_findings, known_policies) = &mut *told;
        replace(&self.findings, known_findings, BTreeMap::new());
        replace(&self.policies, known_policies, BTreeMap::new());
    }
}

/// Makes a family say this and nothing else. What stays is never away in between, as it would look like news.
fn replace<L>(family: &Family<L, Gauge>, known: &mut BTreeSet<L>, now: BTreeMap<L, i64>)
where
    L: Clone + Eq + Hash + Ord,
{
    for (labels, value) in &now {
        family.get_or_create(labels).set(*value);
    }
    for gone in known.iter().filter(|labels| !now.contains_key(labels)) {
        family.remove(gone);
    }
    *known = now.into_keys().collect();
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Whoever listens beside the log.
pub type Listener = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

/// Starts logging to stderr. `filter` is a level for each target, as in `info,domicile=debug`.
pub fn init(format: LogFormat, filter: &str, listener: Option<Listener>) {
    // A second call keeps the first subscriber.
    let _ = subscriber(format, filter, listener).try_init();
}

/// What takes log lines, and spans if somebody listens to them. If nobody does, none is made.
pub fn subscriber(
    format: LogFormat,
    filter: &str,
    listener: Option<Listener>,
) -> impl tracing::Subscriber + Send + Sync {
    // Unlike the filter by spans and fields this one needs no regular expressions, which cost a MiB.
    let filter: Targets = filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    // Lines stand alone.
    let filter = filter.with_target(spans::TARGET, LevelFilter::OFF);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_target(false).boxed(),
    };
    let lines: Listener = lines.with_filter(filter).boxed();
    let listeners: Vec<Listener> = [lines].into_iter().chain(listener).collect();
    tracing_subscriber::registry().with(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(metrics: &Metrics) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        let of_audit = |line: &&str| {
            ["violations", "policy_info", "objects_in_scope", "unproven_objects"]
                .iter()
                .any(|name| line.starts_with(&format!("domicile_{name}")))
        };
        let mut lines: Vec<String> = text.lines().filter(of_audit).map(str::to_owned).collect();
        lines.sort();
        lines
    }

    fn found(number: usize, policies: &[&str]) -> Observed {
        let finding = |policy: &&str| ((Some((*policy).to_owned()), "RES-PLACE"), number);
        let findings = policies.iter().map(finding).chain([((None, "RES-ORIGIN"), 1)]).collect();
        let audit = Audit { in_scope: 9, unproven: 2, findings, ..Audit::default() };
        Observed { audit, ..Observed::default() }
    }

    #[test]
    fn what_is_no_longer_found_is_no_longer_told() {
        let metrics = Metrics::default();
        metrics.audited(&found(3, &["law", "strict"]), Duration::from_secs(1));
        assert_eq!(
            told(&metrics),
            [
                "domicile_objects_in_scope 9",
                "domicile_unproven_objects 2",
                "domicile_violations{policy=\"\",rule=\"RES-ORIGIN\"} 1",
                "domicile_violations{policy=\"law\",rule=\"RES-PLACE\"} 3",
                "domicile_violations{policy=\"strict\",rule=\"RES-PLACE\"} 3",
            ]
        );
        metrics.audited(&found(4, &["law"]), Duration::from_secs(1));
        assert_eq!(
            told(&metrics)[2..],
            [
                "domicile_violations{policy=\"\",rule=\"RES-ORIGIN\"} 1",
                "domicile_violations{policy=\"law\",rule=\"RES-PLACE\"} 4",
            ]
        );
        metrics.forget_audit();
        assert_eq!(told(&metrics), ["domicile_objects_in_scope 0", "domicile_unproven_objects 0"]);
    }
}
