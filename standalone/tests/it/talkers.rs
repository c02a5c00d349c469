//! Two people in a room, each of whom receives it.

use parley_proto::RoomId;

use crate::client::{Person, Socket};

pub(crate) async fn talkers(url: &str) -> (RoomId, Person, Socket, Person, Socket) {
    let (ada, bo) = (Person::sign_up(url, "ada").await, Person::sign_up(url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.connect().await, bo.connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    (room, ada, a, bo, b)
}
