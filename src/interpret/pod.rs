//! Pods and pod templates: where they may run, and how they are pinned.

use json_patch::jsonptr::PointerBuf;
use std::sync::Arc;

use jiff::Timestamp;
use json_patch::{AddOperation, PatchOperation};
use serde_json::{Map, Value};

use crate::engine;
use crate::engine::country::CountrySet;
use crate::engine::data::Data;
use crate::engine::facts::{Act, Facts, Flexibility, Placement, Stake};
use crate::engine::place::Places;
use crate::engine::policy::PinBy;
use crate::engine::rewrite::{self, Pin};
use crate::engine::verdict::{Action, Change, Rewrite, Verdict};

use super::claim;
use super::constraint;
use super::inline;
use super::objects::{Container, NodeSelectorTerm, PodSpec, PodTemplate, Requirement};
use super::resource::{self, Resolver, Word};
use super::scope::{self, FlowScope, Labels, NamespaceScope, PodScope};
use super::world::World;

/// Whether the constraints of a pod can still be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// When the pod is created they can be narrowed.
    Possible,
    /// The pod exists, or its controller would not keep what is added.
    Impossible,
}

/// A pod to judge: its labels, its specification, and where that stands in the object.
#[derive(Debug, Clone, Copy)]
pub struct PodView<'a> {
    /// Labels of the pod.
    pub labels: &'a Labels,
    /// Its specification.
    pub spec: &'a PodSpec,
    /// The node to which it is bound.
    pub node: Option<&'a str>,
    /// Path of the specification in the object, as in `spec.template.spec`.
    pub path: &'a str,
    /// Claims that its controller makes for it.
    pub made: &'a [MadeClaim],
}

/// A claim that a controller makes for each pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeClaim {
    /// Where its template says its place.
    pub field: String,
    /// Whose data it will hold.
    pub data: Vec<Arc<Data>>,
    /// Whether the pod decides where the data will rest.
    pub with_pod: bool,
}

static NO_LABELS: Labels = Labels::new();

impl<'a> PodView<'a> {
    /// A pod that says itself where it is bound.
    pub fn of(labels: &'a Labels, spec: &'a PodSpec) -> Self {
        let node = spec.node_name.as_deref().filter(|name| !name.is_empty());
        Self { labels, spec, node, path: "spec", made: &[] }
    }

    /// The pods of a template that stands at `path`.
    pub fn of_template(template: &'a PodTemplate, path: &'a str, made: &'a [MadeClaim]) -> Self {
        Self { path, made, ..Self::of(template.metadata.labels.as_ref().unwrap_or(&NO_LABELS), &template.spec) }
    }
}

/// Where a pod's constraints let it run.
pub fn reach(world: &World, pod: PodView<'_>) -> Places {
    if let Some(node) = pod.node {
        return world.node(node);
    }
    let spec = pod.spec;
    let label = |key: &str, value: &str| world.nodes().labelled(key, value, world.gazetteer());
    let node = |name: &str| world.node(name);
    let selected =
        spec.node_selector.iter().filter_map(|(key, value)| label(key, value)).fold(Places::anywhere(), Places::and);
    let Some(required) = spec.required_terms() else { return selected };
    let each = required.iter().map(|term| constraint::term(term, &label, &node).and(selected.clone()));
    each.reduce(Places::or).unwrap_or_else(|| Places::known(CountrySet::EMPTY))
}

/// Whether the constraints of a pod name only what is known to lead into `countries`, each by itself: what the API server
/// can see without us.
pub fn leads_literally(world: &World, spec: &PodSpec, countries: &CountrySet) -> bool {
    let leads = |key: &str, value: &str| leads_by(world, key, value, countries);
    spec.node_name.as_deref().is_some_and(|name| !name.is_empty())
        || spec.node_selector.iter().any(|(key, value)| leads(key, value))
        || spec.required_terms().is_some_and(|terms| {
            !terms.is_empty() && terms.iter().all(|term| term_leads_literally(world, term, countries))
        })
}

