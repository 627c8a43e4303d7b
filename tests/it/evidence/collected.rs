//! A log that goes to a collector: nothing is lost unseen.

use std::net::SocketAddr;
use std::sync::Arc;

use domicile::evidence::key::Keys;
use domicile::evidence::log::{Keyring, Log, Running, Settings};
use domicile::evidence::sink::Destination;
use domicile::evidence::verify::{Between, verify};
use domicile::telemetry::Metrics;
use domicile::telemetry::otlp::{self, Source};
use tokio::sync::watch;

use super::{few, inputs};
use crate::client::RUNTIME;
use crate::collector::Collector;
use crate::poll::{PATIENCE, until, yes};

/// A log that goes to this address.
fn log(address: SocketAddr, keys: &Arc<Keys>, metrics: &Metrics) -> (Log, Running) {
    let endpoint = format!("http://{address}").parse().unwrap();
    let settings = otlp::Settings { endpoint: Some(endpoint), authority: None, ratio: 1.0 };
    let source = Source { replica: "one".to_owned(), pod: None, namespace: "domicile-system".to_owned() };
    let outlet = otlp::logs::Collector::named(&settings, source, RUNTIME.handle().clone()).unwrap().unwrap();
    let settings = Settings { destination: Destination::Outlet(outlet), replica: "one".to_owned() };
    let (_, keyring) = watch::channel(Keyring::Known(keys.clone(), None));
    Log::start(settings, keyring, metrics.clone()).unwrap()
}

/// The lines that a collector was sent, as a file.
fn file(collector: &Collector) -> Vec<u8> {
    collector.logs().into_iter().flat_map(|(body, _)| (body + "\n").into_bytes()).collect()
}

#[test]
fn every_line_is_a_record_with_its_ids_and_all_of_them_are_the_log() {
    let (collector, keys, few) = (Collector::start(), Arc::new(Keys::make().unwrap()), few());
    let (log, running) = log(collector.address, &keys, &Metrics::default());
    for draft in &few {
        log.write(draft.clone());
    }
    running.close();
    let report = verify(&inputs(&[("log".to_owned(), file(&collector))]), Some(&keys.public()), Between::Nothing);
    assert_eq!((&report.breaks, &report.notes, report.unvouched), (&Vec::new(), &Vec::new(), 0));
    assert_eq!(report.decisions, few.len());
    let ids: Vec<_> = collector.logs().iter().filter_map(|(_, ids)| ids.get("domicile.decision.id").cloned()).collect();
    assert_eq!(ids, few.iter().map(|draft| draft.id.clone()).collect::<Vec<_>>());
    for (at, (body, ids)) in collector.logs().iter().enumerate() {
        assert_eq!(ids["domicile.log.seq"], at.to_string());
        assert!(body.contains(&format!("\"chain\":\"{}\"", ids["domicile.log.chain"])), "{body}");
    }
}

#[test]
fn what_a_collector_does_not_take_is_counted_and_told_when_it_is_there_again() {
    let (keys, few, metrics) = (Arc::new(Keys::make().unwrap()), few(), Metrics::default());
    let collector = Collector::start();
    let address = collector.address;
    let (log, running) = log(address, &keys, &metrics);
    log.write(few[0].clone());
    until("the first is taken", PATIENCE, || yes(collector.logs().len() > 1, collector.logs().len()));
    drop(collector);
    until("what comes now is lost", PATIENCE, || {
        log.write(few[1].clone());
        yes(metrics.decisions_lost.get() > 0, "nothing is")
    });
    let collector = Collector::start_at(address, None);
    let told = || file(&collector).windows(10).any(|bytes| bytes == b"\"decisions");
    until("the loss is told", PATIENCE, || {
        log.write(few[0].clone());
        yes(told(), String::from_utf8_lossy(&file(&collector)))
    });
    running.close();
    let report = verify(&inputs(&[("log".to_owned(), file(&collector))]), Some(&keys.public()), Between::Nothing);
    assert_eq!((report.breaks, report.unvouched), (Vec::new(), 0));
    assert!(report.decisions > 0);
}
