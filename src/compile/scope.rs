//! Where a set of policies applies: the namespaces of one origin label, the objects that carry one, or what a store selects.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;
use serde_json::{Value, json};

use super::cel;
use super::{Group, Inputs, Kind, Left, NAMESPACE_NAME, Plan, labelled, pods};
use crate::api::v1alpha1::ORIGIN_LABEL;
use crate::engine::compile::{Allowance, allowances};
use crate::engine::country::CountrySet;
use crate::engine::data::{Data, Source};
use crate::engine::exception::{Exception, Subject, Waivable};
use crate::engine::facts::Act;
use crate::engine::rewrite;
use crate::interpret::scope::NamespaceScope;
use crate::interpret::world::World;

/// Longest list of nodes or host names that is written into a policy.
const MOST_NODES: usize = 1000;
/// Stands for the names of nodes among the keys of labels; no label can be called so.
pub const NODE_NAMES: &str = "@nodes";
/// Spans of time that are written ahead: now, and what follows at the next instant of the law and the one after it.
const SPANS: usize = 3;

/// Where policies apply, whose data is there, and what is allowed.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What names end with that belong to it.
    pub id: String,
    /// Which namespaces.
    pub namespaces: Value,
    /// Which objects in them.
    pub objects: Value,
    /// The value of the namespaces' origin label; none where objects are chosen otherwise.
    pub label: Option<String>,
    /// Namespaces of that label in which more is to be judged than the label says.
    pub apart: BTreeSet<String>,
    /// Whose data is there.
    pub data: Arc<Data>,
    /// Whether everything in the namespaces is chosen, also what does not show its labels.
    pub whole: bool,
    /// Until when places that are not proven may pass, by an exception; then this refuses nothing new until it ends.
    pub open: Option<Timestamp>,
    /// Whether pods are chosen.
    pub pods: bool,
    /// Whether claims are chosen.
    pub claims: bool,
    /// Where it may be processed.
    pub process: Spans,
    /// Where it may rest.
    pub store: Spans,
    /// From where people may look at it.
    pub access: Spans,
    /// When the plan is made.
    pub now: Timestamp,
}

/// What is allowed from now on; empty where nothing is enforced or everything is allowed, so that nothing is compiled.
#[derive(Debug, Clone, Default)]
pub struct Spans(pub Vec<Span>);

/// What is allowed until an instant.
#[derive(Debug, Clone)]
pub struct Span {
    /// The first instant at which it is allowed no more; none: it is allowed until something is changed.
    pub until: Option<Timestamp>,
    /// Where.
    pub countries: CountrySet,
    /// How one gets there. Many scopes share it: there may be a thousand names in it.
    pub ways: Arc<Ways>,
    /// The policies that say so.
    pub policies: Vec<String>,
    /// What else they say.
    pub allowance: Allowance,
}

/// How pods get into a set of countries.
#[derive(Debug)]
pub struct Ways {
    /// Values of node labels that lead there, by key.
    pub values: BTreeMap<String, BTreeSet<String>>,
    /// Nodes that are there.
    pub nodes: BTreeSet<String>,
    /// What is too long to be written down, and so is left to the webhooks: keys of labels, and [`NODE_NAMES`].
    pub unlisted: BTreeSet<String>,
}

/// Every scope that is compiled.
#[derive(Debug, Default)]
pub struct Scopes {
    /// At most so many as were asked for.
    pub made: Vec<Scope>,
    /// How many more there would be.
    pub beyond: usize,
}

/// What scopes are made of.
struct Maker<'a> {
    world: &'a World,
    inputs: &'a Inputs,
    /// Namespaces with exceptions.
    excepted: BTreeSet<String>,
    now: Timestamp,
    ways: RefCell<HashMap<CountrySet, Arc<Ways>>>,
}

impl Spans {
    /// What is allowed now.
    pub fn first(&self) -> Option<&Span> {
        self.0.first()
    }

    /// Whether places that are not proven are refused at any time. What is generated refuses all that it does not know to be
    /// inside, and so can stand only where the decision refuses that too.
    pub fn refuse_unproven(&self) -> bool {
        self.0.iter().all(|span| span.allowance.refuses_unproven)
    }

