//! Our own kinds into the engine's terms. Admission refuses what cannot be read; the index uses the same functions, so
//! that both agree on what is valid.

pub mod exception;
mod law;
mod policy;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;
use regex_lite::{Regex, RegexBuilder};

use crate::api::v1alpha1::{
    BlocSpec, DataFlowSpec, DataStoreSpec, DriverFollows, LocationCluster, LocationSpec, ParameterSource, PartyFacts,
    PartySpec, PlaceMeaning, ProviderForm, ProviderHost, ProviderSpec, TransformationKind, TransportProtocol,
    ValueMeaning,
};
use crate::engine::country::{Country, CountrySet};
use crate::engine::gazetteer::host::{HostPattern, HostTemplate};
use crate::engine::gazetteer::{Driver, Form, Meaning, Names, Parameter, Provider, Says, Tells, ToldBy, origin};
use crate::engine::law::claims::{Basis, Claims};
use crate::engine::law::source::Confidence;
use crate::engine::lawbook::{Bloc, Membership, Window};
use crate::engine::place::Places;

pub use law::{citation, is_region, jurisdiction, mechanism};
pub use policy::{policy, policy_problems};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// How to make it right.
    pub remedy: String,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), remedy: remedy.into() }
    }
}

/// Collects what is wrong while reading on, so that all of it is told at once.
#[derive(Debug, Default)]
pub(super) struct Reader(pub(super) Vec<Problem>);

impl Reader {
    fn country(&mut self, field: &str, code: &str) -> Option<Country> {
        Country::parse(code)
            .map_err(|error| {
                let remedy = "use the ISO 3166-1 alpha-2 code of a country";
                self.0.push(Problem::new(field, error.to_string(), remedy));
            })
            .ok()
    }

    pub(super) fn countries(&mut self, field: &str, codes: Option<&Vec<String>>) -> CountrySet {
        let codes = codes.into_iter().flatten().enumerate();
        codes.filter_map(|(at, code)| self.country(&format!("{field}[{at}]"), code)).collect()
    }

    /// Countries and subdivisions, as countries.
    fn places(&mut self, field: &str, codes: Option<&Vec<String>>) -> CountrySet {
        let codes = codes.into_iter().flatten().enumerate();
        let country = |code: &String| code.split('-').next().unwrap_or_default().to_owned();
        codes.filter_map(|(at, code)| self.country(&format!("{field}[{at}]"), &country(code))).collect()
    }

    /// Countries that claims and parties name.
    fn declared(&mut self, parties: &[PartySpec], bases: &[Basis], claims: &Claims) {
        for (at, party) in parties.iter().enumerate() {
            self.party(&format!("spec.parties[{at}]"), &party.facts);
        }
        for (at, basis) in bases.iter().enumerate() {
            let twice = bases[..at].iter().any(|before| before == basis);
            if twice {
                let remedy = "name each basis once, the best first";
                self.0.push(Problem::new(format!("spec.bases[{at}]"), "repeats a basis", remedy));
            }
        }
        if let Some(provenance) = &claims.provenance {
            for (name, codes) in [
                ("firstWrite", &provenance.first_write),
                ("parallelWrites", &provenance.parallel_writes),
                ("copies", &provenance.copies),
            ] {
                self.countries(&format!("spec.provenance.{name}"), Some(codes));
            }
        }
    }

    fn party(&mut self, field: &str, facts: &PartyFacts) {
        for (name, code) in [("establishedIn", &facts.established_in), ("controlledFrom", &facts.controlled_from)] {
            if let Some(code) = code {
                self.country(&format!("{field}.{name}"), code);
            }
        }
        self.countries(&format!("{field}.accessFrom"), Some(&facts.access_from));
    }

    fn day(&mut self, field: &str, zone: &TimeZone, day: &str) -> Option<Timestamp> {
        let first_instant = || day.parse::<Date>()?.to_zoned(zone.clone()).map(|start| start.timestamp());
        first_instant()
            .map_err(|error| self.0.push(Problem::new(field, error.to_string(), "write the day as YYYY-MM-DD")))
            .ok()
    }

