//! Where data came from: the fixed point over stores and whatever leads from one to another.
//!
//! A store's effective origins are its own and those of every store from which an [`Edge`] leads into it. Cycles are
//! fine: an origin has come as soon as it has come by the shortest way. The graph is changed piece by piece;
//! [`Lineage::settle`] then solves anew only what lies downstream of a change, with the same result as from scratch.
//!
//! Only distances are kept. A path is read from them when somebody asks, and is a shortest one; of several it is the one
//! whose last step comes first by name, then the one before that, so that it never depends on the order of changes.

mod solve;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::country::{Country, CountrySet};
use solve::{Graph, Id};

/// A store or flow: namespace, name.
pub type Name = (String, String);

/// What leads data from one store to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Through {
    /// A flow that declares it.
    Flow(Name),
    /// Any other object: a pod, a workload, a snapshot, a clone, a backup, a restore.
    Object {
        /// Its kind.
        kind: String,
        /// Its namespace; empty for cluster-scoped objects.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow((namespace, name)) => write!(f, "DataFlow {namespace}/{name}"),
            Self::Object { kind, namespace, name } if namespace.is_empty() => write!(f, "{kind}/{name}"),
            Self::Object { kind, namespace, name } => write!(f, "{kind}/{namespace}/{name}"),
        }
    }
}

/// A step from some stores to others: what any of the first holds reaches each of the second. A pod that touches a hundred
/// stores is one edge, not ten thousand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    through: Through,
    from: Vec<Name>,
    to: Vec<Name>,
    collected: Vec<Country>,
}

impl Edge {
    /// An edge from each of `from` to each of `to`. Stores that are not declared may be named, and lead nowhere.
    pub fn new(through: Through, from: impl IntoIterator<Item = Name>, to: impl IntoIterator<Item = Name>) -> Self {
        let sorted = |names: BTreeSet<Name>| names.into_iter().collect();
        let (from, to) = (sorted(from.into_iter().collect()), sorted(to.into_iter().collect()));
        Self { through, from, to, collected: Vec::new() }
    }

    /// The same edge, bringing origins by itself from a point where data is collected.
    #[must_use]
    pub fn collecting(self, origins: &CountrySet) -> Self {
        Self { collected: origins.iter().collect(), ..self }
    }

    /// What leads the data.
    pub fn through(&self) -> &Through {
        &self.through
    }

    /// Where it comes from, sorted.
    pub fn from(&self) -> &[Name] {
        &self.from
    }

    /// Where it goes, sorted.
    pub fn to(&self) -> &[Name] {
        &self.to
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The store that it leaves; none where data is collected from people.
    pub from: Option<Name>,
    /// By what.
    pub through: Through,
}

/// How an origin reached a store: the steps from the store that declares it. Empty: the store declares it itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

/// Where an edge stands in the graph.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Between two stores.
    Link(Id, Id),
    /// At a node of its own.
    Hub(Id),
}

/// The stores, what leads from one to another, and the origins that follow.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    graph: Graph,
    stores: BTreeMap<Name, Id>,
    /// Each edge as often as it was added.
    edges: BTreeMap<Arc<Edge>, (Place, usize)>,
}

impl Lineage {
    /// The fixed point of these stores, each with the origins that it declares, and edges.
    pub fn new(stores: &BTreeMap<Name, CountrySet>, edges: &[Edge]) -> Self {
        let mut lineage = Self::default();
        for (store, origins) in stores {
            lineage.declare(store, Some(*origins));
        }
        for edge in edges {
            lineage.add(edge.clone());
        }
        lineage.settle();
        lineage
    }

    /// Notes which origins a store declares; none: there is no such store any more.
    pub fn declare(&mut self, store: &Name, origins: Option<CountrySet>) {
        if origins.is_none() && !self.stores.contains_key(store) {
            return;
        }
        let id = self.store(store);
        self.graph.seed(id, origins);
        self.forget_if_unused(store);
    }

    /// Adds an edge. One that is added twice must be removed twice.
    pub fn add(&mut self, edge: Edge) {
        if let Some((_, count)) = self.edges.get_mut(&edge) {
            *count += 1;
            return;
        }
        let edge = Arc::new(edge);
        let place = match (&edge.from[..], &edge.to[..]) {
            ([from], [to]) if edge.collected.is_empty() => {
                let (from, to) = (self.store(from), self.store(to));
                self.graph.link(from, to, Some(edge.clone()));
                Place::Link(from, to)
            }
            (from, to) => {
                let hub = self.graph.add(solve::Label::Hub(edge.clone()));
                self.graph.seed(hub, Some(edge.collected.iter().copied().collect()));
                for from in from {
                    let from = self.store(from);
                    self.graph.link(from, hub, None);
                }
                for to in to {
                    let to = self.store(to);
                    self.graph.link(hub, to, None);
                }
                Place::Hub(hub)
            }
        };
        self.edges.insert(edge, (place, 1));
    }

    /// Takes an edge away.
    pub fn remove(&mut self, edge: &Edge) {
        let Some((place, count)) = self.edges.get_mut(edge) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        match *place {
            Place::Link(from, to) => self.graph.unlink(from, to, edge),
            Place::Hub(hub) => self.graph.remove(hub),
        }
        self.edges.remove(edge);
        for store in edge.from.iter().chain(&edge.to) {
            self.forget_if_unused(store);
        }
    }

