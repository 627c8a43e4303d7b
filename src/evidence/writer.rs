//! The thread that writes the log: decisions in, chained lines out (no client).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use jiff::Timestamp;
use tokio::sync::watch;

use super::digest::{Digest, hexadecimal};
use super::key::Keys;
use super::log::{Draft, Keyring, Message, Settings};
use super::record::{Chain, Context, Decision, File, Follows, Found, Line, Lost, Part, Place, Record, Seal};
use super::sink::{Sink, SinkError};
use crate::interpret::basis::Basis;
use crate::telemetry::Metrics;

/// A checkpoint follows this many lines at the latest.
const LINES_UNSEALED: u64 = 1000;
/// And this much time after the first line that nobody has vouched for.
const TIME_UNSEALED: Duration = Duration::from_secs(5);
/// How long the first line waits for the keys. After that it is written, and checkpoints come when they do.
const PATIENCE: Duration = Duration::from_secs(10);
/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked at what is due while nothing comes.
const TICK: Duration = Duration::from_millis(500);

/// Why a line was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("failed to write a record as JSON")]
    Json(#[from] serde_json::Error),
}

/// What is being written.
struct Open {
    sink: Sink,
    chain: String,
    seq: u64,
    previous: Digest,
    /// Digests of the context that stands in this file.
    context: Option<(Digest, Digest, Digest)>,
    /// Lines since the last seal, and when the first of them was written.
    unsealed: u64,
    since: Option<Instant>,
}

/// The writer's side of a log.
pub struct Writer {
    settings: Settings,
    keys: watch::Receiver<Keyring>,
    lost: Arc<AtomicU64>,
    checkpoint: watch::Sender<Option<Follows>>,
    metrics: Metrics,
    open: Option<Open>,
    /// The last time that opening failed.
    failed: Option<Instant>,
    known: Option<Known>,
    catalogue: Option<Digest>,
}

/// The context of the last decision, by the snapshot's own basis.
struct Known {
    basis: Arc<Basis>,
    policies: Digest,
    lawbook: Digest,
}

