//! Writes statuses, and tells what changed in them (client).

use std::fmt::Debug;

use futures::StreamExt;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Plan, count, mismatch};
use crate::api::v1alpha1::{DataFlow, DataStore, DataStoreStatus, ResidencyPolicy};
use crate::controllers::FIELD_MANAGER;
use crate::controllers::events::{self, Draft};
use crate::controllers::watch::chain;
use crate::controllers::{exceptions, law_events};
use crate::engine::law::opinion::DISCLAIMER;
use crate::engine::policy::Mode;
use crate::index::Kind;
use crate::state::Shared;

/// Writes what has changed (client); false if something has to be tried again.
pub(super) async fn apply(client: &Client, shared: &Shared, plan: Plan) -> bool {
    let Plan { stores, flows, policies, exceptions, until: _ } = plan;
    law_events::tell(shared, &stores, &flows);
    exceptions::tell(shared, &exceptions);
    let mut done = true;
    for (object, status) in &stores {
        tell_of_breaches(shared, object, status);
        mismatch::tell(shared, object, status);
    }
    let stores = stores.into_iter().map(|(object, status)| async move {
        let key = (object.namespace().unwrap_or_default(), object.name_any());
        let api: Api<DataStore> = Api::namespaced(client.clone(), &key.0);
        let written = write(&api, shared, Kind::DataStore, &key.0, &key.1, &status).await;
        if written {
            shared.index().note_store_status(&key, &status);
        }
        written
    });
    done &= all(stores).await;
    let flows = flows.into_iter().map(|(object, status)| async move {
        let key = (object.namespace().unwrap_or_default(), object.name_any());
        let api: Api<DataFlow> = Api::namespaced(client.clone(), &key.0);
        let written = write(&api, shared, Kind::DataFlow, &key.0, &key.1, &status).await;
        if written {
            shared.index().note_flow_status(&key, &status);
        }
        written
    });
    done &= all(flows).await;
    for (object, status) in policies {
        let api: Api<ResidencyPolicy> = Api::all(client.clone());
        done &= write(&api, shared, Kind::ResidencyPolicy, "", &object.name_any(), &status).await;
    }
    done &= exceptions::apply(client, exceptions).await;
    done
}

/// Carries out writes side by side; whether all of them are done.
async fn all(writes: impl Iterator<Item: Future<Output = bool>>) -> bool {
    // Enough to keep the API server busy, few enough to leave it room for everybody else.
    const AT_ONCE: usize = 16;
    futures::stream::iter(writes).buffer_unordered(AT_ONCE).fold(true, async |done, one| done && one).await
}

async fn write<K, S>(api: &Api<K>, shared: &Shared, kind: Kind, namespace: &str, name: &str, status: &S) -> bool
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Debug + Clone,
    S: Serialize + Debug,
{
    // The status is the operator's alone, so that it is replaced as a whole.
    let value = match serde_json::to_value(status) {
        Ok(value) => value,
        Err(error) => {
            tracing::error!(kind = ?kind, namespace, name, %error, "failed to write a status as JSON");
            return false;
        }
    };
    let replace = AddOperation { path: PointerBuf::from_tokens(["status"]), value };
    let patch = Patch::<()>::Json(json_patch::Patch(vec![PatchOperation::Add(replace)]));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(name, &params, &patch).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            // Noted when it was admitted, but something else refused it, or gone since.
            shared.index().forget_anticipated(kind, namespace, name);
            true
        }
        Err(error) => {
            tracing::warn!(kind = ?kind, namespace, name, error = %chain(&error), "failed to write a status");
            false
        }
    }
}

/// Tells of breaches that exist, when their number grows.
fn tell_of_breaches(shared: &Shared, object: &DataStore, status: &DataStoreStatus) {
    let before = object.status.as_ref().map_or(0, |before| before.violations + before.unproven);
    if status.violations + status.unproven <= before {
        return;
    }
    let Some(finding) = status.findings.iter().filter(|one| !one.is_waived()).max_by_key(|finding| finding.mode) else {
        return;
    };
    let reason = if status.violations > 0 { "ResidencyViolation" } else { "ResidencyUnproven" };
    let metadata = &object.metadata;
    let regarding = events::own("DataStore", metadata.namespace.as_ref(), metadata.name.as_ref(), metadata.uid.clone());
    let note = format!(
        "{} and {} unproven now. [{}] {} {}: {}{}. To fix: {}",
        count(status.violations, "breach", "breaches"),
        count(status.unproven, "place", "places"),
        finding.rule,
        finding.object,
        finding.field,
        finding.message,
        finding.source.as_ref().map(|source| format!("; source: {source} ({DISCLAIMER})")).unwrap_or_default(),
        finding.remedy
    );
    let warning = finding.mode != Mode::Audit;
    shared.tell(Draft { regarding, related: None, warning, action: "Audit", reason, note });
}

/// Only namespaced kinds have a namespace to write to.
const _: fn() = || {
    fn namespaced<K: Resource<Scope = NamespaceResourceScope>>() {}
    namespaced::<DataStore>();
    namespaced::<DataFlow>();
};
