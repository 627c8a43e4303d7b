//! Lineage in the index: which edges each object contributes, and what has to follow when they change.
//!
//! Stores and flows that have changed, reviews that have ended and pods that touch other stores than before change edges;
//! what they reach is solved anew, and of the snapshot only the namespaces are rebuilt that see a difference.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::build::ends;
use super::touching::{Group, Toucher};
use super::{Index, Name};
use crate::engine::country::CountrySet;
use crate::engine::data::Data;
use crate::engine::law::matter::Matter;
use crate::engine::lineage::{Edge, Through};
use crate::interpret::matter;

/// Who contributes edges.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A flow, or an object through which one store inherits from another: a snapshot, a clone, a restore.
    Through(Through),
    /// Pods that touch the same stores.
    Touching(Arc<Group>),
}

/// The ends of a flow as they were when it was looked at.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// The store that it leaves.
    pub from: Option<Name>,
    /// The store that it leads to.
    pub to: Option<Name>,
    /// When the review of its anonymity ends.
    review: Option<Timestamp>,
}

/// What has to be looked at again.
#[derive(Debug, Clone, Default)]
pub struct StaleLineage {
    /// Stores that have changed or are gone.
    pub stores: BTreeSet<Name>,
    /// Flows.
    pub flows: BTreeSet<Name>,
    /// Claims that may belong to other stores than before.
    pub claims: BTreeSet<Name>,
    /// Pods and templates.
    pub pods: BTreeSet<Toucher>,
    /// Namespaces whose stores may have other pods than before.
    pub namespaces: BTreeSet<String>,
    /// Namespaces whose flows may be carried by other pods than before, or cut other edges.
    pub flows_of: BTreeSet<String>,
    /// Stores to which flows lead, or have led, that have changed.
    into: BTreeSet<Name>,
}

impl Index {
    /// Says what leads from store to store through one object: all of it, and nothing if it is gone. To whoever finds another
    /// way by which data is inherited, this one call is enough; the next refresh does the rest.
    pub(super) fn lead(&mut self, owner: Owner, edges: Vec<Edge>) {
        let old = if edges.is_empty() {
            self.edges.remove(&owner)
        } else {
            if self.edges.get(&owner) == Some(&edges) {
                return;
            }
            for edge in &edges {
                self.lineage.add(edge.clone());
            }
            self.edges.insert(owner, edges)
        };
        self.declared_anew += 1;
        for edge in old.into_iter().flatten() {
            self.lineage.remove(&edge);
        }
    }

    /// From when on lineage changes by itself: the end of the next review.
    pub(super) fn next_review(&self) -> Option<Timestamp> {
        self.reviews.first().map(|(until, _)| *until)
    }

    /// Settles lineage. Namespaces that see a difference go into `touched`.
    pub(super) fn settle(&mut self, touched: &mut BTreeSet<String>, now: Timestamp) {
        let mut stale = std::mem::take(&mut self.stale_lineage);
        self.declared_anew += u64::from(!stale.stores.is_empty() || !stale.flows.is_empty());
        let ended = self.reviews.iter().take_while(|(until, _)| *until <= now);
        stale.flows.extend(ended.map(|(_, flow)| flow.clone()));
        for store in &stale.stores {
            self.lineage.declare(store, self.stores.get(store).map(|state| state.origins));
        }
        for flow in stale.flows.clone() {
            self.look_at_flow(&flow, now, &mut stale);
        }
        self.regroup(&mut stale, touched);
        let mut stores = self.lineage.settle();
        let StaleLineage { stores: changed, flows, into, .. } = stale;
        stores.extend(changed);
        self.follow(&stores, flows, into, touched);
    }

