//! Waiting with a deadline, never by sleeping for long enough.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Far more than anything here takes on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until there is an answer; panics with the last reason why there was none.
pub fn until<T, E: Display>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        let reason = match ask() {
            Ok(answer) => return answer,
            Err(reason) => reason,
        };
        assert!(started.elapsed() < patience, "{what}: not within {patience:?}: {reason}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// `Ok` if the condition holds, the reason otherwise.
pub fn yes(holds: bool, reason: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason.to_string()) }
}
