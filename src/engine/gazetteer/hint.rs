//! What a table of addresses believes. It may be told to a person; no verdict ever depends on it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::country::Country;

/// Looks up the country in which somebody believes an address to be.
#[derive(Clone)]
pub struct Hints(Arc<dyn Fn(IpAddr) -> Option<Country> + Send + Sync>);

impl Hints {
    /// Of a table that can be asked from several threads.
    pub fn new(look_up: impl Fn(IpAddr) -> Option<Country> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look_up))
    }

    /// The country, where one is believed.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        (self.0)(address)
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hints")
    }
}
