//! Lineage as properties of random graphs and random changes: in the engine alone, against a naive search, and in the
//! index, against an index that sees only what is left in the end.

use std::collections::{BTreeMap, BTreeSet};

use domicile::engine::country::{Country, CountrySet};
use domicile::engine::lineage::{Edge, Lineage, Name, Path, Through};
use domicile::index::{Index, Kind, Object, Which};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

fn tries(cases: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_iters: 4000, ..Config::default() }
}

type Declared = BTreeMap<Name, CountrySet>;

fn name(at: u8) -> Name {
    (format!("ns-{}", at % 2), format!("store-{at}"))
}

fn origins() -> impl Strategy<Value = CountrySet> {
    let codes = prop::sample::subsequence(vec!["DE", "FR", "US"], 0..=2);
    codes.prop_map(|codes| codes.into_iter().map(|code| Country::parse(code).unwrap()).collect())
}

/// Stores, some of which nobody has declared.
fn stores() -> impl Strategy<Value = Declared> {
    prop::collection::btree_map((0u8..7).prop_map(name), origins(), 0..7)
}

fn edge() -> impl Strategy<Value = Edge> {
    // Most edges are those of flows, from one store to one other.
    let names = |most| {
        let few = |count| prop::collection::vec((0u8..7).prop_map(name), count);
        prop_oneof![3 => few(1..2), 2 => few(0..most)]
    };
    let through = (0u8..4, any::<bool>()).prop_map(|(at, flow)| {
        let (namespace, name) = ("ns".to_owned(), format!("t-{at}"));
        let object = Through::Object { kind: "Pod".to_owned(), namespace: namespace.clone(), name: name.clone() };
        if flow { Through::Flow((namespace, name)) } else { object }
    });
    let collected = prop_oneof![3 => Just(CountrySet::EMPTY), 1 => origins()];
    (through, names(4), names(4), collected)
        .prop_map(|(through, from, to, collected)| Edge::new(through, from, to).collecting(&collected))
}

fn edges() -> impl Strategy<Value = Vec<Edge>> {
    prop::collection::vec(edge(), 0..10)
}

/// Everything that is known of every store.
fn told(lineage: &Lineage) -> BTreeMap<Name, Vec<(Country, Path)>> {
    (0..7).map(name).map(|store| (store.clone(), lineage.of(&store).collect())).collect()
}

/// A change to stores or edges.
#[derive(Debug, Clone)]
enum Change {
    Declare(Name, Option<CountrySet>),
    Add(Edge),
    /// Removes one of the edges that are there.
    Remove(prop::sample::Index),
    Settle,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => ((0u8..7).prop_map(name), prop::option::of(origins())).prop_map(|(store, own)| Change::Declare(store, own)),
        4 => edge().prop_map(Change::Add),
        3 => any::<prop::sample::Index>().prop_map(Change::Remove),
        3 => Just(Change::Settle),
    ];
    prop::collection::vec(change, 0..40)
}

