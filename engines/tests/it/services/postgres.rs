//! The Postgres of these tests: one server, and a database for each test that wants one.

use parley_cluster::Postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::data_folder;

/// A server; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    server: Postgres,
    _folder: TempDir,
}

impl PostgresServer {
    /// The one that tests share which do it no harm.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of the caller's own.
    pub(crate) async fn start() -> Self {
        let folder = data_folder();
        Self { server: Postgres::start(folder.path(), None).await.unwrap(), _folder: folder }
    }

    /// `kill -9` for all its processes, in this moment; supervision starts it again.
    pub(crate) fn kill(&self) {
        self.server.service().kill9().unwrap();
    }

    pub(crate) async fn wait_ready(&self) {
        self.server.service().wait_ready().await.unwrap();
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("test_{}", Uuid::new_v4().simple());
        self.server.create_database(&name).unwrap()
    }
}

impl PostgresServer {
    /// Somebody who may do everything.
    pub(crate) async fn admin(&self) -> PgConnection {
        connect(&format!("postgres://postgres@{}/postgres", self.server.addr())).await
    }

    /// The URL of a database without an encoding.
    pub(crate) async fn database_of_bytes(&self) -> String {
        let mut admin = self.admin().await;
        let name = format!("bytes_{}", Uuid::new_v4().simple());
        let create = format!("create database {name} owner parley encoding 'SQL_ASCII' locale 'C' template template0");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
        format!("postgres://parley@{}/{name}", self.server.addr())
    }
}

/// A connection of the test's own.
pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}
