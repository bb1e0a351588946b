//! `blockchain.transaction.*`.

use std::slice::from_ref;

use anyhow::{Context as _, Result};
use bitcoin::Transaction;
use bitcoin::consensus::encode::serialize_hex;
use electrumx_protocol::ProtocolVersion;
use electrumx_testkit::merkle_branch;
use serde_json::{Value, json};

use super::super::world::{FULL, TIP, World};
use super::{Cases, Expected, places};

const UNKNOWN: &str =
    "No such mempool or blockchain transaction. Use gettransaction for wallet transactions.";

pub(super) fn fill(world: &World, version: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    match cases.method.rsplit('.').next() {
        Some("broadcast") => broadcast(world, cases),
        Some("broadcast_package") => broadcast_package(world, cases),
        Some("get") => get(world, cases),
        Some("get_merkle") => get_merkle(world, cases),
        Some("id_from_pos") => id_from_pos(world, cases),
        Some("testmempoolaccept") => accept(world, cases),
        _ => places::fill(world, version, cases),
    }
}

fn broadcast(world: &World, cases: &mut Cases) -> Result<()> {
    // It is in the mempool already, which is no error.
    let raw = serialize_hex(world.tx("single"));
    cases.result(json!([raw]), json!(world.txid("single")));
    cases.result(json!({"raw_tx": raw.to_uppercase()}), json!(world.txid("single")));
    let mut tampered = world.tx("parent").clone();
    tampered.output[0].value += bitcoin::Amount::from_sat(1);
    for raw in [
        "00".to_owned(),
        String::new(),
        "ff".repeat(100),
        serialize_hex(world.tx("first")),
        serialize_hex(&world.conflict[0]),
        serialize_hex(&world.conflict[1]),
        serialize_hex(&tampered),
        serialize_hex(&world.truth.blocks()[TIP as usize].txdata[0]),
    ] {
        let words = world.ask_node("sendrawtransaction", &[json!(raw)]);
        let words = words.err().context("the node takes it")?;
        let text = format!("the transaction was rejected by network rules.\n\n{words}\n[{raw}]");
        cases.add(json!([raw]), Expected::Refused { code: 1, text, words });
    }
    Ok(())
}

fn raw(txs: &[Transaction]) -> Value {
    txs.iter().map(serialize_hex).collect()
}

fn broadcast_package(world: &World, cases: &mut Cases) -> Result<()> {
    let package = raw(&world.package);
    cases.result(json!([package]), json!({"success": true}));
    cases.result(json!({"verbose": 0, "raw_txs": package}), json!({"success": true}));
    let words = world.ask_node("submitpackage", from_ref(&package));
    cases.add(json!([package, true]), Expected::Opaque(words.map_err(anyhow::Error::msg)?));
    // One that is refused, with reasons.
    let package = raw(&world.conflict);
    let words = world.ask_node("submitpackage", from_ref(&package)).map_err(anyhow::Error::msg)?;
    let results = words["tx-results"].as_object().context("no results")?;
    let errors: Vec<_> = results
        .values()
        .filter(|tx| !tx["error"].is_null())
        .map(|tx| json!({"txid": tx["txid"], "error": tx["error"]}))
        .collect();
    anyhow::ensure!(words["package_msg"] != "success" && !errors.is_empty(), "{words}");
    cases.add(json!([package]), Expected::Result(json!({"success": false, "errors": errors})));
    cases.add(json!([package, 1]), Expected::Opaque(words));
    // What is refused as a whole.
    let reversed = json!([serialize_hex(&world.package[1]), serialize_hex(&world.package[0])]);
    for package in [json!([]), json!(["00"]), reversed] {
        let words = world.ask_node("submitpackage", from_ref(&package));
        let words = words.err().context("the node takes it")?;
        let text = format!("the tx package was rejected by network rules.\n\n{words}.");
        cases.add(json!([package]), Expected::Refused { code: 1, text, words });
    }
    Ok(())
}

fn get(world: &World, cases: &mut Cases) -> Result<()> {
    for name in ["first", "spend", "parent", "child", "single"] {
        let (txid, raw) = (world.txid(name), serialize_hex(world.tx(name)));
        cases.result(json!([txid]), json!(raw));
        cases.result(json!([txid.to_uppercase(), 0]), json!(raw));
        let mut asked = vec![json!(txid), json!(1)];
        if let Some(place) = world.truth.place(&world.tx(name).compute_txid()) {
            asked.push(json!(world.truth.hashes()[place.height as usize].to_string()));
        }
        let verbose = world.ask_node("getrawtransaction", &asked).map_err(anyhow::Error::msg)?;
        cases.add(json!({"tx_hash": txid, "verbose": true}), Expected::Opaque(verbose.clone()));
        cases.add(json!([txid, 1]), Expected::Opaque(verbose));
    }
    let coinbase = &world.truth.blocks()[TIP as usize].txdata[0];
    cases.result(json!([coinbase.compute_txid().to_string()]), json!(serialize_hex(coinbase)));
    let refused = world.conflict[0].compute_txid().to_string();
    let genesis = world.truth.blocks()[0].txdata[0].compute_txid().to_string();
    for txid in ["11".repeat(32), refused, genesis] {
        cases.error(json!([txid]), 2, UNKNOWN);
        cases.error(json!([txid, true]), 2, UNKNOWN);
    }
    Ok(())
}

