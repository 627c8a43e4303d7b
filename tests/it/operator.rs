//! The operator as a process of its own, with an identity of its own, that ends when the test program does.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::poll::{PATIENCE, until, yes};

/// Notes its process id, and kills it when standard input ends, of which the test program alone holds the other end: also
/// when that is killed, or keeps its operator in a static.
const SUPERVISOR: &str = r#"
exec 3<&0
pid=$1
shift
"$@" 3<&- </dev/null &
program=$!
echo $program >"$pid"
{ read -r line <&3; kill -9 $program; } 2>/dev/null &
watcher=$!
wait $program
status=$?
kill -9 $watcher 2>/dev/null
exit $status
"#;

/// What it takes to start it: the same at every start, as behind a service.
#[derive(Debug, Clone)]
pub struct Setup {
    pub kubeconfig: PathBuf,
    pub folder: PathBuf,
    pub webhook_port: u16,
    pub health_port: u16,
    pub label_grace_seconds: u64,
    /// Its name among the replicas, as of its pod.
    pub name: String,
    /// Where the API server finds it, if not at its own port.
    pub front: Option<u16>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl Setup {
    pub fn new(kubeconfig: PathBuf, folder: &Path, label_grace_seconds: u64) -> Self {
        let (webhook_port, health_port) = (free_port(), free_port());
        let (name, front, arguments) = ("operator".to_owned(), None, Vec::new());
        let folder = folder.to_owned();
        Self { kubeconfig, folder, webhook_port, health_port, label_grace_seconds, name, front, arguments }
    }

    /// Another replica, behind the same front.
    pub fn replica(&self, name: &str, front: u16) -> Self {
        let own = Self::new(self.kubeconfig.clone(), &self.folder, self.label_grace_seconds);
        Self { name: name.to_owned(), front: Some(front), arguments: self.arguments.clone(), ..own }
    }
}

/// A running operator; dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    supervisor: Child,
    pid: PathBuf,
    log: PathBuf,
    health_port: u16,
}

impl Operator {
    pub fn start(setup: &Setup) -> Self {
        let Setup { kubeconfig, folder, webhook_port, health_port, label_grace_seconds, name, front, arguments } =
            setup;
        let (pid, log) = (folder.join(format!("{name}.pid")), folder.join(format!("{name}.log")));
        let front = front.unwrap_or(*webhook_port);
        let _ = std::fs::remove_file(&pid);
        let output = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(&pid)
            .args([env!("CARGO_BIN_EXE_domicile"), "operator"])
            .args(["--webhook-listen", &format!("127.0.0.1:{webhook_port}")])
            .args(["--webhook-url", &format!("https://127.0.0.1:{front}")])
            .args(["--health-listen", &format!("127.0.0.1:{health_port}")])
            .args(["--label-grace-seconds", &label_grace_seconds.to_string()])
            .args(["--owner", "ClusterRole/domicile-anchor"])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAME", name)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap();
        Self { supervisor, pid, log, health_port: *health_port }
    }

    /// Starts it and waits until it is ready.
    pub fn started(setup: &Setup) -> Self {
        let mut operator = Self::start(setup);
        operator.wait_until_ready();
        operator
    }

    pub fn wait_until_ready(&mut self) {
        until("the operator is ready", PATIENCE, || {
            if let Some(status) = self.supervisor.try_wait().unwrap() {
                panic!("the operator has ended ({status}): {}", self.log_tail());
            }
            yes(self.ready(), self.log_tail())
        });
    }

    /// Whether it says that it is ready.
    pub fn ready(&self) -> bool {
        self.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What it answers to a probe, if it does.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.health_port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// SIGTERM: a farewell.
    pub fn terminate(&self) {
        let pid = until("the operator's process id is noted", PATIENCE, || {
            let text = std::fs::read_to_string(&self.pid).map_err(|error| error.to_string())?;
            text.trim().parse::<u32>().map_err(|error| error.to_string())
        });
        assert!(Command::new("/bin/kill").args(["-TERM", &pid.to_string()]).status().unwrap().success());
    }

    /// How it ended.
    pub fn wait(mut self) -> ExitStatus {
        until("the operator ends", PATIENCE, || self.supervisor.try_wait().unwrap().ok_or("it runs"))
    }

    /// SIGKILL: no farewell, as when its machine burns.
    pub fn kill(self) {
        drop(self);
    }

    /// Everything that processes of this name have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // It can only fail if the process was already waited for, and then all is well.
        let _ = self.supervisor.wait();
    }
}

/// A port of 127.0.0.1 that nobody listens on: below those that the system gives to outgoing connections and apart from
/// those that control planes take, since the operator comes back to it.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 12_000..20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 8_000).unwrap();
    (0..1_000)
        .map(|_| PORTS.start + (process + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port on 127.0.0.1")
}
