//! Certificates, contracts, binding rules, assessments and filings.

use jiff::civil::Date;

use super::super::claims::{Assessed, AssessmentKind, Decision, Filed, Outcome};
use super::super::condition::{Anchor, Assessment, Certified, Filing, GroupRules, Instrument};
use super::super::period::working_days_after;
use super::{Answer, Asking, Truth, best};

impl Asking<'_> {
    pub(super) fn certified(&self, wanted: &Certified) -> Answer {
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

    pub(super) fn instrument(&self, wanted: &Instrument) -> Answer {
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

    pub(super) fn group_rules(&self, wanted: &GroupRules) -> Answer {
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

    pub(super) fn assessment(&self, wanted: &Assessment) -> Answer {
        let own = self.basis.and_then(|basis| basis.assessment.as_ref());
        let all = own.into_iter().chain(&self.matter.claims.assessments).filter(|claim| claim.kind == wanted.kind);
        best(all.map(|claim| self.assessed(wanted, claim)))
            .unwrap_or_else(|| Answer::fails(format!("no {} is claimed", assessment_name(wanted.kind))))
    }

    pub(super) fn assessed(&self, wanted: &Assessment, claim: &Assessed) -> Answer {
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

    pub(super) fn filing(&self, wanted: &Filing) -> Answer {
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
    pub(super) fn due(&self, wanted: &Filing) -> Option<Date> {
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

    pub(super) fn not_filed(&self, wanted: &Filing) -> Answer {
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

    pub(super) fn filed(&self, wanted: &Filing, claim: &Filed) -> Answer {
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
