//! People vote: tallies over real sockets and REST, while notices are lost, sockets come and go, and thousands vote at once.

mod storms;

use std::{collections::HashSet, time::Duration};

use parley_engines::{
    bus::Channel,
    log::{Appended, LogReader, LogWriter},
    store::{projection::Projection, timeline::Timeline},
};
use parley_proto::{
    Cid, Cursor, ErrorCode, Kind, MessageId, PartitionId, Position, Record, RoomId, UserId, WINDOW, codec,
    item::ItemKind,
    wire::{ClientFrame, ServerFrame, VoteValue},
};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    client::{Answer, PATIENCE, Person, Socket},
    node::Node,
};

/// Three people in a room, and a message.
struct Room {
    room: RoomId,
    people: [Person; 3],
    sockets: [Socket; 3],
    target: MessageId,
}

async fn voters(node: &Node) -> Room {
    let people = [Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await, Person::sign_up(&node.url, "cy").await];
    let room = people[0].create_room("general").await;
    let mut sockets = Vec::new();
    for person in &people {
        person.join(room).await;
        sockets.push(person.connect().await);
    }
    let mut sockets: [Socket; 3] = sockets.try_into().unwrap();
    for socket in &mut sockets {
        socket.subscribe(room).await;
    }
    let target = say(&mut sockets[0], room, "vote on this").await;
    for socket in &mut sockets {
        socket.until(room, 1).await;
    }
    Room { room, people, sockets, target }
}

