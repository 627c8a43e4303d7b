//! The resources that users write: types and documentation, no logic. One file a kind.

pub mod v1alpha1;
