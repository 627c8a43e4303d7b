//! Objects of interpreted types before the decision.

use std::sync::Arc;

use jiff::Timestamp;
use json_patch::jsonptr::PointerBuf;
use json_patch::{PatchOperation, ReplaceOperation};
use serde_json::Value;

use super::path::tokens;
use super::resolve::{Resolver, Settled};
use super::{Concern, Content, Key, Resource};
use crate::engine;
use crate::engine::country::CountrySet;
use crate::engine::data::Data;
use crate::engine::facts::{Act, Alternative, Facts, Flexibility, Placement, Stake};
use crate::engine::place::Places;
use crate::engine::verdict::{Action, Change};
use crate::interpret::scope::{self, FlowScope, NamespaceScope};
use crate::interpret::subject;
use crate::interpret::world::World;
use crate::interpret::{Judgement, Verdict, left};

/// Why an object could not be read.
pub type Unread = serde_json::Error;

/// Judges an object of an interpreted type; none if no interpreter knows it.
///
/// # Errors
///
/// When the object is no JSON.
pub fn judge(
    world: &World,
    key: &Key,
    object: &str,
    old: Option<&str>,
    now: Timestamp,
) -> Result<Option<Judgement>, Unread> {
    let interpreters = &world.interpreters;
    let read = |text: &str| -> Result<Option<Resource>, Unread> {
        let value: Value = serde_json::from_str(text)?;
        Ok(super::read(interpreters, &value, &key.namespace, &key.name))
    };
    let Some(resource) = read(object)? else { return Ok(None) };
    // What says the same as before passes, also on an object that is wrong.
    let before = old.map(read).transpose()?.flatten();
    if before.as_ref() == Some(&resource) {
        return Ok(Some(Judgement::new(Verdict::allow())));
    }
    if let Some(before) = &before
        && let Some(finding) = left(world, &data(world, before), &data(world, &resource), now)
    {
        let verdict = Verdict { action: Action::Refuse, findings: vec![finding], ..Verdict::allow() };
        return Ok(Some(Judgement::new(verdict)));
    }
    let facts = facts(world, &resource, old.is_none());
    let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
    let patch = verdict
        .rewrites
        .iter()
        .filter_map(|rewrite| match &rewrite.change {
            Change::Take { name } => {
                let field = &facts.placements.get(rewrite.placement)?.field;
                let path = PointerBuf::from_tokens(tokens(field));
                Some(PatchOperation::Replace(ReplaceOperation { path, value: name.as_str().into() }))
            }
            Change::PinNodes { .. } => None,
        })
        .collect();
    Ok(Some(Judgement { patch, ..Judgement::new(verdict) }.decided_from(facts)))
}

/// What an object does with whose data, and where. `created`: its fields may still be replaced.
pub fn facts(world: &World, resource: &Resource, created: bool) -> Facts {
    let data = data(world, resource);
    if data.is_empty() {
        return Facts::default();
    }
    let settled = Resolver::new(world).resource(resource);
    let namespace = world.namespace(&resource.key.namespace);
    let Key { group, kind, namespace: space, name } = &resource.key;
    let subject = subject::named(world, space, group, kind, name);
    let mut facts = Facts { placements: Vec::with_capacity(settled.len()), subject, ..Facts::default() };
    for one in settled {
        let flows = namespace.into_iter().flat_map(|scope| &scope.flows).map(|flow| &**flow);
        place(world, flows, one, &data, created, &mut facts);
    }
    facts
}

/// One settled place as placements. What is sent without a flow that declares it is worked on where it arrives: policies on
/// either act bind. What is sent to an address that one of `flows` declares is judged like that flow.
pub fn place<'a>(
    world: &World,
    flows: impl Iterator<Item = &'a FlowScope> + Clone,
    settled: Settled,
    data: &[Arc<Data>],
    created: bool,
    into: &mut Facts,
) {
    let Settled { act, field, places, region_of, rewrite, along } = settled;
    if let Some(flow) = along.and_then(|via| flows.clone().find(|flow| flow.data.via == via)) {
        into.matters.extend(flow.matter.clone().map(|matter| Stake { matter, field: Some(field.clone()) }));
        let (data, flexibility) = (vec![flow.data.clone()], Flexibility::Fixed);
        into.placements.push(Placement { act: Act::Transfer, field, data, places, flexibility });
        return;
    }
    let flexibility = match &region_of {
        Some(provider) => Flexibility::Region {
            provider: provider.clone(),
            regions: regions(world, provider),
            may_take: rewrite && created,
        },
        None => Flexibility::Fixed,
    };
    let acts: &[Act] = if act == Act::Transfer { &[Act::Process, Act::Transfer] } else { &[act] };
    let data = if act == Act::Transfer { declared(flows, &places.countries, data) } else { data.to_vec() };
    for act in acts {
        into.placements.push(Placement {
            act: *act,
            field: field.clone(),
            data: data.clone(),
            places: places.clone(),
            flexibility: flexibility.clone(),
        });
    }
}

