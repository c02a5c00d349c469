//! Whether a service serves, asked in its own protocol. A port that is open proves little: Kafka opens it seconds before it answers.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

pub mod http;
pub mod kafka;

/// How long one question may take.
const QUESTION_DEADLINE: Duration = Duration::from_secs(1);

/// What to ask.
#[derive(Debug, Clone)]
pub enum Probe {
    /// Nothing: it serves if it runs.
    Running,
    /// PING, and no dataset is being loaded.
    Redis(SocketAddr),
    /// What `pg_isready` asks: are connections accepted?
    Postgres { addr: SocketAddr, pg_isready: PathBuf },
    /// Metadata in which the broker itself is among the live ones.
    Kafka(SocketAddr),
    /// 200 to a GET.
    HttpOk { addr: SocketAddr, path: &'static str },
    /// Any answer to a GET but a server's error.
    HttpAnswers { addr: SocketAddr, path: &'static str },
}

impl Probe {
    /// `Err` says what is wrong.
    pub async fn check(&self) -> Result<(), String> {
        match tokio::time::timeout(QUESTION_DEADLINE, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err("it does not answer".to_owned()),
        }
    }

    async fn ask(&self) -> Result<(), String> {
        match self {
            Self::Running => Ok(()),
            Self::Redis(addr) => redis(*addr, "PING").await.and_then(|answer| if answer.starts_with("+PONG") { Ok(()) } else { Err(answer) }),
            Self::Postgres { addr, pg_isready } => postgres(*addr, pg_isready).await,
            Self::Kafka(addr) => {
                let alive = kafka::brokers(*addr).await?;
                let itself = alive.iter().any(|(_, port)| *port == i32::from(addr.port()));
                if itself { Ok(()) } else { Err("it is not let in yet".to_owned()) }
            }
            Self::HttpOk { addr, path } => match http::get(*addr, path).await? {
                answer if answer.status == 200 => Ok(()),
                answer => Err(format!("{path} answers {}: {}", answer.status, answer.body.trim())),
            },
            Self::HttpAnswers { addr, path } => match http::get(*addr, path).await? {
                answer if answer.status < 500 => Ok(()),
                answer => Err(format!("{path} answers {}", answer.status)),
            },
        }
    }
}

/// One inline command and the first line of its answer.
pub(crate) async fn redis(addr: SocketAddr, command: &str) -> Result<String, String> {
    let ask = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = stream.read_u8().await?;
            line.push(byte);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    };
    ask.await.map_err(|error: std::io::Error| error.to_string())
}

async fn postgres(addr: SocketAddr, pg_isready: &PathBuf) -> Result<(), String> {
    let mut command = Command::new(pg_isready);
    command.args(["-q", "-t", "1", "-h", &addr.ip().to_string(), "-p", &addr.port().to_string()]).kill_on_drop(true);
    match command.status().await.map_err(|error| error.to_string())?.code() {
        Some(0) => Ok(()),
        Some(1) => Err("it refuses connections, as when it starts or recovers".to_owned()),
        _ => Err("it does not answer".to_owned()),
    }
}
