//! The lines of the log and what stands in them. Members are written in the order in which they are declared here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::Digest;
use crate::engine::facts::Facts;
use crate::engine::law::opinion::Legal;
use crate::engine::policy::Mode;
use crate::engine::verdict::{Action, Finding, Rewrite, Verdict, Waiver};
use crate::interpret::basis::{OwnLaw, Rules};
use crate::interpret::{Decided, Judgement};

/// How a line of a log begins, by which a torn one is told from a foreign file.
pub const BEGINNING: &str = r#"{"chain":""#;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The chain.
    pub chain: String,
    /// Its position there.
    pub seq: u64,
    /// The line before.
    pub previous: Digest,
    /// When it was written; of a decision, the time at which it was made.
    pub time: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// What every line has, whatever else it says: also one of a kind that only a later version knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// The chain.
    pub chain: String,
    /// Its position there.
    pub seq: u64,
    /// The line before.
    pub previous: Digest,
    /// When it was written.
    pub time: Timestamp,
    /// Of which kind it is.
    pub kind: String,
}

impl Head {
    /// Reads the head of a line, and skims the rest.
    ///
    /// # Errors
    ///
    /// When it is no line of a log.
    pub fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[allow(missing_docs, reason = "named like what they hold")]
pub enum Record {
    Chain(Box<Chain>),
    File(File),
    Context(Box<Context>),
    Decision(Box<Decision>),
    Lost(Lost),
    Checkpoint(Seal),
    End(Seal),
}

/// The first line of a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// Version of the operator.
    pub version: String,
    /// The replica.
    pub replica: String,
    /// The public key with which it signs, in base64, once it is known. To verify by it is to believe the log itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The chain before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
    /// What stands unfinished between that and this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<Torn>,
}

/// The line that a chain follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// Its chain.
    pub chain: String,
    /// Its position there.
    pub seq: u64,
    /// Its digest.
    pub digest: Digest,
    /// Where it stands.
    pub at: Place,
}

/// Where the line stands that a chain follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// Before it in the same file, as the last one of its chain.
    SameFile,
    /// In the file before, as the last one of its chain.
    FileBefore,
    /// Where its process wrote it; it is the last checkpoint that was kept elsewhere, and more may have followed it.
    Elsewhere,
}

/// An unfinished line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// How long it is.
    pub bytes: usize,
    /// Its digest.
    pub digest: Digest,
}

/// The first line of a file that goes on with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Version of the operator.
    pub version: String,
    /// The replica.
    pub replica: String,
}

/// What decisions rest on besides facts and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// Version of the operator.
    pub version: String,
    /// Of the built-in catalogue.
    pub catalogue: Digest,
    /// Of the cluster's own locations and providers.
    pub places: Digest,
    /// Of the rules below.
    pub policies: Digest,
    /// Of the law below and the catalogue.
    pub lawbook: Digest,
    /// The owner's rules, as written.
    pub rules: Rules,
    /// The cluster's own law, as written.
    pub law: OwnLaw,
}

/// By which way something was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// The webhook that changes objects.
    Mutate,
    /// The webhook that sees what came of that.
    Validate,
    /// The audit of what exists.
    Audit,
}

impl Channel {
    /// In a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutate => "admission (mutating webhook)",
            Self::Validate => "admission (validating webhook)",
            Self::Audit => "audit",
        }
    }
}

/// What was decided about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// API group; left out for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; left out for objects of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name; with `*` at its end where the API server makes up the rest.
    pub name: String,
    /// What the API server calls this one object of all of that name, where it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// By which people find it.
    pub id: String,
    /// By which way.
    pub channel: Channel,
    /// What was asked for; left out where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Whether nothing was to be stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// About what.
    pub object: Object,
    /// Keyed hash of who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What became of it.
    pub outcome: Action,
    /// The legal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal: Option<Legal>,
    /// Until when it holds, if time alone may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<Timestamp>,
    /// What was found, of whatever was decided about the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Found>,
    /// Digest of the rules under which.
    pub policies: Digest,
    /// Digest of the law under which.
    pub lawbook: Digest,
    /// Each decision with its facts. Empty where the object alone decided: a change out of scope, a specification that
    /// cannot be right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Part>,
}

/// A decision that can be made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// [`Facts`] without text that may quote an object.
    pub facts: Value,
    /// What followed from them.
    pub verdict: Essence,
}

