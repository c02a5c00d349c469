//! Somebody else's private room, by its id, in every verb of the socket and on every address: the answer is the one of a room that there is not, and nobody
//! inside notices.

use std::time::Duration;

use parley_proto::{
    Cid, Cursor, MessageId, Position, RoomId,
    item::ItemKind,
    wire::{ClientFrame, ServerFrame, VoteValue},
};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{Answer, Person, Socket},
    node::Node,
};

/// A private room with a message in it, and its owner.
struct Inside {
    room: RoomId,
    message: MessageId,
    owner: Person,
    socket: Socket,
}

async fn inside(url: &str) -> Inside {
    let owner = Person::sign_up(url, "owner").await;
    let (status, room) = owner.post("/rooms", &json!({"name": "secret plans", "topic": "secret", "visibility": "private"})).await;
    assert_eq!(status, 201, "{room}");
    let room = room["id"].as_str().unwrap().parse().unwrap();
    let mut socket = owner.connect().await;
    socket.subscribe(room).await;
    let Answer::Ack { id, .. } = socket.send(room, "secret").await else { panic!("not acked") };
    socket.until(room, 1).await;
    Inside { room, message: id, owner, socket }
}

impl Inside {
    /// Nobody came, nothing was said, nobody voted; and the talk goes on.
    async fn is_as_before(&mut self) {
        self.socket.settle(Duration::from_millis(300)).await;
        assert!(matches!(self.socket.send(self.room, "and on").await, Answer::Ack { .. }));
        assert_eq!(self.socket.until(self.room, 2).await, ["secret", "and on"]);
        assert_eq!(self.socket.views[&self.room].seen(self.message), (0, 0, 0));
        let system = self.socket.views[&self.room].rows.values().filter(|item| item.kind == ItemKind::System).count();
        assert_eq!(system, 1, "its beginning alone");
        let (_, members) = self.owner.get(&format!("/rooms/{}/members", self.room)).await;
        assert_eq!(members["items"].as_array().unwrap().len(), 1);
        let (_, votes) = self.owner.get(&format!("/rooms/{}/messages/{}/votes", self.room, self.message)).await;
        assert_eq!(votes["items"], json!([]));
    }
}

/// Every frame that names a room. A new verb that does is to be added here.
fn frames(room: RoomId, message: MessageId, reference: u64, cid: Cid) -> Vec<ClientFrame> {
    let base = Cursor::ZERO;
    let history = |before, after, around| ClientFrame::History { reference, room, limit: None, before, after, around };
    let send = |retry| ClientFrame::Send { reference, room, cid, base, body: "let me in".to_owned(), retry };
    let vote = |retry| ClientFrame::Vote { reference, room, cid, base, target: message, value: VoteValue::UP, retry };
    let all = vec![
        ClientFrame::Subscribe { reference, room, limit: None },
        ClientFrame::Unsubscribe { reference, room },
        send(false),
        send(true),
        vote(false),
        vote(true),
        ClientFrame::Drop { reference, room, cid, base },
        ClientFrame::Read { reference, room, seq: 1, back: false },
        ClientFrame::Read { reference, room, seq: 1, back: true },
        history(Some(Position(1_000)), None, None),
        history(None, Some(Position(0)), None),
        history(None, None, Some(message)),
    ];
    for frame in &all {
        match frame {
            ClientFrame::Hello { .. }
            | ClientFrame::Subscribe { .. }
            | ClientFrame::Unsubscribe { .. }
            | ClientFrame::Send { .. }
            | ClientFrame::Vote { .. }
            | ClientFrame::Drop { .. }
            | ClientFrame::Read { .. }
            | ClientFrame::History { .. } => {}
        }
    }
    all
}

/// The answer without what is the asker's own: room, cid and the id that is made of both.
async fn answer(socket: &mut Socket, frame: &ClientFrame) -> Value {
    let wanted = frame.reference();
    socket.write(frame).await;
    let answer = socket.wait_for(|frame| match frame {
        ServerFrame::Ack { reference, .. } | ServerFrame::Rejected { reference, .. } | ServerFrame::Unknown { reference, .. } => *reference == wanted,
        ServerFrame::Subscribed { reference, .. } | ServerFrame::Page { reference, .. } => *reference == wanted,
        ServerFrame::Unsubscribed { reference, .. } | ServerFrame::Error { reference, .. } => *reference == Some(wanted),
        _ => false,
    });
    let mut answer = serde_json::to_value(answer.await.expect("the socket stays open")).unwrap();
    for field in ["ref", "room", "cid"] {
        answer.as_object_mut().unwrap().remove(field);
    }
    answer
}

