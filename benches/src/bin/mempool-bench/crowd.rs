//! A block of a real node, and many sessions that are told of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use bitcoin::consensus::encode::serialize_hex;
use electrumx_core::ScriptHash;
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_daemon::{Daemon, DaemonConfig, NodeUrl, ZmqConfig, ZmqEvent, ZmqFeed};
use electrumx_testkit::{Coins, ScriptKind, ServerProcess};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::large::Session;
use crate::process::{CROWDED, PATIENCE, usual_node, wait_for_pool};

/// Transactions of a block.
const TXS: usize = 2_500;

/// Scripts of them that somebody subscribed to.
const SCRIPTS: usize = 500;

/// Blocks that are timed.
const BLOCKS: usize = 3;

/// Measures.
pub(crate) async fn measure(exe: &Path, sessions: usize) -> anyhow::Result<()> {
    let node = usual_node()?;
    let mut coins = Coins::new(&node, 2);
    coins.mature(40)?;
    for _ in 0..3 {
        coins.split(TXS, 200_000)?;
        node.mine(1)?;
    }
    let db = tempfile::tempdir()?;
    let mut server = ServerProcess::for_node(exe, &node, db.path(), &CROWDED)?;
    server.wait_ready(PATIENCE)?;
    let scripts: Vec<_> = (0..SCRIPTS).map(|_| coins.script(ScriptKind::P2wpkh)).collect();

    // Each session hears of the tip and of one of the scripts.
    let told = Arc::new(Told::default());
    for number in 0..sessions {
        let mut session = Session::open(server.tcp_addr()).await?;
        let script = ScriptHash::of_script(scripts[number % SCRIPTS].as_bytes());
        session.subscribe(&[script]).await?;
        let told = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok(line) = session.line().await {
                told.note(line.contains("headers"));
            }
        });
    }
    let urls = NodeUrl::parse_list(&node.daemon_url()?, 18_443)?;
    let token = CancellationToken::new();
    let daemon = Daemon::new(DaemonConfig::new(urls), token.clone())?;
    let mut feed = ZmqFeed::spawn(Bitcoin::new(Network::Regtest), daemon, ZmqConfig::Auto);
    while feed.next().await != ZmqEvent::Gap {}

    for round in 1..=BLOCKS {
        let mut txs = Vec::with_capacity(TXS);
        for number in 0..TXS {
            let to = scripts.get(number).cloned();
            let to = to.unwrap_or_else(|| coins.script(ScriptKind::P2wpkh));
            txs.push(json!([serialize_hex(&pay(&mut coins, to)?)]));
        }
        for some in txs.chunks(100) {
            node.batch("sendrawtransaction", some)?;
        }
        let pooled = node.raw_mempool()?.len();
        wait_for_pool(&server, pooled)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        while feed.try_next().is_some() {}
        told.expect(2 * sessions);

        let client = node.client();
        let mining = tokio::task::spawn_blocking(move || client.mine(1));
        while feed.next().await != ZmqEvent::Block {}
        let has = Instant::now();
        tokio::time::timeout(PATIENCE, told.all.notified()).await?;
        let [header, status] = told.last().map(|last| last.saturating_duration_since(has));
        mining.await??;
        println!(
            "block {round} of {pooled} transactions, {sessions} sessions, {SCRIPTS} scripts: last header \
             {header:.1?}, last status {status:.1?} after the node's own announcement"
        );
    }
    for line in server.log_text().lines().filter(|line| line.contains("told after")) {
        println!("{}", line.trim_start());
    }
    token.cancel();
    server.terminate(PATIENCE)?;
    Ok(())
}

/// What the sessions were told in a round. They share the processor with the server, so they only count.
struct Told {
    since: Instant,
    left: AtomicUsize,
    /// Nanoseconds after `since` of the last header and of the last status.
    last: [AtomicU64; 2],
    all: Notify,
}

impl Default for Told {
    fn default() -> Self {
        let since = Instant::now();
        Self { since, left: AtomicUsize::new(0), last: Default::default(), all: Notify::new() }
    }
}

impl Told {
    /// Begins a round in which so many messages are to come.
    fn expect(&self, messages: usize) {
        self.left.store(messages, Relaxed);
        self.last.iter().for_each(|last| last.store(0, Relaxed));
    }

    fn note(&self, is_header: bool) {
        let now = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last[usize::from(!is_header)].fetch_max(now, Relaxed);
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.all.notify_one();
        }
    }

    /// Returns when the last header and the last status came.
    fn last(&self) -> [Instant; 2] {
        [0, 1].map(|kind| self.since + Duration::from_nanos(self.last[kind].load(Relaxed)))
    }
}

fn pay(coins: &mut Coins, to: bitcoin::ScriptBuf) -> anyhow::Result<bitcoin::Transaction> {
    let tx = coins.build(&[(to, 5_000)])?;
    coins.learn(&tx);
    Ok(tx)
}
