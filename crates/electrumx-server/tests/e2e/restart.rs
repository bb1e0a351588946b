//! Node and server come and go.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use electrumx_testkit::{
    Coins, ElectrumClient, Regtest, Replacement, RpcError, ScriptKind, ServerProcess, Truth,
    wait_until,
};
use serde_json::json;

use crate::common::{PATIENCE, Setup, start_server};
use crate::compare::{compare_chain, compare_scripts};
use crate::watcher::Watcher;

/// Ending in good order takes no longer.
const QUICKLY: Duration = Duration::from_secs(5);

#[test]
fn sessions_are_served_while_the_node_is_away_and_it_is_found_again() {
    // With a cookie, which is another one after each start.
    let node = Regtest::builder().cookie().start().unwrap();
    let mut coins = Coins::new(&node, 9);
    coins.mature(5).unwrap();
    coins.split(10, 1_000_000).unwrap();
    node.mine(1).unwrap();
    let db = tempfile::tempdir().unwrap();
    let url = node.rpc_url();
    let cookie_file = node.cookie_file().to_str().unwrap().to_owned();
    let settings = [("DAEMON_URL", url.as_str()), ("COOKIE_FILE", cookie_file.as_str())];
    let mut server = start_server(&node, db.path(), &settings).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    let setup = Setup::of(server, node, db);

    let script = coins.script(ScriptKind::P2wpkh);
    let mut watcher = Watcher::new(&setup.server, &[&script]).unwrap();
    coins.pay(&[(script.clone(), 200_000)]).unwrap();
    let mut truth = Truth::default();
    setup.settle(&mut truth).unwrap();
    watcher.expect_once(&truth).unwrap();

    for crash in [false, true] {
        let cookie = setup.node.daemon_url().unwrap();
        let logged = setup.server.log_text().len();
        let mut old = setup.client().unwrap();
        if crash {
            setup.node.kill();
        } else {
            setup.node.stop().unwrap();
        }
        served_without_node(&setup, logged, &mut old, &truth).unwrap();
        setup.node.restart().unwrap();
        assert_ne!(setup.node.daemon_url().unwrap(), cookie);

        // What was in the node's mempool may be gone after a crash; blocks go on in any case.
        setup.node.mine(2).unwrap();
        setup.settle_all(&mut truth).unwrap();
        watcher.settle(&truth).unwrap();
        watcher.forget();
        coins.refresh().unwrap();
        coins.pay(&[(script.clone(), 100_000)]).unwrap();
        setup.settle(&mut truth).unwrap();
        let told = watcher.expect_once(&truth).unwrap();
        assert!(told.tips == 0 && told.scripts.contains(&script), "{told:?}");
    }
}

/// The node is away: all that the index knows is answered, old and new sessions alike.
fn served_without_node(
    setup: &Setup,
    logged: usize,
    old: &mut ElectrumClient,
    truth: &Truth,
) -> Result<()> {
    // The log says so; from then on the server knows.
    wait_until(PATIENCE, "the server to note that the node is away", || {
        let log = setup.server.log_text();
        let new = log.get(logged..).unwrap_or_default();
        ensure!(new.contains("WARN") || new.contains("ERROR"), "{new}");
        Ok(())
    })?;
    for client in [old, &mut setup.client()?] {
        compare_scripts(client, truth)?;
        let tip = truth.tip();
        let header = client.call("blockchain.block.header", json!([tip, tip]))?;
        ensure!(header["root"] == truth.header_proof(tip, tip).1, "{header}");
        for method in ["server.ping", "server.banner", "server.features"] {
            client.call(method, json!([])).with_context(|| method.to_owned())?;
        }
        // What only the node can do is refused, and the session lives on.
        client.timeout = Duration::from_secs(40);
        let refused = client.call("blockchain.transaction.broadcast", json!(["00"]));
        ensure!(matches!(refused, Err(RpcError::Server { .. })), "broadcast: {refused:?}");
        let fee = client.call("blockchain.estimatefee", json!([6]))?;
        ensure!(fee == json!(-1), "{fee}");
        client.call("server.ping", json!([]))?;
    }
    Ok(())
}

#[test]
fn whatever_happened_to_the_chain_meanwhile_is_found_at_the_next_start() {
    let mut setup = Setup::start().unwrap();
    let mut coins = Coins::new(&setup.node, 10);
    coins.mature(10).unwrap();
    coins.split(40, 1_000_000).unwrap();
    setup.node.mine(1).unwrap();
    let mut truth = Truth::default();
    setup.settle_all(&mut truth).unwrap();

    type Change = fn(&Regtest, &mut Coins) -> Result<()>;
    let changes: [(&str, Change); 5] = [
        ("nothing", |_, _| Ok(())),
        ("longer", |node, coins| {
            pay_some(coins)?;
            node.mine(20)?;
            pay_some(coins)
        }),
        ("reorganised to the same height", |node, _| {
            node.reorg(8, 8, Replacement::Empty).map(drop)
        }),
        ("lower", |node, _| node.reorg(12, 4, Replacement::Mempool).map(drop)),
        ("lower, then higher and reorganised", |node, coins| {
            coins.refresh()?;
            pay_some(coins)?;
            node.reorg(5, 2, Replacement::Empty)?;
            node.reorg(1, 9, Replacement::Mempool).map(drop)
        }),
    ];
    for (what, change) in changes {
        stop_in_good_order(&mut setup.server).unwrap();
        change(&setup.node, &mut coins).unwrap();
        setup.server.restart().unwrap();
        let start = Instant::now();
        setup.server.wait_ready(PATIENCE).unwrap();
        let took = start.elapsed();
        eprintln!("{what}: ready after {took:?}");
        assert!(took < QUICKLY, "{what}: ready only after {took:?}");
        // At once, without waiting: clients are let in when the index and the mempool are there.
        truth.scan_mempool(&setup.node).unwrap();
        let client = &mut setup.client().unwrap();
        compare_scripts(client, &truth).with_context(|| what.to_owned()).unwrap();
        compare_chain(client, &truth).with_context(|| what.to_owned()).unwrap();
    }

    // The node too comes with another chain; the server is told of it.
    let mut watcher = Watcher::new(&setup.server, &[]).unwrap();
    setup.node.stop().unwrap();
    setup.node.restart().unwrap();
    setup.node.reorg(3, 3, Replacement::Empty).unwrap();
    setup.settle_all(&mut truth).unwrap();
    watcher.settle(&truth).unwrap();
    stop_in_good_order(&mut setup.server).unwrap();
}

fn pay_some(coins: &mut Coins) -> Result<()> {
    for kind in ScriptKind::POOLED {
        let script = coins.script_at(kind, 1);
        coins.pay(&[(script, 50_000)])?;
    }
    Ok(())
}

fn stop_in_good_order(server: &mut ServerProcess) -> Result<()> {
    let start = Instant::now();
    let status = server.terminate(PATIENCE)?;
    let took = start.elapsed();
    ensure!(status.code() == Some(0), "ended with {status}:\n{}", server.log_tail(30));
    ensure!(took < QUICKLY, "it took {took:?} to end:\n{}", server.log_tail(30));
    Ok(())
}
