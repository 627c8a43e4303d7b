//! Distances in a graph: how far each store is from where an origin is declared.
//!
//! An edge from one store to one other is a link between them. Any other edge is a hub: a node of its own, to which its
//! stores link and which links to others. So that both count as one step, distances are told in half steps.
//!
//! A change is settled in two passes for each origin. The first goes outward from what has changed and drops every
//! distance that nothing nearer supports any more, the nearest first, so that a cycle cannot support itself. The second
//! finds the distances of what was dropped or has come nearer. Neither looks at a node that no change can reach.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Edge, Name, Path, Step};
use crate::engine::country::{Country, CountrySet};

/// A position among the nodes.
pub type Id = u32;

/// What a node stands for.
#[derive(Debug, Clone)]
pub enum Label {
    /// A store.
    Store(Name),
    /// An edge that is a node of its own.
    Hub(Arc<Edge>),
    /// Nothing: the place is free.
    Free,
}

/// What the search reads of a node: kept apart from the rest, so that it stays small.
#[derive(Debug, Clone, Default)]
struct Links {
    is_hub: bool,
    /// Whether anything passes: not where a store is only named by others.
    open: bool,
    before: Vec<Id>,
    after: Vec<Id>,
}

#[derive(Debug, Clone)]
struct Node {
    label: Label,
    /// Origins that begin here.
    own: Option<CountrySet>,
    /// The edge of each link before it; none where that comes from a hub, which is the edge itself.
    by: Vec<Option<Arc<Edge>>>,
}

/// How far each node is from where one origin begins, in half steps.
#[derive(Debug, Clone, Default)]
struct Distances {
    of: Vec<u32>,
    reached: usize,
}

const NEVER: u32 = u32::MAX;

impl Distances {
    fn get(&self, id: Id) -> u32 {
        self.of.get(id as usize).copied().unwrap_or(NEVER)
    }
}

/// Nodes by distance. There are few distances and many nodes of each.
type Queue = BTreeMap<u32, Vec<Id>>;

/// The graph and its distances.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    links: Vec<Links>,
    nodes: Vec<Node>,
    free: Vec<Id>,
    distances: BTreeMap<Country, Distances>,
    stale: BTreeSet<Id>,
}

impl Graph {
    /// Adds a node of which nobody knows anything yet.
    pub fn add(&mut self, label: Label) -> Id {
        let links = Links { is_hub: matches!(label, Label::Hub(_)), ..Links::default() };
        let node = Node { label, own: None, by: Vec::new() };
        if let Some(id) = self.free.pop() {
            (self.nodes[id as usize], self.links[id as usize]) = (node, links);
            return id;
        }
        self.nodes.push(node);
        self.links.push(links);
        // More than four billion stores and edges do not fit into memory.
        Id::try_from(self.nodes.len() - 1).unwrap_or(Id::MAX)
    }

    /// Says which origins begin at a node; none: nothing passes it.
    pub fn seed(&mut self, id: Id, own: Option<CountrySet>) {
        let node = &mut self.nodes[id as usize];
        if node.own != own {
            self.links[id as usize].open = own.is_some();
            node.own = own;
            self.stale.insert(id);
        }
    }

    /// Lets one node lead to another, by an edge where neither is one.
    pub fn link(&mut self, from: Id, to: Id, by: Option<Arc<Edge>>) {
        self.links[from as usize].after.push(to);
        self.links[to as usize].before.push(from);
        self.nodes[to as usize].by.push(by);
        self.stale.insert(to);
    }

    /// Takes the link of an edge between two stores away.
    pub fn unlink(&mut self, from: Id, to: Id, by: &Edge) {
        let after = &mut self.links[from as usize].after;
        if let Some(at) = after.iter().position(|other| *other == to) {
            after.swap_remove(at);
        }
        let all = &mut self.nodes[to as usize].by;
        if let Some(at) = all.iter().position(|other| other.as_deref() == Some(by)) {
            all.swap_remove(at);
            self.links[to as usize].before.swap_remove(at);
        }
        self.stale.insert(to);
    }

