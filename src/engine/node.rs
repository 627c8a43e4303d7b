//! Where a node is, by evidence, and what that makes of the labels by which pods choose nodes.
//!
//! A provider id that names a zone or region proves a place. Region and zone labels only claim one: a kubelet may set
//! its own. Evidence that contradicts itself leaves the node disputed, which is never a place.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::country::{Country, CountrySet};
use super::gazetteer::{Gazetteer, Zone};
use super::place::Places;

/// Label of a node's country, kept by the operator; the prefix keeps kubelets from setting it themselves.
pub const COUNTRY_LABEL: &str = "domicile.node-restriction.kubernetes.io/country";
/// Well-known label of a node's region.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// Well-known label of a node's zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// The same by their old names, which many nodes still carry.
const OLD_REGION_LABEL: &str = "failure-domain.beta.kubernetes.io/region";
const OLD_ZONE_LABEL: &str = "failure-domain.beta.kubernetes.io/zone";
/// Well-known label of a node's host name.
pub const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// How a place is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Evidence {
    /// By a label that a kubelet or a tenant could set.
    Claimed,
    /// By a provider id.
    Proven,
}

/// What a node says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its provider id, where it has one.
    pub provider_id: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// In this country.
    In {
        /// The country.
        country: Country,
        /// How that is known.
        evidence: Evidence,
        /// By what.
        basis: String,
    },
    /// Nothing tells.
    Unknown(String),
    /// Two things tell different countries, or one tells several.
    Disputed(String),
}

impl Located {
    /// The same as possible places.
    pub fn places(&self, node: &str) -> Places {
        match self {
            Self::In { country, .. } => Places::known(CountrySet::only(*country)),
            Self::Unknown(reason) => Places::unknown(format!("node {node}: {reason}")),
            Self::Disputed(reason) => Places::unknown(format!("node {node} is disputed: {reason}")),
        }
    }
}

/// One piece of evidence.
struct Claim {
    places: Places,
    evidence: Evidence,
    basis: String,
}

/// Where a node is, from everything it says about itself.
pub fn locate(node: &NodeFacts, gazetteer: &Gazetteer) -> Located {
    let mut claims: Vec<Claim> = Vec::new();
    let mut claim = |places: Places, evidence, basis: String| claims.push(Claim { places, evidence, basis });
    let identity = node.provider_id.as_deref().and_then(|id| gazetteer.identify(id));
    let region = node.labels.get(REGION_LABEL);
    let zone = node.labels.get(ZONE_LABEL);

    for places in gazetteer.selected(&node.labels) {
        claim(places.clone(), Evidence::Claimed, "a Location that selects its labels".to_owned());
    }
    if let Some(identity) = &identity {
        let provider = identity.provider.as_str();
        if let Some(zone) = &identity.zone {
            match read_zone(gazetteer, provider, zone) {
                Ok(Some((places, _))) => {
                    claim(places, Evidence::Proven, format!("zone {zone} in its provider id"));
                }
                Ok(None) => {}
                Err(reason) => return Located::Unknown(reason),
            }
        }
        if let Some(id) = &identity.region {
            let places = gazetteer.region_of(provider, id).cloned();
            let places = places.unwrap_or_else(|| Places::unknown(no_region(provider, id)));
            claim(places, Evidence::Proven, format!("region {id} in its provider id"));
        }
        // A zone that a Location names by itself is more precise than the region it is said to belong to.
        let mut region_counts = true;
        if let Some(zone) = zone {
            match read_zone(gazetteer, provider, zone) {
                Ok(Some((places, parent))) => {
                    if let (Some(parent), Some(region)) = (&parent, region)
                        && parent != region
                    {
                        return Located::Disputed(format!(
                            "its zone label {zone} is of region {parent}, but its region label says {region}"
                        ));
                    }
                    region_counts = parent.is_some();
                    claim(places, Evidence::Claimed, format!("its zone label {zone}"));
                }
                Ok(None) => {}
                Err(reason) => return Located::Unknown(reason),
            }
        }
        if let Some(region) = region
            && region_counts
        {
            let places = gazetteer.region_of(provider, region).cloned();
            let places = places.unwrap_or_else(|| Places::unknown(no_region(provider, region)));
            claim(places, Evidence::Claimed, format!("its region label {region} at {provider}"));
        }
    } else if let Some(places) = zone.and_then(|zone| gazetteer.named_zone(zone)) {
        claim(places.clone(), Evidence::Claimed, "a Location that names its zone".to_owned());
    } else if let Some(region) = region {
        match without_provider(gazetteer, region, zone.map(String::as_str)) {
            Ok(places) => claim(places, Evidence::Claimed, format!("its region label {region}")),
            Err(located) => return located,
        }
    } else if let Some(zone) = zone {
        claim(gazetteer.zone(zone, &[]), Evidence::Claimed, format!("its zone label {zone}"));
    }
    weigh(&claims)
}

