//! Why a pod that runs where it may not is not evicted.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Asked;
use crate::api::v1alpha1::ORIGIN_LABEL;
use crate::interpret::scope::NamespaceScope;
use crate::interpret::world::HeldPod;

/// What becomes of a pod when it is deleted, by the kind of its controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// It is gone: it has none.
    None,
    /// Another one takes its place, on any node.
    Remakes,
    /// Another one takes its place on the same node.
    DaemonSet,
    /// Its job counts a failure, and may make no other.
    Job,
    /// Its node runs it from a file, whatever the API server says.
    Node,
    /// Nobody here knows.
    Unknown,
}

impl Controller {
    pub(super) fn of(pod: &ObjectMeta) -> Self {
        let owner = pod.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let Some(owner) = owner else { return Self::None };
        let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        match (group, owner.kind.as_str()) {
            ("apps", "ReplicaSet" | "StatefulSet") | ("", "ReplicationController") => Self::Remakes,
            ("apps", "DaemonSet") => Self::DaemonSet,
            ("batch", "Job") => Self::Job,
            ("", "Node") => Self::Node,
            _ => Self::Unknown,
        }
    }
}

/// Why a pod is not evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the sentences below say it")]
pub enum Obstacle {
    SystemNamespace,
    NoController,
    StaticPod,
    DaemonSet,
    Job,
    UnknownController { kind: String },
    NotEnforced,
    HostPath,
    Claim { name: String, why: String },
    WouldBeRefused { why: String },
    NoNode { countries: String },
}

impl Obstacle {
    /// A fixed word for each, which statuses show.
    pub fn category(&self) -> &'static str {
        match self {
            Self::SystemNamespace => "SystemNamespace",
            Self::NoController => "NoController",
            Self::StaticPod => "StaticPod",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::UnknownController { .. } => "UnknownController",
            Self::NotEnforced => "NotEnforced",
            Self::HostPath => "HostPath",
            Self::Claim { .. } => "VolumeNotInside",
            Self::WouldBeRefused { .. } => "WouldBeRefused",
            Self::NoNode { .. } => "NoNode",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SystemNamespace => f.write_str("system namespaces are left alone"),
            Self::NoController => f.write_str("no controller would make it again"),
            Self::StaticPod => f.write_str("its node runs it from a file"),
            Self::DaemonSet => f.write_str("its daemon set wants it on this node; give the template a node selector"),
            Self::Job => f.write_str("its job would count a failure, and might make no other; it ends by itself"),
            Self::UnknownController { kind } => write!(f, "nobody knows whether its {kind} would make it again"),
            Self::NotEnforced => f.write_str("nobody is asked about its namespace now: it would come back as it is"),
            Self::HostPath => f.write_str("it uses a directory of its node"),
            Self::Claim { name, why } => write!(f, "claim {name}: {why}"),
            Self::WouldBeRefused { why } => write!(f, "it would be refused when it comes back: {why}"),
            Self::NoNode { countries } => write!(f, "no ready node in {countries} takes it"),
        }
    }
}

/// What keeps a pod from being evicted wherever it would come back.
pub(super) fn by_itself(
    controller: Controller,
    kind: &str,
    namespace: &NamespaceScope,
    pod: &HeldPod,
    asked: Asked<'_>,
) -> Option<Obstacle> {
    if asked.exempt.contains(&namespace.name) {
        return Some(Obstacle::SystemNamespace);
    }
    match controller {
        Controller::Remakes => {}
        Controller::None => return Some(Obstacle::NoController),
        Controller::DaemonSet => return Some(Obstacle::DaemonSet),
        Controller::Job => return Some(Obstacle::Job),
        Controller::Node => return Some(Obstacle::StaticPod),
        Controller::Unknown => return Some(Obstacle::UnknownController { kind: kind.to_owned() }),
    }
    let asks_here =
        namespace.label.is_some() || asked.enforced.contains(&namespace.name) || pod.labels.contains_key(ORIGIN_LABEL);
    if !(asked.in_force && asks_here) {
        return Some(Obstacle::NotEnforced);
    }
    pod.spec.inline_volumes().any(|(_, volume)| volume.is_host_path).then_some(Obstacle::HostPath)
}
