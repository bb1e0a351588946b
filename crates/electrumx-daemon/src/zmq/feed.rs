//! The feed: finds the publishers, keeps connected, hands on what they say.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use electrumx_core::coin::Coin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::config::ZmqConfig;
use super::endpoint::Endpoint;
use super::event::{Topic, ZmqEvent};
use super::raw_txs;
use super::recent::RecentTxs;
use super::wire::Subscriber;
use crate::backoff::Backoff;
use crate::{Daemon, NodeUrl, ZmqNotification};

/// Events waiting to be taken. When it is full the node is not read from, and drops what it cannot send.
const WAITING: usize = 1_000;

/// Longest wait for a connection with all that belongs to it.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest pause between attempts.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often a node without publishers is asked again: it may have been restarted with some.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A feed silent for this long is connected anew: a broken path is not always noticed.
const SILENCE: Duration = Duration::from_secs(600);

/// What the node publishes, as one stream of events. Dropping it ends it.
#[derive(Debug)]
pub struct ZmqFeed {
    events: mpsc::Receiver<ZmqEvent>,
    recent: RecentTxs,
}

impl ZmqFeed {
    /// Starts to follow the node that `daemon` asks. Must be called within the runtime.
    ///
    /// It ends with the daemon's token.
    #[must_use]
    pub fn spawn(coin: impl Coin, daemon: Daemon, config: ZmqConfig) -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        let recent = RecentTxs::new(coin);
        if config != ZmqConfig::Off {
            let token = daemon.token().clone();
            let task = Task { daemon, config, sender, recent: recent.clone() };
            tokio::spawn(async move {
                let gone = task.sender.clone();
                tokio::select! {
                    () = token.cancelled() => {}
                    () = gone.closed() => {}
                    () = task.run() => {}
                }
            });
        }
        Self { events, recent }
    }

    /// Makes a feed of events that are learnt in another way, such as a test's.
    #[must_use]
    pub fn of(events: mpsc::Receiver<ZmqEvent>, recent: RecentTxs) -> Self {
        Self { events, recent }
    }

    /// Returns the transactions that were published with all their bytes.
    #[must_use]
    pub fn recent(&self) -> &RecentTxs {
        &self.recent
    }

    /// Waits for the next event; for ever when the feed is off or has ended. Cancel-safe.
    pub async fn next(&mut self) -> ZmqEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// Returns the next event if there is one already.
    pub fn try_next(&mut self) -> Option<ZmqEvent> {
        self.events.try_recv().ok()
    }
}

struct Task {
    daemon: Daemon,
    config: ZmqConfig,
    sender: mpsc::Sender<ZmqEvent>,
    recent: RecentTxs,
}

/// What to subscribe to, and where.
#[derive(Debug, Default)]
struct Plan {
    /// What tells of events.
    events: BTreeMap<Endpoint, Vec<Topic>>,
    /// Where transactions are published with all their bytes, if the events tell their ids.
    raw_txs: Option<Endpoint>,
}

impl Task {
    async fn run(self) {
        let mut backoff = Backoff::up_to(LONGEST_PAUSE);
        let mut told = String::new();
        loop {
            let Some(url) = self.daemon.url().cloned() else { return };
            let pause = backoff.pause();
            let wait = match self.daemon.zmq_notifications().await {
                Ok(list) => match plan(&self.config, &list, &url) {
                    plan if plan.events.is_empty() => {
                        if told.is_empty() {
                            tracing::info!(
                                "the node publishes nothing over ZMQ (-zmqpubsequence=tcp://127.0.0.1:28332 would); it is polled"
                            );
                            "none".clone_into(&mut told);
                        }
                        LOOK_AGAIN
                    }
                    plan => {
                        let connected = self.follow(plan, &url, &mut told).await;
                        if connected {
                            backoff.reset();
                            backoff.pause()
                        } else {
                            pause
                        }
                    }
                },
                Err(error) => {
                    tracing::debug!("cannot learn of the node's ZMQ publishers: {error}");
                    pause
                }
            };
            sleep(wait).await;
        }
    }

