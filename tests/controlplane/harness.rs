//! A real Kubernetes control plane for tests: etcd, API server, controllers, scheduler and kwok, as plain processes on
//! 127.0.0.1, all of them gone when their [`ControlPlane`] is dropped or its process ends in any way.
//!
//! ```no_run
//! let binaries = Binaries::ensure(&mut |line| eprintln!("{line}"))?;
//! let cluster = ControlPlane::start(&binaries, Options::default().user("ada", &["developers"]))?;
//! cluster.add_nodes(&[Node::new("fra-1").label("topology.kubernetes.io/region", "eu-central-1")])?;
//! cluster.apply(manifests)?;
//! ```
//!
//! It is a test's own file, not part of the crate: whoever needs it says
//! `#[path = "../controlplane/harness.rs"] mod harness;`. Everything blocks; in async tests use `spawn_blocking`.
//!
//! Limits: there is no network between pods and no kube-proxy, so a webhook is reached by `url` at 127.0.0.1 and not by
//! `service`.

#![allow(dead_code, reason = "each program that includes this file uses another part of it")]

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

// A file that is itself included by path looks for its modules beside it, so the folder has to be said.
#[path = "harness/build.rs"]
mod build;
#[path = "harness/credentials.rs"]
mod credentials;
#[path = "harness/kubectl.rs"]
mod kubectl;
#[path = "harness/process.rs"]
mod process;

pub use build::Binaries;
#[allow(unused_imports, reason = "only the chart's tests and the real node need more than a control plane")]
pub use build::{Module, helm, promtool};
pub use kubectl::{Node, Output};

use credentials::{ADMIN, Credentials, SERVICE_RANGE};
use kubectl::Kubectl;
use process::{Process, StateDir, free_port, wait_for};

/// How much etcd may store of a crowded cluster, which it refuses to do by default.
const ROOMY: u64 = 8 << 30;

/// Far more than the few seconds it takes: on a busy machine a slow start is no failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// What may differ between control planes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Users that log in by token, with their groups. `admin` in `system:masters` is always there.
    pub users: Vec<(String, Vec<String>)>,
    /// Further flags for the API server, such as an audit policy. Of a flag given twice, the last one counts.
    pub apiserver_args: Vec<String>,
    /// Whether there will be far more pods than usual.
    pub crowded: bool,
    /// Whether claims and volumes stay as they are written.
    pub unbound: bool,
}

impl Options {
    /// Adds a user.
    #[must_use]
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        self.users.push((name.to_owned(), groups.iter().copied().map(String::from).collect()));
        self
    }

    /// Adds a flag of the API server.
    #[must_use]
    pub fn apiserver_arg(mut self, flag: impl Into<String>) -> Self {
        self.apiserver_args.push(flag.into());
        self
    }

    /// Makes room for a hundred thousand pods that are bound when they are created: no scheduler, nobody who plays pods or
    /// looks for the volumes of claims, again and again, and a larger etcd.
    #[must_use]
    pub fn crowded(mut self) -> Self {
        self.crowded = true;
        self.unbound()
    }

    /// Has nobody who binds a claim to whatever volume fits.
    #[must_use]
    pub fn unbound(mut self) -> Self {
        self.unbound = true;
        self
    }
}

/// A running control plane. All methods take `&self`, so one can be shared by the tests of a program in a static.
#[derive(Debug)]
pub struct ControlPlane {
    processes: Processes,
    credentials: Credentials,
    kubectl: Kubectl,
    // The last, as the processes write there.
    folder: StateDir,
}

/// In the order of their end: etcd last, or the others would complain of its absence.
#[derive(Debug)]
struct Processes {
    /// They find back to the API server by themselves.
    _clients: Vec<Process>,
    apiserver: Mutex<Option<Process>>,
    start_apiserver: Program,
    etcd: Mutex<Option<Process>>,
    start_etcd: Program,
}

/// What it takes to start a program.
#[derive(Debug)]
struct Program {
    path: PathBuf,
    args: Vec<String>,
    port: u16,
}

impl ControlPlane {
    /// Starts everything, and returns when pods can be created in the namespace `default`.
    ///
    /// # Errors
    ///
    /// If a program does not start. Its log is kept, and the error says where.
    pub fn start(binaries: &Binaries, options: Options) -> Result<Self> {
        let folder = StateDir::create()?;
        match Self::start_in(folder.path(), binaries, options) {
            Ok((processes, credentials, kubectl)) => Ok(Self { processes, credentials, kubectl, folder }),
            Err(error) => {
                folder.keep();
                Err(error.context(format!("cannot start a control plane (logs: {})", folder.path().display())))
            }
        }
    }

