//! A server with all its services, and clients that speak lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use electrumx_testkit::{Regtest, ReservedPort, ServerProcess, wait_until};
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_electrumx-server");

/// How long anything may take before it counts as never happening.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node and a server on it, with a service of each kind.
pub(crate) struct Setup {
    // Ends before its node does.
    pub(crate) server: ServerProcess,
    pub(crate) node: Regtest,
    dir: TempDir,
    ports: Vec<ReservedPort>,
}

impl Setup {
    pub(crate) fn start(extra: &[(&str, &str)]) -> Result<Self> {
        let node = Regtest::builder().start()?;
        Self::on(node, tempfile::tempdir()?, extra)
    }

    /// Starts a server on this node whose database is `db` in this directory.
    pub(crate) fn on(node: Regtest, dir: TempDir, extra: &[(&str, &str)]) -> Result<Self> {
        let ports: Vec<_> = (0..5).map(|_| ReservedPort::new()).collect::<Result<_>>()?;
        let mut services: Vec<_> = ["tcp", "ssl", "ws", "wss", "rpc"]
            .iter()
            .zip(&ports)
            .map(|(protocol, port)| format!("{protocol}://{}", port.addr()))
            .collect();
        services.push(format!("unix://{}", dir.path().join("socket").display()));
        let services = services.join(",");
        let mut env = vec![("SERVICES", &*services), ("DAEMON_POLL_INTERVAL_BLOCKS", "50")];
        env.extend(extra);
        let db = dir.path().join("db");
        let server = ServerProcess::for_node(Path::new(SERVER), &node, &db, &env)?;
        let mut setup = Self { server, node, dir, ports };
        setup.wait_ready()?;
        Ok(setup)
    }

    /// Waits until every service takes connections: they open one after the other.
    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        self.server.wait_ready(PATIENCE)?;
        wait_until(PATIENCE, "all services", || {
            for port in &self.ports {
                TcpStream::connect(port.addr()).with_context(|| port.addr())?;
            }
            let path = self.unix();
            unix(&path)?;
            let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
            ensure!(mode == 0o660, "the mode of the Unix socket is {mode:o}");
            Ok(())
        })
    }

    pub(crate) fn ssl(&self) -> SocketAddr {
        self.ports[1].addr()
    }

    pub(crate) fn ws(&self) -> SocketAddr {
        self.ports[2].addr()
    }

    pub(crate) fn wss(&self) -> SocketAddr {
        self.ports[3].addr()
    }

    pub(crate) fn unix(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Where the server keeps the certificate of its own.
    pub(crate) fn tls_dir(&self) -> PathBuf {
        self.dir.path().join("db/tls")
    }

    /// Transport and address of every session.
    pub(crate) fn sessions(&self) -> Result<Vec<(String, String)>> {
        let rows = self.server.rpc("sessions", json!([]))?;
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        let rows = rows.as_array().context("no list")?.iter();
        rows.map(|row| text(&row[1]).zip(text(&row[2])).context("odd row")).collect()
    }

    /// Waits until the transports of all sessions are these, in any order.
    pub(crate) fn sessions_become(&self, letters: &str) -> Result<()> {
        let mut wanted: Vec<_> = letters.chars().map(String::from).collect();
        wanted.sort();
        wait_until(PATIENCE, "the sessions", || {
            let mut have: Vec<_> = self.sessions()?.into_iter().map(|(flags, _)| flags).collect();
            have.sort();
            ensure!(have == wanted, "{have:?}");
            Ok(())
        })
    }
}

/// What a client of lines runs over.
pub(crate) trait Wire: Read + Write {}

impl<S: Read + Write> Wire for S {}

/// A client that sends and receives lines.
pub(crate) struct LineClient<S: Wire>(BufReader<S>);

impl<S: Wire> LineClient<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        self.0.get_mut()
    }

    /// Sends bytes and reads a line.
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> Result<Value> {
        self.stream().write_all(bytes)?;
        self.stream().flush()?;
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "the connection ended");
        Ok(serde_json::from_str(&line)?)
    }

    /// Agrees on a version, which every transport answers alike.
    pub(crate) fn greet(&mut self) -> Result<()> {
        let answer = self.exchange(&[GREETING.as_bytes(), b"\n"].concat())?;
        ensure!(is_greeted(&answer), "{answer}");
        Ok(())
    }
}

pub(crate) const GREETING: &str =
    r#"{"id":"g","method":"server.version","params":["transports",["1.4","1.4"]]}"#;

pub(crate) fn is_greeted(answer: &Value) -> bool {
    answer["id"] == "g" && answer["result"][1] == "1.4"
}

pub(crate) fn tcp(addr: SocketAddr) -> Result<TcpStream> {
    tcp_from(Ipv4Addr::LOCALHOST, addr)
}

/// Connects from another address of this machine.
pub(crate) fn tcp_from(from: Ipv4Addr, addr: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SockAddr::from(SocketAddr::from((from, 0))))?;
    socket.connect(&SockAddr::from(addr))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub(crate) fn unix(path: &Path) -> Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads to the end, which a reset is too; returns what came before.
pub(crate) fn read_to_end(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(err) if err.kind() != std::io::ErrorKind::ConnectionReset => Err(err.into()),
        _ => Ok(bytes),
    }
}
