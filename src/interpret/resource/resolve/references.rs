//! Where references lead: to services, other objects, secrets and config maps, clusters.

use super::{Meaning, Resolver, Settled, shown};
use crate::engine::endpoint::{Endpoint, strange};
use crate::engine::gazetteer::host;
use crate::engine::place::Places;
use crate::interpret::resource::{Key, Resource};
use crate::interpret::scope::Labels;

/// References are followed this far; what lies beyond is not proven.
const FARTHEST: usize = 8;

impl Resolver<'_> {
    pub(super) fn endpoint(&self, endpoint: Endpoint, namespace: &str) -> Vec<Meaning> {
        match endpoint {
            Endpoint::Local => vec![Meaning::Fine],
            Endpoint::Place { places, .. } => vec![Meaning::There(places)],
            Endpoint::Silent { shown, provider, is_bucket } => vec![Meaning::Silent(shown, provider, is_bucket)],
            Endpoint::Unknown(reason) => vec![Meaning::Unknown(reason)],
            Endpoint::Stranger { host, service } => match service {
                // What is no domain of the public name system is one of this cluster.
                Some((name, namespace))
                    if self.world.namespace(&namespace).is_some()
                        || (!host::is_domain(&namespace)
                            && !matches!(
                                self.world.gazetteer().region_named(None, &namespace),
                                Endpoint::Place { .. }
                            )) =>
                {
                    self.service(&namespace, &name)
                }
                _ => vec![Meaning::Unknown(strange(&host))],
            },
            Endpoint::Service { name, namespace: other } => {
                let namespace = other.unwrap_or_else(|| namespace.to_owned());
                self.service(&namespace, &name)
            }
        }
    }

    /// Where a service of this cluster leads: to pods, which are judged themselves, or out of it.
    fn service(&self, namespace: &str, name: &str) -> Vec<Meaning> {
        let key = |group: &str, kind: &str| Key {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let mut all = Vec::new();
        if let Some(service) = self.world.resource(&key("", "Service")) {
            all.extend(self.follow(service));
        }
        if let Some(endpoints) = self.world.resource(&key("", "Endpoints")) {
            all.extend(self.follow(endpoints));
        }
        for slice in self.world.slices(namespace, name) {
            all.extend(self.follow(slice));
        }
        if all.is_empty() { vec![Meaning::Fine] } else { all }
    }

    pub(super) fn target(&self, key: &Key, optional: bool) -> Vec<Meaning> {
        if let Some(places) = self.declared(key) {
            return vec![Meaning::There(places)];
        }
        // A service leads where its endpoints are, wherever they are written.
        if key.group.is_empty() && key.kind == "Service" {
            return self.service(&key.namespace, &key.name);
        }
        if let Some(found) = self.world.find_resource(key) {
            return self.follow(found);
        }
        // Classes are indexed by themselves. A pod, which is judged itself, decides only among what its class allows.
        if (key.group.as_str(), key.kind.as_str()) == ("storage.k8s.io", "StorageClass")
            && let Some(class) = self.world.class(&key.name)
        {
            let open = class.places.countries.is_full() || class.places.unproven.is_some();
            return vec![if class.with_pod && open { Meaning::Fine } else { Meaning::There(class.places.clone()) }];
        }
        // So are nodes.
        if key.group.is_empty() && key.kind == "Node" && self.world.nodes().places().contains_key(&key.name) {
            return vec![Meaning::from(self.world.node(&key.name))];
        }
        if optional {
            return vec![Meaning::Apart];
        }
        let Key { kind, name, .. } = key;
        vec![Meaning::Unknown(format!("{kind} {} is not known", shown(name)))]
    }

    /// What the owner declares of an object whose content nobody here can read.
    fn declared(&self, key: &Key) -> Option<Places> {
        let namespace = Some(key.namespace.as_str()).filter(|name| !name.is_empty());
        let gazetteer = self.world.gazetteer();
        let exactly = gazetteer.object(&key.group, &key.kind, namespace, &key.name);
        // Whoever refers to a cluster-scoped object need not know that it is one.
        let anywhere = || gazetteer.object(&key.group, &key.kind, None, &key.name).filter(|_| !key.group.is_empty());
        exactly.or_else(anywhere).cloned()
    }

    /// What a referenced object says.
    pub(super) fn follow(&self, resource: &Resource) -> Vec<Meaning> {
        let Key { kind, name, .. } = &resource.key;
        if self.depth >= FARTHEST {
            return vec![Meaning::Unknown(format!("{kind} {name} stands at the end of a long chain of references"))];
        }
        if let Some(places) = self.declared(&resource.key) {
            return vec![Meaning::There(places)];
        }
        let deeper = Self { world: self.world, depth: self.depth + 1 };
        let mut all: Vec<Meaning> = Vec::new();
        for Settled { field, places, .. } in deeper.resource(resource) {
            let meaning = match places {
                Places { countries, unproven: Some(reason) } if countries.is_full() => {
                    Meaning::Unknown(format!("{kind} {name}, {field}: {reason}"))
                }
                places => Meaning::There(places),
            };
            if !all.contains(&meaning) {
                all.push(meaning);
            }
        }
        if all.is_empty() {
            all.push(Meaning::Fine);
        }
        all
    }

    /// Where the content of a secret or config map leads.
    pub(super) fn content(&self, key: &Key) -> Vec<Meaning> {
        let Key { kind, namespace, name, .. } = key;
        if let Some(places) = self.declared(key) {
            return vec![Meaning::There(places)];
        }
        let unknown = |why: &str| vec![Meaning::Unknown(format!("{kind} {namespace}/{name} {why}"))];
        let Some(found) = self.world.resource(key) else {
            return unknown("is not read; a Location may name it under objects");
        };
        let words = found.destinations.iter().flat_map(|one| &one.said).flat_map(|said| &said.words);
        let mut all: Vec<Meaning> = Vec::new();
        for meaning in words.flat_map(|word| self.word(word, namespace)) {
            if !matches!(meaning, Meaning::Silent(..)) && !all.contains(&meaning) {
                all.push(meaning);
            }
        }
        if all.is_empty() { unknown("names no place") } else { all }
    }

    pub(super) fn cluster(&self, text: &str, namespace: &str) -> Meaning {
        const THIS: [&str; 2] = ["in-cluster", "kubernetes.default"];
        if let Some(places) = self.world.gazetteer().cluster(text) {
            return Meaning::There(places.clone());
        }
        if THIS.contains(&text) {
            return Meaning::Fine;
        }
        if text == "*" {
            return Meaning::There(Places::anywhere());
        }
        let named: Vec<&Resource> = self.world.clusters().filter(|one| one.key.name == text).collect();
        if !named.is_empty() {
            return self.all_of(&named);
        }
        if text.contains("://") {
            let server = self.world.gazetteer().endpoints(text).into_iter().next();
            return match server {
                Some(Endpoint::Service { name, namespace: Some(space) })
                    if name == "kubernetes" && space == "default" =>
                {
                    Meaning::Fine
                }
                Some(endpoint) => self.endpoint(endpoint, namespace).into_iter().next().unwrap_or(Meaning::Fine),
                None => Meaning::Unknown("it is no address".to_owned()),
            };
        }
        Meaning::Unknown(format!("no Location names cluster {}", shown(text)))
    }

    /// The clusters that carry some labels; a selector that says more than labels is not proven.
    pub(super) fn clusters(&self, labels: &Labels, odd: bool) -> Vec<Meaning> {
        if odd {
            return vec![Meaning::Unknown("it selects clusters by more than labels".to_owned())];
        }
        let selected: Vec<&Resource> = self
            .world
            .clusters()
            .filter(|cluster| labels.iter().all(|(key, value)| cluster.labels.get(key) == Some(value)))
            .collect();
        if labels.is_empty() {
            return vec![Meaning::There(Places::anywhere())];
        }
        if selected.is_empty() {
            return vec![Meaning::Unknown("no known cluster carries these labels".to_owned())];
        }
        vec![self.all_of(&selected)]
    }

    fn all_of(&self, clusters: &[&Resource]) -> Meaning {
        let mut places: Option<Places> = None;
        for cluster in clusters {
            // What its owner says of it by its name, or else what the object says.
            let named = self.world.gazetteer().cluster(&cluster.key.name).cloned();
            for meaning in named.map_or_else(|| self.follow(cluster), |places| vec![Meaning::There(places)]) {
                match meaning {
                    Meaning::There(there) | Meaning::Along(_, there) => {
                        places = Some(places.map_or(there.clone(), |before| before.or(there)));
                    }
                    Meaning::Unknown(reason) | Meaning::Silent(reason, ..) => return Meaning::Unknown(reason),
                    Meaning::Fine | Meaning::Apart => {}
                }
            }
        }
        places.map_or_else(|| Meaning::Unknown("the cluster says no place".to_owned()), Meaning::There)
    }
}
