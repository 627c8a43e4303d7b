//! What an object is called when exceptions are asked: by its own name, and by what made it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::workload;
use super::world::World;
use crate::engine::exception::{Identity, Subject};

/// An object, where its namespace has exceptions; elsewhere nobody asks, and nothing is made for it.
pub fn of(world: &World, namespace: &str, known_as: impl FnOnce() -> Vec<Identity>) -> Option<Subject> {
    let asks = !world.policies.exceptions().of(namespace).is_empty();
    asks.then(|| Subject { namespace: namespace.to_owned(), known_as: Some(known_as()) })
}

/// An object by its kind and name.
pub fn named(world: &World, namespace: &str, group: &str, kind: &str, name: &str) -> Option<Subject> {
    of(world, namespace, || vec![Identity::new(Some(group), kind, name)])
}

/// A pod, by its metadata.
pub fn pod(world: &World, namespace: &str, metadata: &ObjectMeta) -> Option<Subject> {
    of(world, namespace, || made(metadata.name.as_deref().unwrap_or_default(), &workload::maker(metadata)))
}

/// A pod that exists: its name, and kind and name of what made it.
pub fn held_pod(world: &World, namespace: &str, name: &str, maker: &(String, String)) -> Option<Subject> {
    of(world, namespace, || made(name, maker))
}

fn made(name: &str, (kind, maker): &(String, String)) -> Vec<Identity> {
    let mut known_as = vec![Identity::new(Some(""), "Pod", name)];
    if kind != "Pod" {
        known_as.push(Identity::new(None, kind, maker));
    }
    // A cron job names its jobs after itself and a time.
    let cron =
        maker.rsplit_once('-').filter(|(_, time)| time.len() > 6 && time.bytes().all(|one| one.is_ascii_digit()));
    if let Some((cron, _)) = cron.filter(|_| kind == "Job") {
        known_as.push(Identity::new(Some("batch"), "CronJob", cron));
    }
    known_as
}

/// A claim. A stateful set calls its claims by template, its own name and a number; both may hold hyphens, so that every
/// name counts that it may have.
pub fn claim(world: &World, namespace: &str, name: &str) -> Option<Subject> {
    of(world, namespace, || {
        let mut known_as = vec![Identity::new(Some(""), "PersistentVolumeClaim", name)];
        let of_set = name.rsplit_once('-').filter(|(_, number)| number.bytes().all(|one| one.is_ascii_digit()));
        let (of_set, _) = of_set.unwrap_or_default();
        let sets = of_set.match_indices('-').map(|(at, _)| &of_set[at + 1..]);
        known_as.extend(sets.map(|set| Identity::new(Some("apps"), "StatefulSet", set)));
        known_as
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_claims_are_known_by_what_made_them() {
        let maker = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        let names = |all: Vec<Identity>| {
            all.into_iter().map(|one| format!("{}/{}", one.kind, one.name)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(made("a", &maker("Pod", "a"))), "Pod/a");
        assert_eq!(names(made("web-5d4f-x2", &maker("Deployment", "web"))), "Pod/web-5d4f-x2 Deployment/web");
        let nightly = made("nightly-28374650-x2", &maker("Job", "nightly-28374650"));
        assert_eq!(names(nightly), "Pod/nightly-28374650-x2 Job/nightly-28374650 CronJob/nightly");
        assert_eq!(names(made("one-2-x2", &maker("Job", "one-2"))), "Pod/one-2-x2 Job/one-2");
    }
}
