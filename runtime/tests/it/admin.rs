//! The admin listener, over a real socket.

use std::{net::SocketAddr, sync::LazyLock, time::Duration};

use parley_runtime::{
    admin::{self, Admin, Readiness},
    metrics::{self, Buckets, Metrics},
    shutdown::Shutdown,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// The recorder is the process', so all tests share it, and a runtime that outlives each of them.
static METRICS: LazyLock<(Runtime, Metrics)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let buckets = [Buckets { histogram: "parley_test_records", bounds: &metrics::COUNTS }];
    let installed = {
        let _inside = runtime.enter();
        metrics::install(&buckets).unwrap()
    };
    (runtime, installed)
});

struct Served {
    address: SocketAddr,
    admin: Admin,
    until: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let admin = Admin { readiness: Readiness::new(), metrics: METRICS.1.clone(), shutdown: Shutdown::new(Duration::from_secs(60)) };
        let until = CancellationToken::new();
        let served = tokio::spawn(admin::serve(listener, admin.clone(), until.clone()));
        Self { address, admin, until, served }
    }

    /// The status and the body.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n", self.address);
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "").await
    }
}

#[tokio::test]
async fn a_process_that_turns_is_alive_even_if_it_is_not_ready() {
    let served = Served::start().await;
    served.admin.readiness.part("log").not_ready("away");
    assert_eq!(served.get("/livez").await.0, 200);
    assert_eq!(served.get("/readyz").await.0, 503);
}

#[tokio::test]
async fn readiness_names_every_part_and_its_reason() {
    let served = Served::start().await;
    let (log, store) = (served.admin.readiness.part("log"), served.admin.readiness.part("store"));
    store.ready();
    let (status, body) = served.get("/readyz").await;
    let expected =
        json!({"ready": false, "draining": false, "checks": [{"name": "log", "ready": false, "reason": "starting"}, {"name": "store", "ready": true}]});
    assert_eq!((status, serde_json::from_str::<serde_json::Value>(&body).unwrap()), (503, expected));
    log.ready();
    assert_eq!(served.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn a_drain_begins_by_post_and_takes_the_process_out_of_service() {
    let served = Served::start().await;
    assert_eq!(served.get("/readyz").await.0, 200);
    assert_eq!(served.get("/drain").await.0, 405);
    assert!(!served.admin.shutdown.is_draining());
    assert_eq!(served.ask("POST", "/drain", "").await.0, 202);
    assert!(served.admin.shutdown.is_draining() && !served.admin.shutdown.hard().is_cancelled());
    assert_eq!(served.get("/readyz").await.0, 503);
    assert_eq!(served.get("/livez").await.0, 200);
}

#[tokio::test]
async fn a_page_in_a_browser_can_not_begin_a_drain() {
    let served = Served::start().await;
    for header in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(served.ask("POST", "/drain", header).await.0, 403);
    }
    assert!(!served.admin.shutdown.is_draining());
}

#[tokio::test]
async fn histograms_are_shown_as_buckets_never_as_summaries() {
    let served = Served::start().await;
    ::metrics::histogram!("parley_test_records").record(3.0);
    ::metrics::histogram!("parley_test_seconds").record(0.002);
    ::metrics::counter!("parley_test_total").increment(2);
    let (status, body) = served.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"parley_test_records_bucket{le="2"} 0"#,
        r#"parley_test_records_bucket{le="4"} 1"#,
        r#"parley_test_seconds_bucket{le="0.0025"} 1"#,
        "parley_test_total 2",
    ] {
        assert!(body.contains(line), "{line} is missing in\n{body}");
    }
    assert!(!body.contains("quantile"), "{body}");
}

#[tokio::test]
async fn the_listener_ends_when_it_is_told_to() {
    let served = Served::start().await;
    served.until.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), served.served).await;
    assert!(matches!(ended, Ok(Ok(Ok(())))), "{ended:?}");
    assert!(TcpStream::connect(served.address).await.is_err());
}
