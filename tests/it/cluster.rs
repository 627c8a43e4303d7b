//! The operator against a real API server, scheduler and controllers.

mod access;
mod attempts;
mod bypass;
mod cases;
mod certificate;
mod chaos;
mod cold;
mod compiled;
mod dead;
mod differential;
mod drift;
mod drill;
mod emergency;
mod evidence;
mod exceptions;
mod interpreted;
mod law;
mod nodes;
mod owner;
mod permissions;
mod replicas;
mod reports;
mod restart;
mod scheduling;
mod startup;
mod status;