    fn window(&mut self, field: &str, zone: &TimeZone, from: Option<&String>, until: Option<&String>) -> Window {
        let mut day = |name: &str, day: Option<&String>| self.day(&format!("{field}.{name}"), zone, day?);
        let (from, until) = (day("from", from), day("until", until));
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            self.0.push(Problem::new(format!("{field}.until"), "ends before it begins", "until is after from"));
        }
        Window { from, until }
    }

    pub(super) fn pattern(&mut self, field: &str, pattern: &str) -> Option<Regex> {
        // Bounds what a pattern of many repetitions may cost; every admission of a claim could run it.
        const SIZE: usize = 1 << 16;
        RegexBuilder::new(pattern)
            .size_limit(SIZE)
            .build()
            .map_err(|error| {
                let remedy = "write a regular expression without look-around and back references";
                self.0.push(Problem::new(field, error.to_string(), remedy));
            })
            .ok()
    }

    fn hosts(&mut self, patterns: &[String]) -> Vec<HostPattern> {
        let mut hosts = Vec::with_capacity(patterns.len());
        for (at, pattern) in patterns.iter().enumerate() {
            match HostPattern::parse(pattern) {
                Ok(host) => hosts.push(host),
                Err(message) => {
                    let remedy = "write a host such as db.example.com, or *.example.com; addresses stand in cidrs";
                    self.0.push(Problem::new(format!("spec.hosts[{at}]"), message, remedy));
                }
            }
        }
        hosts
    }

    fn range(&mut self, field: String, cidr: &str) -> Option<IpNet> {
        let range = cidr.parse::<IpNet>().or_else(|_| cidr.parse::<IpAddr>().map(IpNet::from));
        let wrong = match range {
            Ok(range) if range.prefix_len() == 0 => "is every address there is",
            Ok(range) => return Some(range),
            Err(_) => "is no range of addresses",
        };
        self.0.push(Problem::new(field, wrong, "write a range such as 10.20.0.0/16 or 2001:db8::/32"));
        None
    }

    fn ranges(&mut self, cidrs: &[String]) -> Vec<IpNet> {
        let each = cidrs.iter().enumerate();
        each.filter_map(|(at, cidr)| self.range(format!("spec.cidrs[{at}]"), cidr)).collect()
    }

    fn servers(&mut self, clusters: &[LocationCluster]) -> Vec<String> {
        let mut servers = Vec::with_capacity(clusters.len());
        for (at, server) in clusters.iter().enumerate().filter_map(|(at, one)| Some((at, one.server.as_ref()?))) {
            if let Some(server) = origin(server) {
                servers.push(server);
            } else {
                let remedy = "write a URL without credentials, such as https://prod.example.com:6443";
                let field = format!("spec.clusters[{at}].server");
                self.0.push(Problem::new(field, "is no URL of an API server", remedy));
            }
        }
        servers
    }

    fn forms(&mut self, field: &str, forms: &[ProviderForm]) -> Vec<Form> {
        let mut read = Vec::with_capacity(forms.len());
        for (at, form) in forms.iter().enumerate() {
            let ProviderForm { pattern, says, region, provider } = form;
            let Some(pattern) = self.pattern(&format!("{field}[{at}].pattern"), pattern) else { continue };
            let captures = pattern.capture_names().flatten().any(|name| name == "region");
            let meaning = meaning(*says, region.as_ref(), provider.as_ref());
            self.says_region(&format!("{field}[{at}]"), &meaning, captures);
            read.push(Form { pattern, meaning });
        }
        read
    }

    fn host_forms(&mut self, hosts: &[ProviderHost]) -> Vec<(HostTemplate, Meaning)> {
        let mut read = Vec::with_capacity(hosts.len());
        for (at, host) in hosts.iter().enumerate() {
            let ProviderHost { pattern, says, region, provider } = host;
            let field = format!("spec.hosts[{at}]");
            match HostTemplate::parse(pattern) {
                Ok(template) => {
                    let meaning = meaning(*says, region.as_ref(), provider.as_ref());
                    self.says_region(&field, &meaning, template.captures());
                    read.push((template, meaning));
                }
                Err(message) => {
                    let remedy = "write labels in lower case, such as **.s3.{region}.example.com";
                    self.0.push(Problem::new(format!("{field}.pattern"), message, remedy));
                }
            }
        }
        read
    }

    /// A form that says a region needs one.
    fn says_region(&mut self, field: &str, meaning: &Meaning, captures: bool) {
        let needed = matches!(meaning.tells, Tells::Region | Tells::Zone);
        if needed && !captures && meaning.region.is_none() {
            let remedy = "capture {region}, or the group region, or name a region, or say Nothing";
            self.0.push(Problem::new(field, "says a region and names none", remedy));
        }
    }

    fn selector(&mut self, field: &str, selector: Option<&LabelSelector>) {
        if let Some(Err(error)) = selector.map(|selector| Selector::try_from(selector.clone())) {
            self.0.push(Problem::new(field, error.to_string(), "use In, NotIn, Exists or DoesNotExist"));
        }
    }

    fn done<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// Countries and subdivisions among codes; what is neither is left out, and told when the object is read.