/// Writes what comes until it is told to stop.
pub fn run(mut writer: Writer, messages: &Receiver<Message>, waiting: &AtomicUsize) {
    writer.wait_for_keys();
    writer.start();
    loop {
        match messages.recv_timeout(TICK) {
            Ok(Message::Decision(draft)) => {
                waiting.fetch_sub(1, Ordering::Relaxed);
                writer.decision(*draft);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
        }
        writer.seal_when_due();
    }
    writer.end();
}

impl Writer {
    /// Nothing is open yet.
    pub fn new(
        settings: Settings,
        keys: watch::Receiver<Keyring>,
        lost: Arc<AtomicU64>,
        checkpoint: watch::Sender<Option<Follows>>,
        metrics: Metrics,
    ) -> Self {
        let (open, failed, known, catalogue) = (None, None, None, None);
        Self { settings, keys, lost, checkpoint, metrics, open, failed, known, catalogue }
    }

    fn wait_for_keys(&self) {
        let started = Instant::now();
        while matches!(*self.keys.borrow(), Keyring::Unknown) && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        match &*self.keys.borrow() {
            Keyring::Known(keys, _) => Some(keys.clone()),
            Keyring::Unknown | Keyring::None => None,
        }
    }

    /// Begins before anything is decided, so that a file that cannot be used is told at once.
    fn start(&mut self) {
        if let Err(error) = self.make_ready() {
            self.give_up(&error);
        }
    }

    fn decision(&mut self, draft: Draft) {
        // What has just failed fails again, and would only hold up what waits.
        let done = if self.is_waiting() { Ok(false) } else { self.try_decision(draft).map(|()| true) };
        if matches!(done, Ok(true)) {
            return;
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.metrics.decisions_lost.inc();
        if let Err(error) = done {
            self.give_up(&error);
        }
    }

    fn is_waiting(&self) -> bool {
        self.open.is_none() && self.failed.is_some_and(|failed| failed.elapsed() < RETRY)
    }

    /// A line may stand there unfinished: what comes next opens the file anew, and begins a chain after it.
    fn give_up(&mut self, error: &WriteError) {
        tracing::error!(error = %crate::controllers::watch::chain(error), "failed to write the decision log");
        self.open = None;
        self.failed = Some(Instant::now());
    }

    fn try_decision(&mut self, draft: Draft) -> Result<(), WriteError> {
        self.make_ready()?;
        let (policies, lawbook) = self.context(&draft.basis)?;
        let Draft { id, at, channel, operation, dry_run, object, user, outcome, judgement, basis: _ } = draft;
        let verdict = &judgement.verdict;
        let decision = Decision {
            id,
            channel,
            operation,
            dry_run,
            object,
            user: user.and_then(|user| Some(self.keys()?.hash(&user))),
            outcome,
            legal: verdict.legal,
            holds_until: verdict.holds_until,
            findings: Found::all(&verdict.findings),
            policies,
            lawbook,
            decided: Part::all(&judgement)?,
        };
        self.line(at, Record::Decision(Box::new(decision)))
    }

    /// Opens what is not open, and tells what was lost since it was.
    fn make_ready(&mut self) -> Result<(), WriteError> {
        if self.open.is_none() {
            self.begin()?;
        }
        let decisions = self.lost.swap(0, Ordering::Relaxed);
        if decisions > 0
            && let Err(error) = self.line(Timestamp::now(), Record::Lost(Lost { decisions }))
        {
            self.lost.fetch_add(decisions, Ordering::Relaxed);
            return Err(error);
        }
        Ok(())
    }

    /// Begins a chain after what is there.
    fn begin(&mut self) -> Result<(), WriteError> {
        let (sink, mut tail) = Sink::open(&self.settings.destination)?;
        if !self.settings.destination.can_be_read()
            && let Keyring::Known(_, kept) = &*self.keys.borrow()
        {
            let own = self.checkpoint.borrow().clone();
            tail.follows = own.or_else(|| kept.clone()).map(|kept| Follows { at: Place::Elsewhere, ..kept });
        }
        let mut random = [0; 8];
        rand::fill(&mut random).map_err(|_| SinkError::Stdout(std::io::Error::other("no random numbers")))?;
        let previous = tail.follows.as_ref().map_or(Digest::ZERO, |follows| follows.digest);
        self.open =
            Some(Open { sink, chain: hexadecimal(&random), seq: 0, previous, context: None, unsealed: 0, since: None });
        self.failed = None;
        let chain = Chain {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            replica: self.settings.replica.clone(),
            key: self.keys().map(|keys| keys.public().base64()),
            follows: tail.follows,
            torn: tail.torn,
        };
        self.line(Timestamp::now(), Record::Chain(Box::new(chain)))
    }

    /// Writes what decisions rest on where it does not stand in the file yet; its digests.
    fn context(&mut self, basis: &Arc<Basis>) -> Result<(Digest, Digest), WriteError> {
        let catalogue = *self.catalogue.get_or_insert_with(crate::catalogue::digest);
        let known = self.known.take().filter(|known| Arc::ptr_eq(&known.basis, basis)).unwrap_or_else(|| Known {
            basis: basis.clone(),
            policies: Digest::of_json(&basis.rules),
            lawbook: Digest::of_json(&(&basis.law, catalogue)),
        });
        let (policies, lawbook) = (known.policies, known.lawbook);
        self.known = Some(known);
        let digests = Some((policies, lawbook, basis.places));
        // Once for what is open now, and again if its line turns the file over.
        while self.open.as_ref().is_some_and(|open| open.context != digests) {
            let context = Context {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                catalogue,
                places: basis.places,
                policies,
                lawbook,
                rules: basis.rules.clone(),
                law: basis.law.clone(),
            };
            self.line(Timestamp::now(), Record::Context(Box::new(context)))?;
            if let Some(open) = &mut self.open {
                open.context = digests;
            }
        }
        Ok((policies, lawbook))
    }

    /// Writes a line, and turns the file over first where it is full.
    fn line(&mut self, time: Timestamp, record: Record) -> Result<(), WriteError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let line = open.next(time, record);
        if open.sink.is_full(line.write()?.len()) {
            return self.turn(line);
        }
        open.put(&line)
    }

    /// Goes on in a new file, which begins by saying so and can be read by itself: what the line rests on comes before it.
    fn turn(&mut self, line: Line) -> Result<(), WriteError> {
        let Line { time, record, .. } = line;
        self.seal()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        open.sink.turn()?;
        open.context = None;
        let file = File { version: env!("CARGO_PKG_VERSION").to_owned(), replica: self.settings.replica.clone() };
        let first = open.next(Timestamp::now(), Record::File(file));
        open.put(&first)?;
        if matches!(record, Record::Decision(_))
            && let Some(known) = &self.known
        {
            let basis = known.basis.clone();
            self.context(&basis)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let line = open.next(time, record);
        open.put(&line)
    }

    /// Vouches for what was written, where there is a key.
    fn seal(&mut self) -> Result<(), WriteError> {
        let Some(keys) = self.keys() else { return Ok(()) };
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut line = open.next(Timestamp::now(), Record::Checkpoint(Seal { key: None, signature: None }));
        line.record = Record::Checkpoint(keys.seal(&line));
        open.put(&line)?;
        open.sink.sync()?;
        self.sealed();
        Ok(())
    }

    fn sealed(&mut self) {
        if let Some(open) = &mut self.open {
            (open.unsealed, open.since) = (0, None);
            let (chain, seq, digest) = (open.chain.clone(), open.seq - 1, open.previous);
            self.checkpoint.send_replace(Some(Follows { chain, seq, digest, at: Place::Elsewhere }));
        }
    }

    fn seal_when_due(&mut self) {
        let due = self.open.as_ref().is_some_and(|open| {
            open.unsealed >= LINES_UNSEALED || open.since.is_some_and(|since| since.elapsed() >= TIME_UNSEALED)
        });
        let done = if due {
            self.seal()
        } else if self.open.is_none() && !self.is_waiting() {
            // Also when nothing more is decided: what was lost should be told.
            self.make_ready()
        } else {
            return;
        };
        if let Err(error) = done {
            self.give_up(&error);
        }
    }

    /// Ends the chain.
    fn end(&mut self) {
        let keys = self.keys();
        let mut end = || {
            if self.lost.load(Ordering::Relaxed) > 0 {
                self.make_ready()?;
            }
            let Some(open) = &mut self.open else { return Ok(()) };
            let mut line = open.next(Timestamp::now(), Record::End(Seal { key: None, signature: None }));
            if let Some(keys) = &keys {
                line.record = Record::End(keys.seal(&line));
            }
            open.put(&line)?;
            Ok(open.sink.sync()?)
        };
        if let Err(error) = end() {
            self.give_up(&error);
        } else if self.open.is_some() && keys.is_some() {
            self.sealed();
        }
    }
}

impl Open {
    fn next(&self, time: Timestamp, record: Record) -> Line {
        Line { chain: self.chain.clone(), seq: self.seq, previous: self.previous, time, record }
    }

    fn put(&mut self, line: &Line) -> Result<(), WriteError> {
        let text = line.write()?;
        self.sink.write(line, &text)?;
        self.previous = Digest::of(text.as_bytes());
        self.seq += 1;
        self.unsealed += 1;
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }
}
