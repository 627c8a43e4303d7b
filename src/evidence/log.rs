//! The end of the log at which decisions go in. It never waits: admission does no I/O and holds no lock for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use jiff::Timestamp;
use tokio::sync::watch;

use super::key::Keys;
use super::record::{Channel, Follows, Object};
use super::sink::Destination;
use super::writer::{self, Writer};
use crate::engine::verdict::Action;
use crate::interpret::Judgement;
use crate::interpret::basis::Basis;
use crate::telemetry::Metrics;

/// Decisions wait here while the disk is slow. More than this are dropped, counted, and told in the log itself.
const WAITING: usize = 2048;
/// The audit leaves this much of it to admission.
const FOR_ADMISSION: usize = WAITING / 2;

/// A decision as it was made. It is put into words where nobody waits.
#[derive(Debug, Clone)]
pub struct Draft {
    /// By which people find it.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    /// By which way.
    pub channel: Channel,
    /// What was asked for.
    pub operation: Option<String>,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// About what.
    pub object: Object,
    /// Who asked; hashed before it is written.
    pub user: Option<String>,
    /// What became of it.
    pub outcome: Action,
    /// What was decided.
    pub judgement: Arc<Judgement>,
    /// What it rests on.
    pub basis: Arc<Basis>,
}

/// What the writer is told.
#[derive(Debug)]
pub enum Message {
    /// A decision.
    Decision(Box<Draft>),
    /// Nothing more comes.
    Close,
}

/// What is known of the keys.
#[derive(Debug, Clone, Default)]
pub enum Keyring {
    /// Nobody has told yet.
    #[default]
    Unknown,
    /// There are none for now.
    None,
    /// These, and the last checkpoint that this replica has kept in the cluster.
    Known(Arc<Keys>, Option<Follows>),
}

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it goes.
    pub destination: Destination,
    /// Who writes it.
    pub replica: String,
}

/// A log that decisions can be handed to.
#[derive(Debug)]
pub struct Log {
    sender: SyncSender<Message>,
    waiting: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
    metrics: Metrics,
}

/// What is left to whoever has started a log.
#[derive(Debug)]
pub struct Running {
    thread: JoinHandle<()>,
    sender: SyncSender<Message>,
    /// The last checkpoint that was written.
    pub checkpoints: watch::Receiver<Option<Follows>>,
}

impl Log {
    /// Starts the thread that writes.
    ///
    /// # Errors
    ///
    /// When the system starts no thread.
    pub fn start(
        settings: Settings,
        keys: watch::Receiver<Keyring>,
        metrics: Metrics,
    ) -> std::io::Result<(Self, Running)> {
        let (sender, receiver) = sync_channel(WAITING);
        let (waiting, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let (checkpoint, checkpoints) = watch::channel(None);
        let writer = Writer::new(settings, keys, lost.clone(), checkpoint, metrics.clone());
        let taken = waiting.clone();
        let work = move || writer::run(writer, &receiver, &taken);
        let thread = std::thread::Builder::new().name("decision-log".to_owned()).spawn(work)?;
        let running = Running { thread, sender: sender.clone(), checkpoints };
        Ok((Self { sender, waiting, lost, metrics }, running))
    }

    /// Hands over a decision, or counts it as lost where too many wait.
    pub fn write(&self, draft: Draft) {
        // Counted first, so that the writer never takes away what was not added yet.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.sender.try_send(Message::Decision(Box::new(draft))).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.metrics.decisions_lost.inc();
        }
    }

    /// Whether the audit may hand over a decision now; if not, it waits a moment.
    pub fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING - FOR_ADMISSION
    }
}

impl Running {
    /// Has everything written that waits, and the log ended. Blocks.
    pub fn close(self) {
        // Only a thread that died no longer takes messages.
        if self.sender.send(Message::Close).is_ok() {
            let _ = self.thread.join();
        }
    }
}

/// The id of a decision about a request that the API server calls `uid`, in one phase. The API server makes a new `uid` for
/// each time that it asks.
pub fn id(channel: Channel, uid: &str) -> String {
    super::digest::Digest::of_json(&(channel, uid)).short()
}
