//! What the network of each store must let out: nothing but what declared flows send that are lawful now.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::build::ends;
use super::{FlowState, Index, Name};
use crate::api::v1alpha1::GROUP;
use crate::engine;
use crate::engine::facts::Facts;
use crate::engine::law::transfer::sooner;
use crate::engine::policy::Network;
use crate::engine::verdict::{Action, Verdict};
use crate::interpret::own;
use crate::interpret::read::Address;
use crate::interpret::subject;
use crate::interpret::world::World;

/// The networks of all stores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Networks {
    /// Those that are to be shut, by store.
    pub stores: Vec<StoreNetwork>,
    /// The first instant at which time alone may change any of it.
    pub until: Option<Timestamp>,
}

/// The network of one store's workloads.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreNetwork {
    /// Namespace and name of the store.
    pub store: Name,
    /// Its uid.
    pub uid: String,
    /// Its workloads.
    pub selector: LabelSelector,
    /// The addresses to which lawful flows lead.
    pub open: BTreeSet<Address>,
}

/// What a flow opens in the network of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The way to the recipient's addresses.
    Open,
    /// Nothing, since it declares no addresses.
    NoAddresses,
    /// Nothing, since it may not happen.
    Refused,
    /// Not the way to some of the addresses: a `Location` has them elsewhere than the recipient is declared to be.
    Elsewhere,
}

impl Index {
    /// What the network of each store must let out, where a policy that covers its data wants that.
    pub fn networks(&self, now: Timestamp) -> Networks {
        let world = self.world();
        let mut networks =
            Networks { until: sooner(world.valid_until, world.lawbook.next_bloc_change(now)), ..Networks::default() };
        for (store, state) in self.stores.iter().filter(|(store, _)| self.is_shut(store, &world, now)) {
            let metadata = &state.object.metadata;
            let Some(uid) = metadata.uid.clone().filter(|_| metadata.deletion_timestamp.is_none()) else { continue };
            let Some(workloads) = &state.object.spec.workloads else { continue };
            let mut open = BTreeSet::new();
            for (name, flow) in self.flows_out_of(store) {
                let verdict = self.judge_flow(name, flow, &world, now);
                networks.until = sooner(networks.until, verdict.holds_until);
                if verdict.action != Action::Refuse {
                    open.extend(reached(flow, &world).cloned());
                }
            }
            let selector = workloads.selector.clone();
            networks.stores.push(StoreNetwork { store: store.clone(), uid, selector, open });
        }
        networks
    }

    /// What a flow opens in the network of its store; none where nothing is shut, or nothing leaves.
    pub(super) fn way(&self, name: &Name, flow: &FlowState, verdict: &Verdict, now: Timestamp) -> Option<Way> {
        let spec = &flow.object.spec;
        let (store, _) = ends(&name.0, spec);
        let store = store.filter(|store| store.0 == name.0)?;
        let (world, recipient) = (self.world(), spec.to.recipient.as_ref()?);
        self.stores.get(&store)?.object.spec.workloads.as_ref()?;
        if !self.is_shut(&store, &world, now) {
            return None;
        }
        let known = reached(flow, &world).count();
        Some(match verdict.action {
            Action::Refuse => Way::Refused,
            _ if recipient.addresses.is_empty() => Way::NoAddresses,
            _ if known < recipient.addresses.len() => Way::Elsewhere,
            _ => Way::Open,
        })
    }

    /// Whether a policy that covers a store's data wants its network shut. One is enough.
    fn is_shut(&self, store: &Name, world: &World, now: Timestamp) -> bool {
        if !world.policies.iter().any(|policy| policy.network == Network::Generate) {
            return false;
        }
        let law = world.policies.law(&world.lawbook, now);
        let data = self.data_of_store(store);
        world.policies.covering(&data, &law).any(|policy| policy.network == Network::Generate)
    }

    /// Flows from a store to somebody outside that stand in its own namespace: what others declare opens nothing here, nor
    /// does what is only admitted so far.
    fn flows_out_of<'a>(&'a self, store: &'a Name) -> impl Iterator<Item = (&'a Name, &'a FlowState)> {
        let flows = self.flows.range((store.0.clone(), String::new())..);
        let flows = flows.take_while(move |((space, _), _)| *space == store.0);
        flows.filter(move |(name, flow)| {
            let (from, to) = ends(&name.0, &flow.object.spec);
            from.as_ref() == Some(store) && to.is_none() && !flow.anticipated
        })
    }

    /// What a flow declares, judged.
    pub(super) fn judge_flow(&self, name: &Name, state: &FlowState, world: &World, now: Timestamp) -> Verdict {
        engine::decide(&self.facts_of_flow(name, state), &world.lawbook, &world.policies, now)
    }

    /// Everything that a flow declares.
    pub(super) fn facts_of_flow(&self, name: &Name, state: &FlowState) -> Facts {
        let facts = match self.matters.flows.get(name) {
            Some(matter) => {
                own::flow_facts(&state.object.spec, self.recipient(name), self.data_of_flow(name), matter.clone())
            }
            None => Facts::default(),
        };
        Facts { subject: subject::named(&self.world, &name.0, GROUP, "DataFlow", &name.1), ..facts }
    }
}

/// The addresses of a flow's recipient that no `Location` has elsewhere.
fn reached<'a>(flow: &'a FlowState, world: &'a World) -> impl Iterator<Item = &'a Address> + use<'a> {
    let reading = flow.reading.iter();
    reading.flat_map(|reading| reading.addresses.iter().map(move |address| (address, &reading.recipient))).filter_map(
        |(address, recipient)| {
            let places = world.gazetteer().range(address.range);
            let elsewhere = || recipient.as_ref().is_some_and(|there| !places.countries.is_subset(&there.countries));
            (places.unproven.is_some() || !elsewhere()).then_some(address)
        },
    )
}
