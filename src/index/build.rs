//! Rebuilds what is stale, in the order in which one part depends on another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{Index, Name, Stale};
use crate::api::v1alpha1::{DataFlowSpec, ORIGIN_LABEL, ResidencyException, StoreReference};
use crate::engine::country::CountrySet;
use crate::engine::data::{Data, Source};
use crate::engine::gazetteer::Gazetteer;
use crate::engine::lawbook::Lawbook;
use crate::engine::node::{self, NodeMap};
use crate::engine::place::Places;
use crate::engine::policy::Policies;
use crate::evidence::digest::Digest;
use crate::interpret::basis::{Basis, OwnLaw, Rules};
use crate::interpret::objects::{StorageClass, Volume};
use crate::interpret::scope::{self, FlowScope, NamespaceScope, StoreScope};
use crate::interpret::world::{HeldPods, Surroundings, World};
use crate::interpret::{claim, read};

/// Keeps a name in a set that is shared, or keeps it out of it.
fn keep(set: &mut Arc<BTreeSet<String>>, name: String, holds: bool) {
    if holds == set.contains(&name) {
        return;
    }
    let set = Arc::make_mut(set);
    if holds {
        set.insert(name);
    } else {
        set.remove(&name);
    }
}

impl Index {
    /// Rebuilds what has changed and returns the snapshot; the same one if nothing has.
    pub fn refresh(&mut self, now: Timestamp) -> Arc<World> {
        let Stale { law, policies, places, nodes, storage, resources } = std::mem::take(&mut self.stale);
        let mut touched = std::mem::take(&mut self.stale_namespaces);
        self.settle(&mut touched, now);
        let policies = policies || self.prepared_until.is_some_and(|until| until <= now);
        let mut pods = std::mem::take(&mut self.stale_pods);
        let same = self.next_review() == self.world.valid_until && touched.is_empty() && pods.is_empty();
        if !(law || policies || places || nodes || storage || resources) && same {
            return self.world.clone();
        }
        let mut world = World::clone(&self.world);
        if law {
            world.lawbook = Arc::new(self.lawbook());
        }
        if law || policies {
            world.policies = Arc::new(self.read_policies().prepare(&world.lawbook, now));
            self.prepared_until = world.lawbook.next_change(now);
        }
        let around = world.surroundings_mut();
        if places {
            around.gazetteer = Arc::new(self.gazetteer());
            self.nodes_anew += 1;
            for node in self.nodes.values_mut() {
                node.located = node::locate(&node.facts, &around.gazetteer);
            }
        }
        // A node that is new or has changed was located when it was noted.
        if places || nodes {
            let located = self.nodes.values().map(|node| (&node.facts, &node.located));
            around.nodes = Arc::new(NodeMap::new(located, &around.gazetteer));
        }
        if places || nodes || storage {
            self.build_storage(around);
        }
        pods.extend(touched.iter().cloned());
        if !touched.is_empty() {
            let namespaces = Arc::make_mut(&mut around.namespaces);
            for name in touched {
                let protects = self.holds_declarations(&name);
                keep(&mut self.protected, name.clone(), protects);
                if self.namespaces.contains_key(&name) {
                    namespaces.insert(name.clone(), self.scope(&name));
                } else {
                    namespaces.remove(&name);
                }
            }
        }
        around.resources = self.resources.clone();
        self.hold_pods(&mut world, &pods);
        world.interpreters = self.interpreters.clone();
        world.valid_until = self.next_review();
        if law || policies || places {
            world.basis = Arc::new(self.basis((!places).then_some(world.basis.places)));
        }
        self.world = Arc::new(world);
        for name in pods {
            let holds = self.holds_pods_alone(&name);
            keep(&mut self.holding, name, holds);
        }
        self.world.clone()
    }

    /// Whether a namespace holds a store or a flow, or a claim that is filled from another namespace.
    fn holds_declarations(&self, namespace: &str) -> bool {
        let first = (namespace.to_owned(), String::new());
        let here = |next: Option<&Name>| next.is_some_and(|(space, _)| space == namespace);
        here(self.stores.range(&first..).next().map(|(name, _)| name))
            || here(self.flows.range(&first..).next().map(|(name, _)| name))
            || self.holds_foreign_clones(namespace)
    }

    /// Whether a claim of a namespace is filled from another one.
    fn holds_foreign_clones(&self, namespace: &str) -> bool {
        let first = (namespace.to_owned(), String::new());
        self.foreign_clones.range(&first..).next().is_some_and(|(space, _)| space == namespace)
    }

    /// Whether a namespace has pods that may hold data, and nothing else says so.
    fn holds_pods_alone(&self, namespace: &str) -> bool {
        !self.world.namespace(namespace).is_some_and(NamespaceScope::declares_data)
            && self.world.pods.get(namespace).is_some()
    }