    fn start_in(folder: &Path, binaries: &Binaries, options: Options) -> Result<(Processes, Credentials, Kubectl)> {
        let (etcd_port, port) = (free_port()?, free_port()?);
        let mut args = etcd_args(folder, etcd_port);
        args.extend(options.crowded.then(|| format!("--quota-backend-bytes={ROOMY}")));
        let start_etcd = Program { path: binaries.etcd.clone(), args, port: etcd_port };
        // It need not listen before its clients come.
        let mut etcd = Process::spawn("etcd", &start_etcd.path, &start_etcd.args, folder)?;
        let credentials = Credentials::create(folder, format!("https://127.0.0.1:{port}"), &options.users)?;
        let admin = credentials.kubeconfig(ADMIN)?.to_owned();
        let kubectl =
            Kubectl { program: binaries.kubectl.clone(), kubeconfig: admin.clone(), cache: kubectl::cache_in(folder) };
        wait_for_port("etcd listens", etcd_port, || etcd.check())?;

        let mut args = apiserver_args(folder, &credentials, etcd_port, port);
        args.extend(options.apiserver_args);
        let program = Program { path: binaries.kube_apiserver.clone(), args, port };
        let apiserver = program.start_apiserver(folder, &kubectl)?;

        let mut clients = Vec::new();
        let (mut stages, mut controllers) = (binaries.kwok_stages.clone(), controller_args(&admin, &credentials));
        if options.crowded {
            stages = node_stages(folder, &stages)?;
        }
        if options.unbound {
            controllers.push("--controllers=*,-persistentvolume-binder-controller".to_owned());
        }
        for (name, path, args) in [
            ("kwok", &binaries.kwok, kwok_args(&admin, &stages)),
            ("kube-scheduler", &binaries.kube_scheduler, scheduler_args(&admin)),
            ("kube-controller-manager", &binaries.kube_controller_manager, controllers),
        ] {
            if !(options.crowded && name == "kube-scheduler") {
                clients.push(Process::spawn(name, path, &args, folder)?);
            }
        }
        // Without its account, admission refuses every pod.
        wait_for("the service account of namespace default exists", PATIENCE, || {
            clients.iter_mut().try_for_each(Process::check)?;
            kubectl::exists(&kubectl, &["serviceaccount", "-n", "default", "default"])
        })?;
        let processes = Processes {
            _clients: clients,
            apiserver: Mutex::new(Some(apiserver)),
            start_apiserver: program,
            etcd: Mutex::new(Some(etcd)),
            start_etcd,
        };
        Ok((processes, credentials, kubectl))
    }

    /// Address of the API server.
    pub fn url(&self) -> &str {
        self.credentials.url()
    }

    /// Address of etcd, which answers everybody.
    pub fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.processes.start_etcd.port)
    }

    /// Certificate authority of the API server.
    pub fn ca_pem(&self) -> &str {
        self.credentials.ca_pem()
    }

    /// Folder of all state and logs; tests may put files there.
    pub fn work_dir(&self) -> &Path {
        self.folder.path()
    }

    /// A kubeconfig that may do everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubectl.kubeconfig
    }

    /// The kubeconfig of a user of the options.
    ///
    /// # Errors
    ///
    /// If there is no such user.
    pub fn kubeconfig_for(&self, user: &str) -> Result<&Path> {
        self.credentials.kubeconfig(user)
    }

    /// The token of a user of the options, or of `admin`.
    ///
    /// # Errors
    ///
    /// If there is no such user.
    pub fn token(&self, user: &str) -> Result<&str> {
        self.credentials.token(user)
    }

    /// A kubeconfig of a service account, with which a program has the rights it would have in a pod.
    ///
    /// # Errors
    ///
    /// If there is no such account.
    pub fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = kubectl::account_token(&self.kubectl, namespace, name)?;
        let path = self.work_dir().join(format!("account-{namespace}-{name}.kubeconfig"));
        self.credentials.write_kubeconfig(&path, name, &token)?;
        Ok(path)
    }

    /// kubectl as admin, with caches of its own; for another user, set `KUBECONFIG`.
    pub fn kubectl(&self) -> Command {
        self.kubectl.command()
    }

    /// Runs kubectl as admin to its end.
    ///
    /// # Errors
    ///
    /// If it does not start; that it fails is no error here, see [`Output::success`].
    pub fn kubectl_output(&self, args: &[&str]) -> Result<Output> {
        self.kubectl.run(args, "")
    }

    /// Applies manifests as admin on the server's side, and returns what kubectl says.
    ///
    /// # Errors
    ///
    /// With what kubectl complains about.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        self.kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", "-"], yaml)?.success()
    }

    /// Adds a node, and waits until pods can be put there.
    ///
    /// # Errors
    ///
    /// If it exists or does not become ready.
    pub fn add_node(&self, node: &Node) -> Result<()> {
        self.add_nodes(std::slice::from_ref(node))
    }

    /// Adds nodes at once, and waits until pods can be put there.
    ///
    /// # Errors
    ///
    /// If one exists or does not become ready.
    pub fn add_nodes(&self, nodes: &[Node]) -> Result<()> {
        kubectl::add_nodes(&self.kubectl, nodes, PATIENCE)
    }

    /// Ends the API server, as a crash would. etcd keeps what it stored, and the others wait for its return.
    pub fn stop_apiserver(&self) {
        drop(self.apiserver().take());
    }

    /// Starts the API server again, at the same address and with the same data; returns when it is ready.
    ///
    /// # Errors
    ///
    /// If it is not stopped, or does not start.
    pub fn start_apiserver(&self) -> Result<()> {
        let mut running = self.apiserver();
        ensure!(running.is_none(), "the API server is not stopped");
        *running = Some(self.processes.start_apiserver.start_apiserver(self.work_dir(), &self.kubectl)?);
        Ok(())
    }

    /// Ends etcd, as a crash would; what it was told is kept by the system. The API server should be stopped first.
    pub fn stop_etcd(&self) {
        drop(self.etcd().take());
    }

    /// Starts etcd again, with the same data; returns when it listens.
    ///
    /// # Errors
    ///
    /// If it is not stopped, or does not start.
    pub fn start_etcd(&self) -> Result<()> {
        let mut running = self.etcd();
        ensure!(running.is_none(), "etcd is not stopped");
        let Program { path, args, port } = &self.processes.start_etcd;
        let mut etcd = Process::spawn("etcd", path, args, self.work_dir())?;
        wait_for_port("etcd listens", *port, || etcd.check())?;
        *running = Some(etcd);
        Ok(())
    }

    fn etcd(&self) -> MutexGuard<'_, Option<Process>> {
        // As below.
        self.processes.etcd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apiserver(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that panicked in between leaves a server or none, both of which are fine.
        self.processes.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Program {
    fn start_apiserver(&self, folder: &Path, kubectl: &Kubectl) -> Result<Process> {
        let mut process = Process::spawn("kube-apiserver", &self.path, &self.args, folder)?;
        // kubectl is a heavy way to ask, so it is not asked before somebody is there to answer.
        wait_for_port("kube-apiserver listens", self.port, || process.check())?;
        wait_for("kube-apiserver is ready", PATIENCE, || {
            process.check()?;
            let output = kubectl.run(&["get", "--raw", "/readyz"], "")?;
            Ok(if output.status.success() { Ok(()) } else { Err(output.stderr.trim().to_owned()) })
        })?;
        Ok(process)
    }
}

fn wait_for_port(what: &str, port: u16, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    wait_for(what, PATIENCE, || {
        check()?;
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| error.to_string()))
    })
}

