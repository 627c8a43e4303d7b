//! Stores and flows before the law: everything that their owners declare, in the engine's terms.

use crate::api::v1alpha1::{DataFlowSpec, DataStoreSpec, PartyFacts, PartySpec};
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::Data;
use crate::engine::law::matter::{EarlierHop, Matter, Party, Rights, Role, Transfer, TransferKind};
use crate::engine::place::Places;

use super::read::{self, FlowReading};

fn country(code: Option<&String>) -> Option<Country> {
    Country::parse(code?).ok()
}

fn countries(codes: &[String]) -> CountrySet {
    codes.iter().filter_map(|code| Country::parse(code).ok()).collect()
}

fn party(field: String, role: Role, name: Option<&String>, facts: &PartyFacts) -> Party {
    Party {
        field,
        role,
        name: name.cloned(),
        established_in: country(facts.established_in.as_ref()),
        controlled_from: country(facts.controlled_from.as_ref()),
        access_from: countries(&facts.access_from),
        legal_entity: facts.legal_entity.clone(),
        subject_to: facts.subject_to.clone(),
        attributes: facts.attributes.clone(),
    }
}

fn parties(specs: &[PartySpec]) -> Vec<Party> {
    let one = |(at, spec): (usize, &PartySpec)| {
        party(format!("spec.parties[{at}]"), spec.role, spec.name.as_ref(), &spec.facts)
    };
    specs.iter().enumerate().map(one).collect()
}

/// Whether a party is the exporter itself: the controller among its own parties, or one of the same legal entity.
fn is_own(party: &Party, exporters: &[Party], among_them: bool) -> bool {
    let mut controllers = exporters.iter().filter(|one| one.role <= Role::JointController);
    among_them && party.role == Role::Controller
        || party.legal_entity.is_some() && controllers.any(|one| one.legal_entity == party.legal_entity)
}

/// A transfer for each party that looks in from another country than where it holds the data.
fn access(party: &Party, exporters: &[Party], among_them: bool) -> Option<Transfer> {
    (!party.access_from.is_empty()).then(|| Transfer {
        kind: TransferKind::Access,
        field: format!("{}.accessFrom", party.field),
        places: Places::known(party.access_from),
        importer: Some(party.clone()),
        same_entity: is_own(party, exporters, among_them),
    })
}

/// Into whose reach data comes that is handed to a store: a processor where there is one, else its controller.
fn holder(parties: &[Party]) -> Option<&Party> {
    let processor = parties.iter().find(|party| matches!(party.role, Role::Processor | Role::SubProcessor));
    processor.or_else(|| parties.first())
}

/// A store before the law. `data` is what it holds, with every origin that reached it.
pub fn of_store(spec: &DataStoreSpec, data: &Data) -> Matter {
    let all = |codes: &Option<Vec<String>>| read::codes(codes.as_deref().unwrap_or_default());
    let (both, own_regions) = all(&spec.origins);
    let (collected, collected_regions) = all(&spec.collected_in);
    let (subjects, subjects_regions) = all(&spec.subjects_in);
    let mut regions = [own_regions, collected_regions, subjects_regions].concat();
    regions.sort_unstable();
    regions.dedup();
    let parties = parties(&spec.parties);
    let residence = country(spec.residence.as_ref().map(|residence| &residence.country));
    let mut transfers: Vec<Transfer> = parties.iter().filter_map(|party| access(party, &parties, true)).collect();
    // Who runs the place is only a question where the owner begins to answer it; else its place is judged as a place.
    if let Some(place) = residence.filter(|_| !(parties.is_empty() && spec.bases.is_empty())) {
        let importer = holder(&parties).cloned();
        let same_entity = importer.as_ref().is_some_and(|importer| is_own(importer, &parties, true));
        transfers.push(Transfer {
            kind: TransferKind::Residence,
            field: "spec.residence.country".to_owned(),
            places: Places::known(CountrySet::only(place)),
            importer,
            same_entity,
        });
    }
    let within = |pick: fn(&crate::api::v1alpha1::AnswerTimes) -> &Option<crate::api::v1alpha1::AnswerTime>| {
        pick(spec.subject_rights.as_ref()?).as_ref().map(|time| time.within)
    };
    Matter {
        unknown_origin: data.unknown_origin.clone(),
        collected_in: both.union(&collected),
        subjects_in: both.union(&subjects),
        citizens_of: countries(&spec.citizens_of),
        regions,
        categories: spec.categories.clone(),
        collected_for: spec.purposes.clone(),
        parties,
        transfers,
        bases: spec.bases.clone(),
        claims: spec.declared.clone(),
        residence,
        is_store: true,
        rights: Rights {
            access: within(|times| &times.access),
            rectification: within(|times| &times.rectification),
            erasure: within(|times| &times.erasure),
        },
        retention: spec.retention,
        ..Matter::of(data.via.clone(), data.origins)
    }
}

