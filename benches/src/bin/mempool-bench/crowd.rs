//! A block of a real node, and many sessions that are told of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bitcoin::consensus::encode::serialize_hex;
use electrumx_core::ScriptHash;
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_daemon::{Daemon, DaemonConfig, NodeUrl, ZmqConfig, ZmqEvent, ZmqFeed};
use electrumx_testkit::{Coins, ScriptKind, ServerProcess};
use serde_json::json;
use tokio::sync::mpsc;
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
    let (told, mut tellings) = mpsc::unbounded_channel();
    for number in 0..sessions {
        let mut session = Session::open(server.tcp_addr()).await?;
        let script = ScriptHash::of_script(scripts[number % SCRIPTS].as_bytes());
        session.subscribe(&[script]).await?;
        let told = told.clone();
        tokio::spawn(async move {
            while let Ok(line) = session.line().await {
                let _ = told.send((Instant::now(), line.contains("headers")));
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
        while tellings.try_recv().is_ok() {}

        let client = node.client();
        let mining = tokio::task::spawn_blocking(move || client.mine(1));
        while feed.next().await != ZmqEvent::Block {}
        let has = Instant::now();
        let (mut header, mut status) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..2 * sessions {
            let next = tokio::time::timeout(PATIENCE, tellings.recv()).await?;
            let (at, is_header) = next.context("no session is left")?;
            let last = if is_header { &mut header } else { &mut status };
            *last = (*last).max(at - has);
        }
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

fn pay(coins: &mut Coins, to: bitcoin::ScriptBuf) -> anyhow::Result<bitcoin::Transaction> {
    let tx = coins.build(&[(to, 5_000)])?;
    coins.learn(&tx);
    Ok(tx)
}
