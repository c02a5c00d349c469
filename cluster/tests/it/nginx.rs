//! NGINX with the repository's configuration before tiny gateways.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, process::Command, time::Duration};

use futures::{SinkExt, StreamExt};
use parley_cluster::{Nginx, NginxConfig, health::http};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::{assert_gone, kill_and_wait, pause_and_resume, processes, upstream::Upstream};

async fn nginx(folder: &Path, upstreams: &[&Upstream]) -> Nginx {
    let gateways = upstreams.iter().map(|upstream| upstream.addr).collect();
    Nginx::start(folder, &NginxConfig { gateways, ..NginxConfig::default() }).await.unwrap()
}

/// Who answers, for so many requests.
async fn answering(addr: SocketAddr, requests: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for _ in 0..requests {
        let answer = http::get(addr, "/api/v1/rooms").await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        names.insert(answer.header("x-upstream").unwrap().to_owned());
    }
    names
}

#[tokio::test]
async fn it_balances_is_killed_with_its_workers_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let nginx = nginx(folder.path(), &[&one, &two]).await;
    assert_eq!(answering(nginx.addr(), 20).await.len(), 2);
    let before = processes([nginx.service()]);
    assert!(before.len() >= 3, "a master and two workers: {before:?}");
    kill_and_wait(nginx.service()).await;
    assert_gone(&before).await;
    assert_eq!(answering(nginx.addr(), 20).await.len(), 2);
    pause_and_resume(nginx.service()).await;
    let after = processes([nginx.service()]);
    drop(nginx);
    assert_gone(&after).await;
}

#[tokio::test]
async fn a_dead_gateway_is_left_at_once_and_a_new_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let nginx = nginx(folder.path(), &[&one, &two]).await;
    assert_eq!(answering(nginx.addr(), 20).await.len(), 2);

    let since = Instant::now();
    drop(one);
    // No request fails, not even the first.
    assert_eq!(answering(nginx.addr(), 50).await, BTreeSet::from(["two".to_owned()]));
    println!("left a dead gateway: 50 requests in {} ms, none failed", since.elapsed().as_millis());

    let three = Upstream::start("three").await;
    nginx.set_gateways(&[two.addr, three.addr]).unwrap();
    let since = Instant::now();
    while !answering(nginx.addr(), 1).await.contains("three") {
        assert!(since.elapsed() < Duration::from_secs(3));
    }
    println!("used a new gateway after {} ms", since.elapsed().as_millis());
}

#[tokio::test]
async fn an_outcome_that_nobody_knows_is_not_called_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let nginx = nginx(folder.path(), &[&one, &two]).await;
    one.cut();
    two.cut();
    // It reached a gateway, and is not repeated at the other.
    let post = http::request(nginx.addr(), "POST", "/api/v1/rooms", &[], "{}").await.unwrap();
    assert_eq!(post.status, 504, "{post:?}");
    assert!(post.body.contains("unknown"));
    let get = http::get(nginx.addr(), "/api/v1/rooms").await.unwrap();
    assert_eq!(get.status, 503, "{get:?}");

    drop((one, two));
    // Let both be tried again.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for method in ["POST", "GET"] {
        let answer = http::request(nginx.addr(), method, "/api/v1/rooms", &[], "").await.unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.body.contains(r#""code":"unavailable""#));
    }
}

#[tokio::test]
async fn a_socket_passes_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let one = Upstream::start("one").await;
    let nginx = nginx(folder.path(), &[&one]).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/api/v1/socket", nginx.addr())).await.unwrap();
    for text in ["hello", "again"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
}

/// Gateways are replaced one after the other, and nobody asks for anything but sockets.
#[tokio::test]
async fn sockets_are_taken_at_once_by_a_gateway_that_came_back() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let nginx = nginx(folder.path(), &[&one, &two]).await;
    let connect = async || tokio_tungstenite::connect_async(format!("ws://{}/api/v1/socket", nginx.addr())).await;
    let mut sockets = Vec::new();
    let addr = one.addr;
    drop(one);
    for _ in 0..8 {
        sockets.push(connect().await.expect("the other one takes it"));
    }
    let one = Upstream::start_at("one", addr).await;
    // Beyond the time after which NGINX looks at a failed server again.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    sockets.push(connect().await.unwrap());
    drop(two);
    for _ in 0..8 {
        sockets.push(connect().await.expect("the one that came back takes it"));
    }
    drop(one);
}

