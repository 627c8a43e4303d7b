//! Pods that touch several stores at once. Whoever reads one store and writes another carries data from one to the other,
//! whether a flow declares it or not.
//!
//! Pods are grouped by the stores that they touch and the flows that they carry between them, so that ten thousand pods of
//! one template are one edge of lineage.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::core::{Selector, SelectorExt};

use super::lineage::{Owner, StaleLineage};
use super::pods::PodState;
use super::{Index, Name};
use crate::engine::lineage::{Edge, Through};
use crate::interpret::scope::{self, Labels, NamespaceScope};
use crate::interpret::workload::Template;

/// A pod or a template of pods: namespace, kind, name.
pub type Toucher = (String, String, String);

/// What made a pod: kind, name.
pub type Maker = (String, String);

/// The kind under which pods themselves are noted.
pub const POD: &str = "Pod";

/// What all pods of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    namespace: String,
    /// The stores that they touch, sorted.
    stores: Vec<String>,
    /// Pairs of stores between which they carry a declared flow, in either direction; sorted, as is each pair.
    carried: BTreeSet<(String, String)>,
}

/// The groups, and who is in them.
#[derive(Debug, Clone, Default)]
pub struct Touching {
    of: BTreeMap<Toucher, (Arc<Group>, Maker)>,
    groups: BTreeMap<Arc<Group>, BTreeMap<Maker, usize>>,
}

impl Touching {
    /// Notes the group of a pod; none: it touches at most one store. Groups that are told otherwise now go into `changed`.
    fn set(&mut self, pod: Toucher, now: Option<(Group, Maker)>, changed: &mut BTreeSet<Arc<Group>>) {
        let old = self.of.get(&pod);
        if old.map(|(group, maker)| (&**group, maker)) == now.as_ref().map(|(group, maker)| (group, maker)) {
            return;
        }
        if let Some((group, maker)) = self.of.remove(&pod) {
            let makers = self.groups.entry(group.clone()).or_default();
            if let Some(count) = makers.get_mut(&maker) {
                *count -= 1;
                if *count == 0 {
                    makers.remove(&maker);
                    changed.insert(group.clone());
                }
            }
            if makers.is_empty() {
                self.groups.remove(&group);
            }
        }
        if let Some((group, maker)) = now {
            let known = self.groups.get_key_value(&group).map(|(known, _)| known.clone());
            let group = known.unwrap_or_else(|| Arc::new(group));
            let count = self.groups.entry(group.clone()).or_default().entry(maker.clone()).or_default();
            *count += 1;
            if *count == 1 {
                changed.insert(group.clone());
            }
            self.of.insert(pod, (group, maker));
        }
    }

    fn groups_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Group>> {
        let first = Group { namespace: namespace.to_owned(), stores: Vec::new(), carried: BTreeSet::new() };
        self.groups.range(Arc::new(first)..).map(|(group, _)| group).take_while(move |one| one.namespace == namespace)
    }

    fn pods_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Toucher> {
        let first = (namespace.to_owned(), String::new(), String::new());
        self.of.range(first..).map(|(pod, _)| pod).take_while(move |pod| pod.0 == namespace)
    }
}

/// A declared flow between two stores of its own namespace.
struct Inner {
    from: String,
    to: String,
    carriers: Option<Selector>,
    personal: bool,
}

/// A pair in the order of names.
fn pair(one: &str, other: &str) -> (String, String) {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    (first.to_owned(), second.to_owned())
}

/// A pod or template that was set aside.
#[derive(Debug)]
pub struct Aside(Kept);

#[derive(Debug)]
enum Kept {
    Pod(Name, PodState),
    Template(Toucher, Box<Template>),
}

impl Index {
    /// Takes a pod or template out that leads data from store to store, until it is put back: at admission an object is
    /// judged by a world in which it is not there yet. None for all others, which make no difference.
    pub fn set_aside(&mut self, kind: &str, namespace: &str, name: &str) -> Option<Aside> {
        let toucher = (namespace.to_owned(), kind.to_owned(), name.to_owned());
        if !self.touching.of.contains_key(&toucher) {
            return None;
        }
        self.stale_lineage.pods.insert(toucher.clone());
        if kind == POD {
            let name = (toucher.0, toucher.2);
            self.stale_pods.insert(name.0.clone());
            return self.pods.remove(&name.0, &name.1).map(|state| Aside(Kept::Pod(name, state)));
        }
        self.templates.remove(&toucher).map(|template| Aside(Kept::Template(toucher, Box::new(template))))
    }

