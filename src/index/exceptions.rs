//! What exceptions come to: whether each counts now, and what it waives of what exists.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Index;
use crate::api::v1alpha1::ResidencyException;
use crate::engine::exception::Exception;
use crate::engine::verdict::{Relief, Verdict};
use crate::interpret::read::Problem;
use crate::interpret::read::exception::{self, Unapproved};
use crate::interpret::world::World;

/// An exception, and what comes of it.
#[derive(Debug, Clone)]
pub struct ExceptionReport {
    /// The object as it was last seen.
    pub object: ResidencyException,
    /// Whether it counts.
    pub hearing: Hearing,
    /// How many findings it waives.
    pub waived: i64,
    /// Over how many it accepts the risk.
    pub risks: i64,
    /// The lead time within which it expires, once that has begun.
    pub ends_within: Option<String>,
    /// The next instant at which time alone changes any of that.
    pub next: Option<Timestamp>,
}

/// Whether an exception counts, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hearing {
    /// It cannot be read.
    Invalid(Vec<Problem>),
    /// It is no more.
    Expired(Timestamp),
    /// Nothing sees to it that only approvers approve.
    Unguarded,
    /// Nobody else has approved it as it stands.
    Unapproved(Unapproved),
    /// It begins later.
    NotYet(Timestamp),
    /// No policy lets it loosen anything.
    NotAllowed(Vec<String>),
    /// It counts, until then, for these policies; others that it names do not let it.
    Honoured {
        /// The first instant at which it is no more.
        until: Timestamp,
        /// The policies that it loosens.
        policies: Vec<String>,
        /// Why it does not loosen the others.
        deaf: Vec<String>,
    },
}

/// How many findings exceptions are about, by their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Relieved(BTreeMap<String, (i64, i64)>);

impl Relieved {
    pub(super) fn add(&mut self, verdict: &Verdict) {
        for waiver in verdict.findings.iter().filter_map(|finding| finding.waived.as_ref()) {
            let (waived, risks) = self.0.entry(waiver.exception.clone()).or_default();
            match waiver.relief {
                Relief::Waived => *waived += 1,
                Relief::RiskAccepted => *risks += 1,
            }
        }
    }
}

impl Relieved {
    /// Adds what was relieved elsewhere.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (exception, (waived, risks)) in &other.0 {
            let known = self.0.entry(exception.clone()).or_default();
            *known = (known.0 + waived, known.1 + risks);
        }
    }
}

impl Index {
    pub(super) fn exception_reports(&self, relieved: &Relieved, world: &World, now: Timestamp) -> Vec<ExceptionReport> {
        let report = |((space, name), object): (&(String, String), &ResidencyException)| {
            let read = exception::exception(object);
            let (waived, risks) = relieved.0.get(&format!("{space}/{name}")).copied().unwrap_or_default();
            let honoured = |read: &Exception| matches!(hearing(object, Ok(read), world, now), Hearing::Honoured { .. });
            let (ends_within, next) = match &read {
                Ok(read) => (ends_within(read, now).filter(|_| honoured(read)), next(read, now)),
                Err(_) => (None, None),
            };
            let hearing = match hearing(object, read.as_ref().map_err(Vec::as_slice), world, now) {
                Hearing::Unapproved(_) | Hearing::NotYet(_) | Hearing::NotAllowed(_) | Hearing::Honoured { .. }
                    if !self.approvals_are_guarded =>
                {
                    Hearing::Unguarded
                }
                other => other,
            };
            ExceptionReport { object: object.clone(), hearing, waived, risks, ends_within, next }
        };
        self.exceptions.iter().map(report).collect()
    }
}

