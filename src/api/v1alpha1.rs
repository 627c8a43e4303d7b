//! Group `domicile.dev`, version `v1alpha1`.

mod bloc;
mod common;
mod data_flow;
mod data_store;
mod jurisdiction;
mod location;
mod provider;
mod residency_exception;
mod residency_policy;
mod resource_interpreter;
mod transfer_mechanism;

pub use bloc::{Bloc, BlocMember, BlocSpec, FreeFlow, MemberStatus};
pub use common::{LawSource, ObjectFinding, Owed, PartyFacts, PartySpec, Reliance, Workloads};
pub use data_flow::{
    Collection, DataFlow, DataFlowSpec, DataFlowStatus, Destination, EarlierHopSpec, Origin, PastReliance, Place,
    Recipient, RecipientAddress, RecipientPort, StoreReference, Transformation, TransformationKind, TransportProtocol,
};
pub use data_store::{
    AnswerTime, AnswerTimes, Claims, DataStore, DataStoreSpec, DataStoreStatus, DeclaredResidence, EffectiveOrigin,
    ObservedPlace, StoreResource,
};
pub use jurisdiction::{
    Amount, BreachNoticeRule, ChannelConsentRule, EnrichmentDuty, FineMaximum, InForce, Jurisdiction, JurisdictionSpec,
    Law, LocalisationRule, Regulator, ResponseDeadline, SubjectRightsRule, TransferRegimeRule,
};
pub use location::{Location, LocationCluster, LocationNodes, LocationObject, LocationRegion, LocationSpec};
pub use provider::{
    DriverFollows, ParameterSource, PlaceMeaning, Provider, ProviderDriver, ProviderForm, ProviderHost, ProviderId,
    ProviderParameter, ProviderSpec, ProviderTopologyKey, ProviderVolume, ProviderZone, ValueMeaning,
};
pub use residency_exception::{
    ExceptionApproval, ExceptionObject, ExceptionScope, ResidencyException, ResidencyExceptionSpec,
    ResidencyExceptionStatus,
};
pub use residency_policy::{
    EvictionReason, PolicyAccess, PolicyEviction, PolicyEvictionStatus, PolicyExceptions, PolicyMatch, PolicyParties,
    PolicyRegion, PolicyRewrite, PolicyTransfers, Remediation, ResidencyPolicy, ResidencyPolicySpec,
    ResidencyPolicyStatus, ResidencyRules, UnknownPlace,
};
pub use resource_interpreter::{
    ContentMeaning, DataAbsent, DataMeaning, FieldMeaning, InterpretedCondition, InterpretedContent, InterpretedData,
    InterpretedDestination, InterpretedField, InterpretedReference, InterpretedResource, InterpretedScope,
    NamespaceAnnotation, ResourceInterpreter, ResourceInterpreterSpec, Silence, WhenSilent,
};
pub use transfer_mechanism::{MechanismEnd, MechanismRisk, TransferMechanism, TransferMechanismSpec};

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
    vec![
        Bloc::crd(),
        DataFlow::crd(),
        DataStore::crd(),
        Jurisdiction::crd(),
        Location::crd(),
        Provider::crd(),
        ResidencyException::crd(),
        ResidencyPolicy::crd(),
        ResourceInterpreter::crd(),
        TransferMechanism::crd(),
    ]
}
