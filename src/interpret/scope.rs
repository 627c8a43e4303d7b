//! Whose data an object touches: by the origin label of its namespace or its own, by selectors, mounted claims and
//! referenced secrets of stores, and by selectors of flows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};

use crate::api::v1alpha1::ORIGIN_LABEL;
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::{Data, Source};
use crate::engine::law::matter::Matter;
use crate::engine::place::Places;

use super::objects::{ClaimSpec, ObjectName, PodSpec};
use super::source;
use super::world::World;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// One namespace, as admission sees it.
#[derive(Debug, Clone, Default)]
pub struct NamespaceScope {
    /// Its name.
    pub name: String,
    /// The value of its origin label.
    pub origin: Option<String>,
    /// Its short annotations, by which some operators choose regions.
    pub annotations: Arc<BTreeMap<String, String>>,
    /// Data that its origin label declares.
    pub label: Option<Arc<Data>>,
    /// Its stores, by name.
    pub stores: Vec<StoreScope>,
    /// Its flows, by name.
    pub flows: Vec<Arc<FlowScope>>,
    /// Which stores may select a pod, by one of its labels.
    pub pods_of_stores: SelectorIndex,
    /// Which flows may select a pod.
    pub pods_of_flows: SelectorIndex,
    /// Which stores own a secret.
    pub secrets: BTreeMap<String, Vec<usize>>,
    /// Its claims.
    pub claims: Arc<BTreeMap<String, ClaimState>>,
}

impl NamespaceScope {
    /// Whether it says by its label, its stores or its flows that data is in it.
    pub fn declares_data(&self) -> bool {
        self.label.is_some() || !self.stores.is_empty() || !self.flows.is_empty()
    }
}

/// A store, as admission sees it.
#[derive(Debug, Clone)]
pub struct StoreScope {
    /// Its data, with every inherited origin.
    pub data: Arc<Data>,
    /// Its pods.
    pub workloads: Option<Selector>,
    /// The same as it was declared.
    pub pods_by: Option<LabelSelector>,
    /// Its claims.
    pub claims: Option<Selector>,
    /// The same as it was declared.
    pub claims_by: Option<LabelSelector>,
    /// Its claims by name.
    pub claim_names: BTreeSet<String>,
    /// Other objects that hold its data: group, kind, name.
    pub resources: Vec<(String, String, String)>,
    /// The store before the law.
    pub matter: Option<Arc<Matter>>,
}

/// A flow, as admission sees it.
#[derive(Debug, Clone)]
pub struct FlowScope {
    /// The data it carries, with every origin of its source.
    pub data: Arc<Data>,
    /// Its pods.
    pub workloads: Option<Selector>,
    /// Where its recipient holds the data; none where it leads to a store, whose own workloads are judged.
    pub recipient: Option<Places>,
    /// Addresses of that recipient.
    pub addresses: Vec<IpNet>,
    /// The flow before the law; none where it cannot be read.
    pub matter: Option<Arc<Matter>>,
}

/// A claim that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimState {
    /// Its uid, which reports and Events refer to; empty in a file.
    pub uid: Box<str>,
    /// Its labels.
    pub labels: Labels,
    /// Its class.
    pub class: Option<String>,
    /// The volume to which it is bound.
    pub volume: Option<String>,
    /// Whether it chooses among volumes by their labels.
    pub has_selector: bool,
    /// What it was filled from.
    pub sources: Vec<ObjectName>,
    /// The class of its attributes.
    pub attributes: Option<String>,
}

impl ClaimState {
    /// The claim as a specification, with everything that says where its data rests.
    pub fn spec(&self) -> ClaimSpec {
        ClaimSpec {
            storage_class_name: self.class.clone(),
            volume_name: self.volume.clone(),
            has_selector: self.has_selector,
            volume_attributes_class_name: self.attributes.clone(),
            ..ClaimSpec::default()
        }
    }
}

/// Finds selectors that may match some labels without trying each: by one pair that the selector demands.
#[derive(Debug, Clone, Default)]
pub struct SelectorIndex {
    by_label: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    others: Vec<usize>,
}

impl SelectorIndex {
    /// Notes the selector of the element at this position.
    pub fn add(&mut self, position: usize, selector: &LabelSelector) {
        let readable = Selector::try_from(selector.clone()).is_ok();
        let labels = selector.match_labels.as_ref().filter(|_| readable);
        match labels.and_then(|labels| labels.first_key_value()) {
            Some((key, value)) => {
                self.by_label.entry(key.clone()).or_default().entry(value.clone()).or_default().push(position);
            }
            None => self.others.push(position),
        }
    }

    /// Positions of selectors that may match.
    pub fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = usize> + 'a {
        let demanded = labels.iter().filter_map(|(key, value)| self.by_label.get(key)?.get(value)).flatten();
        demanded.chain(&self.others).copied()
    }
}

/// Reads a selector. One that cannot be read selects everything: what is declared badly binds more, never less.
pub fn selector(selector: &LabelSelector) -> Selector {
    Selector::try_from(selector.clone()).unwrap_or_default()
}

/// The data that an origin label declares.
pub fn labelled(value: &str, via: Source) -> Data {
    let mut origins = CountrySet::EMPTY;
    let mut unknown_origin = None;
    for code in value.split('_') {
        match Country::parse(code) {
            Ok(country) => origins.insert(country),
            Err(error) => unknown_origin = Some(error.to_string()),
        }
    }
    Data { unknown_origin, ..Data::of(origins, via) }
}

