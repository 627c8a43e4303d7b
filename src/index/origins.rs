//! Where the data of each store comes from, as people ask it: each origin with its path, and what keeps others away.

use jiff::Timestamp;

use super::observe::through;
use super::{Index, Name};
use crate::api::v1alpha1::{EffectiveOrigin, TransformationKind};
use crate::engine::country::CountrySet;

/// Where the data of a store comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOrigins {
    /// The store.
    pub store: Name,
    /// Origins that it declares itself, with the fields that do.
    pub declared: Vec<EffectiveOrigin>,
    /// Origins that have come to it, with the path by which they did.
    pub inherited: Vec<EffectiveOrigin>,
    /// Why its own origins are not known.
    pub unreadable: Option<String>,
    /// Claims that what comes to it is no longer personal.
    pub claims: Vec<Anonymity>,
}

/// A claim that what a flow delivers is no longer personal. Nobody has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anonymity {
    /// The flow that declares it.
    pub flow: Name,
    /// The store from which it leads; none for data from people.
    pub from: Option<Name>,
    /// What is claimed.
    pub kind: TransformationKind,
    /// By which method.
    pub method: Option<String>,
    /// Who has reviewed it.
    pub reviewed_by: Option<String>,
    /// When the review ends.
    pub expires: Option<Timestamp>,
    /// Whether it holds. Where it does not, origins travel with the flow.
    pub in_force: bool,
    /// Origins that would come to the store if it did not hold.
    pub withheld: CountrySet,
}

impl Index {
    /// Where the data of every store comes from, as of the last refresh, by name.
    pub fn origins(&self) -> impl Iterator<Item = StoreOrigins> {
        self.stores.iter().map(|(name, state)| {
            let told = self.lineage.of(name).map(|(origin, path)| {
                let told = EffectiveOrigin { origin: origin.to_string(), through: through(state, origin, &path) };
                (path.0.is_empty(), told)
            });
            let (declared, inherited): (Vec<_>, Vec<_>) = told.partition(|(own, _)| *own);
            let only = |told: Vec<(bool, EffectiveOrigin)>| told.into_iter().map(|(_, told)| told).collect();
            let flows = self.flows_at.get(name).into_iter().flatten();
            StoreOrigins {
                store: name.clone(),
                declared: only(declared),
                inherited: only(inherited),
                unreadable: state.problems.first().map(|one| format!("{}: {}", one.field, one.message)),
                claims: flows.filter_map(|flow| self.anonymity(name, flow)).collect(),
            }
        })
    }

    /// What a flow into a store claims of what it delivers.
    fn anonymity(&self, store: &Name, name: &Name) -> Option<Anonymity> {
        let ends = self.ends.get(name).filter(|ends| ends.to.as_ref() == Some(store))?;
        let flow = self.flows.get(name)?;
        let claim = flow.object.spec.transformation.as_ref()?;
        if !matches!(claim.kind, TransformationKind::Anonymised | TransformationKind::Aggregated) {
            return None;
        }
        let from = ends.from.as_ref().map_or(CountrySet::EMPTY, |from| self.lineage.origins(from));
        let collected = flow.reading.as_ref().map_or(CountrySet::EMPTY, |reading| reading.collected);
        Some(Anonymity {
            flow: name.clone(),
            from: ends.from.clone(),
            kind: claim.kind,
            method: claim.method.clone(),
            reviewed_by: claim.reviewed_by.clone(),
            expires: claim.expires.as_ref().and_then(|expires| expires.parse().ok()),
            in_force: !flow.personal,
            withheld: from.union(&collected).difference(&self.lineage.origins(store)),
        })
    }
}
