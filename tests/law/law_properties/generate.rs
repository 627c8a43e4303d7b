//! Random matters and random lawbooks. Words are drawn from what the lawbook itself uses, so that claims meet conditions.

use std::sync::{Arc, LazyLock};

use domicile::engine::country::{Country, CountrySet};
use domicile::engine::data::Source;
use domicile::engine::law::claims::{
    Assessed, AssessmentKind, Audience, Basis, BindingRules, Certification, Channel, Claims, ConsentFor, ConsentForm,
    Consented, Contract, CountCategory, DataSource, DealingKind, Dealt, Decision, Filed, FilingAct, Handled,
    LegalBasis, Messaged, NecessityKind, Needed, Noticed, Outcome, Pattern, PresentedAs, Proof, Provenance, Related,
    RelationshipKind, Screened, SubjectCounted,
};
use domicile::engine::law::condition::{
    Anchor, Assessment, Certified, Condition, Consent, CountWindow, DataScope, Destination, Due, Filing, GroupRules,
    Instrument, Necessity, Notice, OnFailure, PartyScope, ProvenanceIs, Purpose, RegisterScreened, Side, SubjectCount,
    Undeclared,
};
use domicile::engine::law::jurisdiction::{
    ChannelRule, ConsentRule, Dated, Deadline, EnrichmentRule, Jurisdiction, Localisation, LocalisationKind, Regime,
    Severity, SubjectRights, TransferRegime, Trigger,
};
use domicile::engine::law::matter::{EarlierHop, Matter, Party, Rights, Role, Transfer, TransferKind};
use domicile::engine::law::mechanism::{
    EndEffect, Ended, GroundKind, Mechanism, MechanismRole, OnwardRule, Reach, Risk,
};
use domicile::engine::law::period::Period;
use domicile::engine::law::source::{Authority, Citation, Confidence};
use domicile::engine::lawbook::{Bloc, Lawbook, Membership, Window};
use domicile::engine::place::Places;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::Union;

/// Countries among which everything happens: with and without adequacy, localisation, counts and free regimes.
const COUNTRIES: [&str; 12] = ["BR", "CA", "CH", "CN", "DE", "FR", "GB", "JP", "KR", "RU", "US", "VN"];
/// So few that what is random meets.
const FEW: &[&str] = &["BR", "CA", "DE", "US"];
const BLOC: &str = "Union";

/// The words that a lawbook uses in its conditions.
#[derive(Debug, Default)]
pub struct Words {
    mechanisms: Vec<String>,
    schemes: Vec<String>,
    extensions: Vec<String>,
    texts: Vec<String>,
    authorities: Vec<String>,
    registers: Vec<String>,
    told: Vec<String>,
    purposes: Vec<String>,
    categories: Vec<String>,
    attributes: Vec<String>,
    laws: Vec<String>,
    /// Countries among which everything happens.
    countries: &'static [&'static str],
    /// Instants at which something changes.
    instants: Vec<Timestamp>,
}

impl Words {
    fn of(lawbook: &Lawbook) -> Self {
        let mut words = Self { countries: &COUNTRIES, instants: lawbook.changes().to_vec(), ..Self::default() };
        let mut conditions: Vec<&Condition> = Vec::new();
        for one in lawbook.mechanisms() {
            words.mechanisms.push(one.name.clone());
            words.mechanisms.extend(one.family.iter().chain(&one.aliases).cloned());
            conditions.extend(&one.when);
        }
        for law in lawbook.jurisdictions() {
            conditions.extend(law.localisations.iter().flat_map(|one| [&one.rule.when, &one.rule.demands]).flatten());
            conditions.extend(law.consents.iter().flat_map(|one| [&one.rule.demands, &one.rule.unless]).flatten());
            conditions.extend(law.enrichments.iter().flat_map(|one| [&one.rule.when, &one.rule.demands]).flatten());
        }
        for condition in conditions {
            condition.each(&mut |one| words.add(one));
        }
        words.mechanisms.push("known-to-nobody".to_owned());
        words.categories.push("user.content".to_owned());
        for all in [
            &mut words.mechanisms,
            &mut words.schemes,
            &mut words.extensions,
            &mut words.texts,
            &mut words.authorities,
            &mut words.registers,
            &mut words.told,
            &mut words.purposes,
            &mut words.categories,
            &mut words.attributes,
            &mut words.laws,
        ] {
            all.sort_unstable();
            all.dedup();
            if all.is_empty() {
                all.push("none".to_owned());
            }
        }
        words
    }

    fn add(&mut self, one: &Condition) {
        if let Some(certified) = &one.certified {
            self.schemes.extend(certified.schemes.iter().cloned());
            self.extensions.extend(certified.extension.iter().chain(&certified.coverage).cloned());
        }
        self.texts.extend(one.instrument.iter().flat_map(|one| one.texts.clone()));
        self.authorities.extend(one.filing.iter().map(|one| one.authority.clone()));
        self.authorities.extend(one.group_rules.iter().filter_map(|one| one.approved_by.clone()));
        self.registers.extend(one.register_screened.iter().map(|one| one.register.clone()));
        self.told.extend(one.consent.iter().flat_map(|one| one.informed_of.clone()));
        self.told.extend(one.notice.iter().flat_map(|one| one.content.clone()));
        self.purposes.extend(one.purpose.iter().flat_map(|one| [one.one_of.clone(), one.none_of.clone()].concat()));
        self.categories
            .extend(one.data_scope.iter().flat_map(|one| [one.include.clone(), one.exclude.clone()].concat()));
        if let Some(party) = &one.party_scope {
            self.attributes.extend([party.attributes.clone(), party.not_attributes.clone()].concat());
            self.laws.extend([party.subject_to.clone(), party.not_subject_to.clone()].concat());
        }
    }
}

