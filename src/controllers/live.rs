//! What the API server holds of our webhook configurations, by a watch on those two objects (every replica).
//!
//! A replica that does not write them is ready when it is trusted by what is there, and the namespaces that count as
//! enforced are those that stand there, whoever wrote them.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use rustls_pki_types::CertificateDer;

use super::certificate::TakenUp;
use super::configuration::{Address, NAME};
use super::watch::chain;
use crate::api::v1alpha1::ORIGIN_LABEL;
use crate::compile::NAMESPACE_NAME;
use crate::state::Shared;
use crate::webhook::tls::{self, Identity};

/// One configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    generation: Option<i64>,
    /// The distinct bundles of its entries.
    bundles: BTreeSet<Vec<u8>>,
    /// Where its entries are asked.
    addresses: BTreeSet<Address>,
    /// Namespaces that entries select by name.
    declared: BTreeSet<String>,
}

impl Part {
    fn new<'a>(
        generation: Option<i64>,
        entries: impl Iterator<Item = (&'a WebhookClientConfig, Option<&'a LabelSelector>)>,
    ) -> Self {
        let mut part = Self { generation, ..Self::default() };
        for (client, namespaces) in entries {
            part.addresses.extend(Address::of(client));
            part.bundles.insert(client.ca_bundle.clone().unwrap_or_else(|| ByteString(Vec::new())).0);
            let expressions = namespaces.and_then(|selector| selector.match_expressions.as_deref()).unwrap_or_default();
            // Namespaces with an origin label may be named as well, where they are asked about in another way.
            let declared = expressions.iter().any(|one| one.key == ORIGIN_LABEL && one.operator == "DoesNotExist");
            let named = expressions.iter().filter(|one| declared && one.key == NAMESPACE_NAME && one.operator == "In");
            part.declared.extend(named.flat_map(|one| one.values.iter().flatten()).cloned());
        }
        part
    }
}

/// Both configurations as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    validating: Option<Part>,
    mutating: Option<Part>,
    taken_up: TakenUp,
}

impl Live {
    fn new(validating: Option<Part>, mutating: Option<Part>, before: Option<&Self>, now: Timestamp) -> Self {
        let mut live = Self { validating, mutating, taken_up: TakenUp::default() };
        let known = before.map(|before| before.taken_up.clone()).unwrap_or_default();
        let bundles = live.bundles();
        if let Some((first, others)) = bundles.split_first() {
            let everywhere = first.iter().filter(|one| others.iter().all(|other| other.contains(one)));
            live.taken_up = known.follow(everywhere.cloned(), now);
        }
        live
    }

    /// Each distinct bundle; none unless both configurations are there.
    fn bundles(&self) -> Vec<Vec<CertificateDer<'static>>> {
        let (Some(validating), Some(mutating)) = (&self.validating, &self.mutating) else { return Vec::new() };
        let all = validating.bundles.union(&mutating.bundles);
        all.map(|pem| tls::certificates(&String::from_utf8_lossy(pem)).unwrap_or_default()).collect()
    }

    /// The versions of both, which change with whatever somebody writes there.
    pub fn generations(&self) -> [Option<i64>; 2] {
        [&self.validating, &self.mutating].map(|part| part.as_ref().and_then(|part| part.generation))
    }

    /// Whether both are there, and every entry asks at this address and trusts just these authorities, in PEM.
    pub fn asks(&self, address: &Address, authorities: &str) -> bool {
        let parts = [&self.validating, &self.mutating];
        parts.into_iter().all(|part| {
            part.as_ref().is_some_and(|part| {
                part.addresses.iter().eq([address]) && part.bundles.iter().eq([authorities.as_bytes()])
            })
        })
    }

    /// The authorities that every entry trusts, and since when.
    pub fn taken_up(&self) -> &TakenUp {
        &self.taken_up
    }

    /// Those of them that have been there since before an instant.
    pub fn settled(&self, before: Timestamp) -> Vec<CertificateDer<'static>> {
        self.taken_up.iter().filter(|(_, since)| *since <= before).map(|(one, _)| one.clone()).collect()
    }

    /// Whether every entry trusts a certificate under each of these names.
    ///
    /// # Errors
    ///
    /// Why one does not.
    pub fn trusts(&self, identity: &Identity, names: &[String], now: Timestamp) -> Result<(), Untrusted> {
        let bundles = self.bundles();
        if bundles.is_empty() {
            return Err(Untrusted::Absent);
        }
        for (bundle, name) in bundles.iter().flat_map(|bundle| names.iter().map(move |name| (bundle, name))) {
            identity.verify(bundle, name, now).map_err(|error| Untrusted::Refused(chain(&error)))?;
        }
        Ok(())
    }

    /// Namespaces that both configurations select by name.
    fn declared(&self) -> BTreeSet<String> {
        match (&self.validating, &self.mutating) {
            (Some(validating), Some(mutating)) => {
                validating.declared.intersection(&mutating.declared).cloned().collect()
            }
            _ => BTreeSet::new(),
        }
    }
}

/// Why the API server would not go on with us.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It would not even ask.
    #[error("the webhook configurations do not exist")]
    Absent,
    /// It would not trust the certificate.
    #[error("the webhook configurations do not trust the certificate: {0}")]
    Refused(String),
}

/// Follows both configurations until dropped.
pub async fn run(client: Client, shared: Arc<Shared>) {
    tokio::join!(follow(client, &shared), enforce(&shared));
}

