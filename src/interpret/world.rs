//! The world at one moment, as admission, audit and the command line read it. Immutable; made by the index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use immutable_chunkmap::map::Map;
use jiff::Timestamp;

use crate::engine::data::{Data, Source};
use crate::engine::gazetteer::Gazetteer;
use crate::engine::law::matter::Matter;
use crate::engine::lawbook::Lawbook;
use crate::engine::node::NodeMap;
use crate::engine::place::Places;
use crate::engine::policy::Policies;

use super::basis::Basis;
use super::claim::ClassPlaces;
use super::objects::PodSpec;
use super::pod::PodView;
use super::reads::{Read, Reads};
use super::resource::{self, Interpreters, Resource, Resources};
use super::scope::{Labels, NamespaceScope};

/// A pod that exists, as far as it says whose data it holds: what is judged when somebody reaches into it, or binds it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldPod {
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Its specification, without the node.
    pub spec: Arc<PodSpec>,
    /// The node to which it is bound.
    pub node: Option<Box<str>>,
    /// Kind and name of what made it; itself where nothing did.
    pub maker: Arc<(String, String)>,
}

impl HeldPod {
    /// What is kept of a pod.
    pub fn new(labels: Labels, mut spec: PodSpec, maker: (String, String)) -> Self {
        let node = spec.node_name.take().filter(|node| !node.is_empty()).map(String::into_boxed_str);
        Self { labels: Arc::new(labels), spec: Arc::new(spec), node, maker: Arc::new(maker) }
    }

    /// Has what is equal only once: pods of one workload say the same of themselves.
    pub fn share_with(&mut self, other: &Self) {
        fn share<T: PartialEq>(own: &mut Arc<T>, other: &Arc<T>) {
            if own == other {
                own.clone_from(other);
            }
        }
        share(&mut self.labels, &other.labels);
        share(&mut self.spec, &other.spec);
        share(&mut self.maker, &other.maker);
    }

    /// To judge it.
    pub fn view(&self) -> PodView<'_> {
        PodView { labels: &self.labels, spec: &self.spec, node: self.node.as_deref(), path: "spec", made: &[] }
    }
}

/// Pods of one namespace, by name. A snapshot is made for each change, so that it shares names as well.
pub type HeldPods = BTreeMap<Arc<str>, Arc<HeldPod>>;

/// The same by namespace. Pods change all the time, and each change makes a snapshot: this one shares with the last what is
/// as it was.
pub type HeldByNamespace = Map<Arc<str>, Arc<HeldPods>, 32>;

/// One immutable snapshot of everything that a decision reads.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The book of law.
    pub lawbook: Arc<Lawbook>,
    /// The owner's rules.
    pub policies: Arc<Policies>,
    /// What law and rules were read from.
    pub basis: Arc<Basis>,
    /// What teaches resource types.
    pub interpreters: Arc<Interpreters>,
    /// Pods that may hold data: those of namespaces that hold any, and those that carry an origin label.
    pub pods: HeldByNamespace,
    /// From when on the snapshot no longer holds by itself, since a claim that data is no longer personal ends.
    pub valid_until: Option<Timestamp>,
    surroundings: Surroundings,
    reads: Reads,
}

/// What objects are judged by beside law and rules. A judgement looks at it through the [`World`], which can say what it has
/// looked at.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// What names mean.
    pub gazetteer: Arc<Gazetteer>,
    /// The nodes.
    pub nodes: Arc<NodeMap>,
    /// Storage classes by name.
    pub classes: Arc<BTreeMap<String, ClassPlaces>>,
    /// Name of the class that claims get which name none.
    pub default_class: Option<String>,
    /// What volume attributes classes say about places, by name; none: nothing.
    pub attributes: Arc<BTreeMap<String, Option<Places>>>,
    /// Where volumes lie, by name.
    pub volumes: Arc<BTreeMap<String, Places>>,
    /// Names of volumes that no claim holds.
    pub free_volumes: Arc<BTreeSet<String>>,
    /// Objects of interpreted types.
    pub resources: Arc<Resources>,
    /// Namespaces by name.
    pub namespaces: Arc<BTreeMap<String, Arc<NamespaceScope>>>,
}

/// What declarations rest on, without what runs. Whatever is shared is replaced when it changes, not changed in place.
#[derive(Debug, Clone, Default)]
pub struct Ground {
    /// The book of law.
    pub lawbook: Arc<Lawbook>,
    /// The owner's rules.
    pub policies: Arc<Policies>,
    gazetteer: Arc<Gazetteer>,
    nodes: Arc<NodeMap>,
    namespaces: Arc<BTreeMap<String, Arc<NamespaceScope>>>,
    valid_until: Option<Timestamp>,
}

impl Ground {
    /// Whether law and rules are the same, by which everything is judged.
    pub fn is_same_law(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lawbook, &other.lawbook) && Arc::ptr_eq(&self.policies, &other.policies)
    }

    /// Whether all of it is the same.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.is_same_law(other)
            && self.valid_until == other.valid_until
            && Arc::ptr_eq(&self.gazetteer, &other.gazetteer)
            && Arc::ptr_eq(&self.nodes, &other.nodes)
            && Arc::ptr_eq(&self.namespaces, &other.namespaces)
    }
}

impl World {
    /// What declarations rest on.
    pub fn ground(&self) -> Ground {
        let around = &self.surroundings;
        Ground {
            lawbook: self.lawbook.clone(),
            policies: self.policies.clone(),
            gazetteer: around.gazetteer.clone(),
            nodes: around.nodes.clone(),
            namespaces: around.namespaces.clone(),
            valid_until: self.valid_until,
        }
    }

