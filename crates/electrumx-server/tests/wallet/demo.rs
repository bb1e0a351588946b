//! `scripts/demo`, which is what strangers run first.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use electrumx_testkit::{ReservedPort, bitcoind_exe, repo_root, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[test]
fn the_demo_prints_a_query_with_its_answer_and_leaves_nothing_behind() {
    let (port, rpc_port) = (ReservedPort::new().unwrap(), ReservedPort::new().unwrap());
    // Somebody else has the port already; the demo has to take another.
    let _other = port.occupy().unwrap();
    let said = demo(&port, &rpc_port).unwrap();

    let server = said.lines().find_map(|line| line.strip_suffix(" (TCP)")?.split("  ").last());
    let server: SocketAddr = server.expect("it says where the server is").parse().unwrap();
    assert_ne!(server.port(), port.port());
    assert!(TcpStream::connect(server).is_err(), "a server is still there at {server}");
    let log = said.lines().find_map(|line| line.strip_prefix("Its log: "));
    let folder = Path::new(log.expect("it says where the log is")).parent().unwrap();
    assert!(!folder.exists(), "{} is still there", folder.display());

    let answer = said.lines().find_map(|line| line.strip_prefix("    < "));
    let answer: Value = serde_json::from_str(answer.expect("it prints an answer")).unwrap();
    assert!(answer["result"]["confirmed"].as_u64() > Some(0), "{answer}");
}

/// What `scripts/demo --once` prints.
fn demo(port: &ReservedPort, rpc_port: &ReservedPort) -> Result<String> {
    let out = tempfile::NamedTempFile::new()?;
    let bin = Path::new(env!("CARGO_BIN_EXE_electrumx-server")).parent().context("a folder")?;
    let mut command = Command::new(repo_root().join("scripts/demo"));
    command
        .arg("--once")
        .env("BITCOIND_EXE", bitcoind_exe()?)
        .env("DEMO_PORT", port.port().to_string())
        .env("DEMO_RPC_PORT", rpc_port.port().to_string())
        .env("DEMO_INTERVAL", "1");
    // Another package's program: it is there when the whole workspace is tested.
    if bin.join("regtest-life").is_file() {
        command.env("DEMO_BIN_DIR", bin);
    } else {
        command.env("DEMO_PROFILE", "dev");
    }
    let mut child = command.stdin(Stdio::null()).stdout(out.reopen()?).spawn()?;
    let ended = wait_until(Duration::from_secs(600), "the demo to end", || {
        child.try_wait()?.context("still running")
    });
    if ended.is_err() {
        end(&mut child)?;
    }
    let (status, said) = (ended?, std::fs::read_to_string(out.path())?);
    ensure!(status.success(), "scripts/demo: {status}\n{said}");
    Ok(said)
}

/// The demo ends what it started when it is asked to end.
fn end(child: &mut Child) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(child.id())?).context("no process id")?;
    kill_process(pid, Signal::TERM)?;
    child.wait()?;
    Ok(())
}
