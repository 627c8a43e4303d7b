//! Where a rule of law is written, and how sure that is.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How sure a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum Confidence {
    /// Not sure enough to rely on: it counts as unknown.
    Low,
    /// One secondary source, or from memory.
    Medium,
    /// Seen in a primary source.
    #[default]
    High,
}

/// What kind of text a rule stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum Authority {
    /// A professional code. Breaking it warns.
    Code,
    /// What an authority recommends. Breaking it warns.
    Guidance,
    /// A judgment.
    Judgment,
    /// A statute, a treaty, a regulation, a decision with legal effect.
    #[default]
    Statute,
}

/// How a statement was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Verified {
    /// Seen in a source.
    #[default]
    Lookup,
    /// Seen in one secondary source.
    LookupSecondary,
    /// The act was seen; number and date are from memory.
    LookupExistence,
    /// From memory.
    Recall,
}

/// A citation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Citation {
    /// An act, a judgment: what one would look up.
    pub reference: String,
    /// Where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What kind of text it is.
    pub authority: Authority,
    /// How it was checked.
    pub verified: Verified,
    /// How sure it is.
    pub confidence: Confidence,
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reference)?;
        match self.confidence {
            Confidence::High => Ok(()),
            Confidence::Medium => f.write_str(" (confidence medium)"),
            Confidence::Low => f.write_str(" (confidence low)"),
        }
    }
}
