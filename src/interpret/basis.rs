//! What the policies and the law of a snapshot were read from, so that a decision can be made again from what was written.
//! The built-in catalogue is part of the program and does not stand here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::v1alpha1::{
    BlocSpec, JurisdictionSpec, ResidencyExceptionSpec, ResidencyPolicySpec, TransferMechanismSpec,
};
use crate::evidence::digest::Digest;

/// The owner's rules and the cluster's own law, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The owner's rules.
    #[serde(default)]
    pub rules: Rules,
    /// The cluster's own law.
    #[serde(default)]
    pub law: OwnLaw,
    /// Of the cluster's own locations and providers, by which names became places before anything was decided.
    pub places: Digest,
}

/// Policies, and what was excepted from them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Policies by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, ResidencyPolicySpec>,
    /// Exceptions that somebody else had approved, by namespace and name, as in `cx/migration`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exceptions: BTreeMap<String, ResidencyExceptionSpec>,
}

/// Law that was added to the built-in one, or replaces a part of it, by the names of its objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnLaw {
    /// Blocs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocs: BTreeMap<String, BlocSpec>,
    /// Jurisdictions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jurisdictions: BTreeMap<String, JurisdictionSpec>,
    /// Mechanisms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mechanisms: BTreeMap<String, TransferMechanismSpec>,
}
