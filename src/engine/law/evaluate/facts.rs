//! Facts about the data, its place, the parties and the deal between them.

use jiff::civil::date;

use super::super::claims::{AssessmentKind, CountCategory, Pattern, Provenance};
use super::super::condition::{
    Assessment, CountWindow, DataScope, Dealing, Destination, Necessity, PartyScope, ProvenanceIs, Side, SubjectCount,
    Undeclared,
};
use super::super::matter::Party;
use super::{Answer, Asking, best};
use crate::engine::country::{Country, CountrySet};
use crate::engine::policy::is_within;

impl Asking<'_> {
    pub(super) fn subject_count(&self, wanted: &SubjectCount) -> Answer {
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

    pub(super) fn data_scope(&self, wanted: &DataScope) -> Answer {
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

    pub(super) fn party_scope(&self, wanted: &PartyScope) -> Answer {
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

    pub(super) fn has(&self, wanted: &PartyScope, party: &Party, side: &str) -> Answer {
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

    pub(super) fn has_not(wanted: &PartyScope, party: &Party, side: &str) -> Answer {
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

    pub(super) fn necessity(&self, wanted: &Necessity) -> Answer {
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

    /// The countries that codes of countries and blocs mean today.
    pub(super) fn countries(&self, codes: &[String]) -> CountrySet {
        self.lawbook.countries(codes, self.now)
    }

    pub(super) fn destination(&self, wanted: &Destination) -> Answer {
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

    pub(super) fn provenance(&self, wanted: &ProvenanceIs) -> Answer {
        let here = self.here.map(|here| here.as_str().to_owned()).unwrap_or_default();
        let claim = self.matter.claims.provenance.as_ref();
        let at_home = self.place == self.here && self.place.is_some();
        let mut answer = claim.map_or(Answer::HOLDS, |claim| self.proof("the provenance", &claim.proof, None));
        let list = |pick: fn(&Provenance) -> &Vec<String>| claim.map(pick).filter(|all| !all.is_empty());
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
    pub(super) fn first_stop_is_abroad(&self) -> bool {
        let collects = self.here.is_some_and(|here| self.matter.collects_from.contains(here));
        collects && self.place.is_some() && self.place != self.here
    }

    pub(super) fn dealing(&self, wanted: &Dealing) -> Answer {
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
}
