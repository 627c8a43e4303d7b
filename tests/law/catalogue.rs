//! The built-in catalogue: every manifest can be read, and what it says agrees with facts that can be looked up.

use std::collections::BTreeSet;

use domicile::catalogue;
use domicile::engine::country::{Country, CountrySet};
use domicile::engine::gazetteer::{Gazetteer, Zone};
use domicile::engine::law::reach::reach;
use domicile::engine::lawbook::Lawbook;
use domicile::engine::place::Places;
use domicile::interpret::read;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

fn gazetteer() -> Gazetteer {
    let mut gazetteer = Gazetteer::default();
    let builtin = crate::builtin();
    for provider in &builtin.providers {
        gazetteer.add_provider(provider.name_any(), read::provider(&provider.spec).unwrap());
    }
    for location in &builtin.locations {
        let (names, places) = read::location(&location.name_any(), &location.spec).unwrap();
        gazetteer.add_names(names, &places);
    }
    gazetteer
}

fn lawbook() -> Lawbook {
    let builtin = crate::builtin();
    let jurisdictions = builtin.jurisdictions.into_iter().map(|(_, law)| law);
    let mechanisms = builtin.mechanisms.into_iter().map(|(_, mechanism)| mechanism);
    Lawbook::new(builtin.blocs.iter().map(|bloc| read::bloc(&bloc.spec).unwrap()), jurisdictions, mechanisms)
}

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

fn only(code: &str) -> Places {
    Places::known(CountrySet::only(country(code)))
}

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

#[test]
fn no_group_of_a_file_is_missed_when_only_some_are_wanted() {
    let interpreters = crate::builtin().interpreters;
    let groups: BTreeSet<&str> = interpreters.iter().map(|one| one.spec.resource.group.as_str()).collect();
    for (file, text) in catalogue::files() {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        let named: BTreeSet<&str> = catalogue::groups(text).collect();
        for group in documents.iter().filter_map(|document| document.pointer("/spec/resource/group")?.as_str()) {
            assert!(named.contains(group) && groups.contains(group), "{file}: {group}");
        }
    }
    let some = catalogue::load_for(|group| group == "acid.zalan.do").unwrap();
    assert!(!some.interpreters.is_empty() && some.interpreters.len() < interpreters.len());
    assert_eq!(some.jurisdictions.len(), crate::builtin().jurisdictions.len());
}

#[test]
fn every_manifest_is_valid_by_the_rules_of_admission() {
    let builtin = crate::builtin();
    for bloc in &builtin.blocs {
        assert_eq!(read::bloc(&bloc.spec).err(), None, "{}", bloc.name_any());
    }
    for location in &builtin.locations {
        assert_eq!(read::location("", &location.spec).err(), None, "{}", location.name_any());
    }
    for provider in &builtin.providers {
        assert!(read::provider(&provider.spec).is_ok(), "{}", provider.name_any());
    }
    for policy in &builtin.policies {
        let now = at("2026-01-01T00:00:00Z");
        assert_eq!(read::policy_problems(&policy.spec, &lawbook(), now), [], "{}", policy.name_any());
    }
}