/// The parts of a lawbook.
#[derive(Debug, Clone)]
pub struct Parts {
    pub blocs: Vec<Bloc>,
    pub jurisdictions: Vec<Arc<Jurisdiction>>,
    pub mechanisms: Vec<Arc<Mechanism>>,
}

impl Parts {
    pub fn lawbook(&self) -> Lawbook {
        Lawbook::new(self.blocs.clone(), self.jurisdictions.clone(), self.mechanisms.clone())
    }
}

/// The built-in law.
pub static BUILTIN: LazyLock<(Parts, Lawbook, Words)> = LazyLock::new(|| {
    use domicile::interpret::read;
    let builtin = crate::builtin();
    let parts = Parts {
        blocs: builtin.blocs.iter().map(|one| read::bloc(&one.spec).unwrap()).collect(),
        jurisdictions: builtin.jurisdictions.into_iter().map(|(_, law)| law).collect(),
        mechanisms: builtin.mechanisms.into_iter().map(|(_, mechanism)| mechanism).collect(),
    };
    let lawbook = parts.lawbook();
    let words = Words::of(&lawbook);
    (parts, lawbook, words)
});

/// The words of random lawbooks.
pub static SMALL: LazyLock<Words> = LazyLock::new(|| {
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Words {
        mechanisms: all(&["m0", "m1", "m2", "m3", "m4", "m5", "m6", "added", "family-0", "family-1", "nobody"]),
        schemes: all(&["scheme-0", "scheme-1"]),
        extensions: all(&["extension-0"]),
        texts: all(&["text-0", "text-1"]),
        authorities: all(&["authority-0", "authority-1"]),
        registers: all(&["register-0"]),
        told: all(&["risks", "recipient"]),
        purposes: all(&["marketing", "cx-feedback"]),
        categories: all(&["user.content", "user.health"]),
        attributes: all(&["PublicBody", "Charity"]),
        laws: all(&["LAW-A", "LAW-B"]),
        countries: FEW,
        instants: Vec::new(),
    }
});

fn word(words: &'static [String]) -> BoxedStrategy<String> {
    select(words).boxed()
}

fn some_words(words: &'static [String]) -> BoxedStrategy<Vec<String>> {
    vec(word(words), 0..3).boxed()
}

pub fn country(words: &'static Words) -> BoxedStrategy<Country> {
    select(words.countries).prop_map(|code| Country::parse(code).unwrap()).boxed()
}

fn countries(words: &'static Words, most: usize) -> BoxedStrategy<CountrySet> {
    vec(country(words), 0..=most).prop_map(|all| all.into_iter().collect()).boxed()
}

fn codes(words: &'static Words) -> BoxedStrategy<Vec<String>> {
    vec(select(words.countries).prop_map(str::to_owned), 0..3).boxed()
}

/// Days that lie close enough to each other to meet.
pub fn day() -> BoxedStrategy<Date> {
    let near = (2019_i16..2031, 1_i8..=12, 1_i8..=28).prop_map(|(year, month, day)| date(year, month, day));
    let round = (2010_i16..2036).prop_map(|year| date(year, 1, 1));
    Union::new_weighted(vec![(4, near.boxed()), (1, round.boxed())]).boxed()
}

/// Any day that a calendar of four digits knows.
pub fn any_day() -> BoxedStrategy<Date> {
    let any = (1_i16..=9999, 1_i8..=12, 1_i8..=28).prop_map(|(year, month, day)| date(year, month, day));
    let ends = select(vec![date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29), Date::MIN, Date::MAX]);
    prop_oneof![any, ends].boxed()
}

/// A time, often one at which the law changes or just before.
pub fn now(words: &'static Words) -> BoxedStrategy<Timestamp> {
    let plain = |from: i64, to: i64| {
        (from..to, 0_i32..1_000_000_000).prop_map(|(second, nanos)| Timestamp::new(second, nanos).unwrap())
    };
    // From 1995 to 2036, and more often from 2018 to 2032.
    let plain = prop_oneof![1 => plain(800_000_000, 2_100_000_000), 3 => plain(1_520_000_000, 1_960_000_000)];
    if words.instants.is_empty() {
        return plain.boxed();
    }
    let change = (any::<Index>(), -1_i64..=1).prop_map(|(index, nanos)| {
        index.get(&words.instants).saturating_add(SignedDuration::from_nanos(nanos)).unwrap_or(Timestamp::MIN)
    });
    prop_oneof![plain, change].boxed()
}

/// Where the days of claims come from.
#[derive(Debug, Clone, Copy)]
pub struct Days(pub fn() -> BoxedStrategy<Date>);

fn proof(days: Days) -> BoxedStrategy<Proof> {
    let evidence = option::of(Just("drawer".to_owned()));
    (option::of((days.0)()), option::of((days.0)()), evidence)
        .prop_map(|(as_of, expires, evidence)| Proof { as_of, expires, evidence })
        .boxed()
}

