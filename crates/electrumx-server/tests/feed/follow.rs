//! Everything that happens in the node reaches clients through its feed.

use std::time::Instant;

use anyhow::Result;
use electrumx_testkit::{Regtest, Replacement, ReservedPort, ScriptKind};

use crate::common::{HARDLY_EVER, Setup, Watcher};

#[test]
fn payments_replacements_chains_blocks_and_reorgs_are_told() -> Result<()> {
    let mut setup = Setup::start(Regtest::builder().zmq(true), &HARDLY_EVER)?;
    setup.wait_log("following the node's sequence", 1)?;
    let Setup { server, node, coins, .. } = &mut setup;
    let mut watcher = Watcher::new(server)?;
    let scripts: Vec<_> = (0..4).map(|_| coins.script(ScriptKind::P2wpkh)).collect();
    for script in &scripts {
        watcher.watch(script)?;
    }

    let paid = coins.pay(&[(scripts[0].clone(), 50_000)])?;
    watcher.settle(node)?;
    coins.replace(&paid, 5_000)?;
    watcher.settle(node)?;
    let parent = coins.pay(&[(scripts[1].clone(), 90_000)])?;
    let output = bitcoin::OutPoint::new(parent.compute_txid(), 0);
    coins.spend(&[output], &[(scripts[2].clone(), 40_000)])?;
    watcher.settle(node)?;

    let height = node.block_count()?;
    node.mine(1)?;
    watcher.wait_header(height + 1, Instant::now())?;
    watcher.settle(node)?;

    // Same height, and the transactions are unconfirmed again.
    node.reorg(1, 1, Replacement::Empty)?;
    watcher.wait_header(height + 1, Instant::now())?;
    watcher.settle(node)?;
    coins.refresh()?;

    // A payment that a block confirms at once, and one behind it.
    for n in 0..10 {
        coins.pay(&[(scripts[3].clone(), 10_000 + n)])?;
        node.mine(1)?;
    }
    coins.pay(&[(scripts[3].clone(), 30_000)])?;
    watcher.settle(node)
}

#[test]
fn the_feed_comes_back_with_the_node() -> Result<()> {
    let mut setup = Setup::start(Regtest::builder().zmq(true), &HARDLY_EVER)?;
    setup.wait_log("following the node's sequence", 1)?;
    let script = setup.coins.script(ScriptKind::P2tr);
    let mut watcher = Watcher::new(&setup.server)?;
    watcher.watch(&script)?;
    for restarts in 1..=2 {
        setup.coins.pay(&[(script.clone(), 20_000)])?;
        watcher.settle(&setup.node)?;
        setup.node.stop()?;
        setup.wait_log("publisher at", restarts)?;
        setup.node.restart()?;
        setup.wait_log("following the node's sequence", restarts + 1)?;
    }
    setup.node.mine(1)?;
    setup.coins.pay(&[(script, 20_000)])?;
    watcher.settle(&setup.node)
}

#[test]
fn a_feed_without_sequence_makes_it_look() -> Result<()> {
    let port = ReservedPort::new()?;
    let hashes = Regtest::builder()
        .arg(format!("-zmqpubhashblock=tcp://{}", port.addr()))
        .arg(format!("-zmqpubrawtx=tcp://{}", port.addr()));
    let mut setup = Setup::start(hashes, &HARDLY_EVER)?;
    setup.wait_log("following the node's hashblock, rawtx", 1)?;
    let script = setup.coins.script(ScriptKind::P2wsh);
    let mut watcher = Watcher::new(&setup.server)?;
    watcher.watch(&script)?;
    setup.coins.pay(&[(script.clone(), 20_000)])?;
    watcher.settle(&setup.node)?;
    setup.node.mine(1)?;
    watcher.settle(&setup.node)
}
