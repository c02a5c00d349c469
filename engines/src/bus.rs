//! The bus port: live delivery in log order, a room's recent tail, leases. Everything on it may vanish at any time; each loss is noticed and repaired.
//!
//! The atomic operations are those of PROTOCOL section 4: publish, seed, tail, beat.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parley_proto::{Cursor, PartitionId, Position, RoomId, UserId, segment::Segment};
use thiserror::Error;
use tokio::sync::mpsc;

use self::{
    limits::Bucket,
    rate::{Rate, Taken},
};

pub mod embedded;
pub mod limits;
pub mod metrics;
pub mod rate;
pub mod redis;
pub mod script;

/// The bus can't be reached, or did not answer: whether the call took effect is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the bus is unavailable: {0}")]
pub struct BusUnavailable(pub String);

/// A number drawn anew whenever a partition's state is seeded; below 2⁵³.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incarnation(pub u64);

/// One room's frames in one publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFrames {
    pub room: RoomId,
    /// The position of the last frame.
    pub last: Position,
    /// An encoded [`parley_proto::segment::Group`].
    pub frames: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    Ok,
    /// `from` is not where the last publish ended.
    Moved {
        next: Cursor,
        incarnation: Incarnation,
    },
    /// The partition's state is missing: read the log's end, then seed.
    Unseeded,
}

/// A room's recent frames: all that were published in [floor, next), as segments in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    Unseeded,
    Frames { next: Cursor, floor: Cursor, segments: Vec<Segment> },
}

/// Where the rooms of a partition stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    Unseeded,
    State {
        next: Cursor,
        seed: Cursor,
        incarnation: Incarnation,
        /// Every room whose last published position is ≥ the `since` that was asked.
        rooms: Vec<(RoomId, Position)>,
    },
}

/// Compare-and-set publishing; any number of relays may call it, only the one at the right place has an effect.
#[async_trait]
pub trait BusPublish: Send + Sync + std::fmt::Debug {
    /// Publishes what lies in [from, to), one entry per room, if `from` is where the last publish ended; an empty range is allowed (an idle relay's look).
    /// The frames' `prev` is computed here: max(last position + 1, seed).
    async fn publish(&self, partition: PartitionId, from: Cursor, to: Cursor, rooms: Vec<RoomFrames>) -> Result<Published, BusUnavailable>;

    /// Seeds a partition at the log's end, only where its state is absent (`expected` `None`) or still of this incarnation (a new epoch).
    /// Returns whether it did.
    async fn seed(&self, partition: PartitionId, end: Cursor, incarnation: Incarnation, expected: Option<Incarnation>) -> Result<bool, BusUnavailable>;
}

/// What a reader asks.
#[async_trait]
pub trait BusRead: Send + Sync + std::fmt::Debug {
    /// The room's tail. Without entries, floor = max(last position + 1, seed): an empty tail is never taken for "nothing happened".
    async fn tail(&self, room: RoomId) -> Result<Tail, BusUnavailable>;

    async fn beat(&self, partition: PartitionId, since: Cursor) -> Result<Beat, BusUnavailable>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A room's live frames.
    Room(RoomId),
    /// A partition's notices from its persister.
    Notices(PartitionId),
    /// Ended rights, to every gateway.
    Control,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// Live frames of a room.
    Frames { room: RoomId, segment: Segment },
    /// A payload of [`Channel::Notices`] or [`Channel::Control`], JSON.
    Payload { channel: Channel, payload: Bytes },
    /// The connection broke, or this subscriber was too slow and was cut: events were lost. What was subscribed has to be subscribed again.
    Cut,
}

/// Pub/sub. One connection per gateway.
#[async_trait]
pub trait BusChannels: Send + Sync + std::fmt::Debug {
    /// A new subscriber connection with room for `capacity` events; a subscriber that lets them pile up is cut.
    async fn connect(&self, capacity: usize) -> Result<(Box<dyn BusConnection>, mpsc::Receiver<BusEvent>), BusUnavailable>;

