//! The bus on Redis: the scripts of PROTOCOL section 4 in Lua, each one atomic. They are the logic of [`super::script`], line by line.
//!
//! Nothing that Redis says or loses can hurt more than delivery's speed; every error is [`BusUnavailable`], and whether the call took effect is then not
//! known. Nothing is kept here but connections: idle rooms cost nothing.

use std::{fmt, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parley_proto::{Cursor, PartitionId, Position, RoomId, UserId, segment::Group};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Script, io::tcp::TcpSettings};
use thiserror::Error;
use tokio::sync::mpsc;

use self::{commands::Commands, subscriber::RedisConnection};
use super::{
    Beat, BusChannels, BusConnection, BusEvent, BusLeases, BusPublish, BusRead, BusRights, BusUnavailable, Channel, Incarnation, Published, RIGHTS_KEPT,
    RoomFrames, Tail, script::TailCap,
};

mod commands;
mod entry;
mod keys;
mod limits;
mod presence;
mod subscriber;

static PUBLISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/publish.lua")));
static SEED: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/seed.lua")));
static TAIL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/tail.lua")));
static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/beat.lua")));
static RAISE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/raise.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/renew.lua")));

/// How to open a [`RedisBus`].
#[derive(Clone)]
pub struct RedisConfig {
    server: ConnectionInfo,
    /// How long a call may take, a new connection included.
    pub deadline: Duration,
    /// How much of a room is remembered.
    pub tail: TailCap,
}

/// The URL names no Redis.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not the URL of a Redis server (redis:// or rediss://): {0}")]
pub struct RedisUrlError(String);

impl RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://…` with TLS. The default bounds: 500 ms a call, tails of 128 entries and 10 minutes.
    pub fn from_url(url: &str) -> Result<Self, RedisUrlError> {
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(RedisUrlError("another scheme".to_owned()));
        }
        // The library's own message may repeat the URL, and with it the password.
        let server = url.into_connection_info().map_err(|error| RedisUrlError(error.category().to_owned()))?;
        // Commands of many tasks share a connection: a small one must not wait until the one before it is acknowledged.
        let server = server.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { server, deadline: Duration::from_millis(500), tail: TailCap::default() })
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig").field("server", &self.server.addr().to_string()).field("deadline", &self.deadline).field("tail", &self.tail).finish()
    }
}

/// The bus on a Redis server.
#[derive(Debug)]
pub struct RedisBus {
    client: Client,
    commands: Commands,
    deadline: Duration,
    tail: TailCap,
}

impl RedisBus {
    /// Does not connect: the server may come later, go and come back.
    pub fn open(config: RedisConfig) -> Result<Self, RedisUrlError> {
        if let ConnectionAddr::TcpTls { .. } = config.server.addr() {
            // Whoever installed one before, keeps it.
            let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let client = Client::open(config.server).map_err(|error| RedisUrlError(error.category().to_owned()))?;
        Ok(Self { commands: Commands::new(client.clone(), config.deadline), client, deadline: config.deadline, tail: config.tail })
    }
}

#[async_trait]
impl BusPublish for RedisBus {
    async fn publish(&self, partition: PartitionId, from: Cursor, to: Cursor, rooms: Vec<RoomFrames>) -> Result<Published, BusUnavailable> {
        let mut call = PUBLISH.key(keys::set(partition));
        call.arg(keys::tails(partition)).arg(keys::ROOM_CHANNELS).arg(from.0).arg(to.0);
        call.arg(self.tail.entries).arg(millis(self.tail.ttl));
        for frames in &rooms {
            Group::from_bytes(frames.frames.clone()).map_err(|error| BusUnavailable(error.to_string()))?;
            call.arg(frames.room.to_string()).arg(frames.last.0).arg(&entry::frames(frames)[..]);
        }
        match self.commands.run::<Vec<u64>>(&call).await?[..] {
            [] => Ok(Published::Unseeded),
            [_to] => Ok(Published::Ok),
            [next, incarnation, ..] => Ok(Published::Moved { next: Cursor(next), incarnation: Incarnation(incarnation) }),
        }
    }

