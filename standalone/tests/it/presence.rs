//! Who is online: people see it of each other, over sockets and REST, wherever they are connected.

use std::time::Duration;

use parley_engines::store::{
    accounts::{Account, Accounts},
    rooms::Members,
};
use parley_proto::{RoomId, UnixMillis, UserId, wire::ServerFrame};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    client::{PATIENCE, Person, Socket},
    node::Node,
};

async fn id(person: &Person) -> UserId {
    let (_, me) = person.get("/me").await;
    me["user"]["id"].as_str().unwrap().parse().unwrap()
}

/// Ada, who sits in her room, and Bo, who joined it.
async fn two_in_a_room(node: &Node) -> (RoomId, [Person; 2], [UserId; 2]) {
    let people = [Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await];
    let room = people[0].create_room("general").await;
    people[1].join(room).await;
    let ids = [id(&people[0]).await, id(&people[1]).await];
    (room, people, ids)
}

async fn in_room(person: &Person, room: RoomId) -> Socket {
    let mut socket = person.connect().await;
    socket.subscribe(room).await;
    socket
}

fn sorted(mut ids: Vec<UserId>) -> Option<Vec<UserId>> {
    ids.sort_unstable();
    Some(ids)
}

/// Waits until the socket is told this of the room.
async fn told(socket: &mut Socket, of: RoomId, wanted: u64, who: Option<Vec<UserId>>) {
    let fits = |frame: &ServerFrame| matches!(frame, ServerFrame::Presence { room, online, users } if (*room, *online, users) == (of, wanted, &who));
    assert!(socket.wait_for(fits).await.is_some(), "closed with {:?}", socket.closed);
}

async fn until_rest_says(person: &Person, room: RoomId, wanted: &Value) {
    let begun = Instant::now();
    loop {
        let (status, said) = person.get(&format!("/rooms/{room}/presence")).await;
        assert_eq!(status, 200, "{said}");
        if said == *wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{said} and not {wanted}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn people_see_who_comes_and_who_goes() {
    let node = Node::start().await;
    let (room, [ada, bo], [a, b]) = two_in_a_room(&node).await;
    let mut here = in_room(&ada, room).await;
    told(&mut here, room, 1, sorted(vec![a])).await;
    // Bo has not opened the room: a member with a socket is online all the same.
    let there = bo.connect().await;
    told(&mut here, room, 2, sorted(vec![a, b])).await;
    until_rest_says(&bo, room, &json!({"online": 2, "users": sorted(vec![a, b])})).await;
    drop(there);
    told(&mut here, room, 1, sorted(vec![a])).await;
    let (status, _) = Person::sign_up(&node.url, "cy").await.get(&format!("/rooms/{room}/presence")).await;
    assert_eq!(status, 404, "it is for members");
}

#[tokio::test]
async fn somebody_with_sockets_at_two_gateways_is_one_and_stays_until_the_last_one_closes() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let (room, [ada, bo], [a, b]) = two_in_a_room(&node).await;
    let mut here = in_room(&ada, room).await;
    let (phone, laptop) = (bo.connect().await, bo.at(&second).connect().await);
    told(&mut here, room, 2, sorted(vec![a, b])).await;
    drop(phone);
    here.settle(Duration::from_secs(5)).await;
    assert!(!here.came(|frame| matches!(frame, ServerFrame::Presence { online: 1, .. })), "the laptop is still there");
    drop(laptop);
    told(&mut here, room, 1, sorted(vec![a])).await;
}

#[tokio::test]
async fn who_leaves_the_room_is_not_seen_there_any_more() {
    let node = Node::start().await;
    let (room, [ada, bo], [a, b]) = two_in_a_room(&node).await;
    let (mut here, _there) = (in_room(&ada, room).await, in_room(&bo, room).await);
    told(&mut here, room, 2, sorted(vec![a, b])).await;
    bo.post(&format!("/rooms/{room}/leave"), &json!({})).await;
    told(&mut here, room, 1, sorted(vec![a])).await;
}

#[tokio::test]
async fn a_bus_that_forgets_or_is_away_says_nothing_for_a_while_and_then_all_of_it_again() {
    let node = Node::start().await;
    let (room, [ada, bo], [a, b]) = two_in_a_room(&node).await;
    let (mut here, _there) = (in_room(&ada, room).await, in_room(&bo, room).await);
    told(&mut here, room, 2, sorted(vec![a, b])).await;
    node.bus.set_away(true);
    told(&mut here, room, 0, None).await;
    node.bus.empty();
    node.bus.set_away(false);
    told(&mut here, room, 2, sorted(vec![a, b])).await;
}

#[tokio::test]
async fn a_room_of_two_hundred_has_a_number_and_no_list() {
    let node = Node::start().await;
    let (room, [ada, bo], [a, b]) = two_in_a_room(&node).await;
    for number in 0..198_u128 {
        let account = Account {
            id: UserId(Uuid::from_u128(1 + number)),
            user_name: format!("extra-{number}"),
            display_name: "Extra".to_owned(),
            color: "#112233".to_owned(),
            status_text: String::new(),
            password_hash: None,
            disabled: false,
            is_admin: false,
            created_at: UnixMillis(0),
        };
        node.store.create_account(&account).await.unwrap();
        if number < 197 {
            node.store.join(room, account.id, UnixMillis(0)).await.unwrap();
        }
    }
    let (mut here, _there) = (in_room(&ada, room).await, bo.connect().await);
    told(&mut here, room, 2, sorted(vec![a, b])).await;
    node.store.join(room, UserId(Uuid::from_u128(198)), UnixMillis(0)).await.unwrap();
    // At another gateway, which has not seen the room when it was smaller.
    let mut node = node;
    let second = node.add_gateway("gateway-2").await;
    until_rest_says(&ada.at(&second), room, &json!({"online": 2})).await;
}
