//! One session: bytes in, bytes out.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::close::CloseReason;
use crate::error::RpcError;
use crate::frame::{Lines, TooLong};
use crate::hub::Member;
use crate::jsonrpc::NULL_ID;
use crate::node::Node;
use crate::outlet::Outlet;
use crate::peer::PeerInfo;
use crate::service::Service;
use crate::session::Session;

/// Time to send what is left when the server stops or the operator ends a session.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// Bytes of an answer that is worth a system call.
const LARGE: usize = 1 << 16;

/// Serves one client over a stream of newline-terminated JSON-RPC until either side ends it.
///
/// Requests are answered in order. While more than
/// [`max_unsent_bytes`](crate::Limits::max_unsent_bytes) wait for the client to take them, nothing
/// more is read from it. The stream is shut down when the function returns. The future may be
/// dropped at any time; the session is gone then.
pub async fn serve<N, S>(
    service: Arc<Service<N>>,
    stream: S,
    peer: PeerInfo,
    shutdown: CancellationToken,
) -> CloseReason
where
    N: Node,
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let limits = &service.config.limits;
    let (input, output) = tokio::io::split(stream);
    let member = service.hub.join(peer, &shutdown);
    let idle_at = Instant::now() + limits.first_request_timeout;
    let mut connection = Connection {
        input,
        lines: Lines::new(limits.max_line_bytes),
        outlet: Outlet::new(
            output,
            limits.write_timeout,
            service.config.padding.applies_to(peer.transport),
        ),
        idle_at,
        session_timeout: limits.session_timeout,
        max_unsent: limits.max_unsent_bytes,
        member: Arc::clone(&member),
        session: Session::new(service, Arc::clone(&member)),
    };
    let ends = Ends { cancelled: pin!(member.token.cancelled()), idle: pin!(sleep_until(idle_at)) };
    let reason = connection.run(ends).await;
    connection.part(reason).await;
    reason
}

struct Connection<N: Node, S> {
    input: ReadHalf<S>,
    lines: Lines,
    outlet: Outlet<WriteHalf<S>>,
    idle_at: Instant,
    session_timeout: Duration,
    max_unsent: usize,
    member: Arc<Member>,
    session: Session<N>,
}

/// What ends a session however little happens in it. It is waited for from the beginning to the end: to begin anew after each message
/// would take the locks of the timers and of the token each time.
struct Ends<'a, 't> {
    cancelled: Pin<&'a mut WaitForCancellationFuture<'t>>,
    /// Goes off when the session is idle, or earlier.
    idle: Pin<&'a mut Sleep>,
}

impl Ends<'_, '_> {
    /// Waits until `idle_at`, which was another moment the last time. Cancel-safe.
    async fn idle(idle: &mut Pin<&mut Sleep>, idle_at: Instant) {
        if idle.deadline() > idle_at {
            idle.as_mut().reset(idle_at);
        }
        loop {
            idle.as_mut().await;
            if idle.deadline() >= idle_at {
                return;
            }
            idle.as_mut().reset(idle_at);
        }
    }
}

impl<N: Node, S: AsyncRead + AsyncWrite + Unpin> Connection<N, S> {
    async fn run(&mut self, mut ends: Ends<'_, '_>) -> CloseReason {
        loop {
            if let Err(reason) = self.step(&mut ends).await {
                return reason;
            }
        }
    }

    /// Works, sends and, if nothing else can be done, waits.
    async fn step(&mut self, ends: &mut Ends<'_, '_>) -> Result<(), CloseReason> {
        self.work().await?;
        let was_full = self.outlet.len() >= self.max_unsent;
        self.send_at_once().await?;
        if was_full && self.outlet.len() < self.max_unsent {
            return Ok(());
        }
        self.wait(ends).await
    }