#[test]
fn names_are_given_once() {
    let builtin = crate::builtin();
    let mut names: Vec<(&str, String)> = Vec::new();
    names.extend(builtin.blocs.iter().map(|one| ("Bloc", one.name_any())));
    names.extend(builtin.locations.iter().map(|one| ("Location", one.name_any())));
    names.extend(builtin.providers.iter().map(|one| ("Provider", one.name_any())));
    names.extend(builtin.policies.iter().map(|one| ("ResidencyPolicy", one.name_any())));
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn every_region_resolves_to_what_its_location_says() {
    let gazetteer = gazetteer();
    for location in crate::builtin().locations {
        let name = location.name_any();
        let (names, places) = read::location(&name, &location.spec).unwrap();
        for (provider, id) in names.regions {
            assert!(gazetteer.has_provider(&provider), "{name}: no provider {provider}");
            assert_eq!(gazetteer.region_of(&provider, &id), Some(&places), "{name}: {provider} {id}");
        }
    }
}

#[test]
fn the_same_region_id_is_another_country_at_another_provider() {
    let gazetteer = gazetteer();
    for (provider, region, code) in [
        ("aws", "eu-west-1", "IE"),
        ("alibaba", "eu-west-1", "GB"),
        ("aws", "eu-west-2", "GB"),
        ("aws", "eu-central-1", "DE"),
        ("aws", "eu-central-2", "CH"),
        ("gcp", "europe-west2", "GB"),
        ("gcp", "europe-west6", "CH"),
        ("azure", "germanywestcentral", "DE"),
        ("azure", "norwayeast", "NO"),
        ("hetzner", "fsn1", "DE"),
        ("hetzner", "hel1", "FI"),
    ] {
        assert_eq!(gazetteer.region_of(provider, region), Some(&only(code)), "{provider} {region}");
    }
    let both = only("IE").or(only("GB"));
    assert_eq!(gazetteer.region("eu-west-1", &[]), both);
    assert_eq!(gazetteer.region("eu-west-1", &["aws".to_owned()]), only("IE"));
    assert!(gazetteer.region("nowhere-1", &[]).unproven.is_some());
}

#[test]
fn zones_belong_to_their_region_and_outposts_to_nothing() {
    let gazetteer = gazetteer();
    assert_eq!(gazetteer.zone_of("aws", "eu-central-1a"), Zone::Of("eu-central-1".to_owned()));
    assert_eq!(gazetteer.zone_of("gcp", "europe-west3-a"), Zone::Of("europe-west3".to_owned()));
    assert_eq!(gazetteer.zone_of("hetzner", "fsn1-dc14"), Zone::Of("fsn1".to_owned()));
    assert_eq!(gazetteer.zone_of("azure", "germanywestcentral-1"), Zone::Of("germanywestcentral".to_owned()));
    assert_eq!(gazetteer.zone_of("azure", "0"), Zone::Nothing);
    for outpost in ["us-east-1-scl-1a", "eu-central-1-ham-1a", "us-east-1-wl1-bos-wlz-1", "euc1-az1", "", "a"] {
        assert_eq!(gazetteer.zone_of("aws", outpost), Zone::NotUnderstood, "{outpost}");
        assert!(gazetteer.zone(outpost, &[]).unproven.is_some(), "{outpost}");
    }
}

#[test]
fn provider_ids_prove_what_they_name() {
    let gazetteer = gazetteer();
    let said = |id: &str| gazetteer.identify(id).map(|identity| (identity.provider, identity.zone.or(identity.region)));
    let proves = |provider: &str, place: &str| Some((provider.to_owned(), Some(place.to_owned())));
    assert_eq!(said("aws:///eu-central-1a/i-0123456789"), proves("aws", "eu-central-1a"));
    assert_eq!(said("gce://project/europe-west3-a/node-1"), proves("gcp", "europe-west3-a"));
    assert_eq!(said("hcloud://1234"), Some(("hetzner".to_owned(), None)));
    assert_eq!(said("kwok://node-1"), None);
    // The region in it is that of the control plane; the machine may stand anywhere.
    assert_eq!(said("eks-hybrid:///eu-central-1/cluster/node"), None);
}

#[test]
fn members_of_the_economic_area_count_from_their_day_in_brussels() {
    let lawbook = lawbook();
    let member = |code: &str, instant: &str| lawbook.bloc("EEA").unwrap().members(at(instant)).contains(country(code));
    for (code, first) in [
        ("DE", "1993-12-31T23:00:00Z"),
        ("LI", "1995-04-30T22:00:00Z"),
        ("PL", "2004-04-30T22:00:00Z"),
        ("RO", "2007-07-31T22:00:00Z"),
        ("HR", "2014-04-11T22:00:00Z"),
    ] {
        let before = at(first) - jiff::SignedDuration::from_secs(1);
        assert!(member(code, first) && !member(code, &before.to_string()), "{code}");
    }
    assert!(member("GB", "2020-12-31T22:59:59Z"));
    assert!(!member("GB", "2020-12-31T23:00:00Z"));
    for code in ["IS", "LI", "NO", "AX", "RE"] {
        assert!(member(code, "2026-01-01T00:00:00Z"), "{code}");
    }
    for code in ["CH", "GB", "GL", "US"] {
        assert!(!member(code, "2026-01-01T00:00:00Z"), "{code}");
    }
}

#[test]
fn data_flows_freely_inside_the_economic_area_and_not_out_of_it() {
    let lawbook = lawbook();
    let free = |from, to, instant| lawbook.free_flow(country(from), country(to), at(instant)).is_some();
    assert!(free("DE", "FR", "2026-01-01T00:00:00Z"));
    assert!(!free("DE", "US", "2026-01-01T00:00:00Z"));
    assert!(!free("CH", "DE", "2026-01-01T00:00:00Z"));
    assert!(free("GB", "DE", "2020-06-01T00:00:00Z"));
    // Before the Directive had to be applied, membership alone freed nothing.
    assert!(!free("DE", "FR", "1998-10-23T12:00:00Z"));
}

#[test]
fn law_lets_data_be_where_a_ground_leads_that_asks_nothing() {
    let lawbook = lawbook();
    let reach = |origin, instant| reach(country(origin), &lawbook, at(instant)).0;
    let now = "2026-11-22T00:00:00Z";
    let german = reach("DE", now);
    for allowed in ["DE", "FR", "IS", "CH", "GB", "NZ", "UY"] {
        assert!(german.contains(country(allowed)), "{allowed}");
    }
    // What depends on who receives it needs to be declared.
    for asked in ["US", "CA", "BR", "IN", "CN"] {
        assert!(!german.contains(country(asked)), "{asked}");
    }
    assert!(!reach("DE", "2021-07-01T00:00:00Z").contains(country("KR")));
    // Where the first write must be at home, nothing that declares nothing of it may leave.
    assert_eq!(reach("RU", now), CountrySet::only(country("RU")));
    assert_eq!(reach("KZ", now), CountrySet::only(country("KZ")));
    // A country without an export rule lets data go, but not where a bar may apply.
    assert!(reach("US", now).contains(country("DE")));
    assert!(!reach("US", now).contains(country("CN")));
}

#[test]
fn every_file_is_read() {
    let files = catalogue::files();
    let documents = files.iter().map(|(_, text)| text.matches("\nkind: ").count()).sum::<usize>();
    let builtin = crate::builtin();
    let read = builtin.blocs.len()
        + builtin.locations.len()
        + builtin.providers.len()
        + builtin.policies.len()
        + builtin.jurisdictions.len()
        + builtin.mechanisms.len()
        + builtin.interpreters.len();
    assert_eq!(read, documents);
}
