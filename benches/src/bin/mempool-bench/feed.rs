//! From a real node to a client: transactions, by the node and by a client's broadcast.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bitcoin::consensus::encode::serialize_hex;
use electrumx_benches::micros;
use electrumx_testkit::{Coins, ElectrumClient, ScriptKind, ServerProcess, scripthash_hex};
use serde_json::json;

use crate::process::{PATIENCE, cpu, share, usual_node, wait_for_pool};

/// Payments that are timed, of each kind.
const TIMED: usize = 500;

/// Payments that come as fast as the node takes them.
const BURST: usize = 2_000;

/// Measures.
pub(crate) fn measure(exe: &Path) -> anyhow::Result<()> {
    let node = usual_node()?;
    let mut coins = Coins::new(&node, 1);
    coins.mature(20)?;
    for _ in 0..2 {
        coins.split((2 * TIMED + BURST) / 2, 100_000)?;
        node.mine(1)?;
    }
    let db = tempfile::tempdir()?;
    let mut server = ServerProcess::for_node(exe, &node, db.path(), &[])?;
    server.wait_ready(PATIENCE)?;
    electrumx_testkit::wait_until(PATIENCE, "the feed", || {
        anyhow::ensure!(server.log_text().contains("following the node's"), "not followed");
        Ok(())
    })?;
    let script = coins.script(ScriptKind::P2wpkh);
    let mut watcher = ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
    watcher.call("blockchain.scripthash.subscribe", json!([scripthash_hex(&script)]))?;
    let mut sender = ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;

    for by_node in [false, true] {
        let mut times = Vec::with_capacity(TIMED);
        for _ in 0..TIMED {
            let tx = coins.build(&[(script.clone(), 5_000)])?;
            let raw = serialize_hex(&tx);
            let began = Instant::now();
            let sent = if by_node {
                node.send_raw(&tx)?;
                None
            } else {
                Some(sender.send("blockchain.transaction.broadcast", json!([raw]))?)
            };
            watcher.wait_notification(PATIENCE, |told| {
                told.method == "blockchain.scripthash.subscribe"
            })?;
            times.push(began.elapsed());
            sent.map(|id| sender.receive(id)).transpose()?;
            coins.learn(&tx);
            std::thread::sleep(Duration::from_millis(2));
        }
        times.sort_unstable();
        let by = if by_node { "sent to the node" } else { "broadcast by a client" };
        println!(
            "{by} to notification: p50 {:.2?}, p99 {:.2?}, longest {:.2?} of {TIMED}",
            share(&times, 50),
            share(&times, 99),
            times[TIMED - 1]
        );
    }

    node.mine(1)?;
    wait_for_pool(&server, 0)?;
    let mut txs = Vec::with_capacity(BURST);
    for _ in 0..BURST {
        let to = coins.script(ScriptKind::P2wpkh);
        let tx = coins.build(&[(to, 5_000)])?;
        // Only coins of the chain, so that chains do not get long.
        coins.learn(&tx);
        txs.push(json!([serialize_hex(&tx)]));
    }
    let (before, began) = (cpu(&server)?, Instant::now());
    for some in txs.chunks(20) {
        node.batch("sendrawtransaction", some)?;
    }
    let pooled = node.raw_mempool()?.len();
    wait_for_pool(&server, pooled)?;
    let took = began.elapsed();
    let used = cpu(&server)? - before;
    println!(
        "{pooled} transactions in {took:.2?}: server CPU a transaction {:.1} µs",
        micros(used, pooled)
    );
    server.terminate(PATIENCE).context("the server does not stop")?;
    Ok(())
}
