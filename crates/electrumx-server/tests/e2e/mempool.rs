//! What happens to unconfirmed transactions, and what sessions are told of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use electrumx_testkit::{
    Coins, Content, ElectrumClient, Regtest, RegtestBuilder, ScriptKind, ServerProcess, Truth,
    scripthash_hex, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{PATIENCE, Setup, expect_error, start_server};
use crate::watcher::{Told, Watcher};

/// A test's world: each event is followed by a look at everything.
struct World {
    setup: Setup,
    coins: Coins,
    truth: Truth,
    watcher: Watcher,
}

impl World {
    fn new(node: RegtestBuilder) -> Result<Self> {
        let setup = Setup::with(node, |_| Ok(()))?;
        let mut coins = Coins::new(&setup.node, 5);
        coins.mature(10)?;
        coins.split(30, 5_000_000)?;
        setup.node.mine(1)?;
        let mut truth = Truth::default();
        setup.settle(&mut truth)?;
        let watcher = Watcher::new(&setup.server, &[])?;
        Ok(Self { setup, coins, truth, watcher })
    }

    /// A new script that is watched.
    fn script(&mut self, kind: ScriptKind) -> Result<ScriptBuf> {
        let script = self.coins.script(kind);
        self.watcher.watch(&script)?;
        Ok(script)
    }

    /// Compares everything, and what was told since the last look.
    fn look(&mut self, what: &str) -> Result<Told> {
        self.setup.settle(&mut self.truth).with_context(|| format!("after: {what}"))?;
        self.watcher.expect_once(&self.truth).with_context(|| format!("told after: {what}"))
    }

    /// [`Self::look`], with these changes and no others to be told.
    fn expect(&mut self, what: &str, tips: usize, scripts: &[&ScriptBuf]) -> Result<()> {
        let told = self.look(what)?;
        let scripts = scripts.iter().copied().cloned().collect();
        ensure!(told == Told { tips, scripts }, "{what}: told {told:?}");
        Ok(())
    }

    /// The heights of a script's unconfirmed transactions.
    fn heights(&self, script: &ScriptBuf) -> Vec<i32> {
        self.truth.unconfirmed(script).iter().map(|entry| entry.height).collect()
    }

    fn first_output(tx: &Transaction) -> OutPoint {
        OutPoint::new(tx.compute_txid(), 0)
    }
}

#[test]
fn each_event_of_the_mempool_is_told_once_and_answered_rightly() {
    each_event(Regtest::builder()).unwrap();
}

#[test]
fn with_the_feed_each_event_of_the_mempool_is_told_once_and_answered_rightly() {
    each_event(Regtest::builder().zmq(true)).unwrap();
}

fn each_event(node: RegtestBuilder) -> Result<()> {
    let mut world = World::new(node.arg("-persistmempool=0"))?;
    receive_and_chain(&mut world)?;
    replace(&mut world)?;
    evict_by_conflict(&mut world)?;
    confirm_in_one_block(&mut world)?;
    fees(&mut world)?;
    restart_without_mempool(&mut world)?;
    unsubscribed_is_not_told(&mut world)
}

fn receive_and_chain(world: &mut World) -> Result<()> {
    let a = world.script(ScriptKind::P2wpkh)?;
    let b = world.script(ScriptKind::P2tr)?;
    let c = world.script(ScriptKind::P2pkh)?;
    let parent = world.coins.pay(&[(a.clone(), 900_000)])?;
    world.expect("receive", 0, &[&a])?;
    ensure!(world.heights(&a) == [0], "{:?}", world.heights(&a));

    let child = world.coins.spend(&[World::first_output(&parent)], &[(b.clone(), 800_000)])?;
    world.expect("child", 0, &[&a, &b])?;
    ensure!(world.heights(&a) == [0, -1] && world.heights(&b) == [-1], "the child is not -1");

    world.coins.spend(&[World::first_output(&child)], &[(c.clone(), 700_000)])?;
    world.expect("grandchild", 0, &[&b, &c])?;

    // The parent confirms: the child's height changes from -1 to 0, the grandchild's does not.
    let parent = Content::Pooled(parent.compute_txid());
    world.setup.node.mine_block_with(&[parent])?;
    world.expect("the parent confirmed", 1, &[&a, &b])?;
    ensure!(world.heights(&a) == [0] && world.heights(&b) == [0, -1], "the child is not 0");
    ensure!(world.heights(&c) == [-1], "the grandchild is not -1");

    let child = Content::Pooled(child.compute_txid());
    world.setup.node.mine_block_with(&[child])?;
    world.expect("the child confirmed", 1, &[&a, &b, &c])?;
    world.setup.node.mine(1)?;
    world.expect("the grandchild confirmed", 1, &[&b, &c])
}