    /// The law; an object of the cluster's own replaces the built-in one of its kind and name, unless it cannot be read.
    fn lawbook(&self) -> Lawbook {
        let own: Vec<_> =
            self.blocs.iter().filter_map(|(name, bloc)| Some((name.clone(), read::bloc(&bloc.spec).ok()?))).collect();
        let replaced: BTreeSet<&String> = own.iter().map(|(name, _)| name).collect();
        let builtin = self.builtin.blocs.iter().filter(|bloc| !replaced.contains(&bloc.name_any()));
        let builtin = builtin.filter_map(|bloc| read::bloc(&bloc.spec).ok()).collect::<Vec<_>>();
        let blocs = builtin.into_iter().chain(own.into_iter().map(|(_, bloc)| bloc));
        let mut jurisdictions = self.builtin_law.jurisdictions.clone();
        jurisdictions.extend(
            self.jurisdictions
                .iter()
                .filter_map(|(name, law)| Some((name.clone(), Arc::new(read::jurisdiction(&law.spec).ok()?)))),
        );
        let mut mechanisms = self.builtin_law.mechanisms.clone();
        mechanisms.extend(
            self.mechanisms
                .iter()
                .filter_map(|(name, one)| Some((name.clone(), Arc::new(read::mechanism(name, &one.spec).ok()?)))),
        );
        Lawbook::new(blocs, jurisdictions.into_values(), mechanisms.into_values())
    }

    /// What all of that was read from; `places` as they were, where they are the same.
    fn basis(&self, places: Option<Digest>) -> Basis {
        fn specs<K, S: Clone>(objects: &BTreeMap<String, K>, spec: impl Fn(&K) -> &S) -> BTreeMap<String, S> {
            objects.iter().map(|(name, object)| (name.clone(), spec(object).clone())).collect()
        }
        let excepted = self.approved().map(|one| {
            let name = format!("{}/{}", one.namespace().unwrap_or_default(), one.name_any());
            (name, one.spec.clone())
        });
        let rules = Rules { policies: specs(&self.policies, |policy| &policy.spec), exceptions: excepted.collect() };
        let law = OwnLaw {
            blocs: specs(&self.blocs, |bloc| &bloc.spec),
            jurisdictions: specs(&self.jurisdictions, |law| &law.spec),
            mechanisms: specs(&self.mechanisms, |mechanism| &mechanism.spec),
        };
        let named = || {
            let locations: BTreeMap<_, _> = self.locations.iter().map(|(name, one)| (name, &one.spec)).collect();
            let providers: BTreeMap<_, _> = self.providers.iter().map(|(name, one)| (name, &one.spec)).collect();
            Digest::of_json(&(locations, providers))
        };
        Basis { rules, law, places: places.unwrap_or_else(named) }
    }

    fn read_policies(&self) -> Policies {
        let builtin = self.builtin.policies.iter().filter(|policy| !self.policies.contains_key(&policy.name_any()));
        let policies =
            builtin.chain(self.policies.values()).map(|policy| read::policy(&policy.name_any(), &policy.spec));
        Policies::new(policies).except(self.approved().filter_map(|one| read::exception::exception(one).ok()))
    }

    /// Exceptions that count; what nobody else has approved is not there.
    fn approved(&self) -> impl Iterator<Item = &ResidencyException> {
        let heard = |one: &&ResidencyException| self.approvals_are_guarded && read::exception::approved(one).is_ok();
        self.exceptions.values().filter(heard)
    }

    /// What names mean. A location that cannot be read leaves its names unproven rather than to the built-in one: its
    /// author meant to say something else.
    fn gazetteer(&self) -> Gazetteer {
        let mut gazetteer = Gazetteer::default();
        gazetteer.hints.clone_from(&self.hints);
        let builtin = self.builtin.providers.iter().filter(|one| !self.providers.contains_key(&one.name_any()));
        for provider in builtin.chain(self.providers.values()) {
            if let Ok(read) = read::provider(&provider.spec) {
                gazetteer.add_provider(provider.name_any(), read);
            }
        }
        let builtin = self.builtin.locations.iter().filter(|one| !self.locations.contains_key(&one.name_any()));
        for location in builtin.chain(self.locations.values()) {
            if let Ok((names, places)) = read::location(&location.name_any(), &location.spec) {
                gazetteer.add_names(names, &places);
            }
        }
        gazetteer
    }

