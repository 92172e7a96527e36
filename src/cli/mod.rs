//! What a person types and sees: the command line, what it comes to, and the words that go back.
//!
//! Parts, in the order in which a run meets them: [`args`] is what was typed, [`config_file`] what
//! stands in a file for it, [`settings`] what it all means, [`account`] whom it is done for, [`lock`]
//! lets one at a time, [`commands`] do it, [`outlook`] says what is about to happen, [`guards`] what
//! a plan must keep to, [`printer`] says things, [`exit`] is the number at the end.
//! Where nobody watches, [`unattended`] says who is told
//! instead ([`log_file`], [`ping`], [`metrics`]) and what is kept ([`prune`]).

pub mod account;
pub mod args;
pub mod commands;
pub mod config_file;
pub mod exit;
pub mod fix;
pub mod guards;
pub mod input_args;
pub mod lock;
pub mod log;
pub mod log_file;
mod look;
pub mod metrics;
pub mod notify;
pub mod outlook;
pub mod ping;
pub mod printer;
pub mod prune;
pub mod secret_url;
pub mod settings;
pub mod table;
pub mod unattended;
