//! What is in the operator's image.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::oci::File;

/// What the image runs.
pub const ENTRYPOINT: &str = "/domicile";

/// The files around an operator's program.
///
/// # Errors
///
/// If the program or a library of it cannot be read.
pub fn operator(binary: &Path) -> Result<Vec<File>> {
    let mut files = vec![
        File::program(ENTRYPOINT, read(binary)?),
        // A name for the user, for those who look.
        File::data("/etc/passwd", b"root:x:0:0:root:/:\ndomicile:x:65532:65532:domicile:/:\n".to_vec()),
        File::data("/etc/group", b"root:x:0:\ndomicile:x:65532:\n".to_vec()),
    ];
    for library in libraries(binary)? {
        let content = read(&library)?;
        files.push(File::program(library.to_str().context("a library's path is not UTF-8")?, content));
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Builds the operator for release, and says where it is.
///
/// # Errors
///
/// If the build fails.
pub fn release() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").context("run this by cargo")?;
    let status = Command::new(cargo)
        .args(["build", "--locked", "--release", "--bin", "domicile"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the release build failed: {status}");
    // This program is TARGET/PROFILE/examples/image or TARGET/PROFILE/deps/realnode-...
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(3).context("this program is in no target folder")?;
    Ok(target.join("release/domicile"))
}

/// The loader and the libraries of a program, at the paths where the loader looks for them. None of a static program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let nothing = [text.as_str(), &String::from_utf8_lossy(&output.stderr)]
        .iter()
        .any(|said| said.contains("statically linked") || said.contains("not a dynamic executable"));
    if nothing {
        return Ok(Vec::new());
    }
    ensure!(output.status.success(), "ldd {}: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    let mut found = Vec::new();
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, `/lib64/ld-linux-x86-64.so.2 (0x...)`; the kernel's own has no
    // path.
    for line in text.lines() {
        if line.contains("not found") {
            bail!("{}: {}", program.display(), line.trim());
        }
        found.extend(line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from));
    }
    found.sort();
    Ok(found)
}
