//! Exceptions: what an owner lets pass for a time, against the owner's own policies and never against the law.
//!
//! An exception is honoured for an object in its own namespace, and only for data that this namespace declares. It does two
//! things, and both only loosen:
//!
//! - Places: what a policy allows is widened by the countries that the exception names, so that a pod may be placed there.
//! - Findings: a finding of a rule that it names stays in the verdict, marked, and refuses no more.
//!
//! What stands on the law is neither widened nor lifted: lists of places that say `Law`, and what statutes and judgments
//! say of stores and flows. There an exception only notes who accepts the risk; the finding does what it did before.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::country::{Country, CountrySet};
use super::data::{Data, Source};
use super::law::matter::Matter;
use super::law::opinion::Outcome;
use super::law::source::Authority;
use super::law::transfer::sooner;
use super::lawbook::Lawbook;
use super::policy::{Policy, is_within};
use super::verdict::{Finding, Relief, Waiver};

/// Rules that an exception may name: those of an owner's policy, which it lifts, and those of law, over which it notes an
/// accepted risk. Whatever else refuses (an unreadable origin, a change that would slip out of scope) nobody may waive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "named like the rules")]
pub enum Waivable {
    #[serde(rename = "RES-PLACE")]
    Place,
    #[serde(rename = "RES-UNKNOWN")]
    Unknown,
    #[serde(rename = "RES-CONTROL")]
    Control,
    #[serde(rename = "RES-GROUND")]
    Ground,
    #[serde(rename = "LAW-LOCALISATION")]
    Localisation,
    #[serde(rename = "LAW-TRANSFER")]
    Transfer,
    #[serde(rename = "LAW-ACCESS")]
    Access,
    #[serde(rename = "LAW-ONWARD")]
    Onward,
    #[serde(rename = "LAW-BAR")]
    Bar,
    #[serde(rename = "LAW-DUTY")]
    Duty,
    #[serde(rename = "LAW-CONSENT")]
    Consent,
    #[serde(rename = "LAW-ENRICHMENT")]
    Enrichment,
    #[serde(rename = "LAW-RIGHTS")]
    Rights,
}

impl Waivable {
    /// Whether the rule is the owner's and no law, so that an exception lifts what it finds.
    pub fn is_the_owners(self) -> bool {
        matches!(self, Self::Place | Self::Unknown | Self::Control | Self::Ground)
    }

    /// The rule's id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Place => "RES-PLACE",
            Self::Unknown => "RES-UNKNOWN",
            Self::Control => "RES-CONTROL",
            Self::Ground => "RES-GROUND",
            Self::Localisation => "LAW-LOCALISATION",
            Self::Transfer => "LAW-TRANSFER",
            Self::Access => "LAW-ACCESS",
            Self::Onward => "LAW-ONWARD",
            Self::Bar => "LAW-BAR",
            Self::Duty => "LAW-DUTY",
            Self::Consent => "LAW-CONSENT",
            Self::Enrichment => "LAW-ENRICHMENT",
            Self::Rights => "LAW-RIGHTS",
        }
    }
}

/// What an object is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its API group; none, in an exception: of any group.
    pub group: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Identity {
    /// An object of a group, which is not always known.
    pub fn new(group: Option<&str>, kind: &str, name: &str) -> Self {
        Self { group: group.map(str::to_owned), kind: kind.to_owned(), name: name.to_owned() }
    }

    fn means(&self, other: &Self) -> bool {
        let group = self.group.is_none() || other.group.is_none() || self.group == other.group;
        group && self.kind == other.kind && self.name == other.name
    }
}

/// What is judged, as far as exceptions ask: where it stands, and by which names a person knows it. Only made where the
/// namespace has exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Itself, and what made it; none: whatever stands there, of which not everything can be told apart.
    pub known_as: Option<Vec<Identity>>,
}

impl Subject {
    /// Anything in a namespace: whatever an exception there lets pass for some object, it lets pass for this one.
    pub fn anything(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), known_as: None }
    }
}

