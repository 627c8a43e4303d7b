//! The world in memory: what the watches saw, and the snapshot that decisions read. Synchronous, without a client.
//!
//! ```text
//! watch events, admissions, files -> apply / delete -> refresh -> Arc<World>
//! ```
//!
//! The index keeps the few facts that matter of each object, never the object. What a change touches is marked stale and
//! rebuilt by `refresh`, so that many changes cost one rebuild.

mod apply;
mod audit;
mod build;
mod declared;
mod exceptions;
mod gather;
mod lineage;
mod manifest;
mod memo;
mod network;
mod observe;
mod origins;
mod pods;
mod strays;
mod touching;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::v1alpha1::{
    Bloc, DataFlow, DataStore, InterpretedScope, Jurisdiction, Location, ORIGIN_LABEL, Provider, ResidencyException,
    ResidencyPolicy, ResourceInterpreter, TransferMechanism,
};
use crate::catalogue::Catalogue;
use crate::engine::country::CountrySet;
use crate::engine::gazetteer::Hints;
use crate::engine::law::{self, matter::Matter};
use crate::engine::lineage::{Edge, Lineage};
use crate::engine::node::{Located, NodeFacts};
use crate::interpret::objects::{Claim, Namespace, Node, Pod, StorageClass, Volume, VolumeAttributesClass};
use crate::interpret::read::{self, FlowReading};
use crate::interpret::resource::{Interpreter, Interpreters, Resources};
use crate::interpret::room::Room;
use crate::interpret::scope::{ClaimState, FlowScope};
use crate::interpret::workload::Template;
use crate::interpret::world::World;

use lineage::{Ends, Owner, StaleLineage};
use pods::Pods;
use touching::{Toucher, Touching};

pub use audit::{Audit, Audited, Found, Judged, Subject};
pub use exceptions::{ExceptionReport, Hearing};
pub use manifest::ManifestError;
pub use network::{Networks, StoreNetwork, Way};
pub use observe::{FlowReport, Observed, PolicyReport, StoreReport, UNKNOWN, Which};
pub use origins::{Anonymity, StoreOrigins};
pub use strays::{Asked, Controller, Evicting, Obstacle, Share, Standing, Stray, Strays, Workload};

/// Namespace and name; the namespace of cluster-scoped objects is empty.
pub type Name = (String, String);

/// An object that the index keeps.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "moved once, from the watch into the index")]
pub enum Object {
    /// A bloc of the cluster's own.
    Bloc(Bloc),
    /// A claim.
    Claim(Claim),
    /// A flow.
    DataFlow(DataFlow),
    /// A store.
    DataStore(DataStore),
    /// A jurisdiction of the cluster's own.
    Jurisdiction(Jurisdiction),
    /// A location of the cluster's own.
    Location(Location),
    /// A namespace.
    Namespace(Namespace),
    /// A node.
    Node(Node),
    /// A pod.
    Pod(Pod),
    /// A provider of the cluster's own.
    Provider(Provider),
    /// An exception from policies.
    ResidencyException(ResidencyException),
    /// A policy.
    ResidencyPolicy(ResidencyPolicy),
    /// Teaches a resource type.
    ResourceInterpreter(ResourceInterpreter),
    /// An object of a type that an interpreter may know, as it came.
    Other(Box<serde_json::Value>),
    /// A storage class.
    StorageClass(StorageClass),
    /// What a workload makes of pods. Only files bring any: in a cluster the pods are there themselves.
    Template(Template),
    /// A transfer mechanism of the cluster's own.
    TransferMechanism(TransferMechanism),
    /// A volume.
    Volume(Volume),
    /// A class of attributes of volumes.
    VolumeAttributesClass(VolumeAttributesClass),
}

/// The kinds of objects that the index keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named like the objects above")]
pub enum Kind {
    Bloc,
    Claim,
    DataFlow,
    DataStore,
    Jurisdiction,
    Location,
    Namespace,
    Node,
    Pod,
    Provider,
    ResidencyException,
    ResidencyPolicy,
    ResourceInterpreter,
    StorageClass,
    TransferMechanism,
    Volume,
    VolumeAttributesClass,
}

/// What counts of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NamespaceState {
    /// The value of its origin label.
    label: Option<String>,
    /// The annotations that may name a region; longer ones do not.
    annotations: Arc<BTreeMap<String, String>>,
}

impl NamespaceState {
    fn of(namespace: &Namespace) -> Self {
        const LONGEST: usize = 63;
        let short = namespace.annotations().iter().filter(|(_, value)| value.len() <= LONGEST);
        let annotations = short.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { label: namespace.labels().get(ORIGIN_LABEL).cloned(), annotations: Arc::new(annotations) }
    }
}