    /// Puts back what was set aside.
    pub fn put_back(&mut self, aside: Aside) {
        match aside.0 {
            Kept::Pod(name, state) => {
                self.stale_lineage.pods.insert(pod(&name.0, &name.1));
                self.stale_pods.insert(name.0.clone());
                self.pods.insert(&name, state);
            }
            Kept::Template(toucher, template) => {
                self.stale_lineage.pods.insert(toucher.clone());
                self.templates.insert(toucher, *template);
            }
        }
    }

    /// Finds the groups of pods that have changed or whose stores or flows have, and the edges that follow. `touched` are
    /// the namespaces of which the snapshot is no longer right.
    pub(super) fn regroup(&mut self, stale: &mut StaleLineage, touched: &BTreeSet<String>) {
        let StaleLineage { claims, pods, namespaces, flows_of, .. } = stale;
        for (namespace, claim) in std::mem::take(claims) {
            let mounts = |state: &PodState| state.pod.spec.claims().any(|(_, mounted)| mounted == claim);
            pods.extend(
                self.pods.of(&namespace).filter(|(_, state)| mounts(state)).map(|(name, _)| pod(&namespace, name)),
            );
            // What a template's claims are called is known only when they are made.
            pods.extend(self.templates_in(&namespace));
        }
        for namespace in std::mem::take(namespaces) {
            pods.extend(self.pods.of(&namespace).map(|(name, _)| pod(&namespace, name)));
            pods.extend(self.templates_in(&namespace));
        }
        let mut changed = BTreeSet::new();
        for namespace in std::mem::take(flows_of) {
            pods.extend(self.touching.pods_in(&namespace).cloned());
            changed.extend(self.touching.groups_in(&namespace).cloned());
        }
        let mut known: Option<(String, Arc<NamespaceScope>, Vec<Inner>)> = None;
        for toucher in std::mem::take(pods) {
            let namespace = &toucher.0;
            if known.as_ref().is_none_or(|(of, ..)| of != namespace) {
                let seen = self
                    .world
                    .surroundings()
                    .namespaces
                    .get(namespace)
                    .filter(|_| !touched.contains(namespace))
                    .cloned();
                let scope = seen.unwrap_or_else(|| Arc::new(self.scope_of_stores(namespace)));
                known = Some((namespace.clone(), scope, self.inner_flows(namespace)));
            }
            let Some((_, scope, flows)) = &known else { continue };
            let group = self.group(&toucher, scope, flows);
            self.touching.set(toucher, group, &mut changed);
        }
        for group in changed {
            let edges = self.edges_of_group(&group);
            self.lead(Owner::Touching(group), edges);
        }
    }

    fn templates_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = Toucher> {
        let first = (namespace.to_owned(), String::new(), String::new());
        self.templates.range(first..).map(|(key, _)| key.clone()).take_while(move |key| key.0 == namespace)
    }

    /// The group of a pod; none if it is gone or touches at most one store.
    fn group(&self, toucher: &Toucher, scope: &NamespaceScope, flows: &[Inner]) -> Option<(Group, Maker)> {
        let (namespace, kind, name) = toucher;
        let (stores, labels, maker): (_, &Labels, _) = if kind == POD {
            let state = self.pods.get(namespace, name)?;
            (
                scope::stores_of_pod(scope, &state.pod.labels, &state.pod.spec),
                &state.pod.labels,
                (*state.pod.maker).clone(),
            )
        } else {
            let template = self.templates.get(toucher)?;
            (template.stores(scope), &template.labels, (kind.clone(), name.clone()))
        };
        if stores.len() < 2 {
            return None;
        }
        let name = |position: usize| scope.stores[position].data.via.name().map(str::to_owned);
        let stores: Vec<String> = stores.into_iter().filter_map(name).collect();
        let among = |store: &String| stores.binary_search(store).is_ok();
        let selected = |flow: &&Inner| flow.carriers.as_ref().is_some_and(|wanted| wanted.matches(labels));
        let between = flows.iter().filter(|flow| among(&flow.from) && among(&flow.to)).filter(selected);
        let carried = between.map(|flow| pair(&flow.from, &flow.to)).collect();
        Some((Group { namespace: namespace.clone(), stores, carried }, maker))
    }

    /// Flows between stores of a namespace that stand in it themselves: what others declare cuts nothing here. Nor does what
    /// cannot be read, or is not stored yet.
    fn inner_flows(&self, namespace: &str) -> Vec<Inner> {
        let flows = self.flows.range((namespace.to_owned(), String::new())..);
        let flows = flows.take_while(|((space, _), _)| space == namespace);
        let inner = |(name, flow): (&Name, &super::FlowState)| {
            let ends = self.ends.get(name)?;
            let ((from_space, from), (to_space, to)) = ends.from.clone().zip(ends.to.clone())?;
            let inside = from_space == namespace && to_space == namespace;
            (inside && flow.reading.is_some() && !flow.anticipated).then(|| Inner {
                from,
                to,
                carriers: flow.object.spec.workloads.as_ref().map(|workloads| scope::selector(&workloads.selector)),
                personal: flow.personal,
            })
        };
        flows.filter_map(inner).collect()
    }

