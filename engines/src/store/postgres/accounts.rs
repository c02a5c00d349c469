//! Accounts in Postgres.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};
use uuid::Uuid;

use super::{PostgresStore, sessions, sql};
use crate::store::{
    StoreUnavailable,
    accounts::{Account, AccountCreated, Accounts, PasswordChange, ProfileChange},
};

#[derive(sqlx::FromRow)]
pub(super) struct AccountRow {
    id: Uuid,
    user_name: String,
    display_name: String,
    color: String,
    status_text: String,
    password_hash: Option<String>,
    disabled: bool,
    is_admin: bool,
    created_at: i64,
}

impl AccountRow {
    pub(super) fn account(self) -> Account {
        Account {
            id: UserId(self.id),
            user_name: self.user_name,
            display_name: self.display_name,
            color: self.color,
            status_text: self.status_text,
            password_hash: self.password_hash,
            disabled: self.disabled,
            is_admin: self.is_admin,
            created_at: UnixMillis(self.created_at),
        }
    }
}

#[async_trait]
impl Accounts for PostgresStore {
    async fn create_account(&self, account: &Account) -> Result<AccountCreated, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let created = sqlx::query(
                "insert into accounts (id, user_name, display_name, color, status_text, password_hash, disabled, is_admin, created_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 on conflict on constraint accounts_user_name do nothing",
            )
            .bind(account.id.0)
            .bind(sql::fold_case(&account.user_name))
            .bind(&account.display_name)
            .bind(&account.color)
            .bind(&account.status_text)
            .bind(&account.password_hash)
            .bind(account.disabled)
            .bind(account.is_admin)
            .bind(account.created_at.0)
            .execute(&mut *connection)
            .await?
            .rows_affected();
            connection.done().await?;
            Ok(if created == 1 { AccountCreated::Created } else { AccountCreated::NameTaken })
        })
        .await
    }

    async fn import_accounts(&self, accounts: &[Account]) -> Result<usize, StoreUnavailable> {
        self.batch(async {
            let mut tx = self.write_batch().await?;
            let created = sqlx::query(
                "insert into accounts (id, user_name, display_name, color, status_text, password_hash, disabled, created_at)
                 select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::bigint[])
                 on conflict do nothing",
            )
            .bind(accounts.iter().map(|account| account.id.0).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| sql::fold_case(&account.user_name)).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| account.display_name.as_str()).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| account.color.as_str()).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| account.status_text.as_str()).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| account.password_hash.as_deref()).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| account.disabled).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| account.created_at.0).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.done().await?;
            Ok(usize::try_from(created).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn account_by_name(&self, user_name: &str) -> Result<Option<Account>, StoreUnavailable> {
        if !sql::can_be_stored(user_name) {
            return Ok(None);
        }
        self.call(async {
            let mut connection = self.statement().await?;
            let row: Option<AccountRow> =
                sqlx::query_as("select * from accounts where user_name = $1").bind(sql::fold_case(user_name)).fetch_optional(&mut *connection).await?;
            connection.done().await?;
            Ok(row.map(AccountRow::account))
        })
        .await
    }

    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<AccountRow> = sqlx::query_as("select * from accounts where id = any($1)")
                .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
                .fetch_all(&mut *connection)
                .await?;
            connection.done().await?;
            Ok(rows.into_iter().map(AccountRow::account).collect())
        })
        .await
    }

    async fn update_profile(&self, id: UserId, change: &ProfileChange) -> Result<Option<Account>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let row: Option<AccountRow> = sqlx::query_as(
                "update accounts
                 set display_name = coalesce($1, display_name), color = coalesce($2, color), status_text = coalesce($3, status_text)
                 where id = $4
                 returning *",
            )
            .bind(&change.display_name)
            .bind(&change.color)
            .bind(&change.status_text)
            .bind(id.0)
            .fetch_optional(&mut *connection)
            .await?;
            connection.done().await?;
            Ok(row.map(AccountRow::account))
        })
        .await
    }

    async fn set_password(&self, id: UserId, password_hash: &str) -> Result<(), StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            sqlx::query("update accounts set password_hash = $1 where id = $2").bind(password_hash).bind(id.0).execute(&mut *connection).await?;
            connection.done().await
        })
        .await
    }

    async fn change_password(&self, change: &PasswordChange) -> Result<Option<Vec<SessionId>>, StoreUnavailable> {
        self.call(async {
            let mut tx = self.write().await?;
            // The account first: a session that is just being begun with the old password holds it until it can be seen, and is ended below.
            let changed = sqlx::query("update accounts set password_hash = $1 where id = $2 and password_hash = $3")
                .bind(&change.to)
                .bind(change.user.0)
                .bind(&change.from)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if changed == 0 {
                tx.rollback().await?;
                return Ok(None);
            }
            let ended = sessions::end_others(&mut tx, change.user, change.keep).await?;
            tx.done().await?;
            Ok(Some(ended))
        })
        .await
    }

    async fn set_admin(&self, user_name: &str, is_admin: bool) -> Result<bool, StoreUnavailable> {
        if !sql::can_be_stored(user_name) {
            return Ok(false);
        }
        self.call(async {
            let mut connection = self.statement().await?;
            let changed = sqlx::query("update accounts set is_admin = $1 where user_name = $2")
                .bind(is_admin)
                .bind(sql::fold_case(user_name))
                .execute(&mut *connection)
                .await?
                .rows_affected();
            connection.done().await?;
            Ok(changed == 1)
        })
        .await
    }

    async fn admins(&self) -> Result<Vec<Account>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<AccountRow> = sqlx::query_as("select * from accounts where is_admin order by user_name").fetch_all(&mut *connection).await?;
            connection.done().await?;
            Ok(rows.into_iter().map(AccountRow::account).collect())
        })
        .await
    }
}