    /// Whether pods that do not lead inside by themselves are pinned at any time.
    pub fn may_pin(&self) -> bool {
        self.0.iter().all(|span| span.allowance.pods_may_be_pinned)
    }

    /// What is too long to be written down at any time.
    pub fn unlisted(&self) -> BTreeSet<String> {
        self.0.iter().flat_map(|span| &span.ways.unlisted).cloned().collect()
    }
}

impl Span {
    /// Keys of node labels that say something about places.
    pub fn keys(&self) -> BTreeSet<String> {
        self.ways.values.keys().chain(&self.ways.unlisted).cloned().collect()
    }
}

impl Ways {
    fn of(world: &World, countries: &CountrySet) -> Self {
        let mut values = world.nodes().values_within(countries, world.gazetteer());
        let mut unlisted: BTreeSet<String> =
            values.iter().filter(|(_, values)| values.len() > MOST_NODES).map(|(key, _)| key.clone()).collect();
        values.retain(|key, _| !unlisted.contains(key));
        let mut nodes: BTreeSet<String> = world.nodes().nodes_within(countries).cloned().collect();
        if nodes.len() > MOST_NODES {
            // A shorter list would refuse who names one of the others.
            nodes.clear();
            unlisted.insert(NODE_NAMES.to_owned());
        }
        Self { values, nodes, unlisted }
    }
}

impl Maker<'_> {
    fn spans(&self, act: Act, (data, subject): (&Arc<Data>, Option<&Subject>)) -> Spans {
        let Self { world, now, .. } = self;
        let data = std::slice::from_ref(data);
        let spans = allowances(act, (data, subject), &world.lawbook, &world.policies, *now, SPANS);
        // Where nothing is enforced at some time there is nothing to refuse then; the webhook knows when.
        let limited = |one: &Allowance| one.enforced.is_some_and(|countries| !countries.is_full());
        if !spans.iter().all(limited) {
            return Spans::default();
        }
        Spans(spans.into_iter().map(|allowance| self.span(allowance)).collect())
    }

    fn span(&self, allowance: Allowance) -> Span {
        let countries = allowance.enforced.unwrap_or(CountrySet::EMPTY);
        let mut known = self.ways.borrow_mut();
        let ways = known.entry(countries).or_insert_with(|| Arc::new(Ways::of(self.world, &countries)));
        Span { until: allowance.until, countries, ways: ways.clone(), policies: allowance.policies.clone(), allowance }
    }
}

/// The first of all scopes: labels come first, since they are few and mean whole namespaces; objects with a label of their own, in
/// namespaces with exceptions, last.
pub fn first(most: usize, world: &World, inputs: &Inputs, now: Timestamp) -> Scopes {
    let mut values: BTreeMap<&str, Vec<&NamespaceScope>> = BTreeMap::new();
    let judged = |name: &String| !inputs.exempt.contains(name);
    let namespaces = || world.namespaces().filter(|scope| judged(&scope.name));
    for namespace in namespaces() {
        if let Some(value) = &namespace.origin {
            values.entry(value).or_default().push(namespace);
        }
    }
    let excepted: BTreeSet<String> =
        excepted(world, now).filter(|name| judged(name) && world.namespace(name).is_some()).cloned().collect();
    let maker = Maker { world, inputs, excepted, now, ways: RefCell::default() };
    let (mut scopes, mut whole, mut foreign): (Vec<Scope>, Vec<Scope>, Vec<Scope>) = Default::default();
    for (value, namespaces) in values {
        let of_namespaces = maker.of_label(value, &namespaces);
        // Objects elsewhere may carry the same label themselves.
        scopes.extend(of_namespaces.as_ref().map(|scope| maker.of_objects(scope, value)));
        for (name, scope) in maker.excepted.iter().filter_map(|name| Some((name, of_namespaces.as_ref()?))) {
            let own = namespaces.iter().any(|namespace| namespace.name == *name);
            let scope = maker.by_exception(scope, name, (value, own));
            if own { whole.push(scope) } else { foreign.push(scope) }
        }
        scopes.extend(of_namespaces);
    }
    scopes.append(&mut whole);
    let mut all = Scopes { beyond: scopes.len().saturating_sub(most), made: scopes };
    all.made.truncate(most);
    for namespace in namespaces() {
        maker.add_stores(&mut all, most, namespace);
    }
    let room = foreign.len().min(most - all.made.len());
    all.beyond += foreign.len() - room;
    all.made.extend(foreign.into_iter().take(room));
    all
}