async fn follow(client: Client, shared: &Shared) {
    let validators: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let mutators: Api<MutatingWebhookConfiguration> = Api::all(client);
    let mut validators = pin!(watch_object(validators, NAME).default_backoff());
    let mut mutators = pin!(watch_object(mutators, NAME).default_backoff());
    let (mut validating, mut mutating): (Option<Option<Part>>, Option<Option<Part>>) = (None, None);
    let failed = |error: &dyn std::error::Error| {
        shared.metrics.watch_failures.inc();
        tracing::warn!(error = %chain(error), "the watch on the webhook configurations failed, starting again");
    };
    loop {
        tokio::select! {
            event = validators.next() => match event {
                Some(Ok(object)) => validating = Some(object.map(|object| {
                    let entries = object.webhooks.iter().flatten();
                    let entries = entries.map(|one| (&one.client_config, one.namespace_selector.as_ref()));
                    Part::new(object.metadata.generation, entries)
                })),
                Some(Err(error)) => failed(&error),
                None => return,
            },
            event = mutators.next() => match event {
                Some(Ok(object)) => mutating = Some(object.map(|object| {
                    let entries = object.webhooks.iter().flatten();
                    let entries = entries.map(|one| (&one.client_config, one.namespace_selector.as_ref()));
                    Part::new(object.metadata.generation, entries)
                })),
                Some(Err(error)) => failed(&error),
                None => return,
            },
        }
        if let (Some(validating), Some(mutating)) = (&validating, &mutating) {
            let before = shared.live();
            shared.set_live(Live::new(validating.clone(), mutating.clone(), before.as_deref(), Timestamp::now()));
        }
    }
}

/// Tells which namespaces the API server asks about: new ones a moment later, since it hears of a changed configuration by
/// a watch of its own.
async fn enforce(shared: &Shared) {
    const TAKES_EFFECT: Duration = Duration::from_secs(1);
    let mut published = shared.published();
    let mut known: Option<Arc<Live>> = None;
    loop {
        let live = shared.live().filter(|live| known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, live)));
        if let Some(live) = live {
            let declared = live.declared();
            let before = shared.enforced();
            if declared != *before {
                if known.is_some() {
                    shared.set_enforced(declared.intersection(&before).cloned().collect());
                    tokio::time::sleep(TAKES_EFFECT).await;
                }
                // What was written while we waited has its own turn.
                let still = shared.live().map(|live| live.declared()).unwrap_or_default();
                shared.set_enforced(declared.intersection(&still).cloned().collect());
            }
            known = Some(live);
        }
        if published.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::configuration::{Address, Inputs, mutating, validating};

    const HOST: &str = "127.0.0.1";

    /// Both configurations as the API server would hold them.
    fn parts(authorities: &str) -> [Part; 2] {
        let mut inputs = Inputs::new(Address::Url(format!("https://{HOST}:9443")), "domicile-system".into(), true);
        inputs.authority = authorities.to_owned();
        inputs.protected = Arc::new(["a", "b", "kube-system"].map(str::to_owned).into());
        let validating: ValidatingWebhookConfiguration = serde_json::from_value(validating(&inputs)).unwrap();
        let mutating: MutatingWebhookConfiguration = serde_json::from_value(mutating(&inputs)).unwrap();
        let validators = validating.webhooks.iter().flatten();
        let mutators = mutating.webhooks.iter().flatten();
        [
            Part::new(Some(1), validators.map(|one| (&one.client_config, one.namespace_selector.as_ref()))),
            Part::new(Some(1), mutators.map(|one| (&one.client_config, one.namespace_selector.as_ref()))),
        ]
    }

    #[test]
    fn what_stands_in_the_configurations_counts() {
        let now: Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
        let later = now + Duration::from_secs(60);
        let authority = || tls::authority(now, now + Duration::from_secs(3600)).unwrap();
        let (old, new) = (authority(), authority());
        let names = [HOST.to_owned()];
        let identity = |by| {
            let pair = tls::issue(by, &names, now, now + Duration::from_secs(600)).unwrap();
            Identity::new(&pair).unwrap()
        };

        let [validating, mutating] = parts(&old.certificate);
        let first = Live::new(Some(validating.clone()), Some(mutating), None, now);
        assert_eq!(first.declared(), ["a", "b"].map(str::to_owned).into());
        first.trusts(&identity(&old), &names, now).unwrap();
        assert!(first.trusts(&identity(&old), &["elsewhere.svc".to_owned()], now).is_err());
        assert!(first.trusts(&identity(&old), &names, now + Duration::from_secs(601)).is_err());

        // One of them is behind: only what both hold is relied on.
        let [_, both] = parts(&format!("{}{}", old.certificate, new.certificate));
        let between = Live::new(Some(validating), Some(both), Some(&first), later);
        between.trusts(&identity(&old), &names, later).unwrap();
        assert!(between.trusts(&identity(&new), &names, later).is_err());
        let since: Vec<Timestamp> = between.taken_up().iter().map(|(_, since)| since).collect();
        assert_eq!(since, [now]);
        assert_eq!(between.settled(now), tls::certificates(&old.certificate).unwrap());

        let [_, alone] = parts(&old.certificate);
        let alone = Live::new(None, Some(alone), Some(&first), later);
        assert!(matches!(alone.trusts(&identity(&old), &names, later), Err(Untrusted::Absent)));
        assert!(alone.declared().is_empty());
    }
}
