//! Persisters that stopped in the middle of a COPY. The server waits for the rest of their rows and heeds none of its timeouts meanwhile, so that their locks would
//! stay for as long as their connections look alive; whoever waits for those locks ends them.

use sqlx::PgConnection;

use super::LOCK_WAIT_MAX;

/// How new messages come into their table. The server shows what a session is doing by the text of its statement.
pub(super) const COPY_MESSAGES: &str = "copy messages (room, position, id, seq, kind, sender, cid, base, sent_at, imported, rev, body, key_id, sealed, edited, deleted) from stdin (format binary)";

/// Ends every session of this role that began its COPY longer ago than a batch waits for a lock and waits for its client, and says how many those were. A COPY's rows are in
/// memory before it begins, so that none waits for its client while that lives; what was begun is taken back as a whole.
pub(super) async fn end_stalled_copies(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*) filter (where pg_terminate_backend(pid))
         from pg_stat_activity
         where datname = current_database() and usename = current_user and query = $1
             and state = 'active' and wait_event = 'ClientRead' and query_start < now() - make_interval(secs => $2)",
    )
    .bind(COPY_MESSAGES)
    .bind(LOCK_WAIT_MAX.as_secs_f64())
    .fetch_one(connection)
    .await
}