    /// The edge of a flow, and whether what it delivers is personal data now.
    fn look_at_flow(&mut self, name: &Name, now: Timestamp, stale: &mut StaleLineage) {
        let old = self.ends.remove(name).unwrap_or_default();
        if let Some(until) = old.review {
            self.reviews.remove(&(until, name.clone()));
        }
        for end in old.from.iter().chain(&old.to) {
            if let Some(flows) = self.flows_at.get_mut(end) {
                flows.remove(name);
                if flows.is_empty() {
                    self.flows_at.remove(end);
                }
            }
        }
        let inside =
            |ends: &Ends| ends.from.iter().chain(&ends.to).filter(|(namespace, _)| *namespace == name.0).count() == 2;
        let mut edges = Vec::new();
        let mut within = inside(&old);
        stale.into.extend(old.to);
        if let Some(flow) = self.flows.get_mut(name) {
            // A flow that cannot be read carries what its source holds all the same.
            let (personal_from, collected) = flow
                .reading
                .as_ref()
                .map_or((Timestamp::MIN, CountrySet::EMPTY), |reading| (reading.personal_from, reading.collected));
            flow.personal = personal_from <= now;
            let (from, to) = ends(&name.0, &flow.object.spec);
            let ends = Ends { from, to, review: (!flow.personal).then_some(personal_from) };
            if flow.personal && ends.to.is_some() {
                let edge = Edge::new(Through::Flow(name.clone()), ends.from.clone(), ends.to.clone());
                edges.push(edge.collecting(&collected));
            }
            if let Some(until) = ends.review {
                self.reviews.insert((until, name.clone()));
            }
            for end in ends.from.iter().chain(&ends.to) {
                self.flows_at.entry(end.clone()).or_default().insert(name.clone());
            }
            stale.into.extend(ends.to.clone());
            within |= inside(&ends);
            self.ends.insert(name.clone(), ends);
        }
        if within {
            stale.flows_of.insert(name.0.clone());
        }
        self.lead(Owner::Through(Through::Flow(name.clone())), edges);
    }

    /// Rebuilds what depends on stores whose origins or declarations have changed, and on flows that have.
    fn follow(
        &mut self,
        stores: &BTreeSet<Name>,
        mut flows: BTreeSet<Name>,
        mut into: BTreeSet<Name>,
        touched: &mut BTreeSet<String>,
    ) {
        for name in stores {
            touched.insert(name.0.clone());
            flows.extend(self.flows_at.get(name).into_iter().flatten().cloned());
            match self.matter_of_store(name) {
                Some(matter) => self.matters.stores.insert(name.clone(), Arc::new(matter)),
                None => self.matters.stores.remove(name),
            };
        }
        into.extend(stores.iter().cloned());
        for name in &flows {
            let old = self.matters.flows.remove(name);
            let new = self.matter_of_flow(name).map(Arc::new);
            if old != new {
                into.extend(self.ends.get(name).and_then(|ends| ends.to.clone()));
            }
            self.matters.flows.extend(new.map(|new| (name.clone(), new)));
        }
        for name in into {
            let carriers = self.carriers_into(&name);
            if self.matters.into.get(&name).map_or(&[][..], Vec::as_slice) != carriers {
                touched.insert(name.0.clone());
                let out = self.flows_at.get(&name).into_iter().flatten();
                let out = out.filter(|flow| self.ends.get(*flow).is_some_and(|ends| ends.from.as_ref() == Some(&name)));
                flows.extend(out.cloned());
            }
            if carriers.is_empty() {
                self.matters.into.remove(&name);
            } else {
                self.matters.into.insert(name, carriers);
            }
        }
        for name in flows {
            self.keep_flow_scope(&name);
            touched.insert(name.0);
        }
    }

    fn matter_of_store(&self, name: &Name) -> Option<Matter> {
        let store = self.stores.get(name)?;
        let data = Data { categories: store.object.spec.categories.clone(), ..self.origins_of_store(name) };
        Some(matter::of_store(&store.object.spec, &data))
    }

    /// A flow before the law; none if it is gone or cannot be read.
    fn matter_of_flow(&self, name: &Name) -> Option<Matter> {
        let flow = self.flows.get(name)?;
        let reading = flow.reading.as_ref()?;
        let (from, to) = ends(&name.0, &flow.object.spec);
        let store = |name: &Option<Name>| self.matters.stores.get(name.as_ref()?).map(|matter| &**matter);
        let data = self.data_of_flow(name);
        Some(matter::of_flow(&flow.object.spec, reading, &data, store(&from), store(&to), flow.personal))
    }

    /// What flows into a store declare that may carry data to it from abroad.
    fn carriers_into(&self, store: &Name) -> Vec<Arc<Matter>> {
        // More claims than this never help: what the others carry is refused rather than searched.
        const CARRIERS: usize = 64;
        if !self.stores.contains_key(store) {
            return Vec::new();
        }
        let flows = self.flows_at.get(store).into_iter().flatten();
        let into = flows.filter(|flow| self.ends.get(*flow).is_some_and(|ends| ends.to.as_ref() == Some(store)));
        let matters = into.filter_map(|flow| self.matters.flows.get(flow));
        matters.filter(|matter| !matter.transfers.is_empty()).take(CARRIERS).cloned().collect()
    }
}
