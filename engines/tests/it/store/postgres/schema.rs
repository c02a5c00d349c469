//! Who may start on which schema.

use parley_engines::store::postgres::{OpenError, PostgresConfig, PostgresStore};
use sqlx::migrate::{MigrateError, Migrator};

use super::{engine, migrating};
use crate::services::postgres::{PostgresServer, connect};

static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");

async fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::connect(url, PostgresConfig::default()).await
}

#[test]
fn migrations_have_the_same_numbers_and_names_in_both_engines_and_only_go_forward() {
    let names = |migrator: &'static Migrator| migrator.iter().map(|migration| (migration.version, &*migration.description)).collect::<Vec<_>>();
    assert_eq!(names(&POSTGRES), names(&SQLITE));
    assert_eq!(POSTGRES.iter().map(|migration| migration.version).collect::<Vec<_>>(), (1..=POSTGRES.iter().count() as i64).collect::<Vec<_>>());
    assert!(POSTGRES.iter().chain(SQLITE.iter()).all(|migration| migration.migration_type.is_up_migration() && !migration.migration_type.is_down_migration()));
}

#[tokio::test]
async fn an_empty_database_is_refused_until_somebody_migrates_it() {
    let url = PostgresServer::shared().await.database();
    let error = open(&url).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaOlder { found: 0, .. }), "{error}");
    let newest = PostgresStore::migrate(&url).await.unwrap();
    assert_eq!(PostgresStore::migrate(&url).await.unwrap(), newest);
    open(&url).await.unwrap();
}

#[tokio::test]
async fn several_that_migrate_at_once_wait_for_each_other() {
    let url = PostgresServer::shared().await.database();
    for opened in futures::future::join_all((0..4).map(|_| PostgresStore::connect(&url, migrating()))).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_is_refused() {
    let engine = engine().await;
    sqlx::query("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', true, '', 0)")
        .execute(&mut connect(&engine.url).await)
        .await
        .unwrap();
    for config in [PostgresConfig::default(), migrating()] {
        let error = PostgresStore::connect(&engine.url, config).await.unwrap_err();
        assert!(matches!(error, OpenError::SchemaNewer { found: 9999, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_had_been_applied_is_refused() {
    let engine = engine().await;
    sqlx::query("update _sqlx_migrations set checksum = '\\x00' where version = 1").execute(&mut connect(&engine.url).await).await.unwrap();
    for config in [PostgresConfig::default(), migrating()] {
        let error = PostgresStore::connect(&engine.url, config).await.unwrap_err();
        assert!(matches!(error, OpenError::SchemaBroken(MigrateError::VersionMismatch(1))), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_can_not_hold_every_text_is_refused() {
    let server = PostgresServer::shared().await;
    let error = open(&server.database_of_bytes().await).await.unwrap_err();
    assert!(matches!(error, OpenError::NotUtf8(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come_and_an_url_that_is_none_may_not() {
    let gone = open("postgres://parley@127.0.0.1:1/parley").await.unwrap_err();
    assert!(matches!(gone, OpenError::Unavailable(_)), "{gone}");
    let wrong = open("postgres://parley@127.0.0.1:port/parley").await.unwrap_err();
    assert!(matches!(wrong, OpenError::Url(_)), "{wrong}");
}
