//! What the operator asks and orders.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bitcoin::ScriptBuf;
use electrumx_testkit::{ElectrumClient, Truth, fresh_script, scripthash_hex, wait_until};
use serde_json::{Value, json};

use crate::common::{PATIENCE, RPC_TOOL, Setup};
use crate::watcher::Watcher;

#[test]
fn the_operator_sees_the_state_and_stops_the_server() {
    let mut setup = Setup::start().unwrap();
    setup.node.mine(7).unwrap();
    let mut truth = Truth::default();
    setup.settle(&mut truth).unwrap();
    let scripts = [fresh_script(), fresh_script()];
    let _first = Watcher::new(&setup.server, &scripts.iter().collect::<Vec<_>>()).unwrap();
    let mut second = setup.server.connect().unwrap();
    second.call("server.version", json!(["teller", "1.6"])).unwrap();

    let info = state_of(&setup).unwrap();
    assert_eq!(info["pid"], json!(setup.server.pid().unwrap()));
    assert_eq!(info["coin"], json!("Bitcoin"));
    assert_eq!(info["daemon height"], json!(7));
    assert_eq!(info["db height"], json!(7));
    assert_eq!(info["sessions"]["count with subs_sh"], json!(1), "{info}");
    assert_eq!(info["sessions"]["subs_sh"], json!(2), "{info}");
    assert!(info["version"].as_str().unwrap().starts_with("ElectrumX"), "{info}");
    let daemon = info["daemon"].as_str().unwrap();
    assert!(daemon.contains(&setup.node.rpc_addr().to_string()), "{daemon}");
    assert!(!info.to_string().contains("secret"), "{info}");
    caches(&mut setup, &mut second, &scripts[0]).unwrap();

    let sessions = setup.server.rpc("sessions", json!([])).unwrap();
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    // id, flags, peer, client, protocol, cost, extra cost, pending, transactions sent, subscriptions, ...
    for (session, (client, protocol, subscriptions)) in
        sessions.iter().zip([("testkit", "1.4", 2), ("teller", "1.6", 0)])
    {
        assert_eq!(session.as_array().unwrap().len(), 15, "{session}");
        assert_eq!(session[3], json!(client), "{session}");
        assert!(session[4].as_str().unwrap().starts_with(protocol), "{session}");
        assert_eq!(session[9], json!(subscriptions), "{session}");
    }
    let unknown = setup.server.rpc("nonsense", json!([])).unwrap_err();
    assert_eq!(unknown.code(), Some(-32601), "{unknown}");

    the_tool(&setup).unwrap();

    let answer = setup.server.rpc("stop", json!([])).unwrap();
    assert!(answer.as_str().is_some_and(|text| text.contains("stopping")), "{answer}");
    let status = setup.server.wait_exit(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(0), "{}", setup.server.log_text());
    assert!(second.closed_within(PATIENCE), "a session outlives its server");

    // There is nobody to be asked now.
    let alone = tool(&setup, &["getinfo"]).unwrap();
    assert!(!alone.status.success());
    let text = String::from_utf8(alone.stderr).unwrap();
    assert!(text.contains(&setup.server.rpc_addr().port().to_string()), "{text}");
}

fn state_of(setup: &Setup) -> Result<Value> {
    wait_until(PATIENCE, "both sessions to be counted", || {
        let info = setup.server.rpc("getinfo", json!([]))?;
        ensure!(info["sessions"]["count"] == 2, "{info}");
        // Wallets may know of a block a moment before the follower has noted that they do.
        ensure!(info["daemon height"] == info["db height"], "{info}");
        Ok(info)
    })
}

/// The same question twice: the second is answered from a cache.
fn caches(setup: &mut Setup, client: &mut ElectrumClient, script: &ScriptBuf) -> Result<()> {
    let counts = |setup: &mut Setup| -> Result<(u64, u64)> {
        let info = setup.server.rpc("getinfo", json!([]))?;
        for name in
            ["statuses", "histories", "block trees", "headers", "header tree", "fee estimates"]
        {
            let line =
                info["caches"][name].as_str().with_context(|| format!("no {name}: {info}"))?;
            ensure!(line.contains(" entries, ") && line.contains(" bytes, hitrate "), "{line}");
        }
        let line = info["caches"]["histories"].as_str().context("no line")?.to_owned();
        let numbers: Vec<u64> =
            line.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
        Ok((numbers[0], numbers[1]))
    };
    client.call("blockchain.scripthash.get_history", json!([scripthash_hex(script)]))?;
    let (lookups, hits) = counts(setup)?;
    client.call("blockchain.scripthash.get_history", json!([scripthash_hex(script)]))?;
    ensure!(counts(setup)? == (lookups + 1, hits + 1), "it was at {lookups} and {hits}");
    Ok(())
}

fn tool(setup: &Setup, args: &[&str]) -> Result<Output> {
    let port = setup.server.rpc_addr().port().to_string();
    Ok(Command::new(RPC_TOOL).args(["-p", &port]).args(args).output()?)
}

fn the_tool(setup: &Setup) -> Result<()> {
    let said = tool(setup, &["getinfo"])?;
    let error = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{error}");
    let info: Value = serde_json::from_slice(&said.stdout).context("getinfo is no JSON")?;
    ensure!(info["pid"] == json!(setup.server.pid()?), "{info}");

    let said = tool(setup, &["sessions"])?;
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let text = String::from_utf8(said.stdout)?;
    ensure!(text.contains("teller"), "{text}");

    let said = tool(setup, &["nonsense"])?;
    ensure!(!said.status.success() && !said.stderr.is_empty(), "{said:?}");
    // The port from the environment.
    let said = Command::new(RPC_TOOL)
        .env("RPC_PORT", setup.server.rpc_addr().port().to_string())
        .arg("getinfo")
        .output()?;
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Ok(())
}