fn maybe() -> BoxedStrategy<Option<bool>> {
    option::of(any::<bool>()).boxed()
}

fn certification(words: &'static Words, days: Days) -> BoxedStrategy<Certification> {
    let some = || some_words(&words.extensions);
    (word(&words.schemes), some(), some(), proof(days))
        .prop_map(|(scheme, extensions, coverage, proof)| Certification {
            scheme,
            extensions,
            coverage,
            proof,
            ..Certification::default()
        })
        .boxed()
}

fn contract(words: &'static Words, days: Days) -> BoxedStrategy<Contract> {
    let language = vec(select(&["en", "pt", "zh"][..]).prop_map(str::to_owned), 0..2);
    let day = option::weighted(0.7, (days.0)());
    (option::of(word(&words.texts)), option::of(1_i64..5), day, maybe(), maybe(), language, proof(days))
        .prop_map(|(text, module, concluded, unmodified, processing_unchanged, languages, proof)| Contract {
            text,
            module,
            concluded,
            unmodified,
            processing_unchanged,
            languages,
            proof,
        })
        .boxed()
}

fn assessed(days: Days) -> BoxedStrategy<Assessed> {
    let kinds = [
        AssessmentKind::TransferImpact,
        AssessmentKind::TransferImpact,
        AssessmentKind::LegitimateInterest,
        AssessmentKind::PurposeCompatibility,
        AssessmentKind::Security,
        AssessmentKind::Equivalence,
    ];
    let outcomes = [Outcome::EssentiallyEquivalent, Outcome::Favourable, Outcome::Unfavourable];
    (select(kinds.to_vec()), option::of(select(outcomes.to_vec())), maybe(), maybe(), proof(days))
        .prop_map(|(kind, outcome, supplementary_measures, importer_clear_text, proof)| Assessed {
            kind,
            outcome,
            supplementary_measures,
            importer_clear_text,
            proof,
        })
        .boxed()
}

const ACTS: [FilingAct; 4] = [FilingAct::Notify, FilingAct::File, FilingAct::Approve, FilingAct::Licence];

fn filed(words: &'static Words, days: Days) -> BoxedStrategy<Filed> {
    let decisions = vec![Decision::Granted, Decision::Refused, Decision::Pending];
    let authority = option::of(word(&words.authorities));
    (authority, select(ACTS.to_vec()), option::of((days.0)()), option::of(select(decisions)), proof(days))
        .prop_map(|(authority, act, filed, decision, proof)| Filed { authority, act, filed, decision, proof })
        .boxed()
}

pub fn basis(words: &'static Words, days: Days) -> BoxedStrategy<Basis> {
    let rules = (option::of(word(&words.authorities)), maybe(), proof(days))
        .prop_map(|(approved_by, same_group, proof)| BindingRules { approved_by, same_group, proof });
    (
        word(&words.mechanisms),
        option::of(certification(words, days)),
        option::of(contract(words, days)),
        option::of(rules),
        option::of(assessed(days)),
        option::of(filed(words, days)),
    )
        .prop_map(|(mechanism, certified, instrument, group_rules, assessment, filing)| Basis {
            mechanism,
            certified,
            instrument,
            group_rules,
            assessment,
            filing,
        })
        .boxed()
}

const FORMS: [ConsentForm; 5] = [
    ConsentForm::Implied,
    ConsentForm::Unambiguous,
    ConsentForm::Explicit,
    ConsentForm::Written,
    ConsentForm::Separate,
];

fn consented(words: &'static Words, days: Days) -> BoxedStrategy<Consented> {
    let subjects = vec![ConsentFor::Processing, ConsentFor::Channel, ConsentFor::Transfer, ConsentFor::Disclosure];
    let purposes =
        prop_oneof![some_words(&words.purposes), Just(vec!["marketing".to_owned(), "cx-feedback".to_owned()])];
    (
        select(subjects),
        option::of(select(FORMS.to_vec())),
        some_words(&words.told),
        purposes,
        vec(channel(), 0..3),
        option::of((days.0)()),
        maybe(),
        proof(days),
    )
        .prop_map(|(subject, form, informed_of, purposes, channels, obtained, per_subject_gate, proof)| Consented {
            subject,
            form,
            informed_of,
            purposes,
            channels,
            obtained,
            per_subject_gate,
            proof,
        })
        .boxed()
}

fn channel() -> BoxedStrategy<Channel> {
    select(vec![Channel::Email, Channel::Sms, Channel::PhoneHuman, Channel::Web]).boxed()
}

fn noticed(words: &'static Words, days: Days) -> BoxedStrategy<Noticed> {
    let audiences = vec![Audience::Subjects, Audience::Public, Audience::Recipients];
    (select(audiences), some_words(&words.told), option::of((days.0)()), proof(days))
        .prop_map(|(audience, content, given, proof)| Noticed { audience, content, given, proof })
        .boxed()
}

fn screened(words: &'static Words, days: Days) -> BoxedStrategy<Screened> {
    (word(&words.registers), proof(days)).prop_map(|(register, proof)| Screened { register, proof }).boxed()
}

/// One more claim. Of each kind a condition takes the best, so that one more can only help.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "made once and used once")]
pub enum Claim {
    Basis(Basis),
    Consent(Consented),
    Assessment(Assessed),
    Filing(Filed),
    Notice(Noticed),
    Screened(Screened),
}

