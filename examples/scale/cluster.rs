//! The cluster of one run: a control plane with room for many pods, our kinds, and whatever stands in it (client).

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Binaries, ControlPlane, Node, Options};
use crate::http;
use crate::record::{AUDIT_POLICY, Record};
use crate::stock::Stock;

/// Creations at once: more only wait for each other.
const AT_ONCE: usize = 48;
/// In the largest clusters statuses follow ten seconds later.
pub const QUIET: Duration = Duration::from_secs(15);
/// Many times what it takes.
pub const PATIENCE: Duration = Duration::from_secs(900);

pub struct Cluster {
    pub plane: ControlPlane,
    pub client: Client,
    /// How the operator logs in.
    pub account: PathBuf,
    pub stock: Stock,
    record: Mutex<Record>,
    // After the control plane, which writes there.
    _folder: TempDir,
}

/// The root of the checkout.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Cluster {
    /// Starts it, with our kinds and everything of its stock but what is made for an operator that is there.
    pub async fn start(binaries: &Binaries, stock: Stock) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (policy, log) = (folder.path().join("audit.yaml"), folder.path().join("audit.log"));
        std::fs::write(&policy, AUDIT_POLICY)?;
        let options = Options::default()
            .crowded()
            .apiserver_arg(format!("--audit-policy-file={}", policy.display()))
            .apiserver_arg(format!("--audit-log-path={}", log.display()))
            // In one piece, in MiB.
            .apiserver_arg("--audit-log-maxsize=10000");
        let plane = tokio::task::block_in_place(|| ControlPlane::start(binaries, options))?;
        let account = tokio::task::block_in_place(|| {
            for manifests in ["crds", "examples/install"] {
                for entry in std::fs::read_dir(checkout().join(manifests))? {
                    plane.apply(&std::fs::read_to_string(entry?.path())?)?;
                }
            }
            let machines = stock.machines().map(|(name, region)| {
                Node::new(&name)
                    .label("topology.kubernetes.io/region", region)
                    .label("topology.kubernetes.io/zone", format!("{region}a"))
                    .provider(format!("aws:///{region}a/i-{name}"))
            });
            plane.add_nodes(&machines.collect::<Vec<_>>())?;
            plane.kubeconfig_for_service_account("domicile-system", "domicile")
        })?;
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig())?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let cluster = Self { plane, client, account, stock, record: Mutex::new(Record::new(log)), _folder: folder };
        cluster.fill().await?;
        Ok(cluster)
    }

    async fn fill(&self) -> Result<()> {
        let Self { stock, .. } = self;
        let started = Instant::now();
        self.create_all("namespaces", stock.namespaces(), stock.spaces()).await?;
        let accounts = self.api_of("v1", "ServiceAccount", None);
        let default = ListParams::default().fields("metadata.name=default");
        while accounts.list_metadata(&default).await?.items.len() < stock.namespaces() {
            ensure!(started.elapsed() < PATIENCE, "not every namespace has its service account");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.create_all("classes and policies", 6, Stock::cluster()).await?;
        let declared = stock.stores() + stock.flows() + stock.claims();
        self.create_all("stores, flows and claims", declared, stock.declared()).await?;
        self.create_all("pods", stock.pods, (0..stock.pods).map(|number| stock.pod(number))).await?;
        Ok(())
    }

    /// Creates objects side by side, and says how far that is.
    async fn create_all(&self, what: &str, total: usize, objects: impl Iterator<Item = Value>) -> Result<()> {
        let started = Instant::now();
        let mut made =
            futures::stream::iter(objects).map(async |object| self.create(&object).await).buffer_unordered(AT_ONCE);
        let mut done = 0_u32;
        while made.try_next().await?.is_some() {
            done += 1;
            if done.is_multiple_of(10_000) {
                eprintln!("    {done} of {total} {what}, {:.0} s", started.elapsed().as_secs_f64());
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let rate = f64::from(done) / seconds.max(0.001);
        eprintln!("  {done} {what} in {seconds:.1} s, {rate:.0} a second");
        Ok(())
    }

    /// The objects of a manifest's kind, in its namespace if it has one.
    fn api(&self, manifest: &Value) -> Api<DynamicObject> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let namespace = manifest["metadata"]["namespace"].as_str();
        self.api_of(&text(&manifest["apiVersion"]), &text(&manifest["kind"]), namespace)
    }

    /// The objects of a kind, of a namespace or of the cluster.
    pub fn api_of(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = resource(api_version, kind);
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    pub async fn create(&self, manifest: &Value) -> Result<()> {
        self.create_with(manifest, &PostParams::default()).await
    }

    /// The same as a dry run.
    pub async fn create_dry(&self, manifest: &Value) -> Result<()> {
        self.create_with(manifest, &PostParams { dry_run: true, ..PostParams::default() }).await
    }

    /// Nobody reads the answer unless it is a refusal: this program shares the machine with what it measures.
    async fn create_with(&self, manifest: &Value, params: &PostParams) -> Result<()> {
        let request = Request::new(self.api(manifest).resource_url()).create(params, serde_json::to_vec(manifest)?)?;
        let what = || format!("cannot create {}", describe(manifest));
        let answer = self.client.send(request.map(Body::from)).await.with_context(what)?;
        let status = answer.status();
        let body = answer.into_body().collect_bytes().await.with_context(what)?;
        ensure!(status.is_success(), "{}: {status}: {}", what(), String::from_utf8_lossy(&body));
        Ok(())
    }

    /// Changes the object that a manifest names; its part, if one is named.
    pub async fn patch(&self, manifest: &Value, part: &str, change: Value) -> Result<()> {
        let (api, params) = (self.api(manifest), PatchParams::default());
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let change = Patch::Merge(change);
        let done = match part {
            "" => api.patch(name, &params, &change).await,
            part => api.patch_subresource(part, name, &params, &change).await,
        };
        done.map(drop).with_context(|| format!("cannot change {}", describe(manifest)))
    }

    /// Gives the object that a manifest names its specification.
    pub async fn respecify(&self, manifest: &Value) -> Result<()> {
        self.patch(manifest, "", json!({"spec": manifest["spec"]})).await
    }

    pub async fn delete(&self, manifest: &Value) -> Result<()> {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        let done = self.api(manifest).delete(name, &params).await;
        done.map(drop).with_context(|| format!("cannot delete {}", describe(manifest)))
    }

    pub async fn list(&self, api_version: &str, kind: &str) -> Result<Vec<DynamicObject>> {
        let api = self.api_of(api_version, kind, None);
        Ok(api.list(&ListParams::default()).await.with_context(|| format!("cannot list every {kind}"))?.items)
    }

    /// Works with the API server's record.
    pub fn record<T>(&self, work: impl FnOnce(&mut Record) -> Result<T>) -> Result<T> {
        work(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the operator has written nothing for a while.
    pub async fn quiet(&self, what: &str) -> Result<()> {
        let (started, mut told) = (Instant::now(), Instant::now());
        let from = self.record(Record::mark)?;
        let (mut written, mut since) = (0, Instant::now());
        while since.elapsed() < QUIET {
            ensure!(started.elapsed() < PATIENCE * 2, "{what}: the operator does not stop writing");
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = self.record(|record| record.writes_since(from))?.len();
            if now != written {
                (written, since) = (now, Instant::now());
            }
            if told.elapsed() > Duration::from_secs(30) {
                eprintln!("    {what}: {written} writes so far");
                told = Instant::now();
            }
        }
        Ok(())
    }

    /// Installs the definitions of a report API.
    pub fn serve_reports(&self) -> Result<()> {
        let file = checkout().join("tests/it/cluster/reports/openreports.yaml");
        let text = std::fs::read_to_string(file)?;
        tokio::task::block_in_place(|| self.plane.apply(&text)).map(drop)
    }

    /// How many bytes etcd holds of everything that exists: without former versions, and without pages that are free.
    pub async fn stored_bytes(&self) -> Result<f64> {
        let url = self.plane.etcd_url();
        let port = url.rsplit(':').next().context("a port")?.parse()?;
        let ask = |path: &str, body: Value| {
            anyhow::Ok(serde_json::from_str::<Value>(&http::post(port, path, &body.to_string())?)?)
        };
        let answer = ask("/v3/kv/range", json!({"key": "AA==", "limit": 1}))?;
        ask("/v3/kv/compaction", json!({"revision": answer["header"]["revision"], "physical": true}))?;
        // What became free is told with etcd's next commit.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let metrics = http::get(port, "/metrics")?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("etcd_mvcc_db_total_size_in_use_in_bytes "));
        Ok(line.context("etcd does not tell its size")?.parse()?)
    }
}

/// The API of a kind, whose plural is regular.
fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    // The one Kubernetes kind here whose plural is told by nobody's grammar.
    if kind == "StorageClass" {
        "storageclasses".clone_into(&mut resource.plural);
    }
    resource
}

fn describe(manifest: &Value) -> String {
    let metadata = &manifest["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    format!("{} {}/{}", text(&manifest["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
}