/// Namespaces with exceptions that let something be elsewhere, now or later. What these are about is not always to be seen
/// in an object, so that the policies for such a namespace let pass whatever any of them does, until it ends; the webhooks,
/// which are asked about everything there, tell the rest.
fn excepted(world: &World, now: Timestamp) -> impl Iterator<Item = &String> {
    let loosens = move |one: &&Exception| {
        let places = [Waivable::Place, Waivable::Unknown].iter().any(|rule| one.rules.contains(rule));
        places && one.expires > now && world.policies.iter().any(|policy| one.is_allowed_by(policy, now))
    };
    world.policies.exceptions().iter().filter(loosens).map(|one| &one.namespace)
}

/// Until when exceptions of a namespace let pass what is not proven.
fn open(world: &World, namespace: &str, now: Timestamp) -> Option<Timestamp> {
    let lets = |one: &&Exception| {
        one.rules.contains(&Waivable::Unknown) && world.policies.iter().any(|policy| one.is_allowed_by(policy, now))
    };
    let ends = world.policies.exceptions().of(namespace).iter().filter(lets).map(|one| one.expires);
    ends.filter(|end| *end > now).max()
}

impl Maker<'_> {
    /// The scope of a label in a namespace with exceptions: the whole of it where it carries the label itself, otherwise objects
    /// that do.
    fn by_exception(&self, scope: &Scope, namespace: &str, (value, own): (&str, bool)) -> Scope {
        let subject = Subject::anything(namespace);
        let via = if own { Source::Namespace(namespace.to_owned()) } else { Source::Label };
        let data = Arc::new(Data { via, ..Data::clone(&scope.data) });
        let spans = |act| self.spans(act, (&data, Some(&subject)));
        let labelled = json!({"matchExpressions": [{"key": ORIGIN_LABEL, "operator": "In", "values": [value]}]});
        Scope {
            id: identifier(&format!("excepted/{namespace}/{value}")),
            namespaces: json!({"matchExpressions": [{"key": NAMESPACE_NAME, "operator": "In", "values": [namespace]}]}),
            objects: if own { json!({}) } else { labelled },
            label: None,
            apart: BTreeSet::new(),
            whole: own,
            open: open(self.world, namespace, self.now),
            process: spans(Act::Process),
            store: spans(Act::Store),
            access: spans(Act::Access),
            data,
            pods: true,
            claims: true,
            now: self.now,
        }
    }

    fn of_label(&self, value: &str, namespaces: &[&NamespaceScope]) -> Option<Scope> {
        let label = namespaces.first()?.label.as_ref()?;
        let data =
            Arc::new(Data { via: Source::Namespace(format!("*, {ORIGIN_LABEL}={value}")), ..Data::clone(label) });
        let [process, store, access] =
            [Act::Process, Act::Store, Act::Access].map(|act| self.spans(act, (&data, None)));
        let more = |namespace: &&&NamespaceScope| {
            self.excepted.contains(&namespace.name) || adds_to(self.world, namespace, &data, self.now)
        };
        let apart = namespaces.iter().filter(more).map(|namespace| namespace.name.clone()).collect();
        Some(Scope {
            id: identifier(value),
            namespaces: labelled(value, &self.inputs.exempt.union(&self.excepted).cloned().collect()),
            objects: json!({}),
            label: Some(value.to_owned()),
            apart,
            data,
            whole: true,
            open: None,
            pods: true,
            claims: true,
            process,
            store,
            access,
            now: self.now,
        })
    }

    /// The same for objects that carry the label themselves, wherever they are.
    fn of_objects(&self, scope: &Scope, value: &str) -> Scope {
        let without: BTreeSet<&String> = self.inputs.exempt.union(&self.excepted).collect();
        let elsewhere = json!({"key": NAMESPACE_NAME, "operator": "NotIn", "values": without});
        Scope {
            id: format!("object.{}", scope.id),
            namespaces: json!({"matchExpressions": [elsewhere]}),
            objects: json!({"matchExpressions": [{"key": ORIGIN_LABEL, "operator": "In", "values": [value]}]}),
            label: None,
            apart: BTreeSet::new(),
            data: Arc::new(Data { via: Source::Label, ..Data::clone(&scope.data) }),
            whole: false,
            ..scope.clone()
        }
    }

    /// What the stores of a namespace select by labels, beyond what its own label says already.
    fn add_stores(&self, all: &mut Scopes, most: usize, namespace: &NamespaceScope) {
        let subject = self.excepted.contains(&namespace.name).then(|| Subject::anything(&namespace.name));
        let open = subject.as_ref().and_then(|_| open(self.world, &namespace.name, self.now));
        for store in &namespace.stores {
            let Source::Store(_, name) = &store.data.via else { continue };
            let bound = namespace.label.as_ref().is_some_and(|label| label.rules(&store.data, true));
            if bound {
                continue;
            }
            let chosen = [("", &store.pods_by, true), (".claims", &store.claims_by, false)];
            let chosen = chosen.into_iter().filter_map(|(suffix, by, pods)| Some((suffix, by.as_ref()?, pods)));
            let room = most - all.made.len();
            all.beyond += chosen.clone().count().saturating_sub(room);
            let spans = OnceCell::new();
            let spans = || {
                let of = |act| self.spans(act, (&store.data, subject.as_ref()));
                spans.get_or_init(|| (of(Act::Process), of(Act::Store))).clone()
            };
            all.made.extend(chosen.take(room).map(|(suffix, selector, pods)| {
                let (process, rest) = spans();
                Scope {
                    id: identifier(&format!("{}.{name}{suffix}", namespace.name)),
                    namespaces: json!({"matchExpressions": [
                        {"key": NAMESPACE_NAME, "operator": "In", "values": [namespace.name]},
                    ]}),
                    objects: selected(selector),
                    label: None,
                    apart: BTreeSet::new(),
                    data: store.data.clone(),
                    whole: false,
                    open,
                    pods,
                    claims: !pods,
                    process,
                    store: rest,
                    access: Spans::default(),
                    now: self.now,
                }
            }));
        }
    }
}

