//! Nagle's algorithm off. sqlx turned it off up to 0.8 and leaves it on in 0.9.0 (its issue 4335), where it shows its sockets to nobody: they are looked for among
//! this process' descriptors. The end of a COPY is a write of its own and would wait 40 ms for the server's delayed acknowledgement of the data before it.
//! Goes as soon as sqlx does it again.

#![expect(unsafe_code, reason = "a descriptor is used that sqlx owns: argued where it is")]

use std::{fs, io, os::fd::BorrowedFd};

use socket2::SockRef;
use tokio::task;

/// For each connection of this process to this port. There may be thousands of other sockets to look at, hence beside the runtime's threads. What fails here costs
/// time and nothing else.
pub async fn set(port: u16) {
    match task::spawn_blocking(move || set_now(port)).await {
        Ok(Ok(())) => {}
        failed => tracing::debug!(?failed, "Nagle's algorithm stays on for Postgres"),
    }
}

fn set_now(port: u16) -> io::Result<()> {
    for entry in fs::read_dir("/dev/fd")? {
        let Some(descriptor) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // SAFETY: it was open a moment ago. Where its owner has closed it since, the calls below fail, or meet the socket that has its number now: that one is judged
        // by its own peer, and to be told not to wait harms none. Nothing is read, written or closed.
        let socket = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let socket = SockRef::from(&socket);
        if socket.peer_addr().is_ok_and(|peer| peer.as_socket().is_some_and(|peer| peer.port() == port)) {
            // Where it was closed meanwhile, nothing waits there any more.
            let _ = socket.set_tcp_nodelay(true);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn connections_to_this_port_do_not_wait_and_others_are_left_alone() -> io::Result<()> {
        let (postgres, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let (ours, others) = (TcpStream::connect(postgres.local_addr()?)?, TcpStream::connect(other.local_addr()?)?);
        set(postgres.local_addr()?.port()).await;
        assert!(ours.nodelay()? && !others.nodelay()?);
        Ok(())
    }
}
