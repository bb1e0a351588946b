//! Subscriptions of transactions: what the node does with one is told, once each.

use anyhow::{Context as _, Result, ensure};
use bitcoin::Txid;
use electrumx_testkit::{Coins, ElectrumClient, Replacement, ScriptKind, Truth};
use serde_json::{Value, json};

use crate::common::{PATIENCE, Setup};

const SUBSCRIBE: &str = "blockchain.transaction.subscribe";

/// Waits until a transaction is told to be there, and nothing else.
fn expect(client: &mut ElectrumClient, txid: &Txid, height: &Value) -> Result<()> {
    let params = json!([txid.to_string(), height]);
    let told = client.wait_notification(PATIENCE, |told| told.method == SUBSCRIBE);
    let told = told.with_context(|| format!("{params} is not told"))?;
    ensure!(told.params == params, "{} instead of {params}", told.params);
    let answer = client.call("blockchain.transaction.get_height", json!([txid.to_string()]))?;
    ensure!(answer == *height, "{answer} is answered, {height} told");
    Ok(())
}

/// Waits until the server has all that the node has; nothing more may have been told.
fn expect_silence(setup: &Setup, client: &mut ElectrumClient, truth: &mut Truth) -> Result<()> {
    setup.settle(truth)?;
    client.call("server.ping", json!([]))?;
    let others = client.drain_notifications();
    ensure!(others.is_empty(), "told as well: {others:?}");
    Ok(())
}

#[test]
fn a_transaction_is_told_in_the_mempool_in_blocks_after_reorgs_and_when_it_is_replaced()
-> Result<()> {
    let setup = Setup::start()?;
    let node = &setup.node;
    let mut coins = Coins::new(node, 11);
    coins.mature(3)?;
    let mut truth = Truth::default();
    setup.settle(&mut truth)?;
    let mut client = setup.client()?;
    let client = &mut client;

    // Before it is known.
    let script = coins.script(ScriptKind::P2wpkh);
    let tx = coins.build(&[(script, 50_000)])?;
    let txid = tx.compute_txid();
    ensure!(client.call(SUBSCRIBE, json!([txid.to_string()]))?.is_null(), "it is known");
    coins.send(&tx)?;
    expect(client, &txid, &json!(0))?;
    expect_silence(&setup, client, &mut truth)?;
    node.mine(1)?;
    let height = node.block_count()?;
    expect(client, &txid, &json!(height))?;
    node.mine(1)?;
    expect_silence(&setup, client, &mut truth)?;

    // The server sees each of these at one moment: back in the mempool; confirmed at the same height as before; one
    // block further on.
    setup.frozen(|| node.reorg(2, 2, Replacement::Empty).map(drop))?;
    expect(client, &txid, &json!(0))?;
    expect_silence(&setup, client, &mut truth)?;
    setup.frozen(|| node.reorg(2, 2, Replacement::Mempool).map(drop))?;
    expect(client, &txid, &json!(height))?;
    expect_silence(&setup, client, &mut truth)?;
    setup.frozen(|| {
        node.reorg(2, 1, Replacement::Empty)?;
        node.mine(2).map(drop)
    })?;
    expect(client, &txid, &json!(height + 1))?;
    expect_silence(&setup, client, &mut truth)?;

    // Replaced: it is gone, and what replaces it is there.
    setup.frozen(|| node.reorg(2, 2, Replacement::Empty).map(drop))?;
    expect(client, &txid, &json!(0))?;
    let other = coins.replace(&tx, 5_000)?.compute_txid();
    expect(client, &txid, &Value::Null)?;
    expect_silence(&setup, client, &mut truth)?;
    ensure!(client.call(SUBSCRIBE, json!([other.to_string()]))? == json!(0), "it is not known");
    for is_subscribed in [true, false] {
        let answer =
            client.call("blockchain.transaction.unsubscribe", json!([txid.to_string()]))?;
        ensure!(answer == json!(is_subscribed), "{answer}");
    }
    node.mine(1)?;
    expect(client, &other, &json!(node.block_count()?))?;
    expect_silence(&setup, client, &mut truth)
}
