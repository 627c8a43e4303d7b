//! What comes in: objects as the watches, admissions and files show them, and which parts of the snapshot that makes stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;

use super::{FlowState, Index, Kind, Name, NamespaceState, NodeState, Object, StoreState, touching};
use crate::api::v1alpha1::{
    DataFlow, DataFlowStatus, DataStore, DataStoreStatus, ResidencyException, ResourceInterpreter,
};
use crate::compile;
use crate::engine::country::CountrySet;
use crate::engine::node::{self, COUNTRY_LABEL, NodeFacts};
use crate::interpret::objects::{Claim, Node, ObjectName};
use crate::interpret::read;
use crate::interpret::resource::{self, Interpreters};
use crate::interpret::room::Room;
use crate::interpret::scope::ClaimState;
use crate::interpret::source;

impl Index {
    /// Notes an object as it is now. Whether that changes anything that anybody looks at: nodes, for one, are written
    /// every few minutes without saying anything new.
    pub fn apply(&mut self, object: Object) -> bool {
        match object {
            Object::Bloc(bloc) => keep(&mut self.blocs, bloc, |old, new| old.spec == new.spec, &mut self.stale.law),
            Object::Jurisdiction(law) => {
                keep(&mut self.jurisdictions, law, |old, new| old.spec == new.spec, &mut self.stale.law)
            }
            Object::TransferMechanism(mechanism) => {
                keep(&mut self.mechanisms, mechanism, |old, new| old.spec == new.spec, &mut self.stale.law)
            }
            Object::Location(location) => {
                keep(&mut self.locations, location, |old, new| old.spec == new.spec, &mut self.stale.places)
            }
            Object::Provider(provider) => {
                keep(&mut self.providers, provider, |old, new| old.spec == new.spec, &mut self.stale.places)
            }
            Object::ResidencyPolicy(policy) => {
                let old = self.policies.get(&policy.name_any());
                let changed = old.is_none_or(|old| old.spec != policy.spec || old.status != policy.status);
                self.stale.policies |= old.is_none_or(|old| old.spec != policy.spec);
                self.policies.insert(policy.name_any(), policy);
                changed
            }
            Object::ResidencyException(exception) => self.apply_exception(exception),
            Object::DataStore(store) => self.apply_store(store),
            Object::DataFlow(flow) => self.apply_flow(flow),
            Object::Namespace(namespace) => {
                let name = namespace.name_any();
                let state = NamespaceState::of(&namespace);
                let changed = self.namespaces.get(&name) != Some(&state);
                if changed {
                    self.namespaces.insert(name.clone(), state);
                    self.stale_namespaces.insert(name);
                }
                changed
            }
            Object::Node(node) => self.apply_node(node),
            Object::ResourceInterpreter(interpreter) => self.apply_interpreter(&interpreter),
            Object::Other(object) => self.apply_other(&object),
            Object::StorageClass(class) => keep(&mut self.classes, class, PartialEq::eq, &mut self.stale.storage),
            Object::Volume(volume) => keep(&mut self.volumes, volume, PartialEq::eq, &mut self.stale.storage),
            Object::VolumeAttributesClass(class) => {
                keep(&mut self.attributes_classes, class, PartialEq::eq, &mut self.stale.storage)
            }
            Object::Claim(claim) => self.apply_claim(claim),
            Object::Pod(pod) => self.apply_pod(pod),
            Object::Template(template) => {
                let key = (template.namespace.clone(), template.kind.clone(), template.name.clone());
                self.stale_lineage.pods.insert(key.clone());
                self.templates.insert(key, template);
                true
            }
        }
    }

    /// Notes an object that was just admitted, before it is stored. Until a watch shows it, it only makes verdicts stricter.
    pub fn anticipate(&mut self, object: Object) {
        let flow = match &object {
            Object::DataFlow(flow) => Some((flow.namespace().unwrap_or_default(), flow.name_any())),
            _ => None,
        };
        let fresh = flow.filter(|name| !self.flows.contains_key(name));
        self.apply(object);
        if let Some(flow) = fresh.and_then(|name| self.flows.get_mut(&name)) {
            flow.anticipated = true;
        }
    }

