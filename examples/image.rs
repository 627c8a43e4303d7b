//! The operator's image, without a base image and without an image builder:
//!
//! ```text
//! cargo run --example image -- domicile.tar        # an OCI archive, for `ctr images import`, skopeo, podman load
//! cargo run --example image -- --root target/image # its files, for the Containerfile
//! ```
//!
//! It builds the release binary, and takes along the loader and the libraries that this binary names. There is no shell
//! and nothing else to run; files are owned by root, and the user that runs it may write nowhere. The same binary and
//! libraries give the same bytes.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

#[path = "image/oci.rs"]
mod oci;
#[path = "image/root.rs"]
mod root;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let name = concat!("localhost/domicile:", env!("CARGO_PKG_VERSION"));
    match arguments {
        ["--root", folder] => {
            let files = root::operator(&root::release()?)?;
            oci::write_files(&files, Path::new(folder)).with_context(|| format!("cannot write {folder}"))?;
            println!("{folder}: {} files, {} KiB", files.len(), size(&files) / 1024);
        }
        [out] if !out.starts_with('-') => write(out, name)?,
        [out, "--name", name] if !out.starts_with('-') => write(out, name)?,
        _ => bail!("usage: cargo run --example image -- OUT.tar [--name NAME:TAG] | --root FOLDER"),
    }
    Ok(())
}

fn write(out: &str, name: &str) -> Result<()> {
    let files = root::operator(&root::release()?)?;
    let image = oci::archive(name, root::ENTRYPOINT, &files)?;
    std::fs::write(out, &image.bytes).with_context(|| format!("cannot write {out}"))?;
    println!("{out}: {name}");
    println!("{} files, {} KiB unpacked, {} KiB to fetch", files.len(), size(&files) / 1024, image.fetched / 1024);
    println!("digest {}", image.digest);
    Ok(())
}

fn size(files: &[oci::File]) -> usize {
    files.iter().map(|file| file.content.len()).sum()
}