impl Claim {
    /// Whether the claim says something against its owner: an authority refused, an assessment found against it, or a
    /// contract's date begins a term within which a filing that is declared as well should have been made.
    pub fn is_adverse(&self, matter: &Matter) -> bool {
        let refused = |filing: &Filed| filing.decision == Some(Decision::Refused);
        let against = |assessment: &Assessed| assessment.outcome == Some(Outcome::Unfavourable);
        match self {
            Self::Basis(basis) => {
                let dated = basis.instrument.as_ref().is_some_and(|contract| contract.concluded.is_some());
                let filed = basis.filing.is_some() || !matter.claims.filings.is_empty();
                basis.filing.as_ref().is_some_and(refused)
                    || basis.assessment.as_ref().is_some_and(against)
                    || (dated && filed)
            }
            Self::Assessment(assessment) => against(assessment),
            Self::Filing(filing) => refused(filing),
            Self::Consent(_) | Self::Notice(_) | Self::Screened(_) => false,
        }
    }

    /// The matter with the claim.
    pub fn added_to(self, matter: &Matter) -> Matter {
        let mut more = matter.clone();
        match self {
            Self::Basis(one) => more.bases.push(one),
            Self::Consent(one) => more.claims.consents.push(one),
            Self::Assessment(one) => more.claims.assessments.push(one),
            Self::Filing(one) => more.claims.filings.push(one),
            Self::Notice(one) => more.claims.notices.push(one),
            Self::Screened(one) => more.claims.screened.push(one),
        }
        more
    }
}

pub fn claim(words: &'static Words, days: Days) -> BoxedStrategy<Claim> {
    prop_oneof![
        3 => basis(words, days).prop_map(Claim::Basis),
        1 => consented(words, days).prop_map(Claim::Consent),
        1 => assessed(days).prop_map(Claim::Assessment),
        1 => filed(words, days).prop_map(Claim::Filing),
        1 => noticed(words, days).prop_map(Claim::Notice),
        1 => screened(words, days).prop_map(Claim::Screened),
    ]
    .boxed()
}

fn provenance(words: &'static Words, days: Days) -> BoxedStrategy<Provenance> {
    let sources = vec![DataSource::Subject, DataSource::ThirdParty, DataSource::Public];
    (codes(words), codes(words), codes(words), option::of(select(sources)), maybe(), proof(days))
        .prop_map(|(first_write, parallel_writes, copies, source, foreign_data_only, proof)| Provenance {
            first_write,
            parallel_writes,
            copies,
            source,
            foreign_data_only,
            proof,
        })
        .boxed()
}

fn counted(days: Days) -> BoxedStrategy<SubjectCounted> {
    let categories = vec![CountCategory::All, CountCategory::Sensitive, CountCategory::NonSensitive];
    let counts = select(vec![0, 1, 9_999, 10_000, 99_999, 100_000, 1_000_000, i64::MAX]);
    (select(categories), counts, proof(days))
        .prop_map(|(category, count, proof)| SubjectCounted { category, count, proof })
        .boxed()
}

fn claims(words: &'static Words, days: Days) -> BoxedStrategy<Claims> {
    let lists = (
        vec(consented(words, days), 0..3),
        vec(assessed(days), 0..3),
        vec(filed(words, days), 0..3),
        vec(noticed(words, days), 0..3),
        vec(counted(days), 0..3),
        vec(screened(words, days), 0..2),
    );
    let needed = (
        select(vec![NecessityKind::ContractWithSubject, NecessityKind::LegalClaims, NecessityKind::LegalObligation]),
        proof(days),
    )
        .prop_map(|(kind, proof)| Needed { kind, proof });
    let dealt = (
        select(vec![DealingKind::Brokerage, DealingKind::Vendor, DealingKind::Disclosure, DealingKind::Other]),
        maybe(),
        proof(days),
    )
        .prop_map(|(kind, security_requirements, proof)| Dealt { kind, security_requirements, proof });
    let kinds = vec![RelationshipKind::Customer, RelationshipKind::CurrentContract, RelationshipKind::Inquirer];
    let related = (option::of(select(kinds)), option::of((days.0)()), maybe(), maybe(), maybe(), proof(days)).prop_map(
        |(kind, since, own, objection, each, proof)| Related {
            kind,
            since,
            own_similar_goods: own,
            obtained_in_sale: own,
            objection_at_collection: objection,
            objection_each_message: each,
            proof,
        },
    );
    let messaged = (maybe(), maybe(), proof(days)).prop_map(|(promotional, labelled, proof)| Messaged {
        promotional,
        labelled,
        within_hours: labelled,
        proof,
        ..Messaged::default()
    });
    let handled = (maybe(), maybe(), maybe(), proof(days)).prop_map(|(a, b, c, proof)| Handled {
        subject_index: a,
        suppression_list: b,
        minimised: c,
        aggregate_only: b,
        processing_agreement: a,
        proof,
    });
    let single = (
        option::of(provenance(words, days)),
        option::of(needed),
        option::of(dealt),
        option::of(related),
        option::of(messaged),
        option::of(handled),
        option::of(select(vec![LegalBasis::Consent, LegalBasis::Contract, LegalBasis::LegitimateInterest])),
        option::of(select(vec![PresentedAs::MarketResearch, PresentedAs::CustomerFeedback, PresentedAs::Marketing])),
    );
    (lists, single)
        .prop_map(|(lists, single)| {
            let (consents, assessments, filings, notices, subject_counts, screened) = lists;
            let (provenance, necessity, dealing, relationship, message, handling, legal_basis, presented_as) = single;
            Claims {
                consents,
                assessments,
                filings,
                notices,
                subject_counts,
                screened,
                provenance,
                necessity,
                dealing,
                relationship,
                message,
                handling,
                legal_basis,
                presented_as,
            }
        })
        .boxed()
}

