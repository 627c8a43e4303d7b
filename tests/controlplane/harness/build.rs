//! The programs of the control plane: where they are, and how they are made if they are not there yet.
//!
//! Each of the Go modules beside this folder pins its programs by go.mod and go.sum. Both files are compiled into this
//! one, so that a build needs neither the checkout nor a working directory, and so that what is built is what the caller
//! was compiled with.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::process::log_tail;

/// How often a running build says that it still runs.
const PROGRESS_EVERY: Duration = Duration::from_secs(15);

/// Where `-X` finds the variables that tell a Kubernetes program its own version.
const VERSION_PACKAGE: &str = "k8s.io/component-base/version";

/// The stages that kwok plays, as folders of its module: nodes get ready and stay so, pods run as soon as scheduled.
const KWOK_STAGES: [&str; 3] = ["node/fast", "node/heartbeat-with-lease", "pod/fast"];

/// A Go module and the programs that are built from it. Separate modules, for their dependencies do not agree.
pub struct Module {
    /// Its name, and that of its folder in the cache.
    pub name: &'static str,
    /// What it requires,
    pub go_mod: &'static str,
    /// and the checksums of that.
    pub go_sum: &'static str,
    /// Its own sources by file name, if it is more than a list of requirements.
    pub sources: &'static [(&'static str, &'static str)],
    /// Name of the program and its package.
    pub programs: &'static [(&'static str, &'static str)],
}

const KUBERNETES: Module = Module {
    name: "kubernetes",
    go_mod: include_str!("../kubernetes/go.mod"),
    go_sum: include_str!("../kubernetes/go.sum"),
    sources: &[],
    programs: &[
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ],
};

const ETCD: Module = Module {
    name: "etcd",
    go_mod: include_str!("../etcd/go.mod"),
    go_sum: include_str!("../etcd/go.sum"),
    sources: &[],
    programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
};

const KWOK: Module = Module {
    name: "kwok",
    go_mod: include_str!("../kwok/go.mod"),
    go_sum: include_str!("../kwok/go.sum"),
    sources: &[],
    programs: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
};

const HELM: Module = Module {
    name: "helm",
    go_mod: include_str!("../helm/go.mod"),
    go_sum: include_str!("../helm/go.sum"),
    sources: &[],
    programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
};

const PROMETHEUS: Module = Module {
    name: "prometheus",
    go_mod: include_str!("../prometheus/go.mod"),
    go_sum: include_str!("../prometheus/go.sum"),
    sources: &[],
    programs: &[("promtool", "github.com/prometheus/prometheus/cmd/promtool")],
};

/// promtool, which checks and tests alerts, ready to run. Apart from [`Binaries`] for the same reason as Helm.
///
/// # Errors
///
/// If there is no Go, or if the build fails.
pub fn promtool(progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    Ok(PROMETHEUS.folder(progress)?.join("promtool"))
}

/// Helm, ready to run. Apart from [`Binaries`], for most that need a control plane need no Helm.
///
/// # Errors
///
/// If there is no Go, or if the build fails.
pub fn helm(progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    Ok(HELM.folder(progress)?.join("helm"))
}

/// The programs of a control plane, ready to run.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// Its store.
    pub etcd: PathBuf,
    /// The controllers, among them the one that makes service accounts.
    pub kube_controller_manager: PathBuf,
    /// The scheduler.
    pub kube_scheduler: PathBuf,
    /// The client.
    pub kubectl: PathBuf,
    /// The player of nodes and pods.
    pub kwok: PathBuf,
    /// What kwok plays: one file of kwok `Stage`s.
    pub kwok_stages: PathBuf,
}