fn replace(world: &mut World) -> Result<()> {
    let a = world.script(ScriptKind::P2wpkh)?;
    let b = world.script(ScriptKind::P2wsh)?;
    let c = world.script(ScriptKind::P2sh)?;
    let first = world.coins.pay(&[(a.clone(), 400_000)])?;
    world.expect("to be replaced", 0, &[&a])?;

    // The same payment with a higher fee: another transaction in the history.
    let second = world.coins.replace(&first, 5_000)?;
    world.expect("fee raised", 0, &[&a])?;
    let child = world.coins.spend(&[World::first_output(&second)], &[(b.clone(), 300_000)])?;
    world.expect("child of it", 0, &[&a, &b])?;
    ensure!(world.heights(&b) == [-1], "not -1");

    // Another payment instead: it takes the child with it.
    let coins: Vec<_> = first.input.iter().map(|input| input.previous_output).collect();
    world.coins.fee_rate = 200;
    let third = world.coins.spend(&coins, &[(c.clone(), 200_000)])?;
    world.coins.fee_rate = 5;
    world.expect("replaced with its child", 0, &[&a, &b, &c])?;
    ensure!(world.truth.status(&a).is_none(), "{a} should be without history again");
    ensure!(world.truth.status(&b).is_none(), "{b} should be without history again");
    let client = &mut world.setup.client()?;
    for gone in [first, second, child] {
        let gone = json!([gone.compute_txid().to_string()]);
        expect_error(client, "blockchain.transaction.get", &gone, 2)?;
    }
    let raw =
        client.call("blockchain.transaction.get", json!([third.compute_txid().to_string()]))?;
    ensure!(raw == json!(serialize_hex(&third)), "{raw}");
    world.coins.refresh()
}

fn evict_by_conflict(world: &mut World) -> Result<()> {
    let a = world.script(ScriptKind::P2wpkh)?;
    let b = world.script(ScriptKind::P2wpkh)?;
    let c = world.script(ScriptKind::Multisig)?;
    let doomed = world.coins.pay(&[(a.clone(), 500_000)])?;
    world.coins.spend(&[World::first_output(&doomed)], &[(b.clone(), 400_000)])?;
    // Both were sent before the server was asked for anything: it may have seen them one by one.
    world.setup.settle(&mut world.truth)?;
    world.watcher.settle(&world.truth)?;
    world.watcher.forget();

    let coins: Vec<_> = doomed.input.iter().map(|input| input.previous_output).collect();
    let conflict = world.coins.build_spend(&coins, &[(c.clone(), 300_000)])?;
    world.setup.node.mine_block_with(&[Content::Raw(&conflict)])?;
    world.expect("a block with a conflict", 1, &[&a, &b, &c])?;
    ensure!(world.truth.status(&a).is_none() && world.truth.status(&b).is_none(), "not evicted");
    world.coins.learn(&conflict);
    world.coins.refresh()
}

fn confirm_in_one_block(world: &mut World) -> Result<()> {
    // Unwatched leftovers first.
    world.setup.node.mine(1)?;
    world.look("a block")?;
    let mut scripts = Vec::new();
    for kind in ScriptKind::POOLED {
        let script = world.script(kind)?;
        world.coins.pay(&[(script.clone(), 100_000), (script.clone(), 100_000)])?;
        world.look("one more payment")?;
        scripts.push(script);
    }
    world.setup.node.mine(1)?;
    world.expect("all confirmed", 1, &scripts.iter().collect::<Vec<_>>())
}