async fn say(socket: &mut Socket, room: RoomId, body: &str) -> MessageId {
    match socket.send(room, body).await {
        Answer::Ack { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

fn is_tallies(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Tallies { .. })
}

async fn vote(socket: &mut Socket, room: RoomId, target: MessageId, value: i64) {
    let answer = socket.vote(room, target, value).await;
    assert!(matches!(answer, Answer::Ack { .. }), "{answer:?}");
}

async fn id(person: &Person) -> UserId {
    let (_, me) = person.get("/me").await;
    me["user"]["id"].as_str().unwrap().parse().unwrap()
}

/// A record as another gateway would append it.
fn record(kind: Kind, room: RoomId, sender: u128, base: Cursor) -> Record {
    Record { base, floor: base, auth: base, ..Record::bare(kind, room, UserId(Uuid::from_u128(sender)), Cid(Uuid::new_v4())) }
}

async fn append(node: &Node, record: &Record) {
    let receipt = node.log.enqueue(record.room.partition(), record.room, codec::encode(record)).unwrap();
    assert!(matches!(receipt.await, Appended::At(_)));
}

/// Waits until the store has all of the partition.
async fn stored(node: &Node, partition: PartitionId) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let end = node.log.end(partition).await.unwrap();
        if node.store.find(partition, &[]).await.unwrap().next >= end {
            return;
        }
        assert!(Instant::now() < deadline, "not stored in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn people_vote_switch_and_undo_and_a_third_sees_what_it_comes_to() {
    let node = Node::start().await;
    let Room { room, people, sockets: [mut a, mut b, mut c], target } = voters(&node).await;
    let mut phone = people[0].connect().await;
    phone.subscribe(room).await;
    vote(&mut a, room, target, 1).await;
    vote(&mut b, room, target, 1).await;
    c.until_seen(room, target, (2, 0, 0)).await;
    vote(&mut a, room, target, -1).await;
    c.until_seen(room, target, (1, 1, 0)).await;
    phone.until_seen(room, target, (1, 1, -1)).await;
    vote(&mut b, room, target, 0).await;
    c.until_seen(room, target, (0, 1, 0)).await;
    a.until_seen(room, target, (0, 1, -1)).await;
    b.until_seen(room, target, (0, 1, 0)).await;
    // Whoever votes the same again changes nothing.
    vote(&mut a, room, target, -1).await;
    vote(&mut c, room, target, 1).await;
    for (socket, mine) in [(&mut a, -1), (&mut b, 0), (&mut c, 1), (&mut phone, -1)] {
        socket.until_seen(room, target, (1, 1, mine)).await;
    }
}

#[tokio::test]
async fn a_vote_cast_twice_counts_once_and_a_late_retry_does_not_undo_the_newer_one() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let Room { room, people, sockets: [mut a, mut b, _], target } = voters(&node).await;
    let mut there = people[0].at(&second).connect().await;
    there.subscribe(room).await;
    let (up, base) = (Cid(Uuid::new_v4()), a.base(room));
    let Answer::Ack { id, .. } = a.vote_as(room, up, base, target, 1, false).await else { panic!("not acked") };
    vote(&mut a, room, target, -1).await;
    for socket in [&mut a, &mut there] {
        for retry in [true, false] {
            let Answer::Ack { id: again, .. } = socket.vote_as(room, up, base, target, 1, retry).await else { panic!("not acked") };
            assert_eq!(again, id);
        }
    }
    vote(&mut b, room, target, 1).await;
    a.until_seen(room, target, (1, 1, -1)).await;
    there.until_seen(room, target, (1, 1, -1)).await;
    assert_eq!(node.store.tally(target).await.unwrap(), (0, 2));
}

#[tokio::test]
async fn flipping_a_thousand_times_counts_once_and_makes_few_frames() {
    let node = Node::start().await;
    let Room { room, sockets: [mut a, mut b, _], target, .. } = voters(&node).await;
    let base = a.base(room);
    let mut references = Vec::new();
    let begun = Instant::now();
    for number in 0..1_001 {
        let reference = a.reference();
        let value = if number % 2 == 0 { VoteValue::UP } else { VoteValue::DOWN };
        a.write(&ClientFrame::Vote { reference, room, cid: Cid(Uuid::new_v4()), base, target, value, retry: false }).await;
        references.push(reference);
    }
    for reference in references {
        assert!(matches!(a.answer(reference).await, Answer::Ack { .. }));
    }
    a.until_seen(room, target, (1, 0, 1)).await;
    b.until_seen(room, target, (1, 0, 0)).await;
    stored(&node, room.partition()).await;
    b.settle(Duration::from_millis(600)).await;
    assert_eq!(b.views[&room].seen(target), (1, 0, 0));
    let (frames, quarters) = (b.count(is_tallies), begun.elapsed().as_millis() / 250);
    println!("1 001 flips in {:?}: {frames} frames of tallies", begun.elapsed());
    assert!(frames as u128 <= quarters + 2, "{frames} frames in {quarters} quarters of a second");
}

#[tokio::test]
async fn what_a_lost_notice_said_is_found_within_two_seconds() {
    let node = Node::start().await;
    let Room { room, people, sockets: [mut a, mut b, _], target } = voters(&node).await;
    let mut phone = people[0].connect().await;
    phone.subscribe(room).await;
    let channel = Channel::Notices(room.partition());
    for (value, seen, notices_come_back) in [(1, (1, 0), true), (-1, (0, 1), false)] {
        node.bus.lose_events(channel, usize::MAX);
        vote(&mut a, room, target, value).await;
        stored(&node, room.partition()).await;
        let begun = Instant::now();
        if notices_come_back {
            node.bus.lose_events(channel, 0);
        }
        b.until_seen(room, target, (seen.0, seen.1, 0)).await;
        println!("notices come back: {notices_come_back}; found after {:?}", begun.elapsed());
        // The promise is 2 s; tests are patient, three times over.
        assert!(begun.elapsed() < Duration::from_secs(6));
        phone.until_seen(room, target, (seen.0, seen.1, value)).await;
    }
}

#[tokio::test]
async fn who_comes_back_sees_every_vote_of_the_meantime() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let Room { room, people: [_, bo, _], sockets: [mut a, mut b, _], target } = voters(&node).await;
    let quiet = say(&mut a, room, "nobody votes on this again").await;
    vote(&mut b, room, quiet, 1).await;
    b.until_seen(room, quiet, (1, 0, 1)).await;
    let mut phone = bo.connect().await;
    phone.subscribe(room).await;
    for (round, url) in [&second, &node.url, &second].into_iter().enumerate() {
        // The other device votes while this one is away; what is new is voted on as well.
        let value = if round % 2 == 0 { 1 } else { -1 };
        let before = b;
        vote(&mut phone, room, target, value).await;
        let new = say(&mut a, room, &format!("new {round}")).await;
        vote(&mut a, room, new, 1).await;
        phone.until_seen(room, new, (1, 0, 0)).await;
        b = bo.at(url).resume(before).await;
        b.until(room, 3 + round).await;
        b.until_seen(room, target, (u64::from(value == 1), u64::from(value == -1), value)).await;
        b.until_seen(room, new, (1, 0, 0)).await;
        assert_eq!(b.views[&room].seen(quiet), (1, 0, 1));
        // A token is given with what was missed.
        b.settle(Duration::from_millis(100)).await;
    }
    // Nothing happened: nothing is told again.
    stored(&node, room.partition()).await;
    b.settle(Duration::from_millis(600)).await;
    let reference = b.reference();
    b.write(&ClientFrame::Unsubscribe { reference, room: RoomId::new(room.partition(), [9; 16]) }).await;
    b.settle(Duration::from_millis(200)).await;
    let before = b.count(is_tallies);
    let mut b = bo.resume(b).await;
    b.settle(Duration::from_millis(400)).await;
    assert_eq!(b.count(is_tallies), 0, "of {before} before");
    vote(&mut a, room, target, 1).await;
    b.until_seen(room, target, (2, 0, 1)).await;
}

