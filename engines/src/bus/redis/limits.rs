//! Limits that gateways share, on Redis: keys `lim:<what>:<who>` that vanish by themselves once nothing is limited.

use std::{sync::LazyLock, time::Duration};

use async_trait::async_trait;
use redis::Script;

use super::{RedisBus, keys, millis};
use crate::bus::{
    BusLimits, BusUnavailable, PLACES_TTL,
    limits::Bucket,
    rate::{Rate, Taken},
};

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));
static HOLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("hold.lua")));
static RENEW_HOLDER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("renew_holder.lua")));

impl RedisBus {
    /// Whether the tokens were there (or are owed), and the script's duration.
    async fn take_or_owe(&self, bucket: &Bucket, rate: Rate, cost: u32, owe: u8) -> Result<(bool, Duration), BusUnavailable> {
        let mut call = TAKE.key(keys::bucket(bucket));
        call.arg(rate.interval().as_micros().to_string()).arg(rate.capacity().as_micros().to_string()).arg(cost).arg(owe);
        let (taken, micros): (bool, u64) = self.commands.run(&call).await?;
        Ok((taken, Duration::from_micros(micros)))
    }
}

#[async_trait]
impl BusLimits for RedisBus {
    async fn take(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Taken, BusUnavailable> {
        let (taken, wait) = self.take_or_owe(bucket, rate, cost, 0).await?;
        Ok(if taken { Taken::Yes } else { Taken::Wait(wait) })
    }

    async fn charge(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Duration, BusUnavailable> {
        self.take_or_owe(bucket, rate, cost, 1).await.map(|(_, until_full)| until_full)
    }

    async fn hold(&self, bucket: &Bucket, holder: &str, count: u32, most: u32) -> Result<bool, BusUnavailable> {
        let mut call = HOLD.key(keys::bucket(bucket));
        call.key(keys::HOLDERS).arg(holder).arg(count).arg(most).arg(millis(PLACES_TTL));
        self.commands.run(&call).await
    }

    async fn renew_holder(&self, holder: &str, ttl: Duration) -> Result<bool, BusUnavailable> {
        let mut call = RENEW_HOLDER.key(keys::HOLDERS);
        call.arg(holder).arg(millis(ttl));
        self.commands.run(&call).await
    }
}