fn get_merkle(world: &World, cases: &mut Cases) -> Result<()> {
    for height in [FULL, 0, 1, TIP] {
        for tx in &world.truth.blocks()[height as usize].txdata {
            let txid = tx.compute_txid();
            let (place, branch) = world.truth.tx_merkle(&txid).context("it is confirmed")?;
            let expected = json!({"block_height": height, "merkle": branch, "pos": place.pos});
            cases.result(json!([txid.to_string(), height]), expected.clone());
            let named =
                json!({"height": height.to_string(), "tx_hash": txid.to_string().to_uppercase()});
            cases.result(named, expected);
        }
    }
    for (name, height) in [("first", FULL - 1), ("first", 0), ("single", TIP), ("child", FULL)] {
        let txid = world.txid(name);
        let text = format!("tx {txid} not in block at height {height}");
        cases.error(json!([txid, height]), 1, text);
    }
    let txid = world.txid("first");
    cases.error(json!([txid, TIP + 1]), 1, format!("height {} out of range", TIP + 1));
    cases.error(json!([txid, 1_u64 << 32]), 1, "height 4,294,967,296 out of range");
    Ok(())
}

fn id_from_pos(world: &World, cases: &mut Cases) -> Result<()> {
    for height in [FULL, 0, TIP] {
        let block = &world.truth.blocks()[height as usize];
        let txids: Vec<_> = block.txdata.iter().map(|tx| tx.compute_txid().to_raw_hash()).collect();
        for (pos, txid) in txids.iter().enumerate() {
            let txid = txid.to_string();
            cases.result(json!([height, pos]), json!(txid));
            cases.result(json!({"tx_pos": pos, "height": height, "merkle": false}), json!(txid));
            let (branch, _) = merkle_branch(&txids, pos);
            let branch: Vec<_> = branch.iter().map(ToString::to_string).collect();
            cases.result(json!([height, pos, true]), json!({"tx_hash": txid, "merkle": branch}));
        }
        let count = txids.len();
        for merkle in [false, true] {
            for (pos, shown) in
                [(count as u64, count.to_string()), (1 << 32, "4,294,967,296".into())]
            {
                let text = format!("no tx at position {shown} in block at height {height}");
                cases.error(json!([height, pos, merkle]), 1, text);
            }
        }
    }
    for merkle in [false, true] {
        let text = format!("height {} out of range", TIP + 1);
        cases.error(json!([TIP + 1, 0, merkle]), 1, text);
        cases.error(json!([1_u64 << 32, 0, merkle]), 1, "height 4,294,967,296 out of range");
    }
    Ok(())
}

fn accept(world: &World, cases: &mut Cases) -> Result<()> {
    let [parent, child] = &world.conflict;
    for txs in [
        json!([serialize_hex(world.tx("single"))]),
        json!([serialize_hex(parent)]),
        json!([serialize_hex(parent), serialize_hex(child)]),
        json!([serialize_hex(world.tx("first"))]),
    ] {
        let words = world.ask_node("testmempoolaccept", from_ref(&txs));
        let words = words.map_err(anyhow::Error::msg)?;
        let words = words.as_array().context("no list")?.iter().map(|tx| {
            let mut answer = json!({"txid": tx["txid"], "wtxid": tx["wtxid"]});
            if tx["allowed"].is_boolean() {
                answer["allowed"] = tx["allowed"].clone();
            }
            let reasons = ["package-error", "reject-details", "reject-reason"];
            if let Some(reason) = reasons.iter().find_map(|key| tx.get(key)) {
                answer["reason"] = reason.clone();
            }
            answer
        });
        cases.result(json!([txs]), words.collect());
    }
    for txs in [json!([]), json!(["00"])] {
        let words = world.ask_node("testmempoolaccept", from_ref(&txs));
        let words = words.err().context("the node takes it")?;
        let (text, code) = (words.clone(), 2);
        cases.add(json!([txs]), Expected::Refused { code, text, words });
    }
    Ok(())
}
