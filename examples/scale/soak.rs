//! The soak: whether memory grows under changes that go on and on, and whether in the end the operator says what a fresh one says
//! (client).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, PATIENCE};
use crate::load::{Churn, churn};
use crate::measure::{has_audited, occupied};
use crate::operator::{Operator, Setup};
use crate::table::Figures;

/// Between two looks at the memory.
const EVERY: Duration = Duration::from_secs(5);
/// The kinds whose statuses are the operator's.
const KINDS: [&str; 3] = ["DataStore", "DataFlow", "ResidencyPolicy"];
const OURS: &str = "domicile.dev/v1alpha1";
/// What the audit tells in figures.
const TOLD: [&str; 3] = ["domicile_violations", "domicile_objects_in_scope", "domicile_unproven_objects"];

/// Changes the cluster for so long; memory must not grow by more than so many KiB a minute.
pub async fn soak(cluster: &Arc<Cluster>, setup: &Setup, lasts: Duration, limit: f64) -> Result<Figures> {
    let mut figures = Figures { pods: cluster.stock.pods, ..Figures::default() };
    cluster.serve_reports()?;
    let mut operator = Operator::start(setup)?;
    operator.until("everything is audited", PATIENCE, |operator| has_audited(operator, cluster.stock)).await?;
    cluster.quiet("first statuses and reports").await?;

    let (started, mut samples) = (Instant::now(), Vec::new());
    let changes = churn(cluster, Churn::Everything, lasts);
    tokio::pin!(changes);
    let rate = loop {
        let memory = operator.memory()?.now;
        #[allow(clippy::cast_precision_loss, reason = "some hundred MiB")]
        samples.push((started.elapsed().as_secs_f64() / 60.0, memory as f64));
        if samples.len() % 12 == 1 {
            eprintln!("    {:.0} s: {memory} KiB", started.elapsed().as_secs_f64());
        }
        tokio::select! {
            done = &mut changes => break done.map_err(|error| error.context(operator.last_words()))?,
            () = tokio::time::sleep(EVERY) => operator.check()?,
        }
    };
    // Whatever fills at first has filled by then.
    let second = &samples[samples.len() / 2..];
    let slope = slope(second);
    figures.add("changes a second", format!("{rate:.0} for {:.0} s", started.elapsed().as_secs_f64()), "100");
    figures.add("resident memory at the end", occupied(operator.memory()?), "");
    figures.add("growth in the second half", format!("{slope:+.1} KiB a minute"), "");
    figures.expect(slope < limit, || format!("memory grows by {slope:.1} KiB a minute, which is above {limit}"));

    let lasting = said(cluster, &operator).await?;
    drop(operator);
    // A fresh one finds nothing that it could take over.
    forget(cluster).await?;
    let mut fresh = Operator::start(setup)?;
    fresh.until("everything is audited", PATIENCE, |operator| has_audited(operator, cluster.stock)).await?;
    let said_fresh = said(cluster, &fresh).await?;
    let differing: Vec<&String> =
        lasting.keys().chain(said_fresh.keys()).filter(|key| lasting.get(*key) != said_fresh.get(*key)).collect();
    figures.add("statuses and figures unlike a fresh one's", format!("{} of {}", differing.len(), lasting.len()), "0");
    figures.expect(differing.is_empty(), || {
        let one = differing[0];
        format!("{one}: {} is not {}", show(lasting.get(one)), show(said_fresh.get(one)))
    });
    Ok(figures)
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// By how much the second grows with the first, by least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "some hundred")]
    let number = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / number;
    let (x, y) = (mean(|one| one.0), mean(|one| one.1));
    let covariance: f64 = samples.iter().map(|one| (one.0 - x) * (one.1 - y)).sum();
    let variance: f64 = samples.iter().map(|one| (one.0 - x).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

/// What the operator says when it has nothing more to say: every status, without when it said so first, and the figures.
async fn said(cluster: &Cluster, operator: &Operator) -> Result<BTreeMap<String, Value>> {
    cluster.quiet("the last changes").await?;
    let mut all = BTreeMap::new();
    for kind in KINDS {
        for object in cluster.list(OURS, kind).await? {
            let mut status = object.data["status"].clone();
            for condition in status["conditions"].as_array_mut().into_iter().flatten() {
                condition.as_object_mut().context("a condition that is no object")?.remove("lastTransitionTime");
            }
            if let Some(status) = status.as_object_mut() {
                // What a flow has relied on is history, which a fresh operator takes up where it stands.
                status.remove("history");
                status.remove("review");
            }
            all.insert(format!("{kind} {}/{}", object.namespace().unwrap_or_default(), object.name_any()), status);
        }
    }
    let mut reports = BTreeMap::new();
    for report in cluster.list("openreports.io/v1alpha1", "Report").await? {
        let results = report.data["results"].as_array().into_iter().flatten();
        let messages: Vec<&Value> = results.map(|result| &result["message"]).collect();
        reports.insert(format!("Report {}", report.name_any()), json!(messages));
    }
    all.extend(reports);
    let lines = operator.figures(&TOLD);
    all.extend(
        lines.iter().filter_map(|line| line.rsplit_once(' ')).map(|(name, value)| (name.to_owned(), json!(value))),
    );
    Ok(all)
}

/// Takes every status away.
async fn forget(cluster: &Cluster) -> Result<()> {
    for kind in KINDS {
        for object in cluster.list(OURS, kind).await? {
            let none: json_patch::Patch = serde_json::from_value(json!([{"op": "remove", "path": "/status"}]))?;
            let api = cluster.api_of(OURS, kind, object.namespace().as_deref());
            let name = object.name_any();
            api.patch_status(&name, &PatchParams::default(), &Patch::Json::<()>(none))
                .await
                .with_context(|| format!("cannot take the status of {kind} {name} away"))?;
        }
    }
    Ok(())
}
