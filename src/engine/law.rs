//! The law as data, and what it says of one store or flow.
//!
//! ```text
//! matter (what the owner declares) + lawbook (what the law says, with dates) -> opinion
//! ```
//!
//! Two answers, never one: the *legal state* stands here; what is done about it is the owner's policy, in `decide`.

pub mod claims;
pub mod condition;
pub mod evaluate;
pub mod jurisdiction;
pub mod matter;
pub mod mechanism;
pub mod opinion;
pub mod period;
pub mod reach;
pub mod source;
pub mod transfer;
