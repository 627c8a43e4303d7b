//! Jurisdictions and mechanisms into the engine's terms. What the engine does not know is refused with its path, so that no
//! condition of a law is ever skipped.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Problem, Reader};
use crate::api::v1alpha1::{InForce, JurisdictionSpec, LawSource, ResponseDeadline, TransferMechanismSpec};
use crate::engine::country::Country;
use crate::engine::law::condition::Condition;
use crate::engine::law::jurisdiction::{
    BreachNotice, ChannelRule, Dated, Deadline, EnrichmentRule, Fine, Jurisdiction, Localisation, SubjectRights,
    TransferRegime,
};
use crate::engine::law::mechanism::{EndEffect, Ended, Mechanism, Reach, Risk};
use crate::engine::law::source::Citation;
use crate::engine::law::transfer::instant;
use crate::engine::lawbook::Window;

/// Deeper nesting says nothing that people could still follow.
const DEEPEST: usize = 6;
/// More conditions than any law of the catalogue has.
const MOST: usize = 200;

/// Whether a code is that of a subdivision: a country and a part of it.
pub fn is_region(code: &str) -> bool {
    code.split_once('-').is_some_and(|(country, part)| !part.is_empty() && Country::parse(country).is_ok())
}

/// A source as the engine cites it.
pub fn citation(source: &LawSource) -> Citation {
    Citation {
        reference: source.reference.clone(),
        url: source.url.clone(),
        authority: source.authority,
        verified: source.verified,
        confidence: source.confidence,
    }
}

impl Reader {
    fn zone(&mut self, name: &str) -> TimeZone {
        TimeZone::get(name).unwrap_or_else(|error| {
            self.0.push(Problem::new("spec.timeZone", error.to_string(), "use an IANA name such as UTC"));
            TimeZone::UTC
        })
    }

    fn days(
        &mut self,
        field: &str,
        zone: &TimeZone,
        from: Option<jiff::civil::Date>,
        until: Option<jiff::civil::Date>,
    ) -> Window {
        let window = Window { from: instant(from, zone), until: instant(until, zone) };
        if window.from.zip(window.until).is_some_and(|(from, until)| until <= from) {
            self.0.push(Problem::new(format!("{field}.until"), "ends before it begins", "until is after from"));
        }
        window
    }

    /// Days or instants.
    fn moments(&mut self, zone: &TimeZone, from: Option<&String>, until: Option<&String>) -> Window {
        let mut moment = |field: &str, text: Option<&String>| match text?.parse::<Timestamp>() {
            Ok(instant) => Some(instant),
            Err(_) => self.day(field, zone, text?),
        };
        let window = Window { from: moment("spec.appliesFrom", from), until: moment("spec.until", until) };
        if window.from.zip(window.until).is_some_and(|(from, until)| until <= from) {
            self.0.push(Problem::new("spec.until", "ends before it begins", "until is after appliesFrom"));
        }
        window
    }

    fn dated<T>(&mut self, field: &str, zone: &TimeZone, in_force: &InForce, rule: T) -> Dated<T> {
        let window = self.days(field, zone, in_force.from, in_force.until);
        Dated { window, citation: citation(&in_force.source), note: in_force.note.clone(), rule }
    }

    /// Countries, subdivisions, blocs. What is no country is the code of a bloc, which may come later.
    fn reach(codes: &[String]) -> Reach {
        let mut reach = Reach::default();
        for code in codes {
            if code == "*" {
                reach.anywhere = true;
            } else if is_region(code) {
                reach.regions.push(code.clone());
            } else if let Ok(country) = Country::parse(code) {
                reach.countries.insert(country);
            } else {
                reach.blocs.push(code.clone());
            }
        }
        reach
    }

    fn condition(&mut self, field: &str, value: Option<&Value>) -> Option<Condition> {
        let value = value?;
        let condition: Condition = match serde_path_to_error::deserialize(value) {
            Ok(condition) => condition,
            Err(error) => {
                let path = error.path().to_string();
                let at = if path == "." { field.to_owned() } else { format!("{field}.{path}") };
                let remedy = "use the tests of the closed list: certified, instrument, assessment, consent, ...";
                self.0.push(Problem::new(at, error.into_inner().to_string(), remedy));
                return None;
            }
        };
        if condition.depth() > DEEPEST {
            let message = format!("nests deeper than {DEEPEST} levels");
            self.0.push(Problem::new(field, message, "say it with fewer levels of allOf, anyOf and not"));
        }
        let (mut number, mut empty) = (0, false);
        condition.each(&mut |one| {
            number += 1;
            empty |= one.is_empty();
        });
        if number > MOST {
            self.0.push(Problem::new(field, format!("holds more than {MOST} conditions"), "split the mechanism"));
        }
        if empty {
            let message = "holds a condition that tests nothing and would always be met";
            self.0.push(Problem::new(field, message, "name a test, or leave the condition out"));
        }
        Some(condition)
    }
}

