//! Accounts in SQLite.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};
use serde_json::json;

use super::{BATCH_DEADLINE, SqliteStore, call, sessions, sql, within};
use crate::store::{
    StoreUnavailable,
    accounts::{Account, AccountCreated, Accounts, PasswordChange, ProfileChange},
};

#[derive(sqlx::FromRow)]
pub(super) struct AccountRow {
    id: Vec<u8>,
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
    pub(super) fn account(self) -> Result<Account, sqlx::Error> {
        Ok(Account {
            id: UserId(sql::uuid(&self.id)?),
            user_name: self.user_name,
            display_name: self.display_name,
            color: self.color,
            status_text: self.status_text,
            password_hash: self.password_hash,
            disabled: self.disabled,
            is_admin: self.is_admin,
            created_at: UnixMillis(self.created_at),
        })
    }
}

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_account(&self, account: &Account) -> Result<AccountCreated, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let created = sqlx::query(
                "insert into accounts (id, user_name, display_name, color, status_text, password_hash, disabled, is_admin, created_at)
                 values (?, ?, ?, ?, ?, ?, ?, ?, ?)
                 on conflict (user_name) do nothing",
            )
            .bind(sql::blob(account.id.0))
            .bind(sql::fold_case(&account.user_name))
            .bind(account.display_name.clone())
            .bind(account.color.clone())
            .bind(account.status_text.clone())
            .bind(account.password_hash.clone())
            .bind(account.disabled)
            .bind(account.is_admin)
            .bind(account.created_at.0)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(if created == 1 { AccountCreated::Created } else { AccountCreated::NameTaken })
        })
        .await
    }

    async fn import_accounts(&self, accounts: &[Account]) -> Result<usize, StoreUnavailable> {
        let rows: Vec<_> = accounts
            .iter()
            .map(|account| {
                json!([
                    sql::hex_id(account.id.0),
                    sql::fold_case(&account.user_name),
                    account.display_name,
                    account.color,
                    account.status_text,
                    account.password_hash,
                    i32::from(account.disabled),
                    account.created_at.0,
                ])
            })
            .collect();
        within(BATCH_DEADLINE, async {
            let mut tx = self.write().await?;
            let created = sqlx::query(
                "insert into accounts (id, user_name, display_name, color, status_text, password_hash, disabled, created_at)
                 select unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
                 from json_each(?)
                 where true
                 on conflict do nothing",
            )
            .bind(serde_json::Value::from(rows).to_string())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(usize::try_from(created).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn account_by_name(&self, user_name: &str) -> Result<Option<Account>, StoreUnavailable> {
        call(async {
            let row: Option<AccountRow> =
                sqlx::query_as("select * from accounts where user_name = ?").bind(sql::fold_case(user_name)).fetch_optional(&self.readers).await?;
            row.map(AccountRow::account).transpose()
        })
        .await
    }

    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreUnavailable> {
        call(async {
            let rows: Vec<AccountRow> = sqlx::query_as("select * from accounts where id in (select unhex(value) from json_each(?))")
                .bind(sql::id_list(ids.iter().map(|id| id.0)))
                .fetch_all(&self.readers)
                .await?;
            rows.into_iter().map(AccountRow::account).collect()
        })
        .await
    }

    async fn update_profile(&self, id: UserId, change: &ProfileChange) -> Result<Option<Account>, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let row: Option<AccountRow> = sqlx::query_as(
                "update accounts
                 set display_name = coalesce(?, display_name), color = coalesce(?, color), status_text = coalesce(?, status_text)
                 where id = ?
                 returning *",
            )
            .bind(change.display_name.clone())
            .bind(change.color.clone())
            .bind(change.status_text.clone())
            .bind(sql::blob(id.0))
            .fetch_optional(&mut *tx)
            .await?;
            tx.commit().await?;
            row.map(AccountRow::account).transpose()
        })
        .await
    }

    async fn set_password(&self, id: UserId, password_hash: &str) -> Result<(), StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            sqlx::query("update accounts set password_hash = ? where id = ?").bind(password_hash.to_owned()).bind(sql::blob(id.0)).execute(&mut *tx).await?;
            tx.commit().await
        })
        .await
    }

    async fn change_password(&self, change: &PasswordChange) -> Result<Option<Vec<SessionId>>, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let changed = sqlx::query("update accounts set password_hash = ? where id = ? and password_hash = ?")
                .bind(change.to.clone())
                .bind(sql::blob(change.user.0))
                .bind(change.from.clone())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(None);
            }
            let ended = sessions::end_others(&mut tx, change.user, change.keep).await?;
            tx.commit().await?;
            Ok(Some(ended))
        })
        .await
    }

    async fn set_admin(&self, user_name: &str, is_admin: bool) -> Result<bool, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let changed = sqlx::query("update accounts set is_admin = ? where user_name = ?")
                .bind(is_admin)
                .bind(sql::fold_case(user_name))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            tx.commit().await?;
            Ok(changed == 1)
        })
        .await
    }

    async fn admins(&self) -> Result<Vec<Account>, StoreUnavailable> {
        call(async {
            let rows: Vec<AccountRow> = sqlx::query_as("select * from accounts where is_admin = 1 order by user_name").fetch_all(&self.readers).await?;
            rows.into_iter().map(AccountRow::account).collect()
        })
        .await
    }
}
