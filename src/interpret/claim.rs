//! Claims, storage classes and volumes: where data would come to rest.

use std::sync::Arc;

use crate::engine::country::CountrySet;
use crate::engine::data::Data;
use crate::engine::facts::{Act, Alternative, Flexibility, Placement};
use crate::engine::gazetteer::{Gazetteer, Says, ToldBy};
use crate::engine::node::{NodeMap, REGION_LABEL, ZONE_LABEL};
use crate::engine::place::Places;

use super::constraint;
pub use super::driver::Statement;
use super::driver::{self, Known};
use super::objects::{
    CLASS_ANNOTATION, ClaimSpec, DEFAULT_CLASS, StorageClass, TopologyTerm, Volume, VolumeAttributesClass, VolumeSpec,
};
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

/// Where volumes of this class may lie.
pub fn class(class: &StorageClass, gazetteer: &Gazetteer, nodes: &NodeMap) -> ClassPlaces {
    read_class(class, gazetteer, nodes).0
}

/// Where volumes of this class may lie, and the field that says so: by a `Location` that names the class, else by what its
/// driver is told and its allowed topologies, else by the pod that comes first if the class waits for it and the driver
/// follows.
pub fn read_class(class: &StorageClass, gazetteer: &Gazetteer, nodes: &NodeMap) -> (ClassPlaces, String) {
    let name = class.metadata.name.clone().unwrap_or_default();
    let known = |places, with_pod| ClassPlaces { name: name.clone(), places, with_pod };
    if let Some(places) = gazetteer.class(&name) {
        return (known(places.clone(), false), "metadata.name".to_owned());
    }
    let driver = gazetteer.driver(&class.provisioner);
    let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
    let with_pod = waits && driver.is_some_and(|(_, driver)| driver.follows_node);
    let mut statements = driver::parameters(driver, ToldBy::Class, &class.parameters, "parameters", gazetteer);
    statements.extend(driver::mount_options(driver, &class.mount_options, "mountOptions", gazetteer));
    if !class.allowed_topologies.is_empty() {
        let places = topologies(&class.allowed_topologies, driver, gazetteer, nodes);
        statements.push(Statement::hint("allowedTopologies".to_owned(), places));
    }
    match driver::agreed(statements) {
        Some(Statement { field, places, hint }) => {
            let unproven = places.unproven.map(|reason| format!("storage class {name}: {reason}"));
            // A pod can settle a doubt about topologies, which bind it as well; about all else it has no say.
            let with_pod = with_pod && (hint || unproven.is_none());
            (known(Places { unproven, ..places }, with_pod), field)
        }
        None if with_pod => (known(Places::anywhere(), true), "volumeBindingMode".to_owned()),
        None => {
            let why = if waits {
                format!("it names no place, and driver {} does not promise to follow the pod", class.provisioner)
            } else {
                "it binds at once and has no allowedTopologies, so the driver picks any zone".to_owned()
            };
            let places = Places::unknown(format!("storage class {name}: {why}"));
            (known(places, false), "allowedTopologies".to_owned())
        }
    }
}

/// What a class of attributes says about places; none where nothing. A driver that nobody knows may do anything.
pub fn attributes(class: &VolumeAttributesClass, gazetteer: &Gazetteer) -> Option<Statement> {
    let driver = gazetteer.driver(&class.driver_name);
    if driver.is_none() && !class.parameters.is_empty() {
        let why = format!("what driver {} makes of parameters is not known", class.driver_name);
        return Some(Statement::firm("driverName".to_owned(), Places::unknown(why)));
    }
    driver::agreed(driver::parameters(driver, ToldBy::Class, &class.parameters, "parameters", gazetteer))
}

/// What a topology key of a driver says. Without a driver that we know the well-known labels still count, with the
/// providers of the nodes that are here.
fn topology(key: &str, value: &str, driver: Known<'_>, gazetteer: &Gazetteer, nodes: &NodeMap) -> Option<Places> {
    let says = match key {
        REGION_LABEL => Some(Says::Region),
        ZONE_LABEL => Some(Says::Zone),
        key => driver.and_then(|(_, driver)| driver.topology_keys.get(key).copied()),
    };
    // A provider without regions of its own (drivers that put volumes on the node) has no region ids: the nodes decide.
    let provider = driver.map(|(provider, _)| provider).filter(|id| gazetteer.regions_of(id).next().is_some());
    match (says, provider) {
        (Some(Says::Region), Some(provider)) => Some(driver::region(gazetteer, provider, value)),
        (Some(Says::Zone), Some(provider)) => Some(driver::zone(gazetteer, provider, value)),
        _ => nodes.labelled(key, value, gazetteer),
    }
}

