//! Votes in Postgres.

use async_trait::async_trait;
use parley_proto::{MessageId, RoomId, UnixMillis, UserId, item::Item, notice::ChangedTally, wire::Tally};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{PostgresStore, next_of, page::id_edge, sql, timeline::MessageRow};
use crate::store::{
    Direction, Page, PageRequest, Snapshot, StoreUnavailable,
    page::{cut, fetch_limit},
    plan::{shown, vote_value},
    votes::{ChangedQuery, ChangedTallies, Vote, Votes},
};

#[derive(sqlx::FromRow)]
struct TallyRow {
    message: Uuid,
    position: i64,
    sum: i64,
    count: i64,
    mine: i64,
}

#[derive(sqlx::FromRow)]
struct ChangedRow {
    message: Uuid,
    room: Uuid,
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
impl Votes for PostgresStore {
    async fn tallies(&self, room: RoomId, messages: &[MessageId], voter: UserId) -> Result<Snapshot<Vec<Tally>>, StoreUnavailable> {
        self.call(async {
            let mut tx = self.snapshot().await?;
            let next = next_of(&mut tx, room.partition()).await?;
            let rows: Vec<TallyRow> = sqlx::query_as(
                "select t.message, t.position, t.sum, t.count, coalesce(v.value, 0) as mine
                 from tallies t left join votes v on v.message = t.message and v.user_id = $1
                 where t.message = any($2) and t.room = $3
                 order by t.position",
            )
            .bind(voter.0)
            .bind(messages.iter().map(|message| message.0).collect::<Vec<_>>())
            .bind(room.0)
            .fetch_all(&mut *tx)
            .await?;
            tx.done().await?;
            let tally = |row: TallyRow| shown(MessageId(row.message), sql::position(row.position), row.sum, sql::count(row.count), Some(row.mine));
            Ok(Snapshot { next, value: rows.into_iter().map(tally).collect() })
        })
        .await
    }

    async fn changed_tallies(&self, query: ChangedQuery<'_>) -> Result<Snapshot<ChangedTallies>, StoreUnavailable> {
        self.call(async {
            let mut tx = self.snapshot().await?;
            let next = next_of(&mut tx, query.partition).await?;
            let mut rows: Vec<ChangedRow> = sqlx::query_as(
                "select changed.message, changed.room, changed.position, changed.sum, changed.count, changed.tally_rev
                 from unnest($1::uuid[]) as asked (room)
                      cross join lateral (select * from tallies t where t.room = asked.room and t.tally_rev >= $2 order by t.tally_rev limit $3) changed
                 order by changed.tally_rev
                 limit $3",
            )
            .bind(query.rooms.iter().map(|room| room.0).collect::<Vec<_>>())
            .bind(sql::int(query.from.0))
            .bind(fetch_limit(query.limit))
            .fetch_all(&mut *tx)
            .await?;
            let truncated = rows.len() > query.limit;
            rows.truncate(query.limit);
            let complete_to = rows.last().filter(|_| truncated).map_or(next, |row| sql::position(row.tally_rev).next());
            let changed = |row: ChangedRow| {
                let Tally { target, position, up, down, .. } = shown(MessageId(row.message), sql::position(row.position), row.sum, sql::count(row.count), None);
                ChangedTally { room: RoomId(row.room), target, position, up, down, votes: Vec::new() }
            };
            let mut items: Vec<_> = rows.into_iter().map(changed).collect();
            if !items.is_empty() && !query.voters.is_empty() {
                add_votes(&mut tx, &query, &mut items).await?;
            }
            tx.done().await?;
            Ok(Snapshot { next, value: ChangedTallies { items, complete_to } })
        })
        .await
    }

    async fn votes(&self, message: MessageId, page: &PageRequest<UserId>) -> Result<Page<Vote>, StoreUnavailable> {
        let sql = match page.direction {
            Direction::Forward => "select user_id, value from votes where message = $1 and value <> 0 and user_id > $2 order by user_id limit $3",
            Direction::Backward => "select user_id, value from votes where message = $1 and value <> 0 and user_id < $2 order by user_id desc limit $3",
        };
        let start = id_edge(page.start.map(|user| user.0), page.direction);
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<(Uuid, i64)> = sqlx::query_as(sql).bind(message.0).bind(start).bind(fetch_limit(page.limit)).fetch_all(&mut *connection).await?;
            connection.done().await?;
            cut(page, rows, |(user, value)| Ok(Vote { user: UserId(user), value: vote_value(value) }))
        })
        .await
    }

    async fn top(&self, room: RoomId, voter: UserId, since: Option<UnixMillis>, limit: usize) -> Result<Snapshot<Vec<(Item, Tally)>>, StoreUnavailable> {
        let sql = match since {
            None => {
                "select m.position, m.id, m.seq, m.rev, m.kind, m.sender, m.cid, m.body, m.sent_at, m.imported, m.edited, m.deleted,
                        t.sum, t.count, coalesce(v.value, 0) as mine
                 from tallies t join messages m on m.room = t.room and m.position = t.position
                      left join votes v on v.message = t.message and v.user_id = $1
                 where t.room = $2 and t.sum > 0 and not m.deleted and $3::bigint is null
                 order by t.sum desc, t.position desc
                 limit $4"
            }
            Some(_) => {
                "select m.position, m.id, m.seq, m.rev, m.kind, m.sender, m.cid, m.body, m.sent_at, m.imported, m.edited, m.deleted,
                        t.sum, t.count, coalesce(v.value, 0) as mine
                 from tallies t join messages m on m.room = t.room and m.position = t.position
                      left join votes v on v.message = t.message and v.user_id = $1
                 where t.room = $2 and t.sum > 0 and t.sent_at >= $3 and not m.deleted
                 order by t.sum desc, t.position desc
                 limit $4"
            }
        };
        self.call(async {
            let mut tx = self.snapshot().await?;
            let next = next_of(&mut tx, room.partition()).await?;
            let rows: Vec<TopRow> =
                sqlx::query_as(sql).bind(voter.0).bind(room.0).bind(since.map(|since| since.0)).bind(sql::limit(limit)).fetch_all(&mut *tx).await?;
            tx.done().await?;
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
async fn add_votes(tx: &mut PgConnection, query: &ChangedQuery<'_>, items: &mut [ChangedTally]) -> Result<(), sqlx::Error> {
    let rows: Vec<(i64, Uuid, i64)> = sqlx::query_as(
        "select changed.n, v.user_id, v.value
         from unnest($1::uuid[]) with ordinality as changed (message, n) join votes v on v.message = changed.message
         where v.position >= $2 and v.user_id = any($3)
         order by changed.n, v.user_id",
    )
    .bind(items.iter().map(|item| item.target.0).collect::<Vec<_>>())
    .bind(sql::int(query.from.0))
    .bind(query.voters.iter().map(|voter| voter.0).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    for (number, user, value) in rows {
        if let Some(item) = usize::try_from(number - 1).ok().and_then(|number| items.get_mut(number)) {
            item.votes.push((UserId(user), vote_value(value)));
        }
    }
    Ok(())
}
