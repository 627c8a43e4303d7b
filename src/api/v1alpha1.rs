//! Group `domicile.dev`, version `v1alpha1`.

mod bloc;
mod common;
mod data_flow;
mod data_store;
mod location;
mod provider;
mod residency_policy;

pub use bloc::{Bloc, BlocMember, BlocSpec, FreeFlow, MemberStatus};
pub use common::{Confidence, LawSource, ObjectFinding, Workloads};
pub use data_flow::{
    Collection, DataFlow, DataFlowSpec, DataFlowStatus, Destination, Origin, Place, Recipient, StoreReference,
    Transformation, TransformationKind,
};
pub use data_store::{
    Claims, DataStore, DataStoreSpec, DataStoreStatus, DeclaredResidence, EffectiveOrigin, ObservedPlace,
};
pub use location::{Location, LocationNodes, LocationRegion, LocationSpec};
pub use provider::{
    DriverFollows, Provider, ProviderDriver, ProviderId, ProviderParameter, ProviderSpec, ProviderTopologyKey,
    ProviderZone, ValueMeaning,
};
pub use residency_policy::{
    PolicyMatch, PolicyRewrite, ResidencyPolicy, ResidencyPolicySpec, ResidencyPolicyStatus, ResidencyRules,
    UnknownPlace,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of every kind here.
pub const GROUP: &str = "domicile.dev";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// Label by which a namespace or an object says whose data it holds: country codes joined by `_`.
pub const ORIGIN_LABEL: &str = "domicile.dev/origin";
/// The category of every kind: `kubectl get domicile -A`.
pub const CATEGORY: &str = "domicile";

/// The definitions of every kind, in the order of their names.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![Bloc::crd(), DataFlow::crd(), DataStore::crd(), Location::crd(), Provider::crd(), ResidencyPolicy::crd()]
}
