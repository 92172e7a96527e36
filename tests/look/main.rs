//! Looking before leaping, seen from outside: `plan`, `ledger` and `runs` of the real binary, with
//! whole outcomes (exit code, both streams, files), and the library used by another program.

#[path = "../support/mod.rs"]
mod support;

#[path = "../../examples/embed.rs"]
#[allow(dead_code, reason = "its main is for cargo run --example")]
mod embed;

mod api;
mod ledger;
mod plan;
mod undo;
