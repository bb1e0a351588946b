//! A node, a server on it that polls once an hour, and a client that watches scripts.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bitcoin::ScriptBuf;
use electrumx_testkit::{
    Coins, ElectrumClient, Regtest, RegtestBuilder, ServerProcess, Truth, scripthash_hex,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_electrumx-server");

/// How long anything may take before it counts as never happening.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than any test.
pub(crate) const HARDLY_EVER: [(&str, &str); 2] =
    [("DAEMON_POLL_INTERVAL_BLOCKS", "3600000"), ("DAEMON_POLL_INTERVAL_MEMPOOL", "3600000")];

pub(crate) struct Setup {
    // Ends before its node does.
    pub(crate) server: ServerProcess,
    pub(crate) node: Regtest,
    pub(crate) coins: Coins,
    _db: TempDir,
}

impl Setup {
    pub(crate) fn start(node: RegtestBuilder, settings: &[(&str, &str)]) -> Result<Self> {
        let node = node.start()?;
        let mut coins = Coins::new(&node, 1);
        coins.mature(20)?;
        let db = tempfile::tempdir()?;
        let mut server = ServerProcess::for_node(Path::new(SERVER), &node, db.path(), settings)?;
        server.wait_ready(PATIENCE)?;
        Ok(Self { server, node, coins, _db: db })
    }

    /// Waits until the server has written this to its log, as often as it is to be there.
    pub(crate) fn wait_log(&self, text: &str, times: usize) -> Result<()> {
        electrumx_testkit::wait_until(PATIENCE, text, || {
            let found = self.server.log_text().matches(text).count();
            ensure!(found >= times, "{found} times in the log, not {times}");
            Ok(())
        })
    }
}

/// A client with the last status told of each script.
pub(crate) struct Watcher {
    client: ElectrumClient,
    told: BTreeMap<String, Value>,
    scripts: Vec<ScriptBuf>,
}

impl Watcher {
    pub(crate) fn new(server: &ServerProcess) -> Result<Self> {
        let mut client = ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
        client.call("blockchain.headers.subscribe", json!([]))?;
        Ok(Self { client, told: BTreeMap::new(), scripts: Vec::new() })
    }

    pub(crate) fn watch(&mut self, script: &ScriptBuf) -> Result<()> {
        let hash = scripthash_hex(script);
        let status = self.client.call("blockchain.scripthash.subscribe", json!([hash]))?;
        self.told.insert(hash, status);
        self.scripts.push(script.clone());
        Ok(())
    }

    /// Waits until all statuses told are those of the node's chain and mempool.
    pub(crate) fn settle(&mut self, node: &Regtest) -> Result<()> {
        let mut truth = Truth::scan(node)?;
        truth.scan_mempool(node)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let differs = self
                .scripts
                .iter()
                .find(|script| self.told[&scripthash_hex(script)] != json!(truth.status(script)));
            let Some(script) = differs else { return Ok(()) };
            let left = deadline.saturating_duration_since(Instant::now());
            let of_script =
                |n: &electrumx_testkit::Notification| n.method == "blockchain.scripthash.subscribe";
            let told = self.client.wait_notification(left, of_script);
            let told = told.with_context(|| format!("still to be told of {script}"))?;
            let hash = told.params[0].as_str().context("no script hash")?.to_owned();
            self.told.insert(hash, told.params[1].clone());
        }
    }

    /// Waits for the next change of this script; returns how long it took since `from`.
    pub(crate) fn wait_script(&mut self, script: &ScriptBuf, from: Instant) -> Result<Duration> {
        let hash = scripthash_hex(script);
        self.client.wait_notification(PATIENCE, |n| {
            n.method == "blockchain.scripthash.subscribe" && n.params[0] == json!(hash)
        })?;
        Ok(from.elapsed())
    }

    /// Waits for the header of this height; returns how long it took since `from`.
    pub(crate) fn wait_header(&mut self, height: u32, from: Instant) -> Result<Duration> {
        self.client.wait_notification(PATIENCE, |n| {
            n.method == "blockchain.headers.subscribe" && n.params[0]["height"] == json!(height)
        })?;
        Ok(from.elapsed())
    }
}
