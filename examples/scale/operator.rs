//! The operator as a process of its own, with what the system says about it.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::http;
use crate::playground::{domicile, free_port};

/// How many ticks the kernel counts a second, of every program on Linux.
const TICKS: u64 = 100;

/// What it takes to start it.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The program; none: this very program, which has all of it.
    pub program: Option<PathBuf>,
    pub kubeconfig: PathBuf,
    /// Where it leaves its log.
    pub folder: PathBuf,
}

/// Kills a program when standard input ends, of which this one alone holds the other end: also when this one is killed.
const WATCHER: &str = r#"read -r line; kill -9 "$1""#;

/// A running operator; dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    watcher: Child,
    health: u16,
    log: PathBuf,
    pub started: Instant,
}

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now: u64,
    /// Pages of the program's file, which the system may take away at any time.
    pub file: u64,
    pub peak: u64,
}

impl Operator {
    pub fn start(setup: &Setup) -> Result<Self> {
        let (webhook, health) = (free_port()?, free_port()?);
        let log = setup.folder.join("operator.log");
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = setup.program.as_ref().map_or_else(domicile, |program| Ok(Command::new(program)))?;
        let started = Instant::now();
        let child = command
            .args(["operator", "--identity", "scale", "--owner", "ClusterRole/domicile-anchor"])
            .args(["--webhook-listen", &format!("127.0.0.1:{webhook}")])
            .args(["--webhook-url", &format!("https://127.0.0.1:{webhook}")])
            .args(["--health-listen", &format!("127.0.0.1:{health}")])
            .env("KUBECONFIG", &setup.kubeconfig)
            // Held open by us alone: this very program as the operator ends with it.
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start the operator")?;
        let watcher = Command::new("/bin/sh")
            .args(["-c", WATCHER, "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start /bin/sh")?;
        Ok(Self { child, watcher, health, log, started })
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the operator has ended ({status}):\n{}", tail(&self.log)),
            None => Ok(()),
        }
    }

    pub fn is_ready(&self) -> bool {
        http::get(self.health, "/readyz").is_ok()
    }

    /// A figure of its own, if it tells it: the first line that begins so.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let metrics = http::get(self.health, "/metrics").ok()?;
        metrics.lines().find(|line| line.starts_with(name))?.rsplit(' ').next()?.parse().ok()
    }

    /// The lines of its figures that begin with one of these.
    pub fn figures(&self, names: &[&str]) -> Vec<String> {
        let metrics = http::get(self.health, "/metrics").unwrap_or_default();
        let told = metrics.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
        let mut lines: Vec<String> = told.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The sum over all lines that begin so.
    pub fn total(&self, name: &str) -> f64 {
        let values = self.figures(&[name]);
        values.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
            anyhow::Ok(line.split_whitespace().next().context("no number")?.parse()?)
        };
        Ok(Memory { now: field("VmRSS:")?, file: field("RssFile:")?, peak: field("VmHWM:")? })
    }

    /// The time that processors have spent on it.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold anything, the state is the third field; the times are the 14th and the 15th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let times = fields.get(11..13).context("no times in /proc/PID/stat")?;
        let ticks: u64 = times.iter().map(|time| time.parse::<u64>()).sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS))
    }

    /// Waits until it is so, looking often.
    pub async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        mut ask: impl FnMut(&Self) -> bool,
    ) -> Result<Duration> {
        let started = Instant::now();
        while !ask(self) {
            self.check()?;
            ensure!(started.elapsed() < patience, "{what}: not within {patience:?}; {}", self.last_words());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(self.started.elapsed())
    }

    /// How its log ends, for a failure.
    pub fn last_words(&self) -> String {
        format!("the operator's log ends with\n{}", tail(&self.log))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Before the operator is gone, and its number free for somebody else. It can only fail if it has ended, and then all is
        // well.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
