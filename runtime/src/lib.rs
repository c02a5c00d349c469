//! What any process needs around its work, and nothing that knows what Parley is about.
//!
//! A process reads its settings ([`mod@env`]), starts to log ([`telemetry`]) and to count ([`metrics`]), opens its admin listener ([`admin`]), does its work, and ends
//! in two steps ([`shutdown`]): softly, so that what was begun is finished, then hard.

pub mod admin;
pub mod env;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;
