//! What one person or address may do, over real sockets and REST, at several gateways: whoever does too much is told when to come again, and nobody else
//! notices.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures::StreamExt;
use parley_engines::bus::rate::Rate;
use parley_gateway::limits::LimitsConfig;
use parley_proto::{
    Cid, ErrorCode, RoomId,
    wire::{ClientFrame, ServerFrame, VoteValue},
};
use serde_json::json;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue};
use uuid::Uuid;

use crate::{
    client::{Answer, Person, Socket},
    node::Node,
};

const SLOW: Duration = Duration::from_secs(600);

/// The defaults, but a token comes back in ten minutes: what is counted does not depend on how fast the machine is.
fn slow() -> LimitsConfig {
    let defaults = LimitsConfig::default();
    let slow = |rate: Rate| Rate::new(1, SLOW, rate.burst());
    LimitsConfig { sends: slow(defaults.sends), votes: slow(defaults.votes), reads: slow(defaults.reads), connects: slow(defaults.connects), ..defaults }
}

async fn person_in_a_room(url: &str) -> (Person, RoomId, Socket) {
    let ada = Person::sign_up(url, "ada").await;
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    (ada, room, socket)
}

/// The answer's code and when to come again.
async fn refused(socket: &mut Socket, frame: ClientFrame) -> (ErrorCode, Option<u64>) {
    let wanted = frame.reference();
    socket.write(&frame).await;
    let answer = socket.wait_for(|frame| match frame {
        ServerFrame::Rejected { reference, .. } | ServerFrame::Ack { reference, .. } | ServerFrame::Unknown { reference, .. } => *reference == wanted,
        ServerFrame::Error { reference, .. } => *reference == Some(wanted),
        _ => false,
    });
    match answer.await {
        Some(ServerFrame::Rejected { code, retry_after_ms, .. } | ServerFrame::Error { code, retry_after_ms, .. }) => (code, retry_after_ms),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_outcome_holds_back_what_follows_unless_the_log_has_it() {
    let node = Node::with_limits(slow()).await;
    let (_, room, mut socket) = person_in_a_room(&node.url).await;
    let (cid, base) = (Cid(Uuid::new_v4()), socket.base(room));
    let Answer::Ack { id, .. } = socket.send_as(room, cid, base, "first", false).await else { panic!("not acked") };
    for number in 1..20 {
        assert!(matches!(socket.send(room, &number.to_string()).await, Answer::Ack { .. }), "{number}");
    }
    // Above the limit a retry's outcome stays unknown. A client that is shown the message does not ask again.
    assert_eq!(socket.send_as(room, cid, base, "first", true).await, Answer::Unknown);
    assert!(matches!(socket.vote(room, id, 1).await, Answer::Ack { .. }), "the log has what held it back");

    assert_eq!(socket.send_as(room, Cid(Uuid::new_v4()), base, "never said", true).await, Answer::Unknown);
    let held = Answer::Rejected { code: ErrorCode::OrderHold, is_final: false };
    assert_eq!(socket.vote(room, id, -1).await, held, "the log does not have it");
    assert_eq!(socket.vote(room, id, -1).await, held);
}

#[tokio::test]
async fn twenty_sends_at_once_and_the_next_is_told_when() {
    let node = Node::with_limits(slow()).await;
    let (ada, room, mut socket) = person_in_a_room(&node.url).await;
    for number in 0..20 {
        assert!(matches!(socket.send(room, &number.to_string()).await, Answer::Ack { .. }), "{number}");
    }
    let (reference, base, cid) = (socket.reference(), socket.base(room), Cid(Uuid::new_v4()));
    let (code, wait) = refused(&mut socket, ClientFrame::Send { reference, room, cid, base, body: "one more".to_owned(), retry: false }).await;
    assert_eq!(code, ErrorCode::RateLimited);
    assert!(wait.is_some_and(|wait| wait > 500_000 && wait <= 600_000), "{wait:?}");
    assert_eq!(socket.send_as(room, cid, base, "one more", true).await, Answer::Unknown, "a retry is never refused, and not appended either");
    let (status, problem) = ada.post(&format!("/rooms/{room}/messages"), &json!({"cid": Uuid::new_v4(), "body": "by REST"})).await;
    assert_eq!((status, &problem["code"]), (429, &json!("rate_limited")));
    assert!(problem["retry_after_ms"].as_u64().unwrap() > 500_000);

    let bo = Person::sign_up(&node.url, "bo").await;
    bo.join(room).await;
    let mut bystander = bo.connect().await;
    bystander.subscribe(room).await;
    assert!(matches!(bystander.send(room, "hello").await, Answer::Ack { .. }), "nobody else is limited");
    assert_eq!(bo.everything(room).await.len(), 21, "what was refused was not appended");
}

#[tokio::test]
async fn a_second_gateway_knows_what_the_first_one_gave() {
    let mut node = Node::with_limits(slow()).await;
    let second = node.add_gateway("gateway-2").await;
    let (ada, room, mut here) = person_in_a_room(&node.url).await;
    let mut there = ada.at(&second).connect().await;
    for _ in 0..20 {
        here.send(room, "here").await;
    }
    // The first one there asks the bus; alone, the second gateway would give twenty of its own.
    for _ in 0..10 {
        match there.send(room, "there").await {
            Answer::Ack { .. } => tokio::time::sleep(Duration::from_millis(300)).await,
            refused => return assert_eq!(refused, Answer::Rejected { code: ErrorCode::RateLimited, is_final: false }),
        }
    }
    panic!("ten more were given there");
}

#[tokio::test]
async fn with_the_bus_away_each_gateway_has_the_same_limits() {
    let node = Node::with_limits(slow()).await;
    let (_, room, mut socket) = person_in_a_room(&node.url).await;
    node.bus.set_away(true);
    for number in 0..20 {
        assert!(matches!(socket.send(room, "without a bus").await, Answer::Ack { .. }), "{number}");
    }
    assert_eq!(socket.send(room, "too many").await, Answer::Rejected { code: ErrorCode::RateLimited, is_final: false });
    node.bus.set_away(false);
}

#[tokio::test]
async fn votes_subscribes_and_pages_have_limits_of_their_own() {
    let node = Node::with_limits(slow()).await;
    let (ada, room, mut socket) = person_in_a_room(&node.url).await;
    let Answer::Ack { id, .. } = socket.send(room, "vote on this").await else { panic!("not acked") };
    for number in 0..20 {
        assert!(matches!(socket.vote(room, id, number % 2).await, Answer::Ack { .. }), "{number}");
    }
    let (reference, base) = (socket.reference(), socket.base(room));
    let vote = ClientFrame::Vote { reference, room, cid: Cid(Uuid::new_v4()), base, target: id, value: VoteValue::UP, retry: false };
    let (code, wait) = refused(&mut socket, vote).await;
    assert!(code == ErrorCode::RateLimited && wait.is_some(), "{code:?} {wait:?}");
    // The subscribe of the beginning was the first.
    for _ in 1..20 {
        socket.subscribe(room).await;
    }
    let reference = socket.reference();
    let (code, wait) = refused(&mut socket, ClientFrame::Subscribe { reference, room, limit: None }).await;
    assert!(code == ErrorCode::RateLimited && wait.is_some(), "{code:?} {wait:?}");
    let reference = socket.reference();
    let page = ClientFrame::History { reference, room, limit: None, before: None, after: None, around: Some(id) };
    assert_eq!(refused(&mut socket, page).await.0, ErrorCode::RateLimited);
    for path in ["messages", "top"] {
        let (status, problem) = ada.get(&format!("/rooms/{room}/{path}")).await;
        assert_eq!((status, &problem["code"]), (429, &json!("rate_limited")), "{path}");
    }
    assert!(matches!(socket.send(room, "and sends go on").await, Answer::Ack { .. }));
}

#[tokio::test]
async fn a_person_makes_twenty_rooms_a_day() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let ada = Person::sign_up(&node.url, "ada").await;
    for number in 0..20 {
        let at = if number % 2 == 0 { ada.clone() } else { ada.at(&second) };
        at.create_room("room").await;
    }
    let (status, problem) = ada.at(&second).post("/rooms", &json!({"name": "one more", "visibility": "public"})).await;
    assert_eq!((status, &problem["code"]), (429, &json!("rate_limited")));
    assert!(problem["retry_after_ms"].as_u64().unwrap() > 3_600_000, "{problem}");
}

#[tokio::test]
async fn a_room_has_so_many_members_and_no_more() {
    let node = Node::with_limits(LimitsConfig { room_members: 2, ..LimitsConfig::default() }).await;
    let (_, room, _) = person_in_a_room(&node.url).await;
    Person::sign_up(&node.url, "bo").await.join(room).await;
    let cy = Person::sign_up(&node.url, "cy").await;
    let (status, problem) = cy.post(&format!("/rooms/{room}/join"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
}

#[tokio::test]
async fn an_eleventh_socket_of_one_person_is_refused_at_whatever_gateway() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let ada = Person::sign_up(&node.url, "ada").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut sockets = Vec::new();
    for number in 0..10 {
        let at = if number % 2 == 0 { ada.clone() } else { ada.at(&second) };
        sockets.push(at.connect().await);
    }
    for url in [&node.url, &second] {
        let Err(tungstenite::Error::Http(refusal)) = Socket::upgrade(&ada.at(url)).await else { panic!("an eleventh") };
        assert_eq!(refusal.status().as_u16(), 429);
        assert!(refusal.headers().contains_key("retry-after"));
    }
    sockets.truncate(9);
    let began = tokio::time::Instant::now();
    while Socket::upgrade(&ada.at(&second)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the place of one that closed is free again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn sockets_of_one_address_are_counted_whoever_opens_them_and_a_browser_is_told_by_the_close_code() {
    let node = Node::with_limits(LimitsConfig { sockets_per_address: 2, ..LimitsConfig::default() }).await;
    let (ada, mut bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let _there = [ada.connect().await, ada.connect().await];
    bo.home = ada.home;
    assert!(Socket::upgrade(&bo).await.is_err(), "a third from that address");
    assert_eq!(browser_close_code(&node.url, &bo).await, 4029);
    bo.home = Ipv4Addr::new(127, 9, 9, 9);
    assert!(Socket::upgrade(&bo).await.is_ok(), "from another");
}

/// How a socket with a cookie instead of a bearer header ends.
async fn browser_close_code(url: &str, person: &Person) -> u16 {
    let mut request = format!("{}/api/v1/socket", url.replacen("http", "ws", 1)).into_client_request().unwrap();
    let cookie = format!("parley_access={}", person.access_token);
    for (name, value) in [("cookie", cookie.as_str()), ("origin", url), ("sec-websocket-protocol", "parley.v1"), ("x-forwarded-for", &person.home.to_string())]
    {
        request.headers_mut().insert(tungstenite::http::HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let (mut stream, _) = tokio_tungstenite::connect_async(request).await.expect("accepted, to be told");
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Close(close) = message {
            return close.map_or(1005, |close| close.code.into());
        }
    }
    1006
}

#[tokio::test]
async fn an_address_opens_twenty_sockets_at_once() {
    let node = Node::with_limits(slow()).await;
    let ada = Person::sign_up(&node.url, "ada").await;
    for number in 0..20 {
        let mut stream = Socket::upgrade(&ada).await.unwrap_or_else(|error| panic!("{number}: {error}"));
        stream.close(None).await.unwrap();
    }
    let Err(tungstenite::Error::Http(refusal)) = Socket::upgrade(&ada).await else { panic!("a twenty-first") };
    assert_eq!(refusal.status().as_u16(), 429);
    let elsewhere = Person { home: Ipv4Addr::new(127, 8, 8, 8), ..ada };
    assert!(Socket::upgrade(&elsewhere).await.is_ok());
}

/// Tries a password from an address; the code of the answer, if it was a no.
async fn try_to_sign_in(url: &str, from: Ipv4Addr, user_name: &str, password: &str) -> String {
    let http = reqwest::Client::builder().no_proxy().local_address(IpAddr::V4(from)).build().unwrap();
    let body = json!({"user_name": user_name, "password": password, "session": "token"});
    let answer: serde_json::Value = http.post(format!("{url}/api/v1/auth/sign-in")).json(&body).send().await.unwrap().json().await.unwrap();
    answer["code"].as_str().unwrap_or_default().to_owned()
}

/// Tries until something else than these codes is answered: how many times, and what. A machine with other tests to run may be too busy now and then.
async fn try_while(codes: &[&str], url: &str, from: Ipv4Addr, user_name: &str, password: &str) -> (usize, String) {
    for tries in 1..=10 {
        let code = try_to_sign_in(url, from, user_name, password).await;
        if !codes.contains(&code.as_str()) {
            return (tries, code);
        }
    }
    panic!("{user_name} may try for ever");
}

#[tokio::test]
async fn whoever_guesses_a_password_waits_and_its_owner_elsewhere_does_not() {
    let rate = Rate::new(1, SLOW, 5);
    let node = Node::with_limits(LimitsConfig { sign_ins: rate, sign_ins_account: rate, ..LimitsConfig::default() }).await;
    let ada = Person::sign_up(&node.url, "ada").await;
    let (_, me) = ada.get("/me").await;
    let name = me["user"]["user_name"].as_str().unwrap();
    let (guesser, owner) = (Ipv4Addr::new(127, 6, 6, 6), Ipv4Addr::new(127, 1, 2, 3));
    for account in [name, "nobody-has-this-name"] {
        let told = try_while(&["credentials_wrong", "overloaded"], &node.url, guesser, account, "a wild guess").await;
        assert_eq!(told, (6, "rate_limited".to_owned()), "{account}");
        assert_eq!(try_to_sign_in(&node.url, guesser, &account.to_uppercase(), "a wild guess").await, "rate_limited", "{account}");
    }
    // The account's own budget is used up as well: that costs its owner no more than the way past a queue.
    let (_, told) = try_while(&["overloaded"], &node.url, owner, name, "correct horse battery").await;
    assert_eq!(told, "", "its owner, elsewhere, is in");
}

/// One password, one account after the other.
#[tokio::test]
async fn one_password_on_many_accounts_waits_at_whatever_gateway_and_nobody_elsewhere_does() {
    const GUESS: &str = "correct horse battery";
    let mut node = Node::with_limits(LimitsConfig { sign_ins_address: Rate::new(1, SLOW, 12), ..LimitsConfig::default() }).await;
    let second = node.add_gateway("gateway-2").await;
    let ada = Person::sign_up(&node.url, "ada").await;
    let (sprayer, owner) = (Ipv4Addr::new(127, 6, 6, 6), Ipv4Addr::new(127, 1, 2, 3));
    let http = reqwest::Client::builder().no_proxy().local_address(IpAddr::V4(sprayer)).build().unwrap();
    let guess = async |url: &str, user_name: &str| -> (u16, serde_json::Value) {
        let body = json!({"user_name": user_name, "password": GUESS, "session": "token"});
        let answer = http.post(format!("{url}/api/v1/auth/sign-in")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    };
    let gateways = [node.url.clone(), second];
    for number in 0..12 {
        let (status, problem) = guess(&gateways[number % 2], &format!("account-{number}")).await;
        // A machine with other tests to run may be too busy to look at the password now and then; it was a try all the same.
        assert!([401, 503].contains(&status), "{number}: {problem}");
    }
    for url in &gateways {
        // Also where the password is right.
        for user_name in ["yet-another", &ada.user_name] {
            let (status, problem) = guess(url, user_name).await;
            assert_eq!((status, &problem["code"]), (429, &json!("rate_limited")), "{user_name}: {problem}");
            assert!(problem["retry_after_ms"].as_u64().unwrap() > 500_000, "{problem}");
        }
    }
    let (_, told) = try_while(&["overloaded"], &gateways[1], owner, &ada.user_name, GUESS).await;
    assert_eq!(told, "", "elsewhere the same account is let in");
    assert_eq!(ada.get("/me").await.0, 200, "who is in stays in");
}
