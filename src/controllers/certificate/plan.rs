//! What to do with the certificates now (no client, no clock).
//!
//! An authority is replaced in steps, so that whoever asks trusts what is served at every instant: the new one joins the
//! bundle; once API servers have taken the bundle up, it signs a new serving certificate; once every replica has had time
//! to load that, the old one leaves. Nothing has to happen on time: what was missed while no operator ran is made up for by
//! the first step after.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

use super::contents::Contents;
use crate::webhook::tls::{self, Identity, Pair, TlsError, Validity};

/// How long things last.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// An authority.
    pub authority: Duration,
    /// A serving certificate.
    pub certificate: Duration,
}

impl Schedule {
    /// API servers hear of a changed configuration by a watch of their own; until then they trust the old bundle.
    fn take_up(&self) -> Duration {
        (self.certificate / 20).clamp(Duration::from_secs(2), Duration::from_secs(60))
    }

    /// A replica that the API server cannot reach for so long is no longer asked either.
    fn settle(&self) -> Duration {
        (self.certificate / 4).clamp(Duration::from_secs(4), Duration::from_secs(3600))
    }
}

/// Authorities, each with the instant since which that is so: since when every entry of both configurations has held it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenUp(Vec<(CertificateDer<'static>, Timestamp)>);

impl TakenUp {
    /// Since when, if it is there.
    pub fn since(&self, authority: &CertificateDer<'static>) -> Option<Timestamp> {
        self.0.iter().find(|(one, _)| one == authority).map(|(_, since)| *since)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&CertificateDer<'static>, Timestamp)> {
        self.0.iter().map(|(one, since)| (one, *since))
    }

    /// The same authorities as these, with the instants that are known already.
    #[must_use]
    pub fn follow(&self, authorities: impl IntoIterator<Item = CertificateDer<'static>>, now: Timestamp) -> Self {
        let since = |one: CertificateDer<'static>| (one.clone(), self.since(&one).unwrap_or(now));
        Self(authorities.into_iter().map(since).collect())
    }
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin anew: a new authority and a certificate of it, beside these authorities, which somebody may still rely on.
    Begin {
        /// The authorities to keep.
        beside: Vec<CertificateDer<'static>>,
    },
    /// A new authority joins the bundle; the certificate stays.
    AddAuthority,
    /// The newest authority signs a new certificate.
    Issue,
    /// The newest authority stays alone.
    Retire,
    /// Nothing, until then.
    Wait(Timestamp),
}

fn after(at: Timestamp, span: Duration) -> Timestamp {
    at.saturating_add(SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

impl Step {
    /// A fixed word for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::AddAuthority => "add-authority",
            Self::Issue => "issue",
            Self::Retire => "retire",
            Self::Wait(_) => "wait",
        }
    }
}

/// When two thirds of a certificate's time are over, by its own dates or by those that it would get today.
fn due(validity: Validity, lifetime: Duration) -> Timestamp {
    let own = Duration::try_from(validity.until.duration_since(validity.made)).unwrap_or_default();
    after(validity.made, own.min(lifetime) * 2 / 3)
}

