//! The admission webhook: HTTP and nothing else. What to answer is decided in `admit`, what is right in `engine`.

pub mod admit;
mod recorded;
mod review;
pub mod tls;
mod traced;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};

use crate::state::Shared;
use admit::{Phase, Scope};
use traced::Trace;

/// The API server limits an object to 3 MiB; an update carries two, and the review around them is small.
const LARGEST_REVIEW: usize = 8 * 1024 * 1024;

/// The routes that the API server calls.
pub fn app(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/{phase}/{scope}", post(review))
        .layer(DefaultBodyLimit::max(LARGEST_REVIEW))
        .with_state(shared)
}

/// The routes for kubelet and Prometheus. Plain HTTP, on a port of its own.
pub fn health(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

/// Serves an app over TLS, HTTP/2 first, until the handle says stop.
///
/// # Errors
///
/// When the socket cannot be used.
pub fn serve(
    listener: TcpListener,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    app: Router,
) -> std::io::Result<impl Future<Output = std::io::Result<()>>> {
    // Answers are small and each is waited for: holding them back to fill packets only adds delay.
    let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
    Ok(axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle).serve(app.into_make_service()))
}

async fn review(
    State(shared): State<Arc<Shared>>,
    Path((phase, scope)): Path<(Phase, Scope)>,
    version: Version,
    trace: Trace,
    body: Bytes,
) -> Response {
    last(&shared, version, answer(&shared, phase, scope, &body, &trace).await)
}

/// API servers keep connections, and HTTP/1.1 is what they use for webhooks: one that is told to close does not send the
/// next review into a connection that ends under it. HTTP/2 has a message of its own for that.
fn last(shared: &Shared, version: Version, mut response: Response) -> Response {
    if shared.is_stopping() && version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn answer(shared: &Shared, phase: Phase, scope: Scope, body: &[u8], trace: &Trace) -> Response {
    let arrived = Instant::now();
    if !shared.synced() {
        trace.failed();
        return (StatusCode::SERVICE_UNAVAILABLE, "caches are not full yet; retry").into_response();
    }
    let answer = admit::review(shared, phase, scope, body, trace).await;
    shared.metrics.admission_seconds.observe(arrived.elapsed().as_secs_f64());
    match answer {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => {
            trace.failed();
            (StatusCode::BAD_REQUEST, format!("not an admission review: {error}")).into_response()
        }
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.ready() {
        Ok(()) => "ok".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_string()).into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.metrics.registry()) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
