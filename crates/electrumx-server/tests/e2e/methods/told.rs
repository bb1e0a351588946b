//! What subscribers are told of a block that confirms the whole mempool, in every version.

use anyhow::{Context as _, Result, ensure};
use bitcoin::{OutPoint, ScriptBuf};
use electrumx_testkit::{ElectrumClient, scripthash_hex};
use serde_json::{Value, json};

use super::cases::outpoint_state;
use super::golden::Golden;
use super::world::World;
use super::{VERSIONS, connect};
use crate::common::{PATIENCE, tip_json};

pub(crate) fn every_notification_is_the_truth(mut world: World, golden: &mut Golden) -> Result<()> {
    let mut clients = Vec::new();
    for version in VERSIONS {
        let mut client = connect(&world, version)?;
        subscribe(&world, &mut client, version).with_context(|| format!("in {version}"))?;
        clients.push((version, client));
    }
    world.setup.node.mine(1)?;
    world.truth.scan_mempool(&world.setup.node)?;
    for (version, client) in &mut clients {
        expect(&world, client, version, golden).with_context(|| format!("in {version}"))?;
    }
    Ok(())
}

/// The scripts that the block changes, and one that it does not.
fn scripts(world: &World) -> [&ScriptBuf; 4] {
    [&world.busy, &world.pooled, &world.quiet, &world.unused]
}

/// The same of outputs, with their scripts.
fn outpoints(world: &World) -> Vec<(OutPoint, &ScriptBuf)> {
    let names = [("first", 0), ("child", 0), ("single", 0), ("first", 1)];
    let outpoint = |(name, vout): (&str, u32)| {
        let tx = world.tx(name);
        (OutPoint::new(tx.compute_txid(), vout), &tx.output[vout as usize].script_pubkey)
    };
    names.map(outpoint).into()
}

fn subscribe(world: &World, client: &mut ElectrumClient, version: &str) -> Result<()> {
    client.call("blockchain.headers.subscribe", json!([]))?;
    for script in scripts(world) {
        if version == "1.7" {
            client.call("blockchain.scriptpubkey.subscribe", json!([script.to_hex_string()]))?;
        } else {
            client.call("blockchain.scripthash.subscribe", json!([scripthash_hex(script)]))?;
        }
    }
    for (outpoint, script) in outpoints(world) {
        let params = json!([outpoint.txid.to_string(), outpoint.vout, script.to_hex_string()]);
        if version == "1.7" {
            client.call("blockchain.outpoint.subscribe", params)?;
        }
    }
    for txid in txs(world) {
        client.call("blockchain.transaction.subscribe", json!([txid]))?;
    }
    Ok(())
}

/// Transactions that the block confirms, and two that it does not.
fn txs(world: &World) -> [String; 4] {
    [world.txid("child"), world.txid("single"), world.txid("first"), "11".repeat(32)]
}

fn expect(
    world: &World,
    client: &mut ElectrumClient,
    version: &str,
    golden: &mut Golden,
) -> Result<()> {
    let method = if version == "1.7" {
        "blockchain.scriptpubkey.subscribe"
    } else {
        "blockchain.scripthash.subscribe"
    };
    let mut expected = vec![("blockchain.headers.subscribe", json!([tip_json(&world.truth)]))];
    // Notifications name the hash in every version.
    for script in &scripts(world)[..2] {
        expected.push((method, json!([scripthash_hex(script), world.truth.status(script)])));
    }
    let all = world.all_txs()?;
    if version == "1.7" {
        for (outpoint, _) in &outpoints(world)[..3] {
            let state = outpoint_state(&all, outpoint);
            let params = json!([outpoint.txid.to_string(), outpoint.vout, state]);
            expected.push(("blockchain.outpoint.subscribe", params));
        }
    }
    for txid in &txs(world)[..2] {
        expected.push(("blockchain.transaction.subscribe", json!([txid, world.truth.tip()])));
    }
    for (method, params) in &expected {
        let told = client
            .wait_notification(PATIENCE, |told| told.method == *method && (told.params == *params));
        let told = told.with_context(|| format!("{method} {params}"))?;
        let message = json!({"told": {"method": told.method, "params": told.params}});
        golden.add_message(method, version, &Value::from("a block comes"), &message);
    }
    client.call("server.ping", json!([]))?;
    let others = client.drain_notifications();
    ensure!(others.is_empty(), "told as well: {others:?}");
    Ok(())
}
