//! Who takes part: accounts, a session each, and rooms with members, put into a store before the product starts. They have access tokens already:
//! a password's hashing is dear on purpose and not what is measured here.

use std::{path::Path, time::Duration};

use anyhow::{Context, anyhow};
use parley_engines::store::{
    Store,
    accounts::{Account, RefreshHash, Session},
    rooms::NewRoom,
    sqlite::SqliteStore,
};
use parley_gateway::{
    clock,
    tokens::{ACCESS_LIFETIME_MAX, Access, TokenKey, Tokens},
};
use parley_proto::{Cid, Cursor, PartitionId, RoomId, SessionId, UnixMillis, UserId, event::Visibility, wire::ClientFrame};
use tokio::runtime::Runtime;
use uuid::Uuid;

const MEMBERS_PER_STATEMENT: usize = 2_000;
/// Tokens are used within minutes of a start; sessions last for as long as anybody measures.
const SESSION: Duration = Duration::from_secs(24 * 3_600);

/// People, and the key that the product has to be started with.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) key: String,
    sessions: Vec<Access>,
    pub(crate) rooms: Vec<RoomId>,
}

/// A room to be: its partition, and its members as a range of people.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) partition: u16,
    pub(crate) members: std::ops::Range<usize>,
}

impl People {
    /// Made in the SQLite store in `folder`, which the product is started on later.
    pub(crate) fn embedded(runtime: &Runtime, folder: &Path, count: usize, rooms: &[Plan]) -> anyhow::Result<Self> {
        runtime.block_on(async {
            let store = SqliteStore::open(folder.join("store.db")).await?;
            let key = Uuid::new_v4().to_string() + &Uuid::new_v4().to_string();
            let people = Self::make(&store, key, count, rooms).await?;
            store.close().await;
            Ok(people)
        })
    }

    /// Made in this store, for a product that has this key.
    pub(crate) async fn make(store: &dyn Store, key: String, count: usize, rooms: &[Plan]) -> anyhow::Result<Self> {
        let mut people = Self { key, sessions: Vec::new(), rooms: Vec::new() };
        let now = clock::now();
        let accounts: Vec<_> = (0..count).map(|number| account(number, now)).collect();
        store.import_accounts(&accounts).await?;
        for Account { id, .. } in &accounts {
            let session = SessionId(Uuid::new_v4());
            let expires_at = UnixMillis(now.0 + i64::try_from(SESSION.as_millis())?);
            let mut hash = [0; 32];
            hash[..16].copy_from_slice(session.0.as_bytes());
            let row = Session { id: session, user: *id, created_at: now, last_seen_at: now, expires_at, ended: false, agent: String::new() };
            store.create_session(&row, RefreshHash(hash), None).await?;
            people.sessions.push(Access { user: *id, session });
        }
        for (number, Plan { partition, members }) in rooms.iter().enumerate() {
            let id = RoomId::new(PartitionId(*partition), *Uuid::new_v4().as_bytes());
            let ids: Vec<_> = accounts[members.clone()].iter().map(|account| account.id).collect();
            let owner = *ids.first().context("a room without members")?;
            let name = format!("room-{number}");
            store.create_room(&NewRoom { id, name, topic: String::new(), visibility: Visibility::Public, owner, created_at: now }).await?;
            for batch in ids[1..].chunks(MEMBERS_PER_STATEMENT) {
                store.import_members(id, batch, now).await?;
            }
            people.rooms.push(id);
        }
        Ok(people)
    }

    /// In their order.
    pub(crate) fn users(&self) -> impl Iterator<Item = UserId> {
        self.sessions.iter().map(|access| access.user)
    }

    /// A fresh access token for each of them.
    pub(crate) fn tokens(&self) -> anyhow::Result<Vec<String>> {
        let tokens = Tokens::new(&TokenKey::new(&self.key)?, None, ACCESS_LIFETIME_MAX);
        self.sessions.iter().map(|access| Ok(tokens.issue(*access, clock::now()).map_err(|refusal| anyhow!("{refusal:?}"))?.0)).collect()
    }
}

fn account(number: usize, created_at: UnixMillis) -> Account {
    Account {
        id: UserId(Uuid::new_v4()),
        user_name: format!("person-{number}"),
        display_name: format!("Person {number}"),
        color: "#336699".to_owned(),
        status_text: String::new(),
        password_hash: None,
        disabled: false,
        is_admin: false,
        created_at,
    }
}

/// A message as a client sends it; its number is its `ref` and begins its body.
pub(crate) fn send(number: u64, room: RoomId, text: &str) -> anyhow::Result<String> {
    let frame = ClientFrame::Send { reference: number, room, cid: Cid(Uuid::new_v4()), base: Cursor::ZERO, body: format!("~{number}~ {text}"), retry: false };
    Ok(serde_json::to_string(&frame)?)
}
