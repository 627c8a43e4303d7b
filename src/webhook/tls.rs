//! X.509 for the webhook: makes authorities and certificates, verifies them as the API server does, and serves one that can
//! be replaced while connections go on. When to make which is decided in `controllers::certificate`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use rustls::ServerConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Clocks of API servers may be behind.
const SKEW: Duration = Duration::from_secs(3600);

/// Why a certificate could not be made, read or served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It could not be made.
    #[error("failed to make a certificate")]
    Issue(#[from] rcgen::Error),
    /// The text is not what it should be.
    #[error("failed to read PEM")]
    Pem(#[from] pem::Error),
    /// It is PEM, but no certificate.
    #[error("failed to read a certificate")]
    Parse(#[from] x509_parser::nom::Err<x509_parser::error::X509Error>),
    /// Nobody can trust it.
    #[error("there is no authority to trust")]
    NoAuthority(#[from] rustls::server::VerifierBuilderError),
    /// The name that the API server looks for cannot be one.
    #[error("a certificate cannot carry the name")]
    Name(#[from] rustls_pki_types::InvalidDnsNameError),
    /// It could not be served, or would not be trusted.
    #[error("failed to set up TLS")]
    Serve(#[from] rustls::Error),
}

/// A certificate with its key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, followed by those that vouch for it.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// When it was made; it holds a little longer backwards.
    pub made: Timestamp,
    /// Its last second.
    pub until: Timestamp,
}

impl Validity {
    /// Of a certificate.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let (_, parsed) = X509Certificate::from_der(certificate)?;
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let validity = parsed.validity();
        let made = at(validity.not_before.timestamp()).saturating_add(SKEW).unwrap_or(Timestamp::MAX);
        Ok(Self { made, until: at(validity.not_after.timestamp()) })
    }
}

/// The certificates in a PEM text, in their order.
///
/// # Errors
///
/// When it is not PEM.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(TlsError::from)
}

/// Certificates as a PEM text.
pub fn to_pem<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    use base64::Engine as _;
    let mut text = String::new();
    for certificate in certificates {
        let base64 = base64::engine::general_purpose::STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for start in (0..base64.len()).step_by(LINE) {
            text.push_str(&base64[start..base64.len().min(start + LINE)]);
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// Characters in a line of PEM.
const LINE: usize = 64;

fn dates(params: &mut CertificateParams, now: Timestamp, until: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |at: Timestamp| epoch + Duration::from_secs(at.as_second().try_into().unwrap_or_default());
    params.not_before = at(now.saturating_sub(SKEW).unwrap_or(now));
    params.not_after = at(until);
}

/// Makes an authority that signs nothing but serving certificates of this webhook.
///
/// # Errors
///
/// When there is no randomness.
pub fn authority(now: Timestamp, until: Timestamp) -> Result<Pair, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "domicile webhook authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    dates(&mut params, now, until);
    Ok(Pair { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// Makes a serving certificate for these names or addresses.
///
/// # Errors
///
/// When a name is not one that a certificate can carry, or the authority is none.
pub fn issue(authority: &Pair, names: &[String], now: Timestamp, until: Timestamp) -> Result<Pair, TlsError> {
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "domicile webhook");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    dates(&mut params, now, until);
    Ok(Pair { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

/// Whether a private key belongs to a certificate.
pub fn belong_together(certificate: &CertificateDer<'_>, key: &str) -> bool {
    let Ok(key) = KeyPair::from_pem(key) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    certificate.public_key().raw == key.subject_public_key_info()
}

/// A certificate as it is served.
#[derive(Debug, Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Identity {
    /// Reads certificate and key.
    ///
    /// # Errors
    ///
    /// When one of them is not what it should be, or they do not belong together.
    pub fn new(pair: &Pair) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
        Ok(Self(Arc::new(CertifiedKey::from_der(certificates(&pair.certificate)?, key, &provider())?)))
    }

    /// When it was made and how long it holds.
    ///
    /// # Errors
    ///
    /// When it cannot be told.
    pub fn validity(&self) -> Result<Validity, TlsError> {
        Validity::of(self.0.end_entity_cert()?)
    }

    /// Whether a client that trusts these authorities and looks for this name goes on with it at that time.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub fn verify(&self, trusted: &[CertificateDer<'static>], name: &str, at: Timestamp) -> Result<(), TlsError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider())).build()?;
        let name = ServerName::try_from(name)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().try_into().unwrap_or_default()));
        verifier.verify_server_cert(self.0.end_entity_cert()?, &self.0.cert[1..], &name, &[], at)?;
        Ok(())
    }
}

/// The certificate in use. Replacing it concerns new connections only.
#[derive(Debug, Default)]
pub struct Serving(ArcSwapOption<CertifiedKey>);

impl Serving {
    /// From now on this one.
    pub fn set(&self, identity: &Identity) {
        self.0.store(Some(identity.0.clone()));
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// Whose cryptography is used, for all that the operator serves and calls.
pub fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// TLS with whatever certificate is in use, HTTP/2 first. As long as there is none, connections are refused at once.
///
/// # Errors
///
/// When the library does not know its own protocol.
pub fn config(serving: Arc<Serving>) -> Result<RustlsConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(serving);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}
