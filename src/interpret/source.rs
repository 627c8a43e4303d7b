//! What volumes are filled from: a clone, a restore or a populated volume holds the data of its source too, across any
//! number of steps and namespaces.

use std::sync::Arc;

use crate::engine::country::CountrySet;
use crate::engine::data::{Data, Source};

use super::objects::{ClaimSpec, ObjectName};
use super::scope::{self, Labels, NamespaceScope};
use super::world::World;

/// Clones of clones are followed this far; what lies behind is not known. Real chains have two or three steps.
const STEPS: usize = 32;

/// What a claim is filled from, each once.
pub fn of(spec: &ClaimSpec) -> Vec<ObjectName> {
    let ClaimSpec { data_source, data_source_ref, .. } = spec;
    let mut sources: Vec<ObjectName> = data_source_ref.iter().cloned().collect();
    sources.extend(data_source.iter().filter(|source| !sources.contains(source)).cloned().collect::<Vec<_>>());
    sources
}

/// Whether a claim is filled from another one of its namespace that is not there yet.
pub fn awaits(namespace: &NamespaceScope, spec: &ClaimSpec) -> bool {
    let near = |source: &ObjectName| source.namespace.as_deref().is_none_or(str::is_empty);
    of(spec).iter().any(|source| is_claim(source) && near(source) && !namespace.claims.contains_key(&source.name))
}

/// Adds what is not there yet.
pub fn extend(data: &mut Vec<Arc<Data>>, more: impl IntoIterator<Item = Arc<Data>>) {
    for one in more {
        if !data.contains(&one) {
            data.push(one);
        }
    }
}

/// Whose data these sources hold, as named from `namespace`. Of a source that is not known: in the same namespace, which
/// everything there could be, any data that the namespace holds; from another namespace, of unknown origin.
pub fn data(world: &World, namespace: &NamespaceScope, sources: &[ObjectName]) -> Vec<Arc<Data>> {
    let mut found = Vec::new();
    // A list of what is left to look at, in which nothing stands twice: cycles end, and nothing is recursive.
    let mut open: Vec<(&str, &ObjectName)> = sources.iter().map(|source| (namespace.name.as_str(), source)).collect();
    let mut next = 0;
    while let Some((from, source)) = open.get(next).copied() {
        next += 1;
        let target = source.namespace.as_deref().filter(|space| !space.is_empty()).unwrap_or(from);
        let unknown = |reason: &str| {
            let via = Source::Object(source.kind.clone(), target.to_owned(), source.name.clone());
            Arc::new(Data { unknown_origin: Some(reason.to_owned()), ..Data::of(CountrySet::EMPTY, via) })
        };
        if next > STEPS {
            extend(&mut found, [unknown("what it was made from lies too far back")]);
            break;
        }
        let scope = if target == namespace.name { Some(namespace) } else { world.namespace(target) };
        let Some(scope) = scope else {
            extend(&mut found, [unknown("nobody knows whose data it holds")]);
            continue;
        };
        if is_claim(source)
            && let Some(claim) = scope.claims.get(&source.name)
        {
            extend(&mut found, scope::of_claim(world, scope, &source.name, &claim.labels, &[]));
            let behind = claim.sources.iter().map(|source| (scope.name.as_str(), source));
            let fresh: Vec<_> = behind.filter(|one| !open.contains(one)).collect();
            open.extend(fresh);
            continue;
        }
        let other =
            if is_claim(source) { None } else { world.data_of(group(source), &source.kind, target, &source.name) };
        match other {
            Some(held) => extend(&mut found, held),
            None if target == namespace.name => extend(&mut found, any(scope, source)),
            None => extend(&mut found, [unknown("nobody knows whose data it holds")]),
        }
    }
    found
}

/// Whatever a namespace holds: its label, the stores of a claim of this name, and every store that could own the source.
fn any(scope: &NamespaceScope, source: &ObjectName) -> Vec<Arc<Data>> {
    static NO_LABELS: Labels = Labels::new();
    let mut data: Vec<Arc<Data>> = scope.label.iter().cloned().collect();
    let named = scope::stores_of_claim(scope, &source.name, Some(&NO_LABELS));
    extend(&mut data, named.map(|position| scope.stores[position].data.clone()));
    let owners = scope.stores.iter().filter(|store| store.claims.is_some() || !store.claim_names.is_empty());
    extend(&mut data, owners.map(|store| store.data.clone()));
    data
}

fn group(source: &ObjectName) -> &str {
    source.api_group.as_deref().unwrap_or_default()
}

fn is_claim(source: &ObjectName) -> bool {
    group(source).is_empty() && source.kind == "PersistentVolumeClaim"
}