proptest! {
    #![proptest_config(tries(1500))]

    #[test]
    fn whatever_changes_the_result_is_that_of_a_new_start(changes in changes()) {
        let (mut stores, mut edges) = (Declared::new(), Vec::<Edge>::new());
        let mut lineage = Lineage::default();
        for change in changes {
            match change {
                Change::Declare(store, own) => {
                    lineage.declare(&store, own);
                    match own {
                        Some(own) => stores.insert(store, own),
                        None => stores.remove(&store),
                    };
                }
                Change::Add(edge) => {
                    lineage.add(edge.clone());
                    edges.push(edge);
                }
                Change::Remove(at) if !edges.is_empty() => lineage.remove(&edges.swap_remove(at.index(edges.len()))),
                Change::Remove(_) => {}
                Change::Settle => {
                    let before: BTreeMap<Name, CountrySet> =
                        stores.keys().map(|store| (store.clone(), lineage.origins(store))).collect();
                    let moved = lineage.settle();
                    prop_assert_eq!(told(&lineage), told(&Lineage::new(&stores, &edges)));
                    for (store, before) in before {
                        if before != lineage.origins(&store) {
                            prop_assert!(moved.contains(&store), "{:?} is not told of", store);
                        }
                    }
                }
            }
        }
        lineage.settle();
        prop_assert_eq!(told(&lineage), told(&Lineage::new(&stores, &edges)));
    }

    #[test]
    fn origins_are_exactly_those_that_a_naive_search_finds(stores in stores(), edges in edges()) {
        let mut all = stores.clone();
        loop {
            let before = all.clone();
            for edge in &edges {
                let from = edge.from().iter().filter_map(|from| all.get(from)).copied().collect::<Vec<_>>();
                let carried = from.iter().fold(collected(edge), CountrySet::union);
                for to in edge.to() {
                    if let Some(known) = all.get_mut(to) {
                        *known = known.union(&carried);
                    }
                }
            }
            if before == all {
                break;
            }
        }
        let lineage = Lineage::new(&stores, &edges);
        for store in (0..7).map(name) {
            prop_assert_eq!(lineage.origins(&store), all.get(&store).copied().unwrap_or_default());
        }
    }

    #[test]
    fn one_more_edge_or_origin_never_takes_one_away(
        stores in stores(),
        edges in edges(),
        more in edge(),
        (store, own) in ((0u8..7).prop_map(name), origins()),
    ) {
        let before = Lineage::new(&stores, &edges);
        let mut after = before.clone();
        after.add(more);
        let own = stores.get(&store).copied().unwrap_or_default().union(&own);
        after.declare(&store, Some(own));
        after.settle();
        for store in (0..7).map(name) {
            prop_assert!(before.origins(&store).is_subset(&after.origins(&store)));
        }
    }

    #[test]
    fn the_order_of_edges_never_matters(
        stores in stores(),
        (edges, shuffled) in edges().prop_flat_map(|edges| (Just(edges.clone()), Just(edges).prop_shuffle())),
    ) {
        prop_assert_eq!(told(&Lineage::new(&stores, &edges)), told(&Lineage::new(&stores, &shuffled)));
    }

    #[test]
    fn every_path_is_a_walk_from_where_the_origin_is_declared(stores in stores(), edges in edges()) {
        let lineage = Lineage::new(&stores, &edges);
        for (store, origins) in told(&lineage) {
            for (origin, path) in origins {
                let Some(first) = path.0.first() else {
                    prop_assert!(stores[&store].contains(origin));
                    continue;
                };
                if let Some(from) = &first.from {
                    prop_assert!(stores[from].contains(origin), "{:?} does not declare {}", from, origin);
                }
                let next = path.0.iter().skip(1).map(|step| step.from.as_ref()).chain([Some(&store)]);
                for (step, to) in path.0.iter().zip(next) {
                    let leads = edges.iter().any(|edge| {
                        let begins = match &step.from {
                            Some(from) => edge.from().contains(from),
                            None => collected(edge).contains(origin),
                        };
                        *edge.through() == step.through && begins && edge.to().contains(to.unwrap())
                    });
                    prop_assert!(leads, "no edge for {step:?}");
                }
                let passed: BTreeSet<_> = path.0.iter().map(|step| &step.from).collect();
                prop_assert_eq!(passed.len(), path.0.len(), "passes a store twice");
            }
        }
    }
}

/// What an edge collects by itself, seen from outside: what a store gets to which nothing else leads.
fn collected(edge: &Edge) -> CountrySet {
    let stores = edge.to().iter().map(|to| (to.clone(), CountrySet::EMPTY)).collect();
    let lineage = Lineage::new(&stores, std::slice::from_ref(edge));
    edge.to().first().map_or(CountrySet::EMPTY, |to| lineage.origins(to))
}

const NOW: [&str; 3] = ["2026-11-22T00:00:00Z", "2027-03-01T00:00:00Z", "2028-01-01T00:00:00Z"];

fn now(at: usize) -> Timestamp {
    NOW[at].parse().unwrap()
}

