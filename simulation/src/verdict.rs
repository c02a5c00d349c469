//! What there has to be before a run begins, and whether all is well at its end.

use std::{collections::BTreeMap, sync::Arc};

use parley_engines::store::{
    accounts::{Account, Accounts, RefreshHash, Session, Sessions},
    memory::MemoryStore,
    projection::{Partitions, Projection},
    rooms::{Members, NewRoom, Rooms},
    timeline::{RowsAt, Timeline},
};
use parley_proto::{Cursor, MessageId, PartitionId, RoomId, UnixMillis, event::Visibility, item::ItemKind};

use crate::{
    client::{Client, outbox::Fate, session, user},
    world::World,
};

/// More than a run has.
const ALL: usize = 1_000_000;

/// Accounts, sessions and rooms of which all are members.
pub(crate) async fn furnish(world: &World, clients: usize) {
    let store = &world.store;
    let now = parley_gateway::clock::now();
    let users: Vec<_> = (0..clients).map(user).collect();
    for number in 0..clients {
        let _ = store.create_account(&account(number, now)).await;
        let expires_at = UnixMillis(now.0 + 86_400_000);
        let session = Session { id: session(number), user: user(number), created_at: now, last_seen_at: now, expires_at, ended: false, agent: String::new() };
        let _ = store.create_session(&session, RefreshHash([u8::try_from(number).unwrap_or(0); 32]), None).await;
    }
    for room in &world.rooms {
        let new = NewRoom { id: *room, name: format!("room {room}"), topic: String::new(), visibility: Visibility::Public, owner: user(0), created_at: now };
        let _ = store.create_room(&new).await;
        let _ = store.import_members(*room, &users, now).await;
    }
}

fn account(number: usize, now: UnixMillis) -> Account {
    Account {
        id: user(number),
        user_name: format!("client-{number}"),
        display_name: format!("Client {number}"),
        color: "#808080".to_owned(),
        status_text: String::new(),
        password_hash: None,
        disabled: false,
        is_admin: false,
        created_at: now,
    }
}

/// Whether the store has all of the log, and the log all of the outbox.
pub(crate) async fn is_stored(world: &World) -> bool {
    let outbox = world.store.outbox_partitions().await.is_ok_and(|partitions| partitions.is_empty());
    let states = world.store.partitions().await.unwrap_or_default();
    outbox && (0..world.log.count()).all(|partition| states.iter().any(|state| state.partition.0 == partition && state.next == world.log.end(state.partition)))
}

/// Everything is quiet: log, store, and what people see have to agree.
pub(crate) async fn judge(world: &Arc<World>, clients: &[Client]) {
    for partition in (0..world.log.count()).map(PartitionId) {
        conservation(world, partition).await;
    }
    for room in &world.rooms {
        rows(world, &world.store, *room).await;
    }
    tallies(world, &world.store).await;
    for client in clients {
        fates(world, client);
        for (room, view) in &client.views {
            view.settled(world, *room, client.user, &format!("client-{}", client.number));
        }
    }
}

async fn conservation(world: &World, partition: PartitionId) {
    let states = world.store.partitions().await.unwrap_or_default();
    let Some(state) = states.iter().find(|state| state.partition == partition) else {
        return world.violated("G16", format!("partition {partition} has no row"));
    };
    let end = world.log.end(partition);
    if state.next != end || state.outcomes.consumed() != end.0 {
        world.violated("G16", format!("partition {partition}: the log has {end} records, the store is at {} and counts {:?}", state.next, state.outcomes));
    }
}

async fn rows(world: &World, store: &MemoryStore, room: RoomId) {
    let Ok(snapshot) = store.rows(room, RowsAt::From(Cursor::ZERO), ALL).await else { return };
    let stored: BTreeMap<_, _> = snapshot.value.items.iter().map(|item| (item.position, item)).collect();
    let mut seq = 0;
    let lines = world.truth().rows(room, Cursor::ZERO, Cursor::LIMIT);
    for (position, row) in lines {
        let (refused, row) = (world.was_refused(row.id), world.truth().current(&row));
        let found = stored.get(&position);
        match found {
            None if !refused => world.violated("G1", format!("the store lacks {position} {row:?}")),
            Some(_) if refused => world.violated("G4", format!("the store has {position}, which it refused")),
            Some(item) if item.id != row.id || item.cid != row.cid || item.sender != row.sender || row.body.as_deref() != item.body.as_str() => {
                world.violated("G12", format!("the store has {item:?} at {position}, the log {row:?}"));
            }
            _ => {}
        }
        if let Some(item) = found.filter(|item| item.kind == ItemKind::Message) {
            seq += 1;
            if item.seq != Some(seq) {
                world.violated("G4", format!("{position} has number {:?} instead of {seq}", item.seq));
            }
        }
    }
    let expected = world.truth().rows(room, Cursor::ZERO, Cursor::LIMIT).len();
    let refused = world.truth().rows(room, Cursor::ZERO, Cursor::LIMIT).iter().filter(|(_, row)| world.was_refused(row.id)).count();
    if stored.len() != expected - refused {
        world.violated("G4", format!("the store has {} rows of {room}, the log {expected}, {refused} of them refused", stored.len()));
    }
}

async fn tallies(world: &World, store: &MemoryStore) {
    let targets: Vec<MessageId> = world.truth().targets().filter(|target| !world.was_refused(*target)).collect();
    for target in targets {
        let (up, down) = world.truth().tally(target, Cursor::LIMIT);
        let stored = store.tally(target).await.unwrap_or_default();
        if stored != (up.cast_signed() - down.cast_signed(), up + down) {
            world.violated("G7", format!("the store counts {stored:?} on {target}, the log says {up} up and {down} down"));
        }
    }
}

/// What people were told is what became of it.
fn fates(world: &World, client: &Client) {
    for (id, (entry, fate)) in &client.outbox.done {
        let first = world.truth().first(*id);
        let honest = match fate {
            Fate::Acked | Fate::Seen => first.is_some_and(|(_, kind)| kind != parley_proto::Kind::Cancel),
            Fate::Rejected => first.is_none(),
            Fate::Cancelled => first.is_some_and(|(_, kind)| kind == parley_proto::Kind::Cancel),
            Fate::Unknown => true,
        };
        if !honest {
            world.violated("G2", format!("client-{}: {:?} of {entry:?}, the log has {first:?}", client.number, fate));
        }
    }
}

/// How much a run had.
pub(crate) fn figures(world: &World) -> String {
    let records: u64 = (0..world.log.count()).map(|partition| world.log.end(PartitionId(partition)).0).sum();
    format!("{records} records, {} duplicates, {} s", world.truth().duplicates, world.elapsed().as_secs())
}
