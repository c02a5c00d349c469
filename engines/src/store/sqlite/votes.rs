//! Votes in SQLite.

use async_trait::async_trait;
use parley_proto::{MessageId, RoomId, UnixMillis, UserId, item::Item, notice::ChangedTally, wire::Tally};
use sqlx::SqliteConnection;

use super::{SqliteStore, call, next_of, sql, timeline::MessageRow};
use crate::store::{
    Direction, Page, PageRequest, Snapshot, StoreUnavailable,
    page::{cut, fetch_limit},
    plan::{shown, vote_value},
    votes::{ChangedQuery, ChangedTallies, Vote, Votes},
};

#[derive(sqlx::FromRow)]
struct TallyRow {
    message: Vec<u8>,
    position: i64,
    sum: i64,
    count: i64,
    mine: i64,
}

#[derive(sqlx::FromRow)]
struct ChangedRow {
    message: Vec<u8>,
    room: Vec<u8>,
    position: i64,
    sum: i64,
    count: i64,
    tally_rev: i64,
}

#[derive(sqlx::FromRow)]
struct TopRow {
    #[sqlx(flatten)]
    message: MessageRow,
    sum: i64,
    count: i64,
    mine: i64,
}

#[async_trait]
impl Votes for SqliteStore {
    async fn tallies(&self, room: RoomId, messages: &[MessageId], voter: UserId) -> Result<Snapshot<Vec<Tally>>, StoreUnavailable> {
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, room.partition()).await?;
            let rows: Vec<TallyRow> = sqlx::query_as(
                "select t.message, t.position, t.sum, t.count, coalesce(v.value, 0) as mine
                 from tallies t left join votes v on v.message = t.message and v.user = ?1
                 where t.message in (select unhex(value) from json_each(?2)) and t.room = ?3
                 order by t.position",
            )
            .bind(sql::blob(voter.0))
            .bind(sql::id_list(messages.iter().map(|message| message.0)))
            .bind(sql::blob(room.0))
            .fetch_all(&mut *tx)
            .await?;
            let tally =
                |row: TallyRow| Ok(shown(MessageId(sql::uuid(&row.message)?), sql::position(row.position), row.sum, sql::count(row.count), Some(row.mine)));
            Ok(Snapshot { next, value: rows.into_iter().map(tally).collect::<Result<_, sqlx::Error>>()? })
        })
        .await
    }

    async fn changed_tallies(&self, query: ChangedQuery<'_>) -> Result<Snapshot<ChangedTallies>, StoreUnavailable> {
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, query.partition).await?;
            let mut rows: Vec<ChangedRow> = sqlx::query_as(
                "select t.message, t.room, t.position, t.sum, t.count, t.tally_rev
                 from json_each(?1) j cross join tallies t on t.room = unhex(j.value) and t.tally_rev >= ?2
                 order by t.tally_rev
                 limit ?3 + 0",
            )
            .bind(sql::id_list(query.rooms.iter().map(|room| room.0)))
            .bind(sql::int(query.from.0))
            .bind(fetch_limit(query.limit))
            .fetch_all(&mut *tx)
            .await?;
            let truncated = rows.len() > query.limit;
            rows.truncate(query.limit);
            let complete_to = rows.last().filter(|_| truncated).map_or(next, |row| sql::position(row.tally_rev).next());
            let mut items = rows
                .into_iter()
                .map(|row| {
                    let target = MessageId(sql::uuid(&row.message)?);
                    let Tally { position, up, down, .. } = shown(target, sql::position(row.position), row.sum, sql::count(row.count), None);
                    Ok(ChangedTally { room: RoomId(sql::uuid(&row.room)?), target, position, up, down, votes: Vec::new() })
                })
                .collect::<Result<Vec<_>, sqlx::Error>>()?;
            if !items.is_empty() && !query.voters.is_empty() {
                add_votes(&mut tx, &query, &mut items).await?;
            }
            Ok(Snapshot { next, value: ChangedTallies { items, complete_to } })
        })
        .await
    }

    async fn votes(&self, message: MessageId, page: &PageRequest<UserId>) -> Result<Page<Vote>, StoreUnavailable> {
        let (sql, edge) = match page.direction {
            Direction::Forward => ("select user, value from votes where message = ? and value != 0 and user > ? order by user limit ?", sql::BELOW_ALL_IDS),
            Direction::Backward => {
                ("select user, value from votes where message = ? and value != 0 and user < ? order by user desc limit ?", sql::ABOVE_ALL_IDS)
            }
        };
        let start = page.start.map_or_else(|| edge.to_vec(), |user| sql::blob(user.0));
        call(async {
            let rows: Vec<(Vec<u8>, i64)> =
                sqlx::query_as(sql).bind(sql::blob(message.0)).bind(start).bind(fetch_limit(page.limit)).fetch_all(&self.readers).await?;
            cut(page, rows, |(user, value)| Ok(Vote { user: UserId(sql::uuid(&user)?), value: vote_value(value) }))
        })
        .await
    }

    async fn top(&self, room: RoomId, voter: UserId, since: Option<UnixMillis>, limit: usize) -> Result<Snapshot<Vec<(Item, Tally)>>, StoreUnavailable> {
        // The plus signs keep a time's top from being looked for along all of the room's tallies.
        let sql = match since {
            None => {
                "select m.*, t.sum, t.count, coalesce(v.value, 0) as mine
                 from tallies t indexed by tallies_best cross join messages m on m.room = t.room and m.position = t.position
                      left join votes v on v.message = t.message and v.user = ?1
                 where t.room = ?2 and t.sum > 0 and m.deleted = 0
                 order by t.sum desc, t.position desc
                 limit ?4"
            }
            Some(_) => {
                "select m.*, t.sum, t.count, coalesce(v.value, 0) as mine
                 from tallies t indexed by tallies_of_a_time cross join messages m on m.room = t.room and m.position = t.position
                      left join votes v on v.message = t.message and v.user = ?1
                 where t.room = ?2 and t.sum > 0 and t.sent_at >= ?3 and m.deleted = 0
                 order by +t.sum desc, +t.position desc
                 limit ?4"
            }
        };
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, room.partition()).await?;
            let rows: Vec<TopRow> = sqlx::query_as(sql)
                .bind(sql::blob(voter.0))
                .bind(sql::blob(room.0))
                .bind(since.map(|since| since.0))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&mut *tx)
                .await?;
            let top = |row: TopRow| {
                let item = row.message.item()?;
                let tally = shown(item.id, item.position, row.sum, sql::count(row.count), Some(row.mine));
                Ok((item, tally))
            };
            Ok(Snapshot { next, value: rows.into_iter().map(top).collect::<Result<_, sqlx::Error>>()? })
        })
        .await
    }
}

/// The asked voters' votes that are new, each to its tally.
async fn add_votes(tx: &mut SqliteConnection, query: &ChangedQuery<'_>, items: &mut [ChangedTally]) -> Result<(), sqlx::Error> {
    let rows: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(
        "select j.key, v.user, v.value
         from json_each(?1) j cross join votes v on v.message = unhex(j.value) and v.position >= ?2
         where v.user in (select unhex(value) from json_each(?3))
         order by j.key, v.user",
    )
    .bind(sql::id_list(items.iter().map(|item| item.target.0)))
    .bind(sql::int(query.from.0))
    .bind(sql::id_list(query.voters.iter().map(|voter| voter.0)))
    .fetch_all(tx)
    .await?;
    for (number, user, value) in rows {
        if let Some(item) = usize::try_from(number).ok().and_then(|number| items.get_mut(number)) {
            item.votes.push((UserId(sql::uuid(&user)?), vote_value(value)));
        }
    }
    Ok(())
}