    /// Whether nothing says anything about a node.
    pub fn is_unused(&self, id: Id) -> bool {
        let Links { is_hub: _, open, before, after } = &self.links[id as usize];
        !open && before.is_empty() && after.is_empty()
    }

    /// Removes a hub, or a store that is not used. What it led to is looked at again.
    pub fn remove(&mut self, id: Id) {
        self.nodes[id as usize] = Node { label: Label::Free, own: None, by: Vec::new() };
        let Links { before, after, .. } = std::mem::take(&mut self.links[id as usize]);
        for before in before {
            self.links[before as usize].after.retain(|other| *other != id);
        }
        for after in after {
            let links = &mut self.links[after as usize].before;
            if let Some(at) = links.iter().position(|other| *other == id) {
                links.swap_remove(at);
                self.nodes[after as usize].by.swap_remove(at);
            }
            self.stale.insert(after);
        }
        for distances in self.distances.values_mut().filter(|distances| distances.get(id) != NEVER) {
            distances.of[id as usize] = NEVER;
            distances.reached -= 1;
        }
        self.stale.remove(&id);
        self.free.push(id);
    }

    /// The origins that reach a node, in alphabetical order.
    pub fn origins(&self, id: Id) -> impl Iterator<Item = Country> {
        self.distances.iter().filter(move |(_, distances)| distances.get(id) != NEVER).map(|(origin, _)| *origin)
    }

    /// The way by which an origin came to a store.
    pub fn path(&self, id: Id, origin: Country) -> Path {
        let mut steps = Vec::new();
        let Some(distances) = self.distances.get(&origin) else { return Path::default() };
        let mut store = id;
        while let Some((edge, before)) = self.last_edge(distances, store) {
            let from = if self.links[before as usize].is_hub {
                // What an edge collects itself has come by no store.
                let collected = begins(&self.nodes[before as usize], origin);
                self.first_store(distances, before).filter(|_| !collected)
            } else {
                Some(before)
            };
            let name = from.and_then(|from| self.name(from));
            steps.push(Step { from: name.cloned(), through: edge.through().clone() });
            match from {
                Some(from) => store = from,
                None => break,
            }
        }
        steps.reverse();
        Path(steps)
    }

    /// The edge by which an origin came to a store, the first by name, and the node before it.
    fn last_edge(&self, distances: &Distances, store: Id) -> Option<(&Edge, Id)> {
        let far = distances.get(store);
        let before = self.links[store as usize].before.iter().zip(&self.nodes[store as usize].by);
        let edges = before.filter_map(|(before, by)| {
            let near = distances.get(*before).checked_add(length(&self.links, *before, store))?;
            match (&self.nodes[*before as usize].label, by) {
                (Label::Hub(edge), _) | (_, Some(edge)) if near == far => Some((&**edge, *before)),
                _ => None,
            }
        });
        edges.min_by(|(one, _), (other, _)| one.cmp(other))
    }

    /// The store by which an origin came to a hub, the first by name.
    fn first_store(&self, distances: &Distances, hub: Id) -> Option<Id> {
        let near = |before: &Id| distances.get(*before).checked_add(1) == Some(distances.get(hub));
        let stores = self.links[hub as usize].before.iter().copied().filter(near);
        stores.min_by(|one, other| self.name(*one).cmp(&self.name(*other)))
    }

    fn name(&self, store: Id) -> Option<&Name> {
        match &self.nodes[store as usize].label {
            Label::Store(name) => Some(name),
            Label::Hub(_) | Label::Free => None,
        }
    }