    /// All of it, for whoever does not judge.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The same, to change it.
    pub fn surroundings_mut(&mut self) -> &mut Surroundings {
        &mut self.surroundings
    }

    /// The same world, noting what is read.
    #[must_use]
    pub fn noting(&self) -> Self {
        Self { reads: Reads::begin(), ..self.clone() }
    }

    /// What was read since.
    pub fn take_reads(&self) -> BTreeSet<Read> {
        self.reads.take()
    }

    /// What names mean.
    pub fn gazetteer(&self) -> &Gazetteer {
        self.reads.note(|| Read::Names);
        &self.surroundings.gazetteer
    }

    /// What labels of nodes mean.
    pub fn nodes(&self) -> &NodeMap {
        self.reads.note(|| Read::Nodes);
        &self.surroundings.nodes
    }

    /// Where the node of this name is.
    pub fn node(&self, name: &str) -> Places {
        self.reads.note(|| Read::Node(name.to_owned()));
        self.surroundings.nodes.node(name)
    }

    /// Where the volume of this name lies, if it is known.
    pub fn volume(&self, name: &str) -> Option<&Places> {
        self.reads.note(|| Read::Volume(name.to_owned()));
        self.surroundings.volumes.get(name)
    }

    /// What the volume attributes class of this name says about places, if it is known.
    pub fn attributes(&self, name: &str) -> Option<&Option<Places>> {
        self.reads.note(|| Read::Attributes(name.to_owned()));
        self.surroundings.attributes.get(name)
    }

    /// Every storage class.
    pub fn classes(&self) -> impl Iterator<Item = &ClassPlaces> {
        self.reads.note(|| Read::Classes);
        self.surroundings.classes.values()
    }

    /// The namespace of this name.
    pub fn namespace(&self, name: &str) -> Option<&NamespaceScope> {
        self.reads.note(|| Read::Namespace(name.to_owned()));
        self.surroundings.namespaces.get(name).map(|scope| &**scope)
    }

    /// Every namespace.
    pub fn namespaces(&self) -> impl Iterator<Item = &NamespaceScope> {
        self.reads.note(|| Read::Namespaces);
        self.surroundings.namespaces.values().map(|scope| &**scope)
    }

    /// The object of an interpreted type of exactly this name.
    pub fn resource(&self, key: &resource::Key) -> Option<&Resource> {
        self.reads.note(|| Read::Object(key.clone()));
        self.surroundings.resources.get(key)
    }

    /// The same, also if it turns out to be cluster-scoped.
    pub fn find_resource(&self, key: &resource::Key) -> Option<&Resource> {
        let anywhere = || resource::Key { namespace: String::new(), ..key.clone() };
        self.resource(key).or_else(|| self.resource(&anywhere()))
    }

    /// Objects of a kind that are meant in a namespace by those that name none.
    pub fn default_resources<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Resource> {
        self.reads.note(|| Read::Kind(group.to_owned(), kind.to_owned()));
        self.surroundings.resources.defaults(group, kind, namespace)
    }

    /// Objects that stand for clusters.
    pub fn clusters(&self) -> impl Iterator<Item = &Resource> {
        self.reads.note(|| Read::Clusters);
        self.surroundings.resources.clusters()
    }

    /// Slices of a service.
    pub fn slices<'a>(&'a self, namespace: &'a str, service: &'a str) -> impl Iterator<Item = &'a Resource> {
        let (group, kind) = resource::SLICE;
        self.reads.note(|| Read::Near(group.to_owned(), kind.to_owned(), namespace.to_owned()));
        self.surroundings.resources.slices(namespace, service)
    }

    /// The pod of this name, where it may hold data.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&HeldPod> {
        self.pods.get(namespace)?.get(name).map(|pod| &**pod)
    }

    /// The data of the store of this name, with every inherited origin.
    pub fn store(&self, namespace: &str, name: &str) -> Option<&Data> {
        let is = |via: &Source| matches!(via, Source::Store(_, store) if store == name);
        let scope = self.namespace(namespace)?;
        scope.stores.iter().map(|store| &*store.data).find(|data| is(&data.via))
    }

    /// The store of this name before the law.
    pub fn store_matter(&self, namespace: &str, name: &str) -> Option<&Matter> {
        let is = |via: &Source| matches!(via, Source::Store(_, store) if store == name);
        let scope = self.namespace(namespace)?;
        scope.stores.iter().find(|store| is(&store.data.via))?.matter.as_deref()
    }

    /// Whether there is a store of this name.
    pub fn has_store(&self, namespace: &str, name: &str) -> bool {
        self.store(namespace, name).is_some()
    }

    /// Whose data an object of a kind other than claims holds, which claims can be filled from: snapshots, images and the
    /// like. None: that is not known, and the asker assumes the worst.
    pub fn data_of(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<Vec<Arc<Data>>> {
        let key = resource::Key {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Some(resource::data(self, self.find_resource(&key)?))
    }

    /// The storage class of this name.
    pub fn class(&self, name: &str) -> Option<&ClassPlaces> {
        self.reads.note(|| Read::Class(name.to_owned()));
        self.surroundings.classes.get(name)
    }

    /// The class that a claim asks for: the default class where it names none.
    pub fn wanted_class(&self, name: Option<&str>) -> Option<&ClassPlaces> {
        let default = || {
            self.reads.note(|| Read::DefaultClass);
            self.surroundings.default_class.as_deref()
        };
        self.class(name.or_else(default)?)
    }
}
