//! `domicile answer`: the three questions, country by country.

use serde_json::Value;

use super::{Run, domicile};

fn ask(countries: &str, more: &[&str]) -> Run {
    let mut arguments = vec!["answer", "--country", countries, "--purpose", "cx-feedback", "--channel", "email"];
    arguments.extend(more);
    domicile(&arguments, b"")
}

fn answers(run: &Run) -> Vec<Value> {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!((&document["kind"], &document["apiVersion"]), (&"Answers".into(), &"domicile.dev/v1alpha1".into()));
    assert_eq!(document["notice"], "engineering input, not legal advice");
    document["answers"].as_array().unwrap().clone()
}

#[test]
fn an_emailed_survey_needs_other_things_in_other_countries() {
    let run = ask("DE,CZ,GB,DK", &["--at", "2026-11-22", "-o", "json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let required: Vec<(String, String)> = answers(&run)
        .iter()
        .map(|one| [&one["country"], &one["contact"]["requirement"]].map(|value| value.as_str().unwrap().to_owned()))
        .map(|[country, requirement]| (country, requirement))
        .collect();
    let wanted = [("DE", "SoftOptIn"), ("CZ", "SoftOptIn"), ("GB", "None"), ("DK", "OptOut")];
    assert_eq!(required, wanted.map(|(country, rule)| (country.to_owned(), rule.to_owned())));
}

#[test]
fn each_answer_names_its_source_and_since_when() {
    let run = ask("DE", &["--at", "2026-11-22", "-o", "json"]);
    let one = &answers(&run)[0];
    let contact = &one["contact"];
    assert_eq!((&contact["law"], &contact["since"]), (&"DE".into(), &"2018-07-10".into()));
    assert!(contact["source"]["reference"].as_str().unwrap().contains("VI ZR 225/17"), "{contact}");
    assert_eq!(contact["source"]["confidence"], "High");
    assert!(contact["unless"][0].as_str().unwrap().contains("a chance to object at collection"), "{contact}");
    let rule = |name: &str| one["enrichment"].as_array().unwrap().iter().find(|rule| rule["rule"] == name).unwrap();
    assert_eq!((&rule("gdpr-art13")["effect"], &rule("gdpr-art13-3")["effect"]), (&"Should".into(), &"Must".into()));
    assert_eq!(rule("gdpr-special")["asked"], "Depends");
    assert_eq!(rule("de-uwg7")["asked"], "OtherUse");
    let rights = &one["subjectRights"];
    assert_eq!((&rights["rights"][2]["right"], &rights["rights"][2]["within"]), (&"erasure".into(), &"P1M".into()));
    assert_eq!(one["breachNotice"]["within"], "PT72H");
    let fine = &one["fines"][0];
    assert_eq!(
        (&fine["fixed"], &fine["currency"], &fine["turnoverPercent"]),
        (&20_000_000.into(), &"EUR".into(), &4.into())
    );
    assert_eq!(fine["notice"], "statutory maximum, not a forecast");
}

#[test]
fn the_table_answers_in_words_and_says_once_what_it_is() {
    let run = domicile(
        &["answer", "--country", "CZ", "--country", "GB", "--purpose", "cx-feedback", "--channel", "email"],
        b"",
    );
    for part in [
        "CZ Czechia: cx-feedback over email at ",
        "Is an opt-in required? soft opt-in\n    without consent only where: a customer, own similar goods",
        "start not researched (seen in force on 2026-11-01)",
        "erasure        1 month, 2 months more if need be",
        "the higher of GBP 17 500 000 and 4 % of turnover (statutory maximum, not a forecast)",
    ] {
        assert!(run.stdout.contains(part), "{part:?} is missing in {}", run.stdout);
    }
    assert_eq!(run.stdout.matches("engineering input, not legal advice").count(), 1);
}

#[test]
fn what_nobody_knows_is_unknown() {
    let unknown = |run: &Run| answers(run)[0]["unknown"].clone();
    let purpose =
        domicile(&["answer", "--country", "DE", "--purpose", "raffle", "--channel", "email", "-o", "json"], b"");
    assert_eq!((purpose.code, unknown(&purpose)), (Some(3), serde_json::json!(["contact"])), "{purpose:?}");
    let country = ask("BO", &["-o", "json"]);
    assert_eq!((country.code, unknown(&country).as_array().unwrap().len()), (Some(3), 5), "{country:?}");
    // Before the day on which a rule began, or was seen, nothing is assumed.
    for (country, day) in [("DE", "2018-07-09"), ("CZ", "2026-10-31")] {
        let early = ask(country, &["--at", day, "-o", "json"]);
        assert_eq!(early.code, Some(3), "{early:?}");
        assert_eq!(answers(&early)[0]["contact"]["requirement"], "Unknown", "{early:?}");
    }
}

#[test]
fn own_law_replaces_the_built_in_one() {
    let law = "
apiVersion: domicile.dev/v1alpha1
kind: Jurisdiction
metadata: {name: gb}
spec:
  country: GB
  title: Example
  timeZone: Europe/London
  consent:
    - {channel: Email, purpose: cx-feedback, rule: OptIn, from: '2020-01-01', source: {reference: counsel's memorandum}}
";
    let arguments =
        ["answer", "--country", "GB", "--purpose", "cx-feedback", "--channel", "email", "-o", "json", "-f", "-"];
    let run = domicile(&arguments, law.as_bytes());
    let contact = &answers(&run)[0]["contact"];
    assert_eq!((&contact["requirement"], &contact["since"]), (&"OptIn".into(), &"2020-01-01".into()), "{run:?}");
    assert_eq!(contact["source"]["reference"], "counsel's memorandum");
}

#[test]
fn unknown_words_are_usage_errors_that_name_the_known_ones() {
    let country = ask("DE,Narnia", &[]);
    assert_eq!(country.code, Some(64), "{country:?}");
    assert!(country.stderr.contains("\"Narnia\"") && country.stderr.contains("CZ, DE, DK"), "{country:?}");
    let channel = domicile(&["answer", "--country", "DE", "--purpose", "x", "--channel", "pigeon"], b"");
    assert_eq!(channel.code, Some(64), "{channel:?}");
    assert!(channel.stderr.contains("email, sms, phone-human"), "{channel:?}");
}