fn leads_by(world: &World, key: &str, value: &str, countries: &CountrySet) -> bool {
    world.nodes().lists(key, value, world.gazetteer())
        && world.nodes().labelled(key, value, world.gazetteer()).is_some_and(|places| places.within(countries))
}

/// The same for one term; one that matches no node leads nowhere.
fn term_leads_literally(world: &World, term: &NodeSelectorTerm, countries: &CountrySet) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let leads = |one: &Requirement| {
        one.operator == "In" && one.values.iter().all(|value| leads_by(world, &one.key, value, countries))
    };
    let named = |one: &Requirement| {
        one.key == "metadata.name"
            && one.operator == "In"
            && one.values.iter().all(|name| world.node(name).within(countries))
    };
    (expressions.is_empty() && term.match_fields.is_empty())
        || expressions.iter().any(leads)
        || term.match_fields.iter().any(named)
}

/// Pins a pod that may run only inside already, but says so in a way that the API server cannot see: two requirements that
/// only together lead inside, a zone in which there is no node yet.
pub fn say_literally(world: &World, spec: &PodSpec, facts: &Facts, verdict: &mut Verdict, now: Timestamp) {
    let pins = verdict.rewrites.iter().any(|rewrite| matches!(rewrite.change, Change::PinNodes { .. }));
    let Some(process) = facts.placements.first().filter(|_| verdict.action != Action::Refuse && !pins) else { return };
    if process.flexibility != Flexibility::Nodes {
        return;
    }
    let Some((enforced, by)) = engine::pinned_to(process, facts.subject.as_ref(), &world.lawbook, &world.policies, now)
    else {
        return;
    };
    if enforced.is_empty() || enforced.is_full() || leads_literally(world, spec, &enforced) {
        return;
    }
    let inside = process.places.countries.intersection(&enforced);
    // Constraints that contradict each other lead nowhere at all.
    let countries = if inside.is_empty() { enforced } else { inside };
    verdict.rewrites.push(Rewrite { placement: 0, change: Change::PinNodes { countries, by } });
    verdict.action = Action::Rewrite;
}

/// What a pod does with whose data, and where.
pub fn facts(world: &World, namespace: &NamespaceScope, pod: PodView<'_>, pinning: Pinning) -> Facts {
    let PodScope { mut data, flows } = scope::of_pod(world, namespace, pod.labels, pod.spec);
    for held in pod.made.iter().flat_map(|claim| &claim.data) {
        if !data.contains(held) {
            data.push(held.clone());
        }
    }
    if data.is_empty() {
        return Facts::default();
    }
    let bound = pod.node.is_some();
    let field = if bound {
        format!("{}.nodeName", pod.path)
    } else if pod.spec.required_terms().is_none() && !pod.spec.node_selector.is_empty() {
        format!("{}.nodeSelector", pod.path)
    } else {
        format!("{}.affinity.nodeAffinity", pod.path)
    };
    let fixed = bound || pinning == Pinning::Impossible;
    let flexibility = if fixed { Flexibility::Fixed } else { Flexibility::Nodes };
    let run = Run { places: reach(world, pod), field, flexibility };
    let mut placements = running(world, namespace, pod, &data, run);
    for (position, volume) in pod.spec.inline_volumes() {
        let path = format!("{}.volumes[{position}]", pod.path);
        placements.extend(inline::placements(world, namespace, volume, &path, &data).placements);
    }
    let carried = |flow: &FlowScope| format!("{} (carried by this pod)", flow.data.via);
    for flow in flows.iter().filter(|flow| flow.recipient.is_some()) {
        placements.push(Placement {
            act: Act::Transfer,
            field: carried(flow),
            data: vec![flow.data.clone()],
            places: flow.recipient.clone().unwrap_or_else(Places::anywhere),
            flexibility: Flexibility::Fixed,
        });
    }
    let stake = |flow: &&FlowScope| Some(Stake { matter: flow.matter.clone()?, field: Some(carried(flow)) });
    let matters = flows.iter().filter_map(stake).collect();
    let mut facts = Facts { placements, matters, subject: None };
    egress(world, namespace, &flows, pod, &data, &mut facts);
    facts
}

