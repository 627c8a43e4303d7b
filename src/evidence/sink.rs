//! Where lines go: standard output, a file that is only ever added to, or whoever else takes them (no client).
//!
//! A file is turned over before it would grow beyond its size: `log` becomes `log.1`, that `log.2` and so on, and the oldest
//! goes. What stands in a file is never written again, not even a line that was left unfinished.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::digest::Digest;
use super::record::{BEGINNING, Follows, Head, Line, Place, Torn};

/// Why nothing can be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The file cannot be opened, read or written.
    #[error("failed to use {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// It holds something else, which must not be added to.
    #[error("{} is not a decision log", .0.display())]
    Foreign(PathBuf),
    /// Another process writes it.
    #[error("another process writes {}", .0.display())]
    Taken(PathBuf),
    /// Nobody reads it.
    #[error("failed to write to standard output")]
    Stdout(#[source] io::Error),
    /// It was not taken.
    #[error("failed to hand over a line")]
    Outlet(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whoever else takes lines, each as a whole or not at all.
pub trait Outlet: std::fmt::Debug + Send + Sync {
    /// Hands over a line, and what it says as text. Blocks until it is taken.
    ///
    /// # Errors
    ///
    /// When it was not taken, as far as can be told.
    fn write(&self, line: &Line, text: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Where to write.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file.
    File(Files),
    /// Somebody else.
    Outlet(Arc<dyn Outlet>),
}

impl Destination {
    /// Whether the end of what was written before can be read there.
    pub fn can_be_read(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// A file and those that came before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The file.
    pub path: PathBuf,
    /// How many bytes it holds at most, a single longer line apart.
    pub size: u64,
    /// How many files are kept beside it.
    pub kept: usize,
}

/// What stands where a new chain begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// The last whole line.
    pub follows: Option<Follows>,
    /// What stands unfinished after it.
    pub torn: Option<Torn>,
}

/// An open destination.
#[derive(Debug)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file.
    File(OpenFile),
    /// Somebody else.
    Outlet(Arc<dyn Outlet>),
}

/// An open file.
#[derive(Debug)]
pub struct OpenFile {
    files: Files,
    file: File,
    written: u64,
    /// Whether the last line still wants its line feed.
    unfinished: bool,
}

impl Sink {
    /// Opens it, and tells where the chain before has ended.
    ///
    /// # Errors
    ///
    /// When it cannot be used.
    pub fn open(destination: &Destination) -> Result<(Self, Tail), SinkError> {
        match destination {
            Destination::Stdout => Ok((Self::Stdout, Tail::default())),
            Destination::File(files) => {
                let (file, tail) = OpenFile::open(files)?;
                Ok((Self::File(file), tail))
            }
            Destination::Outlet(outlet) => Ok((Self::Outlet(outlet.clone()), Tail::default())),
        }
    }

    /// Whether a line of this length wants a new file first.
    pub fn is_full(&self, length: usize) -> bool {
        match self {
            Self::Stdout | Self::Outlet(_) => false,
            Self::File(open) => open.written > 0 && open.written.saturating_add(length as u64) > open.files.size,
        }
    }

    /// Turns over to a new file.
    ///
    /// # Errors
    ///
    /// When files cannot be renamed or made.
    pub fn turn(&mut self) -> Result<(), SinkError> {
        match self {
            Self::Stdout | Self::Outlet(_) => Ok(()),
            Self::File(open) => open.turn(),
        }
    }

    /// Writes a line, as it stands in the text.
    ///
    /// # Errors
    ///
    /// When it could not be written, or only in part.
    pub fn write(&mut self, line: &Line, text: &str) -> Result<(), SinkError> {
        let mut bytes = Vec::with_capacity(text.len() + 2);
        match self {
            Self::Stdout => {
                bytes.extend([text.as_bytes(), b"\n"].concat());
                let mut out = io::stdout().lock();
                out.write_all(&bytes).and_then(|()| out.flush()).map_err(SinkError::Stdout)
            }
            Self::File(open) => {
                if open.unfinished {
                    bytes.push(b'\n');
                }
                bytes.extend([text.as_bytes(), b"\n"].concat());
                open.file.write_all(&bytes).map_err(|error| open.failed(error))?;
                open.written += bytes.len() as u64;
                open.unfinished = false;
                Ok(())
            }
            Self::Outlet(outlet) => outlet.write(line, text).map_err(SinkError::Outlet),
        }
    }

    /// Has everything outlive a crash of the machine.
    ///
    /// # Errors
    ///
    /// When the system cannot do that.
    pub fn sync(&mut self) -> Result<(), SinkError> {
        match self {
            Self::Stdout | Self::Outlet(_) => Ok(()),
            Self::File(open) => open.file.sync_data().map_err(|error| open.failed(error)),
        }
    }
}

/// The name of a file that was turned over `times` times.
fn older(path: &Path, times: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{times}"));
    name.into()
}

impl OpenFile {
    fn open(files: &Files) -> Result<(Self, Tail), SinkError> {
        let path = &files.path;
        let failed = |error| SinkError::File(path.clone(), error);
        // Who was decided about is nobody else's business.
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(SinkError::Taken(path.clone())),
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let written = file.metadata().map_err(failed)?.len();
        let mut found = tail(path, &mut file, written, Place::SameFile)?;
        let unfinished = found.unfinished;
        if written == 0 {
            // It may have ended between turning over and the first line.
            let before = older(path, 1);
            match File::open(&before) {
                Ok(mut file) => {
                    let length = file.metadata().map_err(failed)?.len();
                    found = tail(&before, &mut file, length, Place::FileBefore)?;
                    // What is unfinished there stays there.
                    found.tail.torn = None;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(SinkError::File(before, error)),
            }
        }
        Ok((Self { files: files.clone(), file, written, unfinished }, found.tail))
    }

    fn failed(&self, error: io::Error) -> SinkError {
        SinkError::File(self.files.path.clone(), error)
    }

    fn turn(&mut self) -> Result<(), SinkError> {
        let Files { path, kept, .. } = self.files.clone();
        self.file.sync_data().map_err(|error| self.failed(error))?;
        let rename = |from: &Path, to: &Path| match std::fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SinkError::File(from.to_owned(), error)),
            _ => Ok(()),
        };
        // The one beyond the last is written over by the one before it.
        for times in (1..kept).rev() {
            rename(&older(&path, times), &older(&path, times + 1))?;
        }
        rename(&path, &older(&path, 1))?;
        (*self, _) = Self::open(&self.files)?;
        Ok(())
    }
}

struct Found {
    tail: Tail,
    unfinished: bool,
}

/// The last whole record of a file, and what stands after it. Read from the end, in growing steps: one usually does.
fn tail(path: &Path, file: &mut File, length: u64, at: Place) -> Result<Found, SinkError> {
    const BLOCK: u64 = 64 * 1024;
    let failed = |error| SinkError::File(path.to_owned(), error);
    let mut window = BLOCK;
    loop {
        let start = length.saturating_sub(window);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        (&*file).take(length - start).read_to_end(&mut bytes).map_err(failed)?;
        let unfinished = bytes.last().is_some_and(|last| *last != b'\n');
        // A record is whole when it can be read, also without the line feed that should have followed.
        let mut end = bytes.len();
        while end > 0 {
            let stop = if bytes[end - 1] == b'\n' { end - 1 } else { end };
            let begin = bytes[..stop].iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
            if begin == 0 && start > 0 {
                break;
            }
            if let Ok(head) = Head::read(&bytes[begin..stop]) {
                let follows = Follows { chain: head.chain, seq: head.seq, digest: Digest::of(&bytes[begin..stop]), at };
                let torn = torn(&bytes[end..]);
                return Ok(Found { tail: Tail { follows: Some(follows), torn }, unfinished });
            }
            end = begin;
        }
        if start == 0 {
            let own = bytes.starts_with(BEGINNING.as_bytes()) || BEGINNING.as_bytes().starts_with(&bytes);
            if !own {
                return Err(SinkError::Foreign(path.to_owned()));
            }
            return Ok(Found { tail: Tail { follows: None, torn: torn(&bytes) }, unfinished });
        }
        window = window.saturating_mul(4);
    }
}

/// What stands unfinished, without the line feed that a later start has added.
pub fn torn(bytes: &[u8]) -> Option<Torn> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    (!bytes.is_empty()).then(|| Torn { bytes: bytes.len(), digest: Digest::of(bytes) })
}
