//! Ports for servers under test.

use std::fs::{File, create_dir_all};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::wait_until;

/// Below the range from which the kernel takes ports of outgoing connections: a server which is restarted
/// finds its port free again.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A free TCP port on loopback. Other tests with this kit leave it alone as long as this value lives, in
/// this process and in others; programs without the kit could still take it, so starters retry.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    _lock: Option<File>,
}

impl ReservedPort {
    /// Finds a free port.
    ///
    /// # Errors
    /// When there is none.
    pub fn new() -> Result<Self> {
        static TURN: AtomicU32 = AtomicU32::new(0);
        // Another process starts elsewhere; the lock below settles the rest.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
        let start = nanos.wrapping_add(std::process::id().wrapping_mul(7919));
        for _ in 0..COUNT {
            let turn = TURN.fetch_add(1, Ordering::Relaxed);
            let port = u16::try_from(FIRST + start.wrapping_add(turn) % COUNT)?;
            let Some(lock) = lock(port) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(Self { port, _lock: lock });
            }
        }
        bail!("no free port between {FIRST} and {} on loopback", FIRST + COUNT)
    }

    /// Listens on it, as somebody else might.
    ///
    /// A child process that was being forked when the port was looked at has it open as well, until it becomes another program; so
    /// this waits a little.
    ///
    /// # Errors
    /// When somebody else really listens there.
    pub fn occupy(&self) -> Result<TcpListener> {
        wait_until(Duration::from_secs(10), "the port to be free", || {
            Ok(TcpListener::bind(self.addr())?)
        })
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address on loopback.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// `None`: another test has the port. `Some(None)`: no lock file can be made (another user's folder), so
/// only the bind counts. The kernel drops the lock with the process.
fn lock(port: u16) -> Option<Option<File>> {
    let dir = std::env::temp_dir().join("electrumx-testkit-ports");
    let file = create_dir_all(&dir).and_then(|()| {
        File::options().write(true).create(true).truncate(false).open(dir.join(port.to_string()))
    });
    match file {
        Ok(file) => file.try_lock().is_ok().then_some(Some(file)),
        Err(_) => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ() {
        let ports: Vec<_> = (0..50).map(|_| ReservedPort::new().unwrap()).collect();
        let mut numbers: Vec<_> = ports.iter().map(ReservedPort::port).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
    }
}