/// Reads a mechanism.
///
/// # Errors
///
/// Unknown countries, time zones and conditions, windows that end before they begin.
pub fn mechanism(name: &str, spec: &TransferMechanismSpec) -> Result<Mechanism, Vec<Problem>> {
    let mut reader = Reader::default();
    let zone = reader.zone(&spec.time_zone);
    let from = Reader::reach(&spec.from);
    let to = Reader::reach(&spec.to);
    let except = Reader::reach(&spec.except);
    let window = reader.moments(&zone, spec.applies_from.as_ref(), spec.until.as_ref());
    let ended = spec.ended.as_ref().map(|ended| Ended {
        effect: ended.effect,
        by: ended.by.clone(),
        known_from: instant(ended.known_from, &zone)
            .or_else(|| instant(spec.adopted.filter(|_| ended.effect == EndEffect::Sunset), &zone)),
    });
    let risks = spec
        .risks
        .iter()
        .enumerate()
        .map(|(at, risk)| Risk {
            note: risk.note.clone(),
            window: reader.days(&format!("spec.risks[{at}]"), &zone, risk.since, risk.until),
        })
        .collect();
    let when = reader.condition("spec.when", spec.when.as_ref());
    let mechanism = Mechanism {
        name: name.to_owned(),
        aliases: spec.aliases.clone(),
        family: spec.family.clone(),
        title: spec.title.clone(),
        role: spec.role,
        kind: spec.kind,
        from,
        to,
        except,
        window,
        known_from: instant(spec.adopted, &zone),
        zone,
        ended,
        when,
        onward: spec.onward,
        risks,
        citation: citation(&spec.source),
    };
    reader.done(mechanism)
}

/// Reads a jurisdiction.
///
/// # Errors
///
/// Unknown countries, time zones and conditions, windows that end before they begin.
pub fn jurisdiction(spec: &JurisdictionSpec) -> Result<Jurisdiction, Vec<Problem>> {
    let mut reader = Reader::default();
    let zone = reader.zone(&spec.time_zone);
    let code = match (&spec.country, &spec.region, &spec.bloc) {
        (Some(country), None, None) => {
            reader.country("spec.country", country);
            country.clone()
        }
        (None, Some(region), None) => {
            reader.country("spec.region", region.get(..2).unwrap_or_default());
            region.clone()
        }
        (None, None, Some(bloc)) => bloc.clone(),
        _ => {
            let remedy = "name exactly one of country, region and bloc";
            reader.0.push(Problem::new("spec", "does not say whose law it is", remedy));
            String::new()
        }
    };
    let mut law = Jurisdiction {
        code,
        title: spec.title.clone(),
        is_bloc: spec.bloc.is_some(),
        zone: zone.clone(),
        applies_when: spec.applies_when.clone(),
        regimes: Vec::new(),
        localisations: Vec::new(),
        consents: Vec::new(),
        enrichments: Vec::new(),
        rights: Vec::new(),
        breaches: Vec::new(),
        fines: Vec::new(),
    };
    for (at, one) in spec.transfer_regime.iter().enumerate() {
        let rule = TransferRegime { default: one.default_rule, enforced_from: instant(one.enforced_from, &zone) };
        law.regimes.push(reader.dated(&format!("spec.transferRegime[{at}]"), &zone, &one.in_force, rule));
    }
    for (at, one) in spec.localisation.iter().enumerate() {
        let field = format!("spec.localisation[{at}]");
        let rule = Localisation {
            kind: one.kind,
            when: reader.condition(&format!("{field}.when"), one.when.as_ref()),
            demands: reader.condition(&format!("{field}.demands"), one.demands.as_ref()),
        };
        law.localisations.push(reader.dated(&field, &zone, &one.in_force, rule));
    }
    for (at, one) in spec.consent.iter().enumerate() {
        let field = format!("spec.consent[{at}]");
        let rule = ChannelRule {
            channel: one.channel,
            purpose: one.purpose.clone(),
            rule: one.rule,
            demands: reader.condition(&format!("{field}.demands"), one.demands.as_ref()),
            unless: reader.condition(&format!("{field}.unless"), one.unless.as_ref()),
            start_unknown: one.in_force.from.is_none() && one.verified_on.is_some(),
        };
        let mut dated = reader.dated(&field, &zone, &one.in_force, rule);
        dated.window.from = dated.window.from.or_else(|| instant(one.verified_on, &zone));
        law.consents.push(dated);
    }
    for (at, one) in spec.enrichment.iter().enumerate() {
        let field = format!("spec.enrichment[{at}]");
        let rule = EnrichmentRule {
            name: one.name.clone(),
            trigger: one.trigger.clone(),
            requirement: one.requirement.clone(),
            when: reader.condition(&format!("{field}.when"), one.when.as_ref()),
            demands: reader.condition(&format!("{field}.demands"), one.demands.as_ref()),
            severity: one.effect,
        };
        law.enrichments.push(reader.dated(&field, &zone, &one.in_force, rule));
    }
    for (at, one) in spec.subject_rights.iter().enumerate() {
        let access = deadline(&one.access);
        let rule = SubjectRights {
            access,
            rectification: one.rectification.as_ref().map_or(access, deadline),
            erasure: one.erasure.as_ref().map_or(access, deadline),
        };
        law.rights.push(reader.dated(&format!("spec.subjectRights[{at}]"), &zone, &one.in_force, rule));
    }
    for (at, one) in spec.breach_notice.iter().enumerate() {
        let rule = BreachNotice { within: one.within };
        law.breaches.push(reader.dated(&format!("spec.breachNotice[{at}]"), &zone, &one.in_force, rule));
    }
    for (at, one) in spec.fines.iter().enumerate() {
        let rule = Fine {
            rule: one.rule,
            fixed: one.fixed.as_ref().map(|fixed| fixed.amount),
            currency: one.fixed.as_ref().map(|fixed| fixed.currency.clone()),
            turnover_percent: one.turnover_percent,
        };
        law.fines.push(reader.dated(&format!("spec.fines[{at}]"), &zone, &one.in_force, rule));
    }
    reader.done(law)
}

fn deadline(spec: &ResponseDeadline) -> Deadline {
    Deadline { within: spec.within, working_days: spec.working_days, extension: spec.extension }
}
