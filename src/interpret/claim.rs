//! Claims, storage classes and volumes: where data would come to rest.

use std::sync::Arc;

use crate::engine::country::CountrySet;
use crate::engine::data::Data;
use crate::engine::facts::{Act, Alternative, Flexibility, Placement};
use crate::engine::gazetteer::{Driver, Gazetteer, Says, Zone};
use crate::engine::node::{NodeMap, REGION_LABEL, ZONE_LABEL};
use crate::engine::place::Places;

use super::constraint;
use super::objects::{ClaimSpec, DEFAULT_CLASS, StorageClass, TopologyTerm, Volume};
use super::world::World;

/// Where volumes of a storage class may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassPlaces {
    /// The class.
    pub name: String,
    /// Where its volumes may lie.
    pub places: Places,
    /// Whether the first pod decides where among them.
    pub with_pod: bool,
}

/// Whether a class is marked as default.
pub fn is_default(class: &StorageClass) -> bool {
    let annotations = class.metadata.annotations.as_ref();
    let marked = |key: &&str| annotations.and_then(|all| all.get(*key)).is_some_and(|value| value == "true");
    DEFAULT_CLASS.iter().any(marked)
}

/// Where volumes of this class may lie: by a `Location` that names the class, else by its allowed topologies and the
/// parameters of its driver, else by the pod that comes first if the class waits for it and the driver follows.
pub fn class(class: &StorageClass, gazetteer: &Gazetteer, nodes: &NodeMap) -> ClassPlaces {
    let name = class.metadata.name.clone().unwrap_or_default();
    let known = |places, with_pod| ClassPlaces { name: name.clone(), places, with_pod };
    if let Some(places) = gazetteer.class(&name) {
        return known(places.clone(), false);
    }
    let driver = gazetteer.driver(&class.provisioner);
    let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
    let with_pod = waits && driver.is_some_and(|(_, driver)| driver.follows_node);
    let parameters = match driver.map(|(provider, driver)| parameters(class, provider, driver, gazetteer)) {
        Some(Err(reason)) => return known(Places::unknown(format!("storage class {name}: {reason}")), false),
        Some(Ok(places)) => places,
        None => None,
    };
    let topologies =
        (!class.allowed_topologies.is_empty()).then(|| topologies(&class.allowed_topologies, driver, gazetteer, nodes));
    match (parameters, topologies) {
        (None, None) if with_pod => known(Places::anywhere(), true),
        (None, None) => {
            let why = if waits {
                format!("it names no place, and driver {} does not promise to follow the pod", class.provisioner)
            } else {
                "it binds at once and has no allowedTopologies, so the driver picks any zone".to_owned()
            };
            known(Places::unknown(format!("storage class {name}: {why}")), false)
        }
        (Some(places), None) | (None, Some(places)) => known(places, with_pod),
        (Some(one), Some(other)) => {
            let both = one.and(other);
            if both.countries.is_empty() {
                let why = "its parameters and its allowedTopologies contradict each other";
                return known(Places::unknown(format!("storage class {name}: {why}")), false);
            }
            known(both, with_pod)
        }
    }
}

/// What the parameters of a class say; an error where they put data in a place that is not named.
fn parameters(
    class: &StorageClass,
    provider: &str,
    driver: &Driver,
    gazetteer: &Gazetteer,
) -> Result<Option<Places>, String> {
    let mut said: Option<Places> = None;
    for parameter in &driver.parameters {
        let values = class.parameters.iter().filter(|(name, value)| {
            name.eq_ignore_ascii_case(&parameter.name)
                && !value.is_empty()
                && parameter.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value))
        });
        for (name, value) in values {
            let places = match parameter.says {
                Says::Replicated => return Err(format!("parameter {name}: {value} sends copies to another region")),
                Says::Elsewhere => return Err(format!("parameter {name} points at something in an unnamed place")),
                Says::Region => each(value, |id| region(gazetteer, provider, id)),
                Says::Zone => each(value, |id| zone(gazetteer, provider, id)),
            };
            said = Some(said.map_or(places.clone(), |before| before.and(places)));
        }
    }
    Ok(said)
}

/// Values may be lists joined by commas.
fn each(value: &str, place: impl Fn(&str) -> Places) -> Places {
    value.split(',').map(|id| place(id.trim())).reduce(Places::or).unwrap_or_else(Places::anywhere)
}

fn region(gazetteer: &Gazetteer, provider: &str, id: &str) -> Places {
    gazetteer
        .region_of(provider, id)
        .cloned()
        .unwrap_or_else(|| Places::unknown(format!("no Location names region {id} of {provider}")))
}

fn zone(gazetteer: &Gazetteer, provider: &str, id: &str) -> Places {
    match gazetteer.zone_of(provider, id) {
        Zone::Place(places) => places,
        Zone::Of(id) => region(gazetteer, provider, &id),
        Zone::Nothing | Zone::NotUnderstood => Places::unknown(format!("zone {id} is not understood at {provider}")),
    }
}