/// An exception that somebody else has approved, ready to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who has approved it.
    pub approver: String,
    /// Rules that it is about.
    pub rules: Vec<Waivable>,
    /// Policies that it is about; empty: every policy that allows exceptions.
    pub policies: Vec<String>,
    /// Objects that it is about; empty: everything in its namespace.
    pub objects: Vec<Identity>,
    /// Origins that it is about: countries and codes of blocs; empty: all.
    pub origins: Vec<String>,
    /// Data categories that it is about; empty: all.
    pub categories: Vec<String>,
    /// Countries in which it lets things be.
    pub to: CountrySet,
    /// From when on its life is counted; none: from the time of the decision on.
    pub since: Option<Timestamp>,
    /// When it begins; none: it has begun.
    pub starts: Option<Timestamp>,
    /// The first instant at which it is no more.
    pub expires: Timestamp,
}

impl Exception {
    /// Whether it is in force.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.starts.is_none_or(|starts| starts <= now) && now < self.expires
    }

    /// How long it lasts in all.
    pub fn life(&self, now: Timestamp) -> SignedDuration {
        self.expires.duration_since(self.since.unwrap_or(now))
    }

    /// Whether it is about a policy.
    pub fn names(&self, policy: &str) -> bool {
        self.policies.is_empty() || self.policies.iter().any(|one| one == policy)
    }

    /// Whether a policy lets it loosen anything: the policy allows exceptions, and this one does not last too long.
    pub fn is_allowed_by(&self, policy: &Policy, now: Timestamp) -> bool {
        self.names(&policy.name) && policy.longest_exception.is_some_and(|longest| self.life(now) <= longest)
    }

    /// Whether it may be about an object at all. Names of stores and flows are told apart by the data.
    fn may_concern(&self, subject: &Subject) -> bool {
        let Some(known_as) = &subject.known_as else { return true };
        self.objects.is_empty()
            || self.objects.iter().any(|object| declares(object) || known_as.iter().any(|one| object.means(one)))
    }

    /// Whether it is about what declares some data: the object that is judged is, or the data belongs to a store or flow
    /// that it names. What the label of a namespace says of an object that works for such a store is about the same data.
    fn names_source(&self, subject: &Subject, via: &Source, beside: &[&Source]) -> bool {
        let Some(known_as) = &subject.known_as else { return true };
        let named = |via: &Source| {
            self.objects.iter().any(|object| match via {
                Source::Store(_, name) => object.kind == STORE && object.name == *name,
                Source::Flow(_, name) => object.kind == FLOW && object.name == *name,
                Source::Namespace(_) | Source::Label | Source::Object(..) => false,
            })
        };
        let is_a_label = matches!(via, Source::Namespace(_) | Source::Label);
        self.objects.is_empty()
            || self.objects.iter().any(|object| known_as.iter().any(|one| object.means(one)))
            || named(via)
            || (is_a_label && beside.iter().any(|one| named(one)))
    }

    /// Whether it is about data of these origins and categories, all of them: data that it is only half about is not its
    /// own, and categories that are not declared may be any.
    fn is_about(&self, origins: &CountrySet, categories: &[String], lawbook: &Lawbook, now: Timestamp) -> bool {
        let origin = self.origins.is_empty() || origins.is_subset(&lawbook.countries(&self.origins, now));
        let named = |category: &String| self.categories.iter().any(|one| is_within(category, one));
        origin && (self.categories.is_empty() || (!categories.is_empty() && categories.iter().all(named)))
    }

    /// Whether data is declared in its own namespace. What others declare is not its to give away.
    fn holds_data(&self, via: &Source) -> bool {
        match via {
            Source::Label => true,
            Source::Namespace(space)
            | Source::Store(space, _)
            | Source::Flow(space, _)
            | Source::Object(_, space, _) => *space == self.namespace,
        }
    }

    fn waiver(&self, relief: Relief) -> Waiver {
        Waiver {
            exception: format!("{}/{}", self.namespace, self.name),
            approver: self.approver.clone(),
            until: self.expires,
            relief,
        }
    }
}

const STORE: &str = "DataStore";
const FLOW: &str = "DataFlow";

