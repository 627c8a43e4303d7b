//! Our own kinds at admission: what cannot be right is refused with the field; what only looks wrong now gets a warning,
//! since GitOps applies objects in any order.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::v1alpha1::{
    BlocSpec, DataFlowSpec, DataStoreSpec, GROUP, JurisdictionSpec, LocationSpec, ProviderSpec, ResidencyException,
    ResidencyPolicySpec, ResourceInterpreterSpec, StoreReference, TransferMechanismSpec,
};
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::{Data, Source};
use crate::engine::facts::{Act, Facts, Flexibility, Placement, Stake};
use crate::engine::law::claims::Basis;
use crate::engine::law::matter::{Matter, Party, Role};
use crate::engine::place::Places;
use crate::engine::policy::Mode;
use crate::engine::verdict::{Action, Finding, Verdict};
use crate::engine::{self, explain, rules};

use super::matter;
use super::read::{self, FlowReading, Problem};
use super::resource;
use super::subject;
use super::world::World;
use super::{Decided, Judgement, Operation, Request};

/// One of our kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKind {
    /// `Bloc`.
    Bloc,
    /// `DataFlow`.
    DataFlow,
    /// `DataStore`.
    DataStore,
    /// `Jurisdiction`.
    Jurisdiction,
    /// `Location`.
    Location,
    /// `Provider`.
    Provider,
    /// `ResidencyException`.
    ResidencyException,
    /// `ResidencyPolicy`.
    ResidencyPolicy,
    /// `ResourceInterpreter`.
    ResourceInterpreter,
    /// `TransferMechanism`.
    TransferMechanism,
}

impl OwnKind {
    /// Every kind with its name and plural.
    pub const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Bloc, "Bloc", "blocs"),
        (Self::DataFlow, "DataFlow", "dataflows"),
        (Self::DataStore, "DataStore", "datastores"),
        (Self::Jurisdiction, "Jurisdiction", "jurisdictions"),
        (Self::Location, "Location", "locations"),
        (Self::Provider, "Provider", "providers"),
        (Self::ResidencyException, "ResidencyException", "residencyexceptions"),
        (Self::ResidencyPolicy, "ResidencyPolicy", "residencypolicies"),
        (Self::ResourceInterpreter, "ResourceInterpreter", "resourceinterpreters"),
        (Self::TransferMechanism, "TransferMechanism", "transfermechanisms"),
    ];

    /// Whether its objects stand in namespaces.
    pub fn is_namespaced(self) -> bool {
        matches!(self, Self::DataFlow | Self::DataStore | Self::ResidencyException)
    }

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
    let mut awaits = false;
    let problems = match kind {
        OwnKind::Bloc => read::bloc(&spec::<BlocSpec>(object)?).err(),
        OwnKind::Jurisdiction => read::jurisdiction(&spec::<JurisdictionSpec>(object)?).err(),
        OwnKind::TransferMechanism => {
            let spec: TransferMechanismSpec = spec(object)?;
            let (unknown, later) = unknown_codes(&spec, world);
            warnings.extend(later);
            match read::mechanism(request.name, &spec) {
                Ok(_) => Some(unknown),
                Err(problems) => Some(problems.into_iter().chain(unknown).collect()),
            }
        }
        OwnKind::ResourceInterpreter => {
            resource::compile(request.name, &spec::<ResourceInterpreterSpec>(object)?).err()
        }
        OwnKind::Provider => read::provider(&spec::<ProviderSpec>(object)?).err(),
        OwnKind::Location => {
            let spec: LocationSpec = spec(object)?;
            warnings.extend(
                spec.regions.iter().filter(|region| !world.gazetteer().has_provider(&region.provider)).map(|region| {
                    format!("spec.regions: no Provider {} yet; its nodes cannot be recognised", region.provider)
                }),
            );
            read::location("", &spec).err()
        }
        OwnKind::ResidencyException => {
            let exception: ResidencyException = serde_json::from_str(object)?;
            let read = read::exception::exception(&exception);
            if let Ok(exception) = &read {
                warnings.extend(read::exception::unheard(exception, &world.policies, now));
            }
            read.err()
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
            let unknown: Vec<String> = unknown_bases(&spec.bases, world).collect();
            // The mechanism may stand in the same file, a moment ahead of what the watch has shown.
            awaits = !unknown.is_empty();
            warnings.extend(unknown);
            if let Ok(origins) = &read {
                facts = declared(world, request, &spec, *origins);
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
            let unknown: Vec<String> = unknown_bases(&spec.bases, world).collect();
            // The mechanism may stand in the same file, a moment ahead of what the watch has shown.
            awaits = !unknown.is_empty();
            warnings.extend(unknown);
            if let Ok(reading) = &read {
                facts = delivered(world, request, &spec, reading, now).unwrap_or_default();
            }
            read.err()
        }
    };
    let mut verdict = Verdict::allow();
    let mut decided = None;
    // What was wrong already can still be repaired, one field at a time.
    let changed = match request.old.filter(|_| request.operation == Operation::Update) {
        Some(old) => spec::<Value>(old.json()).ok() != spec::<Value>(object).ok(),
        None => true,
    };
    if changed {
        facts.subject = subject::named(world, request.namespace, GROUP, request.kind, request.name);
        verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
        decided = Some(Decided { facts, verdict: verdict.clone() });
        verdict.findings.splice(0..0, problems.unwrap_or_default().into_iter().map(finding));
        if verdict.refusals().next().is_some() {
            verdict.action = Action::Refuse;
        }
    }
    warnings.extend(verdict.obligations.iter().map(explain::obligation));
    Ok(Judgement { warnings, awaits, ..Judgement::new(verdict) }.with_decided(decided))
}

