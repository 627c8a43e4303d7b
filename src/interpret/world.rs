//! The world at one moment, as admission, audit and the command line read it. Immutable; made by the index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
use super::resource::{self, Interpreters, Resources};
use super::scope::{Labels, NamespaceScope};

/// A pod that exists, as far as it says whose data it holds: what is judged when somebody reaches into it, or binds it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldPod {
    /// Its labels.
    pub labels: Labels,
    /// Its specification.
    pub spec: PodSpec,
    /// Kind and name of what made it; itself where nothing did.
    pub maker: (String, String),
}

/// Pods of one namespace, by name.
pub type HeldPods = BTreeMap<String, Arc<HeldPod>>;

/// One immutable snapshot of everything that a decision reads.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The book of law.
    pub lawbook: Arc<Lawbook>,
    /// The owner's rules.
    pub policies: Arc<Policies>,
    /// What law and rules were read from.
    pub basis: Arc<Basis>,
    /// What names mean.
    pub gazetteer: Arc<Gazetteer>,
    /// The nodes.
    pub nodes: Arc<NodeMap>,
    /// Storage classes by name.
    pub classes: Arc<Vec<ClassPlaces>>,
    /// Name of the class that claims get which name none.
    pub default_class: Option<String>,
    /// What volume attributes classes say about places, by name; none: nothing.
    pub attributes: Arc<BTreeMap<String, Option<Places>>>,
    /// Where volumes lie, by name.
    pub volumes: Arc<BTreeMap<String, Places>>,
    /// Names of volumes that no claim holds.
    pub free_volumes: Arc<BTreeSet<String>>,
    /// What teaches resource types.
    pub interpreters: Arc<Interpreters>,
    /// Objects of those types.
    pub resources: Arc<Resources>,
    /// Namespaces by name.
    pub namespaces: Arc<BTreeMap<String, Arc<NamespaceScope>>>,
    /// Pods that may hold data: those of namespaces that hold any, and those that carry an origin label.
    pub pods: Arc<BTreeMap<String, Arc<HeldPods>>>,
    /// From when on the snapshot no longer holds by itself, since a claim that data is no longer personal ends.
    pub valid_until: Option<Timestamp>,
}

impl World {
    /// The pod of this name, where it may hold data.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&HeldPod> {
        self.pods.get(namespace)?.get(name).map(|pod| &**pod)
    }

    /// The data of the store of this name, with every inherited origin.
    pub fn store(&self, namespace: &str, name: &str) -> Option<&Data> {
        let is = |via: &Source| matches!(via, Source::Store(_, store) if store == name);
        let scope = self.namespaces.get(namespace)?;
        scope.stores.iter().map(|store| &*store.data).find(|data| is(&data.via))
    }

    /// The store of this name before the law.
    pub fn store_matter(&self, namespace: &str, name: &str) -> Option<&Matter> {
        let is = |via: &Source| matches!(via, Source::Store(_, store) if store == name);
        let scope = self.namespaces.get(namespace)?;
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
        Some(resource::data(self, self.resources.find(&key)?))
    }

    /// The storage class of this name.
    pub fn class(&self, name: &str) -> Option<&ClassPlaces> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The class that a claim asks for: the default class where it names none.
    pub fn wanted_class(&self, name: Option<&str>) -> Option<&ClassPlaces> {
        self.class(name.or(self.default_class.as_deref())?)
    }
}
