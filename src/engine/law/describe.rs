//! Conditions in words, for people who ask what the law wants rather than whether it is met.

use super::claims::{AssessmentKind, Audience, ConsentFor, CountCategory, DataSource, FilingAct, LineType};
use super::condition::{
    Anchor, Assessment, Certified, Condition, Consent, CountWindow, DataScope, Dealing, Destination, Filing,
    GroupRules, Handling, Instrument, Message, Necessity, Notice, OnFailure, PartyScope, ProvenanceIs, Purpose,
    RegisterScreened, Relationship, Side, SubjectCount,
};

/// What a condition asks, one item for each thing that must hold. The law's own words where it has any.
pub fn describe(condition: &Condition) -> Vec<String> {
    let mut all = match &condition.says {
        Some(says) => vec![says.clone()],
        None => tests(condition),
    };
    let days = match (condition.from, condition.until) {
        (None, None) => String::new(),
        (Some(from), None) => format!(" (from {from} on)"),
        (None, Some(until)) => format!(" (until {until})"),
        (Some(from), Some(until)) => format!(" (from {from} until {until})"),
    };
    let failing = match condition.on_failure {
        OnFailure::GroundFails => "",
        OnFailure::ObligationOnly => " (what is missing is owed)",
        OnFailure::Unsettled => " (what follows otherwise is not settled in law)",
    };
    for one in &mut all {
        one.push_str(&days);
        one.push_str(failing);
    }
    all
}

/// The same as one sentence.
pub fn sentence(condition: &Condition) -> String {
    describe(condition).join(", and ")
}

