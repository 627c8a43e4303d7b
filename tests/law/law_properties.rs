//! The invariants of the law as properties of random matters, against the built-in lawbook and against random small ones.

mod generate;

use std::sync::Arc;

use domicile::engine::country::CountrySet;
use domicile::engine::data::{Data, Source};
use domicile::engine::decide;
use domicile::engine::facts::{Act, Facts, Flexibility, Placement, Stake};
use domicile::engine::law::condition::Condition;
use domicile::engine::law::evaluate::{Asking, Truth};
use domicile::engine::law::matter::Matter;
use domicile::engine::law::mechanism::{Mechanism, MechanismRole};
use domicile::engine::law::opinion::{Legal, Opinion, Outcome, opinion};
use domicile::engine::law::reach::reach;
use domicile::engine::lawbook::Lawbook;
use domicile::engine::place::Places;
use domicile::engine::policy::Policies;
use domicile::engine::verdict::Verdict;
use domicile::interpret::read;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestCaseResult};
use serde_json::{Value, json};

use generate::{BUILTIN, Claim, Days, Parts, SMALL, Words};

const NEAR: Days = Days(generate::day);
const ANY: Days = Days(generate::any_day);

/// How often each property is tried, with the same cases every time.
fn tries(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        max_global_rejects: 4 * cases,
        rng_seed: RngSeed::Fixed(0x00D0_111C),
        ..Config::default()
    }
}

/// A random lawbook with a matter under it, and a time.
fn small() -> impl Strategy<Value = (Parts, Matter, Timestamp)> {
    (generate::lawbook(), generate::matter(&SMALL, NEAR), generate::now(&SMALL))
}

/// A matter under the built-in law, and a time.
fn builtin() -> impl Strategy<Value = (Matter, Timestamp)> {
    let words: &'static Words = &BUILTIN.2;
    (generate::matter(words, NEAR), generate::now(words))
}

/// Instants from `now` on before `until`, the last one among them.
fn instants(now: Timestamp, until: Option<Timestamp>, parts: &[u16]) -> Vec<Timestamp> {
    let last = until.map_or(Timestamp::MAX, |until| until - SignedDuration::from_nanos(1));
    // Without an end everything stays as it is; far from today is as good as any other time.
    let horizon = last.min(now.checked_add(SignedDuration::from_hours(24 * 365 * 40)).unwrap_or(last));
    let (from, to) = (now.as_nanosecond(), horizon.as_nanosecond());
    let mut all: Vec<Timestamp> = parts
        .iter()
        .map(|part| Timestamp::from_nanosecond(from + (to - from) / i128::from(u16::MAX) * i128::from(*part)).unwrap())
        .collect();
    all.extend([now.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(now).min(last), last]);
    if let Some(until) = until {
        all.push((until - SignedDuration::from_secs(1)).max(now));
    }
    all
}

/// Everything that an opinion says but until when.
fn timeless(mut opinion: Opinion) -> Opinion {
    opinion.until = None;
    for outcome in &mut opinion.outcomes {
        outcome.until = None;
    }
    opinion
}

fn holds_as_long_as_it_says(matter: &Matter, lawbook: &Lawbook, now: Timestamp, parts: &[u16]) -> TestCaseResult {
    let said = opinion(matter, lawbook, now);
    let until = said.until;
    prop_assert!(until.is_none_or(|until| until > now), "{until:?} is not after {now}");
    let said = timeless(said);
    for instant in instants(now, until, parts) {
        let later = timeless(opinion(matter, lawbook, instant));
        for (before, after) in said.outcomes.iter().zip(&later.outcomes) {
            prop_assert_eq!(before, after, "at {}, until {:?}", instant, until);
        }
        prop_assert_eq!(&said, &later, "at {}, until {:?}", instant, until);
    }
    Ok(())
}

/// The matter as admission sees it: the law is asked, and the data is worked on somewhere.
fn facts(matter: &Matter, place: CountrySet) -> Facts {
    let matter = Arc::new(matter.clone());
    let data = Data {
        unknown_origin: matter.unknown_origin.clone(),
        categories: matter.categories.clone(),
        regions: matter.regions.clone(),
        carriers: vec![matter.clone()],
        ..Data::of(matter.origins, matter.via.clone())
    };
    let placement = Placement {
        act: Act::Process,
        field: "spec".to_owned(),
        data: vec![Arc::new(data)],
        places: Places::known(place),
        flexibility: Flexibility::Nodes,
    };
    Facts { placements: vec![placement], matters: vec![Stake { matter, field: None }], subject: None }
}