    /// Publishes to [`Channel::Notices`] or [`Channel::Control`].
    async fn announce(&self, channel: Channel, payload: Bytes) -> Result<(), BusUnavailable>;
}

#[async_trait]
pub trait BusConnection: Send + Sync + std::fmt::Debug {
    /// Returns once the subscription is confirmed: what is published afterwards arrives.
    async fn subscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable>;

    async fn unsubscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable>;
}

/// What gateways share of the limits on people and addresses. Whatever is lost here makes a limit milder for a while, never stricter.
#[async_trait]
pub trait BusLimits: Send + Sync + std::fmt::Debug {
    /// Takes `cost` tokens from a bucket if they are there.
    async fn take(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Taken, BusUnavailable>;

    /// Takes `cost` tokens that were given away already, there or not. Returns how far the bucket is from full, see [`Rate::charge`].
    async fn charge(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Duration, BusUnavailable>;

    /// Says that `holder` has `count` places of a bucket (0: none any more), unless it would be more than `most` together with the other holders that
    /// live. `false`: nothing was said. Is said again within [`PLACES_TTL`].
    async fn hold(&self, bucket: &Bucket, holder: &str, count: u32, most: u32) -> Result<bool, BusUnavailable>;

    /// Says that `holder` lives for `ttl` from now on; what dead ones held counts no more. Returns whether it lived before: if not, the bus has forgotten it.
    async fn renew_holder(&self, holder: &str, ttl: Duration) -> Result<bool, BusUnavailable>;
}

/// Who is online in a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Online {
    /// Above [`PRESENCE_EXACT`] somebody at two gateways counts twice.
    pub count: u64,
    /// In order of ids; none where there are more than was asked for.
    pub users: Vec<UserId>,
}

/// So many people of a room are looked at one by one.
pub const PRESENCE_EXACT: usize = 1_000;

/// Who is online, as the holders of [`BusLimits::renew_holder`] say it: what dead ones said counts no more.
#[async_trait]
pub trait BusPresence: Send + Sync + std::fmt::Debug {
    /// Says who has come into a room and who is gone from it, of those at `holder`. Is said again within [`PLACES_TTL`].
    async fn appear(&self, room: RoomId, holder: &str, come: &[UserId], gone: &[UserId]) -> Result<(), BusUnavailable>;

    /// How many are online in a room, and who, if they are at most `most`.
    async fn online(&self, room: RoomId, most: usize) -> Result<Online, BusUnavailable>;
}

/// How long it is kept who has how many places of a bucket.
pub const PLACES_TTL: Duration = Duration::from_secs(300);

/// Who is alive.
#[async_trait]
pub trait BusLeases: Send + Sync + std::fmt::Debug {
    /// Says that `gateway` lives for `ttl` from now on, and returns the names of all live gateways, sorted.
    async fn renew_gateway(&self, gateway: &str, ttl: Duration) -> Result<Vec<String>, BusUnavailable>;

    /// Says that `gateway` is gone.
    async fn remove_gateway(&self, gateway: &str) -> Result<(), BusUnavailable>;
}

/// Versions of people's rights stay on the bus for so long after they were last raised.
pub const RIGHTS_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// People in one call, at most.
pub const RIGHTS_BATCH: usize = 1_000;

/// Which version people's rights have, as whoever read the store last wrote it down: it stands in while the store is away.
#[async_trait]
pub trait BusRights: Send + Sync + std::fmt::Debug {
    /// Keeps the greater version of each. At most [`RIGHTS_BATCH`].
    async fn raise_rights(&self, versions: &[(UserId, u64)]) -> Result<(), BusUnavailable>;

    /// What is known, in the order asked. At most [`RIGHTS_BATCH`].
    async fn rights(&self, users: &[UserId]) -> Result<Vec<Option<u64>>, BusUnavailable>;
}

/// A bus engine.
pub trait Bus: BusPublish + BusRead + BusChannels + BusLeases + BusLimits + BusPresence + BusRights {}
impl<T: BusPublish + BusRead + BusChannels + BusLeases + BusLimits + BusPresence + BusRights> Bus for T {}
