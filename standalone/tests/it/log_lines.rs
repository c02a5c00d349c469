//! What the real binary writes while it is given what should not be there: one line for each request, and nothing of what people sent in any of them.

use std::{fs, path::Path};

use serde_json::json;
use tokio_tungstenite::tungstenite;
use uuid::Uuid;

use crate::{
    client::{Answer, PASSWORD, Person},
    support::Parley,
    talkers::talkers,
};

/// What a program that prints it as it is would stumble over.
const EVIL: [&str; 8] = [
    "marker\n2020-01-01T00:00:00.000000Z ERROR marker: forged",
    "marker\r\nlevel=error msg=forged",
    "marker\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
    "marker \"}\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
    "marker'; drop table messages; --",
    "marker %s %n {} {0} $(id) `id` ${jndi:ldap://127.0.0.1/a}",
    "marker * ? [a-z] % _ \\ % \\%",
    "marker\u{202E}\u{2028}\u{85}forged",
];

fn lines(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap().split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// How many lines are of a request with this status.
fn requests(lines: &[String], status: u16) -> usize {
    lines.iter().filter(|line| line.contains("http.request") && line.contains(&format!("http.status={status}"))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_a_url_is_refused_and_its_value_is_in_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("lines");
    let mut parley = Parley::start_logged(&folder.path().join("data"), &[("PARLEY_LOG", "debug")], &log);
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let room = bo.create_room("general").await;
    let mut bystander = bo.connect().await;
    bystander.subscribe(room).await;
    let mut asked = 0;
    for name in ["token", "access_token", "ACCESS_TOKEN", "refresh_token", "id_token", "jwt", "auth", "password", "%61ccess_token"] {
        for path in ["me", "rooms/directory", "socket", "nowhere", "auth/sign-in"] {
            for value in [&ada.access_token, &ada.refresh_token] {
                let url = format!("{}/api/v1/{path}?q=x&{name}={value}", parley.url);
                let answer = ada.http.get(&url).bearer_auth(&ada.access_token).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 400, "{path} {name}");
                let text = answer.text().await.unwrap();
                assert!(text.contains("\"bad_request\"") && !text.contains(value.as_str()), "{text}");
                asked += 1;
            }
        }
    }
    // The upgrade of a socket as well, from a program and from a browser.
    let address = parley.url.replacen("http", "ws", 1);
    let upgrade = tokio_tungstenite::connect_async(format!("{address}/api/v1/socket?access_token={}", ada.access_token)).await;
    assert!(matches!(&upgrade, Err(tungstenite::Error::Http(answer)) if answer.status().as_u16() == 400), "{upgrade:?}");
    asked += 1;
    assert!(matches!(bystander.send(room, "a body that is nobody's business").await, Answer::Ack { .. }));
    assert_eq!(bystander.until(room, 1).await, ["a body that is nobody's business"]);
    assert_eq!(ada.get("/me").await.0, 200, "the token itself is as good as before");
    parley.end();

    let lines = lines(&log);
    assert_eq!(requests(&lines, 400), asked, "each has its line");
    let secrets = [&ada.access_token, &ada.refresh_token, &bo.access_token, &bo.refresh_token, PASSWORD, "nobody's business"];
    for line in &lines {
        assert!(secrets.iter().all(|secret| !line.contains(*secret)), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_typed_is_kept_to_the_letter_and_makes_one_line_that_does_not_repeat_it() {
    for format in ["text", "json"] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("lines");
        let mut parley = Parley::start_logged(&folder.path().join("data"), &[("PARLEY_LOG", "debug"), ("PARLEY_LOG_FORMAT", format)], &log);
        let (room, ada, mut a, _, mut b) = talkers(&parley.url).await;
        let before = lines(&log).iter().filter(|line| line.contains("http.request")).count();
        let mut asked = 0;
        let url = |path: &str| format!("{}/api/v1{path}", parley.url);
        for evil in EVIL {
            // As a message it is what it is, for both.
            assert!(matches!(a.send(room, evil).await, Answer::Ack { .. }), "{evil:?}");
            // Wherever else one can type.
            let typed = [
                ada.http.post(url("/auth/sign-in")).json(&json!({"user_name": evil, "password": evil, "session": "token"})),
                ada.http.post(url("/auth/sign-up")).json(&json!({"user_name": evil, "password": evil, "session": "token"})),
                ada.http.post(url("/auth/refresh")).json(&json!({"refresh_token": evil})),
                ada.http.post(url("/rooms")).bearer_auth(&ada.access_token).json(&json!({"name": evil, "topic": evil, "visibility": "public"})),
                ada.http.patch(url("/me")).bearer_auth(&ada.access_token).json(&json!({"status_text": evil, "display_name": evil})),
                ada.http.get(url("/rooms/directory")).bearer_auth(&ada.access_token).query(&[("q", evil), ("cursor", evil)]),
                ada.http.get(url("/rooms/directory")).bearer_auth(&ada.access_token).query(&[(evil, evil)]),
                ada.http.get(url(&format!("/rooms/{}", urlencoded(evil)))).bearer_auth(&ada.access_token),
                ada.http.get(url("/me")).header("authorization", format!("Bearer {}", urlencoded(evil))),
                ada.http.post(url("/rooms")).bearer_auth(&ada.access_token).header("content-type", "application/json").body(evil),
            ];
            for request in typed {
                let answer = request.send().await.unwrap();
                // A machine with other tests to run may have no time for one more password.
                let is_busy = answer.status().as_u16() == 503 && answer.headers().contains_key("retry-after");
                assert!(answer.status().as_u16() < 500 || is_busy, "{evil:?}: {}", answer.status());
                asked += 1;
            }
        }
        assert_eq!(a.until(room, EVIL.len()).await, EVIL);
        assert_eq!(b.until(room, EVIL.len()).await, EVIL);
        assert!(a.closed.is_none() && b.closed.is_none());
        parley.end();

        let lines = lines(&log);
        assert_eq!(lines.iter().filter(|line| line.contains("http.request")).count() - before, asked, "{format}: one line each");
        for line in &lines {
            assert!(!line.contains("marker") && !line.contains("forged"), "{format}: {line}");
            assert!(!line.chars().any(char::is_control), "{format}: {line:?}");
            let whole = match format {
                "json" => serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["timestamp"].is_string()),
                _ => line.split(' ').next().is_some_and(|word| word.ends_with('Z') && word.starts_with("20")),
            };
            assert!(whole, "{format}: this is no line of its own: {line}");
        }
    }
}

/// What stands in a search or a name is looked for to the letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_and_statements_are_names_like_any_others() {
    let folder = tempfile::tempdir().unwrap();
    let parley = Parley::start(folder.path());
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let plain = ada.create_room("plain").await;
    let mut names = Vec::new();
    for name in ["'; drop table rooms; --", "100 % sure", "a_b", "[a-z]*", "back\\slash", "\"quoted\" ${x}"] {
        let (status, room) = ada.post("/rooms", &json!({"name": name, "visibility": "public"})).await;
        assert_eq!((status, room["name"].as_str()), (201, Some(name)), "{room}");
        names.push(name);
    }
    for name in &names {
        let answer = bo.http.get(format!("{}/api/v1/rooms/directory", parley.url)).bearer_auth(&bo.access_token).query(&[("q", *name)]).send().await.unwrap();
        let page: serde_json::Value = answer.json().await.unwrap();
        let found: Vec<_> = page["items"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect();
        assert_eq!(found, [*name]);
    }
    for nothing in ["%%", "__", "a%", "' or '1'='1", "[a-z]+"] {
        let answer = bo.http.get(format!("{}/api/v1/rooms/directory", parley.url)).bearer_auth(&bo.access_token).query(&[("q", nothing)]).send().await.unwrap();
        let page: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(page["items"], json!([]), "{nothing}");
    }
    assert_eq!(bo.get(&format!("/rooms/{plain}")).await.0, 200);
    let cid = Uuid::new_v4();
    assert_eq!(ada.post(&format!("/rooms/{plain}/messages"), &json!({"cid": cid, "body": names.join("\n")})).await.0, 201);
    assert_eq!(ada.everything(plain).await, [names.join("\n")]);
}

fn urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
