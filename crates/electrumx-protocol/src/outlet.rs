//! The sending side of a session.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use crate::close::CloseReason;

/// Capacity an idle session keeps, in bytes.
const IDLE_CAPACITY: usize = 1024;

/// Bytes on their way to the client.
#[derive(Debug)]
pub(crate) struct Outlet<W> {
    output: W,
    unsent: Vec<u8>,
    /// How much of `unsent` is sent.
    sent: usize,
    /// Whether the stream may hold back bytes it took (as TLS does).
    unflushed: bool,
    patience: Duration,
    /// When the client must have taken something; set while there is something to take.
    due: Option<Instant>,
}

impl<W: AsyncWrite + Unpin> Outlet<W> {
    pub(crate) fn new(output: W, patience: Duration) -> Self {
        Self { output, unsent: Vec::new(), sent: 0, unflushed: false, patience, due: None }
    }

    /// Returns how many bytes are unsent.
    pub(crate) fn len(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Tells whether [`progress`](Self::progress) has anything to do.
    pub(crate) fn pending(&self) -> bool {
        self.len() > 0 || self.unflushed
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Takes the bytes over, leaving `bytes` empty.
    pub(crate) fn send(&mut self, bytes: &mut Vec<u8>) {
        if self.unsent.is_empty() {
            std::mem::swap(&mut self.unsent, bytes);
        } else {
            self.unsent.append(bytes);
        }
        if bytes.capacity() > IDLE_CAPACITY {
            *bytes = Vec::new();
        }
    }

    /// Returns the buffer to append to, and the length it has with `max_unsent` bytes unsent.
    pub(crate) fn buffer(&mut self, max_unsent: usize) -> (&mut Vec<u8>, usize) {
        (&mut self.unsent, self.sent.saturating_add(max_unsent))
    }

    /// Sends some of it, counting the bytes. Safe to drop at any time.
    pub(crate) async fn progress(&mut self, count: &AtomicU64) -> Result<(), CloseReason> {
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.patience);
        let step = async {
            if self.len() == 0 {
                return self.output.flush().await.map(|()| 0);
            }
            match self.output.write(&self.unsent[self.sent..]).await? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                written => Ok(written),
            }
        };
        let written = match timeout_at(due, step).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => return Err(CloseReason::ClientLeft),
            Err(_) => return Err(CloseReason::NotReading),
        };
        self.due = None;
        self.unflushed = written > 0;
        self.sent += written;
        count.fetch_add(written as u64, Relaxed);
        if self.len() == 0 {
            self.sent = 0;
            self.unsent.clear();
            if self.unsent.capacity() > IDLE_CAPACITY {
                self.unsent = Vec::new();
            }
        } else if self.sent > 1 << 16 && self.sent > self.len() {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// Closes the stream.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.output.shutdown().await
    }
}
