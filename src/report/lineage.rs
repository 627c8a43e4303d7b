//! What `domicile lineage` prints.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::Format;
use crate::api::v1alpha1::{EffectiveOrigin, TransformationKind};
use crate::engine::law::opinion::DISCLAIMER;
use crate::index::{Anonymity, StoreOrigins};

/// Where the data of every store comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// Now.
    pub at: Timestamp,
    /// The stores.
    pub stores: Vec<Store>,
}

/// Where the data of a store comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    namespace: String,
    name: String,
    declared: Vec<EffectiveOrigin>,
    inherited: Vec<EffectiveOrigin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    declared_claims: Vec<Claim>,
}

/// A claim that what comes to a store is no longer personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    through: Vec<String>,
    transformation: TransformationKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    in_force: bool,
    /// Origins that would come if it did not hold.
    withheld: Vec<String>,
}

impl Store {
    /// What is told of a store.
    pub fn new(origins: StoreOrigins) -> Self {
        let StoreOrigins { store: (namespace, name), declared, inherited, unreadable, claims } = origins;
        let declared_claims = claims.into_iter().map(Claim::new).collect();
        Self { namespace, name, declared, inherited, unreadable, declared_claims }
    }
}

impl Claim {
    fn new(claim: Anonymity) -> Self {
        let Anonymity { flow, from, kind, method, reviewed_by, expires, in_force, withheld } = claim;
        let from = from.map(|(namespace, name)| format!("DataStore {namespace}/{name}"));
        Self {
            through: from.into_iter().chain([format!("DataFlow {}/{}", flow.0, flow.1)]).collect(),
            transformation: kind,
            method,
            reviewed_by,
            expires,
            in_force,
            withheld: withheld.iter().map(|origin| origin.to_string()).collect(),
        }
    }

    fn sentence(&self) -> String {
        let Self { through, transformation, method, reviewed_by, expires, in_force, withheld } = self;
        let by = reviewed_by.as_ref().map(|by| format!(", reviewed by {by}")).unwrap_or_default();
        let method = method.as_ref().map(|method| format!(" ({method})")).unwrap_or_default();
        let claim = format!("declared claim of {}: {transformation:?}{method}{by}", through.join(" > "));
        match (in_force, expires) {
            (true, Some(expires)) if withheld.is_empty() => format!("{claim}, until {expires}; keeps no origin away"),
            (true, Some(expires)) => format!("{claim}, until {expires}; keeps away {}", withheld.join(", ")),
            (false, Some(expires)) => format!("{claim}, ended {expires}; origins travel with the flow"),
            (_, None) => format!("{claim}, without an end that can be read; origins travel with the flow"),
        }
    }
}

/// Prints lineage.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, format: Format, lineage: &Lineage) -> io::Result<()> {
    match format {
        Format::Table => table(out, lineage),
        Format::Json => super::document(out, "Lineage", lineage),
    }
}

fn table(out: &mut dyn Write, lineage: &Lineage) -> io::Result<()> {
    let Lineage { at: _, stores } = lineage;
    if stores.is_empty() {
        writeln!(out, "no DataStore is among the files")?;
    }
    for Store { namespace, name, declared, inherited, unreadable, declared_claims } in stores {
        writeln!(out, "{}", super::object("DataStore", namespace, name))?;
        if !(declared.is_empty() && inherited.is_empty()) {
            writeln!(out, "  ORIGIN  THROUGH")?;
        }
        for EffectiveOrigin { origin, through } in declared {
            writeln!(out, "  {origin:<6}  {}", through.join(", "))?;
        }
        for EffectiveOrigin { origin, through } in inherited {
            writeln!(out, "  {origin:<6}  {}", through.join(" > "))?;
        }
        if inherited.is_empty() {
            writeln!(out, "  inherits nothing")?;
        }
        if let Some(problem) = unreadable {
            writeln!(out, "  its own origins cannot be read: {problem}")?;
        }
        for claim in declared_claims {
            writeln!(out, "  {}", claim.sentence())?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{DISCLAIMER}")
}
