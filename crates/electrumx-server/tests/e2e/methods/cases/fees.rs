//! Fees and the mempool as a whole.

use anyhow::{Context as _, Result, ensure};
use electrumx_protocol::ProtocolVersion;
use serde_json::{Value, json};

use super::super::world::World;
use super::{Cases, unknown};
use crate::mempool::check_histogram;

pub(super) fn fill(world: &World, _: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    match cases.method {
        "blockchain.estimatefee" => estimate(world, cases),
        "blockchain.relayfee" => {
            let node = world.ask_node("getnetworkinfo", &[]).map_err(anyhow::Error::msg)?;
            ensure!(node["relayfee"].is_f64(), "{node}");
            cases.result(json!([]), node["relayfee"].clone());
            Ok(())
        }
        "mempool.get_info" => {
            let node = world.ask_node("getmempoolinfo", &[]).map_err(anyhow::Error::msg)?;
            let keys = ["mempoolminfee", "minrelaytxfee", "incrementalrelayfee"];
            let rates: serde_json::Map<_, _> =
                keys.iter().map(|key| ((*key).to_owned(), node[key].clone())).collect();
            ensure!(rates.values().all(Value::is_f64), "{node}");
            cases.result(json!([]), rates.into());
            Ok(())
        }
        "mempool.get_fee_histogram" => {
            let pool: Vec<_> =
                pool(world)?.into_iter().map(|(_, fee, vsize)| (fee, vsize)).collect();
            cases.check(json!([]), move |answer| check_histogram(answer, &pool));
            Ok(())
        }
        "mempool.recent" => recent(world, cases),
        _ => unknown(cases),
    }
}

/// The mempool: id, fee, virtual size.
fn pool(world: &World) -> Result<Vec<(String, u64, u64)>> {
    let pool = world.ask_node("getrawmempool", &[json!(true)]).map_err(anyhow::Error::msg)?;
    let pool = pool.as_object().context("no object")?;
    pool.iter()
        .map(|(txid, entry)| {
            let fee = entry["fees"]["base"].as_f64().context("no fee")?;
            let vsize = entry["vsize"].as_u64().context("no size")?;
            Ok((txid.clone(), bitcoin::Amount::from_btc(fee)?.to_sat(), vsize))
        })
        .collect()
}

/// The targets that stand for others.
fn estimate(world: &World, cases: &mut Cases) -> Result<()> {
    for (asked, bucket, mode) in [
        (json!([6]), 6, None),
        (json!([1]), 1, None),
        (json!([0]), 1, None),
        (json!(["25"]), 25, None),
        (json!([49]), 48, None),
        (json!([1008]), 1008, None),
        (json!([u64::MAX]), 1008, None),
        (json!([6, "economical"]), 6, Some("ECONOMICAL")),
        (json!([6, "CONSERVATIVE"]), 6, Some("CONSERVATIVE")),
        (json!([6, "unset"]), 6, None),
        (json!([6, 5]), 6, None),
        (json!({"mode": null, "number": 6}), 6, None),
    ] {
        let mut params = vec![json!(bucket)];
        params.extend(mode.map(Value::from));
        let node = world.ask_node("estimatesmartfee", &params).map_err(anyhow::Error::msg)?;
        let rate = node.get("feerate").cloned().unwrap_or_else(|| json!(-1));
        cases.result(asked, rate);
    }
    Ok(())
}

fn recent(world: &World, cases: &mut Cases) -> Result<()> {
    let mut pool: Vec<Value> = pool(world)?
        .into_iter()
        .map(|(txid, fee, vsize)| json!({"txid": txid, "fee": fee, "vsize": vsize}))
        .collect();
    ensure!(pool.len() <= 10, "more than are listed");
    pool.sort_by_key(ToString::to_string);
    // Sent one after another.
    let in_order = ["single", "child", "parent"].map(|name| json!(world.txid(name)));
    cases.check(json!([]), move |answer| {
        let list = answer.as_array().context("no list")?;
        let mut sorted = list.clone();
        sorted.sort_by_key(ToString::to_string);
        ensure!(sorted == pool, "not {pool:?}");
        let newest_first = list.iter().map(|tx| &tx["txid"]).filter(|txid| in_order.contains(txid));
        ensure!(newest_first.eq(in_order.iter()), "not the newest first");
        Ok(())
    });
    Ok(())
}
