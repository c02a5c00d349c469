//! What a socket does with clients that don't keep to the protocol.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use parley_proto::{
    ErrorCode,
    wire::{CloseCode, ServerFrame},
};
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue};

use crate::{
    client::{Person, Socket},
    node::Node,
};

async fn upgrade(
    url: &str,
    headers: &[(&'static str, String)],
) -> Result<tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>, u16> {
    let mut request = format!("{}/api/v1/socket", url.replacen("http", "ws", 1)).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((stream, _)) => Ok(stream),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn close_code(stream: &mut (impl futures::Stream<Item = Result<Message, Error>> + Unpin)) -> u16 {
    loop {
        match tokio::time::timeout(Duration::from_secs(15), stream.next()).await.expect("closed in time") {
            Some(Ok(Message::Close(close))) => return close.map_or(1005, |close| close.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return 1006,
        }
    }
}

#[tokio::test]
async fn a_browser_without_a_good_cookie_is_accepted_told_and_closed() {
    let node = Node::start().await;
    let origin = ("origin", node.url.clone());
    let mut stream = upgrade(&node.url, std::slice::from_ref(&origin)).await.unwrap();
    assert_eq!(close_code(&mut stream).await, CloseCode::Token as u16);
    let mut stream = upgrade(&node.url, &[origin, ("cookie", "parley_access=nonsense".to_owned())]).await.unwrap();
    assert_eq!(close_code(&mut stream).await, CloseCode::Token as u16);
}

#[tokio::test]
async fn a_foreign_origin_and_a_bad_bearer_are_refused_at_the_upgrade() {
    let node = Node::start().await;
    let ada = Person::sign_up(&node.url, "ada").await;
    for foreign in ["https://evil.example", "null", &format!("{}.evil.example", node.url)] {
        assert_eq!(
            upgrade(&node.url, &[("origin", foreign.to_owned()), ("cookie", format!("parley_access={}", ada.access_token))]).await.err(),
            Some(403),
            "{foreign}"
        );
    }
    assert_eq!(upgrade(&node.url, &[("authorization", "Bearer nonsense".to_owned())]).await.err(), Some(401));
    let mut stream = upgrade(&node.url, &[("origin", node.url.clone()), ("cookie", format!("parley_access={}", ada.access_token))]).await.unwrap();
    stream.send(Message::text(r#"{"type":"hello","ref":1,"version":1}"#)).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Message::Text(text))) if text.contains("welcome")));
}

#[tokio::test]
async fn a_socket_that_says_nothing_or_another_version_is_closed() {
    let node = Node::start().await;
    let ada = Person::sign_up(&node.url, "ada").await;
    let mut silent = Socket::upgrade(&ada).await.unwrap();
    assert_eq!(close_code(&mut silent).await, CloseCode::Policy as u16);
    let mut future = Socket::upgrade(&ada).await.unwrap();
    future.send(Message::text(r#"{"type":"hello","ref":1,"version":2}"#)).await.unwrap();
    assert_eq!(close_code(&mut future).await, CloseCode::Version as u16);
}

#[tokio::test]
async fn what_is_not_understood_is_answered_with_its_path_and_the_third_time_closes() {
    let node = Node::start().await;
    let ada = Person::sign_up(&node.url, "ada").await;
    let room = ada.create_room("general").await;
    let mut bystander = ada.connect().await;
    bystander.subscribe(room).await;
    let mut socket = ada.connect().await;
    for (text, path) in [
        ("not json".to_owned(), None),
        (format!(r#"{{"type":"send","ref":5,"room":"{room}","cid":"{room}","base":"x","body":"hi"}}"#), Some("base")),
        ("[".repeat(10_000), None),
    ] {
        socket.write_text(text).await;
        let answer = socket.wait_for(|frame| matches!(frame, ServerFrame::Error { .. })).await;
        let Some(ServerFrame::Error { code, path: told, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(code, ErrorCode::BadRequest);
        if path.is_some() {
            assert_eq!(told.as_deref(), path);
        }
    }
    assert_eq!(socket.until_closed().await, CloseCode::Policy as u16);
    bystander.send(room, "nothing happened to me").await;
    assert_eq!(bystander.until(room, 1).await, ["nothing happened to me"]);
}

#[tokio::test]
async fn binary_and_oversized_messages_get_their_codes() {
    let node = Node::start().await;
    let ada = Person::sign_up(&node.url, "ada").await;
    let mut socket = ada.connect().await;
    socket.write_message(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.until_closed().await, CloseCode::Type as u16);
    let mut socket = ada.connect().await;
    socket.write_text(format!("\"{}\"", "x".repeat(64 * 1024))).await;
    assert_eq!(socket.until_closed().await, CloseCode::TooBig as u16);
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_costs_the_others_nothing() {
    let node = Node::start().await;
    let (ada, bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut stalled = bo.connect().await;
    stalled.subscribe(room).await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    let long = "x".repeat(4_000);
    // Far more than the outbox and the kernel's buffers hold.
    for _ in 0..3_000 {
        assert!(matches!(socket.send(room, &long).await, crate::client::Answer::Ack { .. }));
    }
    assert_eq!(socket.until(room, 3_000).await.len(), 3_000);
    let code = tokio::time::timeout(Duration::from_secs(30), stalled.until_closed()).await.expect("closed in time");
    // It may not get to read the code: what is ahead of it fills the line.
    assert!([CloseCode::Slow as u16, CloseCode::GoingAway as u16, 1006].contains(&code), "{code}");
    let seen = stalled.views[&room].texts().len();
    assert!(seen < 3_000, "the stalled client saw all {seen}");
}
