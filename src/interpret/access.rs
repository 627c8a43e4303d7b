//! People and programs that reach into pods: exec, attach, port-forward and proxy.
//!
//! A request shows who asks and never from where, so that the place is what policies declare of their groups. What may
//! happen counts as happening: who belongs to groups in two countries may be in either, and who belongs to none that a
//! policy names may be anywhere.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::scope::{self, NamespaceScope};
use super::subject;
use super::world::World;
use super::{JudgeError, Judgement, Request, known_namespace};
use crate::engine::data::Data;
use crate::engine::facts::{Act, Facts, Flexibility, Placement};
use crate::engine::place::Places;
use crate::engine::policy::Law;
use crate::engine::{self};

/// Who asks. Never logged, and never repeated in an answer.
#[derive(Clone, Copy, Default)]
pub struct User<'a> {
    /// The name.
    pub name: &'a str,
    /// The groups.
    pub groups: &'a [Cow<'a, str>],
}

impl fmt::Debug for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User")
    }
}

/// A way into pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The kind of the options that come with the request.
    pub kind: &'static str,
    /// Resource and subresource.
    pub resource: &'static str,
    /// Whether it leads to whatever pods stand behind a service.
    to_service: bool,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 5] = [
        Self { kind: "PodExecOptions", resource: "pods/exec", to_service: false },
        Self { kind: "PodAttachOptions", resource: "pods/attach", to_service: false },
        Self { kind: "PodPortForwardOptions", resource: "pods/portforward", to_service: false },
        Self { kind: "PodProxyOptions", resource: "pods/proxy", to_service: false },
        Self { kind: "ServiceProxyOptions", resource: "services/proxy", to_service: true },
    ];

    /// The way whose options are of this kind.
    pub fn named(group: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| group.is_empty() && way.kind == kind)
    }
}

/// Judges somebody who reaches into a pod.
///
/// # Errors
///
/// When the namespace or the pod is not known yet: nobody can tell whose data it holds.
pub fn judge(world: &World, way: Way, request: &Request<'_>, now: Timestamp) -> Result<Judgement, JudgeError> {
    let namespace = known_namespace(world, request.namespace)?;
    let (data, subject) = if way.to_service {
        // Nobody can tell which pod answers, so that an exception for one of them says nothing.
        (behind_services(world, namespace), subject::of(world, request.namespace, Vec::new))
    } else {
        let name = pod_of(request.name);
        let pod = world.pod(request.namespace, name).ok_or_else(|| JudgeError::unknown_pod(request.namespace, name))?;
        let subject = subject::held_pod(world, request.namespace, name, &pod.maker);
        (scope::of_pod(world, namespace, &pod.labels, &pod.spec).data, subject)
    };
    let law = world.policies.law(&world.lawbook, now);
    let facts = Facts { subject, ..facts(world, data, request.user, way.resource, &law) };
    let verdict = engine::decide(&facts, &world.lawbook, &world.policies, now);
    Ok(Judgement::new(verdict).decided_from(facts))
}

/// What a request through a proxy calls a pod: `name`, `name:port` or `scheme:name:port`.
fn pod_of(name: &str) -> &str {
    let mut parts = name.split(':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(name), Some(_)) | (Some(name), ..) => name,
        (None, ..) => name,
    }
}

/// Whose data may stand behind a service: that of every pod, store and flow of its namespace. Which pods it selects can
/// change while somebody is connected.
fn behind_services(world: &World, namespace: &NamespaceScope) -> Vec<Arc<Data>> {
    let mut all: Vec<Arc<Data>> = namespace.label.iter().cloned().collect();
    let declared = namespace.stores.iter().map(|store| &store.data);
    let declared = declared.chain(namespace.flows.iter().map(|flow| &flow.data)).cloned();
    let pods = world.pods.get(namespace.name.as_str()).into_iter().flat_map(|pods| pods.values());
    let held = pods.flat_map(|pod| scope::of_pod(world, namespace, &pod.labels, &pod.spec).data);
    for one in declared.chain(held) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// Who looks at whose data, and from where. Data of which policies declare the same place makes one statement.
pub fn facts(world: &World, data: Vec<Arc<Data>>, user: User<'_>, field: &str, law: &Law<'_>) -> Facts {
    let mut placements: Vec<Placement> = Vec::new();
    for one in data {
        let places = from(world, &one, user, law);
        match placements.iter_mut().find(|known| known.places == places) {
            Some(known) => known.data.push(one),
            None => placements.push(Placement {
                act: Act::Access,
                field: field.to_owned(),
                data: vec![one],
                places,
                flexibility: Flexibility::Person,
            }),
        }
    }
    Facts { placements, ..Facts::default() }
}

/// From where a user looks at data, by the policies that cover it.
fn from(world: &World, data: &Data, user: User<'_>, law: &Law<'_>) -> Places {
    let groups = || user.groups.iter().map(|group| &**group);
    let entries = world.policies.covering(data, law).flat_map(|policy| &policy.access);
    let matching = entries.filter(|entry| entry.include(user.name, groups()));
    matching.map(|entry| entry.from.clone()).reduce(Places::or).unwrap_or_else(|| {
        Places::unknown(
            "spec.access of no ResidencyPolicy that covers this data lists the user or one of the user's groups",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_call_pods_with_scheme_and_port() {
        for (asked, name) in [("app", "app"), ("app:8080", "app"), ("https:app:8443", "app"), (":app:", "app")] {
            assert_eq!(pod_of(asked), name, "{asked}");
        }
    }

    #[test]
    fn a_user_is_never_shown() {
        let groups = [Cow::Borrowed("support")];
        assert_eq!(format!("{:?}", User { name: "alice", groups: &groups }), "User");
    }
}
