//! The operator against a real API server, scheduler and controllers.

mod access;
mod cases;
mod compiled;
mod dead;
mod differential;
mod interpreted;
mod law;
mod nodes;
mod restart;
mod scheduling;
mod startup;
mod status;
