//! Pods, as far as they say where they may run and what they touch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::decode::{is_ready, list, map, metadata};
use super::telling::{Telling, is_public_address};
use super::{Container, InlineVolume, PodVolume, resource};

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Pod {
    /// Its metadata.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its specification.
    #[serde(default)]
    pub spec: PodSpec,
    /// Its status.
    #[serde(default)]
    pub status: Option<PodStatus>,
}
resource!(Pod, "", "Pod", "pods", NamespaceResourceScope);

/// A pod template, as a workload carries it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PodTemplate {
    /// Metadata of the pods.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Specification of the pods.
    #[serde(default)]
    pub spec: PodSpec,
}

/// The status of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: Option<String>,
    /// Whether it is ready.
    #[serde(rename = "conditions", default, deserialize_with = "is_ready")]
    pub ready: bool,
}

/// What a pod's specification says about places and data.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// The node to which the pod is bound.
    pub node_name: Option<String>,
    /// Labels that the node must carry.
    #[serde(default, deserialize_with = "map")]
    pub node_selector: BTreeMap<String, String>,
    /// Affinity.
    pub affinity: Option<Affinity>,
    /// Taints that it tolerates for good. Where it may run does not depend on them; whether a node takes it does.
    #[serde(default, deserialize_with = "lasting")]
    pub tolerations: Vec<Toleration>,
    /// Names that it resolves by itself.
    #[serde(default, deserialize_with = "list")]
    pub host_aliases: Vec<HostAlias>,
    /// How it resolves all other names.
    pub dns_config: Option<DnsConfig>,
    /// Volumes.
    #[serde(default, deserialize_with = "list")]
    pub volumes: Vec<PodVolume>,
    /// Containers.
    #[serde(default, deserialize_with = "list")]
    pub containers: Vec<Container>,
    /// Init containers.
    #[serde(default, deserialize_with = "list")]
    pub init_containers: Vec<Container>,
    /// Ephemeral containers.
    #[serde(default, deserialize_with = "list")]
    pub ephemeral_containers: Vec<Container>,
}

