//! The process dies, ends, and comes back: what was acked is there, once, in the same order for all.

use std::{collections::HashMap, time::Duration};

use parley_proto::{Cid, Cursor, RoomId};
use rustix::process::Signal;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    client::{Answer, PATIENCE, Person, Socket},
    support::{Parley, command},
    talkers::talkers,
};

/// Sends one message after the other, retrying unknown outcomes as a client does, until `count` are acked.
async fn talk(person: Person, mut socket: Socket, room: RoomId, name: &str, count: usize) -> (Socket, Vec<String>) {
    let mut acked = Vec::new();
    for number in 0..count {
        let (cid, base, text) = (Cid(Uuid::new_v4()), socket.base(room), format!("{name}{number}"));
        let mut retry = false;
        loop {
            match socket.send_as(room, cid, base, &text, retry).await {
                Answer::Ack { .. } => break,
                Answer::Rejected { code, .. } => assert_eq!(code.status(), 503, "{code:?}"),
                Answer::Unknown => retry = true,
            }
            if socket.closed.is_some() {
                // Resume first, strike what the replay shows, retry the rest.
                socket = person.resume(socket).await;
                socket.settle(Duration::from_millis(200)).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        acked.push(text);
    }
    (socket, acked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_the_middle_of_traffic_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start(folder.path());
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut talkers = HashMap::new();
    for (name, person) in [("a", &ada), ("b", &bo), ("c", &ada), ("d", &bo)] {
        let mut socket = person.connect().await;
        socket.subscribe(room).await;
        talkers.insert(name, (person, tokio::spawn(talk(person.clone(), socket, room, name, 250))));
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        tokio::task::block_in_place(|| {
            parley.kill();
            parley.start_again();
        });
    }
    let mut expected = Vec::new();
    let mut sockets = Vec::new();
    for (_, (person, talker)) in talkers {
        let (socket, acked) = talker.await.unwrap();
        expected.extend(acked);
        sockets.push((person, socket));
    }
    let stored = ada.everything(room).await;
    let mut sorted = stored.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected, "every acked message is there once");
    for (person, mut socket) in sockets {
        // Those who were done first have the others' last words still to read, and may have been cut off by a kill after their own.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while socket.views[&room].texts().last() != stored.last() && tokio::time::Instant::now() < deadline {
            if socket.closed.is_some() {
                socket = person.resume(socket).await;
            }
            socket.settle(Duration::from_millis(50)).await;
        }
        let view = socket.views[&room].texts();
        let from = stored.len() - view.len();
        assert_eq!(view, stored[from..], "all see one order");
    }
    let again = Person::at(&ada, &parley.url).connect().await.subscribe(room).await;
    assert!(again.cursor > Cursor::ZERO && stored.ends_with(&again.texts()));
}

#[tokio::test]
async fn a_session_outlives_the_process_and_so_does_every_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start(folder.path());
    let ada = Person::sign_up(&parley.url, "ada").await;
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    for number in 0..20 {
        socket.send(room, &number.to_string()).await;
    }
    assert!(parley.terminate().success());
    assert_eq!(socket.until_closed().await, 4010);
    parley.start_again();
    let mut socket = ada.resume(socket).await;
    let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(socket.until(room, 20).await, expected);
    assert_eq!(ada.everything(room).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_can_not_be_logged_cost_nobody_anything() {
    let folder = tempfile::tempdir().unwrap();
    // As on a full disk: each write to it fails.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let parley = Parley::spawn(folder.path(), command(folder.path()).env("PARLEY_LOG", "trace").stderr(full));
    let (room, ada, mut a, _, mut b) = talkers(&parley.url).await;
    assert!(matches!(a.send(room, "heard").await, Answer::Ack { .. }));
    assert_eq!(b.until(room, 1).await, ["heard"]);
    assert_eq!(ada.everything(room).await, ["heard"]);
}

/// An operator who sends it twice wants it gone now. What was acked is in the log, and stored at the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_it_at_once_and_nothing_acked_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start(folder.path());
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut listener = bo.connect().await;
    listener.subscribe(room).await;
    let mut talkers = Vec::new();
    for name in ["a", "b"] {
        let mut socket = ada.connect().await;
        socket.subscribe(room).await;
        talkers.push(tokio::spawn(async move {
            let mut acked = Vec::new();
            for number in 0.. {
                let text = format!("{name}{number}");
                // So that what was said is no more than a resume brings back.
                tokio::time::sleep(Duration::from_millis(3)).await;
                match socket.send(room, &text).await {
                    Answer::Ack { .. } => acked.push(text),
                    _ if socket.closed.is_some() => break,
                    _ => {}
                }
            }
            acked
        }));
    }
    // Somebody whose request is never whole: the drain would wait for it.
    let mut held = std::net::TcpStream::connect(parley.url.strip_prefix("http://").unwrap()).unwrap();
    std::io::Write::write_all(&mut held, b"POST /api/v1/auth/sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    parley.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(300)).await;
    parley.signal(Signal::TERM);
    let asked = Instant::now();
    let status = tokio::task::block_in_place(|| parley.ended());
    println!("gone {} ms after the second SIGTERM, with {status}", asked.elapsed().as_millis());
    assert_eq!(status.code(), Some(1), "it says that it did not end as it should");
    let mut acked = Vec::new();
    for talker in talkers {
        acked.extend(talker.await.unwrap());
    }
    assert!(!acked.is_empty());
    let seen = listener.views[&room].texts();

    parley.start_again();
    let stored = bo.at(&parley.url).everything(room).await;
    assert!(acked.iter().all(|text| stored.iter().filter(|stored| *stored == text).count() == 1), "{} acked, {} stored", acked.len(), stored.len());
    let mut once = stored.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), stored.len(), "nothing is there twice");
    assert_eq!(seen, stored[..seen.len()], "what a bystander saw is what is stored, in this order");
    let mut listener = bo.resume(listener).await;
    assert_eq!(listener.until(room, stored.len()).await, stored);
}
