//! What each command does.

pub mod apply;
pub mod completions;
pub mod config;
pub mod demo;
pub mod explain;
pub mod man;
pub mod simulate;
pub mod whoami;
