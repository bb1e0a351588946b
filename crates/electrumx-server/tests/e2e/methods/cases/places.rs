//! Beyond the protocol: where transactions and outputs are, and blocks by height or hash.

use anyhow::{Context as _, Result};
use bitcoin::{Transaction, Txid};
use electrumx_protocol::ProtocolVersion;
use electrumx_testkit::scripthash_hex;
use serde_json::{Value, json};

use super::super::world::{TIP, World};
use super::{Case, Cases, Expected, unknown};

pub(super) fn fill(world: &World, _: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    match cases.method {
        "blockchain.header.get" => header(world, cases),
        "blockchain.transaction.get_confirmed_blockhash" => block(world, cases),
        "blockchain.transaction.get_height" => heights(world, cases)?,
        "blockchain.transaction.subscribe" => {
            heights(world, cases)?;
            // Again is no other.
            heights(world, cases)?;
        }
        "blockchain.transaction.unsubscribe" => unsubscribe(world, cases),
        "blockchain.utxo.get_info" => utxos(world, cases)?,
        "daemon.passthrough" => passthrough(world, cases)?,
        _ => return unknown(cases),
    }
    Ok(())
}

fn header(world: &World, cases: &mut Cases) {
    for height in [0, 1, 5, TIP - 1, TIP] {
        let expected = json!({"height": height, "hex": world.header(height)});
        let hash = world.truth.hashes()[height as usize].to_string();
        for block in [json!(height), json!(height.to_string()), json!(hash)] {
            cases.result(json!([block]), expected.clone());
        }
        cases.result(json!({"block": hash.to_uppercase()}), expected);
    }
    let no_block = world.truth.blocks()[1].txdata[0].compute_txid().to_string();
    for block in [json!(TIP + 1), json!(1_u64 << 32), json!(u64::MAX), json!(no_block)] {
        let shown = block.as_str().map_or_else(|| block.to_string(), str::to_owned);
        cases.error(json!([block]), 1, format!("{shown} is not a block of the chain"));
    }
}

/// Transactions that are confirmed, with their heights.
fn confirmed(world: &World) -> Vec<(Txid, u32)> {
    let in_block = |height: u32, pos: usize| {
        (world.truth.blocks()[height as usize].txdata[pos].compute_txid(), height)
    };
    let mut txs = vec![in_block(0, 0), in_block(1, 0), in_block(TIP, 0)];
    for name in ["first", "fourth", "spend"] {
        let txid = world.tx(name).compute_txid();
        let place = world.truth.place(&txid);
        txs.extend(place.map(|place| (txid, place.height)));
    }
    txs
}

/// Transactions that are in no block and in no mempool.
fn unknown_txids(world: &World) -> [String; 2] {
    ["11".repeat(32), world.conflict[0].compute_txid().to_string()]
}

fn block(world: &World, cases: &mut Cases) {
    for (txid, height) in confirmed(world) {
        let (txid, hash) = (txid.to_string(), &world.truth.hashes()[height as usize]);
        let mut expected = json!({"block_hash": hash.to_string(), "block_height": height});
        for without in [json!([txid]), json!([txid, false]), json!([txid, 0]), json!([txid, null])]
        {
            cases.result(without, expected.clone());
        }
        expected["block_header"] = json!(world.header(height));
        cases.result(json!([txid, true]), expected.clone());
        cases.result(json!({"include_header": 1, "tx_hash": txid.to_uppercase()}), expected);
    }
    let pooled = ["parent", "child", "single"].map(|name| world.txid(name));
    for txid in pooled.into_iter().chain(unknown_txids(world)) {
        let text = format!("transaction {txid} is not confirmed, or unknown");
        cases.error(json!([txid]), 1, text.clone());
        cases.error(json!([txid, true]), 1, text);
    }
}

fn heights(world: &World, cases: &mut Cases) -> Result<()> {
    for (txid, height) in confirmed(world) {
        cases.result(json!([txid.to_string()]), json!(height));
    }
    for txid in world.setup.node.raw_mempool()? {
        cases.result(json!([txid.to_string()]), json!(0));
    }
    for txid in unknown_txids(world) {
        cases.result(json!([txid]), Value::Null);
    }
    let upper = world.txid("child").to_uppercase();
    cases.result(json!({"tx_hash": upper}), json!(0));
    Ok(())
}

/// True once after each subscription.
fn unsubscribe(world: &World, cases: &mut Cases) {
    let txid = world.txid("single");
    // The calls of `subscribe` that came before this left subscriptions.
    cases.boolean(json!([txid]));
    cases.result(json!([txid]), json!(false));
    for params in [json!([txid]), json!([txid.to_uppercase()])] {
        let (method, expected) = ("blockchain.transaction.subscribe", Expected::Result(json!(0)));
        cases.list.push(Case { method, params, expected });
    }
    cases.result(json!({"tx_hash": txid}), json!(true));
    cases.result(json!([txid.to_uppercase()]), json!(false));
    cases.result(json!(["22".repeat(32)]), json!(false));
}

