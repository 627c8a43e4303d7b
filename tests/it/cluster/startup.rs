//! How the operator comes and goes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;

use crate::client::reference;
use crate::operator::{Operator, Setup};
use crate::plane::{Plane, alone, restarted};
use crate::poll::{PATIENCE, until, yes};

#[test]
fn the_operator_is_ready_within_seconds() {
    let plane = alone();
    let started = Instant::now();
    let _operator = Operator::started(&plane.operator);
    let took = started.elapsed();
    println!("ready {took:?} after its start");
    // Two seconds is what it should take; a machine that runs other tests beside may need more.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_operator_that_comes_before_the_api_server_becomes_ready_with_it() {
    let plane = restarted();
    plane.control.stop_apiserver();
    let mut operator = Operator::start(&plane.operator);
    until("the operator answers probes", PATIENCE, || yes(operator.get("/healthz").is_some(), operator.log_tail()));
    assert!(!operator.ready(), "nobody has told it anything yet");
    plane.control.start_apiserver().unwrap();
    operator.wait_until_ready();
}

#[test]
fn an_operator_that_is_told_to_stop_answers_what_it_was_asked_before() {
    let plane = alone();
    let operator = Operator::started(&plane.operator);
    let mut stream = connect(&plane, &plane.operator);
    // Nobody knows this namespace, so that the answer has to wait for the watches.
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "in-flight", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
        "namespace": "startup-nowhere", "name": "app", "object": {"metadata": {"name": "app"}, "spec": {}},
    }})
    .to_string();
    let asked = Instant::now();
    write!(
        stream,
        "POST /validate/labelled HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{review}",
        review.len()
    )
    .unwrap();
    stream.flush().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    operator.terminate();
    until("the signal is heard", PATIENCE, || yes(!operator.ready(), "still ready"));
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    assert!(asked.elapsed() > Duration::from_secs(1), "it did not wait: {answer}");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"uid\":\"in-flight\""), "{read:?}: {answer}");
    assert!(answer.contains("namespace startup-nowhere is not known yet; retry"), "{answer}");
    let status = operator.wait();
    assert_eq!(status.code(), Some(0), "{status}");
}

/// A connection to the webhook, trusted by what the operator registered.
fn connect(plane: &Plane, setup: &Setup) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let configuration = reference("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "domicile");
    let configuration = plane.admin.get(&configuration).unwrap();
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap();
    let pem = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", setup.webhook_port)).unwrap();
    rustls::StreamOwned::new(connection, stream)
}