/// Everything that a store says of itself: where its data is, from where it is looked at, and what it is before the law.
pub fn store_facts(data: Data, matter: Arc<Matter>) -> Facts {
    let data = Arc::new(data);
    let mut placements = Vec::new();
    if let Some(country) = matter.residence {
        placements.push(fixed(Act::Store, "spec.residence.country", &data, CountrySet::only(country)));
    }
    placements.extend(looked_at(&matter.parties, &data));
    Facts { placements, matters: vec![Stake { matter, field: None }], subject: None }
}

/// Everything that a flow says of itself. `recipient` is where somebody outside holds the data, where it leads to one.
pub fn flow_facts(spec: &DataFlowSpec, recipient: Option<Places>, data: Data, matter: Arc<Matter>) -> Facts {
    let data = Arc::new(data);
    let mut placements = Vec::new();
    let point = spec.from.collection.as_ref().and_then(|collection| collection.place.as_ref());
    if let Some(country) = point.and_then(|place| Country::parse(&place.country).ok()) {
        let field = "spec.from.collection.place.country";
        placements.push(fixed(Act::Collect, field, &data, CountrySet::only(country)));
    }
    // What is made anonymous somewhere is personal until it is.
    let made = spec.transformation.as_ref().and_then(|transformation| transformation.performed_in.as_ref());
    if let Some(country) = made.and_then(|code| Country::parse(code).ok()) {
        let field = "spec.transformation.performedIn";
        placements.push(fixed(Act::Process, field, &data, CountrySet::only(country)));
    }
    if let Some(places) = recipient {
        let delivery = fixed(Act::Transfer, "spec.to.recipient.place", &data, CountrySet::EMPTY);
        placements.push(Placement { places, ..delivery });
        let importers = matter.transfers.iter().filter_map(|one| one.importer.clone());
        let importers: Vec<Party> = importers.filter(|party| party.role == Role::Recipient).take(1).collect();
        placements.extend(looked_at(&importers, &data));
    }
    placements.extend(looked_at(&matter.parties, &data).filter(|_| !spec.parties.is_empty()));
    Facts { placements, matters: vec![Stake { matter, field: None }], subject: None }
}

/// From where parties look at data.
fn looked_at<'a>(parties: &'a [Party], data: &'a Arc<Data>) -> impl Iterator<Item = Placement> + 'a {
    parties
        .iter()
        .filter(|party| !party.access_from.is_empty())
        .map(move |party| fixed(Act::Access, &format!("{}.accessFrom", party.field), data, party.access_from))
}

fn fixed(act: Act, field: &str, data: &Arc<Data>, countries: CountrySet) -> Placement {
    Placement {
        act,
        field: field.to_owned(),
        data: vec![data.clone()],
        places: Places::known(countries),
        flexibility: Flexibility::Fixed,
    }
}