/// Where a pod runs, and what says so.
struct Run {
    places: Places,
    field: String,
    flexibility: Flexibility,
}

/// What happens where a pod runs: it works on data there, and what has no place of its own comes to rest there.
fn running(
    world: &World,
    namespace: &NamespaceScope,
    pod: PodView<'_>,
    data: &[Arc<Data>],
    run: Run,
) -> Vec<Placement> {
    let Run { places, field, flexibility } = run;
    let mut resting: Vec<(String, Vec<Arc<Data>>)> = Vec::new();
    for (position, name) in pod.spec.claims() {
        let state = namespace.claims.get(name);
        let (labels, sources) = state.map_or((&NO_LABELS, &[][..]), |state| (&state.labels, &state.sources));
        let held = scope::of_claim(world, namespace, name, labels, sources);
        let (class, volume) = state.map_or((None, None), |state| (state.class.as_deref(), state.volume.as_deref()));
        if !held.is_empty() && (state.is_none() || claim::decided_by_pod(world, class, volume)) {
            resting.push((format!("{}.volumes[{position}]", pod.path), held));
        }
    }
    for made in pod.made.iter().filter(|made| made.with_pod && !made.data.is_empty()) {
        resting.push((made.field.clone(), made.data.clone()));
    }
    for (position, volume) in pod.spec.inline_volumes() {
        let path = format!("{}.volumes[{position}]", pod.path);
        let with_pod = inline::placements(world, namespace, volume, &path, data).with_pod;
        resting.extend(with_pod.map(|field| (field, data.to_vec())));
    }
    let one =
        |act, field, data| Placement { act, field, data, places: places.clone(), flexibility: flexibility.clone() };
    let work = one(Act::Process, field, data.to_vec());
    let rest = resting.into_iter().map(|(field, held)| one(Act::Store, field, held));
    std::iter::once(work).chain(rest).collect()
}

/// What a binding of a pod to a node does with whose data, and where.
pub fn bound(world: &World, namespace: &NamespaceScope, pod: PodView<'_>, node: &str) -> Facts {
    let data = scope::of_pod(world, namespace, pod.labels, pod.spec).data;
    if data.is_empty() {
        return Facts::default();
    }
    let (field, flexibility) = ("target.name".to_owned(), Flexibility::Fixed);
    let run = Run { places: world.node(node), field, flexibility };
    Facts { placements: running(world, namespace, pod, &data, run), ..Facts::default() }
}

/// A pod of the ephemeral containers alone that were added to another, at the positions where they stand; none where none
/// was.
pub fn added(before: &PodSpec, now: &PodSpec) -> Option<PodSpec> {
    let known = |position: usize| before.ephemeral_containers.get(position);
    let each = now.ephemeral_containers.iter().enumerate();
    let added = each.map(|(at, one)| if known(at) == Some(one) { Container::default() } else { one.clone() });
    let added: Vec<Container> = added.collect();
    let any = now.ephemeral_containers.iter().enumerate().any(|(at, one)| known(at) != Some(one));
    any.then(|| PodSpec { ephemeral_containers: added, ..PodSpec::default() })
}

/// Where the containers of a pod are told to send data, and nothing else of it. Its labels say which flows it carries.
pub fn told(world: &World, namespace: &NamespaceScope, pod: PodView<'_>, data: &[Arc<Data>]) -> Facts {
    let flows = scope::of_pod(world, namespace, pod.labels, pod.spec).flows;
    let mut facts = Facts::default();
    if !data.is_empty() {
        egress(world, namespace, &flows, pod, data, &mut facts);
    }
    facts
}

