//! Started with nothing configured beside a local node it just works.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_testkit::{ElectrumClient, Regtest, ReservedPort, Truth, wait_until};
use serde_json::json;

use crate::common::{PATIENCE, SERVER, tip_json};
use crate::compare::compare_scripts;

/// A process that is ended with the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn beside_a_local_node_nothing_needs_to_be_configured() {
    let home = tempfile::tempdir().unwrap();
    let datadir = home.path().join(".bitcoin");
    let node = Regtest::builder().cookie().datadir(&datadir).start().unwrap();
    node.mine(110).unwrap();
    node.fund(&electrumx_testkit::fresh_script(), 100_000).unwrap();
    assert!(datadir.join("regtest/.cookie").is_file());
    // The node got its port on the command line; an operator's is in the file.
    let port = node.rpc_addr().port();
    let conf = format!("server=1\nregtest=1\n[regtest]\nrpcport={port}\n");
    std::fs::write(datadir.join("bitcoin.conf"), conf).unwrap();

    // One at a time on this machine, since the ports are the usual ones.
    let _turn = turn().unwrap();
    let usual = Bitcoin::new(Network::Regtest).chain().electrum_tcp_port;
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let places = [local(usual), local(8000)];
    let taken = places.iter().any(|place| TcpListener::bind(place).is_err());
    let other = [ReservedPort::new().unwrap(), ReservedPort::new().unwrap()];
    let (tcp, rpc, services) = if taken {
        eprintln!("a usual port is taken on this machine: SERVICES names others");
        let services = format!("tcp://{},rpc://{}", other[0].addr(), other[1].addr());
        (other[0].addr(), other[1].addr(), Some(services))
    } else {
        (places[0], places[1], None)
    };

    let log_file = home.path().join("log");
    let mut server = launch(home.path(), &log_file, services.as_deref()).unwrap();
    let log = || std::fs::read_to_string(&log_file).unwrap_or_else(|error| error.to_string());
    let mut truth = Truth::default();
    truth.scan_mempool(&node).unwrap();
    wait_until(PATIENCE, "the server's answers", || {
        if let Some(status) = server.0.try_wait()? {
            bail!("it ended: {status}\n{}", log());
        }
        let mut client = ElectrumClient::connect_version(tcp, "1.4").with_context(log)?;
        let tip = client.call("blockchain.headers.subscribe", json!([]))?;
        ensure!(tip == tip_json(&truth), "{tip}");
        compare_scripts(&mut client, &truth)
    })
    .unwrap();
    let info = ElectrumClient::connect(rpc).unwrap().call("getinfo", json!([])).unwrap();
    assert_eq!(info["pid"], json!(server.0.id()));

    // Its index is below the user's data directory, and nothing else was left in the home.
    let data = home.path().join(".local/share/electrumx/bitcoin-regtest");
    assert!(data.is_dir() && std::fs::read_dir(&data).unwrap().count() > 0);
    let mut left: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".bitcoin", ".local", "log"]);

    // It says what it chose: node, cookie, network, directory, ports.
    let log = log();
    let cookie = datadir.join("regtest/.cookie");
    for word in [
        format!("127.0.0.1:{port}"),
        cookie.display().to_string(),
        "regtest".to_owned(),
        data.display().to_string(),
        tcp.to_string(),
        rpc.to_string(),
    ] {
        assert!(log.contains(&word), "it does not say {word}:\n{log}");
    }
    assert!(!log.contains("ERROR"), "{log}");
    only_on_loopback(tcp, rpc).unwrap();

    let id = i32::try_from(server.0.id()).unwrap();
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = wait_until(Duration::from_secs(10), "the server to end", || {
        server.0.try_wait()?.context("still running")
    });
    assert_eq!(status.unwrap().code(), Some(0));
}

/// The program alone with a home; of the environment it gets nothing else that could configure it.
fn launch(home: &Path, log: &Path, services: Option<&str>) -> Result<Guard> {
    let log = File::create(log)?;
    let mut command = Command::new(SERVER);
    command.env_clear().env("HOME", home).current_dir(home);
    for key in ["PATH", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(key) {
            command.env(key, value);
        }
    }
    if let Some(services) = services {
        command.env("SERVICES", services);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(Guard(command.spawn()?))
}

/// A lock that other runs of this test wait for.
fn turn() -> Result<File> {
    let path = std::env::temp_dir().join("electrumx-zero-config-test.lock");
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    Ok(file)
}

/// A listener on all interfaces would be in the way of one on another address of loopback.
fn only_on_loopback(tcp: SocketAddr, rpc: SocketAddr) -> Result<()> {
    for place in [tcp, rpc] {
        let other = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), place.port()));
        TcpListener::bind(other).with_context(|| format!("{place} is not alone on its address"))?;
    }
    Ok(())
}