fn utxos(world: &World, cases: &mut Cases) -> Result<()> {
    let all = world.all_txs()?;
    for (name, vout) in [
        ("first", 1_u32), // unspent
        ("fourth", 0),    // unspent
        ("first", 0),     // spent in the mempool
        ("third", 0),     // spent in the chain
        ("parent", 0),    // in the mempool, spent there
        ("child", 0),     // in the mempool, behind its parent
        ("single", 0),    // in the mempool
        ("second", 1),    // nobody can spend it
        ("single", 1),    // nobody can spend it, in the mempool
        ("single", 9),    // there are fewer outputs
    ] {
        let tx = world.tx(name);
        let expected = utxo(&all, tx, vout).with_context(|| format!("{name}:{vout}"))?;
        cases.result(json!([world.txid(name), vout]), expected.clone());
        let upper = world.txid(name).to_uppercase();
        cases.result(json!({"out_n": vout.to_string(), "tx_hash": upper}), expected);
    }
    for txid in unknown_txids(world) {
        cases.result(json!([txid, 0]), Value::Null);
    }
    let genesis = world.truth.blocks()[0].txdata[0].compute_txid().to_string();
    cases.result(json!([genesis, 0]), Value::Null);
    let first = world.txid("first");
    cases.result(json!([first, u32::MAX]), Value::Null);
    for (out_n, shown) in [(1_u64 << 32, "4294967296"), (u64::MAX, "18446744073709551615")] {
        cases.error(json!([first, out_n]), 1, format!("{shown} should be an output's index"));
    }
    Ok(())
}

/// What is to be said of an output: found by looking through all transactions.
fn utxo(all: &[(Transaction, i64)], tx: &Transaction, vout: u32) -> Result<Value> {
    let txid = tx.compute_txid();
    let found = all.iter().find(|(other, _)| other.compute_txid() == txid);
    let (_, height) = found.context("the node does not have it")?;
    let Some(output) = tx.output.get(vout as usize) else { return Ok(Value::Null) };
    let spends = |tx: &Transaction| {
        let mut inputs = tx.input.iter().map(|input| input.previous_output);
        inputs.any(|spent| spent.txid == txid && spent.vout == vout)
    };
    if output.script_pubkey.is_op_return() || all.iter().any(|(tx, _)| spends(tx)) {
        return Ok(Value::Null);
    }
    let mut expected = json!({
        "scripthash": scripthash_hex(&output.script_pubkey),
        "value": output.value.to_sat(),
    });
    if *height > 0 {
        expected["confirmed_height"] = json!(height);
    }
    Ok(expected)
}

fn passthrough(world: &World, cases: &mut Cases) -> Result<()> {
    for height in [0, 5, TIP] {
        let hash = json!(world.truth.hashes()[height as usize].to_string());
        cases.result(json!(["getblockhash", [height]]), hash.clone());
        cases.result(json!({"params": {"height": height}, "method": "getblockhash"}), hash.clone());
        let header = json!(world.header(height));
        cases.result(json!({"method": "getblockheader", "params": [hash, false]}), header);
        let verbose =
            world.ask_node("getblock", std::slice::from_ref(&hash)).map_err(anyhow::Error::msg)?;
        cases.add(json!(["getblock", [hash]]), Expected::Opaque(verbose));
    }
    let count = Expected::Result(json!(TIP));
    cases.add(json!(["getblockcount"]), count.clone());
    cases.add(json!({"method": "getblockcount", "params": null}), count);
    // The node's refusals, in its words and with its code.
    for (method, params, code) in [
        ("getblockhash", json!([TIP + 1]), -8),
        ("getblockheader", json!(["11".repeat(32)]), -5),
        ("getblockhash", json!([-1]), -8),
        ("getblockhash", json!({"nonsense": 1}), -8),
    ] {
        let asked = params.as_array().cloned();
        let words = match asked {
            Some(params) => world.ask_node(method, &params).err().context("the node takes it")?,
            None => "Unknown named parameter nonsense".to_owned(),
        };
        let text = format!("{words} (code {code})");
        cases.add(json!([method, params]), Expected::Refused { code: 2, text, words });
    }
    for method in ["stop", "getblockchaininfo", "GetBlockHash", "getblockhash "] {
        let text = format!("{method} is not a method that is passed through");
        cases.error(json!([method, [0]]), 1, text);
    }
    Ok(())
}
