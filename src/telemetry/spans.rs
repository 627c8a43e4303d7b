//! Spans: what is told of reviews and of turns of controllers to whoever follows requests through the cluster. Nothing here sends
//! them anywhere; that is the business of the exporter, which listens to one target and to nothing else.
//!
//! A span says what a log line may say and no more: names, kinds, rules, verdicts. No content of an object, no message, no user.
//! While nobody listens, none is made: a disabled callsite costs a load and a branch.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use super::Metrics;

/// The target of every span, and of nothing else.
pub const TARGET: &str = "domicile::spans";

/// How long an attribute becomes, in bytes: names of Kubernetes are never longer.
pub const LONGEST: usize = 253;

/// Notes an attribute that the span has room for, at most as long as names are.
pub fn note(span: &Span, field: &str, value: &str) {
    if !value.is_empty() {
        let end = (0..=value.len().min(LONGEST)).rev().find(|end| value.is_char_boundary(*end)).unwrap_or_default();
        span.record(field, &value[..end]);
    }
}

/// A controller's turn, from its start to its end.
#[derive(Debug)]
pub struct Turn<'a> {
    metrics: &'a Metrics,
    controller: &'static str,
    started: Instant,
    span: Span,
}

impl Metrics {
    /// A controller begins its turn.
    pub fn turn(&self, controller: &'static str) -> Turn<'_> {
        let span = tracing::info_span!(
            target: TARGET, parent: None, "reconcile",
            "otel.name" = format_args!("reconcile {controller}"),
            "domicile.controller" = controller,
            "domicile.result" = Empty,
        );
        Turn { metrics: self, controller, started: Instant::now(), span }
    }
}

impl Turn<'_> {
    /// How long it has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// It ends, with everything done or not.
    pub fn ended(self, done: bool) {
        let result = self.metrics.reconciled(self.controller, self.started, done);
        note(&self.span, "domicile.result", result);
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::*;
    use crate::telemetry::{Listener, LogFormat, subscriber};

    /// Whether the span of a turn exists, under what is logged and heard.
    fn exists(log: &str, listener: Option<Listener>) -> bool {
        with_default(subscriber(LogFormat::Json, log, listener), || {
            !Metrics::default().turn("nodes").span.is_disabled()
        })
    }

    #[test]
    fn while_nobody_listens_there_are_no_spans_whatever_is_logged() {
        for log in ["info", "trace", "off,domicile=trace", "domicile::spans=trace", "nonsense=nonsense"] {
            assert!(!exists(log, None), "{log}");
        }
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn whoever_listens_hears_of_spans_whatever_is_logged() {
        use clap::Parser as _;

        use crate::telemetry::otlp::{Exporter, Settings, Source};

        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            settings: Settings,
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let start = |flags: &[&str]| {
            let flags = Flags::try_parse_from([&["domicile"], flags].concat()).unwrap();
            let source = Source { replica: "a".to_owned(), pod: None, namespace: "b".to_owned() };
            Exporter::start(&flags.settings, source, runtime.handle().clone(), Metrics::default().spans_lost).unwrap()
        };
        assert!(start(&[]).is_none());
        let exporter = start(&["--otlp-endpoint", "http://127.0.0.1:1"]).unwrap();
        for log in ["info", "off", "domicile::spans=off"] {
            assert!(exists(log, Some(exporter.listener())), "{log}");
        }
        exporter.close();
    }
}
