//! What names mean: which country a provider's region or zone, a storage class or a label of ours lies in.
//!
//! Built from `Location` and `Provider` objects. A region id means nothing without its provider: the same id is one
//! country at one provider and another country at another, so every look-up takes the providers that it may be of.

mod beginnings;
mod hint;
pub mod host;
mod look_up;
mod range;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use regex_lite::Regex;

use beginnings::Beginnings;
pub use hint::Hints;
use host::{HostPattern, HostTemplate, Hosts};
pub use look_up::origin;
pub(super) use look_up::shown;
use range::Ranges;

use super::place::Places;

/// What is known about names.
#[derive(Debug, Clone, Default)]
pub struct Gazetteer {
    /// Region id -> provider -> place.
    regions: BTreeMap<String, BTreeMap<String, Places>>,
    /// Region ids by their first bytes: a zone id that names a region holds one of them, and most words hold none.
    starts: BTreeMap<[u8; START], BTreeSet<String>>,
    /// Whether a zone id may hold its region elsewhere than at its beginning.
    regions_anywhere: bool,
    /// The first letters of zone and region ids: most words of configuration begin otherwise.
    beginnings: Beginnings,
    zones: BTreeMap<String, Places>,
    labels: BTreeMap<(String, String), Places>,
    selectors: Vec<(BTreeMap<String, String>, Places)>,
    classes: BTreeMap<String, Places>,
    providers: BTreeMap<String, Provider>,
    /// (Provider, region id of letters and digits only) -> place.
    folded: BTreeMap<(String, String), Places>,
    /// The last two labels of a host -> providers that have hosts there.
    domains: BTreeMap<String, BTreeSet<String>>,
    hosts: Hosts,
    ranges: Ranges,
    buckets: BTreeMap<String, Places>,
    clusters: BTreeMap<String, Places>,
    /// API servers of clusters, as scheme, host and port.
    servers: BTreeMap<String, Places>,
    objects: BTreeMap<ObjectName, Places>,
    /// What is told about addresses that nobody declares.
    pub hints: Option<Hints>,
}

/// So many bytes of an id are enough to tell it from most words.
const START: usize = 3;

/// The first bytes of an id; of a shorter one all of them, and zeros, which no id holds.
fn start(id: &[u8]) -> [u8; START] {
    std::array::from_fn(|at| id.get(at).copied().unwrap_or_default())
}

/// An object by group, kind, namespace and name.
pub type ObjectName = (String, String, Option<String>, String);

/// How a provider names its nodes, zones and storage drivers.
#[derive(Debug, Clone, Default)]
pub struct Provider {
    /// Forms of a node's provider id; the named groups `zone` and `region` are what the id proves.
    pub ids: Vec<Regex>,
    /// Forms of a zone id; the named group `region` is its region. Without the group: understood, says nothing.
    pub zones: Vec<Regex>,
    /// Storage drivers by the name of their provisioner.
    pub drivers: BTreeMap<String, Driver>,
    /// Its hosts.
    pub hosts: Vec<(HostTemplate, Meaning)>,
    /// URL schemes whose host is a bucket.
    pub bucket_schemes: Vec<String>,
    /// Partitions of its resource names.
    pub arns: Vec<String>,
    /// Other forms of resource ids.
    pub resource_ids: Vec<Form>,
    /// Other ways to write its region ids.
    pub region_forms: Vec<Form>,
    /// Ids of models that say where they run.
    pub models: Vec<Form>,
}

/// A form of ids and what it says; the named group `region` is the region or zone.
#[derive(Debug, Clone)]
pub struct Form {
    /// The ids.
    pub pattern: Regex,
    /// What it says.
    pub meaning: Meaning,
}

/// What a host or an id says about a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meaning {
    /// What it tells.
    pub tells: Tells,
    /// The provider of the region, where it is another one.
    pub provider: Option<String>,
    /// The region, where none is captured.
    pub region: Option<String>,
}

/// What a host or an id tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tells {
    /// A region.
    #[default]
    Region,
    /// A zone.
    Zone,
    /// No place by itself.
    Nothing,
    /// Anywhere in the world.
    Anywhere,
}

/// What a storage driver says about places.
#[derive(Debug, Clone, Default)]
pub struct Driver {
    /// Whether a volume whose binding waits for its first pod is made where that pod runs.
    pub follows_node: bool,
    /// Topology keys of its own.
    pub topology_keys: BTreeMap<String, Says>,
    /// What it is told that says where; names are compared without regard to case.
    pub parameters: Vec<Parameter>,
    /// Forms of a volume's handle; the named groups `zone` and `region` are where it lies.
    pub handles: Vec<Regex>,
}

/// What a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// A region of the provider.
    Region,
    /// A zone of the provider.
    Zone,
    /// That copies go to a place which the object does not name.
    Replicated,
    /// Something that exists already, in a place which the object does not name.
    Elsewhere,
    /// A host, an address, a URL or the like.
    Endpoint,
}

/// Where a driver is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldBy {
    /// Parameters of a class, by which volumes are made.
    Class,
    /// Attributes of a volume.
    Volume,
    /// Mount options of a class or volume.
    MountOption,
}

