//! The gateway from outside: a real listener, real engines, real clients.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod api_page;
mod http_accounts;
mod http_edges;
mod http_limits;
mod http_rooms;
mod http_server;