    /// Solves what the changes since the last time have touched. Returns the declared stores whose origins are others now.
    pub fn settle(&mut self) -> BTreeSet<Name> {
        self.graph.settle()
    }

    /// The origins of a store with their paths, as of the last settling; empty if the store is not known.
    pub fn of(&self, store: &Name) -> impl Iterator<Item = (Country, Path)> {
        let id = self.stores.get(store).copied();
        id.into_iter()
            .flat_map(move |id| self.graph.origins(id).map(move |origin| (origin, self.graph.path(id, origin))))
    }

    /// The origins of a store as a set, as of the last settling.
    pub fn origins(&self, store: &Name) -> CountrySet {
        self.stores.get(store).into_iter().flat_map(|id| self.graph.origins(*id)).collect()
    }

    fn store(&mut self, name: &Name) -> Id {
        if let Some(id) = self.stores.get(name) {
            return *id;
        }
        let id = self.graph.add(solve::Label::Store(name.clone()));
        self.stores.insert(name.clone(), id);
        id
    }

    fn forget_if_unused(&mut self, store: &Name) {
        if let Some(id) = self.stores.get(store).copied().filter(|id| self.graph.is_unused(*id)) {
            self.graph.remove(id);
            self.stores.remove(store);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        ("ns".into(), text.into())
    }

    fn edge(flow: &str, from: &str, to: &str) -> Edge {
        Edge::new(Through::Flow(name(flow)), [name(from)], [name(to)])
    }

    fn one(code: &str) -> CountrySet {
        CountrySet::only(Country::parse(code).unwrap())
    }

    fn told(lineage: &Lineage, store: &str) -> Vec<String> {
        let step = |Step { from, through }: &Step| {
            from.iter().map(|from| from.1.clone()).chain([through.to_string()]).collect::<Vec<_>>()
        };
        let told = |(origin, path): (Country, Path)| {
            format!("{origin}: {}", path.0.iter().flat_map(step).collect::<Vec<_>>().join(" > "))
        };
        lineage.of(&name(store)).map(told).collect()
    }

    #[test]
    fn origins_travel_through_chains_and_cycles_and_keep_the_shortest_path() {
        let stores = [(name("a"), one("DE")), (name("b"), one("FR")), (name("c"), CountrySet::EMPTY)].into();
        let edges = [edge("ab", "a", "b"), edge("bc", "b", "c"), edge("ca", "c", "a"), edge("lost", "a", "nowhere")];
        let lineage = Lineage::new(&stores, &edges);
        for store in ["a", "b", "c"] {
            assert_eq!(lineage.origins(&name(store)).to_string(), "DE, FR", "{store}");
        }
        assert_eq!(told(&lineage, "c"), ["DE: a > DataFlow ns/ab > b > DataFlow ns/bc", "FR: b > DataFlow ns/bc"]);
        assert_eq!(told(&lineage, "nowhere"), [""; 0]);
        let reversed: Vec<Edge> = edges.iter().rev().cloned().collect();
        assert_eq!(told(&Lineage::new(&stores, &reversed), "c"), told(&lineage, "c"));
    }

    #[test]
    fn a_cycle_does_not_keep_alive_what_has_lost_its_source() {
        let stores = [(name("a"), one("DE")), (name("b"), CountrySet::EMPTY), (name("c"), CountrySet::EMPTY)].into();
        let edges = [edge("ab", "a", "b"), edge("bc", "b", "c"), edge("cb", "c", "b")];
        let mut lineage = Lineage::new(&stores, &edges);
        assert_eq!(lineage.origins(&name("c")).to_string(), "DE");
        lineage.remove(&edges[0]);
        assert_eq!(lineage.settle(), [name("b"), name("c")].into());
        assert_eq!((told(&lineage, "b"), told(&lineage, "c")), (vec![], vec![]));
    }

    #[test]
    fn an_edge_of_many_stores_leads_from_each_to_each() {
        let pod = Through::Object { kind: "Pod".into(), namespace: "ns".into(), name: "app".into() };
        let all = ["a", "b", "c"].map(name);
        let mut lineage = Lineage::new(
            &[(name("a"), one("DE")), (name("b"), one("FR")), (name("c"), CountrySet::EMPTY)].into(),
            &[Edge::new(pod.clone(), all.clone(), all.clone())],
        );
        assert_eq!(told(&lineage, "a"), ["DE: ", "FR: b > Pod/ns/app"]);
        assert_eq!(told(&lineage, "c"), ["DE: a > Pod/ns/app", "FR: b > Pod/ns/app"]);
        lineage.declare(&name("b"), None);
        assert_eq!(lineage.settle(), ["a", "c"].map(name).into());
        assert_eq!(told(&lineage, "c"), ["DE: a > Pod/ns/app"]);
    }

    #[test]
    fn an_edge_that_was_added_twice_is_there_until_it_is_removed_twice() {
        let stores = [(name("a"), one("DE")), (name("b"), CountrySet::EMPTY)].into();
        let mut lineage = Lineage::new(&stores, &[edge("ab", "a", "b"), edge("ab", "a", "b")]);
        lineage.remove(&edge("ab", "a", "b"));
        assert!(lineage.settle().is_empty());
        lineage.remove(&edge("ab", "a", "b"));
        assert_eq!(lineage.settle(), [name("b")].into());
    }
}
