//! Domicile keeps personal data in its country.

pub mod engine;

#[cfg(feature = "operator")]
pub mod api;
#[cfg(feature = "operator")]
pub mod catalogue;
#[cfg(feature = "operator")]
pub mod index;
#[cfg(feature = "operator")]
pub mod interpret;
