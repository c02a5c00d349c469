//! `parley healthcheck`: asks the process beside it whether it is ready, for images without an HTTP client. It judges nothing: the answer is the one of that
//! process' admin listener, found by the same settings.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Below the 4 s after which Docker gives up, so that it is us who say what was wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

/// An answer is a few hundred bytes: one line per part of the process.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// Fails unless `/readyz` says 200 within `deadline`; the error is what it said instead.
pub(crate) async fn healthcheck(admin_listen: SocketAddr, deadline: Duration) -> anyhow::Result<()> {
    let address = reachable(admin_listen);
    let answer = tokio::time::timeout(deadline, ask(address))
        .await
        .with_context(|| format!("{address} did not answer within {} ms", deadline.as_millis()))?
        .with_context(|| format!("{address} can't be asked"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("not ready: {status} {}", body.trim());
    }
    Ok(())
}

async fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Who listens on every address is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Somebody who reads one request and answers it with this; with nothing, says nothing for ever.
    async fn who_answers(answer: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
        });
        address
    }

    #[tokio::test]
    async fn a_process_that_is_ready_is_healthy() {
        let address = who_answers(Some("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"ready\":true}")).await;
        healthcheck(address, DEADLINE).await.unwrap();
    }

    #[tokio::test]
    async fn one_that_listens_everywhere_is_found() {
        let address = who_answers(Some("HTTP/1.1 200 OK\r\n\r\n")).await;
        healthcheck(SocketAddr::from(([0, 0, 0, 0], address.port())), DEADLINE).await.unwrap();
    }

    #[tokio::test]
    async fn one_that_is_not_ready_says_why() {
        let address = who_answers(Some("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false,\"checks\":[\"store\"]}")).await;
        let error = healthcheck(address, DEADLINE).await.unwrap_err().to_string();
        assert_eq!(error, "not ready: HTTP/1.1 503 Service Unavailable {\"ready\":false,\"checks\":[\"store\"]}");
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_not_waited_for() {
        let address = who_answers(None).await;
        let error = healthcheck(address, Duration::from_millis(50)).await.unwrap_err().to_string();
        assert_eq!(error, format!("{address} did not answer within 50 ms"));
    }

    #[tokio::test]
    async fn nobody_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(healthcheck(address, DEADLINE).await.unwrap_err().to_string().contains("can't be asked"));
    }
}