pub fn codes(codes: &[String]) -> (CountrySet, Vec<String>) {
    let mut regions = Vec::new();
    let mut countries = CountrySet::EMPTY;
    for code in codes {
        let (country, part) =
            code.split_once('-').map_or((code.as_str(), None), |(country, part)| (country, Some(part)));
        if let Ok(country) = Country::parse(country) {
            countries.insert(country);
            regions.extend(part.map(|_| code.clone()));
        }
    }
    (countries, regions)
}

/// Reads a bloc.
///
/// # Errors
///
/// Unknown countries and time zones, days that do not exist, windows that end before they begin.
pub fn bloc(spec: &BlocSpec) -> Result<Bloc, Vec<Problem>> {
    let mut reader = Reader::default();
    let zone = TimeZone::get(&spec.time_zone).unwrap_or_else(|error| {
        reader.0.push(Problem::new("spec.timeZone", error.to_string(), "use an IANA name such as UTC"));
        TimeZone::UTC
    });
    if Country::parse(&spec.code).is_ok() {
        reader.0.push(Problem::new("spec.code", "is the code of a country", "choose another code for the bloc"));
    }
    let mut members = Vec::with_capacity(spec.members.len());
    for (at, member) in spec.members.iter().enumerate() {
        let field = format!("spec.members[{at}]");
        let country = reader.country(&format!("{field}.country"), &member.country);
        let window = reader.window(&field, &zone, member.from.as_ref(), member.until.as_ref());
        let late = member.free_flow_from.as_ref();
        let free_flow_from = late.and_then(|day| reader.day(&format!("{field}.freeFlowFrom"), &zone, day));
        members.extend(country.map(|country| Membership { country, window, free_flow_from }));
    }
    let mut free = Vec::with_capacity(spec.free_flow.len());
    for (at, flow) in spec.free_flow.iter().enumerate() {
        // What is low counts as unknown, and what is unknown frees nothing.
        let window = reader.window(&format!("spec.freeFlow[{at}]"), &zone, Some(&flow.from), flow.until.as_ref());
        if flow.source.confidence > Confidence::Low {
            free.push(window);
        }
    }
    let written = spec.free_flow.first().map(|flow| &flow.source).or(spec.source.as_ref());
    let bloc = Bloc::new(&spec.code, &spec.title, &members, &free);
    let bloc = bloc.written_in(written.map(citation).unwrap_or_default());
    reader.done(bloc)
}

/// Reads a location: its names and where they lie.
///
/// # Errors
///
/// Unknown countries, selectors that use more than `matchLabels`, hosts, ranges and servers that are none.
pub fn location(name: &str, spec: &LocationSpec) -> Result<(Names, Places), Vec<Problem>> {
    let mut reader = Reader::default();
    let single = spec.country.as_ref().and_then(|code| reader.country("spec.country", code));
    let several = reader.countries("spec.countries", spec.countries.as_ref());
    let countries = single.map_or(several, CountrySet::only);
    let low = spec.source.as_ref().is_some_and(|source| source.confidence == Confidence::Low);
    let places = if low {
        let unproven = Some(format!("Location {name} is not sure (confidence Low)"));
        Places { countries: if countries.is_empty() { CountrySet::FULL } else { countries }, unproven }
    } else if countries.is_empty() {
        Places::unknown(format!("Location {name} names no country"))
    } else {
        Places::known(countries)
    };
    let nodes = spec.nodes.clone().unwrap_or_default();
    let selector = nodes.selector.unwrap_or_default();
    if selector.match_expressions.is_some_and(|expressions| !expressions.is_empty()) {
        let remedy = "use matchLabels; several Locations may name the same country";
        reader.0.push(Problem::new("spec.nodes.selector.matchExpressions", "is not supported", remedy));
    }
    let names = Names {
        regions: spec.regions.iter().map(|region| (region.provider.clone(), region.id.clone())).collect(),
        zones: nodes.zones,
        node_labels: selector.match_labels.unwrap_or_default(),
        storage_classes: spec.storage_classes.clone(),
        hosts: reader.hosts(&spec.hosts),
        cidrs: reader.ranges(&spec.cidrs),
        clusters: spec.clusters.iter().map(|cluster| cluster.name.clone()).collect(),
        servers: reader.servers(&spec.clusters),
        buckets: spec.buckets.clone(),
        objects: spec
            .objects
            .iter()
            .map(|one| (one.group.clone(), one.kind.clone(), one.namespace.clone(), one.name.clone()))
            .collect(),
    };
    reader.done((names, places))
}