/// A cursor runs ahead of the store: votes below it may be counted later than the connection breaks.
#[tokio::test]
async fn a_vote_counted_after_its_place_was_passed_is_not_missed_by_who_comes_back() {
    let mut node = Node::start().await;
    let Room { room, people: [_, bo, _], sockets: [mut a, mut b, _], target } = voters(&node).await;
    stored(&node, room.partition()).await;
    node.stop_persister().await;
    vote(&mut a, room, target, 1).await;
    say(&mut a, room, "behind the vote").await;
    b.until(room, 2).await;
    let away = b;
    node.start_persister().await;
    stored(&node, room.partition()).await;
    let mut b = bo.resume(away).await;
    b.until_seen(room, target, (1, 0, 0)).await;
}

#[tokio::test]
async fn pages_say_how_people_voted_and_how_the_reader_did() {
    let mut node = Node::start().await;
    let Room { room, people: [ada, bo, _], sockets: [mut a, mut b, _], target } = voters(&node).await;
    vote(&mut a, room, target, -1).await;
    vote(&mut b, room, target, 1).await;
    a.until_seen(room, target, (1, 1, -1)).await;
    for number in 0..120 {
        say(&mut a, room, &number.to_string()).await;
    }
    stored(&node, room.partition()).await;
    // A newest page that the message is not in, then the page that it is in.
    let mut late = ada.connect().await;
    let view = late.subscribe(room).await;
    assert!(!view.rows.values().any(|row| row.id == target));
    let reference = late.reference();
    late.write(&ClientFrame::History { reference, room, limit: Some(100), before: Some(view.start.position()), after: None, around: None }).await;
    let page = late.wait_for(|frame| matches!(frame, ServerFrame::Page { .. })).await;
    let Some(ServerFrame::Page { items, tallies, .. }) = page else { panic!("{page:?}") };
    assert!(items.iter().any(|item| item.id == target));
    assert_eq!(late.views[&room].seen(target), (1, 1, -1));
    assert_eq!(tallies.items.len(), 1, "messages without votes have none: {tallies:?}");
    // While nothing is stored any more, what is stored is still told, in the order of what counts.
    node.stop_persister().await;
    vote(&mut b, room, target, -1).await;
    let (status, page) = bo.get(&format!("/rooms/{room}/messages?around={target}&limit=10")).await;
    assert_eq!(status, 200, "{page}");
    let tally = &page["tallies"]["items"][0];
    assert_eq!((&tally["target"], &tally["up"], &tally["down"], &tally["mine"]), (&json!(target), &json!(1), &json!(1), &json!(1)));
    node.start_persister().await;
    b.until_seen(room, target, (0, 2, -1)).await;
    late.until_seen(room, target, (0, 2, -1)).await;
    let mut fresh = bo.connect().await;
    let reference = fresh.reference();
    fresh.write(&ClientFrame::Subscribe { reference, room, limit: Some(50) }).await;
    let answer = fresh.wait_for(|frame| matches!(frame, ServerFrame::Subscribed { .. })).await;
    assert!(matches!(answer, Some(ServerFrame::Subscribed { page, .. }) if page.tallies.is_some()), "a page brings its tallies along, also from the tail");
}

