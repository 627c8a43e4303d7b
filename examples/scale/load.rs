//! What goes on in the cluster while something is measured: creations one at a time, and changes at a steady rate (client).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture};
use serde_json::json;

use crate::cluster::Cluster;
use crate::stock::{Stock, changing_policy};

/// What creations took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency {
    pub creations: usize,
    pub median: Duration,
    /// One in a hundred took longer.
    pub p99: Duration,
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).or(times.last()).copied().unwrap_or_default();
        Self { creations: times.len(), median: at(50), p99: at(99) }
    }
}

/// Does something while pods are created that only the operator can judge, one at a time, as dry runs: nothing is left of them
/// that would have to be audited.
pub async fn while_creating<T>(cluster: &Arc<Cluster>, work: impl Future<Output = Result<T>>) -> Result<(T, Latency)> {
    /// Between two of them: this is to measure, not to load.
    const PAUSE: Duration = Duration::from_millis(5);
    let stop = Arc::new(AtomicBool::new(false));
    let task = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                cluster.create_dry(&cluster.stock.probe()).await?;
                times.push(started.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            anyhow::Ok(times)
        }
    });
    let done = work.await;
    stop.store(true, Ordering::Relaxed);
    let times = task.await?.context("a compliant pod was not let in")?;
    Ok((done?, Latency::of(times)))
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Churn {
    /// Pods come, go and change.
    Pods,
    /// Labels that nobody judges, and nodes that are still alive.
    Nothing,
    /// Pods, and now and then claims, stores, places and policies.
    Everything,
}

/// Changes a second, of all sorts together.
pub const RATE: usize = 100;
/// They come in so many batches a second.
const BATCHES: usize = 10;

/// Makes changes for a while; how many there were a second, which is less on a machine that is too slow for it.
pub async fn churn(cluster: &Arc<Cluster>, sort: Churn, lasts: Duration) -> Result<f64> {
    let each = Duration::from_secs(1) / u32::try_from(BATCHES)?;
    let (started, mut number, mut due) = (Instant::now(), 0, tokio::time::Instant::now());
    while started.elapsed() < lasts {
        let changes: Vec<BoxFuture<'_, Result<()>>> =
            (0..RATE / BATCHES).map(|more| change(cluster, sort, number + more)).collect();
        number += changes.len();
        futures::stream::iter(changes).buffer_unordered(RATE / BATCHES).try_collect::<Vec<()>>().await?;
        due += each;
        tokio::time::sleep_until(due).await;
    }
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let rate = number as f64 / started.elapsed().as_secs_f64();
    Ok(rate)
}

/// The change of a number. Those of one batch touch objects of their own.
fn change(cluster: &Arc<Cluster>, sort: Churn, number: usize) -> BoxFuture<'_, Result<()>> {
    let stock = cluster.stock;
    let pod = stock.pod(stock.right_pod(number));
    let slot = number % (RATE / BATCHES);
    Box::pin(async move {
        match (sort, slot) {
            (Churn::Nothing, 0) => {
                let node = json!({
                    "apiVersion": "v1", "kind": "Node",
                    "metadata": {"name": format!("node-{}", number / 10 % stock.nodes())},
                });
                let alive = json!({"status": {"nodeInfo": {"bootID": format!("seen-{number}")}}});
                cluster.patch(&node, "status", alive).await
            }
            (Churn::Nothing, _) => {
                cluster.patch(&pod, "", json!({"metadata": {"labels": {"seen": format!("{number}")}}})).await
            }
            // Now and then something that everything else is judged by.
            (Churn::Everything, 9) if number % 3_000 == 9 => touch(cluster, stock, number / 3_000).await,
            // One goes and comes again: two changes, so the next slot has nothing to do.
            (_, 0 | 2 | 4) => {
                cluster.delete(&pod).await?;
                cluster.create(&pod).await
            }
            (_, 1 | 3 | 5) => Ok(()),
            (..) => cluster.patch(&pod, "", json!({"metadata": {"labels": {"round": format!("{number}")}}})).await,
        }
    })
}

/// Changes what everything is judged by, and in the end back again.
async fn touch(cluster: &Cluster, stock: Stock, round: usize) -> Result<()> {
    match round % 4 {
        0 => cluster.create(&stock.passing_claim(round / 4)).await,
        1 => cluster.respecify(&changing_policy(true)).await,
        2 => cluster.delete(&stock.passing_claim(round / 4)).await,
        _ => cluster.respecify(&changing_policy(false)).await,
    }
}
