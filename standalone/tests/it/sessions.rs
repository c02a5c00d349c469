//! Rights that end while the bus is away, and the first administrator.

use std::{process::Output, time::Duration};

use parley_proto::{
    ErrorCode,
    wire::{CloseCode, ServerFrame},
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    client::{Answer, Person, Socket},
    node::Node,
    support::{Parley, command},
};

/// What GUARANTEES.md promises whatever is away (G10), and a test machine's share of it: nothing here waits for more than looks and deadlines.
const NEVER_LATER: Duration = Duration::from_secs(30);

/// Reads for as long as it takes until `is_so`; how long it took.
async fn until(socket: &mut Socket, began: Instant, is_so: impl Fn(&Socket) -> bool) -> Duration {
    while !is_so(socket) {
        assert!(began.elapsed() < NEVER_LATER * 3, "it never was so");
        socket.settle(Duration::from_millis(200)).await;
    }
    began.elapsed()
}

fn is_expelled(socket: &Socket) -> bool {
    socket.came(|frame| matches!(frame, ServerFrame::Unsubscribed { reference: None, code: Some(ErrorCode::NotFound), .. }))
}

#[tokio::test]
async fn without_the_bus_ended_rights_reach_another_gateway_by_its_own_looks() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let (ada, bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.at(&second).connect().await, bo.at(&second).connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    node.bus.set_away(true);
    let began = Instant::now();
    assert_eq!(bo.post(&format!("/rooms/{room}/leave"), &json!({})).await.0, 204);
    assert_eq!(ada.post("/auth/sign-out", &json!({})).await.0, 204);
    let (left, ended) = tokio::join!(until(&mut b, began, is_expelled), until(&mut a, began, |socket| socket.closed.is_some()));
    println!("without the bus: left after {} ms, signed out after {} ms", left.as_millis(), ended.as_millis());
    assert!(left.max(ended) <= NEVER_LATER, "{left:?}, {ended:?}");
    assert_eq!(a.closed, Some(CloseCode::SessionEnded as u16));
}

#[tokio::test]
async fn without_the_bus_ended_rights_reach_one_s_own_gateway_at_once() {
    let node = Node::start().await;
    let ada = Person::sign_up(&node.url, "ada").await;
    let mut a = ada.connect().await;
    node.bus.set_away(true);
    let began = Instant::now();
    assert_eq!(ada.post("/auth/sign-out", &json!({})).await.0, 204);
    assert_eq!(a.until_closed().await, CloseCode::SessionEnded as u16);
    assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn whom_neither_store_nor_bus_vouches_for_hears_and_says_nothing_more() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let (ada, bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.connect().await, bo.at(&second).connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    a.send(room, "before").await;
    b.until(room, 1).await;
    node.bus.set_away(true);
    node.store.close().await;
    let began = Instant::now();
    let in_doubt = |socket: &Socket| socket.came(|frame| matches!(frame, ServerFrame::Error { reference: None, code: ErrorCode::AuthUnverified, .. }));
    let took = until(&mut b, began, in_doubt).await;
    println!("nobody vouches: delivery stops after {} ms", took.as_millis());
    assert!(took <= NEVER_LATER, "{took:?}");
    assert_eq!(b.send(room, "am I here?").await, Answer::Rejected { code: ErrorCode::AuthUnverified, is_final: false });
    b.settle(Duration::from_secs(2)).await;
    assert_eq!((b.views[&room].texts(), b.closed), (vec!["before".to_owned()], None));
}

fn admin(folder: &std::path::Path, arguments: &[&str]) -> Output {
    command(folder).arg("admin").args(arguments).stderr(std::process::Stdio::piped()).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn an_operator_makes_the_first_administrator() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start(folder.path());
    let ada = Person::sign_up(&parley.url, "ada").await;
    assert_eq!(ada.get("/me").await.1["is_admin"], false);
    let busy = admin(folder.path(), &["grant", &ada.user_name]);
    assert!(!busy.status.success() && String::from_utf8_lossy(&busy.stderr).contains("stop it first"), "an embedded store has one process");
    parley.terminate();
    assert_eq!(said(&admin(folder.path(), &["list"])), "");
    assert_eq!(said(&admin(folder.path(), &["grant", &ada.user_name.to_uppercase()])), format!("{} is an administrator\n", ada.user_name));
    assert_eq!(said(&admin(folder.path(), &["list"])), format!("{}\n", ada.user_name));
    for nobody in ["nobody-at-all", "not a name"] {
        let refused = admin(folder.path(), &["grant", nobody]);
        assert!(!refused.status.success() && !refused.stderr.is_empty(), "{nobody}");
    }
    parley.start_again();
    assert_eq!(ada.get("/me").await.1["is_admin"], true);
    parley.terminate();
    said(&admin(folder.path(), &["revoke", &ada.user_name]));
    assert_eq!(said(&admin(folder.path(), &["list"])), "");
}
