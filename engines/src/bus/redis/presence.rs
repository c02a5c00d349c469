//! Who is online where, on Redis: a set per room and gateway, `pres:<room>:<gateway>`, of which only those of living gateways count.

use std::sync::LazyLock;

use async_trait::async_trait;
use parley_proto::{RoomId, UserId};
use redis::Script;

use super::{RedisBus, keys, millis, parsed};
use crate::bus::{BusPresence, BusUnavailable, Online, PLACES_TTL, PRESENCE_EXACT};

static APPEAR: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("appear.lua")));
static PRESENCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("presence.lua")));

#[async_trait]
impl BusPresence for RedisBus {
    async fn appear(&self, room: RoomId, holder: &str, come: &[UserId], gone: &[UserId]) -> Result<(), BusUnavailable> {
        let mut call = APPEAR.key(keys::present_at(room, holder));
        call.arg(millis(PLACES_TTL)).arg(come.len());
        for user in come.iter().chain(gone) {
            call.arg(user.to_string());
        }
        self.commands.run(&call).await
    }

    async fn online(&self, room: RoomId, most: usize) -> Result<Online, BusUnavailable> {
        let mut call = PRESENCE.key(keys::HOLDERS);
        call.arg(keys::present_at(room, "")).arg(PRESENCE_EXACT).arg(most);
        let reply: Vec<String> = self.commands.run(&call).await?;
        let [count, users @ ..] = &reply[..] else { return Ok(Online::default()) };
        let mut users = users.iter().map(|user| parsed(user)).collect::<Result<Vec<UserId>, _>>()?;
        users.sort_unstable();
        Ok(Online { count: parsed(count)?, users })
    }
}
