//! Three questions about a programme in a country, answered from the lawbook alone: may people be contacted, what does it
//! take to enrich customer profiles with what they say, and what can they ask for afterwards.
//!
//! Nothing is judged here: no owner has declared anything. The command line asks; `describe` finds the words.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::claims::Channel;
use super::condition::Condition;
use super::describe::describe;
use super::evaluate::{Asking, Truth, covers_purpose};
use super::exposure::{Maximum, maxima};
use super::jurisdiction::{
    ChannelRule, ConsentRule, Dated, Deadline, EnrichmentRule, FineRule, Jurisdiction, Severity, in_force,
};
use super::matter::Matter;
use super::period::Period;
use super::source::{Authority, Citation, Confidence};
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::Source;
use crate::engine::lawbook::Lawbook;
use crate::engine::rules::rights;

/// The purpose under which what was gathered enters a customer profile.
const ENRICHMENT: &str = "crm-enrichment";

/// A programme that asks people something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Programme {
    /// What it is for.
    pub purpose: String,
    /// How people are reached.
    pub channel: Channel,
}

/// Whose law is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The country.
    pub country: Country,
    /// The subdivision, where its own law is asked as well.
    pub region: Option<String>,
}

impl Place {
    /// Reads the code of a country, or of a subdivision that has a law of its own.
    pub fn parse(code: &str, lawbook: &Lawbook) -> Option<Self> {
        if let Ok(country) = Country::parse(code) {
            return Some(Self { country, region: None });
        }
        let country = Country::parse(code.get(..2)?).ok()?;
        let known = lawbook.jurisdiction(code).is_some_and(|law| !law.is_bloc);
        known.then(|| Self { country, region: Some(code.to_owned()) })
    }

    /// Its code.
    pub fn code(&self) -> &str {
        self.region.as_deref().unwrap_or(self.country.as_str())
    }

    /// What binds there at `now`, the most specific first.
    pub fn laws<'a>(&self, lawbook: &'a Lawbook, now: Timestamp) -> Vec<&'a Jurisdiction> {
        let own = self.region.as_deref().and_then(|code| lawbook.jurisdiction(code));
        own.into_iter().chain(lawbook.binding(self.country, now)).collect()
    }
}

/// Where an answer is written and when it is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// Code of the lawgiver.
    pub law: String,
    /// First day, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Date>,
    /// Whether the first day was not researched.
    pub start_not_researched: bool,
    /// The day on which it was found in force, where the first day was not researched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_on: Option<Date>,
    /// First day on which it is gone, where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// What else people should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where it is written, and how sure that is.
    pub source: Citation,
}

impl Written {
    /// Of a rule; whether the day on which it began was not researched.
    pub fn of<T>(law: &Jurisdiction, dated: &Dated<T>, start_unknown: bool) -> Self {
        let day = |instant: Option<Timestamp>| Some(law.zone.to_datetime(instant?).date());
        let start = day(dated.window.from);
        Self {
            law: law.code.clone(),
            since: start.filter(|_| !start_unknown),
            start_not_researched: start_unknown || start.is_none(),
            seen_on: start.filter(|_| start_unknown),
            until: day(dated.window.until),
            note: dated.note.clone(),
            source: dated.citation.clone(),
        }
    }

    /// "since 2018-05-25", "start not researched (seen in force on 2026-11-01)".
    pub fn when(&self) -> String {
        let since = match (self.since, self.seen_on) {
            (Some(since), _) => format!("since {since}"),
            (None, Some(seen)) => format!("start not researched (seen in force on {seen})"),
            (None, None) => "start not researched".to_owned(),
        };
        match self.until {
            Some(until) => format!("{since}, until {until}"),
            None => since,
        }
    }

    fn is_sure(&self) -> bool {
        self.source.confidence > Confidence::Low
    }
}

/// What is asked before people are contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Requirement {
    /// Consent before.
    OptIn,
    /// Consent before, or the conditions that are listed.
    SoftOptIn,
    /// Nothing before, and objections are heeded.
    OptOut,
    /// Nothing for the channel.
    None,
    /// Not known.
    Unknown,
}

impl Requirement {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::OptIn => "opt-in",
            Self::SoftOptIn => "soft opt-in",
            Self::OptOut => "opt-out",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether an opt-in is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// What is required.
    pub requirement: Requirement,
    /// What makes a consent, or what else is demanded, unnecessary: all of it must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// What must hold beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<String>,
    /// Why it is not known, or why nothing is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where that is written.
    #[serde(flatten)]
    pub written: Option<Written>,
}

/// How strong a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// The enrichment may not happen without it.
    Must,
    /// It is owed, or a code or guidance asks for it.
    Should,
    /// It says what is allowed.
    Allowed,
}

