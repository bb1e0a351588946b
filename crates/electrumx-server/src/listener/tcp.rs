//! Options of TCP connections.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Silence after which the other end is asked for a sign of life: a little more often than wallets ping by themselves.
const IDLE: Duration = Duration::from_secs(240);

/// Time between two questions.
const INTERVAL: Duration = Duration::from_secs(30);

/// Questions without an answer after which the connection is given up.
const RETRIES: u32 = 4;

/// Has answers sent at once and dead connections noticed.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    // Answers are small and awaited; without this they wait for the client's acknowledgement.
    stream.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL).with_retries(RETRIES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tuned_connection_is_kept_alive_and_does_not_wait() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tune(&stream).unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());
    }
}
