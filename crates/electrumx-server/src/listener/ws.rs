//! WebSocket messages as a stream of lines.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{Sink as _, Stream as _};
use serde::de::IgnoredAny;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};
use tokio_util::sync::CancellationToken;

/// Read buffer of a connection. The library's own default of 128 KiB is what an idle session would cost.
const READ_BUFFER: usize = 4 << 10;

/// Outgoing bytes that are collected before they are written without being asked to.
const WRITE_BUFFER: usize = 8 << 10;

/// Longest frame sent. Longer answers go out in fragments, so that a session never holds more than this twice.
const FRAGMENT: usize = 16 << 10;

/// How long the client may take to confirm that the connection ends.
const CLOSING: Duration = Duration::from_millis(500);

/// Presents messages as lines, both ways.
///
/// A message, text or binary, is one JSON document, or several on lines of their own; an answer is one text message. A
/// message longer than allowed becomes a line that never ends, which sessions refuse as they do on TCP.
pub(crate) struct Messages<S> {
    ws: WebSocketStream<S>,
    /// What is left of the message being read.
    incoming: Bytes,
    /// Whether a line end follows it.
    line_end_due: bool,
    /// Whether a message was too long.
    overlong: bool,
    /// Whether fragments of an unfinished message were sent.
    in_message: bool,
    parting: Parting,
    stop: CancellationToken,
}

/// How far the end of the connection is.
enum Parting {
    No,
    /// The close frame is on its way.
    Told,
    /// The client's close frame is awaited.
    Waiting(Pin<Box<Sleep>>),
    /// The rest of an overlong message is thrown away: were it left unread, the end of the connection could overtake what the
    /// client was told.
    Draining(Pin<Box<Sleep>>),
    /// All that is left is the stream below.
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    /// Answers a client's upgrade request. Any path and any origin will do; no sub-protocol is agreed on.
    ///
    /// # Errors
    /// When the request is none, or malformed.
    pub(crate) async fn accept(
        stream: S,
        max_message: usize,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let ws = accept_async_with_config(stream, Some(config)).await.context("the upgrade")?;
        Ok(Self {
            ws,
            incoming: Bytes::new(),
            line_end_due: false,
            overlong: false,
            in_message: false,
            parting: Parting::No,
            stop,
        })
    }

    fn take(&mut self, message: Bytes) {
        self.line_end_due = !message.ends_with(b"\n");
        self.incoming = message;
        let body = self.incoming.trim_ascii_end();
        // One document over several lines is one request; a line of TCP could not say that.
        if body.contains(&b'\n') && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
            let flat = body.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte });
            self.incoming = flat.collect::<Vec<_>>().into();
            self.line_end_due = true;
        }
    }

    fn close_frame(&self) -> CloseFrame {
        let (code, reason) = if self.overlong {
            (CloseCode::Size, "request too long")
        } else if self.stop.is_cancelled() {
            (CloseCode::Away, "the server is stopping")
        } else {
            (CloseCode::Normal, "")
        };
        CloseFrame { code, reason: reason.into() }
    }

    /// Sends the next frame's worth of `bytes`; returns how many that were.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let most = &bytes[..bytes.len().min(FRAGMENT)];
        let end = memchr::memchr(b'\n', most);
        let payload = &most[..end.unwrap_or(most.len())];
        let taken = payload.len() + usize::from(end.is_some());
        if payload.is_empty() && !self.in_message {
            return Ok(taken);
        }
        let opcode = if self.in_message { Data::Continue } else { Data::Text };
        let payload = Bytes::copy_from_slice(payload);
        let frame = Frame::message(payload, OpCode::Data(opcode), end.is_some());
        Pin::new(&mut self.ws).start_send(Message::Frame(frame))?;
        self.in_message = end.is_none();
        Ok(taken)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Messages<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.incoming.is_empty() {
                let count = self.incoming.len().min(buf.remaining());
                buf.put_slice(&self.incoming.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if std::mem::take(&mut self.line_end_due) {
                buf.put_slice(b"\n");
                return Poll::Ready(Ok(()));
            }
            if self.overlong {
                let space = buf.initialize_unfilled();
                space.fill(b' ');
                let count = space.len();
                buf.advance(count);
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.ws).poll_next(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Text(text))) => self.take(text.into()),
                Some(Ok(Message::Binary(bytes))) => self.take(bytes),
                // Pings are answered by the library, and so is the client's close frame.
                Some(Ok(_)) => {}
                Some(Err(Error::Capacity(_))) => self.overlong = true,
                Some(Err(err)) => return Poll::Ready(Err(into_io(err))),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Messages<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        while taken < bytes.len() {
            match Pin::new(&mut self.ws).poll_ready(cx) {
                Poll::Pending if taken > 0 => break,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ready) => ready.map_err(into_io)?,
            }
            taken += self.send(&bytes[taken..]).map_err(into_io)?;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ws).poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let this = &mut *self;
            let ws = Pin::new(&mut this.ws);
            this.parting = match &mut this.parting {
                Parting::No => {
                    let sent = ready!(ws.poll_ready(cx)).and_then(|()| {
                        let frame = Message::Close(Some(this.close_frame()));
                        Pin::new(&mut this.ws).start_send(frame)
                    });
                    if sent.is_ok() { Parting::Told } else { Parting::Over }
                }
                Parting::Told => match ready!(ws.poll_flush(cx)) {
                    // After a message that was not read to its end no answer can be made out.
                    Ok(()) if this.overlong => Parting::Draining(Box::pin(sleep(CLOSING))),
                    Ok(()) => Parting::Waiting(Box::pin(sleep(CLOSING))),
                    Err(_) => Parting::Over,
                },
                Parting::Waiting(patience) => match ws.poll_next(cx) {
                    _ if patience.as_mut().poll(cx).is_ready() => Parting::Over,
                    Poll::Ready(Some(Ok(_))) => continue,
                    Poll::Ready(_) => Parting::Over,
                    Poll::Pending => return Poll::Pending,
                },
                Parting::Draining(patience) => {
                    let mut scratch = [0; READ_BUFFER];
                    let mut scratch = ReadBuf::new(&mut scratch);
                    match Pin::new(ws.get_mut().get_mut()).poll_read(cx, &mut scratch) {
                        _ if patience.as_mut().poll(cx).is_ready() => Parting::Over,
                        Poll::Ready(Ok(())) if !scratch.filled().is_empty() => continue,
                        Poll::Ready(_) => Parting::Over,
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Parting::Over => return Pin::new(this.ws.get_mut()).poll_shutdown(cx),
            };
        }
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
#[path = "ws/tests.rs"]
mod tests;
