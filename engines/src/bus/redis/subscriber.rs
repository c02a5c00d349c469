//! A subscriber connection: what arrives is handed on into a bounded channel at once. Where that is full, or where the server is gone, the subscriber
//! is cut and told; it subscribes again over a new connection.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use redis::{
    Client, Msg,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::{
        Mutex,
        mpsc::{self, OwnedPermit, error::TrySendError},
    },
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{entry, keys};
use crate::bus::{BusConnection, BusEvent, BusUnavailable, Channel, metrics};

/// How often a quiet connection is asked whether it still lives: a server that vanished without a word is noticed by nothing else.
const PING_EVERY: Duration = Duration::from_secs(1);

/// A server that stalls for longer has cut its subscribers by itself, or is about to.
const PING_DEADLINE: Duration = Duration::from_secs(2);

/// Channels in one command.
const CHANNELS_PER_COMMAND: usize = 1_000;

#[derive(Debug)]
pub(super) struct RedisConnection {
    client: Client,
    deadline: Duration,
    events: mpsc::Sender<BusEvent>,
    live: Mutex<Live>,
}

/// One connection to the server.
#[derive(Debug)]
struct Live {
    sink: PubSubSink,
    /// Cancelled from either side: to end it, or because it ended.
    ended: CancellationToken,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl RedisConnection {
    /// A connection with room for `capacity` events, and the place where they arrive.
    pub(super) async fn open(client: Client, deadline: Duration, capacity: usize) -> Result<(Self, mpsc::Receiver<BusEvent>), BusUnavailable> {
        // One place more than the subscriber's: the last one is kept for telling it that it was cut.
        let (events, receiver) = mpsc::channel(capacity.max(1) + 1);
        let live = Live::open(&client, deadline, &events).await?;
        Ok((Self { client, deadline, events, live: Mutex::new(live) }, receiver))
    }

    /// The live connection; a new one if the last was cut.
    async fn live(&self) -> Result<(PubSubSink, Arc<CancellationToken>), BusUnavailable> {
        let mut live = self.live.lock().await;
        if live.ended.is_cancelled() {
            *live = Live::open(&self.client, self.deadline, &self.events).await?;
        }
        Ok((live.sink.clone(), Arc::new(live.ended.clone())))
    }
}

#[async_trait]
impl BusConnection for RedisConnection {
    async fn subscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable> {
        let (mut sink, ended) = self.live().await?;
        for channels in channels.chunks(CHANNELS_PER_COMMAND) {
            let names: Vec<_> = channels.iter().map(|channel| keys::channel(*channel)).collect();
            let confirmed = timeout(self.deadline, sink.subscribe(names)).await;
            settle(confirmed, &ended)?;
        }
        Ok(())
    }

    async fn unsubscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable> {
        let (mut sink, ended) = self.live().await?;
        for channels in channels.chunks(CHANNELS_PER_COMMAND) {
            let names: Vec<_> = channels.iter().map(|channel| keys::channel(*channel)).collect();
            let confirmed = timeout(self.deadline, sink.unsubscribe(names)).await;
            settle(confirmed, &ended)?;
        }
        Ok(())
    }
}

/// What was not confirmed leaves the connection in a state that nobody knows: it is cut.
fn settle(confirmed: Result<redis::RedisResult<()>, tokio::time::error::Elapsed>, ended: &CancellationToken) -> Result<(), BusUnavailable> {
    let reason = match confirmed {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "a subscription was not confirmed in time".to_owned(),
    };
    ended.cancel();
    Err(BusUnavailable(reason))
}

impl Live {
    async fn open(client: &Client, deadline: Duration, events: &mpsc::Sender<BusEvent>) -> Result<Self, BusUnavailable> {
        let cut = events.clone().try_reserve_owned().map_err(|_| BusUnavailable("this connection was cut and its events are still unread".to_owned()))?;
        let connection = timeout(deadline, client.get_async_pubsub()).await;
        let connection = connection.map_err(|_| BusUnavailable(format!("no connection within {deadline:?}")))?;
        let (sink, messages) = connection.map_err(|error| BusUnavailable(error.to_string()))?.split();
        let ended = CancellationToken::new();
        let forwarder = Forwarder { events: events.clone(), cut, ended: ended.clone() };
        tokio::spawn(forwarder.run(messages, sink.clone()));
        Ok(Self { sink, ended })
    }
}

/// Hands on what arrives, and says when that has come to its end.
#[derive(Debug)]
struct Forwarder {
    events: mpsc::Sender<BusEvent>,
    cut: OwnedPermit<BusEvent>,
    ended: CancellationToken,
}

impl Forwarder {
    async fn run(self, messages: PubSubStream, sink: PubSubSink) {
        tokio::select! {
            biased;
            () = self.ended.cancelled() => {}
            () = forward(messages, &self.events) => {}
            () = until_silent(sink) => tracing::warn!("a subscriber's connection to the bus went silent and was cut"),
        }
        // First the state, then the word: who reads the word finds that a new connection is needed.
        self.ended.cancel();
        self.cut.send(BusEvent::Cut);
    }
}

/// Returns when the server ended the connection, or when the subscriber let events pile up.
async fn forward(mut messages: PubSubStream, events: &mpsc::Sender<BusEvent>) {
    while let Some(message) = messages.next().await {
        let Some(event) = event(&message) else { continue };
        match events.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                metrics::subscriber_cut();
                return;
            }
            Err(TrySendError::Closed(_)) => return,
        }
    }
}

/// Returns when the server no longer answers.
async fn until_silent(mut sink: PubSubSink) {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        let answer = timeout(PING_DEADLINE, sink.ping::<redis::Value>()).await;
        if !matches!(answer, Ok(Ok(_))) {
            return;
        }
    }
}

/// What is not ours is passed over: a frame that was lost by it shows as a gap.
fn event(message: &Msg) -> Option<BusEvent> {
    let channel = keys::channel_named(message.get_channel_name());
    let payload = Bytes::copy_from_slice(message.get_payload_bytes());
    match channel {
        Some(Channel::Room(room)) => match entry::decode(payload) {
            Ok(segment) => Some(BusEvent::Frames { room, segment }),
            Err(error) => {
                tracing::warn!(%error, subscriber.room = %room, "something that is no frame arrived on a room's channel and was passed over");
                None
            }
        },
        Some(channel) => Some(BusEvent::Payload { channel, payload }),
        None => None,
    }
}
