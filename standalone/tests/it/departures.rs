//! A membership that ends without anybody being told of it: the room's own order says so (PROTOCOL.md, section 9).

use std::{collections::HashSet, time::Duration};

use parley_engines::store::rooms::Members;
use parley_proto::{ErrorCode, RoomId, UnixMillis, UserId, item::ItemKind, wire::ServerFrame};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Answer, Person, Socket},
    node::Node,
    talkers::talkers,
};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

async fn id_of(person: &Person) -> UserId {
    serde_json::from_value(person.get("/me").await.1["user"]["id"].clone()).unwrap()
}

fn lines(socket: &Socket, room: RoomId) -> usize {
    socket.views[&room].rows.values().filter(|item| item.kind == ItemKind::System).count()
}

/// Reads until the room has this many lines of what happened in it.
async fn until_lines(socket: &mut Socket, room: RoomId, count: usize) {
    while lines(socket, room) < count {
        let told = socket.wait_for(|frame| matches!(frame, ServerFrame::Frames { .. })).await;
        assert!(told.is_some(), "only {} of {count} lines came", lines(socket, room));
    }
}

/// Ada and Bo, who was shown that the room was made, that he joined it, and what Ada said.
async fn talked(node: &Node) -> (RoomId, Socket, Person, Socket) {
    let (room, _ada, mut a, bo, mut b) = talkers(&node.url).await;
    a.send(room, "before").await;
    b.until(room, 1).await;
    until_lines(&mut a, room, 2).await;
    until_lines(&mut b, room, 2).await;
    (room, a, bo, b)
}

/// He leaves, no gateway is told, and Ada goes on talking after the line that says so.
async fn leaves_untold(node: &Node, room: RoomId, bo: &Person, a: &mut Socket) {
    node.store.leave(room, id_of(bo).await, NOW).await.unwrap();
    until_lines(a, room, 3).await;
    for _ in 0..20 {
        assert!(matches!(a.send(room, "after").await, Answer::Ack { .. }));
    }
}

/// The room is said to be over, and whatever else comes has come.
async fn until_over(b: &mut Socket) {
    let told = b.wait_for(|frame| matches!(frame, ServerFrame::Unsubscribed { .. })).await;
    assert!(matches!(told, Some(ServerFrame::Unsubscribed { code: Some(ErrorCode::NotFound), .. })), "{told:?}");
    b.settle(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn nothing_above_the_line_that_says_so_reaches_who_left_though_no_gateway_was_told() {
    let node = Node::start().await;
    let (room, mut a, bo, mut b) = talked(&node).await;

    leaves_untold(&node, room, &bo, &mut a).await;
    until_over(&mut b).await;
    assert_eq!((b.views[&room].texts(), lines(&b, room)), (vec!["before".to_owned()], 3), "their own leaving is the last that they are shown");
}

#[tokio::test]
async fn who_left_while_away_is_shown_nothing_above_it_when_they_come_back() {
    let node = Node::start().await;
    let (room, mut a, bo, mut b) = talked(&node).await;
    b.write_message(Message::Close(None)).await;
    b.until_closed().await;

    // The gateway counts on what the store said a moment ago: no revocation reaches it.
    leaves_untold(&node, room, &bo, &mut a).await;
    let mut b = bo.resume(b).await;
    until_over(&mut b).await;
    assert_eq!(b.views[&room].texts(), ["before"]);
}

#[tokio::test]
async fn who_came_back_before_the_log_knew_of_their_leaving_receives_everything() {
    let mut node = Node::start().await;
    let (ada, bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut a = ada.connect().await;
    a.subscribe(room).await;
    until_lines(&mut a, room, 2).await;

    // What the persister tells the log comes late.
    node.stop_persister().await;
    assert_eq!(bo.post(&format!("/rooms/{room}/leave"), &json!({})).await.0, 204);
    bo.join(room).await;
    let mut b = bo.connect().await;
    b.subscribe(room).await;
    node.start_persister().await;
    until_lines(&mut a, room, 4).await;
    let said: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
    for body in &said {
        assert!(matches!(a.send(room, body).await, Answer::Ack { .. }));
    }
    b.until(room, said.len()).await;
    assert_eq!(b.views[&room].texts(), said);
    assert_eq!(lines(&b, room), lines(&a, room), "their leaving and their coming back as well");
    let ids: HashSet<_> = b.views[&room].rows.values().map(|item| item.id).collect();
    assert_eq!(ids.len(), b.views[&room].rows.len());
}
