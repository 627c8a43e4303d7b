//! What runs beside the webhook: watches fill the index; the others gather (client), plan (no client) and apply (client).

mod clock;
pub mod configuration;
pub mod events;
mod law_events;
pub mod network;
pub mod nodes;
pub mod policies;
pub mod run;
pub mod status;
pub mod types;
pub mod watch;

/// Who writes, in every field that the operator owns.
pub const FIELD_MANAGER: &str = "domicile";
