//! People talk: sends, subscribes, resumes and pages over real sockets. What holds on the embedded engines in one process holds on Kafka, Redis and Postgres
//! with several gateways: each of these is run on both.

#[path = "ended_rights.rs"]
mod ended_rights;

use std::time::Duration;

use parley_proto::{
    Cid, Cursor, ErrorCode,
    item::ItemKind,
    wire::{ClientFrame, CloseCode, ServerFrame},
};
use uuid::Uuid;

use crate::{
    client::{Answer, Person, Socket},
    setup::Setup,
};

pub(crate) use ended_rights::*;

pub(crate) async fn two_people_talk_and_both_see_the_same_order(setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.connect().await, bo.connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    for number in 0..20 {
        let (socket, name) = if number % 2 == 0 { (&mut a, "a") } else { (&mut b, "b") };
        let Answer::Ack { at_most, .. } = socket.send(room, &format!("{name}{number}")).await else { panic!("not acked") };
        assert!(at_most.0 > 0);
    }
    let seen = a.until(room, 20).await;
    assert_eq!(seen, b.until(room, 20).await);
    assert_eq!(seen.len(), 20);
    let events = |socket: &Socket| -> Vec<_> {
        socket.views[&room].rows.values().filter(|item| item.kind == ItemKind::System).map(|item| item.body["event"].clone()).collect()
    };
    // They come through the outbox, at their own pace.
    while events(&a).len() < 2 {
        a.settle(Duration::from_millis(50)).await;
    }
    assert_eq!(events(&a), ["created", "joined"]);
}

pub(crate) async fn one_connection_s_messages_stand_in_the_order_in_which_it_sent_them(setup: impl Setup) {
    let ada = Person::sign_up(&setup.url(), "ada").await;
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    let base = socket.base(room);
    let mut references = Vec::new();
    for number in 0..60 {
        let reference = socket.reference();
        let body = number.to_string();
        socket.write(&ClientFrame::Send { reference, room, cid: Cid(Uuid::new_v4()), base, body, retry: false }).await;
        references.push(reference);
    }
    for reference in references {
        assert!(matches!(socket.answer(reference).await, Answer::Ack { .. }));
    }
    let expected: Vec<_> = (0..60).map(|number| number.to_string()).collect();
    assert_eq!(socket.until(room, 60).await, expected);
}

