//! Volumes that a pod describes itself: claims that are made for it and go with it, CSI volumes, and servers by name.

use std::sync::Arc;

use crate::engine::data::Data;
use crate::engine::facts::{Act, Flexibility, Placement};
use crate::engine::place::Places;

use super::claim::{self, Asking};
use super::driver::{self, Statement};
use super::objects::{ClaimTemplate, InlineVolume};
use super::scope::{self, Labels, NamespaceScope};
use super::source;
use super::world::World;

/// Where a volume of a pod would put the pod's data.
#[derive(Debug, Default)]
pub struct Described {
    /// Places that do not depend on the node.
    pub placements: Vec<Placement>,
    /// The field of a claim that will lie where the pod runs.
    pub with_pod: Option<String>,
}

/// Where the volume at `path` would put `data`.
pub fn placements(
    world: &World,
    namespace: &NamespaceScope,
    volume: &InlineVolume,
    path: &str,
    data: &[Arc<Data>],
) -> Described {
    // A directory of the node lies where the pod runs, like any scratch space.
    let InlineVolume { ephemeral, is_host_path: _, sources } = volume;
    let mut described = Described::default();
    if let Some(template) = ephemeral.as_ref().and_then(|ephemeral| ephemeral.volume_claim_template.as_ref()) {
        let field = format!("{path}.ephemeral.volumeClaimTemplate.spec");
        described = of_template(world, namespace, template, field, data);
    }
    let mut fixed = |Statement { field, places, hint: _ }| {
        let flexibility = Flexibility::Fixed;
        described.placements.push(Placement { act: Act::Store, field, data: data.to_vec(), places, flexibility });
    };
    if let Some(csi) = &sources.csi {
        let known = world.gazetteer().driver(&csi.driver);
        let field = format!("{path}.csi");
        let said = driver::agreed(driver::csi(csi, known, &field, world.gazetteer()));
        // What a driver keeps on the node lies where the pod runs, like any scratch space.
        let stays = known.is_some_and(|(_, driver)| driver.follows_node);
        let unknown = || {
            let why = format!("nothing says where driver {} keeps it", csi.driver);
            Statement::firm(field.clone(), Places::unknown(why))
        };
        if let Some(statement) = said.or_else(|| (!stays).then(unknown)) {
            fixed(statement);
        }
    }
    if driver::has_server(sources, world.gazetteer()) {
        let said = driver::agreed(driver::servers(sources, path, world.gazetteer()));
        let unknown = || Statement::firm(path.to_owned(), Places::unknown("nothing says where its server keeps it"));
        fixed(said.unwrap_or_else(unknown));
    }
    described
}

/// A claim that is made for the pod. It is judged and may be rewritten when it is made, but only where it is in scope by
/// itself; what only the pod knows of counts here.
fn of_template(
    world: &World,
    namespace: &NamespaceScope,
    template: &ClaimTemplate,
    field: String,
    data: &[Arc<Data>],
) -> Described {
    static NO_LABELS: Labels = Labels::new();
    let ClaimTemplate { metadata, spec } = template;
    let labels = metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let itself = scope::of_claim(world, namespace, "", labels, &source::of(spec));
    let judged_again = data.iter().all(|one| itself.contains(one));
    let asking = if judged_again { Asking::New } else { Asking::Existing };
    let placements = claim::placements(world, spec, None, data, &field, asking);
    let decides = claim::decided_by_pod(world, spec.storage_class_name.as_deref(), spec.volume_name.as_deref());
    Described { placements, with_pod: decides.then_some(field) }
}