fn party(words: &'static Words, field: &'static str) -> BoxedStrategy<Party> {
    let roles = vec![Role::Controller, Role::Processor, Role::Recipient];
    (
        select(roles),
        option::of(country(words)),
        option::of(country(words)),
        option::of(some_words(&words.laws)),
        some_words(&words.attributes),
    )
        .prop_map(move |(role, established_in, controlled_from, subject_to, attributes)| Party {
            field: field.to_owned(),
            role,
            name: None,
            established_in,
            controlled_from,
            access_from: CountrySet::EMPTY,
            legal_entity: None,
            subject_to,
            attributes,
        })
        .boxed()
}

fn transfer(words: &'static Words) -> BoxedStrategy<Transfer> {
    let kinds = vec![TransferKind::Delivery, TransferKind::Delivery, TransferKind::Residence, TransferKind::Access];
    let known = vec(country(words), 1..3).prop_map(|all| Places::known(all.into_iter().collect()));
    let places = prop_oneof![
        8 => known,
        1 => Just(Places::unknown("nobody says")),
        1 => Just(Places::anywhere()),
    ];
    (select(kinds), places, option::weighted(0.8, party(words, "spec.to.recipient")), proptest::bool::weighted(0.1))
        .prop_map(|(kind, places, importer, same_entity)| Transfer {
            kind,
            field: "spec.to.recipient.place".to_owned(),
            places,
            importer,
            same_entity,
        })
        .boxed()
}

/// A store or a flow of which everything may be declared.
pub fn matter(words: &'static Words, days: Days) -> BoxedStrategy<Matter> {
    let whose = (
        countries(words, 1),
        countries(words, 2),
        countries(words, 1),
        countries(words, 1),
        proptest::bool::weighted(0.1),
    );
    let region = option::weighted(0.2, select(vec!["CA-QC".to_owned(), "US-CA".to_owned(), "BR-SP".to_owned()]));
    let purposes =
        || prop_oneof![word(&words.purposes), select(vec!["marketing".to_owned(), "cx-feedback".to_owned()])];
    let what = (
        some_words(&words.categories),
        option::of(purposes()),
        vec(purposes(), 0..3),
        option::of(channel()),
        option::of(select(vec![Pattern::Systematic, Pattern::Occasional])),
        option::of((days.0)()),
    );
    let hop =
        (word(&words.mechanisms), option::of(country(words))).prop_map(|(mechanism, to)| EarlierHop { mechanism, to });
    let who = (
        vec(party(words, "spec.parties[0]"), 0..3),
        vec(transfer(words), 1..3),
        vec(basis(words, days), 0..4),
        claims(words, days),
        option::weighted(0.2, hop),
    );
    let rest = (option::of(country(words)), any::<bool>(), option::of(period()), option::of(period()));
    (whose, region, what, who, rest)
        .prop_map(|(whose, region, what, who, rest)| {
            let (origins, collected_in, subjects_in, citizens_of, unreadable) = whose;
            let (categories, purpose, collected_for, channel, pattern, first_transfer) = what;
            let (parties, transfers, bases, claims, earlier) = who;
            let (residence, is_store, time, retention) = rest;
            let all = origins.union(&collected_in).union(&subjects_in);
            Matter {
                unknown_origin: unreadable.then(|| "it says Germany".to_owned()),
                collected_in,
                subjects_in,
                citizens_of,
                regions: region.into_iter().collect(),
                categories,
                purpose,
                collected_for,
                channel,
                collects_from: if is_store { CountrySet::EMPTY } else { collected_in },
                pattern,
                first_transfer,
                earlier,
                parties,
                transfers,
                bases,
                claims,
                residence,
                is_store,
                rights: Rights { access: time, rectification: time, erasure: None },
                retention,
                ..Matter::of(Source::Flow("ns".to_owned(), "flow".to_owned()), all)
            }
        })
        .boxed()
}

fn period() -> BoxedStrategy<Period> {
    select(vec!["P30D", "P1M", "P6M", "P1Y", "P3Y"]).prop_map(|text| text.parse().unwrap()).boxed()
}

/// Periods at the ends of what can be read.
pub fn any_period() -> BoxedStrategy<Period> {
    let texts = vec![
        "P0D",
        "PT1H",
        "P9999Y",
        "P19998Y",
        "P32767M",
        "P32767W",
        "P7304484D",
        "PT175307616H",
        "P19998Y32767M32767W",
        "P32767W7304484D",
        "P7304484DT175307616H",
    ];
    select(texts).prop_map(|text| text.parse().unwrap()).boxed()
}

// Random lawbooks.

