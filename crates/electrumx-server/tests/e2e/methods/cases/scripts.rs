//! `blockchain.scripthash.*`, `blockchain.scriptpubkey.*` and `blockchain.address.*`.

use anyhow::Result;
use bitcoin::hashes::Hash as _;
use bitcoin::{Address, Network, PubkeyHash, Script, ScriptBuf, ScriptHash, Transaction};
use electrumx_protocol::ProtocolVersion;
use electrumx_testkit::{Truth, kit_script, scripthash_hex};
use serde_json::{Value, json};

use super::super::world::{FULL, TIP, World};
use super::{Case, Cases, Expected, unknown};
use crate::compare::pool_sorted;

/// How a client names a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Hash,
    Script,
    Address,
}

pub(super) fn fill(world: &World, _: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    let naming = match cases.method.split('.').nth(1) {
        Some("scripthash") => Naming::Hash,
        Some("scriptpubkey") => Naming::Script,
        _ => Naming::Address,
    };
    let truth = &world.truth;
    match cases.method.rsplit('.').next() {
        Some("get_balance") => ask(world, cases, naming, Truth::balance_json),
        Some("get_history") => {
            ask(world, cases, naming, |truth, script| {
                naming.wrapped("history", truth.history_json(script))
            });
            parts(world, cases, naming);
        }
        Some("get_mempool") => ask(world, cases, naming, |truth, script| {
            naming.wrapped("history", truth.mempool_json(script))
        }),
        Some("listunspent") => {
            for (params, script) in scripts(world, naming) {
                let expected = truth.listunspent_json(&script);
                cases.check(params, move |answer| {
                    let is_bare = naming != Naming::Script;
                    let list = if is_bare { answer } else { &answer["utxos"] };
                    let members = answer.as_object().map_or(0, serde_json::Map::len);
                    anyhow::ensure!(is_bare || members == 1, "more than a list");
                    anyhow::ensure!(pool_sorted(list.clone()) == expected, "not {expected}");
                    Ok(())
                });
            }
        }
        Some("subscribe") => {
            ask(world, cases, naming, |truth, script| json!(truth.status(script)));
            // Again is no other.
            ask(world, cases, naming, |truth, script| json!(truth.status(script)));
        }
        Some("unsubscribe") => unsubscribe(world, cases, naming),
        Some("get_status") => {
            ask(world, cases, naming, |truth, script| json!(truth.status(script)));
        }
        Some("get_scripthash") => {
            ask(world, cases, naming, |_, script| json!(scripthash_hex(script)));
        }
        Some("get_first_use") => first_use(world, cases, naming)?,
        _ => return unknown(cases),
    }
    Ok(())
}

impl Naming {
    /// In 1.7 lists are in an object.
    fn wrapped(self, key: &str, list: Value) -> Value {
        if self == Self::Script { json!({key: list}) } else { list }
    }

    fn name(self, script: &Script) -> String {
        match self {
            Self::Hash => scripthash_hex(script),
            Self::Script => script.to_hex_string(),
            Self::Address => match Address::from_script(script, Network::Regtest) {
                Ok(address) => address.to_string(),
                Err(error) => panic!("{script}: {error}"),
            },
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Hash => "scripthash",
            Self::Script => "scriptpubkey",
            Self::Address => "address",
        }
    }
}

/// Scripts of every sort, as a client names them.
fn scripts(world: &World, naming: Naming) -> Vec<(Value, ScriptBuf)> {
    let mut all =
        [&world.busy, &world.quiet, &world.pooled, &world.unused].map(Clone::clone).to_vec();
    if naming == Naming::Address {
        // Of the other sorts.
        all.extend([ScriptBuf::new_p2pkh(&PubkeyHash::all_zeros()), kit_script()]);
        all.push(ScriptBuf::new_p2sh(&ScriptHash::all_zeros()));
    } else {
        // What has no address: an output that nobody can spend, one that is not indexed, and nothing.
        all.push(world.tx("second").output[1].script_pubkey.clone());
        all.push(world.truth.blocks()[0].txdata[0].output[0].script_pubkey.clone());
        all.push(ScriptBuf::new());
    }
    let mut scripts: Vec<_> =
        all.into_iter().map(|script| (json!([naming.name(&script)]), script)).collect();
    let upper = naming.name(&world.busy).to_uppercase();
    scripts.push((json!({naming.key(): upper}), world.busy.clone()));
    scripts
}

