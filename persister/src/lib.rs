//! The persister: makes the store the projection of the log.
//!
//! The path of one record: [`consume`] follows its partition from the store's `next` and asks the fold what the record means; [`batch`] collects
//! verdicts until there are enough of them or they are old enough; the store writes them together with the new `next` in one transaction; [`notice`]
//! tells the gateways. A row that the database refuses is isolated by [`bisect`] and becomes a dead letter. Changes of rooms and members travel the
//! other way: [`outbox`] appends them to the log, from where they come back as records.
//!
//! Any number of persisters may run at once: the store's compare-and-set lets only the one at the right place write.

pub mod batch;
pub mod bisect;
mod config;
mod consume;
pub mod metrics;
mod notice;
mod opening;
mod outbox;
mod persister;
mod retry;
mod status;

pub use config::{Config, Refusals};
pub use persister::Persister;
pub use status::{PartitionStatus, PersisterStatus, Stopped};
