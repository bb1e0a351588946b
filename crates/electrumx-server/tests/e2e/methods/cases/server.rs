//! `server.*`.

use anyhow::{Context as _, Result};
use electrumx_protocol::{EXTENSIONS, ProtocolVersion};
use serde_json::{Value, json};

use super::super::world::{DONATION, SERVICES, World};
use super::{Cases, unknown};

pub(super) fn fill(world: &World, version: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    match cases.method {
        "server.add_peer" => {
            cases.result(json!([{"hosts": {"example.com": {"tcp_port": 1}}}]), json!(false));
            cases.result(json!([{}]), json!(false));
        }
        "server.banner" => cases.result(json!([]), json!(banner(world)?)),
        "server.donation_address" => cases.result(json!([]), json!(DONATION)),
        "server.features" => {
            let mut features = json!({
                "genesis_hash": world.truth.hashes()[0].to_string(),
                "hosts": {"example.org": {"tcp_port": 50001, "ssl_port": 50002}},
                "protocol_min": "1.4",
                "protocol_max": "1.7",
                "pruning": null,
                "server_version": world.software(),
                "services": SERVICES,
            });
            // Not the protocol's; the list itself is part of the table.
            let extensions = EXTENSIONS.iter().map(|method| method.name);
            features["extensions"] = extensions.collect();
            let history = if version < ProtocolVersion::V1_7 {
                "blockchain.scripthash.get_history"
            } else {
                "blockchain.scriptpubkey.get_history"
            };
            features["extra_arguments"] = json!({history: ["from_height", "to_height"]});
            if version < ProtocolVersion::V1_7 {
                features["hash_function"] = json!("sha256");
            }
            cases.result(json!([]), features);
        }
        "server.peers.subscribe" => {
            let itself = json!(["example.org", "example.org", ["v1.7", "s50002", "t50001"]]);
            cases.result(json!([]), json!([itself]));
            cases.result(json!({}), json!([itself]));
        }
        "server.ping" => ping(version, cases),
        "server.version" => {
            let pair = world.version_pair(&version.to_string());
            for again in [
                json!(["x", "1.4"]),
                json!([]),
                json!(["", ["1.4", "1.6"], 1, 2]),
                json!(["x", "9.9"]),
                json!({"protocol_version": "abc", "client_name": 5, "more": true}),
            ] {
                cases.result(again, pair.clone());
            }
        }
        _ => return unknown(cases),
    }
    Ok(())
}

fn ping(version: ProtocolVersion, cases: &mut Cases) {
    let answer = |zeros: usize| {
        if version < ProtocolVersion::V1_7 {
            Value::Null
        } else {
            json!({"data": "0".repeat(zeros)})
        }
    };
    cases.result(json!([]), answer(0));
    cases.result(json!([3]), answer(3));
    cases.result(json!([0, "0abcdEF"]), answer(0));
    cases.result(json!({"data": "", "pong_len": "39"}), answer(39));
    // As long as the longest answer, envelope and all.
    let most = 8_100_000 - 1024;
    if version < ProtocolVersion::V1_7 {
        cases.result(json!([most + 1]), Value::Null);
    } else {
        cases.result(json!([most]), answer(most));
        cases.error(json!([most + 1]), 1, "pong_len 8,098,977 is above 8,098,976");
        cases.error(json!([u64::MAX]), 1, "pong_len 18,446,744,073,709,551,615 is above 8,098,976");
    }
}

/// What the operator's text is to become.
pub(crate) fn banner(world: &World) -> Result<String> {
    let node = world.ask_node("getnetworkinfo", &[]).map_err(anyhow::Error::msg)?;
    let version = node["version"].as_u64().context("no version")?;
    let (major, minor, patch) = (version / 10_000, version / 100 % 100, version % 100);
    let subversion = node["subversion"].as_str().context("no subversion")?;
    let (software, own) = (world.software(), env!("CARGO_PKG_VERSION"));
    Ok(format!("{own}, {software}\n{major}.{minor}.{patch}, {subversion}\n{DONATION}"))
}