fn fees(world: &mut World) -> Result<()> {
    let client = &mut world.setup.client()?;
    let histogram = "mempool.get_fee_histogram";
    wait_until(PATIENCE, "an empty histogram", || {
        let answer = client.call(histogram, json!([]))?;
        ensure!(answer == json!([]), "{answer}");
        Ok(())
    })?;
    for rate in [1, 2, 3, 3, 10, 25, 100] {
        world.coins.fee_rate = rate;
        let script = world.coins.script(ScriptKind::P2wpkh);
        world.coins.pay(&[(script, 50_000)])?;
    }
    world.coins.fee_rate = 5;
    world.look("payments of several rates")?;
    let pool = world.setup.node.call("getrawmempool", &[json!(true)])?;
    let pool = pool.as_object().context("getrawmempool: no object")?;
    let mut rates = Vec::new();
    for entry in pool.values() {
        let vsize = entry["vsize"].as_u64().context("no vsize")?;
        let fee = entry["fees"]["base"].as_f64().context("no fee")?;
        rates.push((bitcoin::Amount::from_btc(fee)?.to_sat(), vsize));
    }
    wait_until(PATIENCE, "the histogram", || {
        let answer = client.call(histogram, json!([]))?;
        check_histogram(&answer, &rates).with_context(|| format!("{answer} for {rates:?}"))
    })?;

    let node_says = world.setup.node.call("getmempoolinfo", &[])?;
    let answer = client.call("mempool.get_info", json!([]))?;
    for key in ["mempoolminfee", "minrelaytxfee", "incrementalrelayfee"] {
        ensure!(answer[key].is_f64() && answer[key] == node_says[key], "{key}: {answer}");
    }
    let node_says = world.setup.node.call("getnetworkinfo", &[])?;
    let answer = client.call("blockchain.relayfee", json!([]))?;
    ensure!(answer == node_says["relayfee"], "{answer}");
    // Targets beyond what the node takes are moved into its range; what it cannot tell is -1.
    for (params, asked) in [
        (json!([6]), json!([6])),
        (json!([0]), json!([1])),
        (json!([5000]), json!([1008])),
        (json!([6, "ECONOMICAL"]), json!([6, "economical"])),
        (json!([2, "conservative"]), json!([2, "conservative"])),
    ] {
        let asked = asked.as_array().context("no list")?;
        let node_says = world.setup.node.call("estimatesmartfee", asked)?;
        let expected = node_says.get("feerate").cloned().unwrap_or(json!(-1));
        let answer = client.call("blockchain.estimatefee", params.clone())?;
        ensure!(answer == expected, "{params}: {answer}, the node says {node_says}");
    }
    Ok(())
}