    fn build_storage(&self, around: &mut Surroundings) {
        let read = |class: &StorageClass| (class.name_any(), claim::class(class, &around.gazetteer, &around.nodes));
        around.classes = Arc::new(self.classes.values().map(read).collect());
        // As at the API server: the newest of several default classes, and of those the first by name.
        let default = self.classes.values().filter(|class| claim::is_default(class)).max_by_key(|class| {
            (class.metadata.creation_timestamp.as_ref().map(|time| time.0), std::cmp::Reverse(class.name_any()))
        });
        around.default_class = default.map(ResourceExt::name_any);
        let attributes = |class| claim::attributes(class, &around.gazetteer).map(|said| said.places);
        let classes = self.attributes_classes.iter();
        around.attributes = Arc::new(classes.map(|(name, class)| (name.clone(), attributes(class))).collect());
        let kept = |volume: &Volume| {
            let claim = volume.spec.claim_ref.as_ref();
            claim
                .is_some_and(|claim| self.claims.get(&claim.namespace).is_some_and(|all| all.contains_key(&claim.name)))
        };
        let free = self.volumes.iter().filter(|(_, volume)| !kept(volume)).map(|(name, _)| name.clone());
        around.free_volumes = Arc::new(free.collect());
        let volumes = self.volumes.iter();
        around.volumes = Arc::new(
            volumes
                .map(|(name, volume)| (name.clone(), claim::volume(volume, &around.gazetteer, &around.nodes)))
                .collect(),
        );
    }

    /// A flow, as admission sees it.
    pub(super) fn keep_flow_scope(&mut self, name: &Name) {
        let Some(flow) = self.flows.get(name) else {
            self.flow_scopes.remove(name);
            return;
        };
        let scope = FlowScope {
            data: Arc::new(self.data_of_flow(name)),
            workloads: flow.object.spec.workloads.as_ref().map(|workloads| scope::selector(&workloads.selector)),
            recipient: self.recipient(name),
            addresses: flow.reading.iter().flat_map(|reading| &reading.addresses).map(|one| one.range).collect(),
            matter: self.matters.flows.get(name).cloned(),
        };
        self.flow_scopes.insert(name.clone(), Arc::new(scope));
    }

    /// One namespace, as admission sees it.
    fn scope(&self, namespace: &str) -> Arc<NamespaceScope> {
        let mut scope = self.scope_of_stores(namespace);
        let flows = self.flows.range((namespace.to_owned(), String::new())..);
        let flows = flows.take_while(|((space, _), _)| space == namespace);
        for (position, (name, flow)) in flows.enumerate() {
            let workloads = flow.object.spec.workloads.as_ref().map(|workloads| &workloads.selector);
            if let Some(selector) = workloads {
                scope.pods_of_flows.add(position, selector);
            }
            scope.flows.extend(self.flow_scopes.get(name).cloned());
        }
        Arc::new(scope)
    }

    /// The pods of these namespaces, where any of them may hold data: then we are asked about all. Where none can, nothing is
    /// kept, and nothing is published anew.
    fn hold_pods(&self, world: &mut World, namespaces: &BTreeSet<String>) {
        for namespace in namespaces {
            let is_protected = world.namespace(namespace).is_some_and(NamespaceScope::declares_data)
                || self.holds_foreign_clones(namespace);
            let says_so = || self.pods.of(namespace).any(|(_, state)| state.pod.labels.contains_key(ORIGIN_LABEL));
            let may_hold = is_protected || says_so();
            let pods = self.pods.of(namespace).filter(|_| may_hold);
            let held: HeldPods = pods.map(|(name, state)| (name.clone(), state.pod.clone())).collect();
            if !held.is_empty() {
                world.pods.insert_cow(namespace.as_str().into(), Arc::new(held));
            } else if world.pods.get(namespace.as_str()).is_some() {
                world.pods.remove_cow::<Arc<str>>(&namespace.as_str().into());
            }
        }
    }

    /// The same without flows: what says which pods and claims touch which store.
    pub(super) fn scope_of_stores(&self, namespace: &str) -> NamespaceScope {
        let of = |name: &str| (namespace.to_owned(), name.to_owned());
        let state = self.namespaces.get(namespace);
        let label = state.and_then(|state| state.label.as_ref());
        let mut scope = NamespaceScope {
            name: namespace.to_owned(),
            origin: label.cloned(),
            label: label.map(|value| Arc::new(scope::labelled(value, Source::Namespace(namespace.to_owned())))),
            annotations: state.map(|state| state.annotations.clone()).unwrap_or_default(),
            claims: self.claims.get(namespace).cloned().unwrap_or_default(),
            ..NamespaceScope::default()
        };
        let stores = self.stores.range(of("")..).take_while(|((space, _), _)| space == namespace);
        for (position, (name, store)) in stores.enumerate() {
            let spec = &store.object.spec;
            let workloads = spec.workloads.as_ref().map(|workloads| &workloads.selector);
            if let Some(selector) = workloads {
                scope.pods_of_stores.add(position, selector);
            }
            for secret in &spec.secrets {
                scope.secrets.entry(secret.clone()).or_default().push(position);
            }
            let claims = spec.claims.clone().unwrap_or_default();
            scope.stores.push(StoreScope {
                data: Arc::new(self.data_of_store(name)),
                workloads: workloads.map(scope::selector),
                pods_by: workloads.cloned(),
                claims: claims.selector.as_ref().map(scope::selector),
                claims_by: claims.selector.clone(),
                claim_names: claims.names.unwrap_or_default().into_iter().collect(),
                resources: spec
                    .resources
                    .iter()
                    .map(|one| {
                        let group = one.api_version.rsplit_once('/').map_or("", |(group, _)| group);
                        (group.to_owned(), one.kind.clone(), one.name.clone())
                    })
                    .collect(),
                matter: self.matters.stores.get(name).cloned(),
            });
        }
        scope
    }

