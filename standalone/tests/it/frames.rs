//! Frames that break the protocol, written byte by byte: what their sender is told, and that a bystander goes on as before. Each holds at any address, so that
//! the same is asked of a gateway and of NGINX in front of one.

use std::time::Duration;

use parley_proto::{RoomId, limits::SOCKET_MESSAGE_BYTES, wire::ServerFrame};
use tokio::time::Instant;

use crate::{
    client::{Person, Socket},
    raw::{CLOSE, CONTINUATION, FIN, PING, Raw, TEXT, announced, frame, header},
};

/// Calls `$macro` with the names of all suites of this file.
macro_rules! broken_frames {
    ($macro:ident) => {
        $macro! {
            what_breaks_the_protocol_is_closed_with_1002,
            what_is_no_utf_8_is_closed_with_1007,
            what_is_too_large_is_closed_with_1009_before_it_is_there,
            the_limit_is_exact_and_may_come_byte_by_byte,
            json_that_is_none_is_refused_with_its_path_and_the_third_time_closes,
            who_is_gone_in_the_middle_of_a_frame_leaves_nothing,
            a_message_that_is_never_whole_is_closed_with_1008_and_a_slow_one_is_not,
        }
    };
}

pub(crate) use broken_frames;

/// Somebody in a room on another socket, who notices everything that should not happen.
pub(crate) struct Bystander {
    socket: Socket,
    room: RoomId,
    heard: usize,
}

impl Bystander {
    pub(crate) async fn watch(person: &Person) -> Self {
        let room = person.create_room("watched").await;
        let mut socket = person.connect().await;
        socket.subscribe(room).await;
        Self { socket, room, heard: 0 }
    }

    /// Still sends, still hears, and was told of no error.
    pub(crate) async fn goes_on(&mut self) {
        self.heard += 1;
        let answer = self.socket.send(self.room, &format!("message {}", self.heard)).await;
        assert!(matches!(answer, crate::client::Answer::Ack { .. }), "{answer:?}");
        assert_eq!(self.socket.until(self.room, self.heard).await.last(), Some(&format!("message {}", self.heard)));
        assert!(!self.socket.came(|frame| matches!(frame, ServerFrame::Error { .. })));
        assert_eq!(self.socket.closed, None);
    }
}

/// Each input, written on a socket of its own, is answered with this code.
async fn each_is_closed(url: &str, code: u16, inputs: &[(&str, Vec<u8>)]) {
    let (ada, bo) = (Person::sign_up(url, "ada").await, Person::sign_up(url, "bo").await);
    let mut bystander = Bystander::watch(&bo).await;
    for (what, bytes) in inputs {
        let mut raw = Raw::open(&ada).await;
        raw.write(bytes).await;
        assert_eq!(raw.close_code().await, code, "{what}");
        bystander.goes_on().await;
    }
}

pub(crate) async fn what_breaks_the_protocol_is_closed_with_1002(url: &str) {
    let unmasked = [header(FIN | TEXT, 0, 2), b"{}".to_vec()].concat();
    let inputs = [
        ("an unmasked frame", unmasked),
        ("RSV1", frame(FIN | 0x40 | TEXT, b"{}")),
        ("RSV2", frame(FIN | 0x20 | TEXT, b"{}")),
        ("RSV3", frame(FIN | 0x10 | TEXT, b"{}")),
        ("an unknown opcode", frame(FIN | 0x3, b"{}")),
        ("an unknown control opcode", frame(FIN | 0xB, b"")),
        ("a fragmented ping", frame(PING, b"x")),
        ("a ping of 126 bytes", frame(FIN | PING, &[b'x'; 126])),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"{}")),
        ("a message within a message", [frame(TEXT, b"{"), frame(FIN | TEXT, b"}")].concat()),
        ("a close with half a code", frame(FIN | CLOSE, &[3])),
        ("a close with a code that nobody may send", frame(FIN | CLOSE, &1005_u16.to_be_bytes())),
        ("a close with a code that there is not", frame(FIN | CLOSE, &999_u16.to_be_bytes())),
    ];
    each_is_closed(url, 1002, &inputs).await;
}

pub(crate) async fn what_is_no_utf_8_is_closed_with_1007(url: &str) {
    let inputs = [
        ("a lone byte", frame(FIN | TEXT, b"\"\xFF\"")),
        ("an overlong slash", frame(FIN | TEXT, b"\"\xC0\xAF\"")),
        ("a surrogate", frame(FIN | TEXT, b"\"\xED\xA0\x80\"")),
        ("a character that is cut off", frame(FIN | TEXT, b"\"\xE2\x82")),
        ("a character whose second piece is wrong", [frame(TEXT, b"\"\xE2\x82"), frame(FIN | CONTINUATION, b"\"")].concat()),
    ];
    each_is_closed(url, 1007, &inputs).await;
}

pub(crate) async fn what_is_too_large_is_closed_with_1009_before_it_is_there(url: &str) {
    let piece = frame(CONTINUATION, &[b' '; 1_024]);
    let endless = [frame(TEXT, b" "), piece.repeat(80)].concat();
    let inputs = [
        ("1 GiB announced, then silence", announced(FIN | TEXT, 1 << 30)),
        ("all that can be announced", announced(FIN | TEXT, u64::MAX >> 1)),
        ("endless continuations", endless),
        ("one byte over the limit", frame(FIN | TEXT, &vec![b' '; SOCKET_MESSAGE_BYTES + 1])),
    ];
    let began = Instant::now();
    each_is_closed(url, 1009, &inputs).await;
    println!("closed, with all that is around it, after {} ms", began.elapsed().as_millis());
}