/// Whether stores or flows of a namespace ask more of its pods and claims than its label does, now or when the law changes
/// next.
fn adds_to(world: &World, namespace: &NamespaceScope, label: &Arc<Data>, now: Timestamp) -> bool {
    if namespace.flows.iter().any(|flow| flow.workloads.is_some()) {
        return true;
    }
    namespace.stores.iter().any(|store| {
        [Act::Process, Act::Store].into_iter().any(|act| {
            let of = |data: &[Arc<Data>]| allowances(act, (data, None), &world.lawbook, &world.policies, now, SPANS);
            of(&[label.clone(), store.data.clone()]) != of(std::slice::from_ref(label))
        })
    })
}

/// What no scope can say, and so is left to the webhooks.
pub fn left(world: &World, scopes: &[Scope], inputs: &Inputs) -> Vec<Left> {
    let named = |what: &str, names: Vec<&str>| {
        const SHOWN: usize = 5;
        let more = names.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let what = format!("{what} {}{more}", names[..names.len().min(SHOWN)].join(", "));
        (!names.is_empty()).then_some(Left { policies: Vec::new(), what })
    };
    let apart = scopes.iter().filter(|scope| scope.label.is_some()).flat_map(|scope| &scope.apart);
    let judged = world.namespaces().filter(|namespace| !inputs.exempt.contains(&namespace.name));
    let by_reference = judged.filter(|namespace| {
        !namespace.secrets.is_empty() || namespace.stores.iter().any(|store| !store.claim_names.is_empty())
    });
    let apart = named(
        "what stores and flows ask beyond the origin label, and what exceptions are about, in namespaces",
        apart.map(String::as_str).collect(),
    );
    let by_reference = named(
        "pods and claims that belong to a store by name or by a secret, in namespaces",
        by_reference.map(|namespace| namespace.name.as_str()).collect(),
    );
    let open = scopes.iter().filter(|scope| scope.whole).filter_map(|scope| Some((scope.open?, &scope.data.via)));
    let open = open.map(|(until, via)| Left {
        policies: Vec::new(),
        what: format!("what is not proven passes generated policies until {until}, by an exception, with {via}"),
    });
    apart.into_iter().chain(by_reference).chain(open).collect()
}

