//! A gateway: HTTP resources and sockets over the use cases, which know no transport.

pub mod accounts;
pub mod chat;
pub mod clock;
pub mod config;
pub mod ends;
pub mod gateway;
pub mod http;
pub mod hub;
pub mod limits;
pub mod metrics;
pub mod outbox;
pub mod passwords;
pub mod peer;
pub mod presence;
pub mod profiles;
pub mod reader;
pub mod reads;
mod recent;
pub mod refusal;
mod relay;
pub mod revocation;
pub mod rights;
pub mod rooms;
pub mod session;
mod subscribe;
mod timeline;
pub mod tokens;
