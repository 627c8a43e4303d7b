//! Distances in a graph whose nodes are stores and edges in turn: how far each is from where an origin is declared.
//!
//! A change is settled in two passes for each origin. The first goes outward from what has changed and drops every
//! distance that nothing nearer supports any more, the nearest first, so that a cycle cannot support itself. The second
//! finds the distances of what was dropped or has come nearer. Neither looks at a node that no change can reach.

use std::cmp::Ordering;
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
    /// An edge.
    Edge(Arc<Edge>),
    /// Nothing: the place is free.
    Free,
}

impl Label {
    /// The distance at which its own origins begin. From a store that declares an origin to an edge is one step.
    fn start(&self) -> u32 {
        u32::from(matches!(self, Self::Edge(_)))
    }

    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Store(one), Self::Store(other)) => one.cmp(other),
            (Self::Edge(one), Self::Edge(other)) => one.cmp(other),
            // Nodes before another are all of one kind.
            _ => Ordering::Equal,
        }
    }
}

#[derive(Debug, Clone)]
struct Node {
    label: Label,
    /// Origins that begin here; none: nothing passes, since the store is only named by others.
    own: Option<CountrySet>,
    before: Vec<Id>,
    after: Vec<Id>,
}

/// How far each node is from where one origin begins.
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
    nodes: Vec<Node>,
    free: Vec<Id>,
    distances: BTreeMap<Country, Distances>,
    stale: BTreeSet<Id>,
}

impl Graph {
    /// Adds a node of which nobody knows anything yet.
    pub fn add(&mut self, label: Label) -> Id {
        let node = Node { label, own: None, before: Vec::new(), after: Vec::new() };
        if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = node;
            return id;
        }
        self.nodes.push(node);
        // More than four billion stores and edges do not fit into memory.
        Id::try_from(self.nodes.len() - 1).unwrap_or(Id::MAX)
    }

    /// Says which origins begin at a node; none: nothing passes it.
    pub fn seed(&mut self, id: Id, own: Option<CountrySet>) {
        let node = &mut self.nodes[id as usize];
        if node.own != own {
            node.own = own;
            self.stale.insert(id);
        }
    }

    /// Lets one node lead to another.
    pub fn link(&mut self, from: Id, to: Id) {
        self.nodes[from as usize].after.push(to);
        self.nodes[to as usize].before.push(from);
        self.stale.insert(to);
    }

    /// Whether nothing says anything about a node.
    pub fn is_unused(&self, id: Id) -> bool {
        let Node { label: _, own, before, after } = &self.nodes[id as usize];
        own.is_none() && before.is_empty() && after.is_empty()
    }

    /// Removes a node. What it led to is looked at again.
    pub fn remove(&mut self, id: Id) {
        let gone = Node { label: Label::Free, own: None, before: Vec::new(), after: Vec::new() };
        let Node { before, after, .. } = std::mem::replace(&mut self.nodes[id as usize], gone);
        for before in before {
            self.nodes[before as usize].after.retain(|other| *other != id);
        }
        for after in after {
            self.nodes[after as usize].before.retain(|other| *other != id);
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

    /// The way by which an origin came to a node.
    pub fn path(&self, id: Id, origin: Country) -> Path {
        let mut steps = Vec::new();
        let Some(distances) = self.distances.get(&origin) else { return Path::default() };
        let node = |id: Id| &self.nodes[id as usize];
        // Whatever is nearer by one, the first by name.
        let nearer = |id: Id| {
            let wanted = distances.get(id).checked_sub(1)?;
            let all = node(id).before.iter().copied().filter(|before| distances.get(*before) == wanted);
            all.min_by(|one, other| node(*one).label.cmp(&node(*other).label))
        };
        let mut store = id;
        while let Some(edge) = nearer(store) {
            let Label::Edge(told) = &node(edge).label else { break };
            // What an edge collects itself has come by no store.
            let collected = distances.get(edge) == node(edge).label.start() && begins(node(edge), origin);
            let from = nearer(edge).filter(|_| !collected);
            let name = from.and_then(|from| match &node(from).label {
                Label::Store(name) => Some(name.clone()),
                Label::Edge(_) | Label::Free => None,
            });
            steps.push(Step { from: name, through: told.through().clone() });
            match from {
                Some(from) => store = from,
                None => break,
            }
        }
        steps.reverse();
        Path(steps)
    }

    /// Settles what has changed. Returns the declared stores that have gained or lost an origin.
    pub fn settle(&mut self) -> BTreeSet<Name> {
        let stale: Vec<Id> = std::mem::take(&mut self.stale).into_iter().collect();
        let mut origins: CountrySet = self.distances.keys().copied().collect();
        for own in stale.iter().filter_map(|id| self.nodes[*id as usize].own.as_ref()) {
            origins = origins.union(own);
        }
        let mut moved = BTreeSet::new();
        for origin in origins.iter().filter(|_| !stale.is_empty()) {
            self.settle_origin(origin, &stale, &mut moved);
        }
        let name = |id: &Id| match &self.nodes[*id as usize] {
            Node { label: Label::Store(name), own: Some(_), .. } => Some(name.clone()),
            _ => None,
        };
        moved.iter().filter_map(name).collect()
    }

    fn settle_origin(&mut self, origin: Country, stale: &[Id], moved: &mut BTreeSet<Id>) {
        let nodes = &self.nodes;
        let distances = self.distances.entry(origin).or_default();
        distances.of.resize(nodes.len(), NEVER);
        let of = &mut distances.of;

        let mut queue = Queue::new();
        for id in stale.iter().filter(|id| of[**id as usize] != NEVER) {
            queue.entry(of[*id as usize]).or_default().push(*id);
        }
        let mut lost = Vec::new();
        while let Some((at, ids)) = queue.pop_first() {
            for id in ids {
                if of[id as usize] != at || nearest(nodes, of, id, origin) <= at {
                    continue;
                }
                of[id as usize] = NEVER;
                lost.push(id);
                for next in &nodes[id as usize].after {
                    let far = of[*next as usize];
                    if far != NEVER && far > at {
                        queue.entry(far).or_default().push(*next);
                    }
                }
            }
        }

        for id in stale.iter().chain(&lost) {
            let near = nearest(nodes, of, *id, origin);
            if near < of[*id as usize] {
                queue.entry(near).or_default().push(*id);
            }
        }
        let mut found = Vec::new();
        while let Some((at, ids)) = queue.pop_first() {
            for id in ids {
                let far = &mut of[id as usize];
                if *far <= at {
                    continue;
                }
                if *far == NEVER {
                    found.push(id);
                }
                *far = at;
                for next in &nodes[id as usize].after {
                    if at + 1 < of[*next as usize] && nodes[*next as usize].own.is_some() {
                        queue.entry(at + 1).or_default().push(*next);
                    }
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

fn begins(node: &Node, origin: Country) -> bool {
    node.own.as_ref().is_some_and(|own| own.contains(origin))
}

/// The distance of a node by what is before it.
fn nearest(nodes: &[Node], of: &[u32], id: Id, origin: Country) -> u32 {
    let node = &nodes[id as usize];
    if node.own.is_none() {
        return NEVER;
    }
    if begins(node, origin) {
        return node.label.start();
    }
    let before = node.before.iter().map(|before| of[*before as usize]).min().unwrap_or(NEVER);
    before.saturating_add(1)
}