fn policies() -> Policies {
    let builtin = crate::builtin().policies;
    Policies::new(builtin.iter().map(|policy| read::policy(&policy.name_any(), &policy.spec)))
}

fn is_decided_as_long_as_it_says(
    matter: &Matter,
    lawbook: &Arc<Lawbook>,
    now: Timestamp,
    parts: &[u16],
    place: CountrySet,
) -> TestCaseResult {
    let facts = facts(matter, place);
    let policies = policies();
    let prepared = policies.clone().prepare(lawbook, now);
    let timeless = |mut verdict: Verdict| {
        verdict.holds_until = None;
        verdict
    };
    let first = decide(&facts, lawbook, &prepared, now);
    let until = first.holds_until;
    prop_assert!(until.is_none_or(|until| until > now), "{until:?} is not after {now}");
    let first = timeless(first);
    for instant in instants(now, until, parts) {
        // What was worked out ahead only saves work.
        let fresh = timeless(decide(&facts, lawbook, &policies, instant));
        let ahead = timeless(decide(&facts, lawbook, &prepared, instant));
        prop_assert_eq!(&fresh, &ahead, "worked out ahead, at {}", instant);
        prop_assert_eq!(&first, &fresh, "at {}, until {:?}", instant, until);
    }
    Ok(())
}

/// Whether nothing that one opinion says is milder than in the other. Rules of which the other does not speak may say
/// whatever they want.
fn no_milder(stricter: &Opinion, milder: &Opinion) -> TestCaseResult {
    let of = |opinion: &Opinion, spoken: &dyn Fn(&str) -> bool| -> Vec<Outcome> {
        opinion.outcomes.iter().filter(|outcome| spoken(outcome.rule)).cloned().collect()
    };
    let differ = |rule: &str| of(stricter, &|one| one == rule).len() != of(milder, &|one| one == rule).len();
    let (all, each) = (of(stricter, &|rule| !differ(rule)), of(milder, &|rule| !differ(rule)));
    for (stricter, milder) in all.iter().zip(&each) {
        prop_assert!(stricter.legal >= milder.legal, "stricter: {stricter:#?}\nmilder: {milder:#?}");
    }
    prop_assert!(stricter.legal >= milder.legal, "stricter: {stricter:#?}\nmilder: {milder:#?}");
    Ok(())
}

fn without(parts: &Parts, name: &str) -> Parts {
    let mut less = parts.clone();
    less.mechanisms.retain(|one| one.name != name);
    less
}

/// Whether the hop before a flow goes by this mechanism, which then binds its data as well.
fn binds_onward(matter: &Matter, mechanism: &Mechanism) -> bool {
    matter.earlier.as_ref().is_some_and(|hop| mechanism.is_named(&hop.mechanism))
}

fn no_ground_is_a_burden(parts: &Parts, matter: &Matter, now: Timestamp, one: Index) -> TestCaseResult {
    let full = opinion(matter, &parts.lawbook(), now);
    let used = full.outcomes.iter().filter_map(|outcome| Some(outcome.ground.as_ref()?.name.clone()));
    let grounds: Vec<&Arc<Mechanism>> =
        parts.mechanisms.iter().filter(|one| one.role == MechanismRole::Ground && !binds_onward(matter, one)).collect();
    let mut names: Vec<String> = used.filter(|name| grounds.iter().any(|one| one.name == *name)).take(2).collect();
    if !grounds.is_empty() {
        names.push(one.get(&grounds).name.clone());
    }
    for name in names {
        no_milder(&opinion(matter, &without(parts, &name).lawbook(), now), &full)?;
    }
    Ok(())
}

fn no_demand_is_a_relief(parts: &Parts, matter: &Matter, now: Timestamp, added: &Mechanism) -> TestCaseResult {
    let mut more = parts.clone();
    more.mechanisms.push(Arc::new(added.clone()));
    no_milder(&opinion(matter, &more.lawbook(), now), &opinion(matter, &parts.lawbook(), now))
}

