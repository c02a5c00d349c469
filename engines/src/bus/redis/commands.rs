//! The one connection over which all commands go. Each has a deadline; a connection that failed is dropped, and the next command makes a new one.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation, ServerErrorKind, aio::MultiplexedConnection,
};
use tokio::{sync::Mutex, time::timeout};

use crate::bus::BusUnavailable;

#[derive(Debug)]
pub(super) struct Commands {
    client: Client,
    deadline: Duration,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    /// Counts the connections, so that a late failure of an old one does not drop its successor.
    made: u64,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("connected", &self.connection.is_some()).field("made", &self.made).finish()
    }
}

impl Commands {
    pub(super) fn new(client: Client, deadline: Duration) -> Self {
        Self { client, deadline, slot: Mutex::default() }
    }

    /// Runs a script by its hash, or with its text where the server does not know it yet.
    pub(super) async fn run<T: FromRedisValue + Send>(&self, script: &ScriptInvocation<'_>) -> Result<T, BusUnavailable> {
        self.with_connection(|mut connection| async move { script.invoke_async(&mut connection).await }).await
    }

    pub(super) async fn query<T: FromRedisValue + Send>(&self, command: &Cmd) -> Result<T, BusUnavailable> {
        self.with_connection(|mut connection| async move { command.query_async(&mut connection).await }).await
    }

    async fn with_connection<T: Send, F>(&self, call: impl FnOnce(MultiplexedConnection) -> F + Send) -> Result<T, BusUnavailable>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let mut used = None;
        let outcome = timeout(self.deadline, async {
            let (made, connection) = self.connection().await?;
            used = Some(made);
            call(connection).await
        })
        .await;
        let (reason, broken) = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => (error.to_string(), is_broken(&error)),
            Err(_) => (format!("no answer within {:?}", self.deadline), true),
        };
        if broken && let Some(made) = used {
            self.forget(made).await;
        }
        Err(BusUnavailable(reason))
    }

    /// The connection and its number; a new one if there is none.
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let mut slot = self.slot.lock().await;
        if let Some(connection) = &slot.connection {
            return Ok((slot.made, connection.clone()));
        }
        // Deadlines are this module's: the library's own would hide them.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        slot.made += 1;
        slot.connection = Some(connection.clone());
        Ok((slot.made, connection))
    }

    async fn forget(&self, made: u64) {
        let mut slot = self.slot.lock().await;
        if slot.made == made {
            slot.connection = None;
        }
    }
}

/// Whether another connection may do better. A server that became a replica answers on the old one for ever; by name one finds its successor.
fn is_broken(error: &RedisError) -> bool {
    let moved = matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
    moved || error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}
