//! Writes objects that are the operator's alone (client), as a whole. Not by server-side apply: lists that are merged by name
//! would keep what somebody else has added to them, such as a condition under which nothing is refused any more.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;

use super::FIELD_MANAGER;

/// Makes a cluster-scoped object what the manifest says, and tells its new metadata. `body` is the field beside `metadata`
/// that holds everything.
///
/// # Errors
///
/// When the API server refuses.
pub async fn put(
    client: &Client,
    resource: &ApiResource,
    body: &str,
    manifest: Value,
) -> Result<ObjectMeta, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let replace = |path: &[&str]| {
        let value = path.iter().fold(&manifest, |value, part| &value[*part]).clone();
        // Nobody owns it: an owner that somebody else has named must go as well.
        let value = if value.is_null() { Value::Array(Vec::new()) } else { value };
        PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
    };
    let paths: [&[&str]; 3] = [&[body], &["metadata", "labels"], &["metadata", "ownerReferences"]];
    let patch = json_patch::Patch(paths.into_iter().map(replace).collect());
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let written = match api.patch(&name, &params, &Patch::<()>::Json(patch)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            // To apply something names it, so that a role can grant its creation by name; to post it does not.
            api.patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&manifest)).await?
        }
        other => other?,
    };
    Ok(written.metadata)
}
