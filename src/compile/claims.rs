//! Claims: refused unless their class, or the volume that they name, is known to lie inside.

use std::collections::BTreeSet;

use serde_json::json;

use super::cel;
use super::{Plan, Scope, rules, sentence};
use crate::engine::country::CountrySet;
use crate::interpret::objects::CLASS_ANNOTATION;
use crate::interpret::world::World;

/// Name of these policies, before what tells them apart.
pub const NAME: &str = "domicile-claims";
/// Longest list of volumes that is written into a policy.
const MOST_VOLUMES: usize = 1000;

/// Adds the policy of a scope.
pub fn add(plan: &mut Plan, world: &World, scope: &Scope) {
    let Some(first) = scope.store.first().filter(|_| scope.claims) else { return };
    if !scope.store.refuse_unproven() {
        return plan.leave_unproven("claims", scope, &first.policies);
    }
    let spans = |known: &dyn Fn(&CountrySet) -> BTreeSet<String>| {
        let each = scope.store.0.iter().map(|span| (span.until, cel::set(&known(&span.countries))));
        cel::by_time(&each.collect::<Vec<_>>(), "{}")
    };
    let message = format!(
        "[RES-PLACE] spec.storageClassName: {}. To fix: use one of the classes {}, or name a volume that lies there",
        sentence(world, scope, first, "stored", scope.now),
        shown(&classes(world, &first.countries))
    );
    let annotation = cel::text(CLASS_ANNOTATION);
    let expression = format!(
        "(has(object.spec.volumeName) && object.spec.volumeName != '' ? \
         object.spec.volumeName in variables.volumes : \
         (has(object.metadata.annotations) && {annotation} in object.metadata.annotations ? \
         object.metadata.annotations[{annotation}] in variables.classes : \
         has(object.spec.storageClassName) && object.spec.storageClassName in variables.classes)) && \
         (!has(object.spec.volumeAttributesClassName) || object.spec.volumeAttributesClassName == '' || \
         object.spec.volumeAttributesClassName in variables.attributes)"
    );
    plan.validate(
        format!("{NAME}.{}", scope.id),
        json!({
            "matchConstraints": {
                "resourceRules": rules(&["persistentvolumeclaims"], &["CREATE"]), "matchPolicy": "Equivalent",
                "namespaceSelector": scope.namespaces, "objectSelector": scope.objects,
            },
            "variables": [
                {"name": "classes", "expression": spans(&|countries| classes(world, countries))},
                {"name": "volumes", "expression": spans(&|countries| volumes(world, countries))},
                {"name": "attributes", "expression": spans(&|countries| attributes(world, countries))},
            ],
            "validations": [{"expression": scope.unless_open(expression), "message": message, "reason": "Forbidden"}],
        }),
    );
}

/// Classes whose volumes lie inside, or follow a pod, which then decides.
pub fn classes(world: &World, countries: &CountrySet) -> BTreeSet<String> {
    let fits = |class: &&crate::interpret::claim::ClassPlaces| {
        class.places.within(countries) || (class.with_pod && class.places.countries.intersects(countries))
    };
    world.classes().filter(fits).map(|class| class.name.clone()).collect()
}

/// Volumes inside that wait for somebody to name them.
fn volumes(world: &World, countries: &CountrySet) -> BTreeSet<String> {
    let inside = |name: &&String| world.volume(name).is_some_and(|places| places.within(countries));
    let known: BTreeSet<String> = world.surroundings().free_volumes.iter().filter(inside).cloned().collect();
    if known.len() > MOST_VOLUMES { BTreeSet::new() } else { known }
}

/// Classes of attributes that say nothing about places, or a place inside.
fn attributes(world: &World, countries: &CountrySet) -> BTreeSet<String> {
    let known = world.surroundings().attributes.iter();
    let fits = known.filter(|(_, places)| places.as_ref().is_none_or(|places| places.within(countries)));
    fits.map(|(name, _)| name.clone()).collect()
}

/// Conditions under which a new claim is allowed for its class alone. Any other is better refused by the webhook, which can
/// name what would do, as long as there is one.
pub fn allowed(classes: &BTreeSet<String>) -> Vec<(&'static str, String)> {
    let mut conditions = silent_about_data();
    let none = |field: &str| format!("(!has(object.spec.{field}) || object.spec.{field} == '')");
    conditions.push((
        "asks-for-an-allowed-class",
        format!(
            "has(object.spec.storageClassName) && object.spec.storageClassName in {} && {} && {}",
            cel::set(classes),
            none("volumeName"),
            none("volumeAttributesClassName")
        ),
    ));
    conditions
}

/// Conditions under which all that there is to decide about a new claim is its class, its volume and its attributes.
pub fn silent_about_data() -> Vec<(&'static str, String)> {
    vec![
        ("carries-no-label-of-its-own", cel::no_own_label("object")),
        ("is-filled-from-nothing", "!has(object.spec.dataSource) && !has(object.spec.dataSourceRef)".to_owned()),
    ]
}

fn shown(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "(none here is known to)".to_owned();
    }
    let mut all: Vec<&str> = names.iter().map(String::as_str).take(SHOWN).collect();
    if names.len() > SHOWN {
        all.push("...");
    }
    all.join(", ")
}
