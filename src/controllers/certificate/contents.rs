//! What the Secret holds, and whose it is (no client).

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rustls_pki_types::CertificateDer;

use crate::compile::MANAGED_BY;
use crate::webhook::tls::{self, Pair};

/// Keys of the Secret. The first two and the names are those of the type `kubernetes.io/tls` and of cert-manager.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const AUTHORITIES: &str = "ca.crt";
/// The authority's key stands beside the certificate's: both are changed in one write or not at all, and whoever can read
/// the one could ask for the other.
const AUTHORITY_KEY: &str = "ca.key";

/// Authorities and a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// Those to be trusted, the newest last.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The key of the newest authority. Those of others are gone: they sign nothing more.
    pub authority_key: String,
    /// What is served.
    pub serving: Pair,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents")
            .field("authorities", &self.authorities.len())
            .field("serving", &self.serving)
            .finish_non_exhaustive()
    }
}

impl Contents {
    /// What a Secret holds; nothing if a part is missing or is not text. Without a key of the authority it can be served,
    /// and not renewed.
    pub fn read(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |key: &str| data.get(key).and_then(|value| String::from_utf8(value.0.clone()).ok());
        Some(Self {
            authorities: tls::certificates(&text(AUTHORITIES)?).ok()?,
            authority_key: text(AUTHORITY_KEY).unwrap_or_default(),
            serving: Pair { certificate: text(CERTIFICATE)?, key: text(KEY)? },
        })
    }

    /// As data of a Secret.
    pub fn data(&self) -> BTreeMap<String, ByteString> {
        let Self { authorities, authority_key, serving: Pair { certificate, key } } = self;
        let entry = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
        BTreeMap::from([
            entry(AUTHORITIES, &tls::to_pem(authorities)),
            entry(AUTHORITY_KEY, authority_key),
            entry(CERTIFICATE, certificate),
            entry(KEY, key),
        ])
    }
}

/// Whether the operator made this Secret. What somebody else made is never overwritten.
pub fn is_own(secret: &Secret) -> bool {
    let labels = secret.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(MANAGED_BY.0)).is_some_and(|value| value == MANAGED_BY.1)
}
