//! Domicile keeps personal data in its country.
//!
//! ```text
//! AdmissionReview --+                                    +--> AdmissionResponse   (webhook)
//! watch events   ---+-> interpret -> facts --+           +--> status, Events      (controllers)
//! YAML on disk   ---+   lawbook + policies --+-> decide -+--> table, JSON         (cli, report)
//!                                                        +--> decision log        (evidence)
//! ```
//!
//! [`engine`] is the decision and does no I/O: it is all that is left without the feature `operator`. [`interpret`] turns
//! Kubernetes objects into facts, and [`index`] keeps the world in memory; neither has a client. The rest is thin.

pub mod engine;

#[cfg(feature = "operator")]
pub mod api;
#[cfg(feature = "operator")]
pub mod catalogue;
#[cfg(feature = "operator")]
pub mod cli;
#[cfg(feature = "operator")]
pub mod compile;
#[cfg(feature = "operator")]
pub mod controllers;
#[cfg(feature = "operator")]
pub mod evidence;
#[cfg(feature = "operator")]
pub mod geo;
#[cfg(feature = "operator")]
pub mod index;
#[cfg(feature = "operator")]
pub mod interpret;
#[cfg(feature = "operator")]
pub mod report;
#[cfg(feature = "operator")]
pub mod state;
#[cfg(feature = "operator")]
pub mod telemetry;
#[cfg(feature = "operator")]
pub mod webhook;