/// A verdict without sentences: all of it that is an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Essence {
    /// What becomes of the request.
    pub action: Action,
    /// The legal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal: Option<Legal>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<Timestamp>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Found>,
    /// How it is made right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<Rewrite>,
    /// Names of what carries data abroad.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<String>,
    /// What is owed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Owed>,
}

/// A finding without sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The rule.
    pub rule: String,
    /// What the finding does.
    pub mode: Mode,
    /// The policy that was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The field that says so.
    pub field: String,
    /// Whether something is unproven rather than wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// Where the law that is broken is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The exception that is about it, and how far it helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waiver>,
}

/// An obligation without sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The rule.
    pub rule: String,
    /// Under which law.
    pub law: String,
    /// The field concerned.
    pub field: String,
    /// Where that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many decisions are missing.
    pub decisions: u64,
}

/// A signature over everything before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The start of the digest of the public key; left out where there is no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The signature, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// As it is written, without its line feed.
    ///
    /// # Errors
    ///
    /// When a value cannot be said in JSON.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// What a signature in this line is over.
    pub fn sealed(&self) -> String {
        let Self { chain, seq, previous, time, record } = self;
        let kind = if matches!(record, Record::End(_)) { "end" } else { "checkpoint" };
        format!("domicile evidence v1\n{kind}\n{chain}\n{seq}\n{previous}\n{time}\n")
    }
}

impl Found {
    fn of(finding: &Finding) -> Self {
        let Finding { rule, mode, policy, allows: _, field, message: _, remedy: _, unproven, citation, waived } =
            finding;
        Self {
            rule: (*rule).to_owned(),
            mode: *mode,
            policy: policy.clone(),
            field: field.clone(),
            unproven: *unproven,
            source: citation.as_ref().map(ToString::to_string),
            waived: waived.clone(),
        }
    }

    /// All of them.
    pub fn all(findings: &[Finding]) -> Vec<Self> {
        findings.iter().map(Self::of).collect()
    }
}

impl Essence {
    /// Of a verdict.
    pub fn of(verdict: &Verdict) -> Self {
        let Verdict {
            action,
            findings,
            rewrites,
            holds_until,
            legal,
            grounds,
            obligations,
            relies_on: _,
            not_assessed: _,
        } = verdict;
        Self {
            action: *action,
            legal: *legal,
            holds_until: *holds_until,
            findings: Found::all(findings),
            rewrites: rewrites.clone(),
            grounds: grounds.iter().map(|ground| ground.name.clone()).collect(),
            obligations: obligations
                .iter()
                .map(|one| Owed {
                    rule: one.rule.to_owned(),
                    law: one.law.clone(),
                    field: one.field.clone(),
                    source: one.citation.as_ref().map(ToString::to_string),
                })
                .collect(),
        }
    }
}

impl Part {
    /// Of a decision.
    ///
    /// # Errors
    ///
    /// When facts cannot be said in JSON.
    pub fn of(decided: &Decided) -> Result<Self, serde_json::Error> {
        Ok(Self { facts: withhold(&decided.facts)?, verdict: Essence::of(&decided.verdict) })
    }

    /// Of every decision about an object.
    ///
    /// # Errors
    ///
    /// When facts cannot be said in JSON.
    pub fn all(judgement: &Judgement) -> Result<Vec<Self>, serde_json::Error> {
        judgement.decided.iter().map(Self::of).collect()
    }
}

/// What stands where text is left out.
pub const WITHHELD: &str = "the reason is not recorded";

/// Facts as JSON, without free text: why a place or an origin is unknown may quote a host, a label or a URL of the object, and
/// where evidence is kept is for those who keep it. That there is such text stays, since that decides; what it says does not.
///
/// # Errors
///
/// When facts cannot be said in JSON.
pub fn withhold(facts: &Facts) -> Result<Value, serde_json::Error> {
    /// Members that hold such text, wherever they stand.
    const TEXTS: [&str; 3] = ["evidence", "unknownOrigin", "unproven"];
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(text) if TEXTS.contains(&name.as_str()) => {
                            if !text.is_empty() {
                                WITHHELD.clone_into(text);
                            }
                        }
                        other => walk(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(facts)?;
    walk(&mut value);
    Ok(value)
}
