//! A chain that is long enough is indexed in bulk, and nobody can tell.

use anyhow::{Result, ensure};
use electrumx_testkit::{Regtest, Replacement, ServerProcess, Traffic, Truth, wait_until};

use crate::common::{PATIENCE, RPC_TOOL, SERVER, settle, start_server};
use crate::compare::compare_chain;
use crate::kill9::busy_chain;

const SETTINGS: [(&str, &str); 3] =
    [("BULK_BLOCKS", "20"), ("REORG_LIMIT", "8"), ("CACHE_MB", "64")];

fn equals(server: &ServerProcess, node: &Regtest, truth: &mut Truth) -> Result<()> {
    settle(server, node, truth)?;
    let mut client = electrumx_testkit::ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
    compare_chain(&mut client, truth)
}

fn compact(server: &ServerProcess) -> Result<()> {
    let port = server.rpc_addr().port().to_string();
    let output = std::process::Command::new(RPC_TOOL).args(["-p", &port, "compact"]).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

#[test]
fn a_long_chain_is_indexed_in_bulk_followed_and_folded() {
    let node = Regtest::start().unwrap();
    busy_chain(&node).unwrap();
    let tip = node.block_count().unwrap();
    let db = tempfile::tempdir().unwrap();
    let mut server = start_server(&node, db.path(), &SETTINGS).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    assert!(server.log_text().contains("first sync done up to block"), "{}", server.log_text());
    assert!(db.path().join(format!("base-{}.mdb", tip - 8)).is_file());
    let mut truth = Truth::default();
    equals(&server, &node, &mut truth).unwrap();

    // Payments, blocks and reorganisations on top, as deep as can be undone.
    let mut traffic = Traffic::new(&node, 13);
    traffic.coins.mature(10).unwrap();
    traffic.coins.split(60, 1_000_000).unwrap();
    node.mine(1).unwrap();
    for depth in [1, 3, 8] {
        traffic.send(10).unwrap();
        node.mine(2).unwrap();
        node.reorg(depth, depth + 1, Replacement::Mempool).unwrap();
        traffic.coins.refresh().unwrap();
        settle(&server, &node, &mut truth).unwrap();
    }
    equals(&server, &node, &mut truth).unwrap();

    // Folded while wallets ask and blocks come.
    let before = node.block_count().unwrap();
    compact(&server).unwrap();
    node.mine(3).unwrap();
    wait_until(PATIENCE, "the end of the compaction", || {
        ensure!(server.log_text().contains("the index is compact up to block"), "not yet");
        Ok(())
    })
    .unwrap();
    equals(&server, &node, &mut truth).unwrap();
    let folded = |height| db.path().join(format!("base-{height}.mdb")).is_file();
    assert!((before - 8..=before - 5).any(folded));
    assert!(!folded(tip - 8), "the old base is still there");

    // Sound, and the node has the same unspent outputs.
    assert!(server.terminate(PATIENCE).unwrap().success());
    let said = task("check", db.path()).unwrap();
    let set = node.call("gettxoutsetinfo", &[]).unwrap();
    let (outputs, amount) = (set["txouts"].as_u64().unwrap(), set["total_amount"].to_string());
    let digits: String = said.chars().filter(|c| *c != ',').collect();
    assert!(digits.contains(&format!("\n{outputs} of them unspent worth {amount}")), "{said}{set}");
    assert!(said.contains("the index is sound"), "{said}");
    let said = task("compact", db.path()).unwrap();
    assert!(said.contains("the index is compact up to block"), "{said}");
    let said = task("stats", db.path()).unwrap();
    assert!(said.contains("txid_buckets") && said.contains("a tx"), "{said}");

    // The index is the same after a restart.
    server.restart().unwrap();
    server.wait_ready(PATIENCE).unwrap();
    equals(&server, &node, &mut truth).unwrap();
}

#[test]
fn a_tip_that_has_grown_is_folded_once() {
    let node = Regtest::start().unwrap();
    busy_chain(&node).unwrap();
    let db = tempfile::tempdir().unwrap();
    // What has to stay in the tip is more than this.
    let settings = [("COMPACT_MB", "1"), ("REORG_LIMIT", "8")];
    let mut server = start_server(&node, db.path(), &settings).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    let said = |what: &str| server.log_text().matches(what).count();
    wait_until(PATIENCE, "the end of the compaction", || {
        ensure!(said("the index is compact up to block") == 1, "not yet");
        Ok(())
    })
    .unwrap();
    for _ in 0..3 {
        node.mine(1).unwrap();
        equals(&server, &node, &mut Truth::default()).unwrap();
    }
    assert_eq!(said("compacting the index"), 1);
    let tip = std::fs::metadata(db.path().join("tip.mdb")).unwrap().len();
    assert!(tip > 1_000_000, "{tip}");
}

/// Runs the binary to do something with an index, and returns what it prints.
fn task(name: &str, db: &std::path::Path) -> Result<String> {
    let mut command = std::process::Command::new(SERVER);
    command.arg(name).args(["--net", "regtest", "--reorg-limit", "8", "--db-directory"]).arg(db);
    let output = command.output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_reorganisation_deeper_than_the_base_is_told() {
    let node = Regtest::start().unwrap();
    node.mine(60).unwrap();
    let db = tempfile::tempdir().unwrap();
    let mut server = start_server(&node, db.path(), &SETTINGS).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    node.reorg(12, 13, Replacement::Empty).unwrap();
    let status = server.wait_exit(PATIENCE).unwrap();
    assert!(!status.success());
    let log = server.log_text();
    assert!(log.contains("remove the database directory to index the chain anew"), "{log}");
}