/// A store that is being applied.
fn declared(world: &World, request: &Request<'_>, spec: &DataStoreSpec, origins: CountrySet) -> Facts {
    let known = world.store(request.namespace, request.name);
    let inherited = known.map_or(CountrySet::EMPTY, |data| data.origins);
    let via = Source::Store(request.namespace.to_owned(), request.name.to_owned());
    let mut data = Data { categories: spec.categories.clone(), ..Data::of(origins.union(&inherited), via) };
    let matter = Arc::new(matter::of_store(spec, &data));
    data.regions.clone_from(&matter.regions);
    // What leads into it may carry its data as well; its own declaration is the one that is being applied.
    let into = known.into_iter().flat_map(|data| &data.carriers).filter(|carrier| !carrier.is_store).cloned();
    data.carriers = Some(matter.clone()).filter(|one| !one.transfers.is_empty()).into_iter().chain(into).collect();
    store_facts(data, matter)
}

/// A flow that is being applied. Nothing while the store that it comes from is not there yet.
fn delivered(
    world: &World,
    request: &Request<'_>,
    spec: &DataFlowSpec,
    reading: &FlowReading,
    now: Timestamp,
) -> Option<Facts> {
    let personal = reading.personal_from <= now;
    let store = |reference: &StoreReference| {
        (reference.namespace.clone().unwrap_or_else(|| request.namespace.to_owned()), reference.name.clone())
    };
    let (from, to) = (spec.from.data_store.as_ref().map(store), spec.to.data_store.as_ref().map(store));
    let source = match &from {
        Some((namespace, name)) => Some(world.store(namespace, name)?),
        None => None,
    };
    let of = |end: &Option<(String, String)>| end.as_ref().and_then(|(space, name)| world.store_matter(space, name));
    let inherited = source.map_or(CountrySet::EMPTY, |data| data.origins);
    let categories = match source {
        Some(data) if spec.categories.is_empty() => data.categories.clone(),
        _ => spec.categories.clone(),
    };
    let via = Source::Flow(request.namespace.to_owned(), request.name.to_owned());
    let mut data = Data {
        unknown_origin: source.and_then(|data| data.unknown_origin.clone()),
        categories,
        carriers: source.map(|data| data.carriers.clone()).unwrap_or_default(),
        ..Data::of(reading.collected.union(&inherited), via)
    };
    let matter = Arc::new(matter::of_flow(spec, reading, &data, of(&from), of(&to), personal));
    data.regions.clone_from(&matter.regions);
    Some(flow_facts(spec, reading.recipient.clone().filter(|_| personal), data, matter))
}

/// Codes in a mechanism that mean no place: two letters are a mistake, a longer one may be a bloc that comes later.
fn unknown_codes(spec: &TransferMechanismSpec, world: &World) -> (Vec<Problem>, Vec<String>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for (field, codes) in [("from", &spec.from), ("to", &spec.to), ("except", &spec.except)] {
        for (at, code) in codes.iter().enumerate() {
            if code == "*"
                || read::is_region(code)
                || Country::parse(code).is_ok()
                || world.lawbook.bloc(code).is_some()
            {
                continue;
            }
            let field = format!("spec.{field}[{at}]");
            let shown: String = code.chars().take(40).collect();
            if code.len() <= 2 {
                problems.push(Problem {
                    field,
                    message: format!(
                        "{shown:?} is no country that ISO 3166-1 assigns and no bloc that the lawbook knows"
                    ),
                    remedy: "use a two-letter country code, or apply the Bloc of this code first".to_owned(),
                });
            } else {
                warnings.push(format!(
                    "{field}: {shown:?} is no country, and no Bloc has this code yet; it means no place"
                ));
            }
        }
    }
    (problems, warnings)
}

/// Bases that nothing in the lawbook answers to.
fn unknown_bases<'a>(bases: &'a [Basis], world: &'a World) -> impl Iterator<Item = String> + 'a {
    bases.iter().enumerate().filter(|(_, basis)| !world.lawbook.is_named(&basis.mechanism)).map(|(at, basis)| {
        let name: String = basis.mechanism.chars().take(60).collect();
        format!("spec.bases[{at}].mechanism: the lawbook knows no mechanism or family {name:?}; it carries nothing")
    })
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
        citation: None,
        waived: None,
    }
}

fn spec<T: DeserializeOwned>(object: &str) -> Result<T, serde_json::Error> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        spec: T,
    }
    Ok(serde_json::from_str::<Envelope<T>>(object)?.spec)
}
