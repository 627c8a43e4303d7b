//! Holds conditions against claims, in a logic that knows more than yes and no. The tests stand in groups: what stands in
//! contracts, certificates and filings; facts about data, places and parties; what people agreed to and were told.

mod contract;
mod facts;
mod people;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::claims::{Basis, Proof};
use super::condition::{Condition, OnFailure};
use super::matter::{Matter, Transfer};
use super::period::Period;
use crate::engine::country::Country;
use crate::engine::lawbook::Lawbook;

/// Whether a condition is met. Ordered from the best to the worst: all of several give the worst, any of several the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It is met.
    Holds,
    /// Lawful so far; something is owed, or the law does not settle it.
    Open,
    /// What is declared does not tell.
    Unknown,
    /// It is not met.
    Fails,
}

/// Whether a condition is met, why not, and until when that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether.
    pub truth: Truth,
    /// What is missing: one sentence for each part that does not hold.
    pub missing: Vec<String>,
    /// Declarations that it relies on and that nobody has verified.
    pub relies_on: Vec<String>,
    /// First day on which time alone may change the answer.
    pub until: Option<Date>,
}

impl Answer {
    /// Nothing is asked, or all of it is met.
    pub const HOLDS: Self = Self { truth: Truth::Holds, missing: Vec::new(), relies_on: Vec::new(), until: None };

    fn new(truth: Truth, missing: impl Into<String>) -> Self {
        Self { truth, missing: vec![missing.into()], ..Self::HOLDS }
    }

    fn fails(missing: impl Into<String>) -> Self {
        Self::new(Truth::Fails, missing)
    }

    fn unknown(missing: impl Into<String>) -> Self {
        Self::new(Truth::Unknown, missing)
    }

    fn relying(on: impl Into<String>) -> Self {
        Self { relies_on: vec![on.into()], ..Self::HOLDS }
    }

    /// Both must hold.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.truth = self.truth.max(other.truth);
        note(&mut self.missing, other.missing);
        note(&mut self.relies_on, other.relies_on);
        self.until = earlier(self.until, other.until);
        self
    }

    /// The better of two alternatives; what is missing of either, while neither holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let until = earlier(self.until, other.until);
        let mut better = match self.truth.cmp(&other.truth) {
            std::cmp::Ordering::Less => self,
            std::cmp::Ordering::Greater => other,
            std::cmp::Ordering::Equal => {
                let mut both = self;
                if both.truth != Truth::Holds {
                    note(&mut both.missing, other.missing);
                    note(&mut both.relies_on, other.relies_on);
                }
                both
            }
        };
        better.until = until;
        better
    }

    fn changes(mut self, today: Date, day: Option<Date>) -> Self {
        self.until = earlier(self.until, day.filter(|day| *day > today));
        self
    }
}

/// Several conditions may miss the same.
fn note(into: &mut Vec<String>, all: Vec<String>) {
    for one in all {
        if !into.contains(&one) {
            into.push(one);
        }
    }
}

fn earlier<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Everything that a condition is held against.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The store or flow.
    pub matter: &'a Matter,
    /// The claims made for the mechanism in question.
    pub basis: Option<&'a Basis>,
    /// The transfer in question.
    pub transfer: Option<&'a Transfer>,
    /// The country whose law asks.
    pub here: Option<Country>,
    /// Where the data goes.
    pub place: Option<Country>,
    /// Who belongs to which bloc.
    pub lawbook: &'a Lawbook,
    /// The time.
    pub now: Timestamp,
    /// The day, where the law is in force.
    pub today: Date,
}

impl<'a> Asking<'a> {
    /// Questions about a matter, on the day that it is in this zone.
    pub fn new(matter: &'a Matter, lawbook: &'a Lawbook, now: Timestamp, zone: &TimeZone) -> Self {
        let today = zone.to_datetime(now).date();
        Self { matter, basis: None, transfer: None, here: None, place: None, lawbook, now, today }
    }

    /// Whether a condition is met.
    pub fn answer(&self, condition: &Condition) -> Answer {
        match self.asked(condition) {
            Ok(()) => self.met(condition).changes(self.today, condition.until),
            Err(from) => Answer { until: from, ..Answer::HOLDS },
        }
    }

    /// Whether the condition is asked at all today; else from when on it will be.
    fn asked(&self, condition: &Condition) -> Result<(), Option<Date>> {
        if let Some(from) = condition.from.filter(|from| *from > self.today) {
            return Err(Some(from));
        }
        if condition.until.is_some_and(|until| until <= self.today) { Err(None) } else { Ok(()) }
    }