/// The data with every flow as its carrier that declares to lead there.
fn declared<'a>(
    flows: impl Iterator<Item = &'a FlowScope>,
    countries: &CountrySet,
    data: &[Arc<Data>],
) -> Vec<Arc<Data>> {
    let leads_there = |places: &Places| places.unproven.is_none() && countries.is_subset(&places.countries);
    let carriers: Vec<_> = flows
        .filter(|flow| flow.recipient.as_ref().is_some_and(leads_there))
        .filter_map(|flow| flow.matter.clone())
        .collect();
    if carriers.is_empty() {
        return data.to_vec();
    }
    data.iter()
        .map(|one| {
            let mut one = Data::clone(one);
            one.carriers.extend(carriers.iter().cloned());
            Arc::new(one)
        })
        .collect()
}

fn regions(world: &World, provider: &str) -> Vec<Alternative> {
    let all = world.gazetteer().regions_of(provider);
    all.map(|(id, places)| Alternative { name: id.to_owned(), places: places.clone(), with_pod: false }).collect()
}

/// Whose data an object concerns.
pub fn data(world: &World, resource: &Resource) -> Vec<Arc<Data>> {
    let mut all = Vec::new();
    gather(world, resource, 0, &mut all);
    all
}

fn gather(world: &World, resource: &Resource, depth: usize, into: &mut Vec<Arc<Data>>) {
    const FARTHEST: usize = 8;
    let Key { namespace, .. } = &resource.key;
    let mut add = |one: &Arc<Data>| {
        if !into.contains(one) {
            into.push(one.clone());
        }
    };
    if let Some(own) = scope::own(&resource.labels) {
        add(&own);
    }
    let here = world.namespace(namespace);
    if let Some(scope) = here {
        scope.label.iter().for_each(&mut add);
        let listed = |store: &&scope::StoreScope| {
            store.resources.iter().any(|(group, kind, name)| {
                *group == resource.key.group && *kind == resource.key.kind && *name == resource.key.name
            })
        };
        scope.stores.iter().filter(listed).for_each(|store| add(&store.data));
    }
    let whole = |scope: &NamespaceScope| {
        let stores = scope.stores.iter().map(|store| &store.data);
        scope.label.iter().chain(stores).cloned().collect::<Vec<_>>()
    };
    for concern in &resource.data {
        match concern {
            Concern::Namespaces { like, but } => {
                let meant = |known: &str| is_meant(like, known) && !but.iter().any(|left| is_meant(left, known));
                let named = world.namespaces().filter(|scope| meant(&scope.name));
                named.flat_map(whole).for_each(|one| add(&one));
            }
            Concern::Claim(name) => {
                let Some(scope) = here else { continue };
                let unknown = scope::ClaimState::default();
                let claim = scope.claims.get(name).unwrap_or(&unknown);
                scope::of_claim(world, scope, name, &claim.labels, &claim.sources).iter().for_each(&mut add);
            }
            Concern::Secret(name) => {
                let Some(scope) = here else { continue };
                let stores = scope.secrets.get(name).into_iter().flatten();
                stores.filter_map(|position| scope.stores.get(*position)).for_each(|store| add(&store.data));
            }
            Concern::Resource(_) => {}
        }
    }
    for concern in &resource.data {
        if let Concern::Resource(key) = concern
            && depth < FARTHEST
            && let Some(found) = world.find_resource(key)
        {
            gather(world, found, depth + 1, into);
        }
    }
    for (_, content) in &resource.contents {
        if let Content::Object(inner) = content
            && depth < FARTHEST
        {
            gather(world, inner, depth + 1, into);
        }
    }
}

/// Whether a pattern, in which `*` stands for anything, means a name.
fn is_meant(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_meant;

    #[test]
    fn patterns_mean_names() {
        for (pattern, name, wanted) in [
            ("cx-de", "cx-de", true),
            ("cx-de", "cx-dex", false),
            ("cx-*", "cx-de", true),
            ("*-de", "cx-de", true),
            ("c*-*e", "cx-de", true),
            ("*", "anything", true),
            ("cx-*-prod", "cx-de", false),
        ] {
            assert_eq!(is_meant(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
