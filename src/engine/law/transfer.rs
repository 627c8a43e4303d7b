//! Whether something carries data over one border under one law.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::claims::{Basis, ConsentFor};
use super::condition::Condition;
use super::evaluate::{Answer, Asking, Truth};
use super::jurisdiction::Regime;
use super::mechanism::{EndEffect, GroundKind, Mechanism, MechanismRole, OnwardRule};
use super::opinion::{Crossing, Ground, Legal, Question};
use super::source::{Citation, Confidence};
use crate::engine::lawbook::{Lawbook, Window};

/// What carries data over a border, or why nothing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carriage {
    /// The legal state.
    pub legal: Legal,
    /// What carries it.
    pub ground: Option<Ground>,
    /// What is missing, owed or unknown.
    pub message: String,
    /// How to make it right.
    pub remedy: String,
    /// Where that is written.
    pub citation: Option<Citation>,
    /// Declarations that it relies on.
    pub relies_on: Vec<String>,
    /// First instant at which time alone may change it.
    pub until: Option<Timestamp>,
}

/// The first instant after `now` at which a window begins or ends.
pub fn next_of(window: Window, now: Timestamp) -> Option<Timestamp> {
    [window.from, window.until].into_iter().flatten().filter(|instant| *instant > now).min()
}

/// The first instant of a day.
pub fn instant(day: Option<Date>, zone: &TimeZone) -> Option<Timestamp> {
    Some(day?.to_zoned(zone.clone()).ok()?.timestamp())
}

/// The smaller of two that may be none; of instants the earlier.
pub fn sooner<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What is not sure enough to rely on counts as unknown, whatever it says in somebody's favour.
fn doubted(answer: Answer, confidence: Confidence) -> Answer {
    if confidence > Confidence::Low || answer.truth > Truth::Open {
        return answer;
    }
    let missing = vec!["the catalogue is not sure of it (confidence low)".to_owned()];
    Answer { truth: Truth::Unknown, missing, ..answer }
}

/// The mechanisms of a role that concern a crossing, in force or not, by name.
pub fn concerning<'a>(
    question: &Question<'a>,
    crossing: &Crossing<'a>,
    role: MechanismRole,
) -> impl Iterator<Item = &'a Mechanism> {
    let (lawbook, now, place) = (question.lawbook, question.now, crossing.place);
    let region = crossing.law.region.as_deref();
    let of_region = region.map(|region| lawbook.concerning_region(role, region, place, now));
    let of_country = region.is_none().then(|| lawbook.concerning(role, crossing.law.country, place, now));
    of_region.into_iter().flatten().chain(of_country.into_iter().flatten())
}

/// Questions about a crossing under a mechanism.
pub fn asking<'a>(question: &Question<'a>, crossing: &Crossing<'a>, zone: &TimeZone) -> Asking<'a> {
    Asking {
        transfer: Some(crossing.transfer),
        here: Some(crossing.law.country),
        place: Some(crossing.place),
        ..Asking::new(question.matter, question.lawbook, question.now, zone)
    }
}

/// Whether what a mechanism demands is met for a crossing, by the best of the claims that are made for it; and which of
/// the declared bases that is.
pub fn holds<'a>(question: &Question<'a>, crossing: &Crossing<'a>, mechanism: &Mechanism) -> (Answer, usize) {
    let unclaimed = question.matter.bases.len();
    let Some(when) = &mechanism.when else { return (doubted(Answer::HOLDS, mechanism.citation.confidence), unclaimed) };
    let asking = asking(question, crossing, &mechanism.zone);
    let claimed = question.matter.bases.iter().enumerate().filter(|(_, basis)| mechanism.is_named(&basis.mechanism));
    let mut best: Option<(Answer, usize)> = None;
    for (position, basis) in claimed {
        let one = Asking { basis: Some(basis), ..asking }.answer(when);
        best = Some(match best {
            Some((known, at)) => {
                let at = if one.truth < known.truth { position } else { at };
                (known.or(one), at)
            }
            None => (one, position),
        });
    }
    let (answer, at) = best.unwrap_or_else(|| (asking.answer(when), unclaimed));
    (doubted(answer, mechanism.citation.confidence), at)
}

/// A ground as it is shown.
fn ground(mechanism: &Mechanism, law: &str, now: Timestamp) -> Ground {
    let later = mechanism.window.until.filter(|until| *until > now);
    let annulled = mechanism.ended.as_ref().filter(|ended| ended.effect == EndEffect::ExTunc).zip(later);
    Ground {
        name: mechanism.name.clone(),
        kind: mechanism.kind,
        law: law.to_owned(),
        title: mechanism.title.clone(),
        until: later,
        at_risk: mechanism
            .risks
            .iter()
            .filter(|risk| risk.window.contains(now))
            .map(|risk| risk.note.clone())
            .collect(),
        review: annulled.map(|(ended, until)| {
            let by = ended.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let day = mechanism.zone.to_datetime(until).date();
            format!("{} in force then; later annulled retroactively{by} on {day}; review", mechanism.name)
        }),
        citation: mechanism.citation.clone(),
    }
}

