//! Reorganisations of every depth and direction.

use anyhow::{Context, Result, ensure};
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use electrumx_testkit::{
    Coins, Content, Regtest, RegtestBuilder, Replacement, ScriptKind, Traffic, Truth, fresh_script,
    scripthash_hex,
};
use serde_json::json;

use crate::common::{OFTEN, Setup, start_server};
use crate::common::{PATIENCE, settle_on};
use crate::watcher::{Told, Watcher};

struct World {
    setup: Setup,
    coins: Coins,
    truth: Truth,
    watcher: Watcher,
}

impl World {
    fn new() -> Result<Self> {
        let setup = Setup::start()?;
        let mut coins = Coins::new(&setup.node, 7);
        coins.mature(12)?;
        coins.split(40, 2_000_000)?;
        setup.node.mine(1)?;
        let mut truth = Truth::default();
        setup.settle_all(&mut truth)?;
        let watcher = Watcher::new(&setup.server, &[])?;
        Ok(Self { setup, coins, truth, watcher })
    }

    fn script(&mut self, kind: ScriptKind) -> Result<ScriptBuf> {
        let script = self.coins.script(kind);
        self.watcher.watch(&script)?;
        Ok(script)
    }

    fn pay(&mut self, script: &ScriptBuf) -> Result<Transaction> {
        self.coins.pay(&[(script.clone(), 300_000)])
    }

    /// Waits until everything agrees and begins a new account of what is told.
    fn calm(&mut self) -> Result<()> {
        self.setup.settle(&mut self.truth)?;
        self.watcher.settle(&self.truth)?;
        self.watcher.forget();
        Ok(())
    }

    /// Reorganises behind the server's back; afterwards all answers equal the truth, the new tip was told
    /// once, and each watched script whose status changed, once.
    fn reorganise(
        &mut self,
        what: &str,
        act: impl FnOnce(&Regtest) -> Result<()>,
    ) -> Result<Vec<ScriptBuf>> {
        self.calm().with_context(|| format!("before: {what}"))?;
        let before = self.truth.hashes().last().copied();
        let node = &self.setup.node;
        self.setup.frozen(|| act(node)).with_context(|| format!("in the node: {what}"))?;
        let look = || format!("after: {what}");
        self.setup.settle_all(&mut self.truth).with_context(look)?;
        let Told { tips, scripts } = self.watcher.expect_once(&self.truth).with_context(look)?;
        let switched = usize::from(self.truth.hashes().last().copied() != before);
        ensure!(tips == switched, "{what}: {tips} tips told, {switched} expected");
        self.coins.refresh()?;
        Ok(scripts.into_iter().collect())
    }
}

#[test]
fn reorganisations_of_all_depths_are_told_once_and_answered_rightly() {
    let mut world = World::new().unwrap();
    one_block_at_equal_height(&mut world).unwrap();
    mined_again_at_the_same_height(&mut world).unwrap();
    a_coinbase_disappears(&mut world).unwrap();
    six_blocks(&mut world).unwrap();
    lower_and_then_higher(&mut world).unwrap();
    a_hundred_and_twenty_blocks(&mut world).unwrap();
}

fn one_block_at_equal_height(world: &mut World) -> Result<()> {
    let a = world.script(ScriptKind::P2wpkh)?;
    let b = world.script(ScriptKind::P2tr)?;
    let paid = world.pay(&a)?;
    world.coins.spend(&[OutPoint::new(paid.compute_txid(), 0)], &[(b.clone(), 200_000)])?;
    world.setup.node.mine(1)?;
    let tip = world.setup.node.block_count()?;

    let changed = world.reorganise("depth 1, equal height, back to the mempool", |node| {
        node.reorg(1, 1, Replacement::Empty).map(drop)
    })?;
    ensure!(world.truth.tip() == tip, "another height");
    ensure!(changed.len() == 2 && world.truth.unconfirmed(&b)[0].height == -1, "{changed:?}");

    let changed = world.reorganise("depth 1, equal height, confirmed again", |node| {
        node.reorg(1, 1, Replacement::Mempool).map(drop)
    })?;
    ensure!(changed.len() == 2 && world.truth.history(&a)[0].0 == tip, "{changed:?}");
    ensure!(world.truth.tip() == tip, "another height");
    Ok(())
}

