//! ZMTP 3.0 as a subscriber speaks it to a publisher (<https://rfc.zeromq.org/spec/23/>).

use std::io::{self, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::event::Topic;

/// Longest frame taken, in bytes: a raw block with room to spare.
const LONGEST_FRAME: u64 = 8 << 20;

/// Most frames of a message.
const MOST_FRAMES: usize = 8;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// A connection to a publisher.
#[derive(Debug)]
pub(super) struct Subscriber<S> {
    stream: S,
}

/// One part of a message, or a command.
#[derive(Debug)]
struct Frame {
    flags: u8,
    body: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Subscriber<S> {
    /// Shakes hands and subscribes.
    pub(super) async fn start(stream: S, topics: &[Topic]) -> io::Result<Self> {
        let mut subscriber = Self { stream };
        subscriber.stream.write_all(&greeting()).await?;
        // The stream may be buffered.
        subscriber.stream.flush().await?;
        let mut theirs = [0; 64];
        subscriber.stream.read_exact(&mut theirs).await?;
        check_greeting(&theirs)?;
        subscriber.send(COMMAND, b"\x05READY\x0bSocket-Type\0\0\0\x03SUB").await?;
        let ready = subscriber.frame().await?;
        if ready.flags & COMMAND == 0 || !ready.body.starts_with(b"\x05READY") {
            let said = ready.body.escape_ascii();
            return Err(broken(format!("it refuses the connection: {said}")));
        }
        for topic in topics {
            let body = [b"\x01", topic.name().as_bytes()].concat();
            subscriber.send(0, &body).await?;
        }
        Ok(subscriber)
    }

    /// Returns the next message, as its parts.
    pub(super) async fn message(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        loop {
            let frame = self.frame().await?;
            if frame.flags & COMMAND != 0 {
                self.answer(&frame.body).await?;
                continue;
            }
            parts.push(frame.body);
            if frame.flags & MORE == 0 {
                return Ok(parts);
            }
            if parts.len() == MOST_FRAMES {
                return Err(broken("a message of too many parts".to_owned()));
            }
        }
    }

    /// Answers a heartbeat (ZMTP 3.1); other commands mean nothing to a subscriber.
    async fn answer(&mut self, command: &[u8]) -> io::Result<()> {
        let Some(ping) = command.strip_prefix(b"\x04PING") else { return Ok(()) };
        // After the time to live comes what is to be sent back, at most 16 bytes.
        let context = ping.get(2..).unwrap_or_default();
        let context = &context[..context.len().min(16)];
        self.send(COMMAND, &[b"\x04PONG", context].concat()).await
    }

    /// Sends a short frame.
    async fn send(&mut self, flags: u8, body: &[u8]) -> io::Result<()> {
        let length = u8::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
        self.stream.write_all(&[&[flags, length], body].concat()).await?;
        self.stream.flush().await
    }

    async fn frame(&mut self) -> io::Result<Frame> {
        let flags = self.stream.read_u8().await?;
        if flags & !(MORE | LONG | COMMAND) != 0 {
            return Err(broken(format!("a frame with the flags {flags:#x}")));
        }
        let length = match flags & LONG {
            0 => u64::from(self.stream.read_u8().await?),
            _ => self.stream.read_u64().await?,
        };
        if length > LONGEST_FRAME {
            return Err(broken(format!("a frame of {length} bytes")));
        }
        // Memory is taken as the bytes come and not as they are announced.
        let mut body = Vec::new();
        let read = (&mut self.stream).take(length).read_to_end(&mut body).await?;
        if read as u64 == length {
            Ok(Frame { flags, body })
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }
}

/// Version 3.0, no security, a client.
fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

fn check_greeting(theirs: &[u8; 64]) -> io::Result<()> {
    if theirs[0] != 0xff || theirs[9] & 1 != 1 || theirs[10] < 3 {
        return Err(broken("it is no ZMQ publisher of version 3 or later".to_owned()));
    }
    if &theirs[12..17] != b"NULL\0" {
        return Err(broken("it demands a login".to_owned()));
    }
    Ok(())
}

fn broken(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    const READY: &[u8] = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB";

    /// Plays a publisher that says this after its greeting, and returns what it was sent and how it went.
    async fn play(bytes: &[u8], messages: usize) -> (Vec<u8>, io::Result<Vec<Vec<Vec<u8>>>>) {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(&greeting()).await.unwrap();
        theirs.write_all(bytes).await.unwrap();
        let follow = async {
            let mut subscriber = Subscriber::start(ours, &[Topic::Sequence]).await?;
            let mut all = Vec::new();
            for _ in 0..messages {
                all.push(subscriber.message().await?);
            }
            Ok(all)
        };
        // What was said ends there.
        let result = if messages == usize::MAX {
            theirs.shutdown().await.unwrap();
            follow.await
        } else {
            follow.await
        };
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).await.unwrap();
        (sent, result)
    }

    #[tokio::test]
    async fn messages_are_taken_and_heartbeats_answered() {
        let long = [b"\x02\0\0\0\0\0\0\x01\0".as_slice(), &[7; 256]].concat();
        let said = [
            READY,
            b"\x01\x08sequence\x01\x03abc\0\x04\x01\0\0\0",
            b"\x04\x09\x04PING\0\x0aAB",
            &long,
        ];
        let (sent, messages) = play(&said.concat(), 2).await;
        let messages = messages.unwrap();
        assert_eq!(messages[0], [&b"sequence"[..], b"abc", b"\x01\0\0\0"]);
        assert_eq!(messages[1], [[7; 256]]);
        let expected = [
            &greeting()[..],
            b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB",
            b"\0\x09\x01sequence",
            b"\x04\x07\x04PONGAB",
        ];
        assert_eq!(sent, expected.concat());
    }

    #[tokio::test]
    async fn nonsense_ends_the_connection() {
        let error = b"\x04\x0a\x05ERROR\x03bad";
        let announced = b"\x02\0\0\0\x01\0\0\0\0".as_slice();
        let endless = b"\x01\0".repeat(20);
        for said in [
            error.to_vec(),
            [READY, announced].concat(),
            [READY, b"\xf0\x01a"].concat(),
            [READY, &endless].concat(),
            [READY, b"\0\x09short"].concat(),
        ] {
            let (_, result) = play(&said, usize::MAX).await;
            assert!(result.is_err(), "{}", said.escape_ascii());
        }
    }

    #[test]
    fn other_greetings_are_refused() {
        let spoilt = |at: usize, byte| {
            let mut greeting = greeting();
            greeting[at] = byte;
            greeting
        };
        assert!(check_greeting(&greeting()).is_ok());
        for bad in [spoilt(0, b'H'), spoilt(9, 0), spoilt(10, 1), spoilt(12, b'P')] {
            assert!(check_greeting(&bad).is_err());
        }
    }
}
