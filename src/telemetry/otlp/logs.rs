//! Sends lines of the decision log to a collector, each as a log record of its own: the line as its body, and the ids by which it is
//! found. Whoever writes the log waits until a line is taken, and is told if it is not, as with any other place; nothing is gathered
//! here that could be lost unseen.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::executor::block_on;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_otlp::{LogExporter, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use tokio::runtime::Handle;

use super::sender::Sender;
use super::{OtlpError, Settings, Source, below};
use crate::evidence::record::{Line, Record};
use crate::evidence::sink::Outlet;

/// How long a collector may take for a line, repetitions included. While it takes that long decisions wait, and admission does not.
const PATIENCE: Duration = Duration::from_secs(2);

/// A collector of the decision log.
#[derive(Debug)]
pub struct Collector {
    logger: SdkLogger,
    outcome: Outcome,
    /// Keeps the exporter.
    _provider: SdkLoggerProvider,
}

/// What came of the last record.
type Outcome = Arc<Mutex<OTelSdkResult>>;

impl Collector {
    /// The one that the settings name, if they do. It is not called before there is a line.
    ///
    /// # Errors
    ///
    /// When what it needs cannot be read or does not fit together.
    pub fn named(settings: &Settings, source: Source, runtime: Handle) -> Result<Option<Arc<dyn Outlet>>, OtlpError> {
        let Settings { endpoint, authority, ratio: _ } = settings;
        let Some(endpoint) = endpoint else { return Ok(None) };
        let exporter = LogExporter::builder()
            .with_http()
            .with_http_client(Sender::new(endpoint, authority.as_deref(), PATIENCE, runtime)?)
            .with_endpoint(below(endpoint, "v1/logs"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()?;
        let outcome = Outcome::new(Mutex::new(Ok(())));
        let provider = SdkLoggerProvider::builder()
            .with_resource(source.resource())
            .with_log_processor(AtOnce { exporter, outcome: outcome.clone() })
            .build();
        Ok(Some(Arc::new(Self { logger: provider.logger("domicile"), outcome, _provider: provider })))
    }
}

impl Outlet for Collector {
    fn write(&self, line: &Line, text: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut record = self.logger.create_log_record();
        record.set_event_name("domicile.decision_log");
        record.set_timestamp(line.time.into());
        record.set_observed_timestamp(SystemTime::now());
        record.set_severity_number(Severity::Info);
        record.set_body(text.to_owned().into());
        record.add_attribute("domicile.log.chain", line.chain.clone());
        record.add_attribute("domicile.log.seq", i64::try_from(line.seq).unwrap_or(i64::MAX));
        if let Record::Decision(decision) = &line.record {
            record.add_attribute("domicile.decision.id", decision.id.clone());
        }
        self.logger.emit(record);
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::replace(&mut *outcome, Ok(()))?)
    }
}

/// Exports each record where it is made, and keeps what came of it.
#[derive(Debug)]
struct AtOnce {
    exporter: LogExporter,
    outcome: Outcome,
}

impl LogProcessor for AtOnce {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        use opentelemetry_sdk::logs::LogExporter as _;
        let one = [(&*record, scope)];
        let outcome = block_on(self.exporter.export(LogBatch::new(&one)));
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        use opentelemetry_sdk::logs::LogExporter as _;
        self.exporter.set_resource(resource);
    }
}
