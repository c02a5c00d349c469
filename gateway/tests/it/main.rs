//! The gateway from outside: a real listener, real engines, real clients.

mod http_accounts;
mod http_edges;
mod http_rooms;
mod http_server;