/// Something that a driver is told and that says where.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What its value names.
    pub says: Says,
    /// Where it counts: elsewhere the driver would not look at it, and it proves nothing.
    pub told_by: Vec<ToldBy>,
    /// What stands before the value to make it an endpoint.
    pub prefix: String,
    /// Values to which this applies; none: every value.
    pub pattern: Option<Regex>,
}

/// Names that lie in one place, as a `Location` lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// (provider, region id).
    pub regions: Vec<(String, String)>,
    /// Values of the zone label.
    pub zones: Vec<String>,
    /// Labels that a node there carries, all of them.
    pub node_labels: BTreeMap<String, String>,
    /// Storage classes.
    pub storage_classes: Vec<String>,
    /// Hosts.
    pub hosts: Vec<HostPattern>,
    /// Ranges of addresses.
    pub cidrs: Vec<IpNet>,
    /// Names of clusters.
    pub clusters: Vec<String>,
    /// API servers of clusters, as [`origin`] writes them.
    pub servers: Vec<String>,
    /// Buckets and containers.
    pub buckets: Vec<String>,
    /// Objects that lead there.
    pub objects: Vec<ObjectName>,
}

/// What a provider id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub provider: String,
    /// The zone that the id proves.
    pub zone: Option<String>,
    /// The region that the id proves.
    pub region: Option<String>,
}

/// What a zone id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// It names a place of its own.
    Place(Places),
    /// It belongs to this region.
    Of(String),
    /// It is understood, and says nothing about a place.
    Nothing,
    /// Nobody here understands it: it may be an outpost in another country than its parent region.
    NotUnderstood,
}

impl Gazetteer {
    /// Adds a provider; of two with one name the later replaces the earlier.
    pub fn add_provider(&mut self, name: String, provider: Provider) {
        for at_domain in self.domains.values_mut() {
            at_domain.remove(&name);
        }
        for (template, _) in &provider.hosts {
            self.domains.entry(template.domain().to_owned()).or_default().insert(name.clone());
        }
        self.regions_anywhere |= provider.zones.iter().any(|form| {
            const REGION_FIRST: [&str; 2] = ["^(?<region>", "^(?P<region>"];
            form.captures_len() > 1 && !REGION_FIRST.iter().any(|first| form.as_str().starts_with(first))
        });
        self.providers.insert(name, provider);
    }

    /// Whether a provider of this name is known.
    pub fn has_provider(&self, name: &str) -> bool {
        self.providers.contains_key(name)
    }

    /// Adds names that lie at `places`. Two statements that contradict each other leave the name unproven.
    pub fn add_names(&mut self, names: Names, places: &Places) {
        let Names { regions, zones, node_labels, storage_classes, hosts, cidrs, clusters, servers, buckets, objects } =
            names;
        for (provider, id) in regions {
            state(&mut self.folded, (provider.clone(), fold(&id)), places);
            self.starts.entry(start(id.as_bytes())).or_default().insert(id.clone());
            self.beginnings.add(&id);
            state(self.regions.entry(id).or_default(), provider, places);
        }
        for zone in zones {
            self.beginnings.add(&zone);
            state(&mut self.zones, zone, places);
        }
        for class in storage_classes {
            state(&mut self.classes, class, places);
        }
        for host in hosts {
            self.hosts.add(host, places);
        }
        for cidr in cidrs {
            self.ranges.add(cidr, places);
        }
        let lists = [(&mut self.clusters, clusters), (&mut self.servers, servers), (&mut self.buckets, buckets)];
        for (map, list) in lists {
            for name in list {
                state(map, name, places);
            }
        }
        for object in objects {
            state(&mut self.objects, object, places);
        }
        // A single label can also be read where a pod asks for it; several together only on the node itself.
        if node_labels.len() == 1 {
            for label in node_labels.clone() {
                state(&mut self.labels, label, places);
            }
        }
        if !node_labels.is_empty() {
            self.selectors.push((node_labels, places.clone()));
        }
    }

    /// Which provider a node's provider id is of, and what the id proves.
    pub fn identify(&self, provider_id: &str) -> Option<Identity> {
        self.providers.iter().find_map(|(name, provider)| {
            provider.ids.iter().find_map(|form| {
                let found = form.captures(provider_id)?;
                let group = |name| found.name(name).map(|text| text.as_str().to_owned());
                Some(Identity { provider: name.clone(), zone: group("zone"), region: group("region") })
            })
        })
    }

    /// Where the region `id` of this provider lies.
    pub fn region_of(&self, provider: &str, id: &str) -> Option<&Places> {
        self.regions.get(id)?.get(provider)
    }

    /// Where a region id may lie: at one of `providers` if any of them has it, otherwise at any provider.
    pub fn region(&self, id: &str, providers: &[String]) -> Places {
        let Some(known) = self.regions.get(id) else {
            return Places::unknown(format!("no Location names region {id}"));
        };
        let local = providers.iter().filter_map(|provider| known.get(provider)).cloned().reduce(Places::or);
        local
            .or_else(|| known.values().cloned().reduce(Places::or))
            .unwrap_or_else(|| Places::unknown(format!("no Location names region {id}")))
    }

