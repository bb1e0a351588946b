//! `blockchain.outpoint.*`.

use anyhow::Result;
use bitcoin::{OutPoint, Transaction};
use electrumx_protocol::ProtocolVersion;
use serde_json::{Value, json};

use super::super::world::World;
use super::{Case, Cases, Expected, unknown};

pub(super) fn fill(world: &World, _: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    match cases.method {
        "blockchain.outpoint.get_status" | "blockchain.outpoint.subscribe" => states(world, cases),
        "blockchain.outpoint.unsubscribe" => {
            let (txid, script) = (world.txid("single"), world.pooled.to_hex_string());
            let outpoint = json!([txid, 0]);
            // The calls of `subscribe` that came before this left subscriptions.
            cases.boolean(outpoint.clone());
            cases.result(outpoint.clone(), json!(false));
            let all = world.all_txs()?;
            let state = state(&all, &OutPoint::new(world.tx("single").compute_txid(), 0));
            for _ in 0..2 {
                let (method, params) = ("blockchain.outpoint.subscribe", json!([txid, 0, script]));
                let expected = Expected::Result(state.clone());
                cases.list.push(Case { method, params, expected });
            }
            cases.result(outpoint.clone(), json!(true));
            cases.result(outpoint, json!(false));
            cases.result(json!([txid, u64::MAX]), json!(false));
            Ok(())
        }
        _ => unknown(cases),
    }
}

/// What is to be said of an output: found by looking through all transactions.
pub(crate) fn state(all: &[(Transaction, i64)], outpoint: &OutPoint) -> Value {
    let funder = all.iter().find(|(tx, _)| tx.compute_txid() == outpoint.txid);
    let Some((tx, height)) = funder else { return json!({}) };
    if tx.output.get(outpoint.vout as usize).is_none() {
        return json!({});
    }
    let spends = |tx: &Transaction| tx.input.iter().any(|input| input.previous_output == *outpoint);
    match all.iter().find(|(tx, _)| spends(tx)) {
        None => json!({"funder_height": height}),
        Some((spender, spent)) => json!({
            "funder_height": height,
            "spender_txhash": spender.compute_txid().to_string(),
            "spender_height": spent,
        }),
    }
}

fn states(world: &World, cases: &mut Cases) -> Result<()> {
    let all = world.all_txs()?;
    let expected = |txid: &str, vout: u32| -> Result<Value> {
        Ok(state(&all, &OutPoint::new(txid.parse()?, vout)))
    };
    for (name, vout) in [
        ("first", 1),  // unspent
        ("first", 0),  // spent in the mempool
        ("third", 0),  // spent in the chain
        ("parent", 0), // in the mempool, spent there
        ("child", 0),  // in the mempool, behind its parent
        ("single", 0), // in the mempool
        ("second", 1), // nobody can spend it
        ("single", 9), // there are fewer outputs
    ] {
        let (tx, txid) = (world.tx(name), world.txid(name));
        let script = tx.output.get(vout as usize).map_or(&world.unused, |out| &out.script_pubkey);
        cases.result(json!([txid, vout, script.to_hex_string()]), expected(&txid, vout)?);
    }
    let (txid, unknown) = (world.txid("third"), "11".repeat(32));
    // The hint is not needed; the node has one coinbase that is not indexed.
    cases.result(json!([txid, 0, ""]), expected(&txid, 0)?);
    cases.result(json!([unknown, 0, "51"]), json!({}));
    cases.result(json!([txid, u64::MAX, "51"]), json!({}));
    let genesis = world.truth.blocks()[0].txdata[0].compute_txid().to_string();
    cases.result(json!([genesis, 0, "51"]), expected(&genesis, 0)?);
    let named = json!({"spk_hint": "51", "txout_idx": "0", "tx_hash": txid.to_uppercase()});
    cases.result(named, expected(&txid, 0)?);
    Ok(())
}
