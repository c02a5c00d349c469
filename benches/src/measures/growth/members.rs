//! Members of one room: from ten to 9 500, with the whole product in one process as in `delivery`. A message's own way is paid by all its deliveries
//! together, so that few members pay more of it each; what grows with the members themselves shows from 1 000 on.

use std::{path::PathBuf, time::Duration};

use anyhow::bail;

use crate::{
    child::{Child, Under},
    cpu,
    crowd::{Crowd, Entrance},
    measures::Context,
    people::{People, Plan},
    report::{Aim, Measured, Rows},
    talk::Talk,
};

/// A room of a size. In small ones nobody speaks more often than one person may; in the largest, messages are enough for its idle sockets not to count much.
#[derive(Debug, Clone, Copy)]
struct Shape {
    members: usize,
    per_second: u64,
}

const FULL: [Shape; 3] = [Shape { members: 10, per_second: 80 }, Shape { members: 1_000, per_second: 20 }, Shape { members: 9_500, per_second: 4 }];
const SMALL: [Shape; 3] = [Shape { members: 10, per_second: 80 }, Shape { members: 50, per_second: 20 }, Shape { members: 200, per_second: 10 }];

/// A room of this size in a store of its own.
struct Prepared {
    shape: Shape,
    folder: PathBuf,
    people: People,
}

/// One process with one room.
struct Room {
    shape: Shape,
    _server: Child,
    talk: Talk,
    /// Microseconds of each round.
    micros: Vec<f64>,
}

pub(in crate::measures) fn run(context: &Context) -> anyhow::Result<Measured> {
    let (rounds, time) = (context.scale.of(7, 2), Duration::from_secs(context.scale.of(8, 2)));
    let _apart = cpu::Apart::new()?;
    let mut rows = Rows::default();
    // Nobody sits on a socket that is not listened to while others are made, and the largest room is entered first.
    let mut prepared = Vec::new();
    for shape in context.scale.of(FULL, SMALL) {
        prepared.push(Prepared::make(context, shape)?);
    }
    let mut rooms: Vec<Room> = Vec::new();
    for next in prepared.into_iter().rev() {
        let opened = next.open(&mut crowds(&mut rooms))?;
        rooms.push(opened);
    }
    rooms.reverse();
    for _ in 0..rounds {
        round(&mut rooms, time, &mut rows)?;
    }
    let [few, many, most] = &rooms[..] else { bail!("there are three sizes") };
    for (smaller, larger, aim) in [(few, most, Some(Aim::AtMost(1.3, 1.3))), (many, most, None)] {
        let name = format!("{} members ÷ {} members", larger.shape.members, smaller.shape.members);
        rows.add(name, "", aim, larger.micros.iter().zip(&smaller.micros).map(|(larger, smaller)| larger / smaller));
    }
    for Room { shape, micros, .. } in &rooms {
        rows.add(format!("{} members, {} messages/s", shape.members, shape.per_second), "µs", None, micros.iter().copied());
    }
    Ok(rows.measured())
}

/// All sizes in turn; a round counts if it does in each.
fn round(rooms: &mut [Room], time: Duration, rows: &mut Rows) -> anyhow::Result<()> {
    let mut micros = Vec::new();
    for number in 0..rooms.len() {
        let (before, rest) = rooms.split_at_mut(number);
        let [room, after @ ..] = rest else { break };
        let Shape { members, per_second } = room.shape;
        let mut waiting = crowds(before);
        waiting.extend(crowds(after));
        match room.talk.round(per_second, time, &mut waiting)? {
            Ok(round) => micros.push(round.all_micros()),
            Err(why) => rows.void(format!("{members} members: {why}")),
        }
    }
    if micros.len() == rooms.len() {
        rooms.iter_mut().zip(micros).for_each(|(room, micros)| room.micros.push(micros));
    }
    Ok(())
}

fn crowds(rooms: &mut [Room]) -> Vec<&mut Crowd> {
    rooms.iter_mut().map(|room| &mut room.talk.crowd).collect()
}

impl Prepared {
    fn make(context: &Context, shape: Shape) -> anyhow::Result<Self> {
        let folder = context.folder.join(format!("members-{}", shape.members));
        std::fs::create_dir_all(&folder)?;
        let people = People::embedded(&context.runtime, &folder, shape.members, &[Plan { partition: 3, members: 0..shape.members }])?;
        Ok(Self { shape, folder, people })
    }

    /// Those who are in their rooms already answer pings meanwhile.
    fn open(self, waiting: &mut [&mut Crowd]) -> anyhow::Result<Room> {
        let Self { shape, folder, people } = self;
        let server = Child::parley(&folder, &[("PARLEY_TOKEN_KEY", people.key.clone())], &Under::default())?;
        let mut crowd = Crowd::new()?;
        let entrance = |token| Entrance { token: Some(token), rooms: people.rooms.clone() };
        crowd.enter(server.addr, &people.tokens()?.into_iter().map(entrance).collect::<Vec<_>>())?;
        waiting.iter_mut().try_for_each(|crowd| crowd.catch_up())?;
        let mut talk = Talk::ours(crowd, vec![server.pid()], vec![(people.rooms[0], 0..shape.members)])?;
        talk.warm(shape.per_second, waiting)?;
        Ok(Room { shape, _server: server, talk, micros: Vec::new() })
    }
}