#[tokio::test]
async fn a_client_cannot_choose_its_address() {
    let spoofed = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "7.7.7.7"), ("X-Real-IP", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")];
    let folder = tempfile::tempdir().unwrap();
    let one = Upstream::start("one").await;
    let nginx = nginx(folder.path(), &[&one]).await;
    let seen = http::request(nginx.addr(), "GET", "/api/v1/me", &spoofed, "").await.unwrap().body;
    assert!(!seen.contains("6.6.6.6") && !seen.contains("7.7.7.7"), "{seen}");
    assert!(seen.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{seen}");

    let folder = tempfile::tempdir().unwrap();
    let trusting = NginxConfig { gateways: vec![one.addr], trusted_proxies: vec!["127.0.0.1".to_owned()], ..NginxConfig::default() };
    let nginx = Nginx::start(folder.path(), &trusting).await.unwrap();
    let through_proxy = [("X-Forwarded-For", "6.6.6.6, 9.9.9.9"), ("X-Forwarded-Proto", "https")];
    let seen = http::request(nginx.addr(), "GET", "/api/v1/me", &through_proxy, "").await.unwrap().body;
    assert!(seen.contains("X-Forwarded-For: 9.9.9.9\r\n") && seen.contains("X-Forwarded-Proto: https\r\n"), "only the proxy's own word counts: {seen}");
}

/// Also while nobody is there to refuse it: then NGINX writes a line about the request.
#[tokio::test]
async fn a_token_in_a_url_is_refused_and_its_value_is_in_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let one = Upstream::start("one").await;
    let nginx = nginx(folder.path(), &[&one]).await;
    let mut upstream = Some(one);
    for round in 0..2 {
        for path in ["/api/v1/me", "/api/v1/socket", "/", "/api/v1/auth/sign-in"] {
            for query in ["access_token=hunter2", "a=b&TOKEN=hunter2&c=d", "password=hunter2"] {
                let answer = http::get(nginx.addr(), &format!("{path}?{query}")).await.unwrap();
                assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")), "{path}?{query} {answer:?}");
                assert!(!answer.body.contains("hunter2"));
            }
        }
        let answer = http::get(nginx.addr(), "/api/v1/rooms?q=token&cursor=x").await.unwrap();
        assert_eq!(answer.status, if round == 0 { 200 } else { 503 }, "others pass: {answer:?}");
        upstream.take();
    }
    // The access log is written each second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let access = std::fs::read_to_string(folder.path().join("logs/access.log")).unwrap();
    let errors = std::fs::read_to_string(&nginx.service().spec().log).unwrap();
    assert!(access.contains("\"status\":400") && errors.contains("connect() failed"), "{access}{errors}");
    assert!(!access.contains("hunter2") && !errors.contains("hunter2"), "{access}{errors}");
}

#[tokio::test]
async fn the_web_app_is_kept_by_its_hashes_and_admin_paths_are_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web");
    std::fs::create_dir_all(web.join("assets")).unwrap();
    std::fs::write(web.join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(web.join("assets/index-abc.js"), "1").unwrap();
    let config = NginxConfig { web_dir: Some(web), ..NginxConfig::default() };
    let nginx = Nginx::start(&folder.path().join("nginx"), &config).await.unwrap();
    let cached = async |path| {
        let answer = http::get(nginx.addr(), path).await.unwrap();
        assert!(answer.header("content-security-policy").is_some() && answer.header("x-content-type-options").is_some(), "{answer:?}");
        (answer.status, answer.header("cache-control").unwrap_or_default().to_owned())
    };
    assert_eq!(cached("/").await, (200, "no-cache".to_owned()));
    assert_eq!(cached("/rooms/some-room").await, (200, "no-cache".to_owned()));
    assert_eq!(cached("/assets/index-abc.js").await, (200, "public, max-age=31536000, immutable".to_owned()));
    assert_eq!(cached("/assets/gone.js").await, (404, "no-store".to_owned()));
    for hidden in ["/metrics", "/readyz", "/livez", "/drain", "/drain/now"] {
        assert_eq!(cached(hidden).await.0, 404, "{hidden}");
    }
}

#[test]
fn security_headers_are_the_gateways_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let snippet = std::fs::read_to_string(root.join("nginx/snippets/headers.conf")).unwrap();
    let gateway = std::fs::read_to_string(root.join("gateway/src/http/headers.rs")).unwrap();
    let policy = |text: &str| text.split('"').find(|part| part.starts_with("default-src")).map(str::to_owned);
    assert!(policy(&snippet).is_some());
    assert_eq!(policy(&snippet), policy(&gateway));
}

#[tokio::test]
async fn the_containers_configuration_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = Nginx::start(folder.path(), &NginxConfig::default()).await.unwrap();
    drop(nginx);
    let (conf, container) = (folder.path().join("conf"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../nginx/container"));
    for entry in std::fs::read_dir(container).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap().replace("/tmp/", &format!("{}/", folder.path().display()));
        // As the image has them: this one takes the place of the snippet of its name.
        let place = if entry.file_name() == "upstream.conf" { "snippets" } else { "instance" };
        std::fs::write(conf.join(place).join(entry.file_name()), text).unwrap();
    }
    let checked = Command::new("nginx").arg("-p").arg(folder.path()).arg("-c").arg(conf.join("nginx.conf")).args(["-e", "stderr", "-t"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
