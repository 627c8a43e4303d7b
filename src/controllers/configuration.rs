//! The webhook configurations: which requests the API server asks us about.
//!
//! Protected are namespaces with an origin label (a fixed selector, without any window), namespaces that hold a store or
//! flow (by name), and objects that carry an origin label of their own. Nothing else ever reaches the operator, so that a
//! dead one can neither stop nor slow down anything else.

mod contents;
mod groups;
mod selections;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::ApiResource;

use super::events::Draft;
use super::owner::{Owner, OwnerError};
use super::types::Served;
use super::watch::chain;
use super::whole;
use crate::compile;
use crate::engine::policy::RewriteStorage;
use crate::state::Shared;

pub use contents::{labels, mutating, validating};
pub use groups::NOT_ASKED;

/// Name of both configurations.
pub const NAME: &str = crate::compile::CONFIGURATIONS;
/// System namespaces are never judged: nothing there may depend on the operator.
pub const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// Name of the entries for pods and claims.
const PLACEMENTS: &str = "placements";
/// The entry for bindings.
const BINDINGS: &str = "bindings";
/// The API server gives up on a review after this many seconds.
const TIMEOUT_SECONDS: i32 = 3;

/// How the API server reaches the operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// Outside the cluster: `https://host:port`.
    Url(String),
    /// A service in the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Address {
    /// The address of an entry; none of one that says no address.
    pub fn of(client: &WebhookClientConfig) -> Option<Self> {
        if let Some(service) = &client.service {
            return Some(Self::Service { namespace: service.namespace.clone(), name: service.name.clone() });
        }
        // Phase and selection stand behind it.
        let url = client.url.as_deref()?;
        let (url, _) = url.rsplit_once('/')?;
        url.rsplit_once('/').map(|(url, _)| Self::Url(url.to_owned()))
    }
}

/// Everything that the configurations depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// How to reach the operator.
    pub address: Address,
    /// PEM of the authorities that vouch for its certificate.
    pub authority: String,
    /// Who owns them.
    pub owner: Option<OwnerReference>,
    /// The operator's own namespace.
    pub namespace: String,
    /// Namespaces that hold a store or flow.
    pub protected: Arc<BTreeSet<String>>,
    /// Namespaces with pods that carry an origin label of their own.
    pub holding: Arc<BTreeSet<String>>,
    /// Interpreted types that the cluster serves.
    pub served: Arc<BTreeSet<Served>>,
    /// Whether some policy wants fields of cloud resources replaced.
    pub rewrites_storage: bool,
    /// Whether generated policies guard labels, kinds and configurations.
    pub guards: bool,
    /// Origin labels for whose namespaces generated policies decide some requests completely.
    pub compiled: Arc<Vec<compile::Group>>,
}

impl Inputs {
    /// Before anything is known.
    pub fn new(address: Address, namespace: String, guards: bool) -> Self {
        Self {
            address,
            authority: String::new(),
            owner: None,
            namespace,
            protected: Arc::default(),
            holding: Arc::default(),
            served: Arc::default(),
            rewrites_storage: false,
            guards,
            compiled: Arc::default(),
        }
    }

    /// Namespaces that are never judged.
    pub fn exempt(&self) -> BTreeSet<String> {
        SYSTEM.iter().map(|name| (*name).to_owned()).chain([self.namespace.clone()]).collect()
    }

    fn client(&self, path: &str) -> WebhookClientConfig {
        let mut config = WebhookClientConfig {
            ca_bundle: Some(k8s_openapi::ByteString(self.authority.clone().into_bytes())),
            ..WebhookClientConfig::default()
        };
        match &self.address {
            Address::Url(url) => config.url = Some(format!("{url}{path}")),
            Address::Service { namespace, name } => {
                config.service = Some(k8s_openapi::api::admissionregistration::v1::ServiceReference {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    path: Some(path.to_owned()),
                    port: None,
                });
            }
        }
        config
    }
}

