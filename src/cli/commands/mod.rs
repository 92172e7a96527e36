//! What each command does.

pub mod apply;
pub mod check;
pub mod completions;
pub mod config;
pub mod cron_line;
pub mod demo;
pub mod explain;
pub mod ledger;
pub mod man;
pub mod plan;
pub mod report;
pub mod runs;
pub mod simulate;
pub mod undo;
pub mod whoami;
