//! What the server's process costs, and how its mempool stands.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use electrumx_benches::cpu_of;
use electrumx_testkit::{Regtest, ServerProcess};
use serde_json::json;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// One machine is all clients here; and the server tells how long what took.
pub(crate) const CROWDED: [(&str, &str); 4] = [
    ("MAX_SESSIONS", "20000"),
    ("COST_SOFT_LIMIT", "0"),
    ("COST_HARD_LIMIT", "0"),
    ("LOG_LEVEL", "info,electrumx_server::follower=debug"),
];

/// Returns the memory that is the process's own, in bytes.
pub(crate) fn anonymous(server: &ServerProcess) -> anyhow::Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no RssAnon")?;
    Ok(kib.parse::<usize>()? * 1024)
}

/// Returns the processor time used so far.
pub(crate) fn cpu(server: &ServerProcess) -> anyhow::Result<Duration> {
    cpu_of(server.pid()?)
}

/// Starts a node that takes transactions as those of other networks do: one of regtest looks its whole mempool over for
/// each of them.
pub(crate) fn usual_node() -> anyhow::Result<Regtest> {
    Regtest::builder().zmq(true).arg("-checkmempool=0").arg("-checkblockindex=0").start()
}

/// Waits until the server's view of the mempool has so many transactions.
pub(crate) fn wait_for_pool(server: &ServerProcess, txs: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let info = server.rpc("getinfo", json!([])).map_err(|error| anyhow::anyhow!("{error}"))?;
        if info["mempool"]["txs"] == json!(txs) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "its mempool is {}, not {txs}", info["mempool"]);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns a share of sorted times.
pub(crate) fn share(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