    fn met(&self, condition: &Condition) -> Answer {
        let Condition {
            from: _,
            until: _,
            on_failure,
            says,
            all_of,
            any_of,
            not,
            certified,
            instrument,
            group_rules,
            assessment,
            filing,
            subject_count,
            data_scope,
            party_scope,
            consent,
            necessity,
            notice,
            destination,
            provenance,
            dealing,
            relationship,
            register_screened,
            message,
            purpose,
            handling,
        } = condition;
        let mut answer = Answer::HOLDS;
        let mut and = |other: Answer| answer = std::mem::replace(&mut answer, Answer::HOLDS).and(other);
        for inner in all_of {
            and(self.answer(inner));
        }
        if !any_of.is_empty() {
            and(self.any(any_of));
        }
        if let Some(inner) = not {
            and(self.not(inner));
        }
        macro_rules! test {
            ($($part:ident => $method:ident),* $(,)?) => { $(if let Some(part) = $part { and(self.$method(part)); })* };
        }
        test! {
            certified => certified, instrument => instrument, group_rules => group_rules, assessment => assessment,
            filing => filing, subject_count => subject_count, data_scope => data_scope, party_scope => party_scope,
            consent => consent, necessity => necessity, notice => notice, destination => destination,
            provenance => provenance, dealing => dealing, relationship => relationship, register_screened => screened,
            message => message, purpose => purpose, handling => handling,
        }
        if answer.truth != Truth::Holds
            && let Some(says) = says
        {
            let details = answer.missing.join("; ");
            answer.missing = vec![if details.is_empty() { says.clone() } else { format!("{says} ({details})") }];
        }
        // What would only be owed if it were certainly missing is not worse where nobody can tell.
        if answer.truth > Truth::Open && *on_failure != OnFailure::GroundFails {
            answer.truth = Truth::Open;
            if *on_failure == OnFailure::Unsettled {
                for missing in &mut answer.missing {
                    missing.push_str(": what follows is not settled in law");
                }
            }
        }
        answer
    }

    /// An alternative outside its time is none.
    fn any(&self, conditions: &[Condition]) -> Answer {
        let mut best: Option<Answer> = None;
        let mut until = None;
        for condition in conditions {
            match self.asked(condition) {
                Ok(()) => {
                    let one = self.answer(condition);
                    best = Some(match best {
                        Some(best) => best.or(one),
                        None => one,
                    });
                }
                Err(from) => until = earlier(until, from),
            }
        }
        let mut best = best.unwrap_or_else(|| Answer::fails("none of the alternatives is in force"));
        best.until = earlier(best.until, until);
        best
    }

    fn not(&self, condition: &Condition) -> Answer {
        let inner = self.answer(condition);
        let (truth, missing) = match inner.truth {
            Truth::Holds => {
                (Truth::Fails, vec![condition.says.clone().unwrap_or_else(|| "an exclusion applies".into())])
            }
            Truth::Fails => (Truth::Holds, Vec::new()),
            // What is owed or unknown about the opposite says nothing for sure.
            Truth::Open | Truth::Unknown => (Truth::Unknown, inner.missing),
        };
        Answer { truth, missing, relies_on: inner.relies_on, until: inner.until }
    }

    /// Whether a claim can be relied on today: dated, not expired, not too old.
    fn proof(&self, what: &str, proof: &Proof, max_age: Option<Period>) -> Answer {
        let today = self.today;
        if let Some(as_of) = proof.as_of.filter(|as_of| *as_of > today) {
            return Answer::fails(format!("{what} is of {as_of}, which is yet to come")).changes(today, Some(as_of));
        }
        if let Some(expires) = proof.expires.filter(|expires| *expires <= today) {
            return Answer::fails(format!("{what} expired on {expires}"));
        }
        let stale = max_age.zip(proof.as_of).map(|(age, as_of)| age.after(as_of));
        if let Some(stale) = stale.filter(|stale| *stale <= today) {
            let fails = Answer::fails(format!("{what} has been too old since {stale}; confirm it again"));
            return fails.changes(today, proof.expires);
        }
        let undated = max_age.is_some() && proof.as_of.is_none() && proof.expires.is_none();
        let relying = match (&proof.evidence, undated) {
            (_, true) => format!("{what}, undated"),
            (None, false) => format!("{what}, without a reference to evidence"),
            (Some(_), false) => what.to_owned(),
        };
        Answer::relying(relying).changes(today, proof.expires).changes(today, stale)
    }
}

/// The best of several alternatives; none if there are none.
fn best(answers: impl Iterator<Item = Answer>) -> Option<Answer> {
    answers.reduce(Answer::or)
}

/// Whether a purpose is the other or one below it: `marketing` covers `marketing-email`.
pub fn covers_purpose(covers: &str, purpose: &str) -> bool {
    purpose.strip_prefix(covers).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
}