    /// Settles what has changed. Returns the declared stores that have gained or lost an origin.
    pub fn settle(&mut self) -> BTreeSet<Name> {
        let stale: Vec<Id> = std::mem::take(&mut self.stale).into_iter().collect();
        let mut origins: CountrySet = self.distances.keys().copied().collect();
        for own in stale.iter().filter_map(|id| self.nodes[*id as usize].own.as_ref()) {
            origins = origins.union(own);
        }
        let mut moved = Vec::new();
        for origin in origins.iter().filter(|_| !stale.is_empty()) {
            self.settle_origin(origin, &stale, &mut moved);
        }
        moved.sort_unstable();
        moved.dedup();
        let declared = moved.into_iter().filter(|id| self.links[*id as usize].open);
        declared.filter_map(|id| self.name(id).cloned()).collect()
    }

    fn settle_origin(&mut self, origin: Country, stale: &[Id], moved: &mut Vec<Id>) {
        let Self { links, nodes, distances, .. } = self;
        let distances = distances.entry(origin).or_default();
        distances.of.resize(nodes.len(), NEVER);
        let of = &mut distances.of;
        let start =
            |id: Id| if begins(&nodes[id as usize], origin) { u32::from(links[id as usize].is_hub) } else { NEVER };

        let mut queue = Queue::new();
        for id in stale.iter().filter(|id| of[**id as usize] != NEVER) {
            queue.entry(of[*id as usize]).or_default().push(*id);
        }
        let mut lost = Vec::new();
        while let Some((at, ids)) = queue.pop_first() {
            for id in ids {
                if of[id as usize] != at || start(id) <= at || nearest(links, of, id) <= at {
                    continue;
                }
                of[id as usize] = NEVER;
                lost.push(id);
                for next in &links[id as usize].after {
                    let far = of[*next as usize];
                    if far != NEVER && far > at {
                        queue.entry(far).or_default().push(*next);
                    }
                }
            }
        }

        for id in stale.iter().chain(&lost) {
            let near = start(*id).min(nearest(links, of, *id));
            if near < of[*id as usize] {
                queue.entry(near).or_default().push(*id);
            }
        }
        let mut found = Vec::new();
        while let Some((at, ids)) = queue.pop_first() {
            // A link is half a step or a whole one.
            let (mut half, mut whole) = (Vec::new(), Vec::new());
            for id in ids {
                let far = &mut of[id as usize];
                if *far <= at {
                    continue;
                }
                if *far == NEVER {
                    found.push(id);
                }
                *far = at;
                for next in &links[id as usize].after {
                    let length = length(links, id, *next);
                    if at + length < of[*next as usize] && links[*next as usize].open {
                        if length == HALF { &mut half } else { &mut whole }.push(*next);
                    }
                }
            }
            for (length, nodes) in [(HALF, half), (STEP, whole)] {
                if !nodes.is_empty() {
                    queue.entry(at + length).or_default().extend(nodes);
                }
            }
        }

        distances.reached = distances.reached + found.len() - lost.len();
        let nowhere = distances.reached == 0;
        lost.sort_unstable();
        found.sort_unstable();
        moved.extend(found.iter().filter(|id| lost.binary_search(id).is_err()));
        moved.extend(lost.iter().filter(|id| found.binary_search(id).is_err()));
        if nowhere {
            self.distances.remove(&origin);
        }
    }
}

/// From store to store.
const STEP: u32 = 2;
/// From a store to a hub, or from a hub to a store.
const HALF: u32 = 1;

fn length(links: &[Links], from: Id, to: Id) -> u32 {
    if links[from as usize].is_hub || links[to as usize].is_hub { HALF } else { STEP }
}

fn begins(node: &Node, origin: Country) -> bool {
    node.own.as_ref().is_some_and(|own| own.contains(origin))
}

/// The distance of a node by what is before it.
fn nearest(links: &[Links], of: &[u32], id: Id) -> u32 {
    let Links { open, before, .. } = &links[id as usize];
    let by = |before: &Id| of[*before as usize].saturating_add(length(links, *before, id));
    before.iter().filter(|_| *open).map(by).min().unwrap_or(NEVER)
}