/// A selector as the API server takes it. One that cannot be read selects everything, here as everywhere.
fn selected(selector: &LabelSelector) -> Value {
    let readable = Selector::try_from(selector.clone()).is_ok();
    serde_json::to_value(selector).ok().filter(|_| readable).unwrap_or_else(|| json!({}))
}

/// A part of an object's name: lower case, and short enough; what does not fit is told apart by a number made of it.
fn identifier(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut plain: String = text
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() || one == '.' { one.to_ascii_lowercase() } else { '-' })
        .take(LONGEST)
        .collect();
    let whole = text.chars().all(|one| one.is_ascii_alphanumeric() || "._-".contains(one)) && text.len() <= LONGEST;
    let alike = text.contains('_') && text.contains('-')
        || text.chars().any(|one| one.is_ascii_lowercase()) && text.chars().any(|one| one.is_ascii_uppercase());
    if !whole || alike {
        // FNV-1a: the same on every machine and in every release.
        let number = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let _ = write!(plain, "-{number:016x}");
    }
    plain.trim_matches(['-', '.']).to_owned()
}

impl Scope {
    /// An expression that lets everything pass while exceptions let pass what is not proven.
    pub fn unless_open(&self, expression: String) -> String {
        let Some(until) = self.open else { return expression };
        let until = cel::text(&until.to_string());
        format!("timestamp(object.metadata.creationTimestamp) < timestamp({until}) || ({expression})")
    }

    /// The first instant at which what is compiled no longer covers the time ahead.
    pub fn until(&self) -> Option<Timestamp> {
        [&self.process, &self.store, &self.access].into_iter().filter_map(|spans| spans.first()?.until).min()
    }

    /// What is decided completely for the namespaces of a label.
    pub fn group(&self, world: &World, inputs: &Inputs, plan: &Plan) -> Option<Group> {
        let value = self.label.clone()?;
        let has = |kind: Kind, name: &str| plan.objects.contains_key(&(kind, format!("{name}.{}", self.id)));
        let validates = |name: &str| has(Kind::ValidatingAdmissionPolicy, name);
        let exact = validates(pods::VALIDATE) && self.exact_pin(world).is_some();
        let only_places = |span: &&Span| !span.allowance.has_more_to_say && !span.allowance.storage_may_be_replaced;
        Some(Group {
            id: self.id.clone(),
            value,
            apart: self.apart.union(&inputs.exempt).cloned().collect(),
            keys: self.process.first().map(Span::keys).unwrap_or_default(),
            known: self.process.first().map(pods::known).unwrap_or_default(),
            pins: exact && has(Kind::MutatingAdmissionPolicy, pods::PIN),
            pods: exact,
            claims: self
                .store
                .first()
                .filter(|span| validates(super::claims::NAME) && only_places(span))
                .map(|span| super::claims::classes(world, &span.countries)),
            bindings: validates(super::bindings::NAME),
        })
    }

    /// How pods are pinned that say nothing about places, where that is all there is to decide about them.
    pub fn exact_pin(&self, world: &World) -> Option<rewrite::Pin> {
        let now = self.process.first()?;
        let Allowance { has_more_to_say, pods_may_be_pinned, pin_by, .. } = now.allowance;
        if has_more_to_say || !pods_may_be_pinned || now.countries.is_empty() {
            return None;
        }
        let pin = rewrite::pin(&now.countries, pin_by, world.nodes());
        let literal =
            now.ways.values.get(pin.key).is_some_and(|known| pin.values.iter().all(|one| known.contains(one)));
        (literal && !pin.values.is_empty()).then_some(pin)
    }
}