    /// What leads through the pods of a group: from each store to each other, except where a declared flow says otherwise.
    fn edges_of_group(&self, group: &Group) -> Vec<Edge> {
        let Some(makers) = self.touching.groups.get(group) else { return Vec::new() };
        let Some((kind, name)) = makers.first_key_value().map(|(maker, _)| maker.clone()) else { return Vec::new() };
        let Group { namespace, stores, carried } = group;
        let through = Through::Object { kind, namespace: namespace.clone(), name };
        let flows = self.inner_flows(namespace);
        let anonymous: BTreeSet<(&str, &str)> =
            flows.iter().filter(|flow| !flow.personal).map(|flow| (flow.from.as_str(), flow.to.as_str())).collect();
        let leads = |from: &str, to: &str| !carried.contains(&pair(from, to)) && !anonymous.contains(&(from, to));
        let full = |store: &String| (namespace.clone(), store.clone());
        let targets = |from: &String| stores.iter().filter(|to| *to != from && leads(from, to)).collect::<Vec<_>>();
        let mut edges = Vec::new();
        let mut free = Vec::new();
        for from in stores {
            let targets = targets(from);
            if targets.len() + 1 == stores.len() {
                free.push(full(from));
            } else if !targets.is_empty() {
                edges.push(Edge::new(through.clone(), [full(from)], targets.into_iter().map(full)));
            }
        }
        if !free.is_empty() {
            edges.push(Edge::new(through, free, stores.iter().map(full)));
        }
        edges
    }
}

/// How a pod is noted.
pub fn pod(namespace: &str, name: &str) -> Toucher {
    (namespace.to_owned(), POD.to_owned(), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use crate::index::{Kind, Object};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn index(manifests: &[Value]) -> Index {
        let mut index = Index::new(catalogue::load().unwrap());
        for manifest in manifests {
            index.apply(object(manifest));
        }
        index
    }

    fn object(manifest: &Value) -> Object {
        Object::from_manifest(manifest.clone()).unwrap().unwrap()
    }

    fn origins(index: &mut Index, store: &str) -> String {
        index.refresh(Timestamp::UNIX_EPOCH);
        index.lineage.origins(&("cx".to_owned(), store.to_owned())).to_string()
    }

    fn store(name: &str, origin: &str) -> Value {
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore", "metadata": {"namespace": "cx", "name": name},
            "spec": {"origins": [origin], "secrets": [name]},
        })
    }

    fn pod(name: &str, secrets: &[&str]) -> Value {
        let env: Vec<Value> = secrets.iter().map(|secret| json!({"secretRef": {"name": secret}})).collect();
        let owner =
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "sync-5d4f", "uid": "1", "controller": true});
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": "cx", "name": name, "labels": {"pod-template-hash": "5d4f"}, "ownerReferences": [owner],
            },
            "spec": {"containers": [{"envFrom": env}]},
        })
    }

    #[test]
    fn pods_of_one_template_are_one_edge() {
        let mut index = index(&[store("a", "DE"), store("b", "FR")]);
        for at in 0..1000 {
            index.apply(object(&pod(&format!("sync-{at}"), &["a", "b"])));
        }
        assert_eq!(origins(&mut index, "a"), "DE, FR");
        assert_eq!(index.edges.values().flatten().count(), 1);
        for at in 1..1000 {
            index.delete(Kind::Pod, "cx", &format!("sync-{at}"));
        }
        assert_eq!(origins(&mut index, "b"), "DE, FR");
        index.delete(Kind::Pod, "cx", "sync-0");
        assert_eq!(origins(&mut index, "b"), "FR");
        assert!(index.edges.is_empty() && index.touching.groups.is_empty() && index.touching.of.is_empty());
    }

    #[test]
    fn a_flow_that_is_only_admitted_keeps_nothing_away() {
        let mut index = index(&[store("a", "DE"), store("b", "FR"), pod("sync", &["a", "b"])]);
        let flow = json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow", "metadata": {"namespace": "cx", "name": "f"},
            "spec": {
                "from": {"dataStore": {"name": "a"}}, "to": {"dataStore": {"name": "b"}},
                "workloads": {"selector": {"matchLabels": {"pod-template-hash": "5d4f"}}},
            },
        });
        assert_eq!(origins(&mut index, "a"), "DE, FR");
        index.anticipate(object(&flow));
        assert_eq!(origins(&mut index, "a"), "DE, FR");
        index.apply(object(&flow));
        assert_eq!((origins(&mut index, "a"), origins(&mut index, "b")), ("DE".to_owned(), "DE, FR".to_owned()));
    }
}
