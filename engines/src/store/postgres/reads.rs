//! Read marks in Postgres.

use async_trait::async_trait;
use parley_proto::{RoomId, UserId};
use uuid::Uuid;

use super::{PostgresStore, sql};
use crate::store::{StoreUnavailable, reads::Reads};

#[async_trait]
impl Reads for PostgresStore {
    async fn read_marks(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<(RoomId, u64)>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<(Uuid, i64)> = sqlx::query_as("select room, seq from read_marks where room = any($1) and user_id = $2")
                .bind(rooms.iter().map(|room| room.0).collect::<Vec<_>>())
                .bind(user.0)
                .fetch_all(&mut *connection)
                .await?;
            connection.done().await?;
            Ok(rows.into_iter().map(|(room, seq)| (RoomId(room), sql::count(seq))).collect())
        })
        .await
    }
}