fn meaning(says: PlaceMeaning, region: Option<&String>, provider: Option<&String>) -> Meaning {
    let tells = match says {
        PlaceMeaning::Region => Tells::Region,
        PlaceMeaning::Zone => Tells::Zone,
        PlaceMeaning::Nothing => Tells::Nothing,
        PlaceMeaning::Anywhere => Tells::Anywhere,
    };
    Meaning { tells, provider: provider.cloned(), region: region.cloned() }
}

/// Reads a provider.
///
/// # Errors
///
/// Patterns that are neither regular expressions nor hosts, forms that say a region and name none.
pub fn provider(spec: &ProviderSpec) -> Result<Provider, Vec<Problem>> {
    let mut reader = Reader::default();
    let mut provider = Provider::default();
    for (at, id) in spec.provider_ids.iter().enumerate() {
        provider.ids.extend(reader.pattern(&format!("spec.providerIds[{at}].pattern"), &id.pattern));
    }
    for (at, zone) in spec.zones.iter().enumerate() {
        provider.zones.extend(reader.pattern(&format!("spec.zones[{at}].pattern"), &zone.pattern));
    }
    let says = |meaning: ValueMeaning| match meaning {
        ValueMeaning::Region => Says::Region,
        ValueMeaning::Zone => Says::Zone,
        ValueMeaning::Replicated => Says::Replicated,
        ValueMeaning::Elsewhere => Says::Elsewhere,
        ValueMeaning::Endpoint => Says::Endpoint,
    };
    let told_by = |source: &ParameterSource| match source {
        ParameterSource::Class => ToldBy::Class,
        ParameterSource::Volume => ToldBy::Volume,
        ParameterSource::MountOption => ToldBy::MountOption,
    };
    for (at, driver) in spec.drivers.iter().enumerate() {
        let mut parameters = Vec::with_capacity(driver.parameters.len());
        for (position, parameter) in driver.parameters.iter().enumerate() {
            let field = format!("spec.drivers[{at}].parameters[{position}].pattern");
            let pattern = parameter.pattern.as_ref().and_then(|pattern| reader.pattern(&field, pattern));
            let mut sources: Vec<ToldBy> = parameter.told_by.iter().map(told_by).collect();
            if sources.is_empty() {
                sources = vec![ToldBy::Class, ToldBy::Volume];
            }
            parameters.push(Parameter {
                name: parameter.name.clone(),
                says: says(parameter.says),
                told_by: sources,
                prefix: parameter.prefix.clone().unwrap_or_default(),
                pattern,
            });
        }
        let mut handles = Vec::with_capacity(driver.volumes.len());
        for (position, form) in driver.volumes.iter().enumerate() {
            let field = format!("spec.drivers[{at}].volumes[{position}].pattern");
            handles.extend(reader.pattern(&field, &form.pattern));
        }
        let topology_keys: BTreeMap<_, _> =
            driver.topology_keys.iter().map(|key| (key.key.clone(), says(key.says))).collect();
        let follows_node = driver.follows == DriverFollows::Node;
        let read = Driver { follows_node, topology_keys, parameters, handles };
        provider.drivers.insert(driver.name.clone(), read);
    }
    provider.hosts = reader.host_forms(&spec.hosts);
    provider.bucket_schemes.clone_from(&spec.bucket_schemes);
    provider.arns.clone_from(&spec.arns);
    provider.resource_ids = reader.forms("spec.resourceIds", &spec.resource_ids);
    provider.region_forms = reader.forms("spec.regionForms", &spec.region_forms);
    provider.models = reader.forms("spec.models", &spec.models);
    reader.done(provider)
}

/// The declared origins of a store.
///
/// # Errors
///
/// Unknown countries, selectors that cannot be read.
pub fn store(spec: &DataStoreSpec) -> Result<CountrySet, Vec<Problem>> {
    let mut reader = Reader::default();
    let origins = reader.places("spec.origins", spec.origins.as_ref());
    let collected = reader.places("spec.collectedIn", spec.collected_in.as_ref());
    let subjects = reader.places("spec.subjectsIn", spec.subjects_in.as_ref());
    reader.countries("spec.citizensOf", Some(&spec.citizens_of));
    reader.declared(&spec.parties, &spec.bases, &spec.declared);
    if let Some(residence) = &spec.residence {
        reader.country("spec.residence.country", &residence.country);
    }
    reader.selector("spec.workloads.selector", spec.workloads.as_ref().map(|workloads| &workloads.selector));
    reader.selector("spec.claims.selector", spec.claims.as_ref().and_then(|claims| claims.selector.as_ref()));
    let all = origins.union(&collected).union(&subjects);
    if all.is_empty() && reader.0.is_empty() {
        reader.0.push(Problem::new("spec.origins", "names no country", "say where the data comes from"));
    }
    reader.done(all)
}

