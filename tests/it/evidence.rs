//! The decision log without a cluster: what is written can be verified and decided again, and no change stays unseen.

mod audit;
mod chains;
mod changes;
mod collected;
mod command;
mod replay;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domicile::catalogue::{self, Catalogue};
use domicile::engine::verdict::Action;
use domicile::evidence::key::Keys;
use domicile::evidence::log::{Draft, Keyring, Log, Running, Settings};
use domicile::evidence::record::{Channel, Object};
use domicile::evidence::sink::{Destination, Files};
use domicile::evidence::verify::{Between, Input, Report, verify};
use domicile::telemetry::Metrics;
use std::sync::LazyLock;
use tokio::sync::watch;

use crate::cases::{Case, Layer};

/// The built-in catalogue, read once.
pub fn builtin() -> Catalogue {
    static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| catalogue::load().unwrap());
    BUILTIN.clone()
}

/// The built-in law without what reads objects, which is all that decides again.
pub fn law() -> Catalogue {
    static LAW: LazyLock<Catalogue> = LazyLock::new(|| catalogue::load_for(|_| false).unwrap());
    LAW.clone()
}

/// The decision that a case asks for, as admission would hand it over.
fn draft(case: &Case) -> Draft {
    let (world, at, judgement) = case.judged(builtin());
    let judgement = judgement.unwrap();
    let text = |pointer: &str| case.object.pointer(pointer).and_then(|one| one.as_str()).unwrap_or_default().to_owned();
    Draft {
        id: domicile::evidence::log::id(Channel::Validate, &case.name),
        at,
        channel: Channel::Validate,
        operation: Some("CREATE".to_owned()),
        dry_run: false,
        object: Object { kind: text("/kind"), name: text("/metadata/name"), ..Object::default() },
        user: Some("alice".to_owned()),
        outcome: judgement.verdict.action,
        judgement: Arc::new(judgement),
        basis: world.basis.clone(),
    }
}

/// Cases that can be decided, with their decisions.
fn drafts() -> Vec<Draft> {
    crate::cases::all().iter().filter(|case| case.layer != Layer::Schema).map(draft).collect()
}

/// A few of them, among them refusals: what proofs by many random changes can afford.
fn few() -> Vec<Draft> {
    let of = |topic: &str| {
        let cases = crate::cases::all().into_iter().filter(|case| case.topic == topic && case.layer != Layer::Schema);
        cases.take(2).collect::<Vec<_>>()
    };
    let drafts: Vec<Draft> = [of("claims"), of("rights")].concat().iter().map(draft).collect();
    assert!(drafts.iter().any(|draft| draft.outcome == Action::Refuse));
    drafts
}

/// A log in a folder of its own.
struct Folder {
    folder: tempfile::TempDir,
    keys: Arc<Keys>,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keys: Arc::new(Keys::make().unwrap()) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("decisions.jsonl")
    }

    /// As when an operator starts.
    fn start(&self, size: u64, keyring: Keyring) -> (Log, Running) {
        let destination = Destination::File(Files { path: self.path(), size, kept: 1000 });
        let settings = Settings { destination, replica: "one".to_owned() };
        let (_, keys) = watch::channel(keyring);
        Log::start(settings, keys, Metrics::default()).unwrap()
    }

    fn keyring(&self) -> Keyring {
        Keyring::Known(self.keys.clone(), None)
    }

    /// One life of an operator that ends as it should.
    fn write(&self, size: u64, drafts: &[Draft]) {
        let (log, running) = self.start(size, self.keyring());
        for draft in drafts {
            while !log.has_room() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            log.write(draft.clone());
        }
        running.close();
    }

    /// Its files, the one that is written first.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort_unstable();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
    }

    fn verify(&self, files: &[(String, Vec<u8>)]) -> Report {
        verify(&inputs(files), Some(&self.keys.public()), Between::Nothing)
    }
}

fn inputs(files: &[(String, Vec<u8>)]) -> Vec<Input<'_>> {
    files.iter().map(|(name, bytes)| Input { name, bytes }).collect()
}
