//! The serving certificate: made in the process, from an authority of its own that signs nothing else.

use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate, its key and the authority that vouches for it.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    /// The authority's certificate in PEM, for `caBundle`.
    pub authority: String,
}

/// Why no certificate could be made or served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("failed to make the serving certificate")]
    Issue(#[from] rcgen::Error),
    /// The certificate could not be served.
    #[error("failed to set up TLS")]
    Serve(#[from] rustls::Error),
}

/// Makes a certificate for these names or addresses, valid from now on for `days`.
///
/// # Errors
///
/// When a name is not one that a certificate can carry.
pub fn issue(names: &[String], now: jiff::Timestamp, days: i64) -> Result<Identity, TlsError> {
    // Clocks of API servers may be behind.
    const SKEW_HOURS: i64 = 1;
    let instant = |hours: i64| {
        let at = now.saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(now);
        let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(
            i32::from(day.year()),
            u8::try_from(day.month()).unwrap_or(1),
            u8::try_from(day.day()).unwrap_or(1),
        )
    };
    let (not_before, not_after) = (instant(-SKEW_HOURS), instant(days * 24));

    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "domicile webhook authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    (authority.not_before, authority.not_after) = (not_before, not_after);
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(names.to_vec())?;
    leaf.distinguished_name.push(DnType::CommonName, "domicile webhook");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    (leaf.not_before, leaf.not_after) = (not_before, not_after);
    let certificate = leaf.signed_by(&key, &issuer)?;
    Ok(Identity {
        chain: vec![certificate.der().clone()],
        key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        authority: authority_pem,
    })
}

/// TLS with this certificate, HTTP/2 first.
///
/// # Errors
///
/// When certificate and key do not belong together.
pub fn config(identity: Identity) -> Result<RustlsConfig, TlsError> {
    Ok(RustlsConfig::from_config(Arc::new(server(identity)?)))
}

/// The same for a certificate that replaces one in use.
///
/// # Errors
///
/// When certificate and key do not belong together.
pub fn server(identity: Identity) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(identity.chain, PrivateKeyDer::Pkcs8(identity.key))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
