//! What a person types and sees: the command line, what it comes to, and the words that go back.
//!
//! Parts, in the order in which a run meets them: [`args`] is what was typed, [`config_file`] what
//! stands in a file for it, [`settings`] what it all means, [`account`] whom it is done for,
//! [`commands`] do it, [`outlook`] says what is about to happen, [`printer`] says
//! things, [`exit`] is the number at the end.

pub mod account;
pub mod args;
pub mod commands;
pub mod config_file;
pub mod exit;
pub mod log;
mod look;
pub mod notify;
pub mod outlook;
pub mod printer;
pub mod settings;
pub mod table;