/// The data that an object's own origin label declares.
pub fn own(labels: &Labels) -> Option<Arc<Data>> {
    labels.get(ORIGIN_LABEL).map(|value| Arc::new(labelled(value, Source::Label)))
}

/// Data that a pod processes, and flows that it carries.
#[derive(Debug, Clone, Default)]
pub struct PodScope<'a> {
    /// The data, each once.
    pub data: Vec<Arc<Data>>,
    /// Flows that it carries.
    pub flows: Vec<&'a FlowScope>,
}

/// Whose data a pod with these labels and this specification touches.
pub fn of_pod<'a>(world: &World, namespace: &'a NamespaceScope, labels: &Labels, spec: &PodSpec) -> PodScope<'a> {
    let mut scope = PodScope::default();
    scope.data.extend(namespace.label.iter().cloned());
    scope.data.extend(own(labels));
    for (_, name) in spec.claims() {
        if let Some(claim) = namespace.claims.get(name).filter(|claim| !claim.sources.is_empty()) {
            source::extend(&mut scope.data, source::data(world, namespace, &claim.sources));
        }
    }
    for ephemeral in spec.inline_volumes().filter_map(|(_, volume)| volume.ephemeral.as_ref()) {
        let claim = ephemeral.volume_claim_template.as_ref().map(|template| source::of(&template.spec));
        source::extend(&mut scope.data, source::data(world, namespace, &claim.unwrap_or_default()));
    }
    if namespace.stores.is_empty() && namespace.flows.is_empty() {
        return scope;
    }
    let stores = stores_of_pod(namespace, labels, spec);
    source::extend(&mut scope.data, stores.into_iter().map(|position| namespace.stores[position].data.clone()));

    let mut flows: Vec<usize> = namespace
        .pods_of_flows
        .candidates(labels)
        .filter(|position| namespace.flows[*position].workloads.as_ref().is_some_and(|wanted| wanted.matches(labels)))
        .collect();
    flows.sort_unstable();
    flows.dedup();
    for flow in flows.into_iter().map(|position| &namespace.flows[position]) {
        scope.data.push(flow.data.clone());
        scope.flows.push(flow);
    }
    scope
}

/// Positions of the stores that a pod touches, sorted.
pub fn stores_of_pod(namespace: &NamespaceScope, labels: &Labels, spec: &PodSpec) -> Vec<usize> {
    let mut stores: Vec<usize> = namespace
        .pods_of_stores
        .candidates(labels)
        .filter(|position| namespace.stores[*position].workloads.as_ref().is_some_and(|wanted| wanted.matches(labels)))
        .collect();
    for secret in spec.secrets() {
        stores.extend(namespace.secrets.get(secret).into_iter().flatten());
    }
    for (_, claim) in spec.claims() {
        stores.extend(stores_of_claim(namespace, claim, namespace.claims.get(claim).map(|state| &state.labels)));
    }
    stores.sort_unstable();
    stores.dedup();
    stores
}

/// Whose data a claim with these labels holds that is filled from these sources.
pub fn of_claim(
    world: &World,
    namespace: &NamespaceScope,
    name: &str,
    labels: &Labels,
    sources: &[ObjectName],
) -> Vec<Arc<Data>> {
    let mut data: Vec<Arc<Data>> = namespace.label.iter().cloned().chain(own(labels)).collect();
    data.extend(stores_of_claim(namespace, name, Some(labels)).map(|position| namespace.stores[position].data.clone()));
    if !sources.is_empty() {
        source::extend(&mut data, source::data(world, namespace, sources));
    }
    data
}

/// Whose data an object's own label declares.
pub fn of_label(labels: &Labels) -> Vec<Arc<Data>> {
    own(labels).into_iter().collect()
}

/// Whose data the claims will hold that a stateful set makes from a template: `TEMPLATE-SET-0` and so on.
pub fn of_made_claims(
    world: &World,
    namespace: &NamespaceScope,
    template: &str,
    set: &str,
    (labels, sources): (&Labels, &[ObjectName]),
) -> Vec<Arc<Data>> {
    let mut data = of_claim(world, namespace, template, labels, sources);
    for store in stores_of_made_claims(namespace, template, set, labels).map(|position| &namespace.stores[position]) {
        if !data.contains(&store.data) {
            data.push(store.data.clone());
        }
    }
    data
}

/// Positions of the stores that own claims which a stateful set makes from a template.
pub fn stores_of_made_claims<'a>(
    namespace: &'a NamespaceScope,
    template: &'a str,
    set: &'a str,
    labels: &'a Labels,
) -> impl Iterator<Item = usize> + 'a {
    let start = format!("{template}-{set}-");
    let made = move |name: &String| name.strip_prefix(&start).is_some_and(|rest| rest.parse::<u32>().is_ok());
    let all = namespace.stores.iter().enumerate();
    let by_name = all.filter(move |(_, store)| store.claim_names.iter().any(&made)).map(|(position, _)| position);
    stores_of_claim(namespace, template, Some(labels)).chain(by_name)
}

/// Positions of the stores that own a claim.
pub fn stores_of_claim<'a>(
    namespace: &'a NamespaceScope,
    name: &'a str,
    labels: Option<&'a Labels>,
) -> impl Iterator<Item = usize> + 'a {
    namespace
        .stores
        .iter()
        .enumerate()
        .filter(move |(_, store)| {
            store.claim_names.contains(name)
                || store.claims.as_ref().zip(labels).is_some_and(|(wanted, labels)| wanted.matches(labels))
        })
        .map(|(position, _)| position)
}