fn no_claim_does_harm(lawbook: &Lawbook, matter: &Matter, now: Timestamp, claim: &Claim) -> TestCaseResult {
    prop_assume!(!claim.is_adverse(matter));
    let more = claim.clone().added_to(matter);
    no_milder(&opinion(matter, lawbook, now), &opinion(&more, lawbook, now))
}

fn order_is_nothing(
    parts: &Parts,
    shuffled: &Parts,
    matter: &Matter,
    bases: &Matter,
    now: Timestamp,
) -> TestCaseResult {
    let (lawbook, other) = (parts.lawbook(), shuffled.lawbook());
    prop_assert_eq!(&lawbook, &other);
    let said = opinion(matter, &lawbook, now);
    prop_assert_eq!(&said, &opinion(matter, &other, now));
    // Which ground is named may differ, the legal state under each rule may not.
    let otherwise = opinion(bases, &lawbook, now);
    let states = |opinion: &Opinion| -> Vec<Legal> { opinion.outcomes.iter().map(|outcome| outcome.legal).collect() };
    prop_assert_eq!(states(&said), states(&otherwise));
    prop_assert_eq!((said.legal, said.until), (otherwise.legal, otherwise.until));
    Ok(())
}

/// The law as it was known is the law as it is, apart from what came later.
fn known_law_is_law(lawbook: &Lawbook, matter: &Matter, now: Timestamp, later: Timestamp) -> TestCaseResult {
    let forever = lawbook.known_at(Timestamp::MAX);
    prop_assert_eq!(&forever, lawbook);
    let known = lawbook.known_at(later);
    prop_assert_eq!(&known.known_at(later), &known);
    prop_assert_eq!(&forever.known_at(now), &known.known_at(now), "what is known at {} depends on {}", now, later);
    // Whoever knows everything up to a day judges that day, and every day before, rightly.
    let (said, known) = (opinion(matter, lawbook, now), opinion(matter, &known, now));
    let states = |opinion: &Opinion| -> Vec<_> {
        let of = |outcome: &Outcome| (outcome.rule, outcome.law.clone(), outcome.legal);
        opinion.outcomes.iter().filter(|outcome| outcome.legal > Legal::Permitted).map(of).collect()
    };
    prop_assert_eq!(states(&said), states(&known));
    prop_assert_eq!(said.legal, known.legal);
    Ok(())
}

fn parts_of_time() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(any::<u16>(), 3)
}

fn shuffled(parts: Parts) -> impl Strategy<Value = (Parts, Parts)> {
    let Parts { blocs, jurisdictions, mechanisms } = parts.clone();
    (Just(parts), Just(blocs).prop_shuffle(), Just(jurisdictions).prop_shuffle(), Just(mechanisms).prop_shuffle())
        .prop_map(|(parts, blocs, jurisdictions, mechanisms)| (parts, Parts { blocs, jurisdictions, mechanisms }))
}

fn reordered(matter: Matter) -> impl Strategy<Value = (Matter, Matter)> {
    let bases = Just(matter.bases.clone()).prop_shuffle();
    bases.prop_map(move |bases| (matter.clone(), Matter { bases, ..matter.clone() }))
}

fn demand() -> impl Strategy<Value = Mechanism> {
    generate::mechanism("added".to_owned(), vec![MechanismRole::Duty, MechanismRole::Bar])
}

proptest! {
    #![proptest_config(tries(250))]

    #[test]
    fn an_opinion_holds_as_long_as_it_says((matter, now) in builtin(), parts in parts_of_time()) {
        holds_as_long_as_it_says(&matter, &BUILTIN.1, now, &parts)?;
    }

    #[test]
    fn an_opinion_under_any_law_holds_as_long_as_it_says((law, matter, now) in small(), parts in parts_of_time()) {
        holds_as_long_as_it_says(&matter, &law.lawbook(), now, &parts)?;
    }
}