    async fn seed(&self, partition: PartitionId, end: Cursor, incarnation: Incarnation, expected: Option<Incarnation>) -> Result<bool, BusUnavailable> {
        let mut call = SEED.key(keys::set(partition));
        call.arg(end.0).arg(incarnation.0).arg(expected.map(|expected| expected.0.to_string()).unwrap_or_default());
        self.commands.run(&call).await
    }
}

#[async_trait]
impl BusRead for RedisBus {
    async fn tail(&self, room: RoomId) -> Result<Tail, BusUnavailable> {
        let mut call = TAIL.key(keys::set(room.partition()));
        call.arg(keys::tails(room.partition())).arg(room.to_string());
        let reply: Vec<Vec<u8>> = self.commands.run(&call).await?;
        let mut reply = reply.into_iter().map(Bytes::from);
        let Some(next) = reply.next() else { return Ok(Tail::Unseeded) };
        let floor = reply.next().unwrap_or_default();
        let segments = reply.map(entry::decode).collect::<Result<_, _>>().map_err(|error| BusUnavailable(error.to_string()))?;
        Ok(Tail::Frames { next: cursor(&next)?, floor: cursor(&floor)?, segments })
    }

    async fn beat(&self, partition: PartitionId, since: Cursor) -> Result<Beat, BusUnavailable> {
        let mut call = BEAT.key(keys::set(partition));
        call.arg(since.0);
        let reply: Vec<String> = self.commands.run(&call).await?;
        let [next, seed, incarnation, rooms @ ..] = &reply[..] else { return Ok(Beat::Unseeded) };
        let rooms = rooms.as_chunks().0.iter().map(|[room, score]| Ok((parsed(room)?, Position(parsed(score)?)))).collect::<Result<_, BusUnavailable>>()?;
        Ok(Beat::State { next: Cursor(parsed(next)?), seed: Cursor(parsed(seed)?), incarnation: Incarnation(parsed(incarnation)?), rooms })
    }
}

#[async_trait]
impl BusChannels for RedisBus {
    async fn connect(&self, capacity: usize) -> Result<(Box<dyn BusConnection>, mpsc::Receiver<BusEvent>), BusUnavailable> {
        let (connection, events) = RedisConnection::open(self.client.clone(), self.deadline, capacity).await?;
        Ok((Box::new(connection), events))
    }

    async fn announce(&self, channel: Channel, payload: Bytes) -> Result<(), BusUnavailable> {
        if let Channel::Room(_) = channel {
            return Err(BusUnavailable("frames are published, not announced".to_owned()));
        }
        self.commands.query(redis::cmd("PUBLISH").arg(keys::channel(channel)).arg(&payload[..])).await
    }
}

#[async_trait]
impl BusLeases for RedisBus {
    async fn renew_gateway(&self, gateway: &str, ttl: Duration) -> Result<Vec<String>, BusUnavailable> {
        let mut call = RENEW.key(keys::GATEWAYS);
        call.arg(gateway).arg(millis(ttl));
        let mut gateways: Vec<String> = self.commands.run(&call).await?;
        gateways.sort_unstable();
        Ok(gateways)
    }

    async fn remove_gateway(&self, gateway: &str) -> Result<(), BusUnavailable> {
        self.commands.query(redis::cmd("ZREM").arg(keys::GATEWAYS).arg(gateway)).await
    }
}

#[async_trait]
impl BusRights for RedisBus {
    async fn raise_rights(&self, versions: &[(UserId, u64)]) -> Result<(), BusUnavailable> {
        if versions.is_empty() {
            return Ok(());
        }
        let mut call = RAISE.prepare_invoke();
        call.arg(millis(RIGHTS_KEPT));
        for (user, version) in versions {
            call.key(keys::rights(*user)).arg(*version);
        }
        self.commands.run::<u64>(&call).await.map(drop)
    }

    async fn rights(&self, users: &[UserId]) -> Result<Vec<Option<u64>>, BusUnavailable> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = redis::cmd("MGET");
        for user in users {
            call.arg(keys::rights(*user));
        }
        self.commands.query(&call).await
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn cursor(text: &[u8]) -> Result<Cursor, BusUnavailable> {
    parsed(&String::from_utf8_lossy(text)).map(Cursor)
}

/// What a script answered, which is nothing else unless somebody else wrote into our keys.
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, BusUnavailable> {
    text.parse().map_err(|_| BusUnavailable(format!("a script answered {text:?}")))
}
