//! Follows the node: index, then mempool, then notifications, one consistent step after another.

mod feed;
#[cfg(test)]
mod model;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use electrumx_core::processor::{ProcessError, Synced};
use electrumx_core::{BlockId, Changes, StoreError};
use electrumx_daemon::{ZmqConfig, ZmqFeed};
use electrumx_protocol::Service;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::compactor::Compactor;
use crate::hold::Hold;
use crate::index_thread::IndexThread;
use crate::mempool_view::{Haste, MempoolView, Round, Touched};
use crate::node::{FollowerHandle, ServerNode};
use crate::signals::LookNow;

use feed::Feed;

/// Shortest time between two looks at the node, unless somebody asks or a block is announced.
const SOON: Duration = Duration::from_millis(20);

/// First and longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Where the follower stands, for LocalRPC and for whoever waits for the first catch-up.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Following {
    /// Whether the index has been at the node's tip once since the start.
    pub(crate) caught_up: bool,
    /// The last tip that sessions were told.
    pub(crate) tip: Option<BlockId>,
}

/// The follower's own ends of its [`FollowerHandle`].
pub(crate) struct Inbox {
    poke: Arc<Notify>,
    accepted: mpsc::UnboundedReceiver<Touched>,
    rounds: watch::Sender<u64>,
    hold: Arc<Hold>,
}

/// Makes a handle and its other ends.
pub(crate) fn channel() -> (FollowerHandle, Inbox) {
    let poke = Arc::new(Notify::new());
    let (sender, accepted) = mpsc::unbounded_channel();
    let (rounds, watcher) = watch::channel(0);
    let hold = Arc::new(Hold::default());
    let handle = FollowerHandle {
        poke: Arc::clone(&poke),
        accepted: sender,
        rounds: watcher,
        hold: Arc::clone(&hold),
    };
    (handle, Inbox { poke, accepted, rounds, hold })
}

/// What follows the node. It reads the index where it is, so it is to have a [thread of its own](crate::own_thread).
pub(crate) struct Follower {
    pub(crate) index: IndexThread,
    pub(crate) mempool: Arc<MempoolView>,
    pub(crate) service: Arc<Service<ServerNode>>,
    pub(crate) inbox: Inbox,
    pub(crate) poll_interval: Duration,
    pub(crate) zmq: ZmqConfig,
    pub(crate) following: watch::Sender<Following>,
    pub(crate) compactor: Arc<Compactor>,
    pub(crate) stop: CancellationToken,
}