fn window() -> BoxedStrategy<(Option<Date>, Option<Date>)> {
    (option::weighted(0.4, day()), option::weighted(0.4, day()))
        .prop_map(|(from, until)| match (from, until) {
            (Some(from), Some(until)) if until <= from => (Some(from), None),
            both => both,
        })
        .boxed()
}

fn zone() -> BoxedStrategy<TimeZone> {
    // One where midnight is skipped in spring, one that has skipped a whole day, and both ends of the day.
    let names = vec!["UTC", "Europe/Brussels", "America/Sao_Paulo", "Pacific/Apia", "Asia/Tokyo", "Pacific/Pago_Pago"];
    select(names).prop_map(|name| TimeZone::get(name).unwrap()).boxed()
}

fn instant(day: Option<Date>, zone: &TimeZone) -> Option<Timestamp> {
    domicile::engine::law::transfer::instant(day, zone)
}

fn in_force(zone: TimeZone) -> BoxedStrategy<Window> {
    window().prop_map(move |(from, until)| Window { from: instant(from, &zone), until: instant(until, &zone) }).boxed()
}

fn citation() -> BoxedStrategy<Citation> {
    let confidence = prop_oneof![5 => Just(Confidence::High), 1 => Just(Confidence::Low)];
    let authority = prop_oneof![5 => Just(Authority::Statute), 1 => Just(Authority::Code)];
    (confidence, authority)
        .prop_map(|(confidence, authority)| Citation { confidence, authority, ..Citation::default() })
        .boxed()
}

fn reach_of() -> BoxedStrategy<Reach> {
    prop_oneof![
        2 => Just(Reach { anywhere: true, ..Reach::default() }),
        3 => countries(&SMALL, 5).prop_map(|countries| Reach { countries, ..Reach::default() }),
        2 => Just(Reach { blocs: vec![BLOC.to_owned()], ..Reach::default() }),
        1 => Just(Reach { regions: vec!["CA-QC".to_owned()], anywhere: true, ..Reach::default() }),
    ]
    .boxed()
}

/// What one more claim never makes worse.
fn asks() -> BoxedStrategy<Condition> {
    let words = &*SMALL;
    let certified = (vec(word(&words.schemes), 1..3), option::of(word(&words.extensions)), option::of(period()))
        .prop_map(|(schemes, extension, max_age)| Condition {
            certified: Some(Box::new(Certified { schemes, extension, max_age, ..Certified::default() })),
            ..Condition::default()
        });
    let instrument = (some_words(&words.texts), option::of(day()), option::of(day()), option::of(day()), any::<bool>())
        .prop_map(|(texts, concluded_from, concluded_until, rely_until, unmodified)| Condition {
            instrument: Some(Box::new(Instrument {
                texts,
                concluded_from,
                concluded_until,
                rely_until,
                unmodified,
                ..Instrument::default()
            })),
            ..Condition::default()
        });
    let group_rules = (option::of(word(&words.authorities)), any::<bool>(), any::<bool>()).prop_map(
        |(approved_by, approved, same_group)| Condition {
            group_rules: Some(Box::new(GroupRules { approved_by, approved, same_group })),
            ..Condition::default()
        },
    );
    let kinds = vec![AssessmentKind::TransferImpact, AssessmentKind::Equivalence];
    let assessment = (select(kinds), any::<bool>(), option::of(period())).prop_map(|(kind, any_outcome, valid_for)| {
        Condition { assessment: Some(Box::new(Assessment { kind, any_outcome, valid_for })), ..Condition::default() }
    });
    let due = (select(vec![Anchor::Concluded, Anchor::FirstTransfer]), 0_i64..400, any::<bool>())
        .prop_map(|(anchor, days, working)| Due { anchor, days, working });
    let filing = (
        word(&words.authorities),
        vec(select(ACTS.to_vec()), 1..4),
        option::of(due),
        option::of(0_i64..300),
        any::<bool>(),
        option::of(period()),
    )
        .prop_map(|(authority, acts, due, waiting_days, granted, valid_for)| Condition {
            filing: Some(Box::new(Filing { authority, acts, due, waiting_days, granted, valid_for })),
            ..Condition::default()
        });
    let consent = (
        select(vec![ConsentFor::Transfer, ConsentFor::Processing]),
        vec(select(FORMS.to_vec()), 0..3),
        some_words(&words.told),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(subject, forms, informed_of, for_purpose, per_subject_gate)| Condition {
            consent: Some(Box::new(Consent { subject, forms, informed_of, for_purpose, per_subject_gate })),
            ..Condition::default()
        });
    let notice = some_words(&words.told).prop_map(|content| Condition {
        notice: Some(Box::new(Notice { audience: Audience::Subjects, content })),
        ..Condition::default()
    });
    let screened = (word(&words.registers), option::of(period())).prop_map(|(register, max_age)| Condition {
        register_screened: Some(Box::new(RegisterScreened { register, max_age })),
        ..Condition::default()
    });
    prop_oneof![certified, instrument, group_rules, assessment, filing, consent, notice, screened].boxed()
}

