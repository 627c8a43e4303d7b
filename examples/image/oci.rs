//! Images of one layer with nothing below, as OCI archives. They run as a user without rights, whose number is 65532.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// The user and group as which it runs.
const USER: &str = "65532:65532";

/// A file of an image; it belongs to root.
pub struct File {
    /// Its absolute path.
    pub path: String,
    /// Its mode.
    pub mode: u32,
    /// What is in it.
    pub content: Vec<u8>,
}

impl File {
    /// One that can be run.
    pub fn program(path: &str, content: Vec<u8>) -> Self {
        Self { path: path.to_owned(), mode: 0o755, content }
    }

    /// One that cannot.
    pub fn data(path: &str, content: Vec<u8>) -> Self {
        Self { path: path.to_owned(), mode: 0o644, content }
    }
}

/// An image as one file.
pub struct Archive {
    /// The tar.
    pub bytes: Vec<u8>,
    /// Digest of the manifest, by which it can be pinned.
    pub digest: String,
    /// Bytes that a node fetches.
    pub fetched: usize,
}

/// Packs an image under a name with a tag. Equal files give equal bytes.
///
/// # Errors
///
/// If a path is too long for a tar.
pub fn archive(name: &str, entrypoint: &str, files: &[File]) -> Result<Archive> {
    let layer = layer(files)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&layer)?;
    let mut blobs = Blobs::default();
    let packed = blobs.add("application/vnd.oci.image.layer.v1.tar+gzip", gzip.finish()?);
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "Entrypoint": [entrypoint], "User": USER, "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let config = blobs.add("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [packed]});
    let mut manifest = blobs.add(kind, manifest.to_string().into_bytes());
    let fetched = blobs.0.iter().map(|(_, content)| content.len()).sum();
    let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
    let tag = name.rsplit_once(':').context("the image's name has no tag")?.1;
    manifest["annotations"] = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag});

    let mut tar = Builder::new(Vec::new());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]}).to_string();
    append(&mut tar, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut tar, "index.json", 0o644, index.as_bytes())?;
    for (name, content) in &blobs.0 {
        append(&mut tar, &format!("blobs/sha256/{name}"), 0o644, content)?;
    }
    Ok(Archive { bytes: tar.into_inner()?, digest, fetched })
}

/// Writes the files below a folder, which is emptied before.
///
/// # Errors
///
/// If it cannot be written.
#[allow(dead_code, reason = "for those who build with a Containerfile")]
pub fn write_files(files: &[File], folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    for file in files {
        let path = folder.join(file.path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().context("a file is no folder")?)?;
        std::fs::write(&path, &file.content)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

#[derive(Default)]
struct Blobs(Vec<(String, Vec<u8>)>);

impl Blobs {
    /// Adds a blob and returns its descriptor.
    fn add(&mut self, kind: &str, content: Vec<u8>) -> Value {
        let digest = digest(&content);
        let descriptor = json!({"mediaType": kind, "digest": digest, "size": content.len()});
        self.0.push((digest.trim_start_matches("sha256:").to_owned(), content));
        descriptor
    }
}

fn digest(content: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(content) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn layer(files: &[File]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    let mut files: Vec<&File> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for file in files {
        let path = file.path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            if folders.insert(&path[..at]) {
                let mut header = header(0o755, 0);
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, &path[..at], std::io::empty())?;
            }
        }
        append(&mut tar, path, file.mode, &file.content)?;
    }
    Ok(tar.into_inner()?)
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    tar.append_data(&mut header(mode, content.len() as u64), path, content)?;
    Ok(())
}

fn header(mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
