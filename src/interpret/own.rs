//! Our own kinds at admission: what cannot be right is refused with the field; what only looks wrong now gets a warning,
//! since GitOps applies objects in any order.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::v1alpha1::{BlocSpec, DataFlowSpec, DataStoreSpec, LocationSpec, ProviderSpec, ResidencyPolicySpec};
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::{Data, Source};
use crate::engine::facts::{Act, Facts, Flexibility, Placement};
use crate::engine::place::Places;
use crate::engine::policy::Mode;
use crate::engine::verdict::{Action, Finding, Verdict};
use crate::engine::{self, rules};

use super::read::{self, FlowReading, Problem};
use super::world::World;
use super::{Judgement, Operation, Request};

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
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Judgement, serde_json::Error> {
    let object = request.object.json();
    let mut warnings = Vec::new();
    let mut facts = Facts::default();
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
            if spec.workloads.is_none() && spec.claims.is_none() && spec.secrets.is_empty() {
                warnings.push("names no workloads, claims or secrets, so that nothing is in its scope".to_owned());
            }
            let read = read::store(&spec);
            if let Ok(origins) = &read {
                facts.placements.extend(declared(world, request, &spec, *origins));
            }
            read.err()
        }
        OwnKind::DataFlow => {
            let spec: DataFlowSpec = spec(object)?;
            for (end, reference) in [("from", &spec.from.data_store), ("to", &spec.to.data_store)] {
                let Some(reference) = reference else { continue };
                let target = reference.namespace.as_deref().unwrap_or(request.namespace);
                if !world.has_store(target, &reference.name) {
                    warnings.push(format!("spec.{end}.dataStore: no DataStore {target}/{} yet", reference.name));
                }
            }
            let read = read::flow(&spec);
            if let Ok(reading) = &read {
                facts.placements.extend(delivered(world, request, &spec, reading, now));
            }
            read.err()
        }
    };
    let mut verdict = Verdict::allow();
    // What was wrong already can still be repaired, one field at a time.
    let changed = match request.old.filter(|_| request.operation == Operation::Update) {
        Some(old) => spec::<Value>(old.json()).ok() != spec::<Value>(object).ok(),
        None => true,
    };
    if changed {
        verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
        verdict.findings.splice(0..0, problems.unwrap_or_default().into_iter().map(finding));
        if verdict.refusals().next().is_some() {
            verdict.action = Action::Refuse;
        }
    }
    Ok(Judgement { warnings, ..Judgement::new(verdict) }.with_sources(&facts))
}

/// Where the owner of a store says that its data is, judged like any other place.
pub fn residence(spec: &DataStoreSpec, data: Data) -> Option<Placement> {
    let country = Country::parse(&spec.residence.as_ref()?.country).ok()?;
    Some(Placement {
        act: Act::Store,
        field: "spec.residence.country".to_owned(),
        data: vec![Arc::new(data)],
        places: Places::known(CountrySet::only(country)),
        flexibility: Flexibility::Fixed,
    })
}

/// What an outside recipient gets of a flow, and where.
pub fn delivery(places: Places, data: Data) -> Placement {
    Placement {
        act: Act::Transfer,
        field: "spec.to.recipient.place".to_owned(),
        data: vec![Arc::new(data)],
        places,
        flexibility: Flexibility::Fixed,
    }
}

/// The declared place of a store that is being applied.
fn declared(world: &World, request: &Request<'_>, spec: &DataStoreSpec, origins: CountrySet) -> Option<Placement> {
    let inherited = world.store(request.namespace, request.name).map_or(CountrySet::EMPTY, |data| data.origins);
    let data = Data {
        origins: origins.union(&inherited),
        unknown_origin: None,
        categories: spec.categories.clone(),
        via: Source::Store(request.namespace.to_owned(), request.name.to_owned()),
    };
    residence(spec, data)
}

/// What an outside recipient would get, and where. Nothing while the store that it comes from is not there yet.
fn delivered(
    world: &World,
    request: &Request<'_>,
    spec: &DataFlowSpec,
    reading: &FlowReading,
    now: Timestamp,
) -> Option<Placement> {
    let places = reading.recipient.clone().filter(|_| reading.personal_from <= now)?;
    let source = match &spec.from.data_store {
        Some(from) => Some(world.store(from.namespace.as_deref().unwrap_or(request.namespace), &from.name)?),
        None => None,
    };
    let inherited = source.map_or(CountrySet::EMPTY, |data| data.origins);
    let categories = match source {
        Some(data) if spec.categories.is_empty() => data.categories.clone(),
        _ => spec.categories.clone(),
    };
    let data = Data {
        origins: reading.collected.union(&inherited),
        unknown_origin: source.and_then(|data| data.unknown_origin.clone()),
        categories,
        via: Source::Flow(request.namespace.to_owned(), request.name.to_owned()),
    };
    Some(delivery(places, data))
}

/// A problem as a finding that refuses.
pub fn finding(problem: Problem) -> Finding {
    let Problem { field, message, remedy } = problem;
    Finding {
        rule: rules::SPEC,
        mode: Mode::Enforce,
        policy: None,
        allows: None,
        field,
        message,
        remedy,
        unproven: false,
    }
}

fn spec<T: DeserializeOwned>(object: &str) -> Result<T, serde_json::Error> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        spec: T,
    }
    Ok(serde_json::from_str::<Envelope<T>>(object)?.spec)
}
