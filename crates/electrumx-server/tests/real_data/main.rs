//! The first blocks of real chains, in a real node, indexed and asked for.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use electrumx_testkit::{
    Chain, ElectrumClient, RealChain, ServerProcess, TruthLine, real_data_or_note,
};
use serde_json::{Value, json};

/// Scripts asked for at once: few enough that neither side waits with full buffers for the other.
const PIPELINED: usize = 50;

#[test]
fn every_script_of_the_first_mainnet_blocks_is_answered_exactly() {
    index_and_ask(
        "btc-mainnet",
        Chain::Mainnet,
        4521,
        "00000000ac08f7d984f6b36027395e654a5f1e3bb006cd9df9c60b9897ea4c40",
    )
    .unwrap();
}

#[test]
fn every_script_of_the_first_testnet3_blocks_is_answered_exactly() {
    index_and_ask(
        "btc-testnet3",
        Chain::Testnet3,
        4000,
        "00000000185b36fa6e406626a722793bea80531515e0b2a99ff05b73738901f1",
    )
    .unwrap();
}

fn index_and_ask(name: &str, chain: Chain, height: u32, tip: &str) -> Result<()> {
    if !real_data_or_note(name)? {
        return Ok(());
    }
    let data = RealChain::open(name)?.context("the data folder is there")?;
    let truth = data.truth()?;
    ensure!(truth.len() > 200, "only {} scripts in the truth file", truth.len());
    let node = data.start_node(chain)?;
    let best = node.best_block_hash()?.to_string();
    ensure!(best == tip, "the node's tip is {best}");

    let db = tempfile::tempdir()?;
    let exe = Path::new(env!("CARGO_BIN_EXE_electrumx-server"));
    let mut server = ServerProcess::for_node(exe, &node, db.path(), &[])?;
    server.wait_ready(Duration::from_secs(120))?;
    let mut client = server.connect()?;
    client.call("server.version", json!(["real data", "1.4"]))?;
    let header = client.call("blockchain.headers.subscribe", json!([]))?;
    ensure!(header["height"] == height, "the server's tip: {header}");

    for lines in truth.chunks(PIPELINED) {
        ask(&mut client, lines).with_context(|| server.log_tail(20))?;
    }
    Ok(())
}

/// The four answers about a script, in the order of the calls.
const METHODS: [&str; 4] = [
    "blockchain.scripthash.subscribe",
    "blockchain.scripthash.get_history",
    "blockchain.scripthash.listunspent",
    "blockchain.scripthash.get_balance",
];

fn expected(line: &TruthLine) -> [Value; 4] {
    let history = line.history.iter();
    let history = history.map(|(txid, height)| json!({"tx_hash": txid, "height": height}));
    let unspent = line.unspent.iter().map(|(txid, vout, height, value)| {
        json!({"tx_hash": txid, "tx_pos": vout, "height": height, "value": value})
    });
    [
        json!(line.status),
        history.collect(),
        unspent.collect(),
        json!({"confirmed": line.balance, "unconfirmed": 0}),
    ]
}

fn ask(client: &mut ElectrumClient, lines: &[TruthLine]) -> Result<()> {
    let mut ids = Vec::new();
    for line in lines {
        for method in METHODS {
            ids.push(client.send(method, json!([line.scripthash]))?);
        }
    }
    let mut ids = ids.into_iter();
    for line in lines {
        for (method, expected) in METHODS.into_iter().zip(expected(line)) {
            let id = ids.next().context("an id for each call")?;
            let which = || format!("{method} of {} (script {})", line.scripthash, line.script);
            let answer = client.receive(id).with_context(which)?;
            ensure!(answer == expected, "{}: {answer}\nnot {expected}", which());
        }
    }
    Ok(())
}
