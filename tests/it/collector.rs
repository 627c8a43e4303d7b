//! A collector of traces and logs in this process: takes OTLP over HTTP and keeps what it is sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;

use crate::client::RUNTIME;
use crate::poll::{PATIENCE, until};

/// Attributes as text, by their names.
pub type Attributes = BTreeMap<String, String>;

/// What is told of a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub name: String,
    /// In hexadecimal, like the two that follow.
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    pub state: String,
    pub attributes: Attributes,
    /// Whose span it is.
    pub resource: Attributes,
    /// Words beside it: events, and the message of its status.
    pub words: usize,
}

/// What came, as it came.
#[derive(Default)]
struct Received {
    spans: Mutex<Vec<Bytes>>,
    logs: Mutex<Vec<Bytes>>,
}

/// Ends when dropped.
pub struct Collector {
    pub address: SocketAddr,
    received: Arc<Received>,
    handle: Handle<SocketAddr>,
}

impl Collector {
    /// In plain HTTP.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Over TLS, or in plain HTTP.
    pub fn start_with(tls: Option<RustlsConfig>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), tls)
    }

    /// The same at an address, where one may have been before.
    pub fn start_at(address: SocketAddr, tls: Option<RustlsConfig>) -> Self {
        let received = Arc::<Received>::default();
        let app = Router::new()
            .route("/v1/traces", post(take_spans))
            .route("/v1/logs", post(take_logs))
            .with_state(received.clone());
        let bind = || TcpListener::bind(address).map_err(|error| error.to_string());
        let listener = until("the address is free", PATIENCE, bind);
        listener.set_nonblocking(true).unwrap();
        let (address, handle) = (listener.local_addr().unwrap(), Handle::new());
        let app = app.into_make_service();
        let _guard = RUNTIME.enter();
        if let Some(tls) = tls {
            let server = axum_server::from_tcp_rustls(listener, tls).unwrap().handle(handle.clone());
            drop(RUNTIME.spawn(server.serve(app)));
        } else {
            let server = axum_server::from_tcp(listener).unwrap().handle(handle.clone());
            drop(RUNTIME.spawn(server.serve(app)));
        }
        Self { address, received, handle }
    }

    /// Where to send spans.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans, as they came.
    pub fn raw(&self) -> Vec<u8> {
        self.received.spans.lock().unwrap().concat()
    }

    /// Every log record that came: its body and its attributes.
    pub fn logs(&self) -> Vec<(String, Attributes)> {
        let received = self.received.logs.lock().unwrap().clone();
        let requests = received.iter().map(|body| ExportLogsServiceRequest::decode(body.clone()).unwrap());
        let groups = requests.flat_map(|request| request.resource_logs).flat_map(|group| group.scope_logs);
        let records = groups.flat_map(|scope| scope.log_records);
        records
            .map(|record| (text(record.body.unwrap().value.as_ref().unwrap()), attributes(&record.attributes)))
            .collect()
    }

    /// Every span that came.
    pub fn spans(&self) -> Vec<Seen> {
        let received = self.received.spans.lock().unwrap().clone();
        let requests = received.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        let mut seen = Vec::new();
        for group in requests.flat_map(|request| request.resource_spans) {
            let resource = attributes(&group.resource.unwrap().attributes);
            for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                seen.push(Seen {
                    name: span.name,
                    trace: hexadecimal(&span.trace_id),
                    id: hexadecimal(&span.span_id),
                    parent: hexadecimal(&span.parent_span_id),
                    state: span.trace_state,
                    attributes: attributes(&span.attributes),
                    resource: resource.clone(),
                    words: span.events.len() + span.links.len() + span.status.map_or(0, |status| status.message.len()),
                });
            }
        }
        seen
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

async fn take_spans(State(received): State<Arc<Received>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    received.spans.lock().unwrap().push(body);
    StatusCode::OK
}

async fn take_logs(State(received): State<Arc<Received>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    received.logs.lock().unwrap().push(body);
    StatusCode::OK
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(truth) => truth.to_string(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn attributes(list: &[KeyValue]) -> Attributes {
    list.iter().map(|one| (one.key.clone(), text(one.value.as_ref().unwrap().value.as_ref().unwrap()))).collect()
}