fn etcd_args(folder: &Path, port: u16) -> Vec<String> {
    let url = format!("http://127.0.0.1:{port}");
    vec![
        format!("--data-dir={}", folder.join(StateDir::BULK).display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        // Nobody calls there.
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        // A crash of the machine may lose everything, the tests are lost then anyway.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn apiserver_args(folder: &Path, credentials: &Credentials, etcd_port: u16, port: u16) -> Vec<String> {
    let files = &credentials.files;
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        // Endpoints cannot be on the loopback, so the service `kubernetes` is left without.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        format!("--tls-cert-file={}", files.server.display()),
        format!("--tls-private-key-file={}", files.server_key.display()),
        format!("--cert-dir={}", folder.display()),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", files.accounts.display()),
        format!("--service-account-signing-key-file={}", files.accounts_key.display()),
        format!("--token-auth-file={}", files.tokens.display()),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

/// For the programs that use the API as admin. One of each runs, so there is nobody to elect a leader against, and
/// nobody asks them for metrics. By default they hold themselves to 20 or 50 requests a second, which turns some
/// hundred nodes into minutes.
fn client_args(kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--profiling=false".to_owned(),
        "--kube-api-qps=1000".to_owned(),
        "--kube-api-burst=2000".to_owned(),
    ]
}

fn scheduler_args(kubeconfig: &Path) -> Vec<String> {
    client_args(kubeconfig)
}

fn controller_args(kubeconfig: &Path, credentials: &Credentials) -> Vec<String> {
    let files = &credentials.files;
    let mut args = client_args(kubeconfig);
    args.extend([
        format!("--service-account-private-key-file={}", files.accounts_key.display()),
        format!("--root-ca-file={}", files.ca.display()),
        "--use-service-account-credentials=false".to_owned(),
        // On a busy machine, or while the API server is stopped, kwok's signs of life come late; nodes must not fall
        // ill of it in the midst of a test.
        "--node-monitor-grace-period=10m".to_owned(),
    ]);
    args
}

/// What kwok does with nodes, without what it does with pods.
fn node_stages(folder: &Path, all: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(all)?;
    let of_nodes: Vec<&str> = text.split("\n---\n").filter(|stage| stage.contains("kind: Node\n")).collect();
    ensure!(!of_nodes.is_empty(), "no stage of nodes in {}", all.display());
    let path = folder.join("node-stages.yaml");
    std::fs::write(&path, of_nodes.join("\n---\n"))?;
    Ok(path)
}

fn kwok_args(kubeconfig: &Path, stages: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--config={}", stages.display()),
        "--manage-all-nodes=false".to_owned(),
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake".to_owned(),
    ]
}
