//! Speaks to LCIC: how a call is signed, sent and read, what its answer means, and whom it is
//! made for. Everything that only Tencent Cloud decides is in here (PROTOCOL.md).
//!
//! In reading order:
//! - [`sign`]: TC3-HMAC-SHA256, pure.
//! - [`codes`]: one table of error codes: class, meaning, advice.
//! - [`answer`]: what came back of a call, and [`verdict`]: what that means for the change.
//! - [`credentials`]: where the keys come from, and how they stay fresh.
//! - [`endpoint`]: where the calls go.
//! - [`client`]: one call over HTTP. (`http`: what all HTTP clients here have in common; `skew`: how
//!   far this machine's clock is off.)

pub mod sign;

pub mod codes;

pub mod answer;

pub mod credentials;

pub mod endpoint;

pub mod client;

pub mod http;

mod skew;

pub use answer::verdict;
