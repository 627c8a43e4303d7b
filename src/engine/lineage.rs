//! Where data came from: the fixed point over stores and flows.
//!
//! A store's effective origins are its own and those of every store from which a flow leads into it. Cycles are fine:
//! origins only ever grow, and there are finitely many. Each inherited origin keeps the shortest path by which it came.

use std::collections::{BTreeMap, VecDeque};

use super::country::{Country, CountrySet};

/// A store or flow: namespace, name.
pub type Name = (String, String);

/// A step from one store to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The flow that carries the data.
    pub flow: Name,
    /// The store it comes from; none for a flow that starts with people.
    pub from: Option<Name>,
    /// Origins that the flow brings by itself, from a collection point.
    pub collected: CountrySet,
    /// The store it leads to; none for an outside recipient.
    pub to: Option<Name>,
}

/// How an origin reached a store: the hops from the store that declared it, each a flow and the store it left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(pub Vec<(Name, Option<Name>)>);

/// The origins of every store, each with the way it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage(BTreeMap<Name, BTreeMap<Country, Path>>);

impl Lineage {
    /// Computes the fixed point. `stores` are the declared origins.
    pub fn new(stores: &BTreeMap<Name, CountrySet>, edges: &[Edge]) -> Self {
        let mut origins: BTreeMap<Name, BTreeMap<Country, Path>> = BTreeMap::new();
        // Breadth first, so that the first path found is a shortest one; the queue is seeded in the order of names,
        // so that of several shortest paths the same one is always kept.
        let mut queue: VecDeque<(Name, Country, Path)> = VecDeque::new();
        for (store, declared) in stores {
            queue.extend(declared.iter().map(|origin| (store.clone(), origin, Path::default())));
        }
        let mut sorted: Vec<&Edge> = edges.iter().collect();
        sorted.sort_by(|a, b| a.flow.cmp(&b.flow));
        let mut out: BTreeMap<&Name, Vec<&Edge>> = BTreeMap::new();
        for edge in sorted {
            if let Some(from) = &edge.from {
                out.entry(from).or_default().push(edge);
            }
            if let Some(to) = edge.to.as_ref().filter(|to| stores.contains_key(*to)) {
                let path = Path(vec![(edge.flow.clone(), None)]);
                queue.extend(edge.collected.iter().map(|origin| (to.clone(), origin, path.clone())));
            }
        }
        while let Some((store, origin, path)) = queue.pop_front() {
            let known = origins.entry(store.clone()).or_default();
            if known.contains_key(&origin) {
                continue;
            }
            known.insert(origin, path.clone());
            for edge in out.get(&store).into_iter().flatten() {
                if let Some(to) = edge.to.as_ref().filter(|to| stores.contains_key(*to)) {
                    let mut longer = path.clone();
                    longer.0.push((edge.flow.clone(), Some(store.clone())));
                    queue.push_back((to.clone(), origin, longer));
                }
            }
        }
        Self(origins)
    }

    /// The origins of a store with their paths; empty if the store is not known.
    pub fn of(&self, store: &Name) -> impl Iterator<Item = (Country, &Path)> {
        self.0.get(store).into_iter().flatten().map(|(origin, path)| (*origin, path))
    }

    /// The origins of a store as a set.
    pub fn origins(&self, store: &Name) -> CountrySet {
        self.of(store).map(|(origin, _)| origin).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        ("ns".into(), text.into())
    }

    fn edge(flow: &str, from: &str, to: &str) -> Edge {
        Edge { flow: name(flow), from: Some(name(from)), collected: CountrySet::EMPTY, to: Some(name(to)) }
    }

    #[test]
    fn origins_travel_through_chains_and_cycles_and_keep_the_shortest_path() {
        let one = |code| CountrySet::only(Country::parse(code).unwrap());
        let stores = [(name("a"), one("DE")), (name("b"), one("FR")), (name("c"), CountrySet::EMPTY)].into();
        let edges = [edge("ab", "a", "b"), edge("bc", "b", "c"), edge("ca", "c", "a"), edge("lost", "a", "nowhere")];
        let lineage = Lineage::new(&stores, &edges);
        for store in ["a", "b", "c"] {
            assert_eq!(lineage.origins(&name(store)).to_string(), "DE, FR", "{store}");
        }
        let paths: BTreeMap<_, _> = lineage.of(&name("c")).collect();
        let germany = paths[&Country::parse("DE").unwrap()];
        assert_eq!(germany.0, [(name("ab"), Some(name("a"))), (name("bc"), Some(name("b")))]);
        let reversed: Vec<Edge> = edges.iter().rev().cloned().collect();
        assert_eq!(Lineage::new(&stores, &reversed), lineage);
    }
}