pub(crate) async fn retries_through_several_gateways_give_one_message(mut setup: impl Setup) {
    let second = setup.second_url().await;
    let ada = Person::sign_up(&setup.url(), "ada").await;
    let room = ada.create_room("general").await;
    let (mut here, mut there) = (ada.connect().await, ada.at(&second).connect().await);
    here.subscribe(room).await;
    there.subscribe(room).await;
    let (cid, base) = (Cid(Uuid::new_v4()), here.base(room));
    let Answer::Ack { id, .. } = here.send_as(room, cid, base, "once", false).await else { panic!("not acked") };
    for _ in 0..5 {
        for socket in [&mut here, &mut there] {
            let Answer::Ack { id: again, .. } = socket.send_as(room, cid, base, "once", true).await else { panic!("not acked") };
            assert_eq!(again, id);
        }
    }
    // Even those who forget to say that it is a retry.
    for _ in 0..5 {
        assert!(matches!(there.send_as(room, cid, base, "another body", false).await, Answer::Ack { .. }));
    }
    here.send(room, "last").await;
    assert_eq!(here.until(room, 2).await, ["once", "last"]);
    assert_eq!(there.until(room, 2).await, ["once", "last"]);
    let (_, page) = ada.get(&format!("/rooms/{room}/messages")).await;
    let texts: Vec<_> = page["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "message").map(|item| item["body"].clone()).collect();
    assert_eq!(texts, ["once", "last"]);
}

/// Five sockets at each of two gateways, a hundred copies each, none waiting for any other; half of them say that they are retries.
pub(crate) async fn a_thousand_copies_at_once_over_two_gateways_are_one_message(mut setup: impl Setup) {
    let urls = [setup.url(), setup.second_url().await];
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut bystander = bo.at(&urls[1]).connect().await;
    bystander.subscribe(room).await;
    let mut sockets = Vec::new();
    for number in 0..10 {
        let mut socket = ada.at(&urls[number % 2]).connect().await;
        socket.subscribe(room).await;
        sockets.push(socket);
    }
    let (cid, base) = (Cid(Uuid::new_v4()), sockets[0].base(room));
    let copies = sockets.into_iter().map(|mut socket| async move {
        let mut references = Vec::new();
        for number in 0..100 {
            let reference = socket.reference();
            socket.write(&ClientFrame::Send { reference, room, cid, base, body: "once".to_owned(), retry: number % 2 == 1 }).await;
            references.push(reference);
        }
        let mut answers = Vec::new();
        for reference in references {
            answers.push(socket.answer(reference).await);
        }
        (socket, answers)
    });
    let (mut ids, mut unknown) = (std::collections::HashSet::new(), 0);
    let mut sockets = Vec::new();
    for (socket, answers) in futures::future::join_all(copies).await {
        for answer in answers {
            match answer {
                Answer::Ack { id, .. } => drop(ids.insert(id)),
                // It took too long to find out, which is said, and is no no.
                Answer::Unknown => unknown += 1,
                refused @ Answer::Rejected { .. } => panic!("{refused:?}"),
            }
        }
        sockets.push(socket);
    }
    println!("{unknown} of a thousand answers were unknown");
    assert_eq!(ids.len(), 1, "every ack is of the same message");
    assert!(unknown < 1_000);
    assert!(matches!(bystander.send(room, "last").await, Answer::Ack { .. }));
    let mut places = std::collections::HashSet::new();
    for socket in sockets.iter_mut().chain([&mut bystander]) {
        assert_eq!(socket.until(room, 2).await, ["once", "last"]);
        places.extend(socket.views[&room].rows.values().filter(|item| item.body == "once").map(|item| (item.position, item.id)));
    }
    assert_eq!(places.len(), 1, "everybody sees it at one place: {places:?}");
    assert_eq!(bo.everything(room).await, ["once", "last"]);
}

pub(crate) async fn a_discarded_message_never_appears_and_a_sent_one_can_not_be_discarded(setup: impl Setup) {
    let ada = Person::sign_up(&setup.url(), "ada").await;
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    let (cid, base) = (Cid(Uuid::new_v4()), socket.base(room));
    assert_eq!(socket.drop_send(room, cid, base).await, Answer::Rejected { code: ErrorCode::Cancelled, is_final: true });
    // A copy of the discarded send that arrives late changes nothing.
    assert_eq!(socket.send_as(room, cid, base, "too late", true).await, Answer::Rejected { code: ErrorCode::Cancelled, is_final: true });
    let cid = Cid(Uuid::new_v4());
    let Answer::Ack { id, .. } = socket.send_as(room, cid, base, "there", false).await else { panic!("not acked") };
    let Answer::Ack { id: found, .. } = socket.drop_send(room, cid, base).await else { panic!("a message that is there is acked") };
    assert_eq!(found, id);
    socket.send(room, "last").await;
    assert_eq!(socket.until(room, 2).await, ["there", "last"]);
}

pub(crate) async fn a_send_that_can_not_be_is_refused_before_the_log(setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    let refused = |code| Answer::Rejected { code, is_final: false };
    assert_eq!(socket.send(room, " \n ").await, refused(ErrorCode::BodyEmpty));
    assert_eq!(socket.send(room, "a\0b").await, refused(ErrorCode::BodyInvalid));
    assert_eq!(socket.send(room, &"é".repeat(4_001)).await, refused(ErrorCode::BodyTooLong));
    assert_eq!(socket.send_as(room, Cid(Uuid::new_v4()), Cursor(1 << 40), "ahead", false).await, refused(ErrorCode::BaseAhead));
    assert_eq!(bo.connect().await.send(room, "not a member").await, refused(ErrorCode::NotFound));
    let longest = "é".repeat(4_000);
    assert!(matches!(socket.send(room, &longest).await, Answer::Ack { .. }));
    assert_eq!(socket.until(room, 1).await, [longest]);
}

pub(crate) async fn who_comes_back_gets_what_was_missed_once_whatever_the_tier(mut setup: impl Setup) {
    let second = setup.second_url().await;
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut a = ada.connect().await;
    a.subscribe(room).await;
    let mut b = bo.connect().await;
    b.subscribe(room).await;
    let mut expected = Vec::new();
    // 5: from the tail. 200: more entries than a tail has, so from the store. The tails lost: from the store and the log.
    for (round, (missed, lose_tail)) in [(5, false), (200, false), (5, true)].into_iter().enumerate() {
        b.until(room, expected.len()).await;
        for number in 0..missed {
            let text = format!("{round}-{number}");
            assert!(matches!(a.send(room, &text).await, Answer::Ack { .. }));
            expected.push(text);
        }
        if lose_tail {
            setup.empty_bus().await;
        }
        let url = if round % 2 == 0 { second.clone() } else { setup.url() };
        b = bo.at(&url).resume(b).await;
        assert_eq!(b.until(room, expected.len()).await, expected);
    }
}

pub(crate) async fn who_missed_too_much_gets_the_newest_page(setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut b = bo.connect().await;
    b.subscribe(room).await;
    let mut a = ada.connect().await;
    a.subscribe(room).await;
    for number in 0..1_005 {
        assert!(matches!(a.send(room, &number.to_string()).await, Answer::Ack { .. }));
    }
    a.until(room, 1_005).await;
    setup.empty_bus().await;
    // The old connection has received them too: what counts is what the client says that it has.
    b.views.get_mut(&room).unwrap().rows.clear();
    let mut b = bo.resume(b).await;
    assert!(b.wait_for(|frame| matches!(frame, ServerFrame::Resync { .. })).await.is_some());
    let texts = b.views[&room].texts();
    assert_eq!(texts.last().map(String::as_str), Some("1004"));
    assert!(texts.len() <= 50);
}

pub(crate) async fn a_foreign_token_resumes_nothing(setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    let mut a = ada.connect().await;
    a.subscribe(room).await;
    a.send(room, "secret").await;
    let mut stolen = bo.resume(a).await;
    assert!(matches!(&stolen.welcome, Some(ServerFrame::Welcome { resume: parley_proto::wire::ResumeOutcome::ResyncRequired, .. })));
    stolen.settle(Duration::from_millis(300)).await;
    assert!(!stolen.came(|frame| matches!(frame, ServerFrame::Replay { .. } | ServerFrame::Frames { .. } | ServerFrame::Resync { .. })));
}

pub(crate) async fn history_pages_meet_without_hole_or_double(mut setup: impl Setup) {
    let ada = Person::sign_up(&setup.url(), "ada").await;
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    for number in 0..100 {
        socket.send(room, &number.to_string()).await;
        if number == 80 {
            socket.until(room, 81).await;
            // From here on the messages are only in the log and in the tail.
            setup.stop_persister().await;
        }
    }
    socket.until(room, 100).await;
    let mut texts: Vec<String> = Vec::new();
    let mut before = None;
    loop {
        let reference = socket.reference();
        let at = before.unwrap_or_else(|| socket.base(room).position());
        socket.write(&ClientFrame::History { reference, room, limit: Some(7), before: Some(at), after: None, around: None }).await;
        let page = socket.wait_for(|frame| matches!(frame, ServerFrame::Page { reference: answered, .. } if *answered == reference)).await;
        let Some(ServerFrame::Page { items, has_older, start, .. }) = page else { panic!("{page:?}") };
        assert!(items.len() <= 7 && items.iter().all(|item| item.position < at));
        let page: Vec<String> = items.iter().filter(|item| item.kind == ItemKind::Message).map(|item| item.body.as_str().unwrap().to_owned()).collect();
        texts.splice(0..0, page);
        if !has_older {
            break;
        }
        before = Some(start.position());
    }
    let expected: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(texts, expected);

    // Around a message that is stored, and around one that only the log has.
    for wanted in ["40", "95"] {
        let id = socket.views[&room].rows.values().find(|row| row.body == wanted).unwrap().id;
        let reference = socket.reference();
        socket.write(&ClientFrame::History { reference, room, limit: Some(9), before: None, after: None, around: Some(id) }).await;
        let page = socket.wait_for(|frame| matches!(frame, ServerFrame::Page { reference: answered, .. } if *answered == reference)).await;
        let Some(ServerFrame::Page { items, has_older, .. }) = page else { panic!("{page:?}") };
        assert!(items.iter().any(|item| item.id == id) && items.len() <= 9 && has_older, "{wanted}: {items:?}");
    }
}

pub(crate) async fn leaving_ends_delivery_and_sign_out_ends_the_socket(setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.connect().await, bo.connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    a.send(room, "before").await;
    b.until(room, 1).await;
    assert_eq!(bo.post(&format!("/rooms/{room}/leave"), &serde_json::json!({})).await.0, 204);
    let told = b.wait_for(|frame| matches!(frame, ServerFrame::Unsubscribed { reference: None, .. })).await;
    assert!(matches!(told, Some(ServerFrame::Unsubscribed { code: Some(ErrorCode::NotFound), .. })), "{told:?}");
    a.send(room, "after").await;
    b.settle(Duration::from_millis(500)).await;
    assert_eq!(b.views[&room].texts(), ["before"]);
    assert_eq!(b.send(room, "still here?").await, Answer::Rejected { code: ErrorCode::NotFound, is_final: false });
    assert_eq!(bo.post("/auth/sign-out", &serde_json::json!({})).await.0, 204);
    assert_eq!(b.until_closed().await, CloseCode::SessionEnded as u16);
}

pub(crate) async fn rooms_that_are_not_open_tell_that_something_happened(setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut a = ada.connect().await;
    a.subscribe(room).await;
    let mut b = bo.connect().await;
    a.send(room, "psst").await;
    // Bo's own coming may be told before it: that is no message.
    let told = b.wait_for(|frame| matches!(frame, ServerFrame::RoomActivity { seq, .. } if *seq > 0)).await;
    assert!(matches!(told, Some(ServerFrame::RoomActivity { room: told, seq: 1, .. }) if told == room), "{told:?}");
}

pub(crate) async fn a_sender_is_told_when_the_message_is_stored(setup: impl Setup) {
    let ada = Person::sign_up(&setup.url(), "ada").await;
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    let Answer::Ack { at_most, .. } = socket.send(room, "kept").await else { panic!("not acked") };
    let told = socket.wait_for(|frame| matches!(frame, ServerFrame::Stored { cursor, .. } if *cursor > at_most.at())).await;
    assert!(matches!(told, Some(ServerFrame::Stored { room: told, .. }) if told == room), "{told:?}");
    let (_, page) = ada.get(&format!("/rooms/{room}/messages")).await;
    assert!(page["items"].as_array().unwrap().iter().any(|item| item["body"] == "kept" && item["seq"] == 1));
}

pub(crate) async fn a_draining_gateway_sends_its_sockets_away_and_they_miss_nothing(mut setup: impl Setup) {
    let second = setup.second_url().await;
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&second, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.connect().await, bo.connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    a.send(room, "one").await;
    b.send(room, "two").await;
    setup.drain_first_gateway().await;
    assert!(a.wait_for(|frame| matches!(frame, ServerFrame::Drain { .. })).await.is_some());
    assert_eq!(a.until_closed().await, CloseCode::Drain as u16);
    b.send(room, "three").await;
    let mut a = ada.at(&second).resume(a).await;
    assert_eq!(a.until(room, 3).await, ["one", "two", "three"]);
}

pub(crate) async fn a_hundred_rooms_and_no_more(setup: impl Setup) {
    let ada = Person::sign_up(&setup.url(), "ada").await;
    let mut socket: Socket = ada.connect().await;
    let mut rooms = Vec::new();
    // Nobody makes so many a day.
    for _ in 0..6 {
        let owner = Person::sign_up(&setup.url(), "owner").await;
        for number in 0..17 {
            let room = owner.create_room(&format!("room {number}")).await;
            ada.join(room).await;
            rooms.push(room);
        }
    }
    for room in &rooms[..100] {
        socket.subscribe(*room).await;
    }
    let reference = socket.reference();
    socket.write(&ClientFrame::Subscribe { reference, room: rooms[100], limit: None }).await;
    let answer = socket.wait_for(|frame| matches!(frame, ServerFrame::Error { .. })).await;
    assert!(matches!(answer, Some(ServerFrame::Error { code: ErrorCode::TooManySubscriptions, .. })), "{answer:?}");
}
