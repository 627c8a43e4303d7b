//! What a decision says: the action, the findings that led to it, and until when it holds.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::country::CountrySet;
use super::law::opinion::{Ground, Legal};
use super::law::source::Citation;
use super::policy::{Mode, PinBy};

/// What becomes of the request. Ordered from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// It passes as it is.
    Allow,
    /// It passes changed.
    Rewrite,
    /// It does not pass.
    Refuse,
}

/// The answer of `decide`. Equal inputs give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of the request.
    pub action: Action,
    /// What is wrong, in the order of the placements and of the policies' names. Empty: no breach found.
    pub findings: Vec<Finding>,
    /// How the object is made right, when the action is `Rewrite`.
    pub rewrites: Vec<Rewrite>,
    /// The first instant at which time alone may change this verdict.
    pub holds_until: Option<Timestamp>,
    /// The legal state of the stores and flows that were judged; none where there was none.
    pub legal: Option<Legal>,
    /// What carries data abroad, in the order of the laws' codes.
    pub grounds: Vec<Ground>,
    /// What is owed.
    pub obligations: Vec<Obligation>,
    /// Declarations that the verdict relies on and that nobody has verified.
    pub relies_on: Vec<String>,
    /// What was not looked at.
    pub not_assessed: Vec<String>,
}

impl Verdict {
    /// Nothing to object to.
    pub const fn allow() -> Self {
        Self {
            action: Action::Allow,
            findings: Vec::new(),
            rewrites: Vec::new(),
            holds_until: None,
            legal: None,
            grounds: Vec::new(),
            obligations: Vec::new(),
            relies_on: Vec::new(),
            not_assessed: Vec::new(),
        }
    }

    /// The findings that refuse.
    pub fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.mode == Mode::Enforce && !finding.is_waived())
    }

    /// The findings that warn.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.mode == Mode::Warn)
    }

    /// Whether it shows what law says, which is never shown without its disclaimer.
    pub fn speaks_of_law(&self) -> bool {
        !self.obligations.is_empty()
            || !self.grounds.is_empty()
            || self.findings.iter().any(|finding| finding.citation.is_some())
    }

    /// Whether something is wrong that no exception waives, and all of it is that a place could not be proven.
    pub fn only_unproven(&self) -> bool {
        self.standing().next().is_some() && self.standing().all(|finding| finding.unproven)
    }

    /// The findings that no exception waives.
    pub fn standing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.is_waived())
    }
}

/// One thing that is wrong, or cannot be proven right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable id of the rule.
    pub rule: &'static str,
    /// What the finding does.
    pub mode: Mode,
    /// The policy that was broken, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What that policy allows, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allows: Option<String>,
    /// The field that says so, as a path from the object's root.
    pub field: String,
    /// What would happen, or what is wrong.
    pub message: String,
    /// How to make it right.
    pub remedy: String,
    /// Whether something is unproven or unknown rather than wrong.
    pub unproven: bool,
    /// Where the law that is broken is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
    /// The exception that is about it. A finding stays what it is; one that is waived refuses nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waiver>,
}

impl Finding {
    /// Whether an exception lets it pass. An accepted risk lets nothing pass.
    pub fn is_waived(&self) -> bool {
        self.waived.as_ref().is_some_and(|waiver| waiver.relief == Relief::Waived)
    }
}

/// What an exception does about a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiver {
    /// The exception: namespace and name.
    pub exception: String,
    /// Who has approved it.
    pub approver: String,
    /// The first instant at which it is no more.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// How far it helps.
    pub relief: Relief,
}

/// How far an exception helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Relief {
    /// The owner's policy was broken, and does not refuse.
    Waived,
    /// The law is broken, or does not tell, and the finding does what it did before. Somebody accepts the risk.
    RiskAccepted,
}

/// Something that is owed, so that what was judged stays lawful.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Obligation {
    /// Stable id of the rule.
    pub rule: &'static str,
    /// Under which law.
    pub law: String,
    /// The field concerned.
    pub field: String,
    /// What is owed.
    pub message: String,
    /// How to settle it.
    pub remedy: String,
    /// Where that is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
}

/// A change that makes a placement comply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// Position of the placement in the facts.
    pub placement: usize,
    /// What to change.
    pub change: Change,
}

/// What a rewrite changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Let the pod run on nodes in these countries only.
    PinNodes {
        /// The countries.
        countries: CountrySet,
        /// The label that the policies want.
        by: PinBy,
    },
    /// Take this alternative.
    Take {
        /// Its name.
        name: String,
    },
}
