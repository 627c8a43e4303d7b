//! Our own kinds at admission: what cannot be right is refused with the field; what only looks wrong now gets a warning,
//! since GitOps applies objects in any order.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::v1alpha1::{BlocSpec, DataFlowSpec, DataStoreSpec, LocationSpec, ProviderSpec, ResidencyPolicySpec};
use crate::engine::policy::Mode;
use crate::engine::rules;
use crate::engine::verdict::{Action, Finding, Verdict};

use super::read::{self, Problem};
use super::world::World;

/// One of our kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKind {
    /// `Bloc`.
    Bloc,
    /// `DataFlow`.
    DataFlow,
    /// `DataStore`.
    DataStore,
    /// `Location`.
    Location,
    /// `Provider`.
    Provider,
    /// `ResidencyPolicy`.
    ResidencyPolicy,
}

impl OwnKind {
    /// Every kind with its name and plural.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Bloc, "Bloc", "blocs"),
        (Self::DataFlow, "DataFlow", "dataflows"),
        (Self::DataStore, "DataStore", "datastores"),
        (Self::Location, "Location", "locations"),
        (Self::Provider, "Provider", "providers"),
        (Self::ResidencyPolicy, "ResidencyPolicy", "residencypolicies"),
    ];

    /// The kind of this name.
    pub fn named(kind: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == kind).map(|(own, _, _)| *own)
    }
}

/// What is wrong with one of our objects, and what looks wrong now.
///
/// # Errors
///
/// When the object is not of its kind's shape.
pub fn judge(
    world: &World,
    kind: OwnKind,
    namespace: &str,
    object: &str,
    now: Timestamp,
) -> Result<(Verdict, Vec<String>), serde_json::Error> {
    let mut warnings = Vec::new();
    let problems = match kind {
        OwnKind::Bloc => read::bloc(&spec::<BlocSpec>(object)?).err(),
        OwnKind::Provider => read::provider(&spec::<ProviderSpec>(object)?).err(),
        OwnKind::Location => {
            let spec: LocationSpec = spec(object)?;
            warnings.extend(spec.regions.iter().filter(|region| !world.gazetteer.has_provider(&region.provider)).map(
                |region| format!("spec.regions: no Provider {} yet; its nodes cannot be recognised", region.provider),
            ));
            read::location("", &spec).err()
        }
        OwnKind::ResidencyPolicy => {
            let spec: ResidencyPolicySpec = spec(object)?;
            Some(read::policy_problems(&spec, &world.lawbook, now))
        }
        OwnKind::DataStore => {
            let spec: DataStoreSpec = spec(object)?;
            let nothing = spec.workloads.is_none() && spec.claims.is_none() && spec.secrets.is_empty();
            if nothing {
                warnings.push("names no workloads, claims or secrets, so that nothing is in its scope".to_owned());
            }
            read::store(&spec).err()
        }
        OwnKind::DataFlow => {
            let spec: DataFlowSpec = spec(object)?;
            let ends = [("from", &spec.from.data_store), ("to", &spec.to.data_store)];
            for (end, reference) in ends {
                let Some(reference) = reference else { continue };
                let target = reference.namespace.as_deref().unwrap_or(namespace);
                if !world.has_store(target, &reference.name) {
                    warnings.push(format!("spec.{end}.dataStore: no DataStore {target}/{} yet", reference.name));
                }
            }
            read::flow(&spec).err()
        }
    };
    let findings: Vec<Finding> = problems.unwrap_or_default().into_iter().map(finding).collect();
    let action = if findings.is_empty() { Action::Allow } else { Action::Refuse };
    Ok((Verdict { action, findings, ..Verdict::allow() }, warnings))
}

/// A problem as a finding that refuses.
pub fn finding(problem: Problem) -> Finding {
    let Problem { field, message, remedy } = problem;
    Finding { rule: rules::SPEC, mode: Mode::Enforce, policy: None, field, message, remedy, unproven: false }
}

fn spec<T: DeserializeOwned>(object: &str) -> Result<T, serde_json::Error> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        spec: T,
    }
    Ok(serde_json::from_str::<Envelope<T>>(object)?.spec)
}