fn declares(object: &Identity) -> bool {
    object.kind == STORE || object.kind == FLOW
}

/// Every exception, by namespace and name, so that the order in which they arrived never matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exceptions(BTreeMap<String, Vec<Exception>>);

impl Exceptions {
    /// Sorts exceptions; of two with one name the later replaces the earlier.
    pub fn new(exceptions: impl IntoIterator<Item = Exception>) -> Self {
        let mut all: BTreeMap<String, Vec<Exception>> = BTreeMap::new();
        for exception in exceptions {
            let known = all.entry(exception.namespace.clone()).or_default();
            match known.binary_search_by(|have| have.name.cmp(&exception.name)) {
                Ok(at) => known[at] = exception,
                Err(at) => known.insert(at, exception),
            }
        }
        Self(all)
    }

    /// Every exception.
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.0.values().flatten()
    }

    /// The exceptions of a namespace, by name.
    pub fn of(&self, namespace: &str) -> &[Exception] {
        self.0.get(namespace).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those that may matter to an object.
    pub(super) fn concerning<'a>(&'a self, subject: Option<&'a Subject>, now: Timestamp) -> Excepting<'a> {
        let Some(subject) = subject else { return Excepting::default() };
        let mut excepting = Excepting { subject: Some(subject), ..Excepting::default() };
        for one in self.of(&subject.namespace).iter().filter(|one| one.may_concern(subject)) {
            excepting.until = [Some(one.expires), one.starts]
                .into_iter()
                .flatten()
                .filter(|at| *at > now)
                .fold(excepting.until, |until, at| sooner(until, Some(at)));
            if one.holds(now) {
                excepting.all.push(one);
            }
        }
        excepting
    }
}

/// The exceptions in force that may matter to what is judged.
#[derive(Debug, Clone, Default)]
pub(super) struct Excepting<'a> {
    subject: Option<&'a Subject>,
    all: Vec<&'a Exception>,
    until: Option<Timestamp>,
}

/// What is asked of exceptions: under which law, at which time.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub lawbook: &'a Lawbook,
    pub now: Timestamp,
}