#[tokio::test]
async fn a_vote_on_what_is_not_there_is_refused_and_one_on_what_is_in_the_log_alone_is_not() {
    let mut node = Node::start().await;
    let Room { room, people: [ada, bo, _], sockets: [mut a, mut b, _], target } = voters(&node).await;
    let other = ada.create_room("other").await;
    let foreign = say(&mut a, other, "of another room").await;
    let refused = |code| Answer::Rejected { code, is_final: false };
    assert_eq!(b.vote(room, MessageId(Uuid::new_v4()), 1).await, refused(ErrorCode::NotFound));
    assert_eq!(b.vote(room, foreign, 1).await, refused(ErrorCode::NotFound));
    assert_eq!(b.vote(other, foreign, 1).await, refused(ErrorCode::NotFound), "not a member");
    let event = loop {
        match a.views[&room].rows.values().find(|row| row.kind != ItemKind::Message) {
            Some(event) => break event.id,
            None => a.settle(Duration::from_millis(50)).await,
        }
    };
    assert_eq!(b.vote(room, event, 1).await, refused(ErrorCode::NotFound), "an event is no message");
    let ahead = b.vote_as(room, Cid(Uuid::new_v4()), Cursor(1 << 40), target, 1, false).await;
    assert_eq!(ahead, refused(ErrorCode::BaseAhead));
    let gone = say(&mut a, room, "soon deleted").await;
    let base = b.base(room);
    append(&node, &Record { target: Some(gone), ..record(Kind::Delete, room, 1, base) }).await;
    stored(&node, room.partition()).await;
    assert_eq!(b.vote(room, gone, 1).await, refused(ErrorCode::Conflict));
    // The log alone has these two.
    node.stop_persister().await;
    let (fresh, deleted) = (say(&mut a, room, "fresh").await, say(&mut a, room, "fresh and deleted").await);
    append(&node, &Record { target: Some(deleted), ..record(Kind::Delete, room, 1, base) }).await;
    vote(&mut b, room, fresh, 1).await;
    assert_eq!(b.vote(room, deleted, 1).await, refused(ErrorCode::Conflict));
    node.start_persister().await;
    a.until_seen(room, fresh, (1, 0, 0)).await;
    // Over REST, and what is no vote at all.
    let put = async |room, message: MessageId, body| {
        let (status, answer) = bo.put(&format!("/rooms/{room}/messages/{message}/vote"), &body).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned(), answer["path"].as_str().unwrap_or_default().to_owned())
    };
    let no = |status, code: &str, path: &str| (status, code.to_owned(), path.to_owned());
    assert_eq!(put(room, foreign, json!({"cid": Uuid::new_v4(), "value": 1})).await, no(404, "not_found", ""));
    assert_eq!(put(room, gone, json!({"cid": Uuid::new_v4(), "value": 1})).await, no(409, "conflict", ""));
    for value in [json!(2), json!(0.5), json!("up"), json!(true), json!(null), json!(-2)] {
        assert_eq!(put(room, target, json!({"cid": Uuid::new_v4(), "value": value})).await, no(400, "bad_request", "value"));
    }
    assert_eq!(put(room, target, json!({"cid": Uuid::new_v4(), "value": 1, "user": Uuid::new_v4()})).await, no(400, "bad_request", "user"));
    b.write_text(json!({"type": "vote", "ref": 90, "room": room, "cid": Uuid::new_v4(), "base": 0, "target": target, "value": 2}).to_string()).await;
    let error = b.wait_for(|frame| matches!(frame, ServerFrame::Error { .. })).await;
    assert!(matches!(&error, Some(ServerFrame::Error { code: ErrorCode::BadRequest, path: Some(path), .. }) if path == "value"), "{error:?}");
    assert_eq!(node.store.tally(target).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn over_rest_people_vote_see_who_voted_and_a_room_s_top_messages() {
    let node = Node::start().await;
    let Room { room, people: [ada, bo, cy], sockets: [mut a, mut b, _], target } = voters(&node).await;
    let (ada, bo_s) = (id(&ada).await, id(&bo).await);
    let second = say(&mut a, room, "second").await;
    let cid = Uuid::new_v4();
    for retry in [false, true] {
        let (status, answer) = bo.put(&format!("/rooms/{room}/messages/{target}/vote"), &json!({"cid": cid, "value": 1, "retry": retry})).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer["id"].is_string() && answer["at_most"].is_u64());
    }
    vote(&mut b, room, second, 1).await;
    vote(&mut a, room, second, 1).await;
    a.until_seen(room, second, (2, 0, 1)).await;
    a.until_seen(room, target, (1, 0, 0)).await;
    let (_, first) = cy.get(&format!("/rooms/{room}/messages/{second}/votes?limit=1")).await;
    assert_eq!((first["items"].as_array().unwrap().len(), &first["previous"]), (1, &json!(null)), "{first}");
    let next = first["next"].as_str().unwrap();
    let (_, rest) = cy.get(&format!("/rooms/{room}/messages/{second}/votes?limit=1&cursor={next}")).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)), "{rest}");
    let who: HashSet<_> = [&first, &rest].map(|page| page["users"][0]["id"].as_str().unwrap().to_owned()).into();
    assert_eq!(who, HashSet::from([ada.to_string(), bo_s.to_string()]));
    assert!([&first, &rest].iter().all(|page| page["items"][0]["value"] == 1 && page["items"][0]["user"] == page["users"][0]["id"]));
    for wrong in [format!("cursor={next}x"), "cursor=AAAA".to_owned(), "limit=0".to_owned(), "limit=101".to_owned()] {
        assert_eq!(cy.get(&format!("/rooms/{room}/messages/{second}/votes?{wrong}")).await.0, 400, "{wrong}");
    }
    assert_eq!(cy.get(&format!("/rooms/{room}/messages/{target}/votes?cursor={next}")).await.0, 400, "a cursor is of one message");
    assert_eq!(cy.get(&format!("/rooms/{room}/messages/{}/votes", Uuid::new_v4())).await.0, 404);
    for period in ["", "?period=day", "?period=week", "?period=month", "?period=all"] {
        let (status, top) = bo.get(&format!("/rooms/{room}/top{period}")).await;
        assert_eq!(status, 200, "{top}");
        let ids: Vec<_> = top["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        assert_eq!(ids, [json!(second), json!(target)], "{period}");
        assert_eq!((&top["tallies"]["items"][0]["up"], &top["tallies"]["items"][1]["mine"]), (&json!(2), &json!(1)));
        assert_eq!(top["users"][0]["id"], json!(ada));
    }
    let (status, problem) = bo.get(&format!("/rooms/{room}/top?period=year")).await;
    assert_eq!((status, &problem["path"]), (400, &json!("period")));
    let outsider = Person::sign_up(&node.url, "dee").await;
    for path in [format!("/rooms/{room}/top"), format!("/rooms/{room}/messages/{target}/votes")] {
        assert_eq!(outsider.get(&path).await.0, 404);
    }
    assert_eq!(outsider.put(&format!("/rooms/{room}/messages/{target}/vote"), &json!({"cid": Uuid::new_v4(), "value": 1})).await.0, 404);
}

