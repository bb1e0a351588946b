//! `blockchain.scripthash.*` and `blockchain.scriptpubkey.*`.

use anyhow::Result;
use bitcoin::{Script, ScriptBuf};
use electrumx_protocol::ProtocolVersion;
use electrumx_testkit::{Truth, scripthash_hex};
use serde_json::{Value, json};

use super::super::world::{FULL, TIP, World};
use super::{Case, Cases, Expected, unknown};
use crate::compare::pool_sorted;

const BY_HASH: &str = "blockchain.scripthash.";

pub(super) fn fill(world: &World, _: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    let by_hash = cases.method.starts_with(BY_HASH);
    let truth = &world.truth;
    match cases.method.rsplit('.').next() {
        Some("get_balance") => ask(world, cases, by_hash, Truth::balance_json),
        Some("get_history") => {
            ask(world, cases, by_hash, |truth, script| {
                wrapped(by_hash, "history", truth.history_json(script))
            });
            parts(world, cases, by_hash);
        }
        Some("get_mempool") => ask(world, cases, by_hash, |truth, script| {
            wrapped(by_hash, "history", truth.mempool_json(script))
        }),
        Some("listunspent") => {
            for (params, script) in scripts(world, by_hash) {
                let expected = truth.listunspent_json(&script);
                cases.check(params, move |answer| {
                    let list = if by_hash { answer } else { &answer["utxos"] };
                    let members = answer.as_object().map_or(0, serde_json::Map::len);
                    anyhow::ensure!(by_hash || members == 1, "more than a list");
                    anyhow::ensure!(pool_sorted(list.clone()) == expected, "not {expected}");
                    Ok(())
                });
            }
        }
        Some("subscribe") => {
            ask(world, cases, by_hash, |truth, script| json!(truth.status(script)));
            // Again is no other.
            ask(world, cases, by_hash, |truth, script| json!(truth.status(script)));
        }
        Some("unsubscribe") => unsubscribe(world, cases, by_hash),
        _ => return unknown(cases),
    }
    Ok(())
}

/// In 1.7 lists are in an object.
fn wrapped(by_hash: bool, key: &str, list: Value) -> Value {
    if by_hash { list } else { json!({key: list}) }
}

fn name(by_hash: bool, script: &Script) -> String {
    if by_hash { scripthash_hex(script) } else { script.to_hex_string() }
}

const fn key(by_hash: bool) -> &'static str {
    if by_hash { "scripthash" } else { "scriptpubkey" }
}

/// Scripts of every sort, as a client names them.
fn scripts(world: &World, by_hash: bool) -> Vec<(Value, ScriptBuf)> {
    let op_return = world.tx("second").output[1].script_pubkey.clone();
    let coinbase = world.truth.blocks()[0].txdata[0].output[0].script_pubkey.clone();
    let all = [&world.busy, &world.quiet, &world.pooled, &world.unused, &op_return, &coinbase];
    let mut scripts: Vec<_> =
        all.map(|script| (json!([name(by_hash, script)]), script.clone())).into();
    scripts.push((json!([name(by_hash, &ScriptBuf::new())]), ScriptBuf::new()));
    let upper = name(by_hash, &world.busy).to_uppercase();
    scripts.push((json!({key(by_hash): upper}), world.busy.clone()));
    scripts
}

fn ask(world: &World, cases: &mut Cases, by_hash: bool, truth: impl Fn(&Truth, &Script) -> Value) {
    for (params, script) in scripts(world, by_hash) {
        cases.result(params, truth(&world.truth, &script));
    }
}

/// Histories from one height on, and below another.
fn parts(world: &World, cases: &mut Cases, by_hash: bool) {
    let part = |script: &Script, from: u64, to: Option<u64>| -> Value {
        let whole = world.truth.history_json(script);
        let is_in = |tx: &&Value| match tx["height"].as_u64().filter(|_| tx.get("fee").is_none()) {
            Some(height) => from <= height && to.is_none_or(|to| height < to),
            None => to.is_none(),
        };
        let list = whole.as_array().into_iter().flatten().filter(is_in).cloned().collect();
        wrapped(by_hash, "history", list)
    };
    let (full, tip) = (u64::from(FULL), u64::from(TIP));
    for (from, to) in [
        (0, None),
        (1, None),
        (full, None),
        (full + 1, None),
        (tip, None),
        (tip + 1, None),
        (u64::MAX, None),
        (0, Some(0)),
        (0, Some(full)),
        (0, Some(full + 1)),
        (full, Some(full + 1)),
        (full + 1, Some(tip)),
        (full + 1, Some(tip + 1)),
        (tip + 1, Some(tip + 1)),
        (tip + 1, Some(u64::MAX)),
        (0, Some(1 << 32)),
    ] {
        let end = to.map_or(json!(-1), |to| json!(to));
        let name = name(by_hash, &world.busy);
        cases.result(json!([name, from, end]), part(&world.busy, from, to));
    }
    for script in [&world.quiet, &world.pooled, &world.unused] {
        let name = name(by_hash, script);
        cases.result(json!([name, full + 1]), part(script, full + 1, None));
        cases.result(json!([name, null, full + 1]), part(script, 0, Some(full + 1)));
    }
    let (name, key) = (name(by_hash, &world.busy), key(by_hash));
    let by_name = json!({"to_height": full.to_string(), key: name, "from_height": "1"});
    cases.result(by_name, part(&world.busy, 1, Some(full)));
    cases.result(json!({key: name, "to_height": "-1"}), part(&world.busy, 0, None));
    cases.error(json!([name, 1, 0]), 1, "require from_height 1 <= to_height 0");
    let text = "require from_height 18,446,744,073,709,551,615 <= to_height 4,294,967,296";
    cases.error(json!([name, u64::MAX, 1_u64 << 32]), 1, text);
}

/// True once after each subscription.
fn unsubscribe(world: &World, cases: &mut Cases, by_hash: bool) {
    let (script, other) = (json!([name(by_hash, &world.busy)]), name(by_hash, &world.unused));
    let subscribe = if by_hash {
        "blockchain.scripthash.subscribe"
    } else {
        "blockchain.scriptpubkey.subscribe"
    };
    let status = json!(world.truth.status(&world.busy));
    // The calls of `subscribe` that came before this left subscriptions.
    cases.boolean(script.clone());
    cases.result(script.clone(), json!(false));
    for _ in 0..2 {
        let (params, expected) = (script.clone(), Expected::Result(status.clone()));
        cases.list.push(Case { method: subscribe, params, expected });
    }
    cases.result(script.clone(), json!(true));
    cases.result(script, json!(false));
    cases.boolean(json!([other.to_uppercase()]));
    cases.result(json!([other]), json!(false));
}