    /// A store's data with every origin that reaches it.
    pub(super) fn data_of_store(&self, name: &Name) -> Data {
        let own = self.matters.stores.get(name);
        let into = self.matters.into.get(name);
        Data {
            categories: self.stores.get(name).map(|one| one.object.spec.categories.clone()).unwrap_or_default(),
            regions: own.map(|matter| matter.regions.clone()).unwrap_or_default(),
            carriers: own
                .filter(|matter| !matter.transfers.is_empty())
                .into_iter()
                .chain(into.into_iter().flatten())
                .cloned()
                .collect(),
            ..self.origins_of_store(name)
        }
    }

    /// Where a store's data comes from.
    pub(super) fn origins_of_store(&self, name: &Name) -> Data {
        let problem = self.stores.get(name).and_then(|store| store.problems.first());
        Data {
            unknown_origin: problem.map(|problem| format!("{}: {}", problem.field, problem.message)),
            ..Data::of(self.lineage.origins(name), Source::Store(name.0.clone(), name.1.clone()))
        }
    }

    /// The data that a flow carries, before what it does to it: whoever carries it sees it as it was.
    pub(super) fn data_of_flow(&self, name: &Name) -> Data {
        let via = Source::Flow(name.0.clone(), name.1.clone());
        let nothing =
            |reason: String| Data { unknown_origin: Some(reason), ..Data::of(CountrySet::EMPTY, via.clone()) };
        let Some(flow) = self.flows.get(name) else { return nothing("the flow is not known".to_owned()) };
        let Some(reading) = &flow.reading else {
            let problem = flow.problems.first().map(|problem| format!("{}: {}", problem.field, problem.message));
            return nothing(problem.unwrap_or_default());
        };
        let (from, _) = ends(&name.0, &flow.object.spec);
        let source = match &from {
            Some(store) if !self.stores.contains_key(store) => {
                return nothing(format!("DataStore {}/{} is not known", store.0, store.1));
            }
            Some(store) => Some(self.data_of_store(store)),
            None => None,
        };
        let inherited = source.as_ref().map_or(CountrySet::EMPTY, |data| data.origins);
        let own = flow.object.spec.categories.clone();
        let categories =
            if own.is_empty() { source.as_ref().map(|data| data.categories.clone()).unwrap_or_default() } else { own };
        let mut regions = source.as_ref().map(|data| data.regions.clone()).unwrap_or_default();
        let collection = flow.object.spec.from.collection.as_ref();
        regions.extend(collection.into_iter().flat_map(|collection| read::codes(&collection.countries).1));
        let carriers = source.as_ref().map(|data| data.carriers.clone()).unwrap_or_default();
        let unknown_origin = source.and_then(|data| data.unknown_origin);
        Data { unknown_origin, categories, regions, carriers, ..Data::of(reading.collected.union(&inherited), via) }
    }

    /// Where the outside recipient of a flow holds personal data; none where what it receives is no longer personal.
    pub(super) fn recipient(&self, name: &Name) -> Option<Places> {
        let flow = self.flows.get(name)?;
        let outside = flow.object.spec.to.recipient.as_ref()?;
        match &flow.reading {
            Some(reading) => reading.recipient.clone().filter(|_| flow.personal),
            None => Some(Places::unknown(format!("recipient {} cannot be read", outside.name))),
        }
    }
}

/// The stores at both ends of a flow.
pub(super) fn ends(namespace: &str, spec: &DataFlowSpec) -> (Option<Name>, Option<Name>) {
    let name = |reference: &StoreReference| {
        (reference.namespace.clone().unwrap_or_else(|| namespace.to_owned()), reference.name.clone())
    };
    (spec.from.data_store.as_ref().map(name), spec.to.data_store.as_ref().map(name))
}