/// Whether a rule is asked when what the programme gathered enters a customer profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Asked {
    /// Always.
    Always,
    /// If its conditions hold, of which nothing is declared here.
    Depends,
    /// Not for that, but when the profile is then used for something else.
    OtherUse,
}

/// A rule on enrichment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrichment {
    /// Name of the rule.
    pub rule: String,
    /// Whether it is asked.
    pub asked: Asked,
    /// What brings it up, in words.
    pub trigger: String,
    /// What it requires, in words.
    pub requirement: String,
    /// When it is asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// What has to be declared to meet it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<String>,
    /// How strong it is.
    pub effect: Effect,
    /// Where that is written.
    #[serde(flatten)]
    pub written: Written,
}

/// Within what time people are answered when they use one right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Right {
    /// The right: `access`, `rectification`, `erasure`.
    pub right: &'static str,
    /// In words.
    pub words: String,
    /// How long; none: the law names no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Period>,
    /// Whether only working days count.
    pub working_days: bool,
    /// How much longer it may take if need be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<Period>,
}

/// What people can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rights {
    /// Access, correction and erasure.
    pub rights: Vec<Right>,
    /// Where that is written.
    #[serde(flatten)]
    pub written: Written,
}

/// When an authority must be told of a breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    /// In words.
    pub words: String,
    /// Within what time; none: the law names no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Period>,
    /// Where that is written.
    #[serde(flatten)]
    pub written: Written,
}

/// The three answers of one country.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// Code of the country or subdivision.
    pub country: String,
    /// Its name, where it has a law in the lawbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// May people be contacted.
    pub contact: Contact,
    /// What it takes to enrich customer profiles; the rules that are always asked first.
    pub enrichment: Vec<Enrichment>,
    /// What people can ask for; none: not known.
    pub subject_rights: Option<Rights>,
    /// When an authority must be told of a breach; none: not known.
    pub breach_notice: Option<Breach>,
    /// What failing may cost at most.
    pub fines: Vec<Maximum>,
    /// Which of these answers are not known, or not sure enough to rely on.
    pub unknown: Vec<&'static str>,
}

/// Answers the three questions for one place at `now`.
pub fn answer(place: &Place, programme: &Programme, lawbook: &Lawbook, now: Timestamp) -> Answered {
    let laws = place.laws(lawbook, now);
    let contact = contact(place, programme, lawbook, now);
    let enrichment = enrichment(place, programme, &laws, lawbook, now);
    let subject_rights = laws.iter().find_map(|law| {
        let rule = in_force(&law.rights, now)?;
        let right = |right, deadline| {
            let Deadline { within, working_days, extension } = deadline;
            Right { right, words: rights::text(deadline), within, working_days, extension }
        };
        let rights = vec![
            right("access", rule.rule.access),
            right("rectification", rule.rule.rectification),
            right("erasure", rule.rule.erasure),
        ];
        Some(Rights { rights, written: Written::of(law, rule, false) })
    });
    let breach_notice = laws.iter().find_map(|law| {
        let rule = in_force(&law.breaches, now)?;
        let within = rule.rule.within;
        let words = within.map_or("no fixed time".to_owned(), |within| format!("within {within}"));
        Some(Breach { words, within, written: Written::of(law, rule, false) })
    });
    let fines = maxima(place, lawbook, now);
    let sure = |written: Option<&Written>| written.is_some_and(Written::is_sure);
    let known = [
        ("contact", contact.requirement != Requirement::Unknown),
        ("enrichment", enrichment.iter().any(is_law)),
        ("subjectRights", sure(subject_rights.as_ref().map(|one| &one.written))),
        ("breachNotice", sure(breach_notice.as_ref().map(|one| &one.written))),
        ("fines", fines.iter().any(|one| one.rule != FineRule::Unknown && one.written.is_sure())),
    ];
    Answered {
        country: place.code().to_owned(),
        title: lawbook.jurisdiction(place.code()).map(|law| law.title.clone()),
        contact,
        enrichment,
        subject_rights,
        breach_notice,
        fines,
        unknown: known.into_iter().filter(|(_, known)| !known).map(|(name, _)| name).collect(),
    }
}

/// Whether a rule is law that is asked here: what a profession asks of itself does not tell what the law asks.
fn is_law(rule: &Enrichment) -> bool {
    let Written { source, .. } = &rule.written;
    rule.asked != Asked::OtherUse && source.authority > Authority::Code && rule.written.is_sure()
}