/// A small world that is busy: everything touches everything now and then.
fn manifest() -> impl Strategy<Value = Value> {
    // Most stands in one place, so that it meets.
    let space = prop::sample::select(vec!["one", "one", "one", "one", "two"]);
    let label = || prop::sample::select(vec!["x", "y"]);
    let selector = move || label().prop_map(|app| json!({"selector": {"matchLabels": {"app": app}}}));
    let which = || prop::sample::select(vec!["a", "b", "c"]);
    let store = (
        space.clone(),
        which(),
        prop::sample::select(vec![json!(["DE"]), json!(["FR"]), json!(["US"]), json!(["XX"])]),
        prop::option::of(selector()),
        prop::option::of(which()),
        prop::option::of(label()),
    )
        .prop_map(|(space, name, origins, workloads, secret, claim)| {
            json!({
                "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore", "metadata": {"namespace": space, "name": name},
                "spec": {
                    "origins": origins, "workloads": workloads, "secrets": secret.into_iter().collect::<Vec<_>>(),
                    "claims": claim.map(|claim| json!({"selector": {"matchLabels": {"app": claim}}})),
                    "parties": [{"role": "Controller", "establishedIn": "DE"}], "residence": {"country": "US"},
                },
            })
        });
    let anonymous = json!({
        "kind": "Anonymised", "method": "k", "performedIn": "DE", "minimumGroup": 30,
        "reidentificationAssessment": "d", "reviewedBy": "dpo", "expires": NOW[1],
    });
    let end = (space.clone(), which());
    let flow = (
        (space.clone(), which()),
        prop_oneof![4 => end.clone().prop_map(Some), 1 => Just(None)],
        prop_oneof![4 => end.prop_map(Some), 1 => Just(None)],
        prop::option::of(selector()),
        prop_oneof![2 => Just(Value::Null), 1 => Just(anonymous), 1 => Just(json!({"kind": "Pseudonymised"}))],
    )
        .prop_map(|((space, name), from, to, workloads, transformation)| {
            let store = |(space, name)| json!({"dataStore": {"namespace": space, "name": name}});
            let people = json!({"collection": {"countries": ["IT"]}});
            let recipient = json!({"recipient": {"name": "Agency", "place": {"country": "US"}}});
            json!({
                "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow", "metadata": {"namespace": space, "name": name},
                "spec": {
                    "from": from.map_or(people, store), "to": to.map_or(recipient, store), "workloads": workloads,
                    "transformation": transformation,
                },
            })
        });
    let pod = (space.clone(), which(), label(), prop::option::of(which()), prop::option::of(which())).prop_map(
        |(space, name, app, secret, claim)| {
            let volumes: Vec<Value> = claim
                .map(|claim| json!({"name": "v", "persistentVolumeClaim": {"claimName": claim}}))
                .into_iter()
                .collect();
            let env: Vec<Value> =
                secret.map(|secret| json!({"secretRef": {"name": secret}})).into_iter().collect();
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": space, "name": name, "labels": {"app": app}},
                "spec": {"nodeName": "n", "volumes": volumes, "containers": [{"name": "c", "envFrom": env}]},
            })
        },
    );
    let claim = (space.clone(), which(), label()).prop_map(|(space, name, app)| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": space, "name": name, "labels": {"app": app}}, "spec": {},
        })
    });
    let namespace = space.prop_map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    let node = prop::sample::select(vec!["eu-central-1", "us-east-1"]).prop_map(|region| {
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "n", "labels": {"topology.kubernetes.io/region": region}},
            "spec": {"providerID": format!("aws:///{region}a/i-n")},
        })
    });
    prop_oneof![4 => store, 4 => flow, 4 => pod, 2 => claim, 2 => namespace, 1 => node]
}

#[derive(Debug, Clone)]
enum Event {
    Apply(Value),
    Delete(prop::sample::Index),
    Refresh,
    /// A part of what there is to be judged; the rest later.
    Look,
    Later,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => manifest().prop_map(Event::Apply),
        3 => any::<prop::sample::Index>().prop_map(Event::Delete),
        3 => Just(Event::Refresh),
        2 => Just(Event::Look),
        1 => Just(Event::Later),
    ];
    let first = prop::collection::vec(manifest().prop_map(Event::Apply), 5..40);
    (first, prop::collection::vec(event, 0..12))
        .prop_map(|(first, later)| first.into_iter().chain([Event::Refresh]).chain(later).collect())
}

fn key(manifest: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&manifest["kind"]), text(&manifest["metadata"]["namespace"]), text(&manifest["metadata"]["name"]))
}

fn kind(text: &str) -> Kind {
    match text {
        "DataStore" => Kind::DataStore,
        "DataFlow" => Kind::DataFlow,
        "Pod" => Kind::Pod,
        "PersistentVolumeClaim" => Kind::Claim,
        "Node" => Kind::Node,
        _ => Kind::Namespace,
    }
}

/// Everything that the snapshot and the statuses say.
fn seen(index: &mut Index, now: Timestamp) -> String {
    let world = index.refresh(now);
    let observed = index.observe(now);
    let statuses: Vec<_> = observed.stores.iter().map(|store| &store.status).collect();
    let flows: Vec<_> = observed.flows.iter().map(|flow| &flow.status).collect();
    let asked = (index.protected(), index.holding());
    format!("{:#?}\n{:?}\n{asked:?}\n{statuses:#?}\n{flows:#?}", world.surroundings().namespaces, world.valid_until)
}

/// What is told of each store and flow, by its key.
type Told = BTreeMap<(String, String, String), String>;