impl<'a> Excepting<'a> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When the next one begins or ends.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The same without any that is in force: begin and end stay known.
    pub fn none_in_force(&self) -> Self {
        Self { all: Vec::new(), ..self.clone() }
    }

    /// Those of a rule that are about some of the data of a placement.
    fn about(
        &self,
        rule: Waivable,
        data: &Data,
        beside: &[&Source],
        at: At<'_>,
    ) -> impl Iterator<Item = &'a Exception> {
        let subject = self.subject;
        let known = data.unknown_origin.is_none();
        self.all.iter().copied().filter(move |one| {
            known
                && one.rules.contains(&rule)
                && one.holds_data(&data.via)
                && subject.is_some_and(|subject| one.names_source(subject, &data.via, beside))
                && one.is_about(&data.origins, &data.categories, at.lawbook, at.now)
        })
    }

    /// Where data may be beyond what a policy allows.
    pub fn widening(&self, policy: &Policy, data: &Data, beside: &[&Source], at: At<'_>) -> CountrySet {
        let all = self.about(Waivable::Place, data, beside, at).filter(|one| one.is_allowed_by(policy, at.now));
        all.fold(CountrySet::EMPTY, |to, one| to.union(&one.to))
    }

    /// Who lets a placement be in `beyond`, under a policy: the exception that reaches farthest, and of those alike the one
    /// that lasts longest. Where none does, who accepts the risk.
    pub fn placed(
        &self,
        policy: &Policy,
        data: &[&Data],
        beyond: &CountrySet,
        relief: Relief,
        at: At<'_>,
    ) -> Option<Waiver> {
        let beside: Vec<&Source> = data.iter().map(|data| &data.via).collect();
        let each = data.iter().flat_map(|data| self.about(Waivable::Place, data, &beside, at));
        let counts = |one: &&Exception| match relief {
            Relief::Waived => one.is_allowed_by(policy, at.now),
            Relief::RiskAccepted => one.names(&policy.name),
        };
        let reaches = |one: &Exception| one.to.intersection(beyond).len();
        let best = each.filter(counts).filter(|one| reaches(one) > 0).reduce(|best, one| {
            let better = (reaches(one), one.expires) > (reaches(best), best.expires);
            if better { one } else { best }
        })?;
        Some(best.waiver(relief))
    }

    /// Who lets pass that a place is not proven.
    pub fn unproven(&self, policy: &Policy, data: &[&Data], relief: Relief, at: At<'_>) -> Option<Waiver> {
        let beside: Vec<&Source> = data.iter().map(|data| &data.via).collect();
        let (first, others) = data.split_first()?;
        let about_all = |one: &&Exception| {
            others
                .iter()
                .all(|data| self.about(Waivable::Unknown, data, &beside, at).any(|other| other.name == one.name))
        };
        let counts = |one: &&Exception| match relief {
            Relief::Waived => one.is_allowed_by(policy, at.now),
            Relief::RiskAccepted => one.names(&policy.name),
        };
        let all = self.about(Waivable::Unknown, first, &beside, at).filter(about_all).filter(counts);
        Some(all.reduce(last_of)?.waiver(relief))
    }

    /// Who lets pass what the owner's policy finds in a store or flow.
    pub fn owners(&self, finding: &Finding, policy: &Policy, matter: &Matter, at: At<'_>) -> Option<Waiver> {
        let all = self.about_matter(finding.rule, matter, at).filter(|one| one.is_allowed_by(policy, at.now));
        Some(all.reduce(last_of)?.waiver(Relief::Waived))
    }

    /// Who has accepted the risk of what the law says of a store or flow. Guidance and professional codes are no law, and are
    /// let pass like a policy's own finding.
    pub fn legal(&self, outcome: &Outcome, policy: &Policy, matter: &Matter, at: At<'_>) -> Option<Waiver> {
        let is_law = outcome.authority() >= Authority::Judgment;
        let relief = if is_law { Relief::RiskAccepted } else { Relief::Waived };
        let place = |place: Option<Country>, one: &Exception| {
            one.to.is_empty() || place.is_none_or(|place| one.to.contains(place))
        };
        let counts = |one: &&Exception| {
            place(outcome.place, one)
                && if is_law { one.names(&policy.name) } else { one.is_allowed_by(policy, at.now) }
        };
        let all = self.about_matter(outcome.rule, matter, at).filter(counts);
        Some(all.reduce(last_of)?.waiver(relief))
    }

    fn about_matter<'b>(
        &'b self,
        rule: &'b str,
        matter: &'b Matter,
        at: At<'b>,
    ) -> impl Iterator<Item = &'a Exception> + 'b {
        self.all.iter().copied().filter(move |one| {
            one.rules.iter().any(|waivable| waivable.id() == rule)
                && matter.unknown_origin.is_none()
                && one.holds_data(&matter.via)
                && self.subject.is_some_and(|subject| one.names_source(subject, &matter.via, &[]))
                && one.is_about(&matter.origins, &matter.categories, at.lawbook, at.now)
        })
    }
}

/// Of two the one that lasts longer; of two alike the first by name.
fn last_of<'a>(best: &'a Exception, one: &'a Exception) -> &'a Exception {
    if one.expires > best.expires { one } else { best }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules;

    #[test]
    fn every_rule_of_owners_and_of_law_may_be_named_and_no_other() {
        let read = |id: &str| serde_json::from_value::<Waivable>(id.into());
        let named = ["RES-PLACE", "RES-UNKNOWN"].into_iter();
        let named = named.chain(rules::OWNER.iter().map(|rule| rule.id)).chain(rules::LEGAL.iter().map(|rule| rule.id));
        for id in named {
            assert_eq!(read(id).unwrap().id(), id);
            assert_eq!(read(id).unwrap().is_the_owners(), id.starts_with("RES-"), "{id}");
        }
        for id in ["RES-ORIGIN", "RES-UNCOVERED", "RES-CONFLICT", rules::SCOPE, rules::SPEC] {
            assert!(read(id).is_err(), "{id}");
        }
    }
}