fn tests(condition: &Condition) -> Vec<String> {
    // Everything is named: a test that is added and not described would be left out without a word.
    let Condition {
        from: _,
        until: _,
        on_failure: _,
        says: _,
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
    let mut all: Vec<String> = all_of.iter().flat_map(describe).collect();
    match any_of.as_slice() {
        [] => {}
        [one] => all.extend(describe(one)),
        several => {
            let several: Vec<String> = several.iter().map(sentence).collect();
            all.push(format!("one of: {}", several.join("; or ")));
        }
    }
    all.extend(not.iter().map(|inner| format!("not: {}", sentence(inner))));
    macro_rules! tests {
        ($($part:ident),* $(,)?) => { $(all.extend(self::$part($part.as_deref()));)* };
    }
    tests!(
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
    );
    all
}

/// The parts of one test, joined.
fn joined(head: &str, parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let mut parts = parts.into_iter().flatten().collect::<Vec<_>>();
    if !head.is_empty() {
        parts.insert(0, head.to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn or<T: ToString>(head: &str, all: &[T]) -> Option<String> {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    (!all.is_empty()).then(|| format!("{head} {}", all.join(" or ")).trim_start().to_owned())
}

fn when(is: bool, words: &str) -> Option<String> {
    is.then(|| words.to_owned())
}

/// The words of a closed list as people write them: `LegalClaims` as "legal claims".
fn words<T: std::fmt::Debug>(all: &[T]) -> Vec<String> {
    let one = |value: &T| {
        let mut text = String::new();
        for letter in format!("{value:?}").chars() {
            if letter.is_uppercase() && !text.is_empty() {
                text.push(' ');
            }
            text.extend(letter.to_lowercase());
        }
        text
    };
    all.iter().map(one).collect()
}

fn certified(test: Option<&Certified>) -> Option<String> {
    let Certified { schemes, extension, coverage, max_age } = test?;
    joined(
        &or("an importer certified under", schemes).unwrap_or_else(|| "a certified importer".to_owned()),
        [
            extension.as_ref().map(|extension| format!("with the extension {extension}")),
            or("for", coverage),
            max_age.map(|age| format!("confirmed within {age}")),
        ],
    )
}

fn instrument(test: Option<&Instrument>) -> Option<String> {
    let Instrument {
        texts,
        modules,
        concluded_from,
        concluded_until,
        rely_until,
        unmodified,
        processing_unchanged,
        language,
    } = test?;
    joined(
        "a contract",
        [
            or("on", texts),
            or("module", modules),
            concluded_from.map(|day| format!("concluded on {day} or later")),
            concluded_until.map(|day| format!("concluded before {day}")),
            rely_until.map(|day| format!("relied on until {day}")),
            when(*unmodified, "with the official text unchanged"),
            when(*processing_unchanged, "with the processing unchanged since"),
            language.as_ref().map(|language| format!("of which the text in {language} prevails")),
        ],
    )
}

fn group_rules(test: Option<&GroupRules>) -> Option<String> {
    let GroupRules { approved_by, approved, same_group } = test?;
    joined(
        "binding rules of the group",
        [
            approved_by.as_ref().map(|by| format!("approved by {by}")),
            when(*approved && approved_by.is_none(), "approved by an authority"),
            when(*same_group, "that bind exporter and importer alike"),
        ],
    )
}

fn assessment(test: Option<&Assessment>) -> Option<String> {
    let Assessment { kind, any_outcome, valid_for } = test?;
    let what = match kind {
        AssessmentKind::TransferImpact => "a transfer impact assessment",
        AssessmentKind::LegitimateInterest => "a balance of interests",
        AssessmentKind::DataProtectionImpact => "a data protection impact assessment",
        AssessmentKind::PurposeCompatibility => "an assessment of compatible purposes",
        AssessmentKind::Security => "a security assessment",
        AssessmentKind::Equivalence => "an assessment of equivalent protection",
    };
    joined(what, [when(*any_outcome, "whatever it found"), valid_for.map(|period| format!("not older than {period}"))])
}

fn filing(test: Option<&Filing>) -> Option<String> {
    let Filing { authority, acts, due, waiting_days, granted, valid_for } = test?;
    let acts: Vec<&str> = acts
        .iter()
        .map(|act| match act {
            FilingAct::Notify => "a notification to",
            FilingAct::File => "a filing with",
            FilingAct::Approve => "an approval by",
            FilingAct::Licence => "a licence from",
        })
        .collect();
    joined(
        &format!("{} {authority}", acts.join(" or ")),
        [
            due.map(|due| {
                let working = if due.working { "working " } else { "" };
                let anchor = match due.anchor {
                    Anchor::Concluded => "the contract is concluded",
                    Anchor::FirstTransfer => "the first transfer",
                };
                format!("within {} {working}days after {anchor}", due.days)
            }),
            waiting_days.map(|days| format!("{days} working days before the transfer")),
            when(*granted, "which must be granted"),
            valid_for.map(|period| format!("good for {period}")),
        ],
    )
}

fn subject_count(test: Option<&SubjectCount>) -> Option<String> {
    let SubjectCount { category, at_least, below, window } = test?;
    let whose = match category {
        CountCategory::All => "people",
        CountCategory::Sensitive => "people with sensitive data",
        CountCategory::NonSensitive => "people without sensitive data",
    };
    let range = match (at_least, below) {
        (Some(least), Some(below)) => format!("from {least} to fewer than {below}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(below)) => format!("fewer than {below}"),
        (None, None) => "any number of".to_owned(),
    };
    joined(&format!("{range} {whose}"), [when(*window == CountWindow::Year, "counted since 1 January")])
}

fn data_scope(test: Option<&DataScope>) -> Option<String> {
    let DataScope { include, exclude, undeclared: _ } = test?;
    joined("", [or("data of the categories", include), or("no data of the categories", exclude)])
}

fn party_scope(test: Option<&PartyScope>) -> Option<String> {
    let PartyScope { party, subject_to, not_subject_to, attributes, not_attributes, established_in, controlled_from } =
        test?;
    let side = match party {
        Side::Importer => "an importer",
        Side::Exporter => "an exporter",
    };
    let facts = joined(
        "",
        [
            or("subject to", subject_to),
            or("not subject to", not_subject_to),
            or("that is", attributes),
            or("that is not", not_attributes),
            or("established in", established_in),
            or("controlled from", controlled_from),
        ],
    )?;
    Some(format!("{side} {facts}"))
}

fn consent(test: Option<&Consent>) -> Option<String> {
    let Consent { subject, forms, informed_of, for_purpose, per_subject_gate } = test?;
    let subject = match subject {
        ConsentFor::Processing => "to the processing",
        ConsentFor::Channel => "to be contacted over the channel",
        ConsentFor::SpecialCategory => "to special categories of data",
        ConsentFor::Transfer => "to the transfer",
        ConsentFor::Disclosure => "to the disclosure",
        ConsentFor::Profiling => "to profiling",
    };
    let form = or("", &words(forms)).map(|forms| format!("{forms} ")).unwrap_or_default();
    joined(
        &format!("{form}consent {subject}"),
        [
            when(*for_purpose, "for the purpose"),
            (!informed_of.is_empty()).then(|| format!("informed of {}", informed_of.join(", "))),
            when(*per_subject_gate, "with everybody kept out who has not given it"),
        ],
    )
}

fn necessity(test: Option<&Necessity>) -> Option<String> {
    let Necessity { kinds, occasional } = test?;
    joined("", [or("necessary for:", &words(kinds)), when(*occasional, "only now and then")])
}

fn notice(test: Option<&Notice>) -> Option<String> {
    let Notice { audience, content } = test?;
    let whom = match audience {
        Audience::Subjects => "the people concerned",
        Audience::Public => "the public",
        Audience::Recipients => "earlier recipients",
    };
    let content = if content.is_empty() { String::new() } else { format!(" of {}", content.join(", ")) };
    Some(format!("a notice to {whom}{content}"))
}

fn destination(test: Option<&Destination>) -> Option<String> {
    let Destination { list, except, assessed_equivalent } = test?;
    joined(
        "",
        [
            or("a destination in", list),
            or("a destination outside", except),
            when(*assessed_equivalent, "an assessment that the destination protects the data as the origin does"),
        ],
    )
}

fn provenance(test: Option<&ProvenanceIs>) -> Option<String> {
    let ProvenanceIs {
        first_write_here,
        no_parallel_write_abroad,
        copy_here,
        no_copy_abroad,
        source,
        foreign_data_only,
    } = test?;
    let source: Vec<&str> = source
        .iter()
        .map(|source| match source {
            DataSource::Subject => "the person",
            DataSource::ThirdParty => "third parties",
            DataSource::Public => "public sources",
        })
        .collect();
    joined(
        "",
        [
            when(*first_write_here, "the first write in the country"),
            when(*no_parallel_write_abroad, "nothing written abroad at the same time"),
            when(*copy_here, "a copy in the country"),
            when(*no_copy_abroad, "no copy abroad"),
            or("data from", &source),
            when(*foreign_data_only, "data that was collected abroad, with nothing domestic added"),
        ],
    )
}

fn dealing(test: Option<&Dealing>) -> Option<String> {
    let Dealing { kinds, security_requirements } = test?;
    joined(
        "",
        [
            or("a deal of the kind", &words(kinds)),
            when(*security_requirements, "the security requirements for such deals met"),
        ],
    )
}

fn relationship(test: Option<&Relationship>) -> Option<String> {
    let Relationship {
        kinds,
        max_age,
        own_similar_goods,
        obtained_in_sale,
        objection_at_collection,
        objection_each_message,
    } = test?;
    joined(
        "",
        [
            or("people who are:", &words(kinds)),
            max_age.map(|age| format!("for no longer than {age}")),
            when(*own_similar_goods, "own similar goods or services"),
            when(*obtained_in_sale, "an address obtained in a sale"),
            when(*objection_at_collection, "a chance to object at collection"),
            when(*objection_each_message, "a chance to object in each message"),
        ],
    )
}

fn register_screened(test: Option<&RegisterScreened>) -> Option<String> {
    let RegisterScreened { register, max_age } = test?;
    let age = max_age.map(|age| format!("within {age}"));
    joined(&format!("addresses held against the register {register}"), [age])
}

fn message(test: Option<&Message>) -> Option<String> {
    let Message { promotional, labelled, within_hours, line_type, from_directory } = test?;
    joined(
        "",
        [
            promotional.map(|is| {
                if is { "a message that promotes something" } else { "a message that promotes nothing" }.to_owned()
            }),
            when(*labelled, "the label that the law asks for"),
            when(*within_hours, "the hours that the law allows"),
            line_type.map(|line| if line == LineType::Mobile { "a mobile line" } else { "a landline" }.to_owned()),
            from_directory.map(|is| {
                if is { "a number from a directory or from chance" } else { "a number given by the person" }.to_owned()
            }),
        ],
    )
}

fn purpose(test: Option<&Purpose>) -> Option<String> {
    let Purpose { one_of, none_of, as_collected, presented_as, legal_basis } = test?;
    joined(
        "",
        [
            or("the purpose", one_of),
            or("another purpose than", none_of),
            when(*as_collected, "a purpose for which the data was collected"),
            or("an enquiry presented as", &words(presented_as)),
            or("processing that rests on", &words(legal_basis)),
        ],
    )
}

fn handling(test: Option<&Handling>) -> Option<String> {
    let Handling { retention_max, subject_index, suppression_list, minimised, aggregate_only, processing_agreement } =
        test?;
    joined(
        "",
        [
            retention_max.map(|period| format!("data kept no longer than {period}")),
            when(*subject_index, "one person's data can be found"),
            when(*suppression_list, "people who objected are kept out"),
            when(*minimised, "only what is needed is copied"),
            when(*aggregate_only, "results only for groups, with identifiers dropped"),
            when(*processing_agreement, "a contract or arrangement between the parties"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_words_of_the_law_come_first() {
        let said = Condition {
            says: Some("a documented test".to_owned()),
            from: Some(date(2020, 7, 16)),
            handling: Some(Box::new(Handling { minimised: true, ..Handling::default() })),
            ..Condition::default()
        };
        assert_eq!(describe(&said), ["a documented test (from 2020-07-16 on)"]);
    }

    #[test]
    fn tests_without_words_are_told_by_their_parameters() {
        let purpose = Purpose { one_of: vec!["a".into(), "b".into()], ..Purpose::default() };
        let handling = Handling { subject_index: true, ..Handling::default() };
        let either = Condition {
            any_of: vec![
                Condition { purpose: Some(Box::new(purpose)), ..Condition::default() },
                Condition { handling: Some(Box::new(handling)), ..Condition::default() },
            ],
            ..Condition::default()
        };
        assert_eq!(describe(&either), ["one of: the purpose a or b; or one person's data can be found"]);
    }
}