fn no_region(provider: &str, id: &str) -> String {
    format!("no Location names region {id} of {provider}")
}

/// The place of a zone and the region it belongs to, if it belongs to one. `Ok(None)`: it says nothing.
fn read_zone(gazetteer: &Gazetteer, provider: &str, zone: &str) -> Result<Option<(Places, Option<String>)>, String> {
    match gazetteer.zone_of(provider, zone) {
        Zone::Place(places) => Ok(Some((places, None))),
        Zone::Nothing => Ok(None),
        Zone::Of(region) => match gazetteer.region_of(provider, &region) {
            Some(places) => Ok(Some((places.clone(), Some(region)))),
            None => Err(no_region(provider, &region)),
        },
        Zone::NotUnderstood => Err(format!(
            "zone {zone} is not understood at {provider}: it may lie in another country than its region; a Location \
             can name it"
        )),
    }
}

/// A region label on a node of an unknown provider counts only where every provider that has the region agrees.
fn without_provider(gazetteer: &Gazetteer, region: &str, zone: Option<&str>) -> Result<Places, Located> {
    let places = gazetteer.region(region, &[]);
    if places.unproven.is_none() && places.countries.len() > 1 {
        return Err(Located::Disputed(format!(
            "region {region} is in {} depending on the provider, and its provider id names none",
            places.countries
        )));
    }
    if let Some(zone) = zone {
        // The zone must be one that some provider understands as a part of this very region, or says nothing.
        let zoned = gazetteer.zone(zone, &[]);
        if zoned.unproven.is_none() && !places.countries.is_subset(&zoned.countries) {
            return Err(Located::Disputed(format!("its zone label {zone} and its region label {region} disagree")));
        }
        if zoned.unproven.is_some() && zone.starts_with(region) {
            return Err(Located::Unknown(format!(
                "zone {zone} is not understood: it may lie in another country than region {region}"
            )));
        }
    }
    Ok(places)
}

/// All evidence together: it must be proven, and it must agree.
fn weigh(claims: &[Claim]) -> Located {
    let Some(best) = claims.iter().max_by_key(|claim| (claim.places.unproven.is_none(), claim.evidence)) else {
        return Located::Unknown("no provider id, region or zone label or Location tells its country".to_owned());
    };
    if let Some(claim) = claims.iter().find(|claim| claim.places.unproven.is_some()) {
        let reason = claim.places.unproven.clone().unwrap_or_default();
        return Located::Unknown(reason);
    }
    let agreed = claims.iter().fold(CountrySet::FULL, |all, claim| all.intersection(&claim.places.countries));
    match agreed.single() {
        Some(country) if claims.iter().all(|claim| claim.places.countries.len() == 1) => {
            Located::In { country, evidence: best.evidence, basis: best.basis.clone() }
        }
        Some(country) => Located::In { country, evidence: Evidence::Claimed, basis: best.basis.clone() },
        None if agreed.is_empty() => {
            let told: Vec<String> =
                claims.iter().map(|claim| format!("{} tells {}", claim.basis, claim.places.countries)).collect();
            Located::Disputed(told.join(", "))
        }
        None => Located::Unknown(format!("{} spans {agreed}", best.basis)),
    }
}