fn mined_again_at_the_same_height(world: &mut World) -> Result<()> {
    let a = world.script(ScriptKind::P2wpkh)?;
    let b = world.script(ScriptKind::P2wpkh)?;
    let stays = world.pay(&a)?.compute_txid();
    let other = world.pay(&b)?.compute_txid();
    world.setup.node.mine_block_with(&[Content::Pooled(stays), Content::Pooled(other)])?;
    world.setup.node.mine(1)?;
    world.calm()?;
    let before = world.truth.tx_merkle(&stays);

    // The same height in another block, at another place in it: the status does not change, so nothing is to
    // be told of it; the proof does change.
    let changed = world.reorganise("mined again at the same height", |node| {
        let again = [vec![Content::Pooled(other), Content::Pooled(stays)]];
        node.reorg(2, 2, Replacement::With(&again)).map(drop)
    })?;
    ensure!(changed.is_empty(), "{changed:?}");
    ensure!(world.truth.tx_merkle(&stays) != before, "the proof is to differ");

    // One of them only, and the other one block later.
    let changed = world.reorganise("one block later", |node| {
        let later = [vec![Content::Pooled(stays)], vec![Content::Pooled(other)]];
        node.reorg(2, 3, Replacement::With(&later)).map(drop)
    })?;
    ensure!(changed == [b], "{changed:?}");
    Ok(())
}

fn a_coinbase_disappears(world: &mut World) -> Result<()> {
    let a = world.script(ScriptKind::P2wpkh)?;
    world.setup.node.mine_to_script(&a, 1)?;
    world.calm()?;
    ensure!(world.truth.history(&a).len() == 1, "no coinbase");
    let coinbase = world.truth.history(&a)[0].1.to_string();
    let changed = world.reorganise("the coinbase disappears", |node| {
        node.reorg(1, 2, Replacement::Mempool).map(drop)
    })?;
    ensure!(changed == [a.clone()] && world.truth.status(&a).is_none(), "{changed:?}");
    let client = &mut world.setup.client()?;
    let answer = client.call("blockchain.scripthash.subscribe", json!([scripthash_hex(&a)]))?;
    ensure!(answer.is_null(), "{answer}");
    let got = client.call("blockchain.transaction.get", json!([coinbase]));
    ensure!(got.is_err(), "the coinbase is still there: {got:?}");
    Ok(())
}

/// Six blocks with a payment each; a chain of spends runs through them.
fn six_payments(world: &mut World) -> Result<Vec<ScriptBuf>> {
    let mut scripts = Vec::new();
    let mut coin = None;
    for round in 0..6 {
        let script = world.script(ScriptKind::POOLED[round])?;
        let outputs = [(script.clone(), 400_000 - 30_000 * round as u64)];
        let tx = match coin {
            Some(coin) => world.coins.spend(&[coin], &outputs)?,
            None => world.coins.pay(&outputs)?,
        };
        coin = Some(OutPoint::new(tx.compute_txid(), 0));
        scripts.push(script);
        world.setup.node.mine(1)?;
    }
    Ok(scripts)
}

fn six_blocks(world: &mut World) -> Result<()> {
    let scripts = six_payments(world)?;
    let tip = world.setup.node.block_count()?;
    let changed = world.reorganise("depth 6, one more block, all to the mempool", |node| {
        node.reorg(6, 7, Replacement::Empty).map(drop)
    })?;
    ensure!(changed.len() == 6 && world.truth.tip() == tip + 1, "{changed:?}");
    let last = world.truth.unconfirmed(&scripts[5]);
    ensure!(last.len() == 1 && last[0].height == -1, "{last:?}");
    let changed = world.reorganise("depth 6, equal height, all confirmed", |node| {
        node.reorg(6, 6, Replacement::Mempool).map(drop)
    })?;
    ensure!(changed.len() == 6, "{changed:?}");
    Ok(())
}