impl Binaries {
    /// Finds the programs, and builds those that are not there. A first build takes minutes, and `progress` hears of
    /// it; when everything is there, it hears nothing.
    ///
    /// If `KUBEBUILDER_ASSETS` names a folder, kube-apiserver, etcd and kubectl are taken from it. Everything else is
    /// kept in `${XDG_CACHE_HOME:-$HOME/.cache}/domicile/controlplane`, in a folder per module and per whatever the
    /// build depends on, so that a change of one module rebuilds only that one.
    ///
    /// # Errors
    ///
    /// If there is no Go, if a build fails, or if `KUBEBUILDER_ASSETS` lacks a program.
    pub fn ensure(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let assets = match env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
            Some(folder) => Some(Assets::new(Path::new(&folder))?),
            None => None,
        };
        let cache = cache_folder()?;
        let kwok = KWOK.ensure(KWOK.programs, &cache, progress)?;
        let (etcd, kubernetes, own);
        if let Some(found) = assets {
            let rest: Vec<_> =
                KUBERNETES.programs.iter().copied().filter(|(name, _)| !Assets::NAMES.contains(name)).collect();
            own = KUBERNETES.ensure(&rest, &cache, progress)?;
            etcd = found.folder.clone();
            kubernetes = found.folder;
        } else {
            etcd = ETCD.ensure(ETCD.programs, &cache, progress)?;
            own = KUBERNETES.ensure(KUBERNETES.programs, &cache, progress)?;
            kubernetes = own.clone();
        }
        Ok(Self {
            kube_apiserver: kubernetes.join("kube-apiserver"),
            etcd: etcd.join("etcd"),
            kube_controller_manager: own.join("kube-controller-manager"),
            kube_scheduler: own.join("kube-scheduler"),
            kubectl: kubernetes.join("kubectl"),
            kwok: kwok.join("kwok"),
            kwok_stages: kwok.join("stages.yaml"),
        })
    }
}

/// The folder that `KUBEBUILDER_ASSETS` names, as in all of this ecosystem.
struct Assets {
    folder: PathBuf,
}

impl Assets {
    const NAMES: [&'static str; 3] = ["kube-apiserver", "etcd", "kubectl"];

    fn new(folder: &Path) -> Result<Self> {
        for name in Self::NAMES {
            ensure!(folder.join(name).is_file(), "KUBEBUILDER_ASSETS={} has no {name}", folder.display());
        }
        // The programs are started in another directory, so a relative path would point elsewhere.
        let folder = fs::canonicalize(folder).with_context(|| format!("cannot resolve {}", folder.display()))?;
        Ok(Self { folder })
    }
}

fn cache_folder() -> Result<PathBuf> {
    // The XDG rules: what is not absolute counts as not set.
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place to keep the control plane's programs")?;
    Ok(base.join("domicile").join("controlplane"))
}

impl Module {
    /// The folder that has all programs of the module; they are built if it is not there.
    ///
    /// # Errors
    ///
    /// If there is no Go, or if the build fails.
    pub fn folder(&self, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
        self.ensure(self.programs, &cache_folder()?, progress)
    }

    /// The folder that has these programs of the module; they are built if it is not there.
    fn ensure(&self, programs: &[(&str, &str)], cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
        fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
        // The folder of go.mod decides which toolchain `go` runs, so its version is asked for in such a folder.
        let work = tempfile::Builder::new().prefix("domicile-go-").tempdir()?;
        self.write(work.path())?;
        let version = run(go(work.path()).arg("version"))?;

        let flags = self.flags()?;
        let mut hash = Sha256::new();
        for part in [self.go_mod, self.go_sum, &version].into_iter().chain(flags.iter().map(String::as_str)) {
            hash.update(part);
            hash.update([0]);
        }
        for (name, package) in programs.iter().chain(self.sources) {
            hash.update(format!("{name} {package}\0"));
        }
        let folder = cache.join(format!("{}-{}", self.name, &hex(&hash.finalize())[..16]));
        // It got its name by a rename, when all of it was there.
        if folder.is_dir() {
            return Ok(folder);
        }

        // The lock is the system's: it goes when its process goes.
        let lock = File::create(cache.join(format!("{}.lock", self.name)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress(&format!("{}: another process builds it, waiting", self.name));
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the build cache"),
        }
        if folder.is_dir() {
            return Ok(folder);
        }
        let building = cache.join(format!("{}.building", self.name));
        if building.exists() {
            // Whoever made it held the lock, so it is dead.
            fs::remove_dir_all(&building)?;
        }
        fs::create_dir(&building)?;
        self.build(programs, &flags, &building, progress)?;
        fs::rename(building.join("bin"), &folder).context("cannot put the built programs in their place")?;
        fs::remove_dir_all(&building)?;
        Ok(folder)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join("go.mod"), self.go_mod)?;
        fs::write(folder.join("go.sum"), self.go_sum)?;
        for (name, source) in self.sources {
            fs::write(folder.join(name), source)?;
        }
        Ok(())
    }