/// Free flow inside a bloc as a ground.
fn free(lawbook: &Lawbook, crossing: &Crossing<'_>, now: Timestamp) -> Option<Ground> {
    if crossing.law.region.is_some() {
        return None;
    }
    let bloc = lawbook.free_flow(crossing.law.country, crossing.place, now)?;
    Some(Ground {
        name: bloc.code().to_owned(),
        kind: GroundKind::FreeFlow,
        law: crossing.law.code().to_owned(),
        title: format!("free flow in the {}", bloc.title()),
        until: None,
        at_risk: Vec::new(),
        review: None,
        citation: bloc.citation().clone(),
    })
}

impl Carriage {
    fn by(ground: Ground, answer: Answer, until: Option<Timestamp>) -> Self {
        let legal = answer.truth.into();
        let missing = answer.missing.join("; ");
        let message = if missing.is_empty() { String::new() } else { format!("{}: {missing}", ground.name) };
        let remedy = if missing.is_empty() { String::new() } else { "declare or renew what is missing".to_owned() };
        let citation = Some(ground.citation.clone());
        Self { legal, ground: Some(ground), message, remedy, citation, relies_on: answer.relies_on, until }
    }
}

/// A ground in force, and how far it holds.
struct Offer<'a> {
    /// Which of the declared bases it is; more than there are where it needs no claim.
    position: usize,
    mechanism: &'a Mechanism,
    answer: Answer,
}

impl Offer<'_> {
    /// The best first: by what holds, then as the owner prefers, then by name.
    fn rank(&self) -> (Truth, usize, &str) {
        (self.answer.truth, self.position, &self.mechanism.name)
    }
}

/// The grounds in force for a crossing, the best first, and the first instant at which time alone may change that. As soon
/// as one holds, those that could not be better are not looked at.
fn offers<'a>(question: &Question<'a>, crossing: &Crossing<'a>) -> (Vec<Offer<'a>>, Option<Timestamp>) {
    let now = question.now;
    let bases = &question.matter.bases;
    let mut until = None;
    let mut offers: Vec<Offer<'a>> = Vec::new();
    let mut look = |mechanism: &'a Mechanism, until: &mut Option<Timestamp>| {
        *until = sooner(*until, next_of(mechanism.window, now));
        for risk in &mechanism.risks {
            *until = sooner(*until, next_of(risk.window, now));
        }
        if !mechanism.window.contains(now) {
            return None;
        }
        let (answer, position) = holds(question, crossing, mechanism);
        *until = sooner(*until, instant(answer.until, &mechanism.zone));
        let held_by = (answer.truth == Truth::Holds).then_some(position);
        offers.push(Offer { position, mechanism, answer });
        held_by
    };
    let all: Vec<&'a Mechanism> = concerning(question, crossing, MechanismRole::Ground).collect();
    let named = |mechanism: &Mechanism| bases.iter().any(|basis| mechanism.is_named(&basis.mechanism));
    let mut held_by = None;
    for (position, basis) in bases.iter().enumerate() {
        let before = |mechanism: &Mechanism| bases[..position].iter().any(|basis| mechanism.is_named(&basis.mechanism));
        for mechanism in all.iter().filter(|one| one.is_named(&basis.mechanism) && !before(one)) {
            held_by = sooner(held_by, look(mechanism, &mut until));
        }
        // What stands further down would not be preferred.
        if held_by.is_some_and(|held_by| held_by <= position) {
            break;
        }
    }
    if held_by.is_none() {
        let (onward, onward_until) = onward(question, crossing);
        until = sooner(until, onward_until);
        let onward_holds = onward.as_ref().is_some_and(|offer| offer.answer.truth == Truth::Holds);
        for mechanism in all.iter().filter(|one| !named(one)) {
            // Of those that need no claim the first by name is named.
            if look(mechanism, &mut until).is_some() && !onward_holds {
                break;
            }
        }
        offers.extend(onward);
    }
    offers.sort_by(|a, b| a.rank().cmp(&b.rank()));
    (offers, until)
}