fn ask(world: &World, cases: &mut Cases, naming: Naming, truth: impl Fn(&Truth, &Script) -> Value) {
    for (params, script) in scripts(world, naming) {
        cases.result(params, truth(&world.truth, &script));
    }
}

/// Histories from one height on, and below another.
fn parts(world: &World, cases: &mut Cases, naming: Naming) {
    let part = |script: &Script, from: u64, to: Option<u64>| -> Value {
        let whole = world.truth.history_json(script);
        let is_in = |tx: &&Value| match tx["height"].as_u64().filter(|_| tx.get("fee").is_none()) {
            Some(height) => from <= height && to.is_none_or(|to| height < to),
            None => to.is_none(),
        };
        let list = whole.as_array().into_iter().flatten().filter(is_in).cloned().collect();
        naming.wrapped("history", list)
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
        let name = naming.name(&world.busy);
        cases.result(json!([name, from, end]), part(&world.busy, from, to));
    }
    for script in [&world.quiet, &world.pooled, &world.unused] {
        let name = naming.name(script);
        cases.result(json!([name, full + 1]), part(script, full + 1, None));
        cases.result(json!([name, null, full + 1]), part(script, 0, Some(full + 1)));
    }
    let (name, key) = (naming.name(&world.busy), naming.key());
    let by_name = json!({"to_height": full.to_string(), key: name, "from_height": "1"});
    cases.result(by_name, part(&world.busy, 1, Some(full)));
    cases.result(json!({key: name, "to_height": "-1"}), part(&world.busy, 0, None));
    cases.error(json!([name, 1, 0]), 1, "require from_height 1 <= to_height 0");
    let text = "require from_height 18,446,744,073,709,551,615 <= to_height 4,294,967,296";
    cases.error(json!([name, u64::MAX, 1_u64 << 32]), 1, text);
}

/// True once after each subscription.
fn unsubscribe(world: &World, cases: &mut Cases, naming: Naming) {
    let (script, other) = (json!([naming.name(&world.busy)]), naming.name(&world.unused));
    let subscribe = match naming {
        Naming::Hash => "blockchain.scripthash.subscribe",
        Naming::Script => "blockchain.scriptpubkey.subscribe",
        Naming::Address => "blockchain.address.subscribe",
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

/// The first transaction of the chain that pays to a script, else any of the mempool that does.
fn first_use(world: &World, cases: &mut Cases, naming: Naming) -> Result<()> {
    let pool = world.setup.node.raw_mempool()?.into_iter();
    let pool = pool.map(|txid| world.setup.node.transaction(&txid, None));
    let pool = pool.collect::<Result<Vec<_>>>()?;
    for (params, script) in scripts(world, naming) {
        let pays = |tx: &&Transaction| tx.output.iter().any(|out| out.script_pubkey == script);
        let uses = |height: u32, block: String, tx: &Transaction| json!({"block_hash": block, "height": height, "tx_hash": tx.compute_txid().to_string()});
        let blocks = (0_u32..).zip(world.truth.blocks()).skip(1);
        let confirmed = blocks.flat_map(|(height, block)| {
            block.txdata.iter().filter(pays).map(move |tx| (height, block.block_hash(), tx))
        });
        let first = confirmed.map(|(height, block, tx)| uses(height, block.to_string(), tx)).next();
        let unconfirmed: Vec<_> =
            pool.iter().filter(pays).map(|tx| uses(0, "0".repeat(64), tx)).collect();
        // Outputs that nobody can spend are not indexed.
        if script.is_op_return() {
            cases.result(params, Value::Null);
        } else if let Some(first) = first {
            cases.result(params, first);
        } else if unconfirmed.is_empty() {
            cases.result(params, Value::Null);
        } else {
            cases.check(params, move |answer| {
                anyhow::ensure!(unconfirmed.contains(answer), "none of {unconfirmed:?}");
                Ok(())
            });
        }
    }
    Ok(())
}
