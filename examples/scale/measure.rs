//! One run: what the operator costs in a cluster of one size (client).

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use jiff::Timestamp;

use crate::cluster::{Cluster, PATIENCE, QUIET};
use crate::load::{Churn, Latency, RATE, churn, while_creating};
use crate::operator::{Memory, Operator, Setup};
use crate::record::{Record, Request, by_resource, most_writes};
use crate::stock::{Stock, changing_policy, unused_mechanism};
use crate::table::Figures;

/// Promised of the largest cluster.
const MEMORY_LIMIT_MIB: f64 = 300.0;
/// Promised of reports at 10,000 objects; of other sizes in proportion.
const REPORT_LIMIT_BYTES: f64 = 5_000_000.0;

/// Runs through everything.
pub async fn measure(cluster: &Arc<Cluster>, setup: &Setup, seconds: u64) -> Result<Figures> {
    let mut figures = Figures { pods: cluster.stock.pods, ..Figures::default() };
    let mut operator = start(cluster, setup, &mut figures).await?;
    let work = async {
        reports(cluster, &mut operator, &mut figures).await?;
        admission(cluster, &mut operator, &mut figures, seconds).await?;
        steady(cluster, &mut operator, &mut figures, seconds).await?;
        nothing(cluster, &mut operator, &mut figures, seconds).await?;
        flip(cluster, &mut operator, &mut figures).await?;
        anyhow::Ok(())
    };
    work.await.map_err(|error| error.context(operator.last_words()))?;
    let memory = operator.memory()?;
    figures.add("resident memory at the end", occupied(memory), "");
    Ok(figures)
}

/// From the start of its process to the first full audit.
async fn start(cluster: &Cluster, setup: &Setup, figures: &mut Figures) -> Result<Operator> {
    let stock = cluster.stock;
    let mut operator = Operator::start(setup)?;
    let ready = operator.until("the operator is ready", PATIENCE, Operator::is_ready).await?;
    let audited = operator.until("everything is audited", PATIENCE, |operator| has_audited(operator, stock)).await?;
    let requests = cluster.record(|record| Ok(record.requests()?.to_vec()))?;
    let memory = operator.memory()?;
    let took = operator.figure("domicile_audit_last_pass_seconds ").unwrap_or_default();
    let writes = requests.iter().filter(|request| request.is_write()).count();
    figures.add("start to ready", secs(ready), "");
    figures.add("start to first full audit", secs(audited), "60 s");
    figures.add("  of that the pass itself", format!("{took:.2} s"), "");
    figures.add("requests until then, by the API server", format!("{}, {writes} of them writes", requests.len()), "");
    eprintln!("    {}", by_resource(&requests));
    figures.add("resident memory then", occupied(memory), "300 MiB");
    figures.expect(mib(memory.now) < MEMORY_LIMIT_MIB, || format!("{:.0} MiB of memory", mib(memory.now)));
    cluster.quiet("first statuses, labels and Events").await?;
    let all = cluster.record(|record| Ok(record.requests()?.to_vec()))?;
    let writes: Vec<_> = all.into_iter().filter(Request::is_write).collect();
    let last = writes.last().map(|write| since_start(&operator, write.at)).unwrap_or_default();
    figures.add("start to last status and label", format!("{}, {} writes", secs(last), writes.len()), "");
    eprintln!("    {}", by_resource(&writes));
    Ok(operator)
}

/// Whether it has judged everything that is in scope.
pub fn has_audited(operator: &Operator, stock: Stock) -> bool {
    #[allow(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let all = stock.judged() as f64;
    operator.figure("domicile_objects_in_scope ").is_some_and(|in_scope| in_scope >= all)
}