/// What a flow says by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowReading {
    /// Origins that it collects from people.
    pub collected: CountrySet,
    /// Where its outside recipient holds the data; none where it leads to a store.
    pub recipient: Option<Places>,
    /// Addresses of that recipient.
    pub addresses: Vec<Address>,
    /// From when on origins travel with it: none means never before `MAX`, `MIN` means always.
    pub personal_from: Timestamp,
}

/// Addresses under which a recipient is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The addresses.
    pub range: IpNet,
    /// Protocols and ports; empty: all.
    pub ports: Vec<(TransportProtocol, u16)>,
}

/// Reads a flow.
///
/// # Errors
///
/// Unknown countries, instants that cannot be read, selectors that cannot be read.
pub fn flow(spec: &DataFlowSpec) -> Result<FlowReading, Vec<Problem>> {
    let mut reader = Reader::default();
    let collection = spec.from.collection.as_ref().map(|collection| &collection.countries);
    let collected = reader.places("spec.from.collection.countries", collection);
    reader.declared(&spec.parties, &spec.bases, &spec.declared);
    if let Some(collection) = &spec.from.collection {
        reader.countries("spec.from.collection.citizensOf", Some(&collection.citizens_of));
        if let Some(place) = &collection.place {
            reader.country("spec.from.collection.place.country", &place.country);
        }
    }
    if let Some(recipient) = &spec.to.recipient {
        reader.party("spec.to.recipient", &recipient.facts);
    }
    if let Some(to) = spec.earlier.as_ref().and_then(|hop| hop.to.as_ref()) {
        reader.country("spec.earlier.to", to);
    }
    let recipient = spec.to.recipient.as_ref().map(|recipient| match &recipient.place {
        Some(place) => reader
            .country("spec.to.recipient.place.country", &place.country)
            .map_or_else(|| Places::unknown("its country cannot be read"), |one| Places::known(CountrySet::only(one))),
        None => Places::unknown("the recipient's place is not declared"),
    });
    reader.selector("spec.workloads.selector", spec.workloads.as_ref().map(|workloads| &workloads.selector));
    let mut personal_from = Timestamp::MIN;
    if let Some(transformation) = &spec.transformation
        && matches!(transformation.kind, TransformationKind::Anonymised | TransformationKind::Aggregated)
    {
        if let Some(country) = &transformation.performed_in {
            reader.country("spec.transformation.performedIn", country);
        }
        let missing = [
            ("method", transformation.method.is_none()),
            ("performedIn", transformation.performed_in.is_none()),
            ("minimumGroup", transformation.minimum_group.is_none()),
            ("reidentificationAssessment", transformation.reidentification_assessment.is_none()),
            ("reviewedBy", transformation.reviewed_by.is_none()),
        ];
        for (field, _) in missing.iter().filter(|(_, missing)| *missing) {
            let message = "is missing, and without it nobody can tell that the data is no longer personal";
            let remedy = "declare it, or leave the transformation out";
            reader.0.push(Problem::new(format!("spec.transformation.{field}"), message, remedy));
        }
        match transformation.expires.as_deref().map(str::parse) {
            Some(Ok(expires)) => personal_from = expires,
            Some(Err(error)) => {
                let error: jiff::Error = error;
                let remedy = "write an instant such as 2027-01-31T23:00:00Z";
                reader.0.push(Problem::new("spec.transformation.expires", error.to_string(), remedy));
            }
            None => {
                let remedy = "say until when the review holds";
                reader.0.push(Problem::new("spec.transformation.expires", "is missing", remedy));
            }
        }
    }
    let told = spec.to.recipient.iter().flat_map(|recipient| recipient.addresses.iter().enumerate());
    let mut addresses = Vec::new();
    for (at, address) in told {
        let range = reader.range(format!("spec.to.recipient.addresses[{at}].cidr"), &address.cidr);
        let ports = address.ports.iter().map(|one| (one.protocol, one.port)).collect();
        addresses.extend(range.map(|range| Address { range: range.trunc(), ports }));
    }
    reader.done(FlowReading { collected, recipient, addresses, personal_from })
}
