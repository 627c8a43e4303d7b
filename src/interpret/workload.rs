//! Workloads that make pods: where their template stands.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Deserialize;

use super::objects::{Claim, PodSpec, PodTemplate};
use super::scope::{self, Labels, NamespaceScope};

/// A kind that carries a pod template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkloadKind {
    /// Its API group.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its plural, as in webhook rules.
    pub plural: &'static str,
    /// Path of the pod specification.
    pub path: &'static str,
    /// Whether the controller keeps node affinity that is added to its pods. A daemon set binds each pod to one node by
    /// name, so that only its template can keep it inside.
    pub pods_can_be_pinned: bool,
}

/// Every kind of Kubernetes' own that carries a pod template.
pub const KINDS: [WorkloadKind; 7] = [
    kind("apps", "Deployment", "deployments", "spec.template.spec", true),
    kind("apps", "StatefulSet", "statefulsets", "spec.template.spec", true),
    kind("apps", "DaemonSet", "daemonsets", "spec.template.spec", false),
    kind("apps", "ReplicaSet", "replicasets", "spec.template.spec", true),
    kind("", "ReplicationController", "replicationcontrollers", "spec.template.spec", true),
    kind("batch", "Job", "jobs", "spec.template.spec", true),
    kind("batch", "CronJob", "cronjobs", "spec.jobTemplate.spec.template.spec", true),
];

const fn kind(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    path: &'static str,
    pods_can_be_pinned: bool,
) -> WorkloadKind {
    WorkloadKind { group, kind, plural, path, pods_can_be_pinned }
}

/// Any of these kinds, as far as it matters.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Workload {
    /// Its specification.
    #[serde(default)]
    pub spec: WorkloadSpec,
}

/// What a workload says about its pods.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSpec {
    /// Its pods.
    pub template: Option<PodTemplate>,
    /// Its jobs.
    pub job_template: Option<JobTemplate>,
    /// Claims that are made for each of its pods.
    pub volume_claim_templates: Option<Vec<Claim>>,
    /// Which pods are its own. A replication controller has a plain map here, which no claim depends on.
    #[serde(default, deserialize_with = "lenient")]
    pub selector: Option<LabelSelector>,
}

fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<LabelSelector>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A template of jobs.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct JobTemplate {
    /// Its specification.
    #[serde(default)]
    pub spec: JobSpec,
}

/// What a job says about its pods.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct JobSpec {
    /// Its pods.
    pub template: Option<PodTemplate>,
}

impl Workload {
    /// Its pod template.
    pub fn template(&self) -> Option<&PodTemplate> {
        let nested = || self.spec.job_template.as_ref()?.spec.template.as_ref();
        self.spec.template.as_ref().or_else(nested)
    }

    /// Whether it makes the same pods and claims as another: all that is judged.
    pub fn makes_the_same(&self, other: &Self) -> bool {
        let pods = |workload: &Self| {
            workload.template().map(|template| {
                // What its pods tolerate is not judged.
                let spec = PodSpec { tolerations: Vec::new(), ..template.spec.clone() };
                (template.metadata.labels.clone(), spec)
            })
        };
        let claims = |workload: &Self| -> Vec<_> {
            let claims = workload.claims().into_iter();
            claims.map(|claim| (claim.metadata.name, claim.metadata.labels, claim.spec)).collect()
        };
        pods(self) == pods(other) && claims(self) == claims(other)
    }

    /// The claims it makes, with the labels that its controller gives them.
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = self.spec.volume_claim_templates.clone().unwrap_or_default();
        let selected = self.spec.selector.as_ref().and_then(|selector| selector.match_labels.clone());
        for claim in &mut claims {
            let ObjectMeta { labels, .. } = &mut claim.metadata;
            labels.get_or_insert_default().extend(selected.clone().unwrap_or_default());
        }
        claims
    }
}

/// What made a pod, as a person knows it: kind and name of its controller, or the pod itself. A deployment names its
/// replica sets after itself and a hash that the pods carry as a label.
pub fn maker(pod: &ObjectMeta) -> (String, String) {
    const HASH: &str = "pod-template-hash";
    let owner = pod.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let Some(owner) = owner else { return ("Pod".to_owned(), pod.name.clone().unwrap_or_default()) };
    let hash = pod.labels.as_ref().and_then(|labels| labels.get(HASH)).filter(|_| owner.kind == "ReplicaSet");
    match hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')) {
        Some(deployment) => ("Deployment".to_owned(), deployment.to_owned()),
        None => (owner.kind.clone(), owner.name.clone()),
    }
}

/// The pods that a workload makes, as far as they touch data: for the command line, where no controller makes them.
#[derive(Debug, Clone, Default)]
pub struct Template {
    /// Kind of the workload.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Labels of the pods.
    pub labels: Labels,
    /// Their specification.
    pub spec: PodSpec,
    /// Claims that are made for each of them: name of the template, labels.
    pub claims: Vec<(String, Labels)>,
}

impl Template {
    /// The pods of a workload; none if it makes none.
    pub fn of(kind: &str, namespace: &str, name: &str, workload: &Workload) -> Option<Self> {
        let PodTemplate { metadata, spec } = workload.template()?.clone();
        let claim = |claim: Claim| (claim.metadata.name.unwrap_or_default(), claim.metadata.labels.unwrap_or_default());
        Some(Self {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            labels: metadata.labels.unwrap_or_default(),
            spec,
            claims: workload.claims().into_iter().map(claim).collect(),
        })
    }

    /// Positions of the stores that its pods touch, sorted.
    pub fn stores(&self, namespace: &NamespaceScope) -> Vec<usize> {
        let mut stores = scope::stores_of_pod(namespace, &self.labels, &self.spec);
        for (template, labels) in &self.claims {
            stores.extend(scope::stores_of_made_claims(namespace, template, &self.name, labels));
        }
        stores.sort_unstable();
        stores.dedup();
        stores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_told_by_what_a_person_knows() {
        let of = |labels: serde_json::Value, owners: serde_json::Value| {
            let metadata = json!({"name": "web-5d4f-x2", "labels": labels, "ownerReferences": owners});
            let (kind, name) = maker(&serde_json::from_value(metadata).unwrap());
            format!("{kind}/{name}")
        };
        let owner = |kind: &str, name: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true}]);
        let hash = json!({"pod-template-hash": "5d4f"});
        assert_eq!(of(json!({}), json!([])), "Pod/web-5d4f-x2");
        assert_eq!(of(hash.clone(), owner("ReplicaSet", "web-5d4f")), "Deployment/web");
        assert_eq!(of(hash, owner("ReplicaSet", "by-hand")), "ReplicaSet/by-hand");
        assert_eq!(of(json!({}), owner("StatefulSet", "db")), "StatefulSet/db");
    }
}