/// A flow before the law. `from` and `to` are the stores at its ends, where it has any and they are known.
pub fn of_flow(
    spec: &DataFlowSpec,
    reading: &FlowReading,
    data: &Data,
    from: Option<&Matter>,
    to: Option<&Matter>,
    personal: bool,
) -> Matter {
    let own = parties(&spec.parties);
    let exporters = if own.is_empty() { from.map(|store| store.parties.clone()).unwrap_or_default() } else { own };
    let collection = spec.from.collection.as_ref();
    let mut transfers: Vec<Transfer> = exporters
        .iter()
        .filter(|_| !spec.parties.is_empty())
        .filter_map(|party| access(party, &exporters, true))
        .collect();
    if let Some(recipient) = &spec.to.recipient {
        let field = "spec.to.recipient".to_owned();
        let importer = party(field, Role::Recipient, Some(&recipient.name), &recipient.facts);
        transfers.extend(access(&importer, &exporters, false));
        let same_entity = is_own(&importer, &exporters, false);
        transfers.push(Transfer {
            kind: TransferKind::Delivery,
            field: "spec.to.recipient.place".to_owned(),
            places: reading.recipient.clone().unwrap_or_else(|| Places::unknown("its place is not declared")),
            importer: Some(importer),
            same_entity,
        });
    }
    if let Some(target) = to
        && let Some(place) = target.residence
    {
        let importer = holder(&target.parties).cloned();
        let same_entity = importer.as_ref().is_some_and(|importer| is_own(importer, &exporters, false));
        transfers.push(Transfer {
            kind: TransferKind::Delivery,
            field: "spec.to.dataStore".to_owned(),
            places: Places::known(CountrySet::only(place)),
            importer,
            same_entity,
        });
    }
    // What nobody can be told from any more is nobody's data.
    if !personal {
        transfers.clear();
    }
    let mut claims = spec.declared.clone();
    if let Some(store) = from {
        // What is said of the store holds for what flows out of it, unless the flow says otherwise.
        claims.provenance = claims.provenance.or_else(|| store.claims.provenance.clone());
        claims.legal_basis = claims.legal_basis.or(store.claims.legal_basis);
        claims.presented_as = claims.presented_as.or(store.claims.presented_as);
        claims.handling = claims.handling.or_else(|| store.claims.handling.clone());
        claims.relationship = claims.relationship.or_else(|| store.claims.relationship.clone());
        for consent in &store.claims.consents {
            if !claims.consents.contains(consent) {
                claims.consents.push(consent.clone());
            }
        }
    }
    let (collects_from, mut regions) =
        collection.map(|collection| read::codes(&collection.countries)).unwrap_or_default();
    regions.extend(from.into_iter().flat_map(|store| store.regions.iter().cloned()));
    regions.sort_unstable();
    regions.dedup();
    let declared = |pick: fn(&Matter) -> CountrySet| from.map_or(CountrySet::EMPTY, pick);
    Matter {
        unknown_origin: data.unknown_origin.clone(),
        collected_in: collects_from.union(&declared(|store| store.collected_in)),
        subjects_in: collects_from.union(&declared(|store| store.subjects_in)),
        citizens_of: declared(|store| store.citizens_of)
            .union(&collection.map_or(CountrySet::EMPTY, |collection| countries(&collection.citizens_of))),
        regions,
        categories: data.categories.clone(),
        purpose: spec.purpose.clone(),
        collected_for: from.map(|store| store.collected_for.clone()).unwrap_or_default(),
        channel: spec.channel,
        collects_from,
        pattern: spec.pattern,
        first_transfer: spec.first_transfer,
        earlier: spec
            .earlier
            .as_ref()
            .map(|hop| EarlierHop { mechanism: hop.mechanism.clone(), to: country(hop.to.as_ref()) }),
        parties: exporters,
        transfers,
        bases: spec.bases.clone(),
        claims,
        residence: from.and_then(|store| store.residence),
        retention: from.and_then(|store| store.retention),
        ..Matter::of(data.via.clone(), data.origins)
    }
}
