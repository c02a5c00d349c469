//! A gateway's REST on a free loopback port over the embedded engines, and clients for it.

use std::{sync::Arc, time::Duration};

use axum::routing::MethodRouter;
use parley_engines::{
    bus::embedded::EmbeddedBus,
    log::embedded::{EmbeddedLog, EmbeddedLogConfig},
    store::{projection::Partitions, sqlite::SqliteStore},
};
use parley_gateway::{
    chat::Chat,
    config::GatewayConfig,
    ends::Ends,
    http::{AppParts, AppState, router},
    limits::Limits,
    peer::{Peer, Wired},
    presence::Presence,
    profiles::Profiles,
    reader::Reader,
    rights::Rights,
    tokens::TokenKey,
};
use parley_proto::{LogId, PartitionId};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A password that the policy takes.
pub(crate) const PASSWORD: &str = "seven purple umbrellas";

/// A running server; it stops when this is dropped.
pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) bus: Arc<EmbeddedBus>,
    task: JoinHandle<()>,
    _folder: TempDir,
}

/// How a test's server differs from the default.
pub(crate) struct Setup {
    pub(crate) config: GatewayConfig,
    pub(crate) open_partitions: u16,
    pub(crate) socket: MethodRouter<AppState>,
}

impl Default for Setup {
    fn default() -> Self {
        let mut config = GatewayConfig::new(TokenKey::new("a secret only for tests, 0123456789").unwrap());
        // Tests share two cores: patience, so that only the tests of the queue meet its end.
        config.passwords.queue_age = Duration::from_secs(20);
        Self { config, open_partitions: 2, socket: MethodRouter::new() }
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("store.db")).await.unwrap());
        for partition in (0..setup.open_partitions).map(PartitionId) {
            store.partition(partition, LogId(Uuid::from_u128(7))).await.unwrap();
            store.open_partition(partition).await.unwrap();
        }
        let log = Arc::new(EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 2)).await.unwrap());
        let bus = Arc::new(EmbeddedBus::new());
        let rights = Rights::new(store.clone());
        let limits = Limits::new(setup.config.limits, bus.clone(), "gateway-1");
        let reader = Reader::new(log.clone(), bus.clone(), store.clone());
        let chat = Chat::new(log.clone(), store.clone(), reader, Ends::new(log), rights.clone(), limits.clone());
        let profiles = Profiles::new(store.clone());
        let presence = Presence::new(bus.clone(), store.clone(), &limits);
        let config = Arc::new(setup.config);
        let state = AppState::new(AppParts { config, store: store.clone(), bus: bus.clone(), chat, rights, profiles, limits, presence }).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = router(state, setup.socket).into_make_service_with_connect_info::<Peer>();
        let task = tokio::spawn(async move { axum::serve(Wired(listener), app).await.unwrap() });
        Self { base, store, bus, task, _folder: folder }
    }

    /// A client without an account, which keeps cookies.
    pub(crate) fn visitor(&self) -> Visitor {
        Visitor { base: self.base.clone(), client: Client::builder().cookie_store(true).build().unwrap(), bearer: None }
    }

    /// A new person, signed in by bearer token.
    pub(crate) async fn person(&self, user_name: &str) -> Visitor {
        let mut visitor = self.visitor();
        let session = visitor.sign_up(user_name, "token").await.expect(StatusCode::CREATED);
        visitor.bearer = Some(session["access_token"].as_str().unwrap().to_owned());
        visitor
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client.
pub(crate) struct Visitor {
    pub(crate) base: String,
    pub(crate) client: Client,
    pub(crate) bearer: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Visitor {
    /// A request to a path under `/api/v1`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/api/v1{path}", self.base));
        match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    /// A POST without a body.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::POST, path)).await
    }

    pub(crate) async fn sign_up(&self, user_name: &str, session: &str) -> Answer {
        self.post("/auth/sign-up", json!({"user_name": user_name, "password": PASSWORD, "session": session})).await
    }

    pub(crate) async fn sign_in(&self, user_name: &str, password: &str) -> Answer {
        self.post("/auth/sign-in", json!({"user_name": user_name, "password": password, "session": "token"})).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({"refresh_token": token})).await
    }

    /// Makes a room and returns its id.
    pub(crate) async fn room(&self, name: &str, visibility: &str) -> String {
        let room = self.post("/rooms", json!({"name": name, "visibility": visibility})).await.expect(StatusCode::CREATED);
        room["id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response: Response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The JSON of an answer with this status.
    pub(crate) fn expect(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// A problem: status and code.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }

    pub(crate) fn set_cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

/// A problem to compare with.
pub(crate) fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