    /// Of the status only the approval decides anything.
    fn apply_exception(&mut self, exception: ResidencyException) -> bool {
        let name = (exception.namespace().unwrap_or_default(), exception.name_any());
        let decides = |one: &ResidencyException| {
            let approval = one.status.as_ref().and_then(|status| status.approval.clone());
            (one.spec.clone(), approval, one.metadata.generation)
        };
        let old = self.exceptions.get(&name);
        self.stale.policies |= old.is_none_or(|old| decides(old) != decides(&exception));
        let changed = old.is_none_or(|old| old.spec != exception.spec || old.status != exception.status);
        self.exceptions.insert(name, exception);
        changed
    }

    fn apply_store(&mut self, store: DataStore) -> bool {
        let name = (store.namespace().unwrap_or_default(), store.name_any());
        let old = self.stores.get(&name).map(|old| &old.object);
        let changed = old.is_none_or(|old| old.spec != store.spec || old.status != store.status);
        if old.is_none_or(|old| old.spec != store.spec) {
            self.stale_lineage.stores.insert(name.clone());
            self.stale_namespaces.insert(name.0.clone());
        }
        let members =
            |store: &DataStore| (store.spec.workloads.clone(), store.spec.claims.clone(), store.spec.secrets.clone());
        if old.is_none_or(|old| members(old) != members(&store)) {
            self.stale_lineage.namespaces.insert(name.0.clone());
        }
        let (origins, problems) = match read::store(&store.spec) {
            Ok(origins) => (origins, Vec::new()),
            Err(problems) => (CountrySet::EMPTY, problems),
        };
        self.stores.insert(name, StoreState { object: Arc::new(store), origins, problems });
        changed
    }

    fn apply_flow(&mut self, flow: DataFlow) -> bool {
        let name = (flow.namespace().unwrap_or_default(), flow.name_any());
        let old = self.flows.get(&name);
        let changed = old.is_none_or(|old| old.object.spec != flow.spec || old.object.status != flow.status);
        let arrived = old.is_some_and(|old| old.anticipated);
        let before = old.filter(|old| old.object.spec == flow.spec);
        if before.is_none() || arrived {
            self.stale_lineage.flows.insert(name.clone());
        }
        // What is new is looked at by the refresh that follows; what is not keeps what the last one found.
        let personal = before.is_none_or(|old| old.personal);
        let (reading, problems) = match read::flow(&flow.spec) {
            Ok(reading) => (Some(reading), Vec::new()),
            Err(problems) => (None, problems),
        };
        self.flows.insert(name, FlowState { object: Arc::new(flow), reading, problems, personal, anticipated: false });
        changed || arrived
    }

    fn apply_node(&mut self, node: Node) -> bool {
        let room = Room::of(&node);
        let Node { metadata, spec, status: _ } = node;
        let mut labels = metadata.labels.unwrap_or_default();
        // The operator's own label is its answer, never its evidence.
        let label = labels.remove(COUNTRY_LABEL);
        let name = metadata.name.unwrap_or_default();
        let facts = NodeFacts { name: name.clone(), provider_id: spec.provider_id, labels };
        match self.nodes.get_mut(&name) {
            Some(known) if known.facts == facts => {
                let changed = known.label != label;
                known.label = label;
                known.room = room;
                self.nodes_anew += u64::from(changed);
                changed
            }
            _ => {
                // Located at once: whoever looks before the next refresh must not see a doubt that nobody has.
                let located = node::locate(&facts, self.world.gazetteer());
                self.nodes.insert(name, NodeState { facts, label, located, room });
                self.stale.nodes = true;
                self.nodes_anew += 1;
                true
            }
        }
    }

    /// What cannot be compiled leaves what was known before: admission has refused it.
    fn apply_interpreter(&mut self, interpreter: &ResourceInterpreter) -> bool {
        let name = interpreter.name_any();
        if self.own_interpreters.get(&name).is_some_and(|known| known.spec == interpreter.spec) {
            return false;
        }
        let Ok(compiled) = resource::compile(&name, &interpreter.spec) else { return false };
        self.own_interpreters.insert(name, Arc::new(compiled));
        self.gather_interpreters();
        true
    }

    fn gather_interpreters(&mut self) {
        let mut all = Interpreters::default();
        let own = self.own_interpreters.values();
        let builtin = self.builtin.interpreters.iter().filter(|one| !self.own_interpreters.contains_key(&one.name));
        builtin.chain(own).for_each(|one| all.add(one.clone()));
        self.interpreters = Arc::new(all);
        self.stale.resources = true;
    }