/// A frame that is understood, with blanks up to this many bytes.
fn padded(bytes: usize) -> Vec<u8> {
    let room = RoomId::NIL;
    let text = format!(r#"{{"type":"unsubscribe","ref":7,"room":"{room}"}}"#);
    let mut out = vec![b' '; bytes];
    out[..text.len()].copy_from_slice(text.as_bytes());
    out
}

pub(crate) async fn the_limit_is_exact_and_may_come_byte_by_byte(url: &str) {
    let (ada, bo) = (Person::sign_up(url, "ada").await, Person::sign_up(url, "bo").await);
    let mut bystander = Bystander::watch(&bo).await;
    let message = padded(SOCKET_MESSAGE_BYTES);
    let (last, others) = message.split_last().unwrap();
    let mut pieces = frame(TEXT, &others[..1]);
    pieces.extend(others[1..].iter().flat_map(|byte| frame(CONTINUATION, std::slice::from_ref(byte))));
    pieces.extend(frame(FIN | CONTINUATION, &[*last]));
    for bytes in [frame(FIN | TEXT, &message), pieces] {
        let mut raw = Raw::open(&ada).await;
        raw.write(&bytes).await;
        let answer = raw.text().await;
        assert!(answer.contains(r#""ref":7"#) && answer.contains("unsubscribed"), "{answer}");
        bystander.goes_on().await;
    }
}

/// Texts that are no frames, and the field that is at fault where there is one.
fn no_frames() -> Vec<(String, Option<&'static str>)> {
    let id = RoomId::NIL;
    let send = |rest: &str| format!(r#"{{"type":"send","ref":5,"room":"{id}","cid":"{id}",{rest}}}"#);
    let many: String = (0..6_000).map(|number| format!(r#","k{number}":1"#)).collect();
    vec![
        ("{".to_owned(), None),
        (format!("{}{{}}", send(r#""base":0,"body":"hi""#)), None),
        (format!("{}{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000)), None),
        (format!(r#"{{"type":"hello","ref":1,"version":1{many}}}"#), Some("k0")),
        (send(r#""base":0,"body":"one","body":"two""#), None),
        (send(r#""base":0,"body":17"#), Some("body")),
        (send(r#""base":-1,"body":"hi""#), Some("base")),
        (send(r#""base":9007199254740993,"body":"hi""#), Some("base")),
        (send(r#""base":1e400,"body":"hi""#), None),
        (send(r#""base":0,"body":"hi","sender":"me""#), Some("sender")),
        (send(r#""base":0,"body":"hi","sent_at":"2020-01-01T00:00:00.000Z""#), Some("sent_at")),
        (send(r#""base":0,"body":"hi","role":"owner""#), Some("role")),
        (send(r#""base":0,"body":"hi","position":1"#), Some("position")),
    ]
}

pub(crate) async fn json_that_is_none_is_refused_with_its_path_and_the_third_time_closes(url: &str) {
    let (ada, bo) = (Person::sign_up(url, "ada").await, Person::sign_up(url, "bo").await);
    let mut bystander = Bystander::watch(&bo).await;
    for (text, path) in no_frames() {
        let mut raw = Raw::open(&ada).await;
        for _ in 0..3 {
            raw.write(&frame(FIN | TEXT, text.as_bytes())).await;
            let answer: serde_json::Value = serde_json::from_str(&raw.text().await).unwrap();
            assert_eq!((answer["type"].as_str(), answer["code"].as_str()), (Some("error"), Some("bad_request")), "{text:.120}");
            assert_eq!(answer["path"].as_str(), path, "{text:.120}");
        }
        assert_eq!(raw.close_code().await, 1008, "{text:.120}");
        bystander.goes_on().await;
    }
}

pub(crate) async fn who_is_gone_in_the_middle_of_a_frame_leaves_nothing(url: &str) {
    let (ada, bo) = (Person::sign_up(url, "ada").await, Person::sign_up(url, "bo").await);
    let mut bystander = Bystander::watch(&bo).await;
    let half = &frame(FIN | TEXT, &[b' '; 4_096])[..2_000];
    let mut half_open = Raw::open(&ada).await;
    half_open.write(half).await;
    for _ in 0..5 {
        let mut raw = Raw::open(&ada).await;
        raw.write(half).await;
        raw.reset();
        bystander.goes_on().await;
    }
    // One that only waits costs nobody anything meanwhile.
    assert!(half_open.stays(Duration::from_millis(200)).await);
    bystander.goes_on().await;
}

pub(crate) async fn a_message_that_is_never_whole_is_closed_with_1008_and_a_slow_one_is_not(url: &str) {
    let (ada, bo) = (Person::sign_up(url, "ada").await, Person::sign_up(url, "bo").await);
    let mut bystander = Bystander::watch(&bo).await;
    let (mut half, mut pinged, mut slow) = (Raw::open(&ada).await, Raw::open(&ada).await, Raw::open(&ada).await);
    half.write(&frame(FIN | TEXT, &[b' '; 4_096])[..2_000]).await;
    pinged.write(&frame(TEXT, b"{")).await;
    let message = padded(4_096);
    slow.write(&frame(TEXT, &message[..2_000])).await;
    for second in 0..8 {
        // Pings may stand between the pieces of a message, and end nothing.
        pinged.write(&frame(FIN | PING, b"there?")).await;
        if second == 6 {
            slow.write(&frame(FIN | CONTINUATION, &message[2_000..])).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(slow.text().await.contains("unsubscribed"));
    bystander.goes_on().await;
    for raw in [&mut half, &mut pinged] {
        assert_eq!(raw.closed_within(Duration::from_secs(15)).await, Some(1008));
    }
    slow.write(&frame(FIN | TEXT, &message)).await;
    assert!(slow.text_of("unsubscribed").await, "the slow one is still served");
    bystander.goes_on().await;
}
