//! Processes that do not outlive their owner, the folder they write to, and the ports they listen on.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

/// Runs `"$@"` until it ends by itself or standard input does. The other end of standard input is held by us alone, and
/// the system closes it when we end, however we end: also by SIGKILL, or with the control plane in a static, which Rust
/// never drops.
///
/// SIGKILL, as nothing of the state is needed afterwards, and as a stopped API server is to look like a crashed one.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
program=$!
{ read -r line <&3; kill -9 $program; } 2>/dev/null &
watcher=$!
wait $program
status=$?
kill -9 $watcher 2>/dev/null
exit $status
"#;

/// Removes a folder if standard input ends and the folder is still there, for the case that we were killed. The second
/// is for the supervisors, so that nobody writes there any more.
const JANITOR: &str = r#"
read -r line
[ -d "$1" ] || exit 0
sleep 1
[ -e "$1/keep" ] || rm -rf "$1"
"#;

/// The shell that runs a script with arguments, in a process group of its own: Ctrl-C is then for us alone, and the
/// programs end because we do, in one way and not in two.
fn shell(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, "sh"]).current_dir(folder).stdin(Stdio::piped()).process_group(0);
    // etcd takes every ETCD_... for a flag, the others read settings from the home folder.
    command.env_clear().env("HOME", folder).env("PATH", env::var_os("PATH").unwrap_or_default());
    command
}

/// A running program; dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    supervisor: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in `folder`. What it says goes to the end of `<name>.log` there.
    pub(super) fn spawn(name: &str, program: &Path, args: &[String], folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let supervisor = shell(SUPERVISOR, folder)
            .arg(program)
            .args(args)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), supervisor, log })
    }

    /// Fails if the program has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.supervisor.try_wait()? {
            bail!("{} has ended ({status}); {} ends with\n{}", self.name, self.log.display(), log_tail(&self.log));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // It can only fail if the supervisor was already waited for, and then all is well.
        let _ = self.supervisor.wait();
    }
}

/// The last lines of a log, for an error message.
pub(super) fn log_tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// A folder for all state, removed when dropped and also when we die. It is kept if `DOMICILE_KEEP=1`, and without
/// etcd's data (which is large) if something failed.
#[derive(Debug)]
pub(super) struct StateDir {
    folder: TempDir,
    janitor: Child,
}

impl StateDir {
    /// Name of the sub-folder which is not worth keeping after a failure.
    pub(super) const BULK: &str = "etcd";

    pub(super) fn create() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("domicile-controlplane-").tempdir()?;
        let janitor = shell(JANITOR, Path::new("/"))
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start /bin/sh")?;
        let state = Self { folder, janitor };
        if keep_all() {
            File::create(state.path().join("keep"))?;
        }
        Ok(state)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the logs, whatever happens next.
    pub(super) fn keep(&self) {
        // If that fails the logs are lost, which must not hide the failure they are kept for.
        let _ = File::create(self.path().join("keep"));
    }
}

fn keep_all() -> bool {
    env::var_os("DOMICILE_KEEP").is_some_and(|value| value == "1")
}

impl Drop for StateDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
        if self.path().join("keep").exists() {
            self.folder.disable_cleanup(true);
            if !keep_all() {
                let _ = fs::remove_dir_all(self.path().join(Self::BULK));
            }
            eprintln!("the control plane's logs are kept in {}", self.path().display());
        } else {
            // Before the janitor sees the end of its input; it then finds nothing to do.
            let _ = fs::remove_dir_all(self.path());
        }
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

/// A port of 127.0.0.1 that nobody listens on.
///
/// Not from the range the system gives to outgoing connections: such a connection could take the port while the API
/// server is stopped, and it has to come back at the same address.
pub(super) fn free_port() -> Result<u16> {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: OnceLock<AtomicUsize> = OnceLock::new();
    // Starting at random keeps processes apart, counting on keeps the threads of one apart.
    let next = NEXT.get_or_init(|| {
        let [low, high, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
        AtomicUsize::new(usize::from(u16::from_ne_bytes([low, high])))
    });
    for _ in PORTS {
        let offset = next.fetch_add(1, Ordering::Relaxed) % PORTS.len();
        let port = PORTS.start + u16::try_from(offset)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 in {PORTS:?}")
}

/// Asks until the answer is yes. A `no` that carries a reason ends up in the error when time is over.
pub(super) fn wait_for(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Result<std::result::Result<(), String>>,
) -> Result<()> {
    let started = Instant::now();
    loop {
        let Err(reason) = ask()? else { return Ok(()) };
        if started.elapsed() >= limit {
            bail!("{what}: not within {} s: {reason}", limit.as_secs());
        }
        sleep(Duration::from_millis(50));
    }
}