#[tokio::test]
async fn every_verb_of_the_socket_answers_as_for_a_missing_room() {
    let node = Node::start().await;
    let mut inside = inside(&node.url).await;
    let stranger = Person::sign_up(&node.url, "stranger").await;
    let mut socket = stranger.connect().await;
    let missing = RoomId::new(inside.room.partition(), rand::random());
    let count = frames(missing, inside.message, 0, Cid::NIL).len();
    for verb in 0..count {
        let mut ask = async |room: RoomId, message: MessageId| {
            let (reference, cid) = (socket.reference(), Cid(Uuid::new_v4()));
            let frame = &frames(room, message, reference, cid)[verb];
            (answer(&mut socket, frame).await, frame.clone())
        };
        let (of_private, frame) = ask(inside.room, inside.message).await;
        let (of_missing, _) = ask(missing, MessageId(Uuid::new_v4())).await;
        println!("{frame:?}: {of_private}");
        assert_eq!(of_private, of_missing, "{frame:?}");
        assert!(!["ack", "subscribed", "page"].contains(&of_private["type"].as_str().unwrap()), "{frame:?}: {of_private}");
        let text = of_private.to_string();
        assert!(!text.contains("secret") && !text.contains("forbidden"), "{text}");
    }
    socket.settle(Duration::from_millis(300)).await;
    let told = |frame: &ServerFrame| serde_json::to_value(frame).unwrap()["room"] == json!(inside.room);
    assert!(!socket.came(told), "nothing of the room follows");
    inside.is_as_before().await;
}

#[tokio::test]
async fn every_address_answers_as_for_a_missing_room() {
    let node = Node::start().await;
    let mut inside = inside(&node.url).await;
    let stranger = Person::sign_up(&node.url, "stranger").await;
    let missing = (RoomId::new(inside.room.partition(), rand::random()), MessageId(Uuid::new_v4()));
    let cid = Uuid::new_v4();
    let send = |retry: bool| Some(json!({"cid": cid, "body": "let me in", "retry": retry}));
    let vote = |retry: bool| Some(json!({"cid": cid, "value": 1, "retry": retry}));
    let asked = [
        (Method::GET, "", None),
        (Method::POST, "/join", Some(json!({}))),
        (Method::POST, "/leave", Some(json!({}))),
        (Method::GET, "/members", None),
        (Method::GET, "/members?limit=1", None),
        (Method::GET, "/presence", None),
        (Method::GET, "/messages", None),
        (Method::GET, "/messages?around=MESSAGE", None),
        (Method::POST, "/messages", send(false)),
        (Method::POST, "/messages", send(true)),
        (Method::PUT, "/messages/MESSAGE/vote", vote(false)),
        (Method::PUT, "/messages/MESSAGE/vote", vote(true)),
        (Method::GET, "/messages/MESSAGE/votes", None),
        (Method::PUT, "/read", Some(json!({"seq": 1}))),
        (Method::PUT, "/read", Some(json!({"seq": 0, "back": true}))),
        (Method::GET, "/top", None),
        (Method::GET, "/top?period=week&limit=5", None),
        // Also what is wrong with the request is not said of a room that one may not know of.
        (Method::GET, "/messages?limit=-1", None),
        (Method::GET, "/members?cursor=nonsense", None),
        (Method::DELETE, "", None),
    ];
    for (method, path, body) in asked {
        let ask = async |room: RoomId, message: MessageId| {
            let url = format!("{}/api/v1/rooms/{room}{}", node.url, path.replace("MESSAGE", &message.to_string()));
            let mut request = stranger.http.request(method.clone(), url).bearer_auth(&stranger.access_token);
            if let Some(body) = &body {
                request = request.json(body);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let headers: Vec<_> = answer.headers().iter().filter(|(name, _)| *name != "date").map(|(name, value)| (name.to_string(), value.clone())).collect();
            (status, headers, answer.text().await.unwrap())
        };
        let (of_private, of_missing) = (ask(inside.room, inside.message).await, ask(missing.0, missing.1).await);
        println!("{method} {path}: {} {}", of_private.0, of_private.2);
        assert_eq!(of_private, of_missing, "{method} {path}");
        assert!(of_private.0 >= 400 && of_private.0 < 500, "{method} {path}: {}", of_private.0);
        assert!(!of_private.2.contains("secret"), "{}", of_private.2);
    }
    // Neither is it in what lists rooms.
    for path in ["/rooms", "/rooms/directory", "/rooms/directory?q=secret"] {
        assert!(!stranger.get(path).await.1.to_string().contains(&inside.room.to_string()), "{path}");
    }
    inside.is_as_before().await;
}