proptest! {
    #![proptest_config(tries(80))]

    #[test]
    fn a_verdict_holds_as_long_as_it_says(
        (matter, now) in builtin(),
        parts in parts_of_time(),
        place in generate::country(&BUILTIN.2),
    ) {
        let lawbook = Arc::new(BUILTIN.1.clone());
        is_decided_as_long_as_it_says(&matter, &lawbook, now, &parts, CountrySet::only(place))?;
    }

    #[test]
    fn a_verdict_under_any_law_holds_as_long_as_it_says(
        (law, matter, now) in small(),
        parts in parts_of_time(),
        place in generate::country(&SMALL),
    ) {
        is_decided_as_long_as_it_says(&matter, &Arc::new(law.lawbook()), now, &parts, CountrySet::only(place))?;
    }

    #[test]
    fn a_ground_less_is_never_a_relief((matter, now) in builtin(), one in any::<Index>()) {
        no_ground_is_a_burden(&BUILTIN.0, &matter, now, one)?;
    }

    #[test]
    fn a_ground_less_is_never_a_relief_under_any_law((law, matter, now) in small(), one in any::<Index>()) {
        no_ground_is_a_burden(&law, &matter, now, one)?;
    }

    #[test]
    fn a_duty_or_a_bar_is_never_a_relief((matter, now) in builtin(), added in demand()) {
        no_demand_is_a_relief(&BUILTIN.0, &matter, now, &added)?;
    }

    #[test]
    fn a_duty_or_a_bar_is_never_a_relief_under_any_law((law, matter, now) in small(), added in demand()) {
        no_demand_is_a_relief(&law, &matter, now, &added)?;
    }

    #[test]
    fn the_order_of_the_law_and_of_the_bases_is_nothing(
        (law, shuffled) in Just(BUILTIN.0.clone()).prop_flat_map(shuffled),
        ((matter, bases), now) in builtin().prop_flat_map(|(matter, now)| (reordered(matter), Just(now))),
    ) {
        order_is_nothing(&law, &shuffled, &matter, &bases, now)?;
    }

    #[test]
    fn the_order_of_any_law_and_of_the_bases_is_nothing(
        ((law, shuffled), (matter, bases), now) in
            small().prop_flat_map(|(law, matter, now)| (shuffled(law), reordered(matter), Just(now))),
    ) {
        order_is_nothing(&law, &shuffled, &matter, &bases, now)?;
    }

    #[test]
    fn the_law_as_it_was_known_judges_its_own_time_rightly(
        (matter, now) in builtin(),
        later in 0_i64..24 * 365 * 20,
    ) {
        known_law_is_law(&BUILTIN.1, &matter, now, now + SignedDuration::from_hours(later))?;
    }

    #[test]
    fn any_law_as_it_was_known_judges_its_own_time_rightly(
        (law, matter, now) in small(),
        later in 0_i64..24 * 365 * 20,
    ) {
        known_law_is_law(&law.lawbook(), &matter, now, now + SignedDuration::from_hours(later))?;
    }
}

proptest! {
    #![proptest_config(tries(400))]

    #[test]
    fn one_more_claim_never_does_harm((matter, now) in builtin(), claim in generate::claim(&BUILTIN.2, NEAR)) {
        no_claim_does_harm(&BUILTIN.1, &matter, now, &claim)?;
    }

    #[test]
    fn one_more_claim_never_does_harm_under_any_law((law, matter, now) in small(), claim in generate::claim(&SMALL, NEAR)) {
        no_claim_does_harm(&law.lawbook(), &matter, now, &claim)?;
    }
}

/// Any instant, the first and the last among them.
fn any_instant() -> impl Strategy<Value = Timestamp> {
    let any = (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second())
        .prop_map(|second| Timestamp::from_second(second).unwrap());
    prop_oneof![any, Just(Timestamp::MIN), Just(Timestamp::MAX), Just(Timestamp::UNIX_EPOCH)]
}

proptest! {
    #![proptest_config(tries(100))]

    #[test]
    fn no_period_leads_beyond_the_calendar(period in generate::any_period(), day in generate::any_day()) {
        prop_assert!(period.after(day) >= day);
    }

    #[test]
    fn no_day_and_no_time_makes_the_decision_panic(
        matter in generate::matter(&BUILTIN.2, ANY),
        now in any_instant(),
        known in any_instant(),
        kept in prop::option::of(generate::any_period()),
    ) {
        let matter = Matter { retention: kept, ..matter };
        let lawbook = Arc::new(BUILTIN.1.clone());
        let _ = decide(&facts(&matter, matter.origins), &lawbook, &policies().prepare(&lawbook, now), now);
        for origin in &matter.origins {
            let _ = reach(origin, &lawbook, now);
        }
        let _ = opinion(&matter, &lawbook.known_at(known), now);
    }

    #[test]
    fn no_day_and_no_time_makes_the_decision_panic_under_any_law(
        law in generate::lawbook(),
        matter in generate::matter(&SMALL, ANY),
        now in any_instant(),
        age in generate::any_period(),
    ) {
        let mut law = law;
        for mechanism in &mut law.mechanisms {
            stretched(Arc::make_mut(mechanism), age);
        }
        let lawbook = Arc::new(law.lawbook());
        let _ = decide(&facts(&matter, matter.origins), &lawbook, &policies().prepare(&lawbook, now), now);
    }
}

