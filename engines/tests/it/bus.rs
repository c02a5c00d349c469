//! The bus port: the contract that every engine keeps, and the faults that each of them has.

use std::sync::{
    LazyLock,
    atomic::{AtomicU16, Ordering},
};

use parley_proto::PartitionId;

mod contract;
mod embedded;
mod redis;

/// A partition that nobody else gets, for tests that share a bus; nor its neighbour, whose number differs in the last bit.
fn fresh_partition() -> PartitionId {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random::<u16>() & !1));
    PartitionId(NEXT.fetch_add(2, Ordering::Relaxed))
}
