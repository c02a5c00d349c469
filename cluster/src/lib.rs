//! The real services on one machine, without containers: Kafka, Redis, Postgres, NGINX, Prometheus, and the product's own processes between them.
//!
//! [`Cluster::start`] makes everything; its parts ([`Redis`], [`Kafka`], [`Postgres`], [`Nginx`], [`Prometheus`], [`product`]) can be had alone. Each process
//! is a [`Service`]: one thread starts it as a direct child, waits for it, and starts it again when it dies; dropping the handle stops it. What a machine
//! lacks is named or installed by [`install`], and [`health`] says when a service serves, by its own protocol.
//!
//! For tests, benchmarks and trying things out. Everything listens on loopback, and nothing there asks for a password: it is no way to run a server.

pub mod cluster;
pub mod error;
pub mod health;
pub mod install;
pub mod kafka;
pub mod nginx;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod product;
pub mod prometheus;
pub mod proxy;
pub mod redis;
pub mod service;

mod files;

pub use self::{
    cluster::{Cluster, ClusterConfig},
    error::ClusterError,
    kafka::Kafka,
    nginx::{Nginx, NginxConfig},
    postgres::Postgres,
    prometheus::Prometheus,
    proxy::Proxy,
    redis::Redis,
    service::Service,
};
