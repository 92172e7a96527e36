//! Makes the profiles of Tencent Cloud LCIC users equal to a file: nickname and avatar, by
//! `ModifyUserProfile`, at most 20 calls a second, for migrations of a million rows and for a
//! nightly cron job.
//!
//! ```text
//!  FILE ──> input::survey ──> plan <── ledger        first pass: every row checked and folded,
//!   │                          │                     held against what each user was last given
//!   └─────────────────> plan::rows                   second pass: the text of what is sent
//!                              │ changes
//!                              v          Effect     wait → step → carry out
//!   signals ─┐            ┌─ engine ─┐ ───────────>  Send     ──> tencent::client ──> the service
//!   answers ─┼── Input ─> │  (pure)  │               Settle,  ──> recorder ──> results.csv, ledger
//!   time ────┘            └──────────┘               MarkDoubt
//!                 run owns them all                  Tell     ──> progress, tally, log
//! ```
//!
//! `examples/embed.rs` is another program that plans, applies and watches with it.
//!
//! Modules, in the order in which to read them:
//!
//! - [`model`] and [`event`]: the nouns, and what happens to them.
//! - [`input`], [`keys`], [`plan`]: bytes to rows to changes.
//! - [`engine`]: which change may go now. Pure.
//! - [`tencent`]: signing, the table of codes, keys, HTTP. [`explain`]: all codes, in words.
//! - [`ledger`], [`report`], [`recorder`]: what is kept, and where.
//! - [`prepare`]: everything before the first call.
//! - [`canary`]: a few changes first, and a look whether the service holds them.
//! - [`run`], [`clock`], [`signals`], [`progress`], [`state`]: the loop and its surroundings.
//! - [`cli`]: what a person types and sees.
//! - [`simulator`]: a local LCIC; it shares nothing with the client but the model.

pub mod canary;
pub mod cli;
pub mod clock;
pub mod engine;
pub mod event;
pub mod explain;
pub mod input;
pub mod keys;
pub mod lang;
pub mod ledger;
pub mod model;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod recorder;
pub mod report;
pub mod run;
pub mod signals;
pub mod simulator;
pub mod state;
pub mod tencent;