/// The mechanism with ages and terms beyond every calendar.
fn stretched(mechanism: &mut Mechanism, age: domicile::engine::law::period::Period) {
    fn each(condition: &mut domicile::engine::law::condition::Condition, age: domicile::engine::law::period::Period) {
        if let Some(certified) = &mut condition.certified {
            certified.max_age = Some(age);
        }
        if let Some(assessment) = &mut condition.assessment {
            assessment.valid_for = Some(age);
        }
        if let Some(register) = &mut condition.register_screened {
            register.max_age = Some(age);
        }
        if let Some(filing) = &mut condition.filing {
            filing.valid_for = Some(age);
            if let Some(due) = filing.due.as_mut().filter(|due| !due.working) {
                due.days = i64::MAX;
            }
        }
        let Some(not) = &mut condition.not else {
            return condition.all_of.iter_mut().chain(&mut condition.any_of).for_each(|inner| each(inner, age));
        };
        each(not, age);
    }
    if let Some(when) = &mut mechanism.when {
        each(when, age);
    }
}

/// The answer of a condition to a matter, which is all that is declared.
fn truth(condition: Value, matter: &Matter) -> Truth {
    let condition: Condition = serde_json::from_value(condition).unwrap();
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    Asking::new(matter, &Lawbook::default(), now, &TimeZone::UTC).answer(&condition).truth
}

fn declaring(claims: Value) -> Matter {
    let claims = serde_json::from_value(claims).unwrap();
    let first_transfer = Some("2026-05-25".parse().unwrap());
    Matter { claims, first_transfer, ..Matter::of(Source::Label, CountrySet::EMPTY) }
}

/// Where a failure is no more than something owed, a claim of which something is not known is not worse than no claim.
#[test]
fn half_a_claim_is_not_worse_than_none() {
    let owed = json!({"onFailure": "ObligationOnly", "consent": {"for": "Transfer", "forms": ["Explicit"]}});
    assert_eq!(truth(owed.clone(), &declaring(json!({}))), Truth::Open);
    let half = declaring(json!({"consents": [{"for": "Transfer"}]}));
    assert_eq!(truth(owed, &half), Truth::Open);
}

/// As long as something may still be filed, what has been filed so far is not worse than nothing.
#[test]
fn a_filing_on_its_way_is_not_worse_than_none() {
    let due = json!({"anchor": "FirstTransfer", "days": 60});
    let filing = json!({"filing": {"authority": "A", "acts": ["File"], "granted": true, "due": due}});
    let with = |filed: Value| truth(filing.clone(), &declaring(json!({"filings": [filed]})));
    assert_eq!(truth(filing.clone(), &declaring(json!({}))), Truth::Open);
    assert_eq!(with(json!({"act": "File", "filed": "2026-05-30", "decision": "Granted"})), Truth::Holds);
    assert_eq!(with(json!({"act": "File", "filed": "2026-05-30", "decision": "Pending"})), Truth::Open);
    assert_eq!(with(json!({"act": "File", "filed": "2026-06-10"})), Truth::Open);
    assert_eq!(with(json!({"act": "File", "filed": "2026-05-30", "decision": "Refused"})), Truth::Fails);
}

/// A term beyond the calendar does not end on the day on which it begins.
#[test]
fn a_term_beyond_the_calendar_has_not_passed() {
    let due = json!({"anchor": "FirstTransfer", "days": 10_000_000});
    let filing = json!({"filing": {"authority": "A", "acts": ["File"], "due": due}});
    assert_eq!(truth(filing, &declaring(json!({}))), Truth::Open);
}
