//! Holds conditions against claims, in a logic that knows more than yes and no.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::claims::{
    Assessed, AssessmentKind, Basis, ConsentFor, CountCategory, Decision, Filed, Outcome, Pattern, Proof,
};
use super::condition::{
    Anchor, Assessment, Certified, Condition, Consent, CountWindow, DataScope, Dealing, Destination, Filing,
    GroupRules, Handling, Instrument, Message, Necessity, Notice, OnFailure, PartyScope, ProvenanceIs, Purpose,
    RegisterScreened, Relationship, Side, SubjectCount, Undeclared,
};
use super::matter::{Matter, Party, Transfer};
use super::period::{Period, working_days_after};
use crate::engine::country::{Country, CountrySet};
use crate::engine::lawbook::Lawbook;
use crate::engine::policy::is_within;

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

    fn certified(&self, wanted: &Certified) -> Answer {
        let schemes = || wanted.schemes.join(" or ");
        let Some(claim) = self.basis.and_then(|basis| basis.certified.as_ref()) else {
            return Answer::fails(format!("no certificate under {} is claimed", schemes()));
        };
        if !wanted.schemes.contains(&claim.scheme) {
            return Answer::fails(format!("the certificate is one under {}, not {}", claim.scheme, schemes()));
        }
        if let Some(missing) = wanted.extension.as_ref().filter(|wanted| !claim.extensions.contains(wanted)) {
            return Answer::fails(format!("the certificate under {} has no extension {missing}", claim.scheme));
        }
        if let Some(missing) = wanted.coverage.iter().find(|wanted| !claim.coverage.contains(wanted)) {
            return Answer::fails(format!("the certificate under {} does not cover {missing}", claim.scheme));
        }
        self.proof(&format!("the certificate under {}", claim.scheme), &claim.proof, wanted.max_age)
    }

    fn instrument(&self, wanted: &Instrument) -> Answer {
        let today = self.today;
        let Some(claim) = self.basis.and_then(|basis| basis.instrument.as_ref()) else {
            return Answer::fails("no contract is claimed");
        };
        let mut answer = self.proof("the contract", &claim.proof, None);
        if let Some(text) = claim.text.as_ref().filter(|text| !wanted.texts.is_empty() && !wanted.texts.contains(text))
        {
            answer =
                answer.and(Answer::fails(format!("the contract is on {text}, not on {}", wanted.texts.join(" or "))));
        }
        if let Some(module) =
            claim.module.filter(|module| !wanted.modules.is_empty() && !wanted.modules.contains(module))
        {
            answer = answer.and(Answer::fails(format!("the text has no module {module}")));
        }
        match claim.concluded {
            Some(day) if day > today => {
                return answer
                    .and(Answer::fails(format!("the contract is only concluded on {day}")).changes(today, Some(day)));
            }
            Some(day) => {
                if let Some(first) = wanted.concluded_from.filter(|first| day < *first) {
                    answer = answer.and(Answer::fails(format!("the contract of {day} is older than {first}")));
                }
                if let Some(last) = wanted.concluded_until.filter(|last| day >= *last) {
                    answer = answer.and(Answer::fails(format!(
                        "the text could not be agreed any more from {last} on, but was on {day}"
                    )));
                }
            }
            None if wanted.concluded_from.is_some() || wanted.concluded_until.is_some() => {
                answer = answer.and(Answer::unknown("the day on which the contract was concluded is not declared"));
            }
            None => {}
        }
        if let Some(end) = wanted.rely_until {
            answer = answer.changes(today, Some(end));
            if end <= today {
                answer = answer.and(Answer::fails(format!("contracts on this text cannot be relied on since {end}")));
            }
        }
        let says = |wanted: bool, claim: Option<bool>, unmet: &str, unknown: &str| match claim {
            _ if !wanted => Answer::HOLDS,
            Some(true) => Answer::HOLDS,
            Some(false) => Answer::fails(unmet),
            None => Answer::unknown(unknown),
        };
        answer = answer.and(says(
            wanted.unmodified,
            claim.unmodified,
            "the official text was changed",
            "whether the official text stands unchanged is not declared (unmodified)",
        ));
        answer = answer.and(says(
            wanted.processing_unchanged,
            claim.processing_unchanged,
            "the processing has changed since the contract was concluded",
            "whether the processing is still the same is not declared (processingUnchanged)",
        ));
        if let Some(language) = wanted.language.as_ref().filter(|language| !claim.languages.contains(language)) {
            answer = answer.and(if claim.languages.is_empty() {
                Answer::unknown(format!("whether the text in {language} prevails is not declared (languages)"))
            } else {
                Answer::fails(format!("the text in {language} does not prevail"))
            });
        }
        answer
    }

    fn group_rules(&self, wanted: &GroupRules) -> Answer {
        let Some(claim) = self.basis.and_then(|basis| basis.group_rules.as_ref()) else {
            return Answer::fails("no binding rules of the group are claimed");
        };
        let mut answer = self.proof("the group's binding rules", &claim.proof, None);
        match (&wanted.approved_by, &claim.approved_by) {
            (Some(wanted), Some(by)) if wanted != by => {
                answer = answer.and(Answer::fails(format!("the group's rules are approved by {by}, not by {wanted}")));
            }
            (Some(wanted), None) => {
                answer = answer.and(Answer::fails(format!("the group's rules are not approved by {wanted}")));
            }
            (None, None) if wanted.approved => {
                answer = answer.and(Answer::fails("the group's rules are not approved by an authority"));
            }
            _ => {}
        }
        if wanted.same_group {
            answer = answer.and(match claim.same_group {
                Some(true) => Answer::HOLDS,
                Some(false) => Answer::fails("exporter and importer are not bound by the same rules"),
                None => Answer::unknown("whether both parties are bound is not declared (sameGroup)"),
            });
        }
        answer
    }

    fn assessment(&self, wanted: &Assessment) -> Answer {
        let own = self.basis.and_then(|basis| basis.assessment.as_ref());
        let all = own.into_iter().chain(&self.matter.claims.assessments).filter(|claim| claim.kind == wanted.kind);
        best(all.map(|claim| self.assessed(wanted, claim)))
            .unwrap_or_else(|| Answer::fails(format!("no {} is claimed", assessment_name(wanted.kind))))
    }

    fn assessed(&self, wanted: &Assessment, claim: &Assessed) -> Answer {
        let name = assessment_name(wanted.kind);
        let answer = self.proof(&format!("the {name}"), &claim.proof, wanted.valid_for);
        if wanted.any_outcome {
            return answer;
        }
        answer.and(match claim.outcome {
            Some(Outcome::EssentiallyEquivalent | Outcome::Favourable) => Answer::HOLDS,
            None => Answer::new(Truth::Open, format!("the {name} is documented without an outcome")),
            Some(Outcome::Unfavourable) if claim.supplementary_measures == Some(true) => {
                match claim.importer_clear_text {
                    Some(false) => Answer::HOLDS,
                    Some(true) => Answer::fails(format!(
                        "the {name} is unfavourable, and measures cannot mend that while the importer sees clear text"
                    )),
                    None => Answer::unknown("whether the importer sees clear text is not declared (importerClearText)"),
                }
            }
            Some(Outcome::Unfavourable) => Answer::fails(format!("the {name} is unfavourable")),
        })
    }

    fn filing(&self, wanted: &Filing) -> Answer {
        let own = self.basis.and_then(|basis| basis.filing.as_ref());
        let fits = |claim: &&Filed| {
            let authority = claim.authority.as_ref().is_none_or(|authority| *authority == wanted.authority);
            authority && wanted.acts.contains(&claim.act)
        };
        let all = own.into_iter().chain(&self.matter.claims.filings).filter(fits);
        let filed: Vec<&Filed> = all.collect();
        let refused = filed.iter().any(|claim| claim.decision == Some(Decision::Refused));
        let best = best(filed.into_iter().map(|claim| self.filed(wanted, claim)));
        match best {
            None => self.not_filed(wanted),
            // As long as it can still be filed, what has been filed so far is not worse than nothing.
            Some(best) if !refused && best.truth != Truth::Holds && wanted.due.is_some() => {
                let otherwise = self.not_filed(wanted);
                if otherwise.truth == Truth::Open { best.or(otherwise) } else { best }
            }
            Some(best) => best,
        }
    }

    /// The last day on which it could still be filed; none where that is not said.
    fn due(&self, wanted: &Filing) -> Option<Date> {
        let due = wanted.due?;
        let anchor = match due.anchor {
            Anchor::Concluded => self.basis.and_then(|basis| basis.instrument.as_ref()?.concluded),
            Anchor::FirstTransfer => self.matter.first_transfer,
        }?;
        Some(if due.working {
            working_days_after(anchor, due.days)
        } else {
            jiff::Span::new().try_days(due.days).map_or(Date::MAX, |days| anchor.saturating_add(days))
        })
    }

    fn not_filed(&self, wanted: &Filing) -> Answer {
        let missing = format!("nothing is filed with {}", wanted.authority);
        match self.due(wanted) {
            Some(due) if self.today <= due => {
                let after = due.tomorrow().ok();
                Answer::new(Truth::Open, format!("{missing}; it is due by {due}")).changes(self.today, after)
            }
            Some(due) => Answer::fails(format!("{missing}, which was due by {due}")),
            None => Answer::fails(missing),
        }
    }

    fn filed(&self, wanted: &Filing, claim: &Filed) -> Answer {
        let today = self.today;
        let authority = &wanted.authority;
        let mut answer = self.proof(&format!("the filing with {authority}"), &claim.proof, None);
        if claim.decision == Some(Decision::Refused) {
            return answer.and(Answer::fails(format!("{authority} has refused")));
        }
        if wanted.granted && claim.decision != Some(Decision::Granted) {
            answer = answer.and(Answer::fails(format!("{authority} has not granted it")));
        }
        let Some(filed) = claim.filed.or(claim.proof.as_of) else {
            let dated = wanted.due.is_some() || wanted.waiting_days.is_some() || wanted.valid_for.is_some();
            return if dated {
                answer.and(Answer::unknown(format!("the day of the filing with {authority} is not declared (filed)")))
            } else {
                answer
            };
        };
        if filed > today {
            return answer.and(Answer::fails(format!("it is only filed on {filed}")).changes(today, Some(filed)));
        }
        if let Some(due) = self.due(wanted).filter(|due| filed > *due) {
            answer = answer.and(Answer::fails(format!("filed with {authority} on {filed}, which was due by {due}")));
        }
        let wait_end = wanted.waiting_days.map(|days| working_days_after(filed, days));
        if let Some(end) = wait_end.filter(|_| claim.decision != Some(Decision::Granted)) {
            answer = answer.changes(today, Some(end));
            if today < end {
                answer = answer.and(Answer::fails(format!("{authority} may still object until {end}")));
            }
        }
        if let Some(end) = wanted.valid_for.map(|period| period.after(filed)) {
            answer = answer.changes(today, Some(end));
            if end <= today {
                answer = answer.and(Answer::fails(format!("the filing of {filed} was good until {end}")));
            }
        }
        answer
    }

    fn subject_count(&self, wanted: &SubjectCount) -> Answer {
        let today = self.today;
        let counts = &self.matter.claims.subject_counts;
        if counts.is_empty() {
            return Answer::unknown("how many people's data is exported is not declared (subjectCounts)");
        }
        let name = match wanted.category {
            CountCategory::All => "people",
            CountCategory::Sensitive => "people with sensitive data",
            CountCategory::NonSensitive => "people without sensitive data",
        };
        let mut answer = Answer::HOLDS;
        let mut number: i64 = 0;
        for claim in counts {
            if wanted.category != CountCategory::All && claim.category != wanted.category {
                continue;
            }
            answer = answer.and(self.proof(&format!("the count of {name}"), &claim.proof, None));
            if wanted.window == CountWindow::Year
                && let Some(as_of) = claim.proof.as_of
            {
                let reset = date(as_of.year().saturating_add(1).min(9999), 1, 1);
                if reset <= today {
                    return answer.and(Answer::unknown(format!(
                        "the count of {name} is of {as_of}, and counting has begun anew since: it does so on 1 January"
                    )));
                }
                answer = answer.changes(today, Some(reset));
            }
            number = number.saturating_add(claim.count);
        }
        if let Some(least) = wanted.at_least.filter(|least| number < *least) {
            answer = answer.and(Answer::fails(format!("{number} {name}, fewer than {least}")));
        }
        if let Some(below) = wanted.below.filter(|below| number >= *below) {
            answer = answer.and(Answer::fails(format!("{number} {name}, not fewer than {below}")));
        }
        answer
    }

    fn data_scope(&self, wanted: &DataScope) -> Answer {
        let declared = &self.matter.categories;
        if declared.is_empty() {
            let concerned = wanted.undeclared == Undeclared::Unknown;
            return match (concerned, wanted.include.is_empty()) {
                (true, _) => Answer::unknown("the categories of the data are not declared (categories)"),
                (false, true) => Answer::relying("undeclared categories, taken to hold nothing that is excluded"),
                (false, false) => Answer::fails("no category of that kind is declared"),
            };
        }
        let of = |rules: &[String]| {
            declared.iter().find(|category| rules.iter().any(|rule| is_within(category, rule))).cloned()
        };
        if !wanted.include.is_empty() && of(&wanted.include).is_none() {
            return Answer::fails(format!("none of the data is {}", wanted.include.join(", ")));
        }
        match of(&wanted.exclude) {
            Some(category) => Answer::fails(format!("category {category} is excluded")),
            None => Answer::relying("the declared categories"),
        }
    }

    fn party_scope(&self, wanted: &PartyScope) -> Answer {
        let importer = self.transfer.and_then(|transfer| transfer.importer.as_ref());
        let parties: Vec<&Party> = match wanted.party {
            Side::Importer => importer.into_iter().collect(),
            Side::Exporter => self.matter.parties.iter().collect(),
        };
        let side = match wanted.party {
            Side::Importer => "the importer",
            Side::Exporter => "the exporter",
        };
        if parties.is_empty() {
            // An exporter that declares no party declares no attribute either, and an attribute is never assumed.
            let only_attributes = wanted.subject_to.is_empty()
                && wanted.not_subject_to.is_empty()
                && wanted.established_in.is_empty()
                && wanted.controlled_from.is_empty();
            return match (wanted.party, only_attributes) {
                (Side::Exporter, true) if wanted.attributes.is_empty() => {
                    Answer::relying("no attribute of the exporter")
                }
                (Side::Exporter, true) => {
                    Answer::fails(format!("{side} does not declare to be {}", wanted.attributes.join(" or ")))
                }
                _ => Answer::unknown(format!("{side} is not declared")),
            };
        }
        // One party of several that has what is asked for is enough on the exporter's side; an exclusion concerns all.
        let having = best(parties.iter().map(|party| self.has(wanted, party, side))).unwrap_or(Answer::HOLDS);
        parties.iter().fold(having, |answer, party| answer.and(Self::has_not(wanted, party, side)))
    }

    fn has(&self, wanted: &PartyScope, party: &Party, side: &str) -> Answer {
        let mut answer = Answer::HOLDS;
        if !wanted.subject_to.is_empty() {
            let laws = wanted.subject_to.join(" or ");
            answer = answer.and(match &party.subject_to {
                None => Answer::unknown(format!("whether {side} is subject to {laws} is not declared (subjectTo)")),
                Some(declared) if declared.iter().any(|law| wanted.subject_to.contains(law)) => {
                    Answer::relying(format!("{}.subjectTo", party.field))
                }
                Some(_) => Answer::fails(format!("{side} is not subject to {laws}")),
            });
        }
        if !wanted.attributes.is_empty() && !party.attributes.iter().any(|one| wanted.attributes.contains(one)) {
            answer = answer.and(Answer::fails(format!("{side} is not declared as {}", wanted.attributes.join(" or "))));
        }
        let inside = |codes: &[String], country: Option<Country>, what: &str| {
            if codes.is_empty() {
                return Answer::HOLDS;
            }
            match country {
                None => Answer::unknown(format!("{what} {side} is not declared")),
                Some(country) if self.countries(codes).contains(country) => Answer::HOLDS,
                Some(country) => Answer::fails(format!("{what} {side} is {country}, not {}", codes.join(" or "))),
            }
        };
        answer.and(inside(&wanted.established_in, party.established_in, "the establishment of")).and(inside(
            &wanted.controlled_from,
            party.controlled_from,
            "the country of ultimate control of",
        ))
    }

    fn has_not(wanted: &PartyScope, party: &Party, side: &str) -> Answer {
        let mut answer = Answer::HOLDS;
        if !wanted.not_subject_to.is_empty() {
            let laws = wanted.not_subject_to.join(" or ");
            answer = answer.and(match &party.subject_to {
                // The exception, not the rule: it is for the owner to say where it applies.
                None => Answer::relying(format!("{}.subjectTo: not declared, taken not to name {laws}", party.field)),
                Some(declared) if declared.iter().any(|law| wanted.not_subject_to.contains(law)) => {
                    Answer::fails(format!("{side} is itself subject to {laws}"))
                }
                Some(_) => Answer::relying(format!("{}.subjectTo", party.field)),
            });
        }
        if let Some(excluded) = party.attributes.iter().find(|one| wanted.not_attributes.contains(one)) {
            answer = answer.and(Answer::fails(format!("{side} is {excluded}, which is excluded")));
        } else if !wanted.not_attributes.is_empty() {
            answer = answer.and(Answer::relying(format!("{}.attributes", party.field)));
        }
        answer
    }

    fn consent(&self, wanted: &Consent) -> Answer {
        let name = consent_name(wanted.subject);
        let all = self.matter.claims.consents.iter().filter(|claim| claim.subject == wanted.subject);
        let one = |claim: &super::claims::Consented| {
            let mut answer = self.proof(&format!("the {name}"), &claim.proof, None);
            if let Some(obtained) = claim.obtained.filter(|obtained| *obtained > self.today) {
                return answer
                    .and(Answer::fails(format!("the {name} is only obtained from {obtained} on")))
                    .changes(self.today, Some(obtained));
            }
            if !wanted.forms.is_empty() {
                let forms: Vec<String> = wanted.forms.iter().map(|form| format!("{form:?}").to_lowercase()).collect();
                answer = answer.and(match claim.form {
                    None => Answer::unknown(format!("the form of the {name} is not declared")),
                    Some(form) if wanted.forms.contains(&form) => Answer::HOLDS,
                    Some(form) => {
                        let form = format!("{form:?}").to_lowercase();
                        Answer::fails(format!("the {name} is {form}, not {}", forms.join(" or ")))
                    }
                });
            }
            if let Some(missing) = wanted.informed_of.iter().find(|what| !claim.informed_of.contains(what)) {
                answer = answer.and(Answer::fails(format!("people were not told of: {missing} (informedOf)")));
            }
            if wanted.for_purpose {
                answer = answer.and(match &self.matter.purpose {
                    _ if claim.purposes.is_empty() => {
                        Answer::unknown(format!("the purposes of the {name} are not declared"))
                    }
                    None => Answer::unknown("the purpose is not declared"),
                    Some(purpose) if claim.purposes.iter().any(|covers| covers_purpose(covers, purpose)) => {
                        Answer::HOLDS
                    }
                    Some(purpose) => Answer::fails(format!("the {name} does not cover the purpose {purpose}")),
                });
            }
            if wanted.subject == ConsentFor::Channel
                && let Some(channel) = self.matter.channel
                && !claim.channels.contains(&channel)
            {
                answer = answer.and(Answer::fails(format!("the {name} does not cover {}", channel.name())));
            }
            if wanted.per_subject_gate {
                answer = answer.and(match claim.per_subject_gate {
                    Some(true) => Answer::HOLDS,
                    Some(false) => Answer::fails("people without consent are not kept out"),
                    None => {
                        Answer::unknown("whether people without consent are kept out is not declared (perSubjectGate)")
                    }
                });
            }
            answer
        };
        best(all.map(one)).unwrap_or_else(|| Answer::fails(format!("no {name} is declared")))
    }

    fn necessity(&self, wanted: &Necessity) -> Answer {
        let mut answer = Answer::HOLDS;
        if wanted.occasional {
            answer = answer.and(match self.matter.pattern {
                Some(Pattern::Occasional) => Answer::relying("spec.pattern"),
                Some(Pattern::Systematic) => Answer::fails("the flow is systematic, not occasional"),
                None => Answer::unknown("whether the flow is occasional is not declared (pattern)"),
            });
        }
        if wanted.kinds.is_empty() {
            return answer;
        }
        answer.and(match &self.matter.claims.necessity {
            None => Answer::fails("no necessity is declared"),
            Some(claim) if wanted.kinds.contains(&claim.kind) => self.proof("the necessity", &claim.proof, None),
            Some(_) => Answer::fails("the necessity that is declared is of another kind"),
        })
    }

    fn notice(&self, wanted: &Notice) -> Answer {
        let all = self.matter.claims.notices.iter().filter(|claim| claim.audience == wanted.audience);
        let one = |claim: &super::claims::Noticed| {
            let mut answer = self.proof("the notice", &claim.proof, None);
            if let Some(given) = claim.given.filter(|given| *given > self.today) {
                answer = answer
                    .and(Answer::fails(format!("the notice is only given from {given} on")))
                    .changes(self.today, Some(given));
            }
            let missing: Vec<&str> =
                wanted.content.iter().filter(|what| !claim.content.contains(what)).map(String::as_str).collect();
            if missing.is_empty() {
                answer
            } else {
                answer.and(Answer::fails(format!("the notice does not tell of: {}", missing.join(", "))))
            }
        };
        let none = || format!("no notice is declared that tells of: {}", wanted.content.join(", "));
        best(all.map(one)).unwrap_or_else(|| Answer::fails(none()))
    }

    /// The countries that codes of countries and blocs mean today.
    fn countries(&self, codes: &[String]) -> CountrySet {
        self.lawbook.countries(codes, self.now)
    }

    fn destination(&self, wanted: &Destination) -> Answer {
        let Some(place) = self.place else { return Answer::unknown("the destination is not known") };
        let mut answer = Answer::HOLDS;
        if !wanted.list.is_empty() && !self.countries(&wanted.list).contains(place) {
            answer = answer.and(Answer::fails(format!("{place} is not among {}", wanted.list.join(", "))));
        }
        if self.countries(&wanted.except).contains(place) {
            answer = answer.and(Answer::fails(format!("{place} is excluded")));
        }
        if wanted.assessed_equivalent {
            let wanted = Assessment { kind: AssessmentKind::Equivalence, any_outcome: false, valid_for: None };
            answer = answer.and(self.assessment(&wanted));
        }
        answer
    }

    fn provenance(&self, wanted: &ProvenanceIs) -> Answer {
        let here = self.here.map(|here| here.as_str().to_owned()).unwrap_or_default();
        let claim = self.matter.claims.provenance.as_ref();
        let at_home = self.place == self.here && self.place.is_some();
        let mut answer = claim.map_or(Answer::HOLDS, |claim| self.proof("the provenance", &claim.proof, None));
        let list = |pick: fn(&super::claims::Provenance) -> &Vec<String>| claim.map(pick).filter(|all| !all.is_empty());
        if wanted.first_write_here {
            answer = answer.and(match list(|claim| &claim.first_write) {
                Some(first) if first.iter().all(|country| *country == here) => Answer::HOLDS,
                Some(first) => Answer::fails(format!("the first write is in {}, not in {here}", first.join(", "))),
                // What is collected and sent on without another stop is written first where it arrives.
                None if at_home => Answer::HOLDS,
                None if self.first_stop_is_abroad() => {
                    let place = self.place.map(|place| place.to_string()).unwrap_or_default();
                    Answer::fails(format!(
                        "the data is first written in {place}, where it is collected to, not in {here}"
                    ))
                }
                None => Answer::unknown("where the data is first written is not declared (provenance.firstWrite)"),
            });
        }
        if wanted.no_parallel_write_abroad
            && let Some(parallel) = list(|claim| &claim.parallel_writes)
            && let Some(abroad) = parallel.iter().find(|country| **country != here)
        {
            answer = answer.and(Answer::fails(format!("the data is written in {abroad} at the same time")));
        }
        if wanted.copy_here {
            answer = answer.and(match claim {
                _ if at_home => Answer::HOLDS,
                Some(claim)
                    if [&claim.copies, &claim.first_write, &claim.parallel_writes]
                        .iter()
                        .any(|all| all.contains(&here)) =>
                {
                    Answer::HOLDS
                }
                Some(claim) if !(claim.copies.is_empty() && claim.first_write.is_empty()) => {
                    Answer::fails(format!("no copy is kept in {here}"))
                }
                _ if self.first_stop_is_abroad() => Answer::fails(format!("no copy is kept in {here}")),
                _ => Answer::unknown("where copies are kept is not declared (provenance.copies)"),
            });
        }
        if wanted.no_copy_abroad {
            let abroad =
                list(|claim| &claim.copies).and_then(|all| all.iter().find(|country| **country != here).cloned());
            let sent = self.place.filter(|_| !at_home).map(|place| place.to_string());
            if let Some(abroad) = abroad.or(sent) {
                answer = answer.and(Answer::fails(format!("a copy is kept in {abroad}")));
            }
        }
        if !wanted.source.is_empty() {
            answer = answer.and(match claim.and_then(|claim| claim.source) {
                Some(source) if wanted.source.contains(&source) => Answer::HOLDS,
                Some(_) => Answer::fails("the data comes from another kind of source"),
                None => Answer::unknown("from whom the data comes is not declared (provenance.source)"),
            });
        }
        if wanted.foreign_data_only {
            answer = answer.and(match claim.and_then(|claim| claim.foreign_data_only) {
                Some(true) => Answer::HOLDS,
                Some(false) => Answer::fails("domestic data was added"),
                None => Answer::fails(
                    "that the data was only collected abroad is not declared (provenance.foreignDataOnly)",
                ),
            });
        }
        answer
    }

    /// Whether this is a flow from people straight to the place in question.
    fn first_stop_is_abroad(&self) -> bool {
        let collects = self.here.is_some_and(|here| self.matter.collects_from.contains(here));
        collects && self.place.is_some() && self.place != self.here
    }

    fn dealing(&self, wanted: &Dealing) -> Answer {
        let Some(claim) = &self.matter.claims.dealing else {
            return Answer::unknown("the deal under which the data is handed on is not declared (dealing)");
        };
        let mut answer = self.proof("the kind of deal", &claim.proof, None);
        if !wanted.kinds.is_empty() && !wanted.kinds.contains(&claim.kind) {
            answer = answer.and(Answer::fails(format!("the deal is of the kind {:?}", claim.kind)));
        }
        if wanted.security_requirements {
            answer = answer.and(match claim.security_requirements {
                Some(true) => Answer::HOLDS,
                Some(false) => Answer::fails("the security requirements for such deals are not met"),
                None => {
                    Answer::unknown("whether the security requirements are met is not declared (securityRequirements)")
                }
            });
        }
        answer
    }

    fn relationship(&self, wanted: &Relationship) -> Answer {
        let Some(claim) = &self.matter.claims.relationship else {
            return Answer::fails("no relationship with the people is declared (relationship)");
        };
        let today = self.today;
        let mut answer = self.proof("the relationship", &claim.proof, None);
        if !wanted.kinds.is_empty() {
            answer = answer.and(match claim.kind {
                Some(kind) if wanted.kinds.contains(&kind) => Answer::HOLDS,
                Some(kind) => Answer::fails(format!("the relationship is of the kind {kind:?}")),
                None => Answer::unknown("the kind of the relationship is not declared"),
            });
        }
        if let Some(age) = wanted.max_age {
            answer = match claim.since.map(|since| (since, age.after(since))) {
                None => answer.and(Answer::unknown("since when the relationship lasts is not declared (since)")),
                Some((since, end)) if end <= today => {
                    answer.and(Answer::fails(format!("the relationship of {since} counted until {end}")))
                }
                Some((_, end)) => answer.changes(today, Some(end)),
            };
        }
        let parts = [
            (
                wanted.own_similar_goods,
                claim.own_similar_goods,
                "it is not about one's own similar goods",
                "ownSimilarGoods",
            ),
            (
                wanted.obtained_in_sale,
                claim.obtained_in_sale,
                "the address was not obtained in a sale",
                "obtainedInSale",
            ),
            (
                wanted.objection_at_collection,
                claim.objection_at_collection,
                "people could not object at collection",
                "objectionAtCollection",
            ),
            (
                wanted.objection_each_message,
                claim.objection_each_message,
                "people cannot object in each message",
                "objectionEachMessage",
            ),
        ];
        for (wanted, claim, unmet, field) in parts {
            answer = answer.and(match claim {
                _ if !wanted => Answer::HOLDS,
                Some(true) => Answer::HOLDS,
                Some(false) => Answer::fails(unmet),
                None => Answer::unknown(format!("relationship.{field} is not declared")),
            });
        }
        answer
    }

    fn screened(&self, wanted: &RegisterScreened) -> Answer {
        let register = &wanted.register;
        let all = self.matter.claims.screened.iter().filter(|claim| claim.register == *register);
        best(all.map(|claim| self.proof(&format!("the screening against {register}"), &claim.proof, wanted.max_age)))
            .unwrap_or_else(|| Answer::fails(format!("addresses were not held against {register} (screened)")))
    }

    fn message(&self, wanted: &Message) -> Answer {
        let claim = self.matter.claims.message.clone().unwrap_or_default();
        let mut answer = self.proof("the message", &claim.proof, None);
        answer.relies_on.clear();
        if let Some(promotional) = wanted.promotional {
            let marketing = self.matter.purpose.as_deref().is_some_and(|purpose| covers_purpose("marketing", purpose));
            answer = answer.and(match claim.promotional {
                Some(is) if is == promotional => Answer::HOLDS,
                Some(true) => Answer::fails("the message promotes something"),
                Some(false) => Answer::fails("the message promotes nothing"),
                None if marketing == promotional => Answer::relying("a message that promotes nothing but its purpose"),
                None => Answer::unknown("whether the message promotes anything is not declared (message.promotional)"),
            });
        }
        for (wanted, claim, name) in
            [(wanted.labelled, claim.labelled, "labelled"), (wanted.within_hours, claim.within_hours, "withinHours")]
        {
            answer = answer.and(match claim {
                _ if !wanted => Answer::HOLDS,
                Some(true) => Answer::HOLDS,
                Some(false) => Answer::fails(format!("message.{name} is false")),
                // How a message is sent is decided each time; a verdict on the whole can only rely on it.
                None => Answer::relying(format!("message.{name}, not declared")),
            });
        }
        if let Some(wanted) = wanted.line_type {
            answer = answer.and(match claim.line_type {
                Some(line) if line == wanted => Answer::HOLDS,
                Some(line) => Answer::fails(format!("the line is {line:?}")),
                None => Answer::unknown("the kind of line is not declared (message.lineType)"),
            });
        }
        if let Some(wanted) = wanted.from_directory {
            answer = answer.and(match claim.from_directory {
                Some(from) if from == wanted => Answer::HOLDS,
                Some(true) => Answer::fails("the number comes from a directory or from chance"),
                Some(false) => Answer::fails("the number comes from the person"),
                None => Answer::unknown("where the number comes from is not declared (message.fromDirectory)"),
            });
        }
        answer
    }

    fn purpose(&self, wanted: &Purpose) -> Answer {
        let mut answer = Answer::HOLDS;
        let purpose = self.matter.purpose.as_deref();
        let covered =
            |list: &[String]| purpose.is_some_and(|one| list.iter().any(|covers| covers_purpose(covers, one)));
        if !wanted.one_of.is_empty() && !covered(&wanted.one_of) {
            answer = answer.and(match purpose {
                Some(purpose) => Answer::fails(format!("the purpose is {purpose}, not {}", wanted.one_of.join(" or "))),
                None => Answer::unknown("the purpose is not declared (purpose)"),
            });
        }
        if !wanted.none_of.is_empty() {
            answer = answer.and(match purpose {
                Some(purpose) if covered(&wanted.none_of) => {
                    Answer::fails(format!("the purpose {purpose} is excluded"))
                }
                Some(_) => Answer::relying("spec.purpose"),
                None => {
                    Answer::relying(format!("an undeclared purpose, taken not to be {}", wanted.none_of.join(" or ")))
                }
            });
        }
        if wanted.as_collected {
            let collected = &self.matter.collected_for;
            answer = answer.and(match purpose {
                _ if collected.is_empty() => {
                    Answer::unknown("the purposes of the collection are not declared (purposes of the store)")
                }
                None => Answer::unknown("the purpose is not declared (purpose)"),
                Some(purpose) if collected.iter().any(|covers| covers_purpose(covers, purpose)) => Answer::HOLDS,
                Some(purpose) => Answer::fails(format!("{purpose} is not what the data was collected for")),
            });
        }
        if !wanted.presented_as.is_empty() {
            answer = answer.and(match self.matter.claims.presented_as {
                Some(one) if wanted.presented_as.contains(&one) => Answer::HOLDS,
                Some(_) => Answer::fails("the enquiry was presented as something else"),
                None => Answer::unknown("as what the enquiry was presented is not declared (presentedAs)"),
            });
        }
        if !wanted.legal_basis.is_empty() {
            answer = answer.and(match self.matter.claims.legal_basis {
                Some(one) if wanted.legal_basis.contains(&one) => Answer::HOLDS,
                Some(one) => Answer::fails(format!("the processing rests on {one:?}")),
                None => Answer::unknown("on what the processing rests is not declared (legalBasis)"),
            });
        }
        answer
    }

    fn handling(&self, wanted: &Handling) -> Answer {
        let claim = self.matter.claims.handling.clone().unwrap_or_default();
        let mut answer = self.proof("how the data is looked after", &claim.proof, None);
        if let Some(longest) = wanted.retention_max {
            answer = answer.and(match self.matter.retention {
                Some(kept) if kept.days() <= longest.days() => Answer::HOLDS,
                Some(kept) => Answer::fails(format!("data is kept for {kept}, longer than {longest}")),
                None => Answer::unknown("how long data is kept is not declared (retention)"),
            });
        }
        let parts = [
            (wanted.subject_index, claim.subject_index, "subjectIndex"),
            (wanted.suppression_list, claim.suppression_list, "suppressionList"),
            (wanted.minimised, claim.minimised, "minimised"),
            (wanted.aggregate_only, claim.aggregate_only, "aggregateOnly"),
            (wanted.processing_agreement, claim.processing_agreement, "processingAgreement"),
        ];
        for (wanted, claim, name) in parts {
            answer = answer.and(match claim {
                _ if !wanted => Answer::HOLDS,
                Some(true) => Answer::HOLDS,
                Some(false) => Answer::fails(format!("handling.{name} is false")),
                None => Answer::fails(format!("handling.{name} is not declared")),
            });
        }
        answer
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

fn assessment_name(kind: AssessmentKind) -> &'static str {
    match kind {
        AssessmentKind::TransferImpact => "transfer impact assessment",
        AssessmentKind::LegitimateInterest => "assessment of legitimate interests",
        AssessmentKind::DataProtectionImpact => "data protection impact assessment",
        AssessmentKind::PurposeCompatibility => "assessment of compatible purposes",
        AssessmentKind::Security => "security assessment",
        AssessmentKind::Equivalence => "assessment of equivalent protection",
    }
}

fn consent_name(subject: ConsentFor) -> &'static str {
    match subject {
        ConsentFor::Processing => "consent to the processing",
        ConsentFor::Channel => "consent to the channel",
        ConsentFor::SpecialCategory => "consent to special categories",
        ConsentFor::Transfer => "consent to the transfer",
        ConsentFor::Disclosure => "consent to the disclosure",
        ConsentFor::Profiling => "consent to profiling",
    }
}
