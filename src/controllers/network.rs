//! Keeps a `NetworkPolicy` for the workloads of each store whose policy wants its network shut: out go name lookups, what
//! stays in the cluster, and what declared flows send that are lawful now.
//!
//! Gather (client): what stands there, by a watch. Plan (no client). Apply (client): what is missing or differs is applied
//! in place, and only when all of that is done, what is not wanted any more is deleted, so that there is never a moment
//! without a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};

use super::FIELD_MANAGER;
use super::clock;
use super::configuration::Inputs;
use super::owner::{self, Owner};
use super::watch::{PAGE, chain};
use crate::api::v1alpha1::{GROUP, TransportProtocol, VERSION};
use crate::compile::NAMESPACE_NAME;
use crate::index::{Name, Networks, StoreNetwork};
use crate::interpret::read::Address;
use crate::state::Shared;

/// Labels of every policy that is kept here.
const LABELS: [(&str, &str); 3] = [
    ("app.kubernetes.io/component", "store-network"),
    ("app.kubernetes.io/managed-by", "domicile"),
    ("app.kubernetes.io/part-of", "domicile"),
];

/// The cluster's name service, wherever CoreDNS or kube-dns serve it under their usual label.
const DNS: (&str, &str) = ("k8s-app", "kube-dns");
const DNS_PORT: i32 = 53;

/// Policies by namespace and name.
pub type Policies = BTreeMap<Name, NetworkPolicy>;

/// What to do (no client).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What is missing, or is not as it should be.
    pub apply: Vec<NetworkPolicy>,
    /// What is not wanted any more.
    pub delete: Vec<NetworkPolicy>,
}

/// The policies that should stand there, for the stores outside exempt namespaces (no client).
pub fn wanted(networks: &Networks, exempt: &BTreeSet<String>) -> Policies {
    let stores = networks.stores.iter().filter(|network| !exempt.contains(&network.store.0));
    stores.map(|network| ((network.store.0.clone(), name(network)), policy(network))).collect()
}

/// The same, owned by the anchor of the installation instead of the stores, so that they go with it also when no operator is
/// alive (no client). Without an anchor the stores own them.
pub fn owned(mut wanted: Policies, anchor: Option<&OwnerReference>) -> Policies {
    for policy in wanted.values_mut().filter(|_| anchor.is_some()) {
        policy.metadata.owner_references = anchor.cloned().map(|anchor| vec![anchor]);
    }
    wanted
}

/// What to do so that nothing but what is wanted stands there (no client). What others have made is left alone.
pub fn plan(wanted: &Policies, present: &Policies) -> Plan {
    let differs = |key: &Name, policy: &NetworkPolicy| present.get(key).is_none_or(|there| !is_kept(there, policy));
    let apply = wanted.iter().filter(|(key, policy)| differs(key, policy)).map(|(_, policy)| policy.clone());
    let spare = present.iter().filter(|(key, policy)| !wanted.contains_key(*key) && is_ours(policy));
    Plan { apply: apply.collect(), delete: spare.map(|(_, policy)| policy.clone()).collect() }
}

/// Whether everything that is kept of a policy is as it should be. Fields of others are none of our business.
fn is_kept(there: &NetworkPolicy, wanted: &NetworkPolicy) -> bool {
    let (Some(is), Some(should)) = (&there.spec, &wanted.spec) else { return false };
    is.egress == should.egress
        && is.pod_selector == should.pod_selector
        && is.policy_types == should.policy_types
        && wanted.labels().iter().all(|(key, value)| there.labels().get(key) == Some(value))
        && wanted.owner_references().iter().all(|owner| there.owner_references().contains(owner))
}

fn is_ours(policy: &NetworkPolicy) -> bool {
    let of_store = |owner: &OwnerReference| owner.kind == "DataStore" && owner.api_version.starts_with(GROUP);
    let of_anchor = |owner: &OwnerReference| owner.kind == owner::KIND;
    policy.owner_references().iter().any(|owner| of_store(owner) || of_anchor(owner))
}

/// A policy is named after its store, as far as names go.
fn name(network: &StoreNetwork) -> String {
    const LONGEST: usize = 253;
    let name = format!("domicile-{}", network.store.1);
    if name.len() <= LONGEST { name } else { format!("domicile-{}", network.uid) }
}

