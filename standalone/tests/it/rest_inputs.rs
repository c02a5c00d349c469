//! What a request over REST may not say: who sent something, when, as whom, where it stands; and numbers that are none. Each is refused with the field that is
//! wrong, and nothing of it is there afterwards.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{Answer, Person},
    node::Node,
};

async fn ask(person: &Person, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = person.http.request(method, format!("{}/api/v1{path}", person.url)).bearer_auth(&person.access_token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn sender_time_role_and_position_are_never_the_client_s_to_say() {
    let node = Node::start().await;
    let (ada, bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let mut bystander = bo.connect().await;
    bystander.subscribe(room).await;
    let Answer::Ack { id, .. } = bystander.send(room, "before").await else { panic!("not acked") };
    let (_, me) = bo.get("/me").await;
    let (someone, time) = (me["user"]["id"].clone(), json!("2020-01-01T00:00:00.000Z"));
    let said = [
        ("sender", someone.clone()),
        ("user", someone.clone()),
        ("user_id", someone.clone()),
        ("sent_at", time.clone()),
        ("created_at", time),
        ("role", json!("owner")),
        ("position", json!(1)),
        ("floor", json!(0)),
        ("seq", json!(1)),
        ("id", json!(Uuid::new_v4())),
        ("imported", json!(true)),
        ("is_admin", json!(true)),
    ];
    let asked = [
        (Method::POST, format!("/rooms/{room}/messages"), json!({"cid": Uuid::new_v4(), "body": "in whose name?"})),
        (Method::PUT, format!("/rooms/{room}/messages/{id}/vote"), json!({"cid": Uuid::new_v4(), "value": 1})),
        (Method::PUT, format!("/rooms/{room}/read"), json!({"seq": 0})),
        (Method::POST, "/rooms".to_owned(), json!({"name": "whose room?", "visibility": "public"})),
        (Method::PATCH, "/me".to_owned(), json!({"status_text": "whose profile?"})),
        (Method::PUT, "/me/password".to_owned(), json!({"current_password": "x", "new_password": "y"})),
        (Method::POST, "/auth/sign-up".to_owned(), json!({"user_name": "eve", "password": "correct horse battery"})),
        (Method::POST, "/auth/sign-in".to_owned(), json!({"user_name": "eve", "password": "correct horse battery"})),
    ];
    for (method, path, body) in asked {
        for (field, value) in said.iter().filter(|(field, _)| body.get(field).is_none()) {
            let mut body = body.clone();
            body[field] = value.clone();
            let (status, problem) = ask(&ada, method.clone(), &path, Some(body)).await;
            assert_eq!((status, &problem["code"], &problem["path"]), (400, &json!("bad_request"), &json!(field)), "{method} {path}: {problem}");
        }
    }
    assert!(matches!(bystander.send(room, "after").await, Answer::Ack { .. }));
    assert_eq!(bystander.until(room, 2).await, ["before", "after"]);
    assert_eq!(bystander.views[&room].seen(id), (0, 0, 0));
    assert_eq!(ada.everything(room).await, ["before", "after"]);
    let (_, me) = ada.get("/me").await;
    assert_eq!((&me["is_admin"], &me["user"]["status_text"]), (&json!(false), &json!("")));
    assert!(!ada.get("/rooms/directory?q=whose").await.1.to_string().contains("whose room?"));
    assert_eq!(ask(&ada, Method::POST, "/auth/sign-in", Some(json!({"user_name": "eve", "password": "correct horse battery"}))).await.0, 401);
}

#[tokio::test]
async fn a_limit_a_cursor_or_a_number_that_is_none_is_refused_with_its_field() {
    let node = Node::start().await;
    let ada = Person::sign_up(&node.url, "ada").await;
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    let Answer::Ack { id, .. } = socket.send(room, "hello").await else { panic!("not acked") };
    socket.until(room, 1).await;
    let lists =
        ["/rooms", "/rooms/directory", &format!("/rooms/{room}/members"), &format!("/rooms/{room}/messages"), &format!("/rooms/{room}/messages/{id}/votes")];
    let refused = async |path: String, field: &str| {
        let (status, problem) = ada.get(&path).await;
        assert_eq!((status, &problem["code"], &problem["path"]), (400, &json!("bad_request"), &json!(field)), "{path}: {problem}");
    };
    for list in lists {
        for limit in ["-1", "-0", "0", "101", "1.5", "1e2", "+5", "0x10", "9223372036854775808", "NaN", "%00", "1%0A"] {
            refused(format!("{list}?limit={limit}"), "limit").await;
        }
        for cursor in ["-1", "0", "9007199254740993", "-9223372036854775808", "null", "../..", "%00", "AAAA"] {
            refused(format!("{list}?cursor={cursor}"), "cursor").await;
        }
        assert_eq!(ada.get(list).await.0, 200, "{list}");
    }
    for limit in ["-1", "0", "101"] {
        refused(format!("/rooms/{room}/top?limit={limit}"), "limit").await;
    }
    refused(format!("/rooms/{room}/messages?around=-1"), "around").await;
    let bodies = [
        (Method::POST, format!("/rooms/{room}/messages"), json!({"cid": Uuid::new_v4(), "body": "no", "base": -1}), "base"),
        (Method::POST, format!("/rooms/{room}/messages"), json!({"cid": Uuid::new_v4(), "body": "no", "base": 9_007_199_254_740_993_u64}), "base"),
        (Method::PUT, format!("/rooms/{room}/messages/{id}/vote"), json!({"cid": Uuid::new_v4(), "value": 1, "base": -1}), "base"),
        (Method::PUT, format!("/rooms/{room}/messages/{id}/vote"), json!({"cid": Uuid::new_v4(), "value": -2}), "value"),
        (Method::PUT, format!("/rooms/{room}/read"), json!({"seq": -1}), "seq"),
        (Method::PUT, format!("/rooms/{room}/read"), json!({"seq": 1.5}), "seq"),
    ];
    for (method, path, body, field) in bodies {
        let (status, problem) = ask(&ada, method, &path, Some(body.clone())).await;
        assert_eq!((status, &problem["path"]), (400, &json!(field)), "{path} {body}: {problem}");
    }
    assert!(matches!(socket.send(room, "and on").await, Answer::Ack { .. }));
    assert_eq!(socket.until(room, 2).await, ["hello", "and on"]);
    assert_eq!(ada.everything(room).await, ["hello", "and on"]);
}
