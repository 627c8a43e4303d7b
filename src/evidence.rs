//! The decision log: what was decided about personal data, from which facts and under which rules, in a form that shows
//! any later change and from which every decision can be made again.
//!
//! ```text
//! admission, audit -> Log (bounded queue) -> writer (a thread) -> lines in a chain -> stdout or a file
//!                                                                        |
//!                          domicile evidence verify, domicile evidence explain
//! ```
//!
//! # What is recorded
//!
//! Every answer of the webhook about an object that has to do with personal data, dry runs included and marked as such: what
//! the mutating webhook refused or changed, and whatever the validating one said. What the API server decides by itself
//! under generated policies reaches no webhook; the audit records what it finds there, like every other change of what it
//! says about an object. Requests that were put off ("retry") are no decisions.
//!
//! Facts are names, kinds, fields, countries and what owners declare of stores and flows. Sentences are not recorded, nor is
//! the text that says why a place or an origin is unknown, nor where evidence is kept: such text may quote what stands in
//! an object ([`record::withhold`]). No sentence takes part in a decision, so that the same verdict follows without them.
//! Who asked is recorded as a keyed hash.
//!
//! # Form
//!
//! One JSON object a line, in UTF-8, without spaces between tokens, members in the order of [`record`], members without a
//! value left out. Every line has
//!
//! - `chain`: sixteen hexadecimal digits that name the run of one process,
//! - `seq`: its position in the chain, from 0 on,
//! - `previous`: SHA-256 of the line before, without its line feed, in hexadecimal; of the first line of a chain the last
//!   line of the chain that it follows, or zeros,
//! - `time`, and `kind`, which says what else there is:
//!
//! | kind | says |
//! |---|---|
//! | `chain` | first line of a chain: version, replica, the chain that it follows and where that is, and what it found torn |
//! | `file` | first line of a file that goes on with a chain, after rotation |
//! | `context` | the owner's policies and the law of the cluster's own as written; the built-in catalogue and what names mean by digest. Written ahead of the first decision that rests on it, in every file anew |
//! | `decision` | id, channel, operation, object, hash of the user, outcome, findings, until when it holds, digests of the context, and each decision with its facts |
//! | `lost` | how many decisions were not recorded, because the queue was full or nothing could be written |
//! | `checkpoint` | an Ed25519 signature over the chain's name, the position, the time and `previous`, and so over everything before |
//! | `end` | the same as the last line of a process that was told to stop |
//!
//! A line that a process left unfinished is never rewritten: the next chain in the file records its digest.
//!
//! # What it proves, and what not
//!
//! Whoever can write the file can write another one, but cannot sign it: with the public key a checkpoint vouches for every
//! line before it. Lines after the last one are vouched for by nobody, and what was cut off after it without a trace can
//! only be missed. Answers do not wait for the disk: what was decided in the moment before a kill or a crash of the machine may
//! be missing without being counted. The key is in a Secret: whoever may read that, may sign.

pub mod digest;
pub mod explain;
pub mod key;
pub mod log;
pub mod record;
pub mod sink;
pub mod verify;
mod writer;