fn lower_and_then_higher(world: &mut World) -> Result<()> {
    six_payments(world)?;
    let tip = world.setup.node.block_count()?;
    let mut old = None;
    let changed = world.reorganise("depth 6, three lower", |node| {
        old = Some(node.reorg(6, 3, Replacement::Empty)?);
        Ok(())
    })?;
    ensure!(changed.len() == 6 && world.truth.tip() == tip - 3, "{changed:?}");
    let changed = world
        .reorganise("higher again", |node| node.mine_to_script(&fresh_script(), 5).map(drop))?;
    ensure!(changed.len() == 6 && world.truth.tip() == tip + 2, "{changed:?}");
    let changed = world.reorganise("only lower", |node| {
        let hash = node.block_hash(node.block_count()? - 4)?;
        node.invalidate(&hash)
    })?;
    ensure!(changed.len() == 6 && world.truth.tip() == tip - 3, "{changed:?}");
    // The old branch of before, which is longer now.
    let changed = world.reorganise("the first branch comes back", |node| {
        node.reconsider(&old.context("no branch")?)
    })?;
    ensure!(changed.len() == 6 && world.truth.tip() == tip, "{changed:?}");
    Ok(())
}

fn a_hundred_and_twenty_blocks(world: &mut World) -> Result<()> {
    let mut scripts = Vec::new();
    for round in 0..120_u32 {
        if round.is_multiple_of(8) {
            let script = world.script(ScriptKind::P2wpkh)?;
            world.pay(&script)?;
            scripts.push(script);
        }
        world.setup.node.mine(1)?;
    }
    let tip = world.setup.node.block_count()?;
    let mut old = None;
    let changed = world.reorganise("depth 120", |node| {
        old = Some(node.reorg(120, 121, Replacement::Mempool)?);
        Ok(())
    })?;
    ensure!(changed.len() >= scripts.len() && world.truth.tip() == tip + 1, "{changed:?}");
    // Lower by 119 blocks at once, and back to the first branch.
    let changed = world.reorganise("to a low branch and then to the first one", |node| {
        let hash = node.block_hash(tip - 117)?;
        node.invalidate(&hash)?;
        node.reconsider(&old.context("no branch")?)
    })?;
    ensure!(changed.len() >= scripts.len() && world.truth.tip() == tip, "{changed:?}");
    Ok(())
}

/// Nothing stands still here: branches compete while the server looks, and payments go on.
#[test]
fn reorganisations_without_a_pause_end_in_the_truth() {
    without_a_pause(Regtest::builder()).unwrap();
}

#[test]
fn with_the_feed_reorganisations_without_a_pause_end_in_the_truth() {
    without_a_pause(Regtest::builder().zmq(true)).unwrap();
}

fn without_a_pause(node: RegtestBuilder) -> Result<()> {
    let setup = Setup::with(node, |_| Ok(()))?;
    let mut traffic = Traffic::new(&setup.node, 8);
    traffic.coins.mature(10)?;
    traffic.coins.split(60, 1_000_000)?;
    setup.node.mine(1)?;
    let mut truth = Truth::default();
    setup.settle(&mut truth)?;
    let scripts: Vec<_> =
        ScriptKind::POOLED.iter().map(|&kind| traffic.coins.script_at(kind, 1)).collect();
    let mut watcher = Watcher::new(&setup.server, &scripts.iter().collect::<Vec<_>>())?;
    for round in 0..25_u32 {
        traffic.send(4)?;
        setup.node.mine(1)?;
        let depth = 1 + u32::try_from(traffic.random(8))?;
        let length = depth + u32::try_from(traffic.random(3))? - 1;
        let mode = if round % 2 == 0 { Replacement::Mempool } else { Replacement::Empty };
        setup.node.reorg(depth, length, mode)?;
        traffic.coins.refresh()?;
        if round % 5 == 4 {
            setup.settle(&mut truth)?;
            watcher.settle(&truth)?;
        }
    }
    setup.settle_all(&mut truth)?;
    watcher.settle(&truth)?;

    // A server that saw none of it has the same.
    let db = tempfile::tempdir()?;
    let mut fresh = start_server(&setup.node, db.path(), &OFTEN)?;
    fresh.wait_ready(PATIENCE)?;
    settle_on(&fresh, &truth)
}