/// A node with its evidence.
#[derive(Debug, Clone)]
pub struct NodeState {
    /// What it says about itself.
    pub facts: NodeFacts,
    /// The country label that it carries now.
    pub label: Option<String>,
    /// Where it is.
    pub located: Located,
    /// Whether it takes pods.
    pub room: Room,
}

#[derive(Debug, Clone)]
struct StoreState {
    /// Shared with what is told of it, as it is large.
    object: Arc<DataStore>,
    origins: CountrySet,
    problems: Vec<read::Problem>,
}

#[derive(Debug, Clone)]
struct FlowState {
    /// Shared in the same way.
    object: Arc<DataFlow>,
    reading: Option<FlowReading>,
    problems: Vec<read::Problem>,
    /// Whether what it delivers is personal data, as of the last refresh.
    personal: bool,
    /// Whether it was only admitted so far. Such a flow may bring origins, but keeps none away.
    anticipated: bool,
}

/// The built-in law, by the names of its objects.
#[derive(Debug, Clone, Default)]
struct BuiltinLaw {
    jurisdictions: BTreeMap<String, Arc<law::jurisdiction::Jurisdiction>>,
    mechanisms: BTreeMap<String, Arc<law::mechanism::Mechanism>>,
}

impl BuiltinLaw {
    /// Takes the law out of the catalogue.
    fn take(catalogue: &mut Catalogue) -> Self {
        Self {
            jurisdictions: std::mem::take(&mut catalogue.jurisdictions).into_iter().collect(),
            mechanisms: std::mem::take(&mut catalogue.mechanisms).into_iter().collect(),
        }
    }
}

/// Every store and flow before the law.
#[derive(Debug, Clone, Default)]
struct Matters {
    stores: BTreeMap<Name, Arc<Matter>>,
    flows: BTreeMap<Name, Arc<Matter>>,
    /// Flows that lead into a store and may carry data to it from abroad.
    into: BTreeMap<Name, Vec<Arc<Matter>>>,
}

/// What has to be rebuilt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stale {
    law: bool,
    policies: bool,
    places: bool,
    nodes: bool,
    storage: bool,
    resources: bool,
}

/// The world in memory.
#[derive(Debug, Clone)]
pub struct Index {
    builtin: Catalogue,
    /// The built-in law in the engine's terms, which is far smaller than its manifests.
    builtin_law: BuiltinLaw,
    blocs: BTreeMap<String, Bloc>,
    jurisdictions: BTreeMap<String, Jurisdiction>,
    locations: BTreeMap<String, Location>,
    mechanisms: BTreeMap<String, TransferMechanism>,
    providers: BTreeMap<String, Provider>,
    policies: BTreeMap<String, ResidencyPolicy>,
    exceptions: BTreeMap<Name, ResidencyException>,
    /// Whether somebody sees to it that only approvers approve.
    approvals_are_guarded: bool,
    stores: BTreeMap<Name, StoreState>,
    flows: BTreeMap<Name, FlowState>,
    namespaces: BTreeMap<String, NamespaceState>,
    nodes: BTreeMap<String, NodeState>,
    classes: BTreeMap<String, StorageClass>,
    volumes: BTreeMap<String, Volume>,
    attributes_classes: BTreeMap<String, VolumeAttributesClass>,
    claims: BTreeMap<String, Arc<BTreeMap<String, ClaimState>>>,
    interpreters: Arc<Interpreters>,
    own_interpreters: BTreeMap<String, Arc<Interpreter>>,
    resources: Arc<Resources>,
    /// Claims that are filled from another namespace, and bring its data into theirs.
    foreign_clones: BTreeSet<Name>,
    pods: Pods,
    templates: BTreeMap<Toucher, Template>,
    lineage: Lineage,
    /// What leads from store to store, by the object through which it does.
    edges: BTreeMap<Owner, Vec<Edge>>,
    /// The ends of every flow.
    ends: BTreeMap<Name, Ends>,
    /// Flows by the stores at their ends.
    flows_at: BTreeMap<Name, BTreeSet<Name>>,
    /// When reviews of anonymity end, and of which flows.
    reviews: BTreeSet<(Timestamp, Name)>,
    touching: Touching,
    matters: Matters,
    /// Flows, as admission sees them.
    flow_scopes: BTreeMap<Name, Arc<FlowScope>>,
    /// Until when the policies' words are worked out ahead.
    prepared_until: Option<Timestamp>,
    stale: Stale,
    stale_namespaces: BTreeSet<String>,
    /// Namespaces with pods that have changed.
    stale_pods: BTreeSet<String>,
    stale_lineage: StaleLineage,
    hints: Option<Hints>,
    protected: Arc<BTreeSet<String>>,
    holding: Arc<BTreeSet<String>>,
    memo: memo::Memo,
    /// How often a node, or what is known of where one is, has changed.
    nodes_anew: u64,
    /// How often a declaration, or what leads from one to another, has changed.
    declared_anew: u64,
    world: Arc<World>,
}