/// What carries data over a border under one law: free flow, then the bases in the order in which they are declared, then
/// grounds that need no claim.
pub fn carriage<'a>(question: &Question<'a>, crossing: &Crossing<'a>) -> Carriage {
    let (lawbook, now) = (question.lawbook, question.now);
    let law = crossing.law.code();
    if let Some(ground) = free(lawbook, crossing, now) {
        return Carriage::by(ground, Answer::HOLDS, None);
    }
    let (options, mut until) = offers(question, crossing);

    let regimes = lawbook.binding(crossing.law.country, now).flat_map(|law| &law.regimes);
    let own = lawbook.jurisdiction(law).filter(|_| crossing.law.region.is_some());
    for regime in own.into_iter().flat_map(|law| &law.regimes).chain(regimes) {
        until = sooner(until, next_of(regime.window, now));
        until = sooner(until, regime.rule.enforced_from.filter(|from| *from > now));
    }
    let regime = match own {
        Some(own) => super::jurisdiction::in_force(&own.regimes, now),
        None => lawbook.regime(crossing.law.country, now),
    };
    let sure = regime.filter(|one| one.citation.confidence > Confidence::Low);
    let default = sure.map_or(Regime::Unknown, |one| one.rule.default);

    let best = options.first().map(|offer| offer.answer.truth);
    if default == Regime::Free
        && best.is_none_or(|truth| truth > Truth::Holds)
        && let Some(regime) = sure
    {
        let ground = Ground {
            name: format!("{law} restricts no transfer"),
            kind: GroundKind::FreeFlow,
            law: law.to_owned(),
            title: "no general restriction of transfers".to_owned(),
            until: None,
            at_risk: Vec::new(),
            review: None,
            citation: regime.citation.clone(),
        };
        return Carriage::by(ground, Answer::HOLDS, until);
    }
    // Where nobody is declared who receives the data, that is what has to be said first.
    let nobody = crossing.transfer.importer.is_none();
    // And where a ground is only owed so far, one of which nobody can tell is not worse than none.
    let grace = regime.and_then(|one| one.rule.enforced_from).is_some_and(|enforced| now < enforced);
    if let Some(Offer { mechanism, answer, position: _ }) = options.first()
        && answer.truth < Truth::Fails
        && !((nobody || grace) && answer.truth == Truth::Unknown)
    {
        let carriage = Carriage::by(ground(mechanism, law, now), answer.clone(), until);
        // What is broken where no ground is certain is the rule that asks for one, whatever the ground stands in.
        let asks = regime.filter(|_| carriage.legal > Legal::Conditional).map(|regime| regime.citation.clone());
        return Carriage { citation: asks.or(carriage.citation.clone()), ..carriage };
    }
    refused(question, crossing, default, regime.map(|one| (one.rule.enforced_from, &one.citation)), &options, until)
}

