//! The node's block files beside the node, and without it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use electrumx_testkit::{
    Coins, ElectrumClient, Regtest, Replacement, ScriptKind, ServerProcess, Truth, wait_until,
};
use serde_json::json;

use crate::common::{
    OFTEN, PATIENCE, SERVER, digest, expect_error, new_database, settle, settle_on, start_server,
    stop,
};
use crate::compare::{compare_chain, compare_scripts};

fn start_offline(db: &Path, blocks: &Path) -> Result<ServerProcess> {
    let path = |path: &Path| path.to_str().map(str::to_owned).context("no UTF-8");
    let (db, blocks) = (path(db)?, path(blocks)?);
    let mut env = OFTEN.to_vec();
    env.extend([("NET", "regtest"), ("OFFLINE", "1")]);
    env.extend([("DB_DIRECTORY", db.as_str()), ("BLOCKS_DIR", blocks.as_str())]);
    let mut server = ServerProcess::start(Path::new(SERVER), &env)?;
    server.wait_ready(PATIENCE)?;
    Ok(server)
}

fn client(server: &ServerProcess) -> Result<ElectrumClient> {
    ElectrumClient::connect_version(server.tcp_addr(), "1.7")
        .or_else(|_| ElectrumClient::connect_version(server.tcp_addr(), "1.4"))
}

/// Answers equal the truth, transactions included.
fn equals(server: &ServerProcess, truth: &Truth) -> Result<()> {
    settle_on(server, truth)?;
    let mut client = ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
    compare_chain(&mut client, truth).with_context(|| server.log_tail(20))
}

#[test]
fn the_index_made_of_block_files_is_that_of_the_node() {
    let node = Regtest::start().unwrap();
    let blocks = node.datadir().join("regtest/blocks");
    let blocks_dir = blocks.to_str().unwrap();
    let mut coins = Coins::new(&node, 21);
    coins.mature(10).unwrap();
    coins.split(30, 1_000_000).unwrap();
    node.mine(200).unwrap();

    let (by_files, by_rpc) = (new_database().unwrap(), new_database().unwrap());
    let from_files = [("BLOCKS_DIR", blocks_dir)];
    let mut server = start_server(&node, by_files.path(), &from_files).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    assert!(server.log_text().contains("blocks: from the files in"), "{}", server.log_text());
    let mut truth = Truth::default();
    settle(&server, &node, &mut truth).unwrap();

    // Growth, a mempool, and a reorganisation whose stale blocks stay in the files.
    for kind in ScriptKind::POOLED {
        let script = coins.script_at(kind, 1);
        coins.pay(&[(script, 50_000)]).unwrap();
    }
    settle(&server, &node, &mut truth).unwrap();
    node.mine(2).unwrap();
    settle(&server, &node, &mut truth).unwrap();
    node.reorg(5, 7, Replacement::Empty).unwrap();
    settle(&server, &node, &mut truth).unwrap();
    node.mine(3).unwrap();
    settle(&server, &node, &mut truth).unwrap();
    equals(&server, &truth).unwrap();
    assert!(!server.log_text().contains("comes from the node\n"), "{}", server.log_text());
    let height = truth.tip();
    stop(server).unwrap();

    let mut server = start_server(&node, by_rpc.path(), &[("BLOCKS_DIR", "none")]).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    assert!(server.log_text().contains("blocks: from the node"), "{}", server.log_text());
    settle(&server, &node, &mut truth).unwrap();
    stop(server).unwrap();
    let expected = digest(by_rpc.path()).unwrap();
    assert_eq!(truth.tip(), height);
    assert_eq!(digest(by_files.path()).unwrap(), expected);

    // Without the node: nothing in the mempool, and all else as before.
    node.stop().unwrap();
    let alone = new_database().unwrap();
    let server = start_offline(alone.path(), &blocks).unwrap();
    equals(&server, &truth).unwrap();
    only_the_node_could(&server).unwrap();
    stop(server).unwrap();
    assert_eq!(digest(alone.path()).unwrap(), expected);
    // An index that a node's blocks were put into goes on with the files, and the other way round.
    let server = start_offline(by_files.path(), &blocks).unwrap();
    equals(&server, &truth).unwrap();

    // The files grow again: whoever writes them, the server follows.
    node.restart().unwrap();
    node.mine(4).unwrap();
    truth.scan_mempool(&node).unwrap();
    equals(&server, &truth).unwrap();
    node.reorg(2, 4, Replacement::Empty).unwrap();
    truth.scan_mempool(&node).unwrap();
    equals(&server, &truth).unwrap();
    stop(server).unwrap();
    let mut server = start_server(&node, by_files.path(), &from_files).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    settle(&server, &node, &mut truth).unwrap();
}

/// What takes a node is refused in so many words; the rest works.
fn only_the_node_could(server: &ServerProcess) -> Result<()> {
    let mut client = client(server)?;
    for (method, params) in [
        ("blockchain.transaction.broadcast", json!(["00"])),
        ("blockchain.transaction.testmempoolaccept", json!([["00"]])),
        ("mempool.get_info", json!([])),
    ] {
        let said = expect_error(&mut client, method, &params, 2)?;
        ensure!(said.contains("offline mode"), "{method}: {said}");
    }
    ensure!(client.call("blockchain.estimatefee", json!([6]))? == json!(-1));
    ensure!(client.call("mempool.get_fee_histogram", json!([]))? == json!([]));
    client.call("server.ping", json!([]))?;
    for method in ["server.features", "server.banner"] {
        client.call(method, json!([])).with_context(|| method.to_owned())?;
    }
    let mut old = ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
    let said = expect_error(&mut old, "blockchain.relayfee", &json!([]), 2)?;
    ensure!(said.contains("offline mode"), "{said}");
    let info = server.rpc("getinfo", json!([]))?;
    ensure!(info["daemon"] == "offline" && info["state"] == "serving", "{info}");
    Ok(())
}

#[test]
fn transactions_come_from_the_files_while_the_node_is_away() {
    let node = Regtest::start().unwrap();
    let mut coins = Coins::new(&node, 22);
    coins.mature(5).unwrap();
    coins.split(20, 1_000_000).unwrap();
    node.mine(1).unwrap();
    // A copy, as on another machine.
    let copy = tempfile::tempdir().unwrap();
    for name in ["blk00000.dat", "xor.dat"] {
        let from = node.datadir().join("regtest/blocks").join(name);
        std::fs::copy(from, copy.path().join(name)).unwrap();
    }
    let db = tempfile::tempdir().unwrap();
    let settings = [("BLOCKS_DIR", copy.path().to_str().unwrap())];
    let mut server = start_server(&node, db.path(), &settings).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    let mut truth = Truth::default();
    settle(&server, &node, &mut truth).unwrap();
    wait_until(PATIENCE, "the look into the files", || {
        ensure!(server.log_text().contains(" blocks are in "));
        Ok(())
    })
    .unwrap();
    node.stop().unwrap();
    let mut client = ElectrumClient::connect_version(server.tcp_addr(), "1.4").unwrap();
    compare_chain(&mut client, &truth).unwrap();
    compare_scripts(&mut client, &truth).unwrap();
    // A file that is cut off is no disaster: with the node back it has the last word.
    node.restart().unwrap();
    std::fs::write(copy.path().join("blk00000.dat"), "").unwrap();
    compare_chain(&mut client, &truth).unwrap();
}
