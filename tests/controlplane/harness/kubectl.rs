//! The client, and the nodes that are made with it.

use std::collections::BTreeMap;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::process::wait_for;

/// kubectl, as one user, apart from the settings and caches of whoever runs the tests.
#[derive(Clone, Debug)]
pub(super) struct Kubectl {
    pub(super) program: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) cache: PathBuf,
}

impl Kubectl {
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", &self.cache).env("KUBERC", "off");
        command
    }

    /// Runs kubectl to its end; `input` is what `-f -` reads.
    pub(super) fn run(&self, args: &[&str], input: &str) -> Result<Output> {
        // A file, for with a pipe both sides could wait for each other.
        let mut stdin = tempfile::tempfile()?;
        stdin.write_all(input.as_bytes())?;
        stdin.rewind()?;
        let output = self.command().args(args).stdin(Stdio::from(stdin)).output().context("cannot run kubectl")?;
        Ok(Output {
            command: format!("kubectl {}", args.join(" ")),
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// What a run of kubectl came to.
#[derive(Clone, Debug)]
pub struct Output {
    command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed,
    pub stdout: String,
    /// and what it complained about.
    pub stderr: String,
}

impl Output {
    /// The standard output, if kubectl succeeded.
    ///
    /// # Errors
    ///
    /// What it wrote to standard error, if it failed.
    pub fn success(self) -> Result<String> {
        if !self.status.success() {
            bail!("{}: {}\n{}", self.command, self.status, self.stderr.trim());
        }
        Ok(self.stdout)
    }
}

/// A node to be played by kwok: pods that the scheduler puts there run at once.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Name of the node; its label `kubernetes.io/hostname` follows.
    pub name: String,
    /// What a cloud would say, like `aws:///eu-central-1a/i-0123`.
    pub provider_id: Option<String>,
    /// Further labels, regions and zones above all.
    pub labels: BTreeMap<String, String>,
}

impl Node {
    /// A node without a provider.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets the provider's name of the machine.
    #[must_use]
    pub fn provider(mut self, id: impl Into<String>) -> Self {
        self.provider_id = Some(id.into());
        self
    }

    fn manifest(&self) -> Value {
        let mut labels = self.labels.clone();
        for (key, value) in [
            ("kubernetes.io/hostname", self.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
        ] {
            labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        let size = json!({ "cpu": "32", "memory": "256Gi", "pods": "1100", "ephemeral-storage": "1Ti" });
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": self.name, "labels": labels, "annotations": { "kwok.x-k8s.io/node": "fake" } },
            "spec": { "providerID": self.provider_id },
            // kwok takes these over; its own are too large to ever be full.
            "status": { "allocatable": size, "capacity": size },
        })
    }
}

/// Makes nodes and waits until pods can be put there.
pub(super) fn add_nodes(kubectl: &Kubectl, nodes: &[Node], limit: Duration) -> Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let items: Vec<_> = nodes.iter().map(Node::manifest).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    // Not apply: it would leave the status out of an existing node, and the same name twice is a mistake anyway.
    kubectl.run(&["create", "-f", "-"], &list.to_string())?.success()?;
    wait_for("nodes are ready", limit, || {
        let all: Value = serde_json::from_str(&kubectl.run(&["get", "nodes", "-o", "json"], "")?.success()?)?;
        let ready: Vec<_> = all["items"].as_array().into_iter().flatten().filter(|node| is_ready(node)).collect();
        let missing = |node: &&Node| !ready.iter().any(|found| found["metadata"]["name"] == node.name.as_str());
        Ok(match nodes.iter().find(missing) {
            Some(node) => Err(format!("{} is not", node.name)),
            None => Ok(()),
        })
    })
}

/// Ready, and also relieved of the taint that every node is born with, or the scheduler passes it by.
fn is_ready(node: &Value) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    list(&node["status"]["conditions"]).iter().any(|is| is["type"] == "Ready" && is["status"] == "True")
        && !list(&node["spec"]["taints"]).iter().any(|taint| taint["key"] == "node.kubernetes.io/not-ready")
}

/// A token of a service account, as a pod of it would get.
pub(super) fn account_token(kubectl: &Kubectl, namespace: &str, name: &str) -> Result<String> {
    let token = kubectl.run(&["create", "token", "--duration=24h", "-n", namespace, name], "")?.success()?;
    Ok(token.trim().to_owned())
}

/// Whether an object is there.
pub(super) fn exists(kubectl: &Kubectl, args: &[&str]) -> Result<std::result::Result<(), String>> {
    let output = kubectl.run(&[&["get", "-o", "name"], args].concat(), "")?;
    Ok(if output.status.success() { Ok(()) } else { Err(output.stderr.trim().to_owned()) })
}

/// Where kubectl keeps what it learned about the server.
pub(super) fn cache_in(folder: &Path) -> PathBuf {
    folder.join("kubectl-cache")
}