/// Rates fall strictly, and each size is of the transactions from its rate up to the rate before it.
pub(crate) fn check_histogram(answer: &Value, pool: &[(u64, u64)]) -> Result<()> {
    let bins = answer.as_array().context("no list")?;
    ensure!(!bins.is_empty(), "empty");
    let mut upper = f64::INFINITY;
    let mut total = 0;
    for bin in bins {
        let (rate, size) = (bin[0].as_f64().context("no rate")?, bin[1].as_u64());
        let size = size.context("the size is no whole number")?;
        ensure!(rate < upper, "the rates do not fall");
        let inside = |&&(fee, vsize): &&(u64, u64)| {
            // Whole satoshis against tenths: a small tolerance for how they are written.
            let exact = fee_rate(fee, vsize) + 1e-9;
            exact >= rate && exact < upper
        };
        let expected: u64 = pool.iter().filter(inside).map(|(_, vsize)| vsize).sum();
        ensure!(size == expected && size > 0, "{size} at {rate} instead of {expected}");
        upper = rate;
        total += size;
    }
    let all: u64 = pool.iter().map(|(_, vsize)| vsize).sum();
    ensure!(total == all, "{total} of {all} bytes");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn fee_rate(fee: u64, vsize: u64) -> f64 {
    fee as f64 / vsize as f64
}

fn restart_without_mempool(world: &mut World) -> Result<()> {
    let a = world.script(ScriptKind::P2wpkh)?;
    let b = world.script(ScriptKind::P2wpkh)?;
    let parent = world.coins.pay(&[(a.clone(), 500_000)])?;
    world.expect("before the restart", 0, &[&a])?;
    world.coins.spend(&[World::first_output(&parent)], &[(b.clone(), 400_000)])?;
    world.expect("before the restart", 0, &[&a, &b])?;
    world.setup.node.restart()?;
    ensure!(world.setup.node.raw_mempool()?.is_empty(), "the node kept its mempool");
    world.expect("the mempool is gone", 0, &[&a, &b])?;
    ensure!(world.truth.status(&a).is_none() && world.truth.status(&b).is_none(), "still there");
    world.coins.refresh()?;
    // They come back.
    world.setup.node.send_raw(&parent)?;
    world.expect("the payment is back", 0, &[&a])
}

fn unsubscribed_is_not_told(world: &mut World) -> Result<()> {
    let a = world.coins.script(ScriptKind::P2wpkh);
    let hash = json!([scripthash_hex(&a)]);
    let client = &mut world.watcher.client;
    client.call("blockchain.scripthash.subscribe", hash.clone())?;
    let answer = client.call("blockchain.scripthash.unsubscribe", hash)?;
    ensure!(answer == json!(true), "{answer}");
    world.coins.refresh()?;
    world.coins.pay(&[(a, 100_000)])?;
    // The watcher refuses what it did not subscribe.
    world.look("a payment to an unsubscribed script")?;
    world.setup.node.mine(1)?;
    let told = world.look("its confirmation")?;
    ensure!(told.tips == 1, "{told:?}");
    world.watcher.expect_silence(Duration::from_millis(200))
}

/// Starts a node, fills a purse there, and makes a folder for a server.
fn node_with_coins(seed: u64) -> Result<(Regtest, Coins, TempDir)> {
    let node = Regtest::start()?;
    let mut coins = Coins::new(&node, seed);
    coins.mature(4)?;
    coins.split(10, 1_000_000)?;
    node.mine(1)?;
    Ok((node, coins, tempfile::tempdir()?))
}

/// Starts a server that would look at the node only long after the test has failed.
fn rarely_looking(node: &Regtest, db: &Path) -> Result<ServerProcess> {
    let rarely =
        [("DAEMON_POLL_INTERVAL_BLOCKS", "600000"), ("DAEMON_POLL_INTERVAL_MEMPOOL", "600000")];
    let mut server = start_server(node, db, &rarely)?;
    server.wait_ready(PATIENCE)?;
    Ok(server)
}

#[test]
fn what_the_node_takes_of_a_package_is_seen_at_once() {
    let (node, mut coins, db) = node_with_coins(7).unwrap();
    let server = rarely_looking(&node, db.path()).unwrap();

    let script = coins.script(ScriptKind::P2wpkh);
    let next = coins.script(ScriptKind::P2tr);
    let mut watcher = Watcher::new(&server, &[&script, &next]).unwrap();
    let parent = coins.build(&[(script.clone(), 400_000)]).unwrap();
    coins.learn(&parent);
    let coin = OutPoint::new(parent.compute_txid(), 0);
    let mut child = coins.build_spend(&[coin], &[(next.clone(), 300_000)]).unwrap();
    // Its signature is of another transaction.
    child.lock_time = bitcoin::absolute::LockTime::from_consensus(1);
    let package = json!([serialize_hex(&parent), serialize_hex(&child)]);
    let answer = watcher.client.call("blockchain.transaction.broadcast_package", json!([package]));
    let answer = answer.unwrap();
    assert_eq!(answer["success"], false);
    assert_eq!(answer["errors"][0]["txid"], child.compute_txid().to_string(), "{answer}");
    let mut truth = Truth::default();
    truth.scan_mempool(&node).unwrap();
    for script in [&script, &next] {
        seen_at_once(&mut watcher.client, &truth, script).unwrap();
    }
    assert_eq!(truth.mempool_json(&script).as_array().map(Vec::len), Some(1));
    let told = watcher.expect_once(&truth).unwrap();
    assert_eq!(told, Told { tips: 0, scripts: BTreeSet::from([script]) });
}

#[test]
fn an_own_broadcast_is_seen_at_once_by_everyone() {
    let (node, mut coins, db) = node_with_coins(6).unwrap();
    let server = rarely_looking(&node, db.path()).unwrap();

    let script = coins.script(ScriptKind::P2wpkh);
    let next = coins.script(ScriptKind::P2tr);
    let mut sender = Watcher::new(&server, &[&script, &next]).unwrap();
    let mut other = Watcher::new(&server, &[&script, &next]).unwrap();
    let mut truth = Truth::default();

    let parent = coins.build(&[(script.clone(), 400_000)]).unwrap();
    coins.learn(&parent);
    let coin = OutPoint::new(parent.compute_txid(), 0);
    let child = coins.build_spend(&[coin], &[(next.clone(), 300_000)]).unwrap();
    coins.learn(&child);
    for (tx, changed) in [(&parent, vec![&script]), (&child, vec![&script, &next])] {
        let raw = serialize_hex(tx);
        let sent = Instant::now();
        let txid =
            sender.client.call("blockchain.transaction.broadcast", json!([raw.clone()])).unwrap();
        assert_eq!(txid, json!(tx.compute_txid().to_string()));
        truth.scan_mempool(&node).unwrap();
        for client in [&mut sender.client, &mut other.client] {
            seen_at_once(client, &truth, &script).unwrap();
            let got = client.call("blockchain.transaction.get", json!([txid])).unwrap();
            assert_eq!(got, json!(raw));
        }
        let changed: BTreeSet<_> = changed.into_iter().cloned().collect();
        for watcher in [&mut sender, &mut other] {
            let told = watcher.expect_once(&truth).unwrap();
            assert_eq!(told, Told { tips: 0, scripts: changed.clone() });
        }
        eprintln!("broadcast and seen by both after {:?}", sent.elapsed());
        assert!(sent.elapsed() < Duration::from_secs(5));
    }
    // Again: quietly the same answer, and nothing to tell.
    let again = json!([serialize_hex(&child)]);
    let txid = sender.client.call("blockchain.transaction.broadcast", again).unwrap();
    assert_eq!(txid, json!(child.compute_txid().to_string()));
    sender.expect_silence(Duration::from_millis(300)).unwrap();
    other.expect_silence(Duration::from_millis(1)).unwrap();

    // What the node refuses, and what is no transaction at all.
    let mut bad = child;
    bad.output[0].value = bitcoin::Amount::from_sat(900_000_000);
    for raw in [serialize_hex(&bad), "00".to_owned()] {
        let params = json!([raw]);
        let client = &mut sender.client;
        let text = expect_error(client, "blockchain.transaction.broadcast", &params, 1).unwrap();
        assert!(text.starts_with("the transaction was rejected by network rules.\n\n"), "{text}");
        assert!(text.ends_with(&format!("\n[{raw}]")), "{text}");
    }
}

fn seen_at_once(client: &mut ElectrumClient, truth: &Truth, script: &ScriptBuf) -> Result<()> {
    let hash = json!([scripthash_hex(script)]);
    let history = client.call("blockchain.scripthash.get_history", hash.clone())?;
    ensure!(history == truth.history_json(script), "{history}");
    let mempool = client.call("blockchain.scripthash.get_mempool", hash.clone())?;
    ensure!(mempool == truth.mempool_json(script), "{mempool}");
    let balance = client.call("blockchain.scripthash.get_balance", hash.clone())?;
    ensure!(balance == truth.balance_json(script), "{balance}");
    let unspent = client.call("blockchain.scripthash.listunspent", hash)?;
    ensure!(unspent == truth.listunspent_json(script), "{unspent}");
    Ok(())
}