/// What to do now with what the Secret holds, if it holds something of use.
pub fn plan(
    contents: Option<&Contents>,
    taken_up: &TakenUp,
    names: &[String],
    schedule: &Schedule,
    now: Timestamp,
) -> Step {
    let lasting = |authority: &&CertificateDer<'static>| Validity::of(authority).is_ok_and(|one| one.until > now);
    let begin = |contents: Option<&Contents>| {
        let own = contents.map(|contents| contents.authorities.as_slice()).unwrap_or_default();
        let mut beside: Vec<CertificateDer<'static>> = Vec::new();
        for authority in own.iter().chain(taken_up.iter().map(|(one, _)| one)).filter(lasting) {
            if !beside.contains(authority) {
                beside.push(authority.clone());
            }
        }
        Step::Begin { beside }
    };
    let Some(contents) = contents else { return begin(None) };
    let Some(newest) = contents.authorities.last() else { return begin(Some(contents)) };
    let Ok(authority) = Validity::of(newest) else { return begin(Some(contents)) };
    let sound = authority.until > now && tls::belong_together(newest, &contents.authority_key);

    let identity = Identity::new(&contents.serving);
    let trusted = |by: &[CertificateDer<'static>]| {
        let identity = identity.as_ref().ok()?;
        names.iter().all(|name| identity.verify(by, name, now).is_ok()).then(|| identity.validity().ok())?
    };
    // What ends before another could take its place is of no use any more.
    let soon = after(now, schedule.settle());
    let Some(serving) = trusted(&contents.authorities) else {
        // Nobody trusts what there is, so that nothing is lost by hurrying.
        return if sound && authority.until > soon { Step::Issue } else { begin(Some(contents)) };
    };
    let authority_due = due(authority, schedule.authority);
    if !sound || authority_due <= now {
        // The key of the old authority goes when a new one comes, so that what it has to sign it signs first.
        let last = sound && serving.until <= soon && serving.until < authority.until;
        return if last { Step::Issue } else { Step::AddAuthority };
    }
    if trusted(std::slice::from_ref(newest)).is_none() {
        let taken_up = taken_up.since(newest).map(|since| after(since, schedule.take_up()));
        return match taken_up {
            Some(at) if at <= now => Step::Issue,
            // It is looked at again when the configurations change.
            at => Step::Wait(at.unwrap_or(serving.until).min(serving.until)),
        };
    }
    let serving_due = due(serving, schedule.certificate);
    if serving_due <= now {
        return Step::Issue;
    }
    let next = authority_due.min(serving_due);
    if contents.authorities.len() > 1 {
        let settled = after(serving.made, schedule.settle());
        return if settled <= now { Step::Retire } else { Step::Wait(settled.min(next)) };
    }
    Step::Wait(next)
}

/// What the Secret holds after a step; nothing after `Wait`.
///
/// # Errors
///
/// When a certificate cannot be made.
pub fn carry_out(
    step: &Step,
    contents: Option<&Contents>,
    names: &[String],
    schedule: &Schedule,
    now: Timestamp,
) -> Result<Option<Contents>, TlsError> {
    let issue = |authority: &Pair| {
        let ends = tls::certificates(&authority.certificate)?.first().map(Validity::of).transpose()?;
        let until = after(now, schedule.certificate).min(ends.map_or(Timestamp::MAX, |ends| ends.until));
        tls::issue(authority, names, now, until)
    };
    let lasting = |authorities: &[CertificateDer<'static>]| -> Vec<CertificateDer<'static>> {
        let lasts = |one: &&CertificateDer<'static>| Validity::of(one).is_ok_and(|one| one.until > now);
        authorities.iter().filter(lasts).cloned().collect()
    };
    let with_new = |before: &[CertificateDer<'static>]| {
        let fresh = tls::authority(now, after(now, schedule.authority))?;
        let mut authorities = lasting(before);
        authorities.extend(tls::certificates(&fresh.certificate)?);
        Ok::<_, TlsError>((authorities, fresh))
    };
    Ok(Some(match (step, contents) {
        (Step::Begin { beside }, _) => {
            let (authorities, fresh) = with_new(beside)?;
            Contents { authorities, serving: issue(&fresh)?, authority_key: fresh.key }
        }
        (Step::AddAuthority, Some(contents)) => {
            let (authorities, fresh) = with_new(&contents.authorities)?;
            Contents { authorities, authority_key: fresh.key, serving: contents.serving.clone() }
        }
        (Step::Issue, Some(contents)) => {
            let newest = contents.authorities.last().into_iter();
            let authority = Pair { certificate: tls::to_pem(newest), key: contents.authority_key.clone() };
            Contents { serving: issue(&authority)?, ..contents.clone() }
        }
        (Step::Retire, Some(contents)) => {
            Contents { authorities: contents.authorities.last().cloned().into_iter().collect(), ..contents.clone() }
        }
        (Step::Wait(_) | Step::AddAuthority | Step::Issue | Step::Retire, _) => return Ok(None),
    }))
}

#[cfg(test)]
mod tests;