/// What reports add to etcd. Nothing else is written meanwhile.
async fn reports(cluster: &Cluster, operator: &mut Operator, figures: &mut Figures) -> Result<()> {
    let before = cluster.stored_bytes().await?;
    let mark = cluster.record(Record::mark)?;
    cluster.serve_reports()?;
    let wrong = cluster.stock.wrong_pods();
    // It looks once a minute for what the cluster serves.
    let started = Instant::now();
    while cluster.record(|record| record.writes_since(mark))?.is_empty() {
        operator.check()?;
        ensure!(started.elapsed() < PATIENCE, "no report is written");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    cluster.quiet("reports").await?;
    let added = cluster.stored_bytes().await? - before;
    let reports = cluster.list("openreports.io/v1alpha1", "Report").await?;
    let written: usize = reports.iter().map(|report| serde_json::to_vec(report).map_or(0, |bytes| bytes.len())).sum();
    let writes = cluster.record(|record| record.writes_since(mark))?;
    figures.add("pods in violation, and reports", format!("{wrong}, {}", reports.len()), "");
    figures.add("bytes in etcd by reports", format!("{:.2} MB", added / 1e6), "5 MB at 10,000");
    #[allow(clippy::cast_precision_loss, reason = "some megabytes")]
    figures.add("  sum of their JSON", format!("{:.2} MB", written as f64 / 1e6), "");
    eprintln!("    {}", by_resource(&writes));
    figures.expect(reports.len() >= wrong, || format!("{} reports for {wrong} pods in violation", reports.len()));
    #[allow(clippy::cast_precision_loss, reason = "some thousand")]
    let limit = REPORT_LIMIT_BYTES * (cluster.stock.pods as f64 / 10_000.0).max(0.1);
    figures.expect(added < limit, || format!("reports take {added} bytes of etcd, which is above {limit}"));
    Ok(())
}

/// Creations while nothing else goes on, and while everything is judged again and again.
async fn admission(cluster: &Arc<Cluster>, operator: &mut Operator, figures: &mut Figures, seconds: u64) -> Result<()> {
    let lasts = Duration::from_secs(seconds);
    cluster.create(&unused_mechanism(0)).await?;
    cluster.quiet("a new mechanism").await?;
    let asked = operator.total("domicile_admission_requests_total");
    let ((), idle) = while_creating(cluster, tokio::time::sleep(lasts).map(Ok)).await?;
    let asked = operator.total("domicile_admission_requests_total") - asked;
    figures.add("admission p50, p99 while idle", told(idle), "");
    #[allow(clippy::cast_precision_loss, reason = "some thousand")]
    let expected = idle.creations as f64;
    figures.expect(asked >= expected, || format!("{asked} reviews for {expected} creations: somebody else decided"));

    let passes =
        |operator: &Operator| operator.figure(r#"domicile_reconcile_total{controller="status",result="done"}"#);
    let before = passes(operator).unwrap_or_default();
    let work = async {
        let started = Instant::now();
        let (mut number, mut longest) = (0, 0.0_f64);
        while started.elapsed() < lasts {
            number += 1;
            cluster.respecify(&unused_mechanism(number)).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            longest = longest.max(operator.figure("domicile_audit_last_pass_seconds ").unwrap_or_default());
        }
        Ok(longest)
    };
    let (longest, busy) = while_creating(cluster, work).await?;
    let full = passes(operator).unwrap_or_default() - before;
    let ratio = busy.p99.as_secs_f64() / idle.p99.as_secs_f64().max(f64::MIN_POSITIVE);
    figures.add("  while everything is audited", format!("{}, {ratio:.2}x", told(busy)), "1.5x of idle");
    figures.add("  audits meanwhile, the longest", format!("{full:.0}, {longest:.2} s"), "");
    figures.expect(full >= 1.0, || format!("no audit in {lasts:?}"));
    cluster.quiet("audits").await
}

/// What a steady stream of changes costs.
async fn steady(cluster: &Arc<Cluster>, operator: &mut Operator, figures: &mut Figures, seconds: u64) -> Result<()> {
    let (mark, cpu, started) = (cluster.record(Record::mark)?, operator.cpu()?, Instant::now());
    let rate = churn(cluster, Churn::Pods, Duration::from_secs(seconds)).await?;
    let share = operator.cpu()?.saturating_sub(cpu).as_secs_f64() / started.elapsed().as_secs_f64();
    let writes = cluster.record(|record| record.writes_since(mark))?;
    figures.add("cores at a steady rate of changes", format!("{share:.3} at {rate:.0} a second"), "0.1 at 100");
    figures.add("  writes meanwhile", format!("{}", writes.len()), "");
    eprintln!("    {}", by_resource(&writes));
    cluster.quiet("changes of pods").await
}

/// Events that mean nothing.
async fn nothing(cluster: &Arc<Cluster>, operator: &mut Operator, figures: &mut Figures, seconds: u64) -> Result<()> {
    let (mark, cpu, started) = (cluster.record(Record::mark)?, operator.cpu()?, Instant::now());
    churn(cluster, Churn::Nothing, Duration::from_secs(seconds)).await?;
    let share = operator.cpu()?.saturating_sub(cpu).as_secs_f64() / started.elapsed().as_secs_f64();
    // What it would write later counts as well.
    tokio::time::sleep(QUIET).await;
    let writes = cluster.record(|record| record.writes_since(mark))?;
    let events = RATE * usize::try_from(seconds)?;
    figures.add("writes after events that mean nothing", format!("{} after {events}", writes.len()), "0");
    figures.add("  cores meanwhile", format!("{share:.3}"), "");
    figures.expect(writes.is_empty(), || format!("events that mean nothing cause writes: {}", by_resource(&writes)));
    Ok(())
}

/// A policy that changes its verdict on many objects at once.
async fn flip(cluster: &Arc<Cluster>, operator: &mut Operator, figures: &mut Figures) -> Result<()> {
    /// Creations are timed at the beginning, when the most is written.
    const TIMED: Duration = Duration::from_secs(60);
    let pods = cluster.stock.flipping_pods();
    let (mark, changed) = (cluster.record(Record::mark)?, Timestamp::now());
    cluster.respecify(&changing_policy(true)).await?;
    let settled = async {
        tokio::select! {
            settled = cluster.quiet("a flip") => settled,
            () = tokio::time::sleep(TIMED) => Ok(()),
        }
    };
    let ((), meanwhile) = while_creating(cluster, settled).await?;
    cluster.quiet("a flip").await?;
    operator.check()?;
    let writes = cluster.record(|record| record.writes_since(mark))?;
    let took = |of: &dyn Fn(&str) -> bool| {
        let last = writes.iter().filter(|write| of(&write.resource)).map(|write| write.at).max();
        last.map_or(0.0, |last| last.duration_since(changed).as_secs_f64())
    };
    let is_report = |resource: &str| resource == "reports";
    let is_status = |resource: &str| resource.ends_with("/status");
    figures.add("one policy flips so many pods", format!("{pods}"), "10,000");
    figures.add("  writes that follow", format!("{}", writes.len()), "");
    figures.add(
        "  until the last status, the last report",
        format!("{:.1} s, {:.0} s", took(&is_status), took(&is_report)),
        "",
    );
    figures.add(
        "  most writes of one object",
        format!("{}", most_writes(&writes, |one| is_report(one) || is_status(one))),
        "1",
    );
    figures.add("  admission p50, p99 meanwhile", told(meanwhile), "");
    eprintln!("    {}", by_resource(&writes));
    let reports = writes.iter().filter(|write| is_report(&write.resource)).count();
    figures.expect(reports >= pods, || format!("{reports} reports are written for {pods} pods"));
    let most = most_writes(&writes, |one| is_report(one) || is_status(one));
    figures.expect(most == 1, || format!("one object is written {most} times for one change"));
    Ok(())
}

pub fn occupied(Memory { now, file, peak }: Memory) -> String {
    format!("{:.0} MiB, {:.0} of them program; peak {:.0}", mib(now), mib(file), mib(peak))
}

fn since_start(operator: &Operator, at: Timestamp) -> Duration {
    let ago = Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default();
    operator.started.elapsed().saturating_sub(ago)
}

fn told(latency: Latency) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    format!("{:.1}, {:.1} ms of {}", ms(latency.median), ms(latency.p99), latency.creations)
}

fn secs(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[allow(clippy::cast_precision_loss, reason = "some hundred MiB")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