/// What asks about everything but claims that help.
fn scope() -> BoxedStrategy<Condition> {
    let words = &*SMALL;
    let undeclared = vec![Undeclared::Unknown, Undeclared::NotConcerned];
    let data = (some_words(&words.categories), some_words(&words.categories), select(undeclared)).prop_map(
        |(include, exclude, undeclared)| Condition {
            data_scope: Some(Box::new(DataScope { include, exclude, undeclared })),
            ..Condition::default()
        },
    );
    let parties = (
        select(vec![Side::Importer, Side::Exporter]),
        some_words(&words.laws),
        some_words(&words.laws),
        some_words(&words.attributes),
        some_words(&words.attributes),
        codes(words),
    )
        .prop_map(|(party, subject_to, not_subject_to, attributes, not_attributes, established_in)| Condition {
            party_scope: Some(Box::new(PartyScope {
                party,
                subject_to,
                not_subject_to,
                attributes,
                not_attributes,
                established_in,
                ..PartyScope::default()
            })),
            ..Condition::default()
        });
    let list = prop_oneof![codes(words), Just(vec![BLOC.to_owned()])];
    let destination = (list, codes(words)).prop_map(|(list, except)| Condition {
        destination: Some(Box::new(Destination { list, except, assessed_equivalent: false })),
        ..Condition::default()
    });
    let counts = select(vec![CountCategory::All, CountCategory::Sensitive]);
    let count = (counts, option::of(0_i64..100_001), option::of(1_i64..1_000_001), any::<bool>()).prop_map(
        |(category, at_least, below, yearly)| Condition {
            subject_count: Some(Box::new(SubjectCount {
                category,
                at_least,
                below,
                window: if yearly { CountWindow::Year } else { CountWindow::Ever },
            })),
            ..Condition::default()
        },
    );
    let purpose = (some_words(&words.purposes), some_words(&words.purposes), any::<bool>()).prop_map(
        |(one_of, none_of, as_collected)| Condition {
            purpose: Some(Box::new(Purpose { one_of, none_of, as_collected, ..Purpose::default() })),
            ..Condition::default()
        },
    );
    let necessity = any::<bool>().prop_map(|occasional| Condition {
        necessity: Some(Box::new(Necessity { occasional, kinds: vec![NecessityKind::LegalClaims] })),
        ..Condition::default()
    });
    let provenance = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(a, b, c, d)| Condition {
        provenance: Some(Box::new(ProvenanceIs {
            first_write_here: a,
            no_parallel_write_abroad: b,
            copy_here: c,
            no_copy_abroad: d,
            ..ProvenanceIs::default()
        })),
        ..Condition::default()
    });
    prop_oneof![data, parties, destination, count, purpose, necessity, provenance].boxed()
}

/// Conditions of `leaf`, nested and dated.
fn nested(leaf: BoxedStrategy<Condition>) -> BoxedStrategy<Condition> {
    let failures =
        vec![OnFailure::GroundFails, OnFailure::GroundFails, OnFailure::ObligationOnly, OnFailure::Unsettled];
    let dated = move |inner: BoxedStrategy<Condition>| {
        (inner, option::weighted(0.2, window()), select(failures.clone()))
            .prop_map(|(inner, window, on_failure)| {
                let (from, until) = window.unwrap_or_default();
                Condition { from, until, on_failure, ..inner }
            })
            .boxed()
    };
    let outer = dated.clone();
    dated(leaf)
        .prop_recursive(3, 12, 3, move |inner| {
            let all = vec(inner.clone(), 1..3).prop_map(|all_of| Condition { all_of, ..Condition::default() });
            let any = vec(inner, 1..3).prop_map(|any_of| Condition { any_of, ..Condition::default() });
            let not = scope().prop_map(|one| Condition { not: Some(Box::new(one)), ..Condition::default() });
            outer(prop_oneof![3 => all, 3 => any, 1 => not].boxed())
        })
        .boxed()
}

fn demands() -> BoxedStrategy<Condition> {
    nested(prop_oneof![3 => asks(), 1 => scope()].boxed())
}

/// A mechanism of one of these roles.
pub fn mechanism(name: String, roles: Vec<MechanismRole>) -> BoxedStrategy<Mechanism> {
    let family = option::of(select(vec!["family-0".to_owned(), "family-1".to_owned()]));
    let onwards =
        vec![OnwardRule::SameInstrument, OnwardRule::ImporterLaw, OnwardRule::NeedsConsent, OnwardRule::Forbidden];
    let effects = vec![EndEffect::ExTunc, EndEffect::ExNunc, EndEffect::Sunset, EndEffect::Repeal];
    let times =
        (window(), zone(), 0_i64..2_000, option::of((select(effects), option::of(0_i64..2_000))), option::of(window()));
    let places = (reach_of(), reach_of(), option::weighted(0.3, countries(&SMALL, 2)));
    (
        select(roles),
        family,
        places,
        times,
        option::weighted(0.8, demands()),
        option::weighted(0.8, nested(scope())),
        select(onwards),
        citation(),
    )
        .prop_map(move |(role, family, places, times, demands, scope, onward, citation)| {
            let (from, to, except) = places;
            let ((starts, ends), zone, known_before, end, risk) = times;
            let window = Window { from: instant(starts, &zone), until: instant(ends, &zone) };
            let before = |instant: Option<Timestamp>, days: i64| {
                instant?.checked_sub(SignedDuration::from_hours(24 * days)).ok()
            };
            Mechanism {
                title: name.clone(),
                name: name.clone(),
                aliases: Vec::new(),
                family,
                role,
                kind: GroundKind::Derogation,
                from,
                to,
                except: Reach { countries: except.unwrap_or_default(), ..Reach::default() },
                window,
                known_from: before(window.from, known_before),
                ended: end.filter(|_| ends.is_some()).map(|(effect, days)| Ended {
                    effect,
                    by: None,
                    known_from: days.and_then(|days| before(window.until, days)),
                }),
                // A bar asks what would make it apply: a claim that helps says nothing there.
                when: if role == MechanismRole::Bar { scope } else { demands },
                onward,
                risks: risk
                    .map(|(from, until)| Risk {
                        note: "trouble".to_owned(),
                        window: Window { from: instant(from, &zone), until: instant(until, &zone) },
                    })
                    .into_iter()
                    .collect(),
                citation,
                zone,
            }
        })
        .boxed()
}