    /// Flags of `go build`. They are part of the cache's key. (`-trimpath` is not among them: it would share nothing
    /// with the ordinary build cache.)
    fn flags(&self) -> Result<Vec<String>> {
        let mut linker = String::from("-s -w");
        if self.programs.iter().any(|(_, package)| package.starts_with("k8s.io/kubernetes/")) {
            // Without a version, clients cannot parse what the server says about itself.
            let version = required_version(self.go_mod, "k8s.io/kubernetes")?;
            let mut numbers = version.trim_start_matches('v').split('.');
            let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
            for (variable, value) in [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)] {
                linker.extend([" -X ", VERSION_PACKAGE, ".", variable, "=", value]);
            }
        }
        let mut flags = vec!["-mod=readonly".into(), "-buildvcs=false".into(), "-ldflags".into(), linker];
        if self.name == PROMETHEUS.name {
            // The clients of two dozen clouds, by which Prometheus finds what to scrape, are most of what there is to build.
            flags.extend(["-tags".into(), "remove_all_sd".into()]);
        }
        Ok(flags)
    }

    fn build(
        &self,
        programs: &[(&str, &str)],
        flags: &[String],
        folder: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<()> {
        self.write(folder)?;
        let (bin, log) = (folder.join("bin"), folder.join("build.log"));
        let scratch = folder.join("tmp");
        fs::create_dir(&bin)?;
        fs::create_dir(&scratch)?;
        let output = match programs {
            // Named, for the package's own name may be another: etcd's is `server`.
            [(name, _)] => bin.join(name),
            // The slash tells Go that it is a folder.
            _ => bin.join(""),
        };
        let names = match programs {
            [(name, _)] => (*name).to_owned(),
            [(name, _), ..] => format!("{name} and friends"),
            [] => bail!("{}: nothing to build", self.name),
        };

        progress(&format!("{names}: building (a first time takes minutes, later ones nothing)"));
        let stderr = File::create(&log)?;
        let started = Instant::now();
        let mut said = started;
        let mut child = go(folder)
            .arg("build")
            .args(flags)
            .arg("-o")
            .arg(&output)
            .args(programs.iter().map(|(_, package)| package))
            // So that what an interrupted build leaves behind is swept up by the next one.
            .env("GOTMPDIR", &scratch)
            .stdout(stderr.try_clone()?)
            .stderr(stderr)
            .spawn()
            .map_err(go_missing)?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if said.elapsed() >= PROGRESS_EVERY {
                said = Instant::now();
                progress(&format!("{names}: {} s ...", started.elapsed().as_secs()));
            }
            sleep(Duration::from_millis(100));
        };
        ensure!(status.success(), "go build of {names}: {status}; {} ends with\n{}", log.display(), log_tail(&log));
        for (name, _) in programs {
            ensure!(bin.join(name).is_file(), "go build made no {name}");
        }
        if self.name == KWOK.name {
            fs::write(bin.join("stages.yaml"), stages(folder)?)?;
        }
        progress(&format!("{names}: built in {} s", started.elapsed().as_secs()));
        Ok(())
    }
}

/// kwok's own stages, from its module, in one file.
fn stages(module: &Path) -> Result<String> {
    let source = run(go(module).args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]))?;
    let mut documents = Vec::new();
    for stage in KWOK_STAGES {
        let folder = Path::new(source.trim()).join("kustomize/stage").join(stage);
        let mut files: Vec<_> = fs::read_dir(&folder)
            .with_context(|| format!("kwok has no stage {stage}"))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|path| path.extension().is_some_and(|ext| ext == "yaml") && !path.ends_with("kustomization.yaml"));
        files.sort();
        ensure!(!files.is_empty(), "{} has no stages", folder.display());
        for file in files {
            documents.push(fs::read_to_string(file)?);
        }
    }
    Ok(documents.join("\n---\n"))
}

/// The version that a go.mod requires of a module, from a line `require path v1.2.3` or one of a block.
fn required_version<'a>(go_mod: &'a str, path: &str) -> Result<&'a str> {
    go_mod
        .lines()
        .find_map(|line| {
            let mut words = line.split_whitespace().skip_while(|word| *word == "require");
            (words.next() == Some(path)).then(|| words.next()).flatten()
        })
        .with_context(|| format!("go.mod does not require {path}"))
}

/// `go`, to be run in a module's folder, apart from what the caller's own Go work is set to.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    // An empty GOFLAGS would let `go env -w` have its say.
    command.current_dir(folder).env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOFLAGS", "-mod=readonly");
    command
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(go_missing)?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}

fn go_missing(error: std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::NotFound {
        anyhow::anyhow!("the control plane is built from Go modules, but there is no `go` in PATH (https://go.dev/dl)")
    } else {
        anyhow::Error::new(error).context("cannot run go")
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