impl Follower {
    /// Runs until cancelled.
    ///
    /// # Errors
    /// What no waiting can mend: another chain, a damaged index, a full disk stays an error of the
    /// moment and is tried again.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let daemon = self.mempool.daemon().clone();
        let feed = Feed::new(ZmqFeed::spawn(self.mempool.coin(), daemon, self.zmq.clone()));
        let mut calls = Calls { look_now: LookNow::watch()?, feed };
        let result = self.follow(&mut calls).await;
        self.index.join().await;
        result
    }

    async fn follow(&mut self, calls: &mut Calls) -> anyhow::Result<()> {
        let mut touched = Touched::default();
        let mut delay = RETRY.0;
        let mut haste = Haste::Usual;
        while !self.stop.is_cancelled() {
            if self.inbox.hold.begin() {
                haste = Haste::Asked;
            }
            let step = self.step(&mut touched, haste).await;
            if !matches!(step, Ok(Next::Soon)) {
                self.inbox.hold.end();
            }
            self.inbox.rounds.send_modify(|rounds| *rounds += 1);
            let now = Instant::now();
            let until = match step {
                Ok(Next::Poll) => {
                    delay = RETRY.0;
                    now + self.poll_interval
                }
                Ok(Next::Soon) => now + SOON,
                Ok(Next::At(at)) => at.clamp(now + SOON, now + self.poll_interval.max(SOON)),
                Err(_) if self.stop.is_cancelled() => break,
                Err(err) if is_fatal(&err) => return Err(err),
                Err(err) => {
                    tracing::warn!("{err:#}; trying again in {delay:?}");
                    let wait = delay;
                    delay = (delay * 2).min(RETRY.1);
                    now + wait
                }
            };
            haste = self.wait(until, calls, &mut touched).await;
        }
        Ok(())
    }

    /// One consistent step of the whole view. `touched` collects until the sessions were told.
    async fn step(&mut self, touched: &mut Touched, haste: Haste) -> anyhow::Result<Next> {
        let began = Instant::now();
        // The node has the block already, so its mempool can be listed while the block is indexed.
        let ahead =
            async { if haste == Haste::Block { self.mempool.list_ahead().await } else { None } };
        let (synced, ahead) = tokio::join!(self.index.sync(), ahead);
        let synced: Synced = synced??;
        let indexed = began.elapsed();
        touched.extend(synced.touched);
        let Some(tip) = synced.tip else { return Ok(Next::Poll) };
        self.service.advance(tip, &synced.blocks);
        if synced.node_is_behind {
            tracing::warn!(
                "the node is catching up and is behind the index, which waits at block {tip}"
            );
            return Ok(Next::Poll);
        }
        if !synced.at_node_tip {
            return Ok(Next::Soon);
        }
        let next = match self.mempool.refresh(tip, haste, ahead, touched).await? {
            Round::TipMoved => return Ok(Next::Soon),
            Round::NodeIsLoading | Round::Consistent => Next::Poll,
            Round::Deferred(at) => Next::At(at),
        };
        self.drain_accepted(touched);
        let compared = began.elapsed();
        self.publish(tip, touched).await?;
        if !synced.blocks.is_empty() {
            tracing::debug!(
                "block {tip}: indexed after {indexed:.1?}, mempool read after {compared:.1?}, told after {:.1?}",
                began.elapsed()
            );
        }
        self.compactor.look();
        Ok(next)
    }

    /// Tells the sessions, if there is anything to tell.
    async fn publish(&mut self, tip: BlockId, touched: &mut Touched) -> Result<(), StoreError> {
        let before = *self.following.borrow();
        if before.tip != Some(tip) || !touched.is_empty() {
            let changes = Changes { tip, touched: std::mem::take(touched) };
            if let Err(err) = self.service.notify(&changes).await {
                *touched = changes.touched;
                return Err(err);
            }
        }
        if !before.caught_up {
            self.index.track_touched_scripts();
        }
        let now = Following { caught_up: true, tip: Some(tip) };
        self.following.send_if_modified(|following| std::mem::replace(following, now) != now);
        Ok(())
    }

    /// Waits for the next look at the node, which is due at `until`. What can be told without one, accepted
    /// broadcasts and what the node's feed tells, is told at once meanwhile.
    async fn wait(&mut self, until: Instant, calls: &mut Calls, touched: &mut Touched) -> Haste {
        // Whatever the feed says, the node is not asked without a pause.
        let soonest = Instant::now() + SOON;
        let mut is_due = pin!(tokio::time::sleep_until(until));
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Haste::Usual,
                () = self.inbox.poke.notified() => return Haste::Asked,
                () = calls.look_now.asked() => return Haste::Asked,
                Some(scripts) = self.inbox.accepted.recv() => {
                    touched.extend(scripts);
                    self.drain_accepted(touched);
                    self.tell(touched).await;
                }
                event = calls.feed.next() => {
                    let tip = self.following.borrow().tip;
                    match calls.feed.take(event, tip, &self.mempool, touched).await {
                        feed::Due::Now => return Haste::Block,
                        feed::Due::At(at) => {
                            let at = at.max(soonest).min(is_due.deadline());
                            is_due.as_mut().reset(at);
                        }
                        feed::Due::AsBefore => {}
                    }
                    self.tell(touched).await;
                }
                () = &mut is_due => return Haste::Usual,
            }
        }
    }

    /// Tells the sessions what changed on top of the same tip.
    async fn tell(&mut self, touched: &mut Touched) {
        let tip = self.following.borrow().tip;
        if let Some(tip) = tip
            && let Err(err) = self.publish(tip, touched).await
        {
            tracing::warn!("cannot notify sessions: {err}");
        }
    }

    fn drain_accepted(&mut self, touched: &mut Touched) {
        while let Ok(accepted) = self.inbox.accepted.try_recv() {
            touched.extend(accepted);
        }
    }
}

/// When to look at the node again.
enum Next {
    Poll,
    Soon,
    At(Instant),
}

/// What may call for a look at the node.
struct Calls {
    look_now: LookNow,
    feed: Feed,
}

/// Tells whether trying again is pointless.
fn is_fatal(err: &anyhow::Error) -> bool {
    let process = err.downcast_ref::<ProcessError>();
    let store = err.downcast_ref::<StoreError>();
    match process {
        Some(ProcessError::WrongChain { .. } | ProcessError::TooManyTransactions) => true,
        Some(ProcessError::Store(err)) => err.is_fatal(),
        Some(ProcessError::Source(electrumx_core::SourceError::Fatal(_))) => true,
        _ => store.is_some_and(StoreError::is_fatal),
    }
}
