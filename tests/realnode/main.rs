//! The real node: kubelet, containerd, kube-proxy, cluster DNS and enforced NetworkPolicies in namespaces of their own, and
//! the drill that installs the chart there with the operator's image.
//!
//! ```text
//! cargo test --test realnode                # everything; the node is gone afterwards
//! cargo test --test realnode -- --keep      # the node stays: . tests/realnode/env.sh
//! cargo test --test realnode -- --prepare   # programs and images only, then tests/realnode/up.sh and drill.sh
//! cargo test --test realnode -- --release   # with the operator as it is released, which takes minutes more to build
//! ```
//!
//! Not part of a plain `cargo test`, for it needs root and installs packages. Where there can be no node it says so, and passes
//! by that name: `skipped: the real node (...)`.

#![allow(missing_docs, reason = "a program")]

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

#[path = "../controlplane/harness.rs"]
mod harness;
#[path = "../../examples/image/oci.rs"]
mod oci;
#[path = "../../examples/image/root.rs"]
mod root;

use harness::{Binaries, Module};

/// kubelet and kube-proxy, of the same version as the control plane.
const KUBELET: Module = Module {
    name: "kubelet",
    go_mod: include_str!("kubelet/go.mod"),
    go_sum: include_str!("kubelet/go.sum"),
    sources: &[],
    programs: &[("kubelet", "k8s.io/kubernetes/cmd/kubelet"), ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy")],
};

const COREDNS: Module = Module {
    name: "coredns",
    go_mod: include_str!("coredns/go.mod"),
    go_sum: include_str!("coredns/go.sum"),
    sources: &[("main.go", include_str!("coredns/main.go"))],
    programs: &[("coredns", ".")],
};

const NPD: Module = Module {
    name: "npd",
    go_mod: include_str!("npd/go.mod"),
    go_sum: include_str!("npd/go.sum"),
    sources: &[("main.go", include_str!("npd/main.go"))],
    programs: &[("npd", ".")],
};

const PROBE: Module = Module {
    name: "probe",
    go_mod: include_str!("probe/go.mod"),
    go_sum: include_str!("probe/go.sum"),
    sources: &[("main.go", include_str!("probe/main.go"))],
    programs: &[("probe", ".")],
};

/// What the node needs of the distribution: a program and the Debian package that has it.
const PACKAGES: [(&str, &str); 7] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("openssl", "openssl"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = Wanted::read(&arguments).and_then(|wanted| run(&wanted));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What somebody asks for.
#[derive(Debug, Default)]
struct Wanted {
    keep: bool,
    prepare: bool,
    release: bool,
}

impl Wanted {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut wanted = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--keep" => wanted.keep = true,
                "--prepare" => wanted.prepare = true,
                "--release" => wanted.release = true,
                _ => bail!("usage: cargo test --test realnode [-- --keep|--prepare|--release]"),
            }
        }
        Ok(wanted)
    }
}

fn run(wanted: &Wanted) -> Result<()> {
    if let Some(reason) = why_not() {
        println!("skipped: the real node ({reason})");
        return Ok(());
    }
    let started = Instant::now();
    let say = |what: &str| println!("[{:4} s] {what}", started.elapsed().as_secs());
    if let Err(reason) = packages() {
        println!("skipped: the real node ({reason:#})");
        return Ok(());
    }
    let work = work()?;
    say("packages are there");
    programs(&work, &mut |line| say(line))?;
    say("programs are built");
    images(&work, wanted.release)?;
    say("images are packed");
    if wanted.prepare {
        return Ok(());
    }
    script("down.sh", &["--wipe"])?;
    // Nothing of ours is in it yet: a machine that cannot be a node shows here.
    if let Err(reason) = script("up.sh", &[]) {
        script("down.sh", &["--wipe"])?;
        println!("skipped: the real node (it does not come up here: {reason:#})");
        return Ok(());
    }
    let drilled = script("drill.sh", &[]);
    if !wanted.keep {
        script("down.sh", &[])?;
    }
    drilled?;
    say("done");
    Ok(())
}

