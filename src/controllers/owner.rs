//! The anchor: an object of the installation that owns everything the operator writes at run time.
//!
//! When the installation is removed, Kubernetes removes what the anchor owned, also when the operator is long dead. It
//! stands in no namespace, since only such an object may own webhook configurations. Nothing waits for that: no finalizer,
//! and no `blockOwnerDeletion`.

use std::str::FromStr;

use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};

/// The only kind of an anchor.
pub const KIND: &str = "ClusterRole";

/// Names the anchor, as in `ClusterRole/domicile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((KIND, name)) if !name.is_empty() => Ok(Self(name.to_owned())),
            _ => Err("the owner is a cluster role: ClusterRole/NAME".to_owned()),
        }
    }
}

/// Why nothing can be written.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// It was not found. Then the installation is being removed, and nothing new may be left behind.
    #[error("the owner of what the operator writes does not exist: ClusterRole {0}")]
    Missing(String),
    /// The API server did not tell.
    #[error("failed to look up the owner of what the operator writes")]
    Ask(#[from] kube::Error),
}

/// Who owns what the operator writes, if anybody does.
#[derive(Debug, Clone, Default)]
pub struct Owner(Option<Name>);

impl Owner {
    /// Owned by this object, or by nobody.
    pub fn new(name: Option<Name>) -> Self {
        Self(name)
    }

    /// What stands in `metadata.ownerReferences` (client). Asked before each write, since an installation that was removed
    /// and made again under a running operator has another identity.
    ///
    /// # Errors
    ///
    /// When the owner is not there, or nobody knows; then nothing should be written.
    pub async fn current(&self, client: &Client) -> Result<Option<OwnerReference>, OwnerError> {
        let Some(Name(name)) = &self.0 else { return Ok(None) };
        let api: Api<PartialObjectMeta<ClusterRole>> = Api::all(client.clone());
        let role = api.get_opt(name).await?;
        let role = role.filter(|role| role.metadata.deletion_timestamp.is_none());
        let uid = role.and_then(|role| role.metadata.uid).ok_or_else(|| OwnerError::Missing(name.clone()))?;
        Ok(Some(OwnerReference {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: name.clone(),
            uid,
            block_owner_deletion: Some(false),
            controller: Some(false),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cluster_role_can_be_named() {
        assert_eq!("ClusterRole/domicile".parse(), Ok(Name("domicile".into())));
        for wrong in ["domicile", "ClusterRole/", "Role/domicile", "clusterrole/domicile", ""] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }
}
