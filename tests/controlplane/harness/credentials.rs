//! Keys, certificates, tokens and the kubeconfigs that carry them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::build::hex;

/// What the API server is called in its certificate. The last is the first address of `SERVICE_RANGE`, which is the
/// service `kubernetes`.
const SERVER_NAMES: [&str; 6] =
    ["localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1"];

/// Where services get their addresses from.
pub(super) const SERVICE_RANGE: &str = "10.96.0.0/16";

/// The user of [`super::ControlPlane::kubeconfig`], in the group `system:masters`.
pub(super) const ADMIN: &str = "admin";

/// Everything by which the processes and users of a control plane know each other.
#[derive(Debug)]
pub(super) struct Credentials {
    url: String,
    ca: String,
    /// Token and kubeconfig by user.
    users: BTreeMap<String, (String, PathBuf)>,
    pub(super) files: Files,
}

/// Files that the processes get by their flags.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) ca: PathBuf,
    pub(super) server: PathBuf,
    pub(super) server_key: PathBuf,
    /// The key that signs the tokens of service accounts,
    pub(super) accounts_key: PathBuf,
    /// and its public half.
    pub(super) accounts: PathBuf,
    pub(super) tokens: PathBuf,
}

impl Credentials {
    /// Makes all of it in `folder`, for a server at `url`.
    pub(super) fn create(folder: &Path, url: String, users: &[(String, Vec<String>)]) -> Result<Self> {
        let file = |name: &str| folder.join(name);
        let files = Files {
            ca: file("ca.crt"),
            server: file("apiserver.crt"),
            server_key: file("apiserver.key"),
            accounts_key: file("service-accounts.key"),
            accounts: file("service-accounts.pub"),
            tokens: file("tokens.csv"),
        };

        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "domicile test control plane");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let server_key = KeyPair::generate()?;
        let mut server = CertificateParams::new(SERVER_NAMES.map(String::from))?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let server = server.signed_by(&server_key, &Issuer::new(ca, ca_key))?;
        let accounts = KeyPair::generate()?;
        fs::write(&files.ca, &ca_pem)?;
        fs::write(&files.server, server.pem())?;
        fs::write(&files.server_key, server_key.serialize_pem())?;
        fs::write(&files.accounts_key, accounts.serialize_pem())?;
        // The API server does not take this kind of private key where it wants a public one.
        fs::write(&files.accounts, accounts.public_key_pem())?;

        let mut credentials = Self { url, ca: ca_pem, users: BTreeMap::new(), files };
        let mut table = String::new();
        let admin = (ADMIN.to_owned(), vec!["system:masters".to_owned()]);
        for (name, groups) in [&admin].into_iter().chain(users) {
            ensure!(!credentials.users.contains_key(name), "user {name} is declared twice (`{ADMIN}` is always there)");
            let token = random_token()?;
            // token, user, uid, groups
            let row =
                [&token, name, name, &groups.join(",")].map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
            table.push_str(&row.join(","));
            table.push('\n');
            // A user may be called system:node:x or worse, so files are numbered.
            let path = folder.join(format!("user-{}.kubeconfig", credentials.users.len()));
            credentials.write_kubeconfig(&path, name, &token)?;
            credentials.users.insert(name.clone(), (token, path));
        }
        fs::write(&credentials.files.tokens, table)?;
        Ok(credentials)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn ca_pem(&self) -> &str {
        &self.ca
    }

    pub(super) fn token(&self, user: &str) -> Result<&str> {
        Ok(&self.user(user)?.0)
    }

    pub(super) fn kubeconfig(&self, user: &str) -> Result<&Path> {
        Ok(&self.user(user)?.1)
    }

    fn user(&self, name: &str) -> Result<&(String, PathBuf)> {
        self.users
            .get(name)
            .with_context(|| format!("user {name} is not among the users of the control plane's options"))
    }

    pub(super) fn write_kubeconfig(&self, path: &Path, user: &str, token: &str) -> Result<()> {
        let name = "domicile-test";
        // YAML contains JSON.
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": name, "cluster": { "server": self.url, "certificate-authority": self.files.ca } }],
            "users": [{ "name": user, "user": { "token": token } }],
            "contexts": [{ "name": name, "context": { "cluster": name, "user": user } }],
            "current-context": name,
        });
        fs::write(path, serde_json::to_vec_pretty(&config)?).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A new key is the randomness at hand.
fn random_token() -> Result<String> {
    Ok(hex(&Sha256::digest(KeyPair::generate()?.serialize_der())))
}