    fn apply_other(&mut self, object: &serde_json::Value) -> bool {
        if compile::is_generated(object) {
            return false;
        }
        let text = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let Some(resource) = resource::read(&self.interpreters, object, namespace, name) else { return false };
        let of = self.interpreters.of(&resource.key.group, &resource.key.kind);
        let stands_for_cluster = of.iter().any(|one| one.spec.stands_for_cluster);
        let changed = Arc::make_mut(&mut self.resources).insert(resource, stands_for_cluster);
        self.stale.resources |= changed;
        changed
    }

    /// Forgets every object of an interpreted type but these.
    pub fn retain_others(&mut self, group: &str, kind: &str, present: &BTreeSet<resource::Key>) {
        let gone: Vec<resource::Key> = self
            .resources
            .of_kind(group, kind)
            .map(|one| &one.key)
            .filter(|key| !present.contains(key))
            .cloned()
            .collect();
        for key in gone {
            self.delete_other(&key);
        }
    }

    /// Forgets an object of an interpreted type.
    pub fn delete_other(&mut self, key: &resource::Key) {
        self.stale.resources |= Arc::make_mut(&mut self.resources).remove(key);
    }

    fn apply_claim(&mut self, claim: Claim) -> bool {
        let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
        let state = ClaimState {
            uid: claim.metadata.uid.unwrap_or_default().into_boxed_str(),
            labels: claim.metadata.labels.unwrap_or_default(),
            sources: source::of(&claim.spec),
            class: claim.spec.storage_class_name,
            volume: claim.spec.volume_name,
            has_selector: claim.spec.has_selector,
            attributes: claim.spec.volume_attributes_class_name,
        };
        let claims = self.claims.entry(namespace.clone()).or_default();
        let changed = claims.get(&name) != Some(&state);
        if changed {
            if claims.get(&name).is_none_or(|old| old.labels != state.labels) {
                self.stale_lineage.claims.insert((namespace.clone(), name.clone()));
            }
            let foreign = |source: &ObjectName| source.namespace.as_deref().is_some_and(|space| !space.is_empty());
            if state.sources.iter().any(foreign) {
                self.foreign_clones.insert((namespace.clone(), name.clone()));
            }
            Arc::make_mut(claims).insert(name, state);
            self.stale_namespaces.insert(namespace);
        }
        changed
    }

    /// Forgets an object.
    pub fn delete(&mut self, kind: Kind, namespace: &str, name: &str) {
        let key = || (namespace.to_owned(), name.to_owned());
        match kind {
            Kind::Bloc => self.stale.law |= self.blocs.remove(name).is_some(),
            Kind::Jurisdiction => self.stale.law |= self.jurisdictions.remove(name).is_some(),
            Kind::ResourceInterpreter => {
                if self.own_interpreters.remove(name).is_some() {
                    self.gather_interpreters();
                }
            }
            Kind::TransferMechanism => self.stale.law |= self.mechanisms.remove(name).is_some(),
            Kind::Location => self.stale.places |= self.locations.remove(name).is_some(),
            Kind::Provider => self.stale.places |= self.providers.remove(name).is_some(),
            Kind::ResidencyPolicy => self.stale.policies |= self.policies.remove(name).is_some(),
            Kind::ResidencyException => self.stale.policies |= self.exceptions.remove(&key()).is_some(),
            Kind::DataStore => {
                if self.stores.remove(&key()).is_some() {
                    self.stale_lineage.stores.insert(key());
                    self.stale_lineage.namespaces.insert(namespace.to_owned());
                    self.stale_namespaces.insert(namespace.to_owned());
                }
            }
            Kind::DataFlow => {
                if self.flows.remove(&key()).is_some() {
                    self.stale_lineage.flows.insert(key());
                }
            }
            Kind::Node => {
                if self.nodes.remove(name).is_some() {
                    self.stale.nodes = true;
                    self.nodes_anew += 1;
                }
            }
            Kind::StorageClass => self.stale.storage |= self.classes.remove(name).is_some(),
            Kind::Volume => self.stale.storage |= self.volumes.remove(name).is_some(),
            Kind::VolumeAttributesClass => {
                self.stale.storage |= self.attributes_classes.remove(name).is_some();
            }
            Kind::Namespace => {
                self.namespaces.remove(name);
                self.stale_namespaces.insert(name.to_owned());
            }
            Kind::Claim => {
                if let Some(claims) = self.claims.get_mut(namespace) {
                    Arc::make_mut(claims).remove(name);
                    self.stale_lineage.claims.insert(key());
                    self.foreign_clones.remove(&key());
                    self.stale_namespaces.insert(namespace.to_owned());
                }
            }
            Kind::Pod => {
                if self.pods.remove(namespace, name).is_some() {
                    self.stale_lineage.pods.insert(touching::pod(namespace, name));
                    self.stale_pods.insert(namespace.to_owned());
                    self.memo.pods_of(namespace);
                }
            }
        }
    }

