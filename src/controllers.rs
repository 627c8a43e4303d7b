//! What runs beside the webhook: watches fill the index; the others gather (client), plan (no client) and apply (client).
//! What writes runs on the one replica that holds the lease.

pub mod certificate;
mod clock;
pub mod configuration;
pub mod emergency;
pub mod events;
pub mod evict;
pub mod evidence;
pub mod exceptions;
mod law_events;
pub mod lease;
pub mod live;
pub mod network;
pub mod nodes;
pub mod owner;
pub mod policies;
pub mod reports;
pub mod run;
pub mod status;
mod together;
pub mod types;
pub mod watch;
mod whole;

/// Who writes, in every field that the operator owns.
pub const FIELD_MANAGER: &str = "domicile";
