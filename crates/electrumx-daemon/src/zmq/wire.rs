//! ZMTP 3.0 as a subscriber speaks it to a publisher (<https://rfc.zeromq.org/spec/23/>).

use std::io::{self, ErrorKind};
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::event::Topic;

/// Longest frame taken, in bytes: a raw block with room to spare.
const LONGEST_FRAME: usize = 8 << 20;

/// Most frames of a message.
const MOST_FRAMES: usize = 8;

/// Frames of a message of bitcoind: topic, body, and a counter of the topic.
const PARTS: usize = 3;

/// How much is read at once, in bytes.
const ROOM: usize = 1 << 15;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// A connection to a publisher.
#[derive(Debug)]
pub(super) struct Subscriber<S> {
    stream: S,
    /// What was read. A block's transactions are thousands of messages at once, so they are lent from here.
    buffer: Vec<u8>,
    /// Where in it what is next begins.
    start: usize,
}

/// One part of a message, or a command, in what was read.
#[derive(Debug)]
struct Frame {
    flags: u8,
    body: Range<usize>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Subscriber<S> {
    /// Shakes hands and subscribes.
    pub(super) async fn start(stream: S, topics: &[Topic]) -> io::Result<Self> {
        let mut subscriber = Self { stream, buffer: Vec::new(), start: 0 };
        subscriber.stream.write_all(&greeting()).await?;
        let theirs = loop {
            match subscriber.buffer.first_chunk() {
                Some(theirs) => break theirs,
                None => subscriber.fill().await?,
            }
        };
        check_greeting(theirs)?;
        subscriber.start = theirs.len();
        subscriber.send(COMMAND, b"\x05READY\x0bSocket-Type\0\0\0\x03SUB").await?;
        let ready = subscriber.frame(0).await?;
        let said = &subscriber.buffer[subscriber.start..][ready.body.clone()];
        if ready.flags & COMMAND == 0 || !said.starts_with(b"\x05READY") {
            let said = said.escape_ascii();
            return Err(broken(format!("it refuses the connection: {said}")));
        }
        subscriber.start += ready.body.end;
        for topic in topics {
            let body = [b"\x01", topic.name().as_bytes()].concat();
            subscriber.send(0, &body).await?;
        }
        Ok(subscriber)
    }

    /// Returns the topic, the body and the counter of the next message. Messages of other parts are passed over.
    pub(super) async fn message(&mut self) -> io::Result<[&[u8]; PARTS]> {
        let parts = loop {
            let (parts, count) = self.parts().await?;
            if count == PARTS {
                break parts;
            }
        };
        Ok(parts.map(|part| &self.buffer[part]))
    }

    /// Returns where the first parts of the next message are, and how many it has, and steps over it.
    async fn parts(&mut self) -> io::Result<([Range<usize>; PARTS], usize)> {
        let mut parts = [const { 0..0 }; PARTS];
        let (mut count, mut at) = (0, 0);
        loop {
            let Frame { flags, body } = self.frame(at).await?;
            at = body.end;
            if flags & COMMAND != 0 {
                self.answer(body).await?;
                continue;
            }
            if let Some(part) = parts.get_mut(count) {
                *part = body;
            }
            count += 1;
            if flags & MORE == 0 {
                break;
            }
            if count == MOST_FRAMES {
                return Err(broken("a message of too many parts".to_owned()));
            }
        }
        let start = self.start;
        self.start += at;
        Ok((parts.map(|part| start + part.start..start + part.end), count))
    }

    /// Answers a heartbeat (ZMTP 3.1); other commands mean nothing to a subscriber.
    async fn answer(&mut self, command: Range<usize>) -> io::Result<()> {
        let command = &self.buffer[self.start..][command];
        let Some(ping) = command.strip_prefix(b"\x04PING") else { return Ok(()) };
        // After the time to live comes what is to be sent back, at most 16 bytes.
        let context = ping.get(2..).unwrap_or_default();
        let pong = [b"\x04PONG", &context[..context.len().min(16)]].concat();
        self.send(COMMAND, &pong).await
    }

    /// Sends a short frame.
    async fn send(&mut self, flags: u8, body: &[u8]) -> io::Result<()> {
        let length = u8::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
        self.stream.write_all(&[&[flags, length], body].concat()).await
    }

    /// Returns the frame that begins so many bytes behind `start`, which its place is counted from as well.
    async fn frame(&mut self, at: usize) -> io::Result<Frame> {
        loop {
            if let Some(Frame { flags, body }) = frame(&self.buffer[self.start + at..])? {
                return Ok(Frame { flags, body: at + body.start..at + body.end });
            }
            self.fill().await?;
        }
    }

    /// Reads more. Memory is taken as the bytes come and not as they are announced.
    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(ROOM);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Returns the frame at the beginning of `bytes`; `None` if it is not whole.
fn frame(bytes: &[u8]) -> io::Result<Option<Frame>> {
    let Some((&flags, rest)) = bytes.split_first() else { return Ok(None) };
    if flags & !(MORE | LONG | COMMAND) != 0 {
        return Err(broken(format!("a frame with the flags {flags:#x}")));
    }
    let (length, start) = match flags & LONG {
        0 => (rest.first().map(|length| u64::from(*length)), 2),
        _ => (rest.first_chunk().map(|length| u64::from_be_bytes(*length)), 9),
    };
    let Some(length) = length else { return Ok(None) };
    match usize::try_from(length) {
        Ok(length) if length <= LONGEST_FRAME => {
            let body = start..start + length;
            Ok((body.end <= bytes.len()).then_some(Frame { flags, body }))
        }
        _ => Err(broken(format!("a frame of {length} bytes"))),
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
    async fn play(bytes: &[u8], messages: usize) -> (Vec<u8>, io::Result<Vec<[Vec<u8>; PARTS]>>) {
        let (ours, mut theirs) = duplex(1 << 17);
        theirs.write_all(&greeting()).await.unwrap();
        theirs.write_all(bytes).await.unwrap();
        let follow = async {
            let mut subscriber = Subscriber::start(ours, &[Topic::Sequence]).await?;
            let mut all = Vec::new();
            for _ in 0..messages {
                all.push(subscriber.message().await?.map(<[u8]>::to_vec));
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
        // More than is read at once.
        let body = vec![7; ROOM + 256];
        let long = [b"\x03\0\0\0\0\0\0\x81\0".as_slice(), &body].concat();
        let said = [
            READY,
            b"\x01\x08sequence\x01\x03abc\0\x04\x01\0\0\0",
            b"\x04\x09\x04PING\0\x0aAB",
            b"\x01\x01a\0\x01b",
            b"\x01\x01a\x01\x01b\x01\x01c\0\x01d",
            b"\x01\x05rawtx",
            &long,
            b"\0\x01x",
            b"\x01\x01y\x01\0\0\x01z",
        ];
        let (sent, messages) = play(&said.concat(), 3).await;
        let messages = messages.unwrap();
        assert_eq!(messages[0], [&b"sequence"[..], b"abc", b"\x01\0\0\0"]);
        assert_eq!(
            messages[1],
            [b"rawtx", &body[..], b"x"],
            "those of other parts are passed over"
        );
        assert_eq!(messages[2], [&b"y"[..], b"", b"z"]);
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