    /// Notes a status that was just written, so that its echo on the watch tells nothing new.
    pub fn note_flow_status(&mut self, name: &Name, status: &DataFlowStatus) {
        if let Some(flow) = self.flows.get_mut(name) {
            Arc::make_mut(&mut flow.object).status = Some(status.clone());
        }
    }

    /// The same for a store.
    pub fn note_store_status(&mut self, name: &Name, status: &DataStoreStatus) {
        if let Some(store) = self.stores.get_mut(name) {
            Arc::make_mut(&mut store.object).status = Some(status.clone());
        }
    }

    /// Forgets an object that was noted when it was admitted and that no watch has ever shown.
    pub fn forget_anticipated(&mut self, kind: Kind, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        let metadata = match kind {
            Kind::DataStore => self.stores.get(&key).map(|store| &store.object.metadata),
            Kind::DataFlow => self.flows.get(&key).map(|flow| &flow.object.metadata),
            Kind::ResidencyPolicy => self.policies.get(name).map(|policy| &policy.metadata),
            _ => None,
        };
        // The API server gives a version to what it stores; what was only admitted has none.
        if metadata.is_some_and(|metadata| metadata.resource_version.is_none()) {
            self.delete(kind, namespace, name);
        }
    }

    /// Forgets every object of a kind that is not among `present`: what a fresh list no longer shows.
    pub fn retain(&mut self, kind: Kind, present: &BTreeSet<Name>) {
        let cluster = |names: Vec<&String>| names.into_iter().map(|name| (String::new(), name.clone())).collect();
        let known: Vec<Name> = match kind {
            Kind::Bloc => cluster(self.blocs.keys().collect()),
            Kind::Jurisdiction => cluster(self.jurisdictions.keys().collect()),
            Kind::TransferMechanism => cluster(self.mechanisms.keys().collect()),
            Kind::Location => cluster(self.locations.keys().collect()),
            Kind::Provider => cluster(self.providers.keys().collect()),
            Kind::ResidencyPolicy => cluster(self.policies.keys().collect()),
            Kind::ResourceInterpreter => cluster(self.own_interpreters.keys().collect()),
            Kind::Namespace => cluster(self.namespaces.keys().collect()),
            Kind::Node => cluster(self.nodes.keys().collect()),
            Kind::StorageClass => cluster(self.classes.keys().collect()),
            Kind::Volume => cluster(self.volumes.keys().collect()),
            Kind::VolumeAttributesClass => cluster(self.attributes_classes.keys().collect()),
            Kind::DataStore => self.stores.keys().cloned().collect(),
            Kind::DataFlow => self.flows.keys().cloned().collect(),
            Kind::ResidencyException => self.exceptions.keys().cloned().collect(),
            Kind::Pod => self.pods.names().collect(),
            Kind::Claim => {
                let claims = self.claims.iter();
                claims.flat_map(|(space, names)| names.keys().map(|name| (space.clone(), name.clone()))).collect()
            }
        };
        for (namespace, name) in known.into_iter().filter(|name| !present.contains(name)) {
            self.delete(kind, &namespace, &name);
        }
    }
}

/// Keeps an object by its name; where it says something else than the one before, what is made of it is stale.
fn keep<K: ResourceExt>(
    all: &mut BTreeMap<String, K>,
    object: K,
    says_the_same: impl Fn(&K, &K) -> bool,
    stale: &mut bool,
) -> bool {
    let name = object.name_any();
    let changed = all.get(&name).is_none_or(|old| !says_the_same(old, &object));
    all.insert(name, object);
    *stale |= changed;
    changed
}