    /// Follows the publishers until one of them ends; tells whether they were all reached.
    async fn follow(&self, plan: Plan, url: &NodeUrl, told: &mut String) -> bool {
        let mut subscribers = Vec::new();
        for (endpoint, topics) in plan.events {
            match subscribe(&endpoint, &topics).await {
                Ok(subscriber) => subscribers.push((endpoint, topics, subscriber)),
                Err(error) => {
                    let text = format!("the node's ZMQ publisher at {endpoint}: {error}");
                    // The same every few seconds would be no news.
                    if *told != text {
                        tracing::warn!("{text}; the node is polled meanwhile");
                        *told = text;
                    }
                    return false;
                }
            }
        }
        for (endpoint, topics, _) in &subscribers {
            let names: Vec<_> = topics.iter().map(|topic| topic.name()).collect();
            let text = format!("following the node's {} at {endpoint}", names.join(", "));
            if *told != text {
                tracing::info!("{text}");
                *told = text;
            }
        }
        if self.sender.send(ZmqEvent::Gap).await.is_err() {
            return true;
        }
        let mut tasks = JoinSet::new();
        for (endpoint, topics, subscriber) in subscribers {
            let (daemon, sender, url) = (self.daemon.clone(), self.sender.clone(), url.clone());
            tasks.spawn(async move {
                let same_node = || daemon.url() == Some(&url);
                let result = read(subscriber, &topics, &sender, same_node).await;
                (endpoint, result)
            });
        }
        if let Some(endpoint) = plan.raw_txs {
            tracing::info!("taking transactions from the node's rawtx at {endpoint}");
            let recent = self.recent.clone();
            tasks.spawn(async move { raw_txs::keep(&endpoint, &recent).await });
        }
        if let Some(Ok((endpoint, Err(error)))) = tasks.join_next().await {
            tracing::info!("the node's ZMQ publisher at {endpoint} is gone: {error}");
            told.clear();
        }
        tasks.shutdown().await;
        self.recent.clear();
        let _ = self.sender.send(ZmqEvent::Lost).await;
        true
    }
}