fn policy(network: &StoreNetwork) -> NetworkPolicy {
    let labels = |pair: (&str, &str)| LabelSelector {
        match_labels: Some(BTreeMap::from([(pair.0.to_owned(), pair.1.to_owned())])),
        ..LabelSelector::default()
    };
    let port = |protocol: &str, port: i32| NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(port)),
        end_port: None,
    };
    let names = NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(labels((NAMESPACE_NAME, "kube-system"))),
            pod_selector: Some(labels(DNS)),
            ip_block: None,
        }]),
        ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]),
    };
    let inside = NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        }]),
        ports: None,
    };
    let outside = network.open.iter().map(|Address { range, ports }| NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            ip_block: Some(IPBlock { cidr: range.to_string(), except: None }),
            ..NetworkPolicyPeer::default()
        }]),
        ports: (!ports.is_empty())
            .then(|| ports.iter().map(|(protocol, number)| port(spoken(*protocol), i32::from(*number))).collect()),
    });
    let mut policy = NetworkPolicy {
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(network.selector.clone()),
            policy_types: Some(vec!["Egress".to_owned()]),
            egress: Some([names, inside].into_iter().chain(outside).collect()),
            ingress: None,
        }),
        ..NetworkPolicy::default()
    };
    policy.metadata.name = Some(name(network));
    policy.metadata.namespace = Some(network.store.0.clone());
    policy.metadata.labels = Some(LABELS.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
    policy.metadata.owner_references = Some(vec![OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "DataStore".to_owned(),
        name: network.store.1.clone(),
        uid: network.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }]);
    policy
}

fn spoken(protocol: TransportProtocol) -> &'static str {
    match protocol {
        TransportProtocol::Tcp => "TCP",
        TransportProtocol::Udp => "UDP",
        TransportProtocol::Sctp => "SCTP",
    }
}

/// Runs until dropped. Looks again when something changed, here or there, and when time alone changes a verdict.
pub async fn run(client: Client, shared: Arc<Shared>, inputs: Inputs, owner: Owner) {
    // Verdicts follow bursts of changes, not each of them.
    const GATHER: Duration = Duration::from_millis(250);
    const AGAIN: Duration = Duration::from_secs(1);
    let selector: Vec<String> = LABELS.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let config = watcher::Config::default().labels(&selector.join(",")).page_size(PAGE);
    let mut stream = pin!(watcher(Api::<NetworkPolicy>::all(client.clone()), config).default_backoff());
    let mut published = shared.published();
    let exempt = inputs.exempt();
    let mut present = Policies::new();
    let mut fresh = Policies::new();
    // Nothing is written or deleted before it is known what stands there.
    let mut listed = false;
    loop {
        let mut until = None;
        let mut failed = false;
        if listed && shared.synced() {
            let reconcile = shared.metrics.turn("network");
            let networks = shared.index().networks(shared.now());
            until = networks.until;
            failed = match owner.current(&client).await {
                Ok(anchor) => {
                    let wanted = owned(wanted(&networks, &exempt), anchor.as_ref());
                    !apply(&client, plan(&wanted, &present), &mut present).await
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "failed to write network policies");
                    true
                }
            };
            reconcile.ended(!failed);
        }
        let again = async { if failed { tokio::time::sleep(AGAIN).await } else { std::future::pending().await } };
        tokio::select! {
            changed = published.changed() => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
            }
            event = stream.try_next() => match event {
                Ok(Some(Event::Init)) => fresh.clear(),
                Ok(Some(Event::InitApply(policy))) => drop(fresh.insert(key(&policy), policy)),
                Ok(Some(Event::InitDone)) => (present, listed) = (std::mem::take(&mut fresh), true),
                Ok(Some(Event::Apply(policy))) => drop(present.insert(key(&policy), policy)),
                Ok(Some(Event::Delete(policy))) => drop(present.remove(&key(&policy))),
                Ok(None) => return,
                Err(error) => {
                    shared.metrics.watch_failures.inc();
                    tracing::warn!(kind = "NetworkPolicy", error = %chain(&error), "watch failed, starting again");
                }
            },
            () = again => {}
            () = clock::reach(until) => shared.publish(),
        }
        published.mark_unchanged();
    }
}

fn key(policy: &NetworkPolicy) -> Name {
    (policy.namespace().unwrap_or_default(), policy.name_any())
}

/// Carries out a plan (client), and notes what stands there then; whether all of it is done. Nothing is deleted while
/// something cannot be applied.
async fn apply(client: &Client, plan: Plan, present: &mut Policies) -> bool {
    let Plan { apply, delete } = plan;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let mut done = true;
    for policy in apply {
        let (namespace, name) = key(&policy);
        let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), &namespace);
        match api.patch(&name, &params, &Patch::Apply(&policy)).await {
            Ok(written) => {
                tracing::info!(namespace, name, "network policy written");
                present.insert(key(&written), written);
            }
            Err(error) => {
                done = false;
                tracing::warn!(namespace, name, error = %chain(&error), "failed to write a network policy");
            }
        }
    }
    let spare = if done { delete } else { Vec::new() };
    for policy in spare {
        let (namespace, name) = key(&policy);
        let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), &namespace);
        // What has changed since may be somebody else's by now.
        let seen = Preconditions { uid: policy.uid(), resource_version: policy.resource_version() };
        match api.delete(&name, &DeleteParams { preconditions: Some(seen), ..DeleteParams::default() }).await {
            Ok(_) => tracing::info!(namespace, name, "network policy deleted"),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => {
                done = false;
                tracing::warn!(namespace, name, error = %chain(&error), "failed to delete a network policy");
            }
        }
    }
    done
}