/// Where its containers are told to send data, by variables, arguments, host aliases and config maps.
fn egress(
    world: &World,
    namespace: &NamespaceScope,
    flows: &[&FlowScope],
    pod: PodView<'_>,
    data: &[Arc<Data>],
    into: &mut Facts,
) {
    let mut settled = Vec::new();
    let resolver = Resolver::new(world);
    let idle = |value: &str| !world.gazetteer().may_name_a_region(value.trim());
    let told = pod.spec.told(pod.path, idle);
    let told: Vec<Word> =
        told.map(|(field, key, text)| Word { field, key: key.to_owned(), text: text.into_owned() }).collect();
    let maps = pod.spec.config_maps(pod.path).flat_map(|(_, name)| resolver.words_of_config(&namespace.name, name));
    let beside: Vec<Word> = if told.is_empty() { Vec::new() } else { maps.cloned().collect() };
    resolver.words(&told, &beside, &namespace.name, Act::Transfer, &mut settled);
    for (field, name) in pod.spec.config_maps(pod.path) {
        resolver.config(&namespace.name, name, &field, Act::Transfer, &mut settled);
    }
    for one in settled {
        resource::place(world, flows.iter().copied(), one, data, false, into);
    }
}

/// The node label requirement that a verdict asks for.
pub fn pin(world: &World, verdict: &Verdict) -> Option<Pin> {
    let mut pins = verdict.rewrites.iter().filter_map(|rewrite| match &rewrite.change {
        Change::PinNodes { countries, by } => Some((*countries, *by)),
        Change::Take { .. } => None,
    });
    let first = pins.next()?;
    let (countries, by): (CountrySet, PinBy) =
        pins.fold(first, |(all, most), (countries, by)| (all.intersection(&countries), most.max(by)));
    Some(rewrite::pin(&countries, by, world.nodes()))
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// The changes that add a pin to every required term which does not keep the pod inside by itself. An empty term matches
/// no node and stays empty: a requirement in it would make it match.
pub fn patch(world: &World, spec: &PodSpec, pin: Pin) -> Vec<PatchOperation> {
    let Pin { key, values, countries } = pin;
    let requirement = Value::Object(Map::from_iter([
        ("key".to_owned(), key.into()),
        ("operator".to_owned(), "In".into()),
        ("values".to_owned(), values.into()),
    ]));
    let add = |path: &[&str], value| {
        PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
    };
    let required = |requirement| {
        let term = object("matchExpressions", Value::Array(vec![requirement]));
        object("nodeSelectorTerms", Value::Array(vec![term]))
    };
    let Some(affinity) = &spec.affinity else {
        let affinity = object("nodeAffinity", object(REQUIRED, required(requirement)));
        return vec![add(&["spec", "affinity"], affinity)];
    };
    let Some(node) = &affinity.node_affinity else {
        return vec![add(&["spec", "affinity", "nodeAffinity"], object(REQUIRED, required(requirement)))];
    };
    let Some(terms) = &node.required else {
        return vec![add(&["spec", "affinity", "nodeAffinity", REQUIRED], required(requirement))];
    };
    let mut operations = Vec::new();
    for (position, term) in terms.node_selector_terms.iter().enumerate() {
        if term_leads_literally(world, term, &countries) {
            continue;
        }
        let position = position.to_string();
        let path = ["spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms", &position, "matchExpressions"];
        operations.push(if term.match_expressions.is_some() {
            let [spec, affinity, node, required, terms, position, expressions] = path;
            add(&[spec, affinity, node, required, terms, position, expressions, "-"], requirement.clone())
        } else {
            add(&path, Value::Array(vec![requirement.clone()]))
        });
    }
    operations
}

/// An object of one field. Values are moved into it: the `json!` macro would copy everything below at each level.
fn object(field: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(field.to_owned(), value)]))
}
