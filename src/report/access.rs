//! What `domicile access` prints: who reaches data by ways that admission does not see, or that policies should know of.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use super::Format;
use crate::engine::law::opinion::DISCLAIMER;
use crate::interpret::rbac::Holder;

/// Who holds powers over the data of which namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Namespaces that hold data.
    pub protected: BTreeSet<String>,
    /// Who reaches it.
    pub holders: Vec<Holder>,
}

/// What RBAC does not say.
const NOT_COVERED: &str = "not covered: members of system:masters, who need no role; other authorizers than RBAC; who belongs to \
                           a group; rights that are limited to single objects count as a whole";

/// Prints it.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, format: Format, access: &Access) -> io::Result<()> {
    match format {
        Format::Table => table(out, access),
        Format::Json => super::document(out, "Access", access),
    }
}

fn table(out: &mut dyn Write, access: &Access) -> io::Result<()> {
    let Access { protected, holders } = access;
    let mut rows = vec![["SUBJECT", "MAY USE", "NAMESPACE", "FROM", "THROUGH"].map(str::to_owned)];
    rows.extend(holders.iter().map(|holder| {
        let Holder { kind, name, power, namespace, through, from } = holder;
        [
            format!("{kind} {name}"),
            (*power).to_owned(),
            namespace.clone().unwrap_or_else(|| "*".to_owned()),
            from.clone().unwrap_or_else(|| "undeclared".to_owned()),
            through.iter().cloned().collect::<Vec<_>>().join(", "),
        ]
    }));
    super::columns(out, &rows)?;
    let names: Vec<&str> = protected.iter().map(String::as_str).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    writeln!(out, "\n{} entries; namespaces with personal data: {names}\n{NOT_COVERED}\n{DISCLAIMER}", holders.len())
}