impl PodSpec {
    /// Names of every secret that the pod references, in no particular order.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let containers = self.containers.iter().chain(&self.init_containers).chain(&self.ephemeral_containers);
        let environment = containers.flat_map(|container| {
            let single = container.env.iter().filter_map(|env| env.value_from.as_ref()?.secret_key_ref.as_ref());
            let whole = container.env_from.iter().filter_map(|env| env.secret_ref.as_ref());
            single.chain(whole).map(|secret| secret.name.as_str())
        });
        let volumes = self.volumes.iter().flat_map(|volume| {
            let whole = volume.secret.iter().filter_map(|secret| secret.secret_name.as_deref());
            let projected = volume.projected.iter().flat_map(|projected| {
                projected.sources.iter().filter_map(|source| Some(source.secret.as_ref()?.name.as_str()))
            });
            whole.chain(projected)
        });
        environment.chain(volumes)
    }

    /// Names of every config map that the pod reads, with the field that says so.
    pub fn config_maps<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (String, &'a str)> {
        let containers = self.named_containers().flat_map(move |(list, at, container)| {
            let single = container.env.iter().enumerate().filter_map(move |(position, env)| {
                let name = &env.value_from.as_ref()?.config_map_key_ref.as_ref()?.name;
                Some((format!("{path}.{list}[{at}].env[{position}]"), name.as_str()))
            });
            let whole = container.env_from.iter().enumerate().filter_map(move |(position, env)| {
                let name = &env.config_map_ref.as_ref()?.name;
                Some((format!("{path}.{list}[{at}].envFrom[{position}]"), name.as_str()))
            });
            single.chain(whole)
        });
        let volumes = self.volumes.iter().enumerate().flat_map(move |(position, volume)| {
            let whole = volume.config_map.iter();
            let projected = volume.projected.iter().flat_map(|projected| &projected.sources);
            let projected = projected.filter_map(|source| source.config_map.as_ref());
            whole.chain(projected).map(move |map| (format!("{path}.volumes[{position}]"), map.name.as_str()))
        });
        containers.chain(volumes)
    }

    /// What its containers are told of where to send data: the field, the name of a variable, the text. Without variables
    /// whose value only has the form of a region and is `idle`.
    pub fn told<'a>(
        &'a self,
        path: &'a str,
        idle: impl Fn(&str) -> bool + Copy + 'a,
    ) -> impl Iterator<Item = (String, &'a str, Cow<'a, str>)> {
        let containers = self.named_containers().flat_map(move |(list, at, container)| {
            let env = container.env.iter().filter_map(move |env| {
                let says = |value: &&str| env.telling == Telling::Plainly || !idle(value);
                let value = env.value().filter(says)?;
                let field = format!("{path}.{list}[{at}].env[{}]", env.name());
                Some((field, env.name(), Cow::Borrowed(value)))
            });
            let words = [("command", &container.command), ("args", &container.args)].into_iter();
            let words = words
                .filter(|(_, words)| !words.is_empty())
                .map(move |(field, words)| (format!("{path}.{list}[{at}].{field}"), "", Cow::Owned(words.join(" "))));
            let around = container.lifecycle.iter().flat_map(|one| {
                let all = [("lifecycle.postStart", &one.post_start), ("lifecycle.preStop", &one.pre_stop)];
                all.into_iter().filter_map(|(name, hook)| Some((name, hook.as_ref()?)))
            });
            let probes = [
                ("livenessProbe", &container.liveness_probe),
                ("readinessProbe", &container.readiness_probe),
                ("startupProbe", &container.startup_probe),
            ];
            let probes = probes.into_iter().filter_map(|(name, hook)| Some((name, hook.as_deref()?)));
            let hooks = around.chain(probes).flat_map(move |(name, hook)| {
                let here = format!("{path}.{list}[{at}].{name}");
                let command = hook.exec.iter().filter(|exec| !exec.command.is_empty());
                let command =
                    command.map(|exec| (format!("{here}.exec.command"), "", Cow::Owned(exec.command.join(" "))));
                let host = hook.http_get.as_ref().and_then(|get| get.host.as_deref());
                let host = host.map(|host| (format!("{here}.httpGet.host"), "host", Cow::Borrowed(host)));
                command.chain(host).collect::<Vec<_>>()
            });
            env.chain(words).chain(hooks)
        });
        let aliases = self.host_aliases.iter().enumerate().map(move |(position, alias)| {
            (format!("{path}.hostAliases[{position}].ip"), "address", Cow::Borrowed(alias.ip.as_str()))
        });
        // Those of the cluster itself are private.
        let servers = self.dns_config.iter().flat_map(|config| config.nameservers.iter().enumerate());
        let servers = servers.filter(|(_, server)| is_public_address(server)).map(move |(position, server)| {
            (format!("{path}.dnsConfig.nameservers[{position}]"), "address", Cow::Borrowed(server.as_str()))
        });
        containers.chain(aliases).chain(servers)
    }

    fn named_containers(&self) -> impl Iterator<Item = (&'static str, usize, &Container)> {
        let each = |list: &'static str| move |(at, container)| (list, at, container);
        let main = self.containers.iter().enumerate().map(each("containers"));
        let init = self.init_containers.iter().enumerate().map(each("initContainers"));
        main.chain(init).chain(self.ephemeral_containers.iter().enumerate().map(each("ephemeralContainers")))
    }

    /// Names of every claim that the pod mounts, with the position of the volume.
    pub fn claims(&self) -> impl Iterator<Item = (usize, &str)> {
        self.volumes.iter().enumerate().filter_map(|(position, volume)| {
            Some((position, volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
        })
    }

    /// Volumes that the pod describes itself, with their position.
    pub fn inline_volumes(&self) -> impl Iterator<Item = (usize, &InlineVolume)> {
        self.volumes.iter().enumerate().filter_map(|(position, volume)| Some((position, volume.inline.as_deref()?)))
    }

    /// The required node affinity, if there is any.
    pub fn required_terms(&self) -> Option<&[NodeSelectorTerm]> {
        let required = self.affinity.as_ref()?.node_affinity.as_ref()?.required.as_ref()?;
        Some(&required.node_selector_terms)
    }
}

/// A toleration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// The taint's key; empty: any.
    #[serde(default)]
    pub key: String,
    /// `Exists`, or `Equal`, which is meant where none is given.
    #[serde(default)]
    pub operator: String,
    /// The taint's value.
    #[serde(default)]
    pub value: String,
    /// The taint's effect; empty: any.
    #[serde(default)]
    pub effect: String,
    /// For how long; none: for good.
    pub toleration_seconds: Option<i64>,
}

/// Tolerations that last. Those that do not, of which every pod has two, keep no node open to it.
fn lasting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Toleration>, D::Error> {
    let mut tolerations: Vec<Toleration> = list(deserializer)?;
    tolerations.retain(|one| one.toleration_seconds.is_none());
    tolerations.shrink_to_fit();
    Ok(tolerations)
}

/// How a pod resolves names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct DnsConfig {
    /// Whom it asks.
    #[serde(default, deserialize_with = "list")]
    pub nameservers: Vec<String>,
}

/// Affinity.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Affinity {
    /// Node affinity.
    pub node_affinity: Option<NodeAffinity>,
}

/// Node affinity. Preferences bind nothing and are not read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NodeAffinity {
    /// What is required.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector>,
}

/// Terms of which one must match.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// The terms.
    #[serde(default, deserialize_with = "list")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Requirements of which all must match. A term without any matches no node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    /// Requirements on labels; `None` where the field is absent or null.
    #[serde(default)]
    pub match_expressions: Option<Vec<Requirement>>,
    /// Requirements on fields.
    #[serde(default, deserialize_with = "list")]
    pub match_fields: Vec<Requirement>,
}

/// A requirement on one key.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Requirement {
    /// The key.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    pub operator: String,
    /// The values.
    #[serde(default, deserialize_with = "list")]
    pub values: Vec<String>,
}

/// Names that a pod resolves by itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct HostAlias {
    /// The address.
    #[serde(default)]
    pub ip: String,
}
