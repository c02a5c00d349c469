use std::time::Duration;

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use super::*;

const FEW: OutboxLimits = OutboxLimits { frames: 3, bytes: 1_000 };

/// An outbox from which is written, and the other end.
async fn wired(limits: OutboxLimits) -> (Outbox, Wire, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (theirs, ours) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (outbox, wire) = (Outbox::new(limits), Wire::new(ours.unwrap().0));
    wire.write_from(&outbox);
    (outbox, wire, theirs.unwrap())
}

async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

/// What the socket's task does next.
async fn outgoing(outbox: &Outbox) -> Outgoing {
    tokio::time::timeout(Duration::from_secs(5), poll_fn(|context| outbox.poll(context))).await.unwrap()
}

/// Frames, each of another letter.
fn letters(len: usize) -> Vec<Frame> {
    ('a'..='z').map(|letter| Frame::text(&letter.to_string().repeat(len))).collect()
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect()
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_nothing_in_the_middle_is_skipped() {
    let outbox = Outbox::new(FEW);
    for text in ["a", "b", "c"] {
        outbox.push(text.into());
    }
    assert!(!outbox.is_closed());
    outbox.push("d".into());
    assert!(outbox.is_closed());
    assert_eq!(outgoing(&outbox).await, Outgoing::Close(CloseCode::Slow));
}

#[tokio::test]
async fn whoever_waits_for_room_goes_on_when_there_will_be_none() {
    type End = fn(&Outbox);
    let ends: [End; 3] = [|outbox| outbox.push("d".into()), |outbox| outbox.close(CloseCode::Drain), |outbox| outbox.end(CloseCode::GoingAway)];
    for end in ends {
        let outbox = Outbox::new(FEW);
        for text in ["a", "b", "c"] {
            outbox.push(text.into());
        }
        let waiting = outbox.clone();
        let waiting = tokio::spawn(async move { waiting.half_empty().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        end(&outbox);
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn bytes_count_too_but_one_large_frame_may_pass() {
    let outbox = Outbox::new(OutboxLimits { frames: 100, bytes: 10 });
    outbox.push(Frame::text(&"x".repeat(50)));
    assert!(!outbox.is_closed());
    outbox.push("y".into());
    assert!(outbox.is_closed());
}

#[tokio::test]
async fn a_socket_whose_session_ended_is_written_nothing_that_waited() {
    let outbox = Outbox::new(OutboxLimits::default());
    outbox.push("a secret".into());
    outbox.close(CloseCode::Drain);
    outbox.end(CloseCode::SessionEnded);
    outbox.push("another".into());
    assert_eq!(outgoing(&outbox).await, Outgoing::Close(CloseCode::SessionEnded));
}

#[tokio::test]
async fn what_is_queued_is_written_before_the_socket_is_closed() {
    let (outbox, _wire, mut theirs) = wired(OutboxLimits::default()).await;
    let frames = letters(3);
    frames.iter().for_each(|frame| outbox.push(frame.clone()));
    outbox.close(CloseCode::Drain);
    assert_eq!(outgoing(&outbox).await, Outgoing::Close(CloseCode::Drain));
    assert_eq!(read(&mut theirs, bytes(&frames).len()).await, bytes(&frames));
}

#[tokio::test]
async fn a_round_writes_though_no_task_of_the_socket_runs() {
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(wired(OutboxLimits::default()).await);
    }
    let frames = letters(3);
    let mut round = Round::default();
    for frame in &frames {
        sockets.iter().for_each(|(outbox, ..)| round.push(outbox, frame.clone()));
    }
    drop(round);
    for (outbox, _, theirs) in &mut sockets {
        assert_eq!(read(theirs, bytes(&frames).len()).await, bytes(&frames));
        assert!(outbox.is_empty());
    }
}

#[tokio::test]
async fn what_a_full_socket_does_not_take_is_written_by_its_task_in_order_and_in_one_piece() {
    let (outbox, _wire, mut theirs) = wired(OutboxLimits { frames: 100, bytes: usize::MAX }).await;
    let task = outbox.clone();
    let task = tokio::spawn(async move {
        assert_eq!(outgoing(&task).await, Outgoing::Blocked);
        task.written().await.unwrap();
    });
    tokio::task::yield_now().await;
    // More than the kernel takes from somebody who does not read.
    let mut frames = letters(1_000_000);
    let mut round = Round::default();
    frames.iter().for_each(|frame| round.push(&outbox, frame.clone()));
    drop(round);
    while !outbox.state().is_begun {
        tokio::task::yield_now().await;
    }
    // A pong does not come between a frame and its rest.
    outbox.say(b"pong");
    frames.push(Frame::raw(b"pong"));
    assert!(read(&mut theirs, bytes(&frames).len()).await == bytes(&frames));
    task.await.unwrap();
    assert_eq!((outbox.len(), outbox.state().bytes), (0, 0));
}

#[tokio::test]
async fn of_a_frame_that_was_begun_the_rest_is_written_whatever_else_is_dropped() {
    let (outbox, _wire, mut theirs) = wired(OutboxLimits { frames: 100, bytes: usize::MAX }).await;
    let frames = letters(1_000_000);
    frames.iter().for_each(|frame| outbox.push(frame.clone()));
    assert_eq!(outgoing(&outbox).await, Outgoing::Blocked);
    outbox.end(CloseCode::SessionEnded);
    let left = outbox.state().bytes;
    assert!(left < bytes(&frames[..1]).len() && outbox.len() <= 1, "{left}");
    outbox.say(b"closed");
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        all
    });
    outbox.written().await.unwrap();
    drop(_wire);
    let all = reading.await.unwrap();
    let whole = bytes(&frames);
    let (said, closed) = all.split_at(all.len() - b"closed".len());
    assert!(whole.starts_with(said) && said.len() % bytes(&frames[..1]).len() == 0 && closed == b"closed");
}

#[tokio::test]
async fn a_socket_that_is_gone_ends_its_task() {
    let (outbox, wire, _theirs) = wired(OutboxLimits::default()).await;
    drop(wire);
    outbox.push("a".into());
    assert_eq!(outgoing(&outbox).await, Outgoing::Gone);
    outbox.written().await.unwrap_err();
}

#[tokio::test]
async fn a_doubt_and_its_end_are_told_once_each_and_what_ended_before_it_was_heard_of_is_not() {
    let outbox = Outbox::new(OutboxLimits::default());
    for is_in_doubt in [true, true, false, false] {
        outbox.set_in_doubt(is_in_doubt);
    }
    outbox.ask_for_cursors();
    assert_eq!(outgoing(&outbox).await, Outgoing::Cursors);
    for is_in_doubt in [true, false] {
        outbox.set_in_doubt(is_in_doubt);
        assert_eq!((outgoing(&outbox).await, outbox.is_in_doubt()), (Outgoing::Doubt(is_in_doubt), is_in_doubt));
    }
    outbox.set_in_doubt(false);
    outbox.close(CloseCode::Drain);
    assert_eq!(outgoing(&outbox).await, Outgoing::Close(CloseCode::Drain));
}
