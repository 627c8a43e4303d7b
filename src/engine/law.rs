//! The law as data, and what it says of one store or flow.
//!
//! ```text
//! matter (what the owner declares) + lawbook (what the law says, with dates) -> opinion
//! ```
//!
//! Two answers, never one: the *legal state* stands here; what is done about it is the owner's policy, in `decide`.

pub mod alternatives;
pub mod answer;
pub mod claims;
pub mod condition;
pub mod describe;
pub mod evaluate;
pub mod exposure;
pub mod jurisdiction;
pub mod matter;
pub mod mechanism;
pub mod opinion;
pub mod period;
pub mod reach;
pub mod source;
pub mod timeline;
pub mod transfer;