/// The nodes of a cluster, as far as pods can choose among them by labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeMap {
    by_name: BTreeMap<String, Places>,
    by_hostname: BTreeMap<String, Places>,
    by_region: BTreeMap<String, Places>,
    by_zone: BTreeMap<String, Places>,
    by_label: BTreeMap<(String, String), Places>,
    providers: Vec<String>,
    unlabelled: CountrySet,
    candidates: Vec<(String, Places)>,
}

impl NodeMap {
    /// Locates every node and gathers what its labels mean.
    pub fn new<'a>(nodes: impl IntoIterator<Item = (&'a NodeFacts, &'a Located)>, gazetteer: &Gazetteer) -> Self {
        let mut map = Self::default();
        let mut providers = BTreeSet::new();
        for (node, located) in nodes {
            let places = located.places(&node.name);
            let note = |label: &str, into: &mut BTreeMap<String, Places>| {
                if let Some(value) = node.labels.get(label) {
                    let joined = into.remove(value).map_or_else(|| places.clone(), |before| before.or(places.clone()));
                    into.insert(value.clone(), joined);
                }
            };
            note(REGION_LABEL, &mut map.by_region);
            note(ZONE_LABEL, &mut map.by_zone);
            // A node whose old label says something else makes that value mean its own place as well.
            note(OLD_REGION_LABEL, &mut map.by_region);
            note(OLD_ZONE_LABEL, &mut map.by_zone);
            note(HOSTNAME_LABEL, &mut map.by_hostname);
            for (key, value) in &node.labels {
                if gazetteer.label(key, value).is_some() {
                    let known = map.by_label.entry((key.clone(), value.clone()));
                    known.and_modify(|before| *before = before.clone().or(places.clone())).or_insert(places.clone());
                }
            }
            if !node.labels.contains_key(REGION_LABEL) {
                map.unlabelled = map.unlabelled.union(&places.countries);
            }
            if let Some(identity) = node.provider_id.as_deref().and_then(|id| gazetteer.identify(id)) {
                providers.insert(identity.provider);
            }
            map.by_name.insert(node.name.clone(), places);
        }
        map.providers = providers.into_iter().collect();
        let here = map.by_region.keys().cloned();
        let catalogued = map.providers.iter().flat_map(|provider| gazetteer.regions_of(provider));
        let ids: BTreeSet<String> = here.chain(catalogued.map(|(id, _)| id.to_owned())).collect();
        map.candidates = ids
            .into_iter()
            .filter_map(|id| map.labelled(REGION_LABEL, &id, gazetteer).map(|places| (id, places)))
            .collect();
        map
    }

    /// Where the node of this name is.
    pub fn node(&self, name: &str) -> Places {
        self.by_name.get(name).cloned().unwrap_or_else(|| Places::unknown(format!("node {name} is not known")))
    }

    /// Where each node is, by its name.
    pub fn places(&self) -> &BTreeMap<String, Places> {
        &self.by_name
    }

    /// Regions that pods could be pinned by: those of nodes that are here and of the providers they are of, in
    /// alphabetical order, each with every country that it may mean here.
    pub fn candidate_regions(&self) -> &[(String, Places)] {
        &self.candidates
    }

    /// Countries of nodes that carry no region label, so that pinning by region would shut them out.
    pub fn without_region_label(&self) -> &CountrySet {
        &self.unlabelled
    }

    /// Whether a node that is here carries this region label.
    pub fn has_region(&self, id: &str) -> bool {
        self.by_region.contains_key(id)
    }

    /// The providers that nodes here are of.
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    /// For each label that says something about places, the values that lead into `allowed` and nowhere else, as far as
    /// they can be listed: those of nodes that are here, the countries, and regions of providers that are here.
    pub fn values_within(&self, allowed: &CountrySet, gazetteer: &Gazetteer) -> BTreeMap<String, BTreeSet<String>> {
        let leads = |key: &str, value: &String| {
            self.labelled(key, value, gazetteer).is_some_and(|places| places.within(allowed))
        };
        let of = |key: &str, here: &BTreeMap<String, Places>| -> BTreeSet<String> {
            here.keys().filter(|value| leads(key, value)).cloned().collect()
        };
        let mut regions = of(REGION_LABEL, &self.by_region);
        regions.extend(self.candidates.iter().filter(|(_, places)| places.within(allowed)).map(|(id, _)| id.clone()));
        let zones = of(ZONE_LABEL, &self.by_zone);
        let countries = allowed.iter().filter(Country::is_assigned).map(|one| one.to_string()).collect();
        let mut values = BTreeMap::from([
            (COUNTRY_LABEL.to_owned(), countries),
            (OLD_REGION_LABEL.to_owned(), regions.clone()),
            (REGION_LABEL.to_owned(), regions),
            (OLD_ZONE_LABEL.to_owned(), zones.clone()),
            (ZONE_LABEL.to_owned(), zones),
            (HOSTNAME_LABEL.to_owned(), of(HOSTNAME_LABEL, &self.by_hostname)),
        ]);
        for (key, value) in gazetteer.labels() {
            let of_key = values.entry(key.clone()).or_default();
            if leads(key, value) {
                of_key.insert(value.clone());
            }
        }
        values
    }

    /// Whether `values_within` would list this value, wherever it leads.
    pub fn lists(&self, key: &str, value: &str, gazetteer: &Gazetteer) -> bool {
        match key {
            COUNTRY_LABEL => Country::parse(value).is_ok_and(|country| country.is_assigned()),
            REGION_LABEL | OLD_REGION_LABEL => {
                self.by_region.contains_key(value) || self.candidates.iter().any(|(id, _)| id == value)
            }
            ZONE_LABEL | OLD_ZONE_LABEL => self.by_zone.contains_key(value),
            HOSTNAME_LABEL => self.by_hostname.contains_key(value),
            _ => gazetteer.label(key, value).is_some(),
        }
    }

    /// Names of the nodes that are proven to be in `allowed`.
    pub fn nodes_within<'a>(&'a self, allowed: &'a CountrySet) -> impl Iterator<Item = &'a String> {
        self.by_name.iter().filter(|(_, places)| places.within(allowed)).map(|(name, _)| name)
    }

    /// Where nodes with this label are; none if the label says nothing about places.
    ///
    /// Nodes that are here count with their evidence, so that a label on a disputed node proves nothing; nodes that
    /// are not here yet count with what the catalogue says of the value.
    pub fn labelled(&self, key: &str, value: &str, gazetteer: &Gazetteer) -> Option<Places> {
        let here = |map: &BTreeMap<String, Places>, catalogue: Places| match map.get(value) {
            Some(nodes) if catalogue.unproven.is_some() && catalogue.countries.is_full() => nodes.clone(),
            Some(nodes) => nodes.clone().or(catalogue),
            None => catalogue,
        };
        match key {
            COUNTRY_LABEL => Some(
                Country::parse(value)
                    .map_or(Places::known(CountrySet::EMPTY), |country| Places::known(CountrySet::only(country))),
            ),
            REGION_LABEL | OLD_REGION_LABEL => Some(here(&self.by_region, gazetteer.region(value, &self.providers))),
            ZONE_LABEL | OLD_ZONE_LABEL => Some(here(&self.by_zone, gazetteer.zone(value, &self.providers))),
            HOSTNAME_LABEL => Some(
                self.by_hostname
                    .get(value)
                    .cloned()
                    .unwrap_or_else(|| Places::unknown(format!("no node has host name {value}"))),
            ),
            _ => {
                let catalogue = gazetteer.label(key, value)?.clone();
                let nodes = self.by_label.get(&(key.to_owned(), value.to_owned()));
                Some(nodes.map_or(catalogue.clone(), |nodes| nodes.clone().or(catalogue)))
            }
        }
    }
}