fn topologies(terms: &[TopologyTerm], driver: Known<'_>, gazetteer: &Gazetteer, nodes: &NodeMap) -> Places {
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

/// Where a volume lies.
pub fn volume(volume: &Volume, gazetteer: &Gazetteer, nodes: &NodeMap) -> Places {
    read_volume(volume, gazetteer, nodes).places
}

/// Where a volume lies, and the field that says so: by its node affinity, what serves it, what its driver is told, and its
/// region and zone labels, which must agree. For what lies on a node the affinity alone decides.
pub fn read_volume(volume: &Volume, gazetteer: &Gazetteer, nodes: &NodeMap) -> Statement {
    let name = volume.metadata.name.as_deref().unwrap_or_default();
    let VolumeSpec { node_affinity, mount_options, is_host_path, is_local, sources, .. } = &volume.spec;
    let driver = sources.csi.as_ref().and_then(|csi| gazetteer.driver(&csi.driver));
    let lookup = |key: &str, value: &str| topology(key, value, driver, gazetteer, nodes);
    let mut statements = Vec::new();
    let required = node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    let affinity =
        required.map(|required| constraint::terms(&required.node_selector_terms, &lookup, &|node| nodes.node(node)));
    let says = |places: &Places| !places.countries.is_full() || places.unproven.is_some();
    let affinity = affinity.filter(says).map(|places| Statement::firm("spec.nodeAffinity".to_owned(), places));
    statements.extend(affinity);
    if !is_host_path && !is_local {
        if let Some(csi) = &sources.csi {
            statements.extend(driver::csi(csi, driver, "spec.csi", gazetteer));
        }
        statements.extend(driver::servers(sources, "spec", gazetteer));
        statements.extend(driver::mount_options(driver, mount_options, "spec.mountOptions", gazetteer));
        let labels = volume.metadata.labels.as_ref();
        let labelled = [REGION_LABEL, ZONE_LABEL].iter().filter_map(|key| {
            let places = lookup(key, labels?.get(*key)?)?;
            Some(Statement::hint(format!("metadata.labels[{key}]"), places))
        });
        statements.extend(labelled);
    }
    let said = driver::agreed(statements).map(|one| {
        let unproven = one.places.unproven.map(|reason| format!("volume {name}: {reason}"));
        Statement { places: Places { unproven, ..one.places }, ..one }
    });
    said.unwrap_or_else(|| {
        let why = if *is_host_path || *is_local {
            format!("volume {name} lies on a node, and has no node affinity that says where")
        } else {
            format!("volume {name} has no node affinity or topology label that says where it lies")
        };
        Statement::firm("spec.nodeAffinity".to_owned(), Places::unknown(why))
    })
}

/// Who asks where a claim's data will rest, and what can still be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// The claim is being created: another class can still be taken.
    New,
    /// It exists.
    Existing,
}

/// The placements of a claim's data; none where nobody's data is concerned.
pub fn placements(
    world: &World,
    spec: &ClaimSpec,
    selected_node: Option<&str>,
    data: &[Arc<Data>],
    field: &str,
    asking: Asking,
) -> Vec<Placement> {
    if data.is_empty() {
        return Vec::new();
    }
    let placement = |field: String, places, flexibility| Placement {
        act: Act::Store,
        field,
        data: data.to_vec(),
        places,
        flexibility,
    };
    let mut placements = vec![volume_or_class(world, spec, selected_node, field, asking, placement)];
    // Attributes can send copies away, whatever the class says.
    if let Some(name) = spec.volume_attributes_class_name.as_deref().filter(|name| !name.is_empty()) {
        let unknown = || Some(Places::unknown(format!("volume attributes class {name} is not known")));
        if let Some(places) = world.attributes(name).cloned().unwrap_or_else(unknown) {
            placements.push(placement(format!("{field}.volumeAttributesClassName"), places, Flexibility::Fixed));
        }
    }
    placements
}

/// Where the volume of a claim will be, by whatever decides that.
fn volume_or_class(
    world: &World,
    spec: &ClaimSpec,
    selected_node: Option<&str>,
    field: &str,
    asking: Asking,
    placement: impl Fn(String, Places, Flexibility) -> Placement,
) -> Placement {
    if let Some(name) = spec.volume_name.as_deref().filter(|name| !name.is_empty()) {
        let unknown = || Places::unknown(format!("volume {name} is not known"));
        let places = world.volume(name).cloned().unwrap_or_else(unknown);
        return placement(format!("{field}.volumeName"), places, Flexibility::Fixed);
    }
    let wanted = spec.storage_class_name.as_deref();
    // No driver makes a volume for a selector: the claim takes one that exists, and which one nobody can tell.
    if spec.has_selector && wanted.is_none_or(str::is_empty) {
        let places = Places::unknown("it selects any volume with these labels");
        return placement(format!("{field}.selector"), places, Flexibility::Fixed);
    }
    let (places, with_pod) = match (world.wanted_class(wanted), wanted) {
        (Some(class), _) => (class.places.clone(), class.with_pod),
        (None, None) => (Places::unknown("it names no storage class, and there is no default class"), false),
        (None, Some("")) => (Places::unknown("it waits for any volume without a class"), false),
        (None, Some(name)) => (Places::unknown(format!("storage class {name} is not known")), false),
    };
    let field = if spec.has_annotated_class {
        format!("{}metadata.annotations[\"{CLASS_ANNOTATION}\"]", field.strip_suffix("spec").unwrap_or_default())
    } else {
        format!("{field}.storageClassName")
    };
    // The scheduler has chosen: the volume will be made where this node is.
    if let Some(node) = selected_node.filter(|_| with_pod) {
        let there = world.node(node);
        let places =
            if there.countries.intersection(&places.countries).is_empty() { places } else { places.and(there) };
        return placement(field, places, Flexibility::Fixed);
    }
    let alternatives = match asking {
        Asking::New if !spec.has_annotated_class => world.classes().map(alternative).collect(),
        Asking::New | Asking::Existing => Vec::new(),
    };
    placement(field, places, Flexibility::Choice { with_pod, alternatives })
}

fn alternative(class: &ClassPlaces) -> Alternative {
    Alternative { name: class.name.clone(), places: class.places.clone(), with_pod: class.with_pod }
}

/// Whether a pod that mounts a claim of this state decides by itself where the claim's data will rest.
pub fn decided_by_pod(world: &World, class: Option<&str>, volume: Option<&str>) -> bool {
    if volume.is_some_and(|name| !name.is_empty()) {
        return false;
    }
    let nowhere = CountrySet::EMPTY;
    world.wanted_class(class).is_none_or(|class| class.with_pod && class.places.countries != nowhere)
}
