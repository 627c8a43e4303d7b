//! Hints about public addresses from a database in the MaxMind format, as many vendors publish it. Where an address is used by
//! whom is not in it, and addresses move: it says what to look into, never that something is allowed.

use std::path::Path;

use anyhow::Context as _;
use maxminddb::{PathElement, Reader};

use crate::engine::country::Country;
use crate::engine::gazetteer::Hints;

/// Where such databases keep the country: by registration, for want of anything better, if not by use.
const FIELDS: [&str; 2] = ["country", "registered_country"];

/// Reads a database whole.
///
/// # Errors
///
/// When the file cannot be read or is no such database.
pub fn open(path: &Path) -> anyhow::Result<Hints> {
    let reader = Reader::open_readfile(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(Hints::new(move |address| {
        let found = reader.lookup(address).ok()?;
        FIELDS.iter().find_map(|field| {
            let code = [PathElement::Key(field), PathElement::Key("iso_code")];
            Country::parse(found.decode_path::<&str>(&code).ok()??).ok()
        })
    }))
}
