//! The limit of rooms: one thread between sockets and Redis. What is said on a socket is published by a bare PUBLISH, and what the subscription brings is
//! written to the sockets of its room as it is: the frame was encoded before anything began. It knows no log, no rights, no order, and repairs nothing;
//! what the kernel does not take at once is lost, and voids the round.
//!
//! Speaks enough WebSocket for the load: text `set:…` gives the frame's payload, `rooms:a,b` the rooms of a socket, `say:a` is a message to a room.

use std::{cell::RefCell, collections::HashMap, io::ErrorKind, net::Ipv4Addr, path::Path, rc::Rc};

use anyhow::{Context as _, ensure};
use futures::StreamExt;
use parley_cluster::Redis;
use redis::{
    Client,
    aio::{MultiplexedConnection, PubSubSink, PubSubStream},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use crate::{broadcaster::ANSWER, child::Child, cpu::Apart, crowd::frames, measures::Context};

/// A message from a socket is no larger.
const READ_BYTES: usize = 4 * 1024;

/// That program, and a Redis of its own: the product's is busy by itself, also while nobody speaks.
#[derive(Debug)]
pub(crate) struct Republisher {
    pub(crate) server: Child,
    redis: Redis,
}

impl Republisher {
    pub(crate) fn start(context: &Context, apart: &Apart, folder: &Path) -> anyhow::Result<Self> {
        let redis = context.runtime.block_on(Redis::start(folder, None))?;
        apart.serve(redis.service())?;
        Ok(Self { server: Child::republisher(&redis.url())?, redis })
    }

    /// The program, then Redis.
    pub(crate) fn pids(&self) -> anyhow::Result<Vec<u32>> {
        Ok(vec![self.server.pid(), self.redis.service().pid().context("the limit's Redis is gone")?])
    }
}

/// Serves until it is killed. Its address is the first line of standard output.
pub(crate) fn serve(redis: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let client = Client::open(redis)?;
        let (subscriber, messages) = client.get_async_pubsub().await?.split();
        let hall =
            Rc::new(Hall { publisher: client.get_multiplexed_async_connection().await?, subscriber, rooms: RefCell::default(), frame: RefCell::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        tokio::task::spawn_local(Rc::clone(&hall).hand_on(messages));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let hall = Rc::clone(&hall);
            tokio::task::spawn_local(async move {
                if let Err(error) = hall.attend(Rc::new(stream)).await {
                    eprintln!("a socket of the limit: {error:#}");
                }
            });
        }
    })
}

struct Hall {
    publisher: MultiplexedConnection,
    subscriber: PubSubSink,
    rooms: RefCell<HashMap<String, Vec<Rc<TcpStream>>>>,
    frame: RefCell<Rc<[u8]>>,
}

impl Hall {
    async fn hand_on(self: Rc<Self>, mut messages: PubSubStream) {
        while let Some(message) = messages.next().await {
            for stream in self.rooms.borrow().get(message.get_channel_name()).into_iter().flatten() {
                match stream.try_write(message.get_payload_bytes()) {
                    Ok(written) if written == message.get_payload_bytes().len() => {}
                    outcome => eprintln!("a frame was lost: {outcome:?}"),
                }
            }
        }
    }

    /// Until the socket goes.
    async fn attend(&self, stream: Rc<TcpStream>) -> anyhow::Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        let (mut is_upgraded, mut have) = (false, 0);
        loop {
            stream.readable().await?;
            have += match stream.try_read(&mut buffer[have..]) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if !is_upgraded {
                ensure!(stream.try_write(ANSWER)? == ANSWER.len(), "the answer was not taken");
                (is_upgraded, have) = (true, 0);
                continue;
            }
            let mut taken = 0;
            while let Some(frame) = frames::first(&buffer[taken..have])? {
                taken += frame.len;
                self.hear(std::str::from_utf8(frame.payload)?, &stream).await?;
            }
            buffer.copy_within(taken..have, 0);
            have -= taken;
            ensure!(have < buffer.len(), "a message of more than {READ_BYTES} bytes");
        }
    }

    async fn hear(&self, text: &str, stream: &Rc<TcpStream>) -> anyhow::Result<()> {
        match text.split_once(':').context("a message without a colon")? {
            ("say", room) => {
                let frame = Rc::clone(&self.frame.borrow());
                redis::cmd("PUBLISH").arg(room).arg(&frame[..]).query_async(&mut self.publisher.clone()).await?
            }
            ("set", payload) => *self.frame.borrow_mut() = frames::plain(frames::TEXT, payload.as_bytes()).into(),
            (_, rooms) => self.enter(rooms.split(','), stream).await?,
        }
        Ok(())
    }

    async fn enter(&self, rooms: impl Iterator<Item = &str>, stream: &Rc<TcpStream>) -> anyhow::Result<()> {
        let mut new = Vec::new();
        for room in rooms {
            let mut rooms = self.rooms.borrow_mut();
            let streams = rooms.entry(room.to_owned()).or_default();
            if streams.is_empty() {
                new.push(room);
            }
            streams.push(Rc::clone(stream));
        }
        if !new.is_empty() {
            self.subscriber.clone().subscribe(&new).await?;
        }
        Ok(())
    }
}
