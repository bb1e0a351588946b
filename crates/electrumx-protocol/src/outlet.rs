//! The sending side of a session.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::close::CloseReason;
use crate::padding::{HOLD, MIN_PACKET, make_packet};
use crate::stats::Count;

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
    /// Set if what is sent is padded.
    packets: Option<Packets>,
}

/// How far the bytes on their way are padded.
#[derive(Debug)]
struct Packets {
    /// Where the last packet ends; what follows waits to be one.
    end: usize,
    /// Whether the session has sent enough for messages to be held.
    is_under_way: bool,
    /// When the last packet was made.
    since: Instant,
    /// Spaces that are yet to be sent, which count for nothing.
    spaces: usize,
    /// Whether there will be no other.
    is_last: bool,
}

impl<W: AsyncWrite + Unpin> Outlet<W> {
    pub(crate) fn new(output: W, patience: Duration, is_padded: bool) -> Self {
        let packets = is_padded.then(|| Packets {
            end: 0,
            is_under_way: false,
            since: Instant::now(),
            spaces: 0,
            is_last: false,
        });
        Self { output, unsent: Vec::new(), sent: 0, unflushed: false, patience, due: None, packets }
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

    /// Holds nothing back any more.
    pub(crate) fn finish(&mut self) {
        if let Some(packets) = &mut self.packets {
            packets.is_last = true;
        }
    }

    /// Makes a packet of what waits, if one is due and the one before is sent. Returns when it is due if it is not.
    fn pack(&mut self) -> Option<Instant> {
        let packets = self.packets.as_mut()?;
        let waiting = self.unsent.len() - packets.end;
        if self.sent < packets.end || waiting == 0 {
            return None;
        }
        let due = packets.since + HOLD;
        let is_due = waiting >= MIN_PACKET || !packets.is_under_way || packets.is_last;
        if !is_due && Instant::now() < due {
            return Some(due);
        }
        let (end, spaces) = make_packet(&mut self.unsent, packets.end, packets.is_last);
        // A packet has at least so much that the next one may be held.
        *packets = Packets { end, is_under_way: true, since: Instant::now(), spaces, ..*packets };
        None
    }

    /// Sends some of it, counting the bytes. Safe to drop at any time.
    pub(crate) async fn progress(&mut self, count: &Count) -> Result<(), CloseReason> {
        if !self.unflushed
            && let Some(due) = self.pack()
        {
            sleep_until(due).await;
            return Ok(());
        }
        let end = self.packets.as_ref().map_or(self.unsent.len(), |packets| packets.end);
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.patience);
        let step = async {
            if self.sent == end {
                return self.output.flush().await.map(|()| 0);
            }
            match self.output.write(&self.unsent[self.sent..end]).await? {
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
        let spaces = self.packets.as_mut().map_or(0, |packets| packets.spaces_of(written));
        count.add((written - spaces) as u64);
        if self.len() == 0 {
            self.forget_sent();
            self.unsent.clear();
            if self.unsent.capacity() > IDLE_CAPACITY {
                self.unsent = Vec::new();
            }
        } else if self.sent > 1 << 16 && self.sent > self.len() {
            self.unsent.drain(..self.sent);
            self.forget_sent();
        }
        Ok(())
    }

    /// Counts from what is not sent.
    fn forget_sent(&mut self) {
        if let Some(packets) = &mut self.packets {
            packets.end -= self.sent;
        }
        self.sent = 0;
    }

    /// Closes the stream.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.output.shutdown().await
    }
}

impl Packets {
    /// Takes the spaces off that are counted to so many bytes.
    fn spaces_of(&mut self, written: usize) -> usize {
        let spaces = self.spaces.min(written);
        self.spaces -= spaces;
        spaces
    }
}