    /// Answers what came and tells what is to be told, until there is nothing left or too much
    /// unsent.
    async fn work(&mut self) -> Result<(), CloseReason> {
        let (mut answer, mut was_asked) = (Vec::new(), false);
        while self.outlet.len() < self.max_unsent {
            let line = self.lines.next();
            let stats = &self.member.stats;
            if matches!(line, Ok(Some(_))) && self.session.service.node.is_settling() {
                // What a look at the node brings that somebody asked for is told before the next answer.
                let service = Arc::clone(&self.session.service);
                let settled = service.node.settled();
                drive(settled, &mut self.outlet, self.max_unsent, &self.member).await?;
            }
            let (unsent, limit) = self.outlet.buffer(self.max_unsent);
            let told = self.session.notifications(unsent, limit);
            stats.sent_count.add(told);
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(TooLong) => {
                    let error = RpcError::InvalidRequest("request too long".into());
                    self.session.refuse(error, NULL_ID, &mut answer);
                    answer.push(b'\n');
                    self.outlet.send(&mut answer);
                    return Err(CloseReason::TooLong);
                }
            };
            // Requests that are answered at once never wait: others are to have their turn.
            tokio::task::coop::consume_budget().await;
            was_asked = true;
            stats.recv_count.add(1);
            stats.pending.set(1);
            let answered = self.session.answer(line, &mut answer);
            drive(answered, &mut self.outlet, self.max_unsent, &self.member).await?;
            stats.pending.set(0);
            stats.sent_count.add(u64::from(!answer.is_empty()));
            if answer.len() > LARGE {
                // It need not be copied if what is before it can be sent at once.
                self.send_at_once().await?;
            }
            self.outlet.send(&mut answer);
            if let Some(reason) = self.session.ending {
                return Err(reason);
            }
        }
        if was_asked {
            self.idle_at = Instant::now() + self.session_timeout;
        }
        Ok(())
    }

    /// Sends what the client takes without being waited for.
    async fn send_at_once(&mut self) -> Result<(), CloseReason> {
        while self.outlet.pending() {
            tokio::select! {
                biased;
                sent = self.outlet.progress(&self.member.stats.sent_bytes) => sent?,
                () = std::future::ready(()) => break,
            }
        }
        Ok(())
    }

    /// Waits for the client to send or to take something, or for something to tell it.
    async fn wait(&mut self, ends: &mut Ends<'_, '_>) -> Result<(), CloseReason> {
        let Self { input, lines, outlet, member, session, .. } = self;
        let room = outlet.len() < self.max_unsent;
        tokio::select! {
            biased;
            () = ends.cancelled.as_mut() => Err(member.close_reason()),
            sent = outlet.progress(&member.stats.sent_bytes), if outlet.pending() => sent,
            read = input.read_buf(lines.space()), if room => match read {
                Ok(0) | Err(_) => Err(CloseReason::ClientLeft),
                Ok(count) => {
                    lines.was_read(count);
                    session.look_ahead(lines.coming());
                    member.stats.recv_bytes.add(count as u64);
                    Ok(())
                }
            },
            () = session.notified(), if room => Ok(()),
            () = Ends::idle(&mut ends.idle, self.idle_at) => Err(CloseReason::Idle),
        }
    }

    /// Sends what is left and closes the stream.
    async fn part(&mut self, reason: CloseReason) {
        let patience = match reason {
            CloseReason::NotReading | CloseReason::Unfinished => return,
            // One that only has nothing more to say still takes the answers; of another the stream knows.
            CloseReason::ClientLeft
            | CloseReason::TooLong
            | CloseReason::Excessive
            | CloseReason::Unwanted
            | CloseReason::UnsupportedVersion
            | CloseReason::VersionNotFirst => self.outlet.patience(),
            _ => PARTING_TIME,
        };
        self.outlet.finish();
        let farewell = async {
            while self.outlet.pending() {
                self.outlet
                    .progress(&self.member.stats.sent_bytes)
                    .await
                    .map_err(|_| io::ErrorKind::Other)?;
            }
            self.outlet.shutdown().await
        };
        // Whether the client takes it or not: it ends here.
        let _ = timeout(patience, farewell).await;
    }
}

/// Runs a request, and meanwhile sends what earlier ones left and the parts it hands over, of which it gets rid only while less
/// than so much is unsent.
async fn drive<W: AsyncWrite + Unpin>(
    request: impl Future<Output = ()>,
    outlet: &mut Outlet<W>,
    max_unsent: usize,
    member: &Member,
) -> Result<(), CloseReason> {
    let mut request = pin!(request);
    // Most are answered at once.
    if poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_ready())).await {
        return Ok(());
    }
    loop {
        tokio::select! {
            biased;
            () = &mut request => return Ok(()),
            () = member.token.cancelled() => return Err(member.close_reason()),
            () = member.handover.given(), if outlet.len() < max_unsent => {
                outlet.send(&mut member.handover.take());
            }
            sent = outlet.progress(&member.stats.sent_bytes), if outlet.pending() => sent?,
        }
    }
}