    /// What a zone id of this provider says.
    pub fn zone_of(&self, provider: &str, zone: &str) -> Zone {
        if let Some(places) = self.zones.get(zone) {
            return Zone::Place(places.clone());
        }
        if let Some(places) = self.region_of(provider, zone) {
            return Zone::Place(places.clone());
        }
        let Some(forms) = self.providers.get(provider).map(|provider| &provider.zones) else {
            return Zone::NotUnderstood;
        };
        if forms.is_empty() {
            return Zone::Nothing;
        }
        forms.iter().find_map(|form| form.captures(zone)).map_or(Zone::NotUnderstood, |found| {
            match found.name("region") {
                Some(region) => Zone::Of(region.as_str().to_owned()),
                None => Zone::Nothing,
            }
        })
    }

    /// Where a zone id may lie, at one of `providers`, or at any if none of them understands it.
    pub fn zone(&self, zone: &str, providers: &[String]) -> Places {
        if let Some(places) = self.zones.get(zone) {
            return places.clone();
        }
        let unknown = || Places::unknown(format!("no Location or Provider understands zone {zone}"));
        // Whatever a form finds in it is a part of it: who has no such region need not be asked.
        let held: Vec<_> = self.regions_within(zone).collect();
        if held.is_empty() {
            return unknown();
        }
        let at = |provider: &String| {
            if !held.iter().any(|known| known.contains_key(provider)) {
                return None;
            }
            match self.zone_of(provider, zone) {
                Zone::Place(places) => Some(places),
                Zone::Of(region) => self.region_of(provider, &region).cloned(),
                Zone::Nothing | Zone::NotUnderstood => None,
            }
        };
        let local = providers.iter().filter_map(at).reduce(Places::or);
        local.or_else(|| self.providers.keys().filter_map(at).reduce(Places::or)).unwrap_or_else(unknown)
    }

    /// Every region whose id a text holds anywhere, with its places by provider.
    fn regions_within<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a BTreeMap<String, Places>> {
        let bytes = text.as_bytes();
        let begins = move |from: usize| {
            let rest = &bytes[from..];
            // An id may be shorter than what ids are told apart by.
            let lengths = 1..=START.min(rest.len());
            let ids = lengths.filter_map(move |length| self.starts.get(&start(&rest[..length]))).flatten();
            ids.filter(move |id| rest.starts_with(id.as_bytes()))
        };
        let end = if self.regions_anywhere { bytes.len() } else { bytes.len().min(1) };
        (0..end).flat_map(begins).filter_map(|id| self.regions.get(id))
    }

    /// Whether a word may be the id of a region or zone. Whoever is told no by this need not ask [`Self::zone`].
    pub fn may_name_a_region(&self, word: &str) -> bool {
        let may_begin = self.regions_anywhere || self.beginnings.may_hold(word);
        may_begin && (self.zones.contains_key(word) || self.regions_within(word).next().is_some())
    }

    /// Where a zone that a `Location` names lies.
    pub fn named_zone(&self, zone: &str) -> Option<&Places> {
        self.zones.get(zone)
    }

    /// Where nodes with this one label lie, if a `Location` says so.
    pub fn label(&self, key: &str, value: &str) -> Option<&Places> {
        // No allocation where no Location uses labels, which is the common case.
        if self.labels.is_empty() {
            return None;
        }
        self.labels.get(&(key.to_owned(), value.to_owned()))
    }

    /// Every pair of a label and a value by which a `Location` says where nodes are.
    pub fn labels(&self) -> impl Iterator<Item = &(String, String)> {
        self.labels.keys()
    }

    /// Every `Location` whose labels a node carries.
    pub fn selected<'a>(&'a self, labels: &'a BTreeMap<String, String>) -> impl Iterator<Item = &'a Places> {
        self.selectors
            .iter()
            .filter(|(wanted, _)| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
            .map(|(_, places)| places)
    }

    /// Where a storage class lies, if a `Location` names it.
    pub fn class(&self, name: &str) -> Option<&Places> {
        self.classes.get(name)
    }

    /// The storage driver of this name and its provider.
    pub fn driver(&self, provisioner: &str) -> Option<(&str, &Driver)> {
        self.providers
            .iter()
            .find_map(|(name, provider)| provider.drivers.get(provisioner).map(|driver| (name.as_str(), driver)))
    }

    /// Every region of this provider that lies in proven countries.
    pub fn regions_of<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = (&'a str, &'a Places)> {
        self.regions
            .iter()
            .filter_map(move |(id, providers)| providers.get(provider).map(|places| (id.as_str(), places)))
    }
}

/// Letters and digits of a region id, in lower case: people write one id in many ways.
fn fold(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect()
}

/// Notes where a name lies; a second statement must agree with the first.
fn state<K: Ord>(map: &mut BTreeMap<K, Places>, name: K, places: &Places) {
    map.entry(name)
        .and_modify(|before| {
            if before != places {
                let countries = before.countries.union(&places.countries);
                *before = Places { countries, unproven: Some("Location objects contradict each other".to_owned()) };
            }
        })
        .or_insert_with(|| places.clone());
}
