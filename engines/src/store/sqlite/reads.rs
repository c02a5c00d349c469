//! Read marks in SQLite.

use async_trait::async_trait;
use parley_proto::{RoomId, UserId};

use super::{SqliteStore, call, sql};
use crate::store::{StoreUnavailable, reads::Reads};

#[async_trait]
impl Reads for SqliteStore {
    async fn read_marks(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<(RoomId, u64)>, StoreUnavailable> {
        call(async {
            let mut connection = self.read().await?;
            let rows: Vec<(Vec<u8>, i64)> =
                sqlx::query_as("select room, seq from read_marks where room in (select unhex(value) from json_each(?)) and user = ?")
                    .bind(sql::id_list(rooms.iter().map(|room| room.0)))
                    .bind(sql::blob(user.0))
                    .fetch_all(&mut *connection)
                    .await?;
            rows.into_iter().map(|(room, seq)| Ok((RoomId(sql::uuid(&room)?), sql::count(seq)))).collect()
        })
        .await
    }
}
