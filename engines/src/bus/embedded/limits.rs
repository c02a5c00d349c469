//! The limits of one process: the buckets of [`crate::bus::limits`] under a lock.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{EmbeddedBus, lock};
use crate::bus::{
    BusLimits, BusUnavailable,
    limits::{Bucket, Buckets, Places},
    rate::{Micros, Rate, Taken},
};

/// What the bus keeps of limits.
#[derive(Debug)]
pub(super) struct Limits {
    began: Instant,
    buckets: Mutex<Buckets>,
    pub(super) places: Mutex<Places>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { began: Instant::now(), buckets: Mutex::default(), places: Mutex::default() }
    }
}

impl Limits {
    /// Never 0, which is the level of a full bucket.
    pub(super) fn now(&self) -> Micros {
        1 + Micros::try_from(self.began.elapsed().as_micros()).unwrap_or(Micros::MAX - 1)
    }

    pub(super) fn clear(&self) {
        *lock(&self.buckets) = Buckets::default();
        *lock(&self.places) = Places::default();
    }
}

#[async_trait]
impl BusLimits for EmbeddedBus {
    async fn take(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Taken, BusUnavailable> {
        self.check_away()?;
        let limits = &self.0.limits;
        Ok(lock(&limits.buckets).take(bucket, rate, limits.now(), cost))
    }

    async fn charge(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Duration, BusUnavailable> {
        self.check_away()?;
        let (limits, now) = (&self.0.limits, self.0.limits.now());
        Ok(rate.charge(lock(&limits.buckets).level(bucket, now), now, cost))
    }

    async fn hold(&self, bucket: &Bucket, holder: &str, count: u32, most: u32) -> Result<bool, BusUnavailable> {
        self.check_away()?;
        let limits = &self.0.limits;
        Ok(lock(&limits.places).hold(bucket, holder, count, most, limits.now()))
    }

    async fn renew_holder(&self, holder: &str, ttl: Duration) -> Result<bool, BusUnavailable> {
        self.check_away()?;
        let (limits, now) = (&self.0.limits, self.0.limits.now());
        let until = now.saturating_add(Micros::try_from(ttl.as_micros()).unwrap_or(Micros::MAX));
        Ok(lock(&limits.places).renew(holder, until, now))
    }
}
