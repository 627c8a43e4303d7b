//! Cluster-scoped storage at admission: volumes and classes that carry an origin label themselves, and volumes that are
//! kept for a claim with data. Those without either are judged at the claims that use them.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::engine;
use crate::engine::data::Data;
use crate::engine::facts::{Act, Facts, Flexibility, Placement};
use crate::engine::node::{REGION_LABEL, ZONE_LABEL};
use crate::engine::verdict::{Action, Verdict};

use super::objects::{StorageClass, Volume, VolumeAttributesClass, VolumeSpec};
use super::scope::{self, Labels};
use super::world::World;
use super::{Body, Judgement, Operation, Request, claim};

/// Cluster-scoped kinds that say where data rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// `PersistentVolume`.
    Volume,
    /// `StorageClass`.
    Class,
    /// `VolumeAttributesClass`.
    AttributesClass,
}

impl StorageKind {
    /// Every kind with its API group, name and plural.
    pub const ALL: [(Self, &'static str, &'static str, &'static str); 3] = [
        (Self::Volume, "", "PersistentVolume", "persistentvolumes"),
        (Self::Class, "storage.k8s.io", "StorageClass", "storageclasses"),
        (Self::AttributesClass, "storage.k8s.io", "VolumeAttributesClass", "volumeattributesclasses"),
    ];

    /// The kind of this group and name.
    pub fn named(group: &str, kind: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, of, name, _)| *of == group && *name == kind).map(|(storage, ..)| *storage)
    }
}

/// What an object would do, and with whose data.
struct Said {
    placement: Option<Placement>,
    data: Vec<Arc<Data>>,
}

/// Judges an object of such a kind.
///
/// # Errors
///
/// When the object is not of its kind's shape.
pub fn judge(
    world: &World,
    kind: StorageKind,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Judgement, serde_json::Error> {
    let old = request.old.filter(|_| request.operation == Operation::Update).map(Body::json);
    let object = request.object.json();
    // Whether what is judged has stayed as it was, what the object says now, and whose data it held before.
    let (same, now_said, before) = match kind {
        StorageKind::Class => {
            let class: StorageClass = serde_json::from_str(object)?;
            let old: Option<StorageClass> = old.map(serde_json::from_str).transpose()?;
            let same = old.as_ref().is_some_and(|old| {
                let metadata = class.metadata.clone();
                StorageClass { metadata, ..old.clone() } == class
            });
            (same, of_class(world, &class), old.map(|old| own(&old.metadata)))
        }
        StorageKind::AttributesClass => {
            let class: VolumeAttributesClass = serde_json::from_str(object)?;
            let old: Option<VolumeAttributesClass> = old.map(serde_json::from_str).transpose()?;
            let same = old
                .as_ref()
                .is_some_and(|old| (&old.driver_name, &old.parameters) == (&class.driver_name, &class.parameters));
            (same, of_attributes(world, &class), old.map(|old| own(&old.metadata)))
        }
        StorageKind::Volume => {
            let volume: Volume = serde_json::from_str(object)?;
            let old: Option<Volume> = old.map(serde_json::from_str).transpose()?;
            let same = old.as_ref().is_some_and(|old| places_alike(old, &volume));
            (same, of_volume(world, &volume), old.map(|old| held(world, &old)))
        }
    };
    let Said { placement, data } = now_said;
    if let Some(before) = &before {
        // Classes hold no data, so that only a volume can be taken out of scope.
        let left = (kind == StorageKind::Volume).then(|| super::left(world, before, &data, now)).flatten();
        if let Some(finding) = left {
            return Ok(Judgement::new(Verdict { action: Action::Refuse, findings: vec![finding], ..Verdict::allow() }));
        }
        // Binding, and what provisioners note, passes on a volume whose place stays as it was.
        if same && data.iter().all(|one| before.contains(one)) {
            return Ok(Judgement::new(Verdict::allow()));
        }
    }
    let facts = Facts { placements: placement.into_iter().collect(), ..Facts::default() };
    Ok(Judgement::new(engine::decide(&facts, &world.lawbook, &world.policies, now)).decided_from(facts))
}

fn own(metadata: &ObjectMeta) -> Vec<Arc<Data>> {
    metadata.labels.as_ref().map(scope::of_label).unwrap_or_default()
}

/// Whose data a volume holds: by its own label, and by the claim that it is kept for.
fn held(world: &World, volume: &Volume) -> Vec<Arc<Data>> {
    static NO_LABELS: Labels = Labels::new();
    let mut data = own(&volume.metadata);
    if let Some(wanted) = &volume.spec.claim_ref
        && let Some(namespace) = world.namespace(&wanted.namespace)
    {
        let claim = namespace.claims.get(&wanted.name);
        let (labels, sources) = claim.map_or((&NO_LABELS, &[][..]), |claim| (&claim.labels, &claim.sources));
        super::source::extend(&mut data, scope::of_claim(world, namespace, &wanted.name, labels, sources));
    }
    data
}

fn of_class(world: &World, class: &StorageClass) -> Said {
    let data = own(&class.metadata);
    let (read, field) = claim::read_class(class, world.gazetteer(), world.nodes());
    let flexibility = if read.with_pod {
        Flexibility::Choice { with_pod: true, alternatives: Vec::new() }
    } else {
        Flexibility::Fixed
    };
    said(data, |data| Some(Placement { act: Act::Store, field, data, places: read.places, flexibility }))
}

fn of_attributes(world: &World, class: &VolumeAttributesClass) -> Said {
    let statement = claim::attributes(class, world.gazetteer());
    said(own(&class.metadata), |data| {
        let claim::Statement { field, places, hint: _ } = statement?;
        Some(Placement { act: Act::Store, field, data, places, flexibility: Flexibility::Fixed })
    })
}

fn of_volume(world: &World, volume: &Volume) -> Said {
    said(held(world, volume), |data| {
        let claim::Statement { field, places, hint: _ } = claim::read_volume(volume, world.gazetteer(), world.nodes());
        Some(Placement { act: Act::Store, field, data, places, flexibility: Flexibility::Fixed })
    })
}

fn said(data: Vec<Arc<Data>>, placement: impl FnOnce(Vec<Arc<Data>>) -> Option<Placement>) -> Said {
    let placement = if data.is_empty() { None } else { placement(data.clone()) };
    Said { placement, data }
}

/// Whether everything that says where two volumes lie is the same; the claim is looked at apart.
fn places_alike(one: &Volume, other: &Volume) -> bool {
    let spec = |volume: &Volume| VolumeSpec { claim_ref: None, ..volume.spec.clone() };
    let label =
        |volume: &Volume, key: &str| volume.metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
    spec(one) == spec(other) && [REGION_LABEL, ZONE_LABEL].iter().all(|key| label(one, key) == label(other, key))
}
