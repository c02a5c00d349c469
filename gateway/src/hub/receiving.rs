//! The connection to the bus: made again and again, with every watched room's channel on it; what it tells is handed on.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use parley_engines::bus::{BusConnection, BusEvent, Channel};
use parley_proto::{
    PartitionId,
    notice::Notice,
    planted::{PlantedBug, planted},
};
use tokio::sync::mpsc;

use super::{Inner, TOLD_AT_ONCE, room::Room, watcher::Shared};
use crate::metrics;

/// Events that may wait between the bus and the hub before the bus cuts the connection.
const BUS_EVENTS: usize = 16_384;
/// Rooms that are subscribed at the same time where all are.
const SUBSCRIBES_AT_ONCE: usize = 256;
/// Between attempts to connect to the bus.
const RECONNECT: Duration = Duration::from_millis(250);

/// Lets others have their turn once so many sockets were told.
async fn take_turns(told: &mut usize) {
    if *told >= TOLD_AT_ONCE {
        *told = 0;
        tokio::task::yield_now().await;
    }
}

pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) bus: Arc<dyn BusConnection>,
}

impl Inner {
    /// Makes sure that the room's channel is subscribed, if the bus is there. `false`: this room was taken out meanwhile.
    pub(super) async fn subscribe(&self, room: &Room) -> bool {
        let mut channel = room.channel.lock().await;
        if channel.gone {
            return false;
        }
        let connection = self.connection.read().await;
        if let Some(connection) = &*connection
            && channel.subscribed_on != Some(connection.number)
        {
            if planted(PlantedBug::SnapshotBeforeSubscribe) {
                let (bus, id) = (Arc::clone(&connection.bus), room.id);
                channel.subscribed_on = Some(connection.number);
                tokio::spawn(async move { bus.subscribe(&[Channel::Room(id)]).await });
                return true;
            }
            match connection.bus.subscribe(&[Channel::Room(room.id)]).await {
                Ok(()) => channel.subscribed_on = Some(connection.number),
                // The connection's end is told as an event; all rooms are subscribed again then.
                Err(error) => tracing::debug!(%error, room = %room.id, "hub.subscribe"),
            }
        }
        true
    }

    /// Connects to the bus again and again, and hands on what it tells.
    pub(super) async fn receive(self: Arc<Self>) {
        let mut number = 0;
        loop {
            match self.bus.connect(BUS_EVENTS).await {
                Ok((connection, events)) => {
                    number += 1;
                    self.received_until_cut(Arc::from(connection), number, events).await;
                    *self.connection.write().await = None;
                    metrics::bus_cut();
                    tracing::warn!("hub.bus.cut");
                }
                Err(error) => tracing::debug!(%error, "hub.bus.connect"),
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    async fn received_until_cut(self: &Arc<Self>, connection: Arc<dyn BusConnection>, number: u64, mut events: mpsc::Receiver<BusEvent>) {
        let mut always: Vec<_> = (0..self.partitions).map(|partition| Channel::Notices(PartitionId(partition))).collect();
        always.push(Channel::Control);
        if let Err(error) = connection.subscribe(&always).await {
            tracing::debug!(%error, "hub.bus.subscribe");
            return;
        }
        *self.connection.write().await = Some(Connection { number, bus: connection });
        let back = Arc::clone(self);
        let comeback = tokio::spawn(async move { back.subscribe_all(number > 1).await });
        let mut told = 0;
        while let Some(event) = events.recv().await {
            match event {
                BusEvent::Frames { room, segment } => {
                    told += self.room(room).map_or(0, |room| room.apply(&self.reader, &Shared::new(segment)));
                    take_turns(&mut told).await;
                }
                BusEvent::Payload { channel: Channel::Control, payload } => match serde_json::from_slice(&payload) {
                    Ok(revocation) => self.revoke(&revocation).await,
                    Err(error) => tracing::warn!(%error, "hub.control.malformed"),
                },
                BusEvent::Payload { channel: Channel::Notices(_), payload } => match serde_json::from_slice::<Notice>(&payload) {
                    Ok(notice) => {
                        Self::lock(&self.activity).notice(&notice);
                        let stored = Self::lock(&self.stored).notice(&notice);
                        self.notice(notice);
                        for some in stored.chunks(TOLD_AT_ONCE) {
                            self.tell_stored(some);
                            told += some.len();
                            take_turns(&mut told).await;
                        }
                    }
                    Err(error) => tracing::warn!(%error, "hub.notice.malformed"),
                },
                BusEvent::Payload { .. } => {}
                BusEvent::Cut => break,
            }
        }
        comeback.abort();
    }

    /// After the bus came back: every watched room is subscribed, and a beat without grace finds what was lost meanwhile.
    async fn subscribe_all(self: Arc<Self>, came_back: bool) {
        let rooms: Vec<_> = Self::lock(&self.rooms).values().cloned().collect();
        let hub = &self;
        futures::stream::iter(rooms).for_each_concurrent(SUBSCRIBES_AT_ONCE, |room| async move { _ = hub.subscribe(&room).await }).await;
        if came_back {
            for partition in (0..self.partitions).map(PartitionId) {
                self.beat(partition, false).await;
            }
        }
    }
}
