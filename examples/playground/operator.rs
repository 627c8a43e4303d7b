//! The operator as a process of its own, with an identity of its own.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// First argument by which this program is `domicile` instead of the playground. `cargo run --example` builds no
/// binary of the package, and the library has all of it.
pub const AS_DOMICILE: &str = "domicile";

/// Where it listens, and what it takes to start it. The same at every start, as behind a service.
#[derive(Debug)]
pub struct Operator {
    kubeconfig: PathBuf,
    log: PathBuf,
    webhook_port: u16,
    health_port: u16,
    running: Option<Child>,
}

impl Operator {
    pub fn new(kubeconfig: PathBuf, folder: &Path) -> Result<Self> {
        let log = folder.join("operator.log");
        let (webhook_port, health_port) = (free_port()?, free_port()?);
        Ok(Self { kubeconfig, log, webhook_port, health_port, running: None })
    }

    /// Its command line, for people.
    pub fn command_line(&self) -> String {
        format!("domicile {}", self.args().join(" "))
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    fn args(&self) -> [String; 9] {
        let (webhook, health) = (self.webhook_port, self.health_port);
        [
            "operator".to_owned(),
            "--webhook-listen".to_owned(),
            format!("127.0.0.1:{webhook}"),
            "--webhook-url".to_owned(),
            format!("https://127.0.0.1:{webhook}"),
            "--health-listen".to_owned(),
            format!("127.0.0.1:{health}"),
            // Of the same name at every start, as in a pod: whoever starts again knows that its predecessor is gone.
            "--identity".to_owned(),
            "playground".to_owned(),
        ]
    }

    pub fn start(&mut self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = domicile()?
            .args(self.args())
            .env("KUBECONFIG", &self.kubeconfig)
            // Held open by us alone; see `be_domicile`.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the playground, which then takes everything down.
            .process_group(0)
            .spawn()
            .context("cannot start the operator")?;
        self.running = Some(child);
        Ok(())
    }

    /// SIGKILL: no farewell, as when its machine burns.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.running.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Whether it says that it is ready; an error if it has ended.
    pub fn ready(&mut self) -> Result<bool> {
        if let Some(status) = self.running.as_mut().map(Child::try_wait).transpose()?.flatten() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            bail!("the operator has ended ({status}):\n{}", lines[lines.len().saturating_sub(15)..].join("\n"));
        }
        Ok(get(self.health_port, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It can only fail if the process has ended, and then all is well.
        let _ = self.kill();
    }
}

/// This program as `domicile`.
pub fn domicile() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this very program")?);
    command.arg(AS_DOMICILE);
    Ok(command)
}

/// What the `domicile` binary does. An operator ends when its standard input does: the playground holds the other end, and
/// the system closes it when the playground ends, however it does.
pub fn be_domicile(args: Vec<OsString>) -> ExitCode {
    if args.get(1).is_some_and(|command| command == "operator") {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
    }
    domicile::cli::run(args)
}

fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A port that nobody listens on, below those that the system gives to outgoing connections: one of them could take it
/// while the operator is dead.
pub fn free_port() -> Result<u16> {
    let start = 20_000 + u16::try_from(std::process::id() % 10_000)?;
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let port = (start..32_000)
        .find(|port| !taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port on 127.0.0.1")?;
    taken.push(port);
    Ok(port)
}

static TAKEN: std::sync::Mutex<Vec<u16>> = std::sync::Mutex::new(Vec::new());