#[tokio::test]
async fn a_vote_older_than_the_window_is_unknown_for_ever_when_it_is_retried() {
    let node = Node::start().await;
    let Room { room, sockets: [mut a, _, _], target, .. } = voters(&node).await;
    let base = a.base(room);
    let mut receipts = Vec::new();
    for _ in 0..=WINDOW / 2 {
        let filler = record(Kind::Cancel, room, 7, base);
        receipts.push(node.log.enqueue(room.partition(), room, codec::encode(&filler)).unwrap());
    }
    for receipt in receipts {
        assert!(matches!(receipt.await, Appended::At(_)));
    }
    stored(&node, room.partition()).await;
    // A gateway knows the log's end up to a second later.
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    let reference = a.reference();
    let (cid, value) = (Cid(Uuid::new_v4()), VoteValue::UP);
    a.write(&ClientFrame::Vote { reference, room, cid, base, target, value, retry: true }).await;
    let answer = a.wait_for(|frame| matches!(frame, ServerFrame::Unknown { .. } | ServerFrame::Ack { .. } | ServerFrame::Rejected { .. })).await;
    assert!(matches!(answer, Some(ServerFrame::Unknown { is_final: true, .. })), "{answer:?}");
    assert_eq!(node.store.tally(target).await.unwrap(), (0, 0), "it was not appended");
    // A first attempt can't have been there before; and nothing holds it back.
    let answer = a.vote_as(room, Cid(Uuid::new_v4()), base, target, 1, false).await;
    assert!(matches!(answer, Answer::Ack { .. }), "{answer:?}");
    a.until_seen(room, target, (1, 0, 1)).await;
}

#[tokio::test]
async fn what_the_store_refuses_is_taken_from_live_views() {
    use sqlx::Connection;
    let node = Node::start().await;
    let Room { room, sockets: [mut a, mut b, _], .. } = voters(&node).await;
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite:{}", node.store_path.display())).await.unwrap();
    sqlx::query("create trigger no_magic before insert on messages when new.body = 'magic' begin select raise(abort, 'no magic here'); end")
        .execute(&mut database)
        .await
        .unwrap();
    let Answer::Ack { at_most, .. } = a.send(room, "magic").await else { panic!("not acked") };
    say(&mut a, room, "plain").await;
    let voided = |position: Position| move |frame: &ServerFrame| matches!(frame, ServerFrame::Voided { positions, .. } if *positions == [position]);
    assert!(b.wait_for(voided(at_most)).await.is_some());
    // The notice is lost: the store says it.
    node.bus.lose_events(Channel::Notices(room.partition()), usize::MAX);
    let Answer::Ack { at_most, .. } = a.send(room, "magic").await else { panic!("not acked") };
    stored(&node, room.partition()).await;
    assert!(b.wait_for(voided(at_most)).await.is_some());
}