/// Nothing carries the data: what that means, and what would.
fn refused(
    question: &Question<'_>,
    crossing: &Crossing<'_>,
    default: Regime,
    regime: Option<(Option<Timestamp>, &Citation)>,
    options: &[Offer<'_>],
    until: Option<Timestamp>,
) -> Carriage {
    const SHOWN: usize = 3;
    let (matter, now, place) = (question.matter, question.now, crossing.place);
    let law = crossing.law.code();
    let mut reasons: Vec<String> =
        matter.bases.iter().map(|basis| why_not(question, crossing, basis, options)).collect();
    if reasons.is_empty() {
        reasons.push("no basis is declared".to_owned());
    }
    let claimed = |mechanism: &Mechanism| matter.bases.iter().any(|basis| mechanism.is_named(&basis.mechanism));
    // The kinds are in the order in which people look for a ground. Adequacy is nothing that could be declared.
    let mut claimable: Vec<&Offer<'_>> = options
        .iter()
        .filter(|offer| !claimed(offer.mechanism) && offer.mechanism.kind != GroundKind::Adequacy)
        .collect();
    claimable.sort_by_key(|offer| (offer.mechanism.kind, &offer.mechanism.name));
    let mut alternatives: Vec<String> = claimable
        .iter()
        .map(|Offer { mechanism, answer, position: _ }| match answer.missing.first() {
            Some(missing) => format!("{}: {missing}", mechanism.name),
            None => mechanism.name.clone(),
        })
        .collect();
    let more = alternatives.len().saturating_sub(SHOWN);
    alternatives.truncate(SHOWN);
    let (legal, what) = match (default, regime) {
        (Regime::Unknown, _) => {
            (Legal::Unknown, format!("what the law of {law} asks of a transfer to {place} is not known"))
        }
        (_, Some((Some(enforced), _))) if now < enforced => {
            (Legal::Conditional, format!("a transfer from {law} to {place} will need a ground; until then one is owed"))
        }
        _ if crossing.transfer.importer.is_none() => (
            Legal::Unknown,
            format!(
                "who receives the data in {place} is not declared, and no ground that needs no claim leads from {law} there"
            ),
        ),
        _ => (Legal::Prohibited, format!("no ground carries the data from {law} to {place}")),
    };
    let remedy = match (alternatives.as_slice(), more) {
        ([], _) => format!("keep the data out of {place}"),
        (some, 0) => {
            format!("declare in bases what one of these asks, or keep the data out of {place}: {}", some.join("; "))
        }
        (some, more) => format!(
            "declare in bases what one of these asks, or keep the data out of {place}: {}; or one of {more} more",
            some.join("; ")
        ),
    };
    Carriage {
        legal,
        ground: None,
        message: format!("{what}: {}", reasons.join("; ")),
        remedy,
        citation: regime.map(|(_, citation)| citation.clone()),
        relies_on: Vec::new(),
        until,
    }
}

/// Why a declared basis does not carry the data.
fn why_not(question: &Question<'_>, crossing: &Crossing<'_>, basis: &Basis, options: &[Offer<'_>]) -> String {
    let now = question.now;
    let name = &basis.mechanism;
    if let Some(Offer { mechanism, answer, position: _ }) = options.iter().find(|offer| offer.mechanism.is_named(name))
    {
        return format!("{}: {}", mechanism.name, answer.missing.join("; "));
    }
    let mut named = question.lawbook.mechanisms().filter(|one| one.is_named(name)).peekable();
    if named.peek().is_none() {
        return format!("{name}: the lawbook knows no such mechanism");
    }
    let concerns: Vec<&Mechanism> = named
        .filter(|one| {
            crossing.law.is_left_by(one, question.lawbook, now) && one.leads_to(crossing.place, question.lawbook, now)
        })
        .collect();
    let day = |instant, mechanism: &Mechanism| mechanism.zone.to_datetime(instant).date();
    let ended = concerns
        .iter()
        .filter_map(|one| Some((one.window.until.filter(|until| *until <= now)?, *one)))
        .max_by_key(|one| one.0);
    let coming = concerns
        .iter()
        .filter_map(|one| Some((one.window.from.filter(|from| *from > now)?, *one)))
        .min_by_key(|one| one.0);
    match (ended, coming) {
        (Some((until, one)), _) => {
            let by = one.ended.as_ref().and_then(|ended| ended.by.as_ref()).map(|by| format!(" ({by})"));
            format!("{} ended on {}{}", one.name, day(until, one), by.unwrap_or_default())
        }
        (None, Some((from, one))) => format!("{} applies from {} on", one.name, day(from, one)),
        (None, None) => format!("{name} does not lead from {} to {}", crossing.law.code(), crossing.place),
    }
}

/// Grounds that the earlier hop leaves for passing the data on.
fn onward<'a>(question: &Question<'a>, crossing: &Crossing<'a>) -> (Option<Offer<'a>>, Option<Timestamp>) {
    let Some(hop) = &question.matter.earlier else { return (None, None) };
    let (lawbook, now) = (question.lawbook, question.now);
    let named = lawbook.grounds().filter(|one| one.is_named(&hop.mechanism));
    let binds = |one: &&Mechanism| crossing.law.is_left_by(one, lawbook, now);
    // Of a family the member that is in force, else the latest.
    let Some(mechanism) = named.filter(binds).max_by_key(|one| (one.window.contains(now), one.window.from)) else {
        return (None, None);
    };
    let mut until = next_of(mechanism.window, now);
    if !mechanism.window.contains(now) {
        return (None, until);
    }
    let unclaimed = question.matter.bases.len();
    let answer = match mechanism.onward {
        OnwardRule::ImporterLaw => Answer::HOLDS,
        OnwardRule::SameInstrument
            if question.matter.bases.iter().any(|basis| mechanism.is_named(&basis.mechanism)) =>
        {
            holds(question, crossing, mechanism).0
        }
        OnwardRule::SameInstrument | OnwardRule::Forbidden => return (None, until),
        OnwardRule::NeedsConsent => {
            asking(question, crossing, &mechanism.zone).answer(&Condition::consent(ConsentFor::Transfer, false))
        }
    };
    until = sooner(until, instant(answer.until, &mechanism.zone));
    let answer = doubted(answer, mechanism.citation.confidence);
    (Some(Offer { position: unclaimed, mechanism, answer }), until)
}

/// Whether the hop before forbids passing the data on at all.
pub fn onward_forbidden<'a>(question: &Question<'a>, crossing: &Crossing<'_>) -> Option<&'a Mechanism> {
    let hop = question.matter.earlier.as_ref()?;
    let (lawbook, now) = (question.lawbook, question.now);
    lawbook.mechanisms().find(|one| {
        one.is_named(&hop.mechanism)
            && one.onward == OnwardRule::Forbidden
            && one.window.contains(now)
            && one.from.contains(crossing.law.country, lawbook, now)
    })
}
