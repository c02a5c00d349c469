//! What stands between one process and the store's tables.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parley_engines::store::{
    StoreUnavailable,
    memory::{Gate, MemoryStore},
};
use parley_proto::{Kind, Record};

use crate::{
    dice::{Dice, take},
    process::Process,
    world::World,
};

/// A call gives up on a store that is away after this, or at once.
const CALL_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct StoreGate {
    world: Arc<World>,
    process: Process,
    dice: Dice,
}

/// The store as this process sees it.
pub(crate) fn store(world: &Arc<World>, process: &Process) -> MemoryStore {
    let dice = Dice::new(world.seed, &format!("store {} {}", process.name, world.elapsed().as_millis()));
    world.store.through(Arc::new(StoreGate { world: Arc::clone(world), process: process.clone(), dice }))
}

#[async_trait]
impl Gate for StoreGate {
    async fn before(&self) -> Result<(), StoreUnavailable> {
        self.process.runs().await;
        take(self.dice.latency()).await;
        if self.world.is(|weather| weather.store_slow) {
            take(self.dice.millis(20..1_500)).await;
        }
        let away = self.world.is(|weather| weather.store_away);
        if away && self.dice.chance(0.5) {
            take(CALL_DEADLINE).await;
        }
        self.process.runs().await;
        if away { Err(StoreUnavailable("it is away".to_owned())) } else { Ok(()) }
    }

    async fn after(&self) -> Result<(), StoreUnavailable> {
        self.process.dies_if_doomed();
        take(self.dice.latency()).await;
        self.process.runs().await;
        let lost = self.world.is(|weather| weather.store_answers_lost) && self.dice.chance(0.3);
        if lost { Err(StoreUnavailable("the answer was lost".to_owned())) } else { Ok(()) }
    }

    fn refuses(&self, record: &Record) -> bool {
        let draw = || self.world.is(|weather| weather.store_refuses) && self.dice.chance(0.2);
        record.kind == Kind::Message && self.world.refuses(record.id(), draw)
    }
}