/// Adds what there is to tell.
fn hear(told: &mut Told, index: &mut Index, which: Which, now: Timestamp) {
    index.refresh(now);
    let observed = index.observe_each(which, now, &mut |_| {});
    let key = |kind: &str, metadata: &ObjectMeta| {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        (kind.to_owned(), text(&metadata.namespace), text(&metadata.name))
    };
    for store in observed.stores {
        let text = format!("{:#?} {:?} {}", store.status, store.problems, store.checks);
        told.insert(key("DataStore", &store.object.metadata), text);
    }
    for flow in observed.flows {
        let counts = [flow.violations, flow.unproven];
        let text = format!("{:#?} {:?} {counts:?} {} {:?}", flow.status, flow.problems, flow.checks, flow.way);
        told.insert(key("DataFlow", &flow.object.metadata), text);
    }
}

fn fresh<'a>(manifests: impl IntoIterator<Item = &'a Value>) -> Index {
    let mut index = Index::new(crate::builtin());
    for manifest in manifests {
        index.apply(Object::from_manifest(manifest.clone()).unwrap().unwrap());
    }
    index
}

/// What the flow declares is the same as before, so that only where it leads tells.
#[test]
fn a_flow_that_leads_elsewhere_is_known_where_it_leads_now() {
    let store = |name: &str| {
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore", "metadata": {"namespace": "one", "name": name},
            "spec": {
                "origins": ["DE"], "residence": {"country": "US"}, "parties": [{"role": "Controller", "establishedIn": "DE"}],
            },
        })
    };
    let flow = |to: &str| {
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow", "metadata": {"namespace": "one", "name": "f"},
            "spec": {"from": {"dataStore": {"name": "a"}}, "to": {"dataStore": {"name": to}}},
        })
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "one"}});
    let all = |to: &str| [namespace.clone(), store("a"), store("b"), flow(to)];
    let mut index = fresh(&all("a"));
    index.refresh(now(0));
    index.apply(Object::from_manifest(flow("b")).unwrap().unwrap());
    assert_eq!(seen(&mut index, now(0)), seen(&mut fresh(&all("b")), now(0)));
}

/// Reports hang by the uid on what they are about.
#[test]
fn a_store_that_comes_again_is_told_of_as_the_new_one() {
    let store = |uid: &str| {
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore",
            "metadata": {"namespace": "one", "name": "a", "uid": uid},
            "spec": {"origins": ["DE"], "residence": {"country": "US"}},
        })
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "one"}});
    let told = |index: &mut Index| -> Vec<String> {
        index.refresh(now(0));
        let audit = index.observe_each(Which::Changed, now(0), &mut |_| {}).audit;
        audit.objects.iter().map(|one| one.subject.uid.clone()).collect()
    };
    let mut index = fresh(&[namespace, store("first")]);
    assert_eq!(told(&mut index), ["first"]);
    index.delete(Kind::DataStore, "one", "a");
    index.apply(Object::from_manifest(store("second")).unwrap().unwrap());
    assert_eq!(told(&mut index), ["second"]);
}

proptest! {
    #![proptest_config(tries(400))]

    #[test]
    fn an_index_that_follows_changes_sees_what_a_new_one_sees(events in events()) {
        let mut index = Index::new(crate::builtin());
        let (mut present, mut told) = (BTreeMap::new(), Told::new());
        let mut at = 0;
        for event in events {
            match event {
                Event::Apply(manifest) => {
                    index.apply(Object::from_manifest(manifest.clone()).unwrap().unwrap());
                    present.insert(key(&manifest), manifest);
                }
                Event::Delete(which) if !present.is_empty() => {
                    let gone = present.keys().nth(which.index(present.len())).unwrap().clone();
                    present.remove(&gone);
                    index.delete(kind(&gone.0), &gone.1, &gone.2);
                }
                Event::Delete(_) => {}
                Event::Refresh => hear(&mut told, &mut index, Which::Changed, now(at)),
                Event::Look => {
                    index.refresh(now(at));
                    index.audit_some(1, now(at), &mut |_| {});
                }
                Event::Later => at = (at + 1).min(NOW.len() - 1),
            }
        }
        // Whoever only hears what is new knows as much as who asks for all of it.
        hear(&mut told, &mut index, Which::Changed, now(at));
        told.retain(|key, _| present.contains_key(key));
        let mut all = Told::new();
        hear(&mut all, &mut fresh(present.values()), Which::All, now(at));
        prop_assert_eq!(told, all);
        let before = seen(&mut index, now(at));
        prop_assert_eq!(&before, &seen(&mut fresh(present.values()), now(at)));
        for (kind, namespace, name) in present.keys() {
            if let Some(aside) = index.set_aside(kind, namespace, name) {
                index.refresh(now(at));
                index.put_back(aside);
            }
        }
        prop_assert_eq!(before, seen(&mut index, now(at)));
    }
}