fn dated<T: std::fmt::Debug + Clone + 'static>(zone: TimeZone, rule: BoxedStrategy<T>) -> BoxedStrategy<Dated<T>> {
    (in_force(zone), citation(), rule)
        .prop_map(|(window, citation, rule)| Dated { window, citation, note: None, rule })
        .boxed()
}

fn jurisdiction(code: String) -> BoxedStrategy<Jurisdiction> {
    zone()
        .prop_flat_map(|zone| {
            let by = zone.clone();
            let regime = (
                select(vec![Regime::NeedsGround, Regime::NeedsGround, Regime::Free, Regime::Unknown]),
                option::weighted(0.3, day()),
            )
                .prop_map(move |(default, enforced)| TransferRegime { default, enforced_from: instant(enforced, &by) });
            let localisation = (
                select(vec![LocalisationKind::PrimaryCopy, LocalisationKind::Ban, LocalisationKind::None]),
                option::of(scope()),
                option::of(nested(scope())),
            )
                .prop_map(|(kind, when, demands)| Localisation { kind, when, demands });
            let rules = vec![
                ConsentRule::OptIn,
                ConsentRule::SoftOptIn,
                ConsentRule::OptOut,
                ConsentRule::None,
                ConsentRule::Unsure,
            ];
            let contact = (channel(), select(rules), option::of(demands()), option::of(demands()), any::<bool>())
                .prop_map(|(channel, rule, demands, unless, start_unknown)| ChannelRule {
                    channel,
                    purpose: "marketing".to_owned(),
                    rule,
                    demands,
                    unless,
                    start_unknown,
                });
            let severities = vec![Severity::Deny, Severity::Warn, Severity::Allow];
            let enrichment = (select(severities), option::of(scope()), option::of(demands()), 0..3_u8).prop_map(
                |(severity, when, demands, name)| EnrichmentRule {
                    name: format!("rule-{name}"),
                    trigger: String::new(),
                    requirement: String::new(),
                    when,
                    demands,
                    severity,
                },
            );
            let rights = option::of(period()).prop_map(|within| {
                let deadline = Deadline { within, working_days: false, extension: None };
                SubjectRights { access: deadline, rectification: deadline, erasure: deadline }
            });
            (
                Just(zone.clone()),
                vec(dated(zone.clone(), regime.boxed()), 0..3),
                vec(dated(zone.clone(), localisation.boxed()), 0..2),
                vec(dated(zone.clone(), contact.boxed()), 0..3),
                vec(dated(zone.clone(), enrichment.boxed()), 0..2),
                vec(dated(zone, rights.boxed()), 0..2),
            )
        })
        .prop_map(move |(zone, regimes, localisations, consents, enrichments, rights)| Jurisdiction {
            is_bloc: code == BLOC,
            title: code.clone(),
            code: code.clone(),
            zone,
            applies_when: vec![
                Trigger::CollectedIn,
                Trigger::SubjectsIn,
                Trigger::CitizenOf,
                Trigger::ControllerEstablishedIn,
                Trigger::ProcessedIn,
            ],
            regimes,
            localisations,
            consents,
            enrichments,
            rights,
            breaches: Vec::new(),
            fines: Vec::new(),
        })
        .boxed()
}

fn bloc() -> BoxedStrategy<Bloc> {
    let member =
        (country(&SMALL), in_force(TimeZone::UTC), option::weighted(0.2, day())).prop_map(|(country, window, late)| {
            Membership { country, window, free_flow_from: instant(late, &TimeZone::UTC) }
        });
    (vec(member, 0..6), vec(in_force(TimeZone::UTC), 0..2))
        .prop_map(|(members, free)| Bloc::new(BLOC, BLOC, &members, &free))
        .boxed()
}

/// A small lawbook in which anything may stand.
pub fn lawbook() -> BoxedStrategy<Parts> {
    use MechanismRole::{Bar, Duty, Ground};
    let laws: Vec<_> = FEW
        .iter()
        .chain(&[BLOC, "CA-QC"])
        .map(|code| option::weighted(0.7, jurisdiction((*code).to_owned())))
        .collect();
    let mechanisms: Vec<_> =
        (0..7).map(|at| mechanism(format!("m{at}"), vec![Ground, Ground, Ground, Duty, Bar])).collect();
    (bloc(), laws, mechanisms)
        .prop_map(|(bloc, laws, mechanisms)| Parts {
            blocs: vec![bloc],
            jurisdictions: laws.into_iter().flatten().map(Arc::new).collect(),
            mechanisms: mechanisms.into_iter().map(Arc::new).collect(),
        })
        .boxed()
}