/// What a topology key of a driver says. Without a driver that we know the well-known labels still count, with the
/// providers of the nodes that are here.
fn topology(
    key: &str,
    value: &str,
    driver: Option<(&str, &Driver)>,
    gazetteer: &Gazetteer,
    nodes: &NodeMap,
) -> Option<Places> {
    let says = match key {
        REGION_LABEL => Some(Says::Region),
        ZONE_LABEL => Some(Says::Zone),
        key => driver.and_then(|(_, driver)| driver.topology_keys.get(key).copied()),
    };
    // A provider without regions of its own (drivers that put volumes on the node) has no region ids: the nodes decide.
    let provider = driver.map(|(provider, _)| provider).filter(|id| gazetteer.regions_of(id).next().is_some());
    match (says, provider) {
        (Some(Says::Region), Some(provider)) => Some(region(gazetteer, provider, value)),
        (Some(Says::Zone), Some(provider)) => Some(zone(gazetteer, provider, value)),
        _ => nodes.labelled(key, value, gazetteer),
    }
}

fn topologies(
    terms: &[TopologyTerm],
    driver: Option<(&str, &Driver)>,
    gazetteer: &Gazetteer,
    nodes: &NodeMap,
) -> Places {
    let requirement = |key: &str, values: &[String]| {
        values
            .iter()
            .map(|value| topology(key, value, driver, gazetteer, nodes))
            .reduce(|one, other| Some(one?.or(other?)))
            .flatten()
    };
    let term = |term: &TopologyTerm| {
        let said = term.match_label_expressions.iter().filter_map(|one| requirement(&one.key, &one.values));
        said.reduce(Places::and).unwrap_or_else(|| Places::unknown("allowedTopologies name no key that says where"))
    };
    terms.iter().map(term).reduce(Places::or).unwrap_or_else(Places::anywhere)
}

/// Where a volume lies: by its node affinity, else by its region and zone labels.
pub fn volume(volume: &Volume, gazetteer: &Gazetteer, nodes: &NodeMap) -> Places {
    let name = volume.metadata.name.as_deref().unwrap_or_default();
    let driver = volume.spec.csi.as_ref().and_then(|csi| gazetteer.driver(&csi.driver));
    let lookup = |key: &str, value: &str| topology(key, value, driver, gazetteer, nodes);
    let required = volume.spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    let affinity =
        required.map(|required| constraint::terms(&required.node_selector_terms, &lookup, &|node| nodes.node(node)));
    let labels = volume.metadata.labels.as_ref();
    let labelled =
        [REGION_LABEL, ZONE_LABEL].iter().filter_map(|key| lookup(key, labels?.get(*key)?)).reduce(Places::and);
    match (affinity, labelled) {
        (Some(places), _) if !(places.countries.is_full() && places.unproven.is_none()) => places,
        (_, Some(places)) => places,
        _ => Places::unknown(format!("volume {name} has no node affinity or topology label that says where it lies")),
    }
}

/// The placement of a claim's data; none where nobody's data is concerned.
///
/// `mutable`: the claim is being created, so that another class can still be taken.
pub fn placement(
    world: &World,
    spec: &ClaimSpec,
    selected_node: Option<&str>,
    data: &[Arc<Data>],
    field: &str,
    mutable: bool,
) -> Option<Placement> {
    if data.is_empty() {
        return None;
    }
    let placement = |field: String, places, flexibility| {
        Some(Placement { act: Act::Store, field, data: data.to_vec(), places, flexibility })
    };
    if let Some(name) = spec.volume_name.as_deref().filter(|name| !name.is_empty()) {
        let unknown = || Places::unknown(format!("volume {name} is not known"));
        let places = world.volumes.get(name).cloned().unwrap_or_else(unknown);
        return placement(format!("{field}.volumeName"), places, Flexibility::Fixed);
    }
    let class = world.wanted_class(spec.storage_class_name.as_deref());
    let (places, with_pod) = match (class, spec.storage_class_name.as_deref()) {
        (Some(class), _) => (class.places.clone(), class.with_pod),
        (None, None) => (Places::unknown("it names no storage class, and there is no default class"), false),
        (None, Some("")) => (Places::unknown("it waits for any volume without a class"), false),
        (None, Some(name)) => (Places::unknown(format!("storage class {name} is not known")), false),
    };
    let field = format!("{field}.storageClassName");
    // The scheduler has chosen: the volume will be made where this node is.
    if let Some(node) = selected_node.filter(|_| with_pod) {
        let there = world.nodes.node(node);
        let places =
            if there.countries.intersection(&places.countries).is_empty() { places } else { places.and(there) };
        return placement(field, places, Flexibility::Fixed);
    }
    let alternatives = if mutable {
        world
            .classes
            .iter()
            .map(|class| Alternative {
                name: class.name.clone(),
                places: class.places.clone(),
                with_pod: class.with_pod,
            })
            .collect()
    } else {
        Vec::new()
    };
    placement(field, places, Flexibility::Choice { with_pod, alternatives })
}

/// Whether a pod that mounts a claim of this state decides by itself where the claim's data will rest.
pub fn decided_by_pod(world: &World, class: Option<&str>, volume: Option<&str>) -> bool {
    if volume.is_some_and(|name| !name.is_empty()) {
        return false;
    }
    let nowhere = CountrySet::EMPTY;
    world.wanted_class(class).is_none_or(|class| class.with_pod && class.places.countries != nowhere)
}
