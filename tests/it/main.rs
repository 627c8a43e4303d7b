//! What is around the decision: the webhook's HTTP, the command line, and the operator as a process of its own against
//! real API servers. Every test stands alone and needs nothing from the environment.
//!
//! Clusters take seconds to start, so there are few for the whole program; `plane` says which is for what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../law/cases.rs"]
mod cases;
mod chart;
mod cli;
mod client;
mod cluster;
mod collector;
mod evidence;
mod front;
mod fuzz;
#[path = "../controlplane/harness.rs"]
mod harness;
mod load;
mod operator;
mod plane;
mod poll;
#[path = "../law/properties/scheduler.rs"]
mod scheduler;
mod traces;
mod webhook;