/// Why there can be no node here.
fn why_not() -> Option<String> {
    // The owner of a process's own entry there is its effective user.
    if std::fs::metadata("/proc/self").map_or(1, |process| process.uid()) != 0 {
        return Some("not root".to_owned());
    }
    let namespaces = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).output();
    if !namespaces.is_ok_and(|output| output.status.success()) {
        return Some("no namespaces can be made".to_owned());
    }
    let missing = missing();
    if !missing.is_empty() && find("apt-get").is_none() {
        return Some(format!("no apt-get to install {}", missing.join(", ")));
    }
    None
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    // An absolute path replaces the folder.
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn missing() -> Vec<&'static str> {
    PACKAGES.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect()
}

/// Installs what is missing, by name.
fn packages() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", "--no-install-recommends"]] {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments[0] == "install" {
            command.args(&missing);
        }
        let output = command.output().context("cannot run apt-get")?;
        ensure!(output.status.success(), "apt-get: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The folder of everything that the node has; env.sh says the same.
fn work() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    set("DOMICILE_REALNODE")
        .or_else(|| cache().map(|cache| cache.join("domicile/realnode")))
        .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place for the node")
}

/// Builds the programs, and names all of them in one folder.
fn programs(work: &Path, progress: &mut dyn FnMut(&str)) -> Result<()> {
    let plane = Binaries::ensure(progress)?;
    let (kubelet, probe) = (KUBELET.folder(progress)?, PROBE.folder(progress)?.join("probe"));
    let bin = work.join("bin");
    if bin.exists() {
        std::fs::remove_dir_all(&bin)?;
    }
    std::fs::create_dir_all(&bin)?;
    for (name, path) in [
        ("etcd", plane.etcd),
        ("kube-apiserver", plane.kube_apiserver),
        ("kube-controller-manager", plane.kube_controller_manager),
        ("kube-scheduler", plane.kube_scheduler),
        ("kubectl", plane.kubectl),
        ("kubelet", kubelet.join("kubelet")),
        ("kube-proxy", kubelet.join("kube-proxy")),
        ("helm", harness::helm(progress)?),
        ("coredns", COREDNS.folder(progress)?.join("coredns")),
        ("npd", NPD.folder(progress)?.join("npd")),
        ("probe", probe.clone()),
    ] {
        std::os::unix::fs::symlink(path, bin.join(name))?;
    }
    // A file of its own: by its path up.sh knows the node's first process.
    std::fs::copy(probe, bin.join("pause"))?;
    Ok(())
}

/// Packs the images that the node is to have.
fn images(work: &Path, release: bool) -> Result<()> {
    let folder = work.join("images");
    std::fs::create_dir_all(&folder)?;
    for (name, program) in [("pause", "pause"), ("coredns", "coredns"), ("probe", "probe")] {
        let content = std::fs::read(work.join("bin").join(program))?;
        let path = format!("/{name}");
        let image = oci::archive(&format!("localhost/{name}:1"), &path, &[oci::File::program(&path, content)])?;
        std::fs::write(folder.join(format!("{name}.tar")), image.bytes)?;
    }
    let binary = if release { root::release()? } else { PathBuf::from(env!("CARGO_BIN_EXE_domicile")) };
    let image = oci::archive("localhost/domicile:drill", root::ENTRYPOINT, &root::operator(&binary)?)?;
    println!("the operator's image: {} KiB to fetch, {}", image.fetched / 1024, image.digest);
    std::fs::write(folder.join("domicile.tar"), image.bytes)?;
    Ok(())
}

fn script(name: &str, arguments: &[&str]) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/realnode").join(name);
    let status = Command::new("bash").arg(path).args(arguments).status().context("cannot run bash")?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}