fn hearing(
    object: &ResidencyException,
    read: Result<&Exception, &[Problem]>,
    world: &World,
    now: Timestamp,
) -> Hearing {
    let read = match read {
        Ok(read) => read,
        Err(problems) => return Hearing::Invalid(problems.to_vec()),
    };
    if read.expires <= now {
        return Hearing::Expired(read.expires);
    }
    if let Err(reason) = exception::approved(object) {
        return Hearing::Unapproved(reason);
    }
    if let Some(starts) = read.starts.filter(|starts| *starts > now) {
        return Hearing::NotYet(starts);
    }
    let (policies, deaf) = exception::heard(read, &world.policies, now);
    // Over the law it accepts a risk, and needs nobody to let it.
    let accepts_risks = read.rules.iter().any(|rule| !rule.is_the_owners());
    if policies.is_empty() && !accepts_risks {
        return Hearing::NotAllowed(exception::unheard(read, &world.policies, now));
    }
    Hearing::Honoured { until: read.expires, policies: policies.into_iter().map(str::to_owned).collect(), deaf }
}

/// How long before the end people are told, the longest first: a week and a day, or a tenth of what lasts too short for those.
fn leads(exception: &Exception, now: Timestamp) -> Vec<SignedDuration> {
    let life = exception.life(now);
    let fixed = [7, 1].map(|days| SignedDuration::from_hours(24 * days));
    let leads: Vec<SignedDuration> = fixed.into_iter().filter(|lead| *lead * 2 <= life).collect();
    if leads.is_empty() { vec![SignedDuration::from_secs((life.as_secs() / 10).max(1))] } else { leads }
}

fn before(exception: &Exception, lead: SignedDuration) -> Timestamp {
    exception.expires.saturating_sub(lead).unwrap_or(Timestamp::MIN)
}

/// The shortest lead time that has begun.
fn ends_within(exception: &Exception, now: Timestamp) -> Option<String> {
    let begun = |lead: &SignedDuration| before(exception, *lead) <= now && now < exception.expires;
    leads(exception, now).into_iter().rfind(begun).map(|lead| lead.to_string())
}

/// When it begins, ends, or the next lead time begins.
fn next(exception: &Exception, now: Timestamp) -> Option<Timestamp> {
    let leads = leads(exception, now).into_iter().map(|lead| before(exception, lead));
    let all = leads.chain(exception.starts).chain([exception.expires]);
    all.filter(|instant| *instant > now).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::country::CountrySet;

    fn lasting(hours: i64) -> Exception {
        Exception {
            namespace: "cx".into(),
            name: "a".into(),
            approver: "bob".into(),
            rules: Vec::new(),
            policies: Vec::new(),
            objects: Vec::new(),
            origins: Vec::new(),
            categories: Vec::new(),
            to: CountrySet::EMPTY,
            since: Some(Timestamp::UNIX_EPOCH),
            starts: None,
            expires: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours),
        }
    }

    #[test]
    fn people_are_told_a_week_and_a_day_ahead_or_a_tenth_of_a_short_life() {
        let told = |hours, at| ends_within(&lasting(hours), Timestamp::UNIX_EPOCH + SignedDuration::from_hours(at));
        assert_eq!(told(24 * 30, 24 * 22), None);
        assert_eq!(told(24 * 30, 24 * 23).as_deref(), Some("PT168H"));
        assert_eq!(told(24 * 30, 24 * 29).as_deref(), Some("PT24H"));
        assert_eq!(told(24 * 30, 24 * 30), None);
        assert_eq!(told(24 * 5, 24 * 3), None);
        assert_eq!(told(24 * 5, 24 * 4).as_deref(), Some("PT24H"));
        assert_eq!(told(20, 17), None);
        assert_eq!(told(20, 18).as_deref(), Some("PT2H"));
    }

    #[test]
    fn every_instant_at_which_something_changes_is_waited_for() {
        let one = lasting(24 * 30);
        let mut at = Timestamp::UNIX_EPOCH;
        let mut days = Vec::new();
        while let Some(then) = next(&one, at) {
            days.push(then.duration_since(Timestamp::UNIX_EPOCH).as_hours() / 24);
            at = then;
        }
        assert_eq!(days, [23, 29, 30]);
    }
}
