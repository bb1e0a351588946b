//! The server as test suites made for electrs start it: electrs' flags, no environment, signals.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use electrumx_testkit::{ElectrumClient, Regtest, ReservedPort, wait_until};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

/// Ends with the test.
struct Electrs {
    child: Child,
    addr: SocketAddr,
    _port: ReservedPort,
}

impl Drop for Electrs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Electrs {
    /// Starts it with electrsd's arguments (0.43), the login and others given.
    fn start(node: &Regtest, dir: &std::path::Path, login: &[&str]) -> Result<Self> {
        let port = ReservedPort::new()?;
        let (rpc, own) = (node.rpc_addr().to_string(), port.addr().to_string());
        let child = Command::new(env!("CARGO_BIN_EXE_electrumx-server"))
            .args(["--db-dir", dir.to_str().context("not UTF-8")?, "--network", "regtest"])
            .args(login)
            .args(["--daemon-rpc-addr", &rpc, "--daemon-p2p-addr", "127.0.0.1:1"])
            .args(["--electrum-rpc-addr", &own, "--monitoring-addr", "0.0.0.0:2"])
            .args(["--http-addr", "0.0.0.0:3"])
            .env_clear()
            .stderr(Stdio::inherit())
            .spawn()?;
        Ok(Self { child, addr: port.addr(), _port: port })
    }

    fn connect(&mut self) -> Result<ElectrumClient> {
        let (addr, child) = (self.addr, &mut self.child);
        wait_until(PATIENCE, "the server to serve", || {
            ensure!(child.try_wait()?.is_none(), "it has ended");
            ElectrumClient::connect_version(addr, "1.4")
        })
    }

    fn signal(&self, signal: electrumx_testkit::Signal) -> Result<()> {
        let pid = self.child.id().to_string();
        let name = if signal == electrumx_testkit::Signal::USR1 { "-USR1" } else { "-INT" };
        let done = Command::new("kill").args([name, &pid]).status()?;
        ensure!(done.success(), "kill {name} {pid}: {done}");
        Ok(())
    }

    /// Sends SIGUSR1 and waits until the kernel has delivered it, which takes a while on a busy machine.
    fn look_now(&self) -> Result<()> {
        self.signal(electrumx_testkit::Signal::USR1)?;
        let status = format!("/proc/{}/status", self.child.id());
        wait_until(PATIENCE, "the signal to be delivered", || {
            let status = std::fs::read_to_string(&status)?;
            let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
            let pending = u64::from_str_radix(pending.context("no signals")?.trim(), 16)?;
            ensure!(pending == 0, "pending signals: {pending:x}");
            Ok(())
        })
    }
}

#[test]
fn electrsd_can_start_trigger_and_stop_it() -> Result<()> {
    let node = Regtest::builder().cookie().start()?;
    node.mine(3)?;
    let dir = tempfile::tempdir()?;
    let cookie = node.cookie_file().display().to_string();
    let mut server = Electrs::start(&node, dir.path(), &["--cookie-file", &cookie])?;
    // Another one beside it finds no port taken.
    let other_dir = tempfile::tempdir()?;
    let mut other = Electrs::start(&node, other_dir.path(), &["--cookie-file", &cookie])?;

    let mut client = server.connect()?;
    other.connect()?;
    let tip = client.call("blockchain.headers.subscribe", json!([]))?;
    ensure!(tip["height"] == 3, "{tip}");
    node.mine(5)?;
    server.signal(electrumx_testkit::Signal::USR1)?;
    client.wait_notification(PATIENCE, |told| told.params[0]["height"] == json!(8))?;
    // It looks often by itself, too.
    let from = Instant::now();
    node.mine(1)?;
    client.wait_notification(PATIENCE, |told| told.params[0]["height"] == json!(9))?;
    ensure!(from.elapsed() < PATIENCE / 2, "it polls too rarely");

    server.signal(electrumx_testkit::Signal::INT)?;
    let status =
        wait_until(PATIENCE, "the end", || server.child.try_wait()?.context("still running"))?;
    ensure!(status.success(), "{status}");
    ensure!(client.closed_within(PATIENCE), "the connection stays open");
    Ok(())
}

/// What bdk's and others' suites do: mine, send the signal, ping, and take what was told before the answer.
#[test]
fn an_answer_after_the_signal_comes_after_the_news() -> Result<()> {
    let node = Regtest::builder().cookie().start()?;
    node.mine(3)?;
    let dir = tempfile::tempdir()?;
    let cookie = node.cookie_file().display().to_string();
    let mut server = Electrs::start(&node, dir.path(), &["--cookie-file", &cookie])?;
    let mut client = server.connect()?;
    client.call("blockchain.headers.subscribe", json!([]))?;
    for height in 4..40 {
        node.mine(1)?;
        server.look_now()?;
        client.call("server.ping", json!([]))?;
        client.wait_notification(Duration::ZERO, |told| {
            told.method == "blockchain.headers.subscribe"
                && told.params[0]["height"] == json!(height)
        })?;
    }
    // With nothing to tell it is answered as well, and soon.
    let from = Instant::now();
    for _ in 0..20 {
        server.look_now()?;
        client.call("server.ping", json!([]))?;
    }
    ensure!(from.elapsed() < Duration::from_secs(10), "requests are held: {:?}", from.elapsed());
    ensure!(client.drain_notifications().is_empty(), "there was nothing to tell");
    Ok(())
}

#[test]
fn flags_of_older_versions_are_taken() -> Result<()> {
    let node = Regtest::start()?;
    node.mine(2)?;
    let (user, password) = node.credentials()?;
    let dir = tempfile::tempdir()?;
    let login = format!("{user}:{password}");
    let flags = ["-vvv", "--timestamp", "--jsonrpc-import", "--skip-default-conf-files"];
    let more = ["--wait-duration-secs", "1", "--log-filters", "INFO", "--cookie", &login];
    let mut server = Electrs::start(&node, dir.path(), &[&flags[..], &more[..]].concat())?;
    let tip = server.connect()?.call("blockchain.headers.subscribe", json!([]))?;
    ensure!(tip["height"] == 2, "{tip}");
    Ok(())
}
