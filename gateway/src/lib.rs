//! A gateway: HTTP resources and sockets over the use cases, which know no transport.

pub mod chat;
pub mod refusal;