fn contact(place: &Place, programme: &Programme, lawbook: &Lawbook, now: Timestamp) -> Contact {
    let Programme { purpose, channel } = programme;
    let own = place.region.as_deref().and_then(|code| lawbook.jurisdiction(code));
    let concerns = |rule: &ChannelRule| rule.channel == *channel && covers_purpose(&rule.purpose, purpose);
    let mut rules: Vec<(&Jurisdiction, &Dated<ChannelRule>)> = own
        .into_iter()
        .flat_map(|law| law.consents.iter().map(move |rule| (law, rule)))
        .filter(|(_, rule)| concerns(&rule.rule))
        .collect();
    if rules.is_empty() {
        rules = lawbook.consent_rules(place.country, *channel, purpose, now);
    }
    let silent = |requirement, reason: String, written| Contact {
        requirement,
        unless: Vec::new(),
        demands: Vec::new(),
        reason: Some(reason),
        written,
    };
    let current = rules.iter().filter(|(_, rule)| rule.window.contains(now)).max_by_key(|(_, rule)| rule.window.from);
    if let Some((law, rule)) = current {
        return required(law, rule);
    }
    if matches!(channel, Channel::Web | Channel::InApp | Channel::Api) {
        let reason = format!("nobody is contacted over {}, so that no rule on contact is asked", channel.name());
        return silent(Requirement::None, reason, None);
    }
    let other = rules.iter().max_by_key(|(_, rule)| rule.window.from);
    let reason = match other {
        Some((_, rule)) if rule.rule.start_unknown => "since when it has its rule is not researched".to_owned(),
        Some(_) => "its rule is not in force on that day".to_owned(),
        None => format!("no rule is catalogued for {purpose} over {}", channel.name()),
    };
    let written = other.map(|(law, rule)| Written::of(law, rule, rule.rule.start_unknown));
    silent(Requirement::Unknown, reason, written)
}

fn required(law: &Jurisdiction, dated: &Dated<ChannelRule>) -> Contact {
    let ChannelRule { channel: _, purpose: _, rule, demands, unless, start_unknown } = &dated.rule;
    let said = match rule {
        ConsentRule::OptIn => Requirement::OptIn,
        ConsentRule::SoftOptIn => Requirement::SoftOptIn,
        ConsentRule::OptOut => Requirement::OptOut,
        ConsentRule::None => Requirement::None,
        ConsentRule::Unsure => Requirement::Unknown,
    };
    let sure = dated.citation.confidence > Confidence::Low;
    let reason = match (said, sure) {
        (Requirement::Unknown, _) => Some("sources disagree or are silent".to_owned()),
        (_, false) => Some(format!("the catalogue is not sure of it (confidence low): {}", said.words())),
        _ => None,
    };
    let words = |condition: &Option<Condition>| condition.as_ref().map(describe).unwrap_or_default();
    Contact {
        requirement: if sure { said } else { Requirement::Unknown },
        unless: words(unless),
        demands: words(demands),
        reason,
        written: Some(Written::of(law, dated, *start_unknown)),
    }
}

fn enrichment(
    place: &Place,
    programme: &Programme,
    laws: &[&Jurisdiction],
    lawbook: &Lawbook,
    now: Timestamp,
) -> Vec<Enrichment> {
    // Nothing is declared but that what the programme gathered enters a customer profile.
    let matter = Matter {
        purpose: Some(ENRICHMENT.to_owned()),
        collected_for: vec![programme.purpose.clone()],
        channel: Some(programme.channel),
        ..Matter::of(Source::Label, CountrySet::only(place.country))
    };
    let mut all = Vec::new();
    for law in laws {
        let asking = Asking { here: Some(place.country), ..Asking::new(&matter, lawbook, now, &law.zone) };
        for dated in law.enrichments.iter().filter(|rule| rule.window.contains(now)) {
            let EnrichmentRule { name, trigger, requirement, when, demands, severity } = &dated.rule;
            let asked = match when.as_ref().map_or(Truth::Holds, |when| asking.answer(when).truth) {
                Truth::Holds => Asked::Always,
                Truth::Open | Truth::Unknown => Asked::Depends,
                Truth::Fails => Asked::OtherUse,
            };
            let effect = match severity {
                Severity::Allow => Effect::Allowed,
                Severity::Deny if dated.citation.authority > Authority::Guidance => Effect::Must,
                // Codes and guidance bind nobody by themselves.
                Severity::Deny | Severity::Warn => Effect::Should,
            };
            all.push(Enrichment {
                rule: name.clone(),
                asked,
                trigger: trigger.clone(),
                requirement: requirement.clone(),
                when: when.as_ref().map(describe).unwrap_or_default(),
                demands: demands.as_ref().map(describe).unwrap_or_default(),
                effect,
                written: Written::of(law, dated, false),
            });
        }
    }
    all.sort_by_key(|rule| rule.asked);
    all
}
