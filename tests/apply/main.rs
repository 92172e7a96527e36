//! `apply`, seen from outside: the real binary against the simulated service, with whole outcomes
//! (exit code, both streams, files, what the service holds).

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod canary;
mod feedback;
mod flags;
mod formats;
mod input;
mod limits;
mod notices;
mod outages;
mod pace;
mod resume;
mod stops;
mod unattended;
mod whole;