/// What to subscribe to where: `sequence` if there is, and `rawtx` for the bytes; else one source for blocks and one for transactions.
fn plan(config: &ZmqConfig, list: &[ZmqNotification], url: &NodeUrl) -> Plan {
    let place = |topic: Topic| {
        let wanted = |publisher: &&ZmqNotification| {
            publisher.kind.strip_prefix("pub").is_some_and(|name| name == topic.name())
        };
        let address = &list.iter().find(wanted)?.address;
        match config {
            ZmqConfig::At(address) => Endpoint::parse(address),
            _ => Some(Endpoint::parse(address)?.seen_from_here(url.host())),
        }
    };
    let mut plan = Plan::default();
    if let Some(endpoint) = place(Topic::Sequence) {
        plan.events.insert(endpoint, vec![Topic::Sequence]);
        plan.raw_txs = place(Topic::RawTx);
        return plan;
    }
    let groups: [&[Topic]; 2] =
        [&[Topic::HashBlock, Topic::RawBlock], &[Topic::HashTx, Topic::RawTx]];
    for group in groups {
        let found = group.iter().find_map(|&topic| Some((place(topic)?, topic)));
        if let Some((endpoint, topic)) = found {
            plan.events.entry(endpoint).or_default().push(topic);
        }
    }
    plan
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Connects to a publisher and subscribes, or fails in time.
pub(super) async fn subscribe(
    endpoint: &Endpoint,
    topics: &[Topic],
) -> io::Result<Subscriber<Box<dyn Stream>>> {
    timeout(CONNECT, connect(endpoint, topics))
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no connection in time")))
}

async fn connect(endpoint: &Endpoint, topics: &[Topic]) -> io::Result<Subscriber<Box<dyn Stream>>> {
    let stream: Box<dyn Stream> = match endpoint {
        Endpoint::Tcp(host, port) => {
            let stream = TcpStream::connect((host.trim_matches(['[', ']']), *port)).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        #[cfg(unix)]
        Endpoint::Ipc(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
        #[cfg(not(unix))]
        Endpoint::Ipc(_) => return Err(io::ErrorKind::Unsupported.into()),
    };
    Subscriber::start(stream, topics).await
}

/// Hands on what a publisher says; ends with it, or when another node has taken its place.
async fn read(
    mut subscriber: Subscriber<Box<dyn Stream>>,
    topics: &[Topic],
    sender: &mpsc::Sender<ZmqEvent>,
    same_node: impl Fn() -> bool,
) -> io::Result<()> {
    let mut expected = BTreeMap::<Topic, u32>::new();
    loop {
        let message = timeout(SILENCE, subscriber.message())
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it is silent")))?;
        if !same_node() {
            return Err(io::Error::other("another node is asked now"));
        }
        let [name, body, count] = message;
        let Some(&topic) = topics.iter().find(|topic| topic.name().as_bytes() == name) else {
            continue; // A subscription is to all names that begin so.
        };
        let Ok(count) = count.try_into().map(u32::from_le_bytes) else { continue };
        let skipped =
            expected.insert(topic, count.wrapping_add(1)).is_some_and(|next| next != count);
        let events = skipped.then_some(ZmqEvent::Gap).into_iter().chain(topic.event(body));
        for event in events {
            if sender.send(event).await.is_err() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publishers(list: &[(&str, &str)]) -> Vec<ZmqNotification> {
        let publisher = |&(kind, address): &(&str, &str)| ZmqNotification {
            kind: kind.to_owned(),
            address: address.to_owned(),
            hwm: 1000,
        };
        list.iter().map(publisher).collect()
    }

    #[test]
    fn the_best_publishers_are_taken() {
        let url = NodeUrl::parse("192.0.2.1", 8332).unwrap();
        let (one, two) = ("tcp://127.0.0.1:1", "tcp://0.0.0.0:2");
        let shown = |config: &ZmqConfig, list: &[(&str, &str)]| {
            let plan = plan(config, &publishers(list), &url);
            let raw_txs = plan.raw_txs.map(|at| (at, vec![Topic::RawTx]));
            plan.events
                .into_iter()
                .chain(raw_txs)
                .map(|(at, topics)| (at.to_string(), topics))
                .collect::<Vec<(String, Vec<Topic>)>>()
        };
        let auto = ZmqConfig::Auto;
        assert_eq!(shown(&auto, &[]), []);
        assert_eq!(
            shown(&auto, &[("pubhashblock", one), ("pubsequence", two), ("pubrawtx", one)]),
            [
                ("tcp://192.0.2.1:2".to_owned(), vec![Topic::Sequence]),
                ("tcp://192.0.2.1:1".to_owned(), vec![Topic::RawTx]),
            ]
        );
        assert_eq!(
            shown(&auto, &[("pubhashtx", one), ("pubsequence", two)]),
            [("tcp://192.0.2.1:2".to_owned(), vec![Topic::Sequence])]
        );
        assert_eq!(
            shown(&auto, &[("pubrawblock", two), ("pubrawtx", one), ("pubhashtx", two)]),
            [("tcp://192.0.2.1:2".to_owned(), vec![Topic::RawBlock, Topic::HashTx])]
        );
        assert_eq!(shown(&auto, &[("pubhashwallettx", one), ("pubsequence", "vmci://x")]), []);
        let at = ZmqConfig::At("tcp://198.51.100.9:7".to_owned());
        assert_eq!(
            shown(&at, &[("pubsequence", one)]),
            [("tcp://198.51.100.9:7".to_owned(), vec![Topic::Sequence])]
        );
    }
}
