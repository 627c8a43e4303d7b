//! What a judgement has read of the world, so that only a change of that makes somebody judge again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::resource::Key;
use super::world::Surroundings;

/// One thing that was looked up, whether it was there or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// What any name means: one look-up asks many parts of the gazetteer.
    Names,
    /// The node of this name.
    Node(String),
    /// What labels of nodes mean, which any node may change.
    Nodes,
    /// The volume of this name.
    Volume(String),
    /// The storage class of this name.
    Class(String),
    /// Which class is taken by those that name none.
    DefaultClass,
    /// Every storage class.
    Classes,
    /// The volume attributes class of this name.
    Attributes(String),
    /// The namespace of this name, with its stores, flows and claims.
    Namespace(String),
    /// Every namespace.
    Namespaces,
    /// This object of an interpreted type.
    Object(Key),
    /// Every object of a group and kind.
    Kind(String, String),
    /// Every object of a group and kind in a namespace.
    Near(String, String, String),
    /// Which objects stand for clusters, and what they say.
    Clusters,
}

/// Notes what is read, where somebody wants to know.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads(Option<Arc<Mutex<BTreeSet<Read>>>>);

impl Reads {
    /// Begins to note.
    pub fn begin() -> Self {
        Self(Some(Arc::default()))
    }

    /// Notes one; made only where somebody wants to know.
    pub fn note(&self, read: impl FnOnce() -> Read) {
        if let Some(all) = &self.0 {
            all.lock().unwrap_or_else(PoisonError::into_inner).insert(read());
        }
    }

    /// Everything that was noted.
    pub fn take(&self) -> BTreeSet<Read> {
        let all = self.0.as_ref().map(|all| std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner)));
        all.unwrap_or_default()
    }
}

/// What reads differently in one than in the other.
pub fn changed(before: &Surroundings, now: &Surroundings) -> BTreeSet<Read> {
    let mut all = BTreeSet::new();
    if !Arc::ptr_eq(&before.gazetteer, &now.gazetteer) {
        all.insert(Read::Names);
    }
    if !Arc::ptr_eq(&before.nodes, &now.nodes) && before.nodes != now.nodes {
        all.insert(Read::Nodes);
        let nodes = differing(before.nodes.places(), now.nodes.places(), PartialEq::eq);
        all.extend(nodes.cloned().map(Read::Node));
    }
    if !Arc::ptr_eq(&before.volumes, &now.volumes) {
        all.extend(differing(&before.volumes, &now.volumes, PartialEq::eq).cloned().map(Read::Volume));
    }
    if !Arc::ptr_eq(&before.classes, &now.classes) {
        let classes = differing(&before.classes, &now.classes, PartialEq::eq);
        all.extend(classes.cloned().map(Read::Class));
    }
    if before.default_class != now.default_class {
        all.insert(Read::DefaultClass);
    }
    if all.iter().any(|one| matches!(one, Read::Class(_) | Read::DefaultClass)) {
        all.insert(Read::Classes);
    }
    if !Arc::ptr_eq(&before.attributes, &now.attributes) {
        let attributes = differing(&before.attributes, &now.attributes, PartialEq::eq);
        all.extend(attributes.cloned().map(Read::Attributes));
    }
    if !Arc::ptr_eq(&before.namespaces, &now.namespaces) {
        // A namespace that was not rebuilt is the same one.
        let namespaces = differing(&before.namespaces, &now.namespaces, Arc::ptr_eq);
        all.extend(namespaces.cloned().map(Read::Namespace));
        if all.iter().any(|one| matches!(one, Read::Namespace(_))) {
            all.insert(Read::Namespaces);
        }
    }
    if !Arc::ptr_eq(&before.resources, &now.resources) {
        for key in now.resources.differing(&before.resources) {
            let Key { group, kind, namespace, .. } = key;
            all.insert(Read::Kind(group.clone(), kind.clone()));
            all.insert(Read::Near(group.clone(), kind.clone(), namespace.clone()));
            if before.resources.is_cluster(key) || now.resources.is_cluster(key) {
                all.insert(Read::Clusters);
            }
            all.insert(Read::Object(key.clone()));
        }
    }
    all
}

/// Keys under which two maps hold something else.
pub(super) fn differing<'a, K: Ord, V>(
    one: &'a BTreeMap<K, V>,
    other: &'a BTreeMap<K, V>,
    same: impl Fn(&V, &V) -> bool + 'a,
) -> impl Iterator<Item = &'a K> {
    let fresh = one.iter().filter(move |(key, value)| !other.get(key).is_some_and(|other| same(value, other)));
    fresh.map(|(key, _)| key).chain(other.keys().filter(|key| !one.contains_key(key)))
}