impl Index {
    /// An index that knows the built-in catalogue and nothing else.
    pub fn new(mut builtin: Catalogue) -> Self {
        let builtin_law = BuiltinLaw::take(&mut builtin);
        let mut interpreters = Interpreters::default();
        builtin.interpreters.iter().for_each(|one| interpreters.add(one.clone()));
        Self {
            builtin,
            builtin_law,
            blocs: BTreeMap::new(),
            jurisdictions: BTreeMap::new(),
            locations: BTreeMap::new(),
            mechanisms: BTreeMap::new(),
            providers: BTreeMap::new(),
            policies: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            approvals_are_guarded: true,
            stores: BTreeMap::new(),
            flows: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            nodes: BTreeMap::new(),
            classes: BTreeMap::new(),
            volumes: BTreeMap::new(),
            attributes_classes: BTreeMap::new(),
            claims: BTreeMap::new(),
            interpreters: Arc::new(interpreters),
            own_interpreters: BTreeMap::new(),
            resources: Arc::default(),
            foreign_clones: BTreeSet::new(),
            pods: Pods::default(),
            templates: BTreeMap::new(),
            lineage: Lineage::default(),
            edges: BTreeMap::new(),
            ends: BTreeMap::new(),
            flows_at: BTreeMap::new(),
            reviews: BTreeSet::new(),
            touching: Touching::default(),
            matters: Matters::default(),
            flow_scopes: BTreeMap::new(),
            prepared_until: None,
            stale: Stale { law: true, policies: true, places: true, nodes: true, storage: true, resources: true },
            stale_namespaces: BTreeSet::new(),
            stale_pods: BTreeSet::new(),
            stale_lineage: StaleLineage::default(),
            hints: None,
            protected: Arc::default(),
            holding: Arc::default(),
            memo: memo::Memo::default(),
            nodes_anew: 0,
            declared_anew: 0,
            world: Arc::default(),
        }
    }

    /// Lets reasons name what a database believes about addresses. No verdict changes.
    pub fn hint(&mut self, hints: Hints) {
        self.hints = Some(hints);
        self.stale.places = true;
    }

    /// Hears no exception: nothing in the cluster sees to it that only approvers approve.
    #[must_use]
    pub fn without_exceptions(self) -> Self {
        Self { approvals_are_guarded: false, ..self }
    }

    /// Whether objects of an interpreted type stand in namespaces.
    pub fn is_namespaced(&self, group: &str, kind: &str) -> bool {
        let of = self.interpreters.of(group, kind);
        of.iter().any(|one| one.spec.resource.scope == InterpretedScope::Namespaced)
    }

    /// The nodes with their evidence, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeState> {
        self.nodes.values()
    }

    /// How often a node, or what is known of where one is, has changed so far.
    pub fn nodes_anew(&self) -> u64 {
        self.nodes_anew
    }

    /// The uid of a store, to which events refer.
    pub fn store_uid(&self, namespace: &str, name: &str) -> Option<String> {
        self.stores.get(&(namespace.to_owned(), name.to_owned()))?.object.metadata.uid.clone()
    }

    /// The uid of a flow.
    pub fn flow_uid(&self, namespace: &str, name: &str) -> Option<String> {
        self.flows.get(&(namespace.to_owned(), name.to_owned()))?.object.metadata.uid.clone()
    }

    /// Namespaces that hold a store or a flow, or a claim that is filled from another namespace, as of the last refresh; the
    /// same set as long as nothing changes.
    pub fn protected(&self) -> Arc<BTreeSet<String>> {
        self.protected.clone()
    }

    /// Namespaces that hold no data but that of pods which say so themselves: of such a namespace nothing else is kept. The
    /// same set as long as nothing changes.
    pub fn holding(&self) -> Arc<BTreeSet<String>> {
        self.holding.clone()
    }

    /// The snapshot as of the last refresh.
    pub fn world(&self) -> Arc<World> {
        self.world.clone()
    }
}