/// Keeps both configurations as they should be (leader only), until dropped. They hold only while nobody has switched
/// enforcement off.
pub async fn run(client: Client, shared: Arc<Shared>, mut inputs: Inputs, owner: Owner) {
    const RETRY: Duration = Duration::from_secs(1);
    // Also written again from time to time: a repair that went unnoticed, or an owner that is another one now.
    const REPAIR: Duration = Duration::from_secs(30);
    // Whoever has just begun to lead leaves what the API server knows as it is until it is clear which policies are in force:
    // until then they go on deciding, also when this replica dies at once. But not for long.
    const LOOKED_FOR: Duration = Duration::from_secs(5);
    let mut published = shared.published();
    let mut written: Option<Written> = None;
    let mut repair = tokio::time::Instant::now();
    let mut begun = None;
    loop {
        inputs.authority.clone_from(&shared.trusted());
        let may_write = shared.enforcing() && !inputs.authority.is_empty();
        let waits = may_write && {
            let begun = *begun.get_or_insert_with(tokio::time::Instant::now);
            let works = shared.live().is_none_or(|live| live.asks(&inputs.address, &inputs.authority));
            works && shared.compiled().is_none() && begun.elapsed() < LOOKED_FOR
        };
        if may_write && !waits {
            {
                let index = shared.index();
                (inputs.protected, inputs.holding) = (index.protected(), index.holding());
            }
            (inputs.served, inputs.compiled) = (shared.served(), shared.compiled().unwrap_or_default());
            inputs.rewrites_storage =
                shared.world().policies.iter().any(|policy| policy.rewrite_storage == RewriteStorage::OnCreate);
            let live = shared.live().map(|live| live.generations());
            let stands = match &written {
                Some(written) if written.inputs == inputs => {
                    let theirs = live.is_some_and(|live| differs(&live, written));
                    if theirs {
                        tell(&shared);
                    }
                    !theirs
                }
                _ => false,
            };
            if !stands || repair <= tokio::time::Instant::now() {
                let reconcile = shared.metrics.turn("configuration");
                let turn = write(&client, &mut inputs, &owner).await;
                reconcile.ended(turn.is_ok());
                match turn {
                    Ok(generations) => {
                        written = Some(Written { inputs: inputs.clone(), generations, seen: live });
                        repair = tokio::time::Instant::now() + REPAIR;
                        shared.set_registered(Some(inputs.compiled.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "failed to write the webhook configurations");
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                }
            }
        } else {
            written = None;
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(repair.max(tokio::time::Instant::now() + RETRY)) => {}
        }
    }
}

/// Tells that somebody else changed what protects personal data.
fn tell(shared: &Shared) {
    tracing::warn!("the webhook configurations were changed by somebody else");
    shared.metrics.tampered.inc();
    let regarding = ObjectReference {
        api_version: Some("admissionregistration.k8s.io/v1".to_owned()),
        kind: Some("ValidatingWebhookConfiguration".to_owned()),
        name: Some(NAME.to_owned()),
        ..ObjectReference::default()
    };
    let note = "the webhook configurations were changed or removed by somebody else, and are put back".to_owned();
    let reason = "EnforcementTampered";
    shared.tell(Draft { regarding, related: None, warning: true, action: "Reconcile", reason, note });
}

/// What was written last, as which versions, and which the watch had shown by then.
struct Written {
    inputs: Inputs,
    generations: [Option<i64>; 2],
    seen: Option<[Option<i64>; 2]>,
}

/// Whether somebody else has written since (no client): a configuration is gone, or newer than what we wrote. What our own
/// writes came to is told by the watch a moment later: as long as it shows what it did before them, that is no news.
fn differs(live: &[Option<i64>; 2], written: &Written) -> bool {
    let unchanged = |at: usize| written.seen.is_none_or(|seen| seen[at] == live[at]);
    let newer = |at: usize| written.generations[at].is_some_and(|written| live[at] > Some(written));
    (0..live.len()).any(|at| (live[at].is_none() && !unchanged(at)) || newer(at))
}

/// Why they could not be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error("the API server refused")]
    Refused(#[from] kube::Error),
}

/// Writes both (client), and tells their new versions. The validating one first: what must not pass is refused before
/// anything is changed.
async fn write(client: &Client, inputs: &mut Inputs, owner: &Owner) -> Result<[Option<i64>; 2], WriteError> {
    inputs.owner = owner.current(client).await?;
    let (validators, mutators) = (
        ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        ApiResource::erase::<MutatingWebhookConfiguration>(&()),
    );
    let validator = whole::put(client, &validators, "webhooks", validating(inputs)).await?;
    let mutator = whole::put(client, &mutators, "webhooks", mutating(inputs)).await?;
    Ok([validator.generation, mutator.generation])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seen: [Option<i64>; 2]) -> Written {
        let address = Address::Url("https://127.0.0.1".to_owned());
        let inputs = Inputs::new(address, "domicile-system".to_owned(), false);
        Written { inputs, generations: [Some(3), Some(2)], seen: Some(seen) }
    }

    #[test]
    fn the_address_of_an_entry_is_the_one_that_it_was_made_of() {
        for address in [
            Address::Url("https://127.0.0.1:8443".to_owned()),
            Address::Service { namespace: "domicile-system".to_owned(), name: "domicile".to_owned() },
        ] {
            let inputs = Inputs::new(address.clone(), "domicile-system".to_owned(), false);
            assert_eq!(Address::of(&inputs.client("/validate/labelled")), Some(address));
        }
        assert_eq!(Address::of(&WebhookClientConfig::default()), None);
    }

    #[test]
    fn only_what_is_gone_or_newer_than_our_own_write_was_changed_by_somebody_else() {
        let written = written([Some(2), Some(2)]);
        assert!(!differs(&[Some(3), Some(2)], &written));
        // The watch has not told of our write yet.
        assert!(!differs(&[Some(2), Some(2)], &written));
        assert!(differs(&[Some(3), Some(3)], &written));
        assert!(differs(&[None, Some(2)], &written));
    }

    #[test]
    fn what_was_not_there_before_our_own_write_was_not_removed_by_somebody_else() {
        let written = written([None, None]);
        assert!(!differs(&[None, None], &written));
        assert!(!differs(&[Some(3), None], &written));
        assert!(differs(&[Some(4), None], &written));
    }

    #[test]
    fn no_list_is_written_empty_which_the_api_server_would_take_for_a_change_each_time() {
        let address = Address::Url("https://127.0.0.1".to_owned());
        let inputs = Inputs::new(address, "domicile-system".to_owned(), false);
        for configuration in [validating(&inputs), mutating(&inputs)] {
            let text = configuration.to_string();
            assert!(!text.contains("[]"), "{text}");
        }
    }
}
