//! Sends what is exported, with what the operator calls the API server with, and on its runtime: the threads that export have none.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use url::Url;

use super::OtlpError;
use crate::webhook::tls;

/// Collectors answer with next to nothing.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Sends to one collector.
#[derive(Debug)]
pub struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
    runtime: Handle,
}

impl Sender {
    /// Trusts this authority, or those that the system trusts.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn new(
        endpoint: &Url,
        authority: Option<&Path>,
        patience: Duration,
        runtime: Handle,
    ) -> Result<Self, OtlpError> {
        let provider = tls::provider().into();
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = match authority {
            Some(file) => {
                let pem = std::fs::read_to_string(file).map_err(|error| OtlpError::Read(file.to_owned(), error))?;
                let mut roots = rustls::RootCertStore::empty();
                roots.add_parsable_certificates(tls::certificates(&pem)?);
                tls.with_root_certificates(roots)
            }
            // Without TLS nobody need be trusted, and a minimal image knows nobody.
            None if endpoint.scheme() == "http" => tls.with_root_certificates(rustls::RootCertStore::empty()),
            None => tls.with_native_roots().map_err(OtlpError::System)?,
        };
        let tls = tls.with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), patience, runtime })
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, patience) = (self.client.clone(), self.patience);
        let sending = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        self.runtime.spawn(async move { tokio::time::timeout(patience, sending).await }).await??
    }
}
