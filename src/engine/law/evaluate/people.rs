//! What people agreed to, were told, and may expect.

use super::super::claims::{ConsentFor, Consented, Noticed};
use super::super::condition::{Consent, Handling, Message, Notice, Purpose, RegisterScreened, Relationship};
use super::{Answer, Asking, best, covers_purpose};

impl Asking<'_> {
    pub(super) fn consent(&self, wanted: &Consent) -> Answer {
        let name = consent_name(wanted.subject);
        let all = self.matter.claims.consents.iter().filter(|claim| claim.subject == wanted.subject);
        let one = |claim: &Consented| {
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

    pub(super) fn notice(&self, wanted: &Notice) -> Answer {
        let all = self.matter.claims.notices.iter().filter(|claim| claim.audience == wanted.audience);
        let one = |claim: &Noticed| {
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

    pub(super) fn relationship(&self, wanted: &Relationship) -> Answer {
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

    pub(super) fn screened(&self, wanted: &RegisterScreened) -> Answer {
        let register = &wanted.register;
        let all = self.matter.claims.screened.iter().filter(|claim| claim.register == *register);
        best(all.map(|claim| self.proof(&format!("the screening against {register}"), &claim.proof, wanted.max_age)))
            .unwrap_or_else(|| Answer::fails(format!("addresses were not held against {register} (screened)")))
    }

    pub(super) fn message(&self, wanted: &Message) -> Answer {
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

    pub(super) fn purpose(&self, wanted: &Purpose) -> Answer {
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

    pub(super) fn handling(&self, wanted: &Handling) -> Answer {
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
