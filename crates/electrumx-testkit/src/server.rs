//! The server under test as a process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{ElectrumClient, Regtest, ReservedPort, RpcError, wait_until};

/// The usual settings of a server on `node`: chain, data folder, the node's address.
///
/// # Errors
/// When the node has no credentials (yet).
pub fn node_env(node: &Regtest, db_dir: &Path) -> Result<Vec<(String, String)>> {
    let folder = db_dir.to_str().context("the data folder's name is not UTF-8")?;
    Ok(vec![
        ("COIN".into(), "Bitcoin".into()),
        ("NET".into(), node.chain().net().into()),
        ("DB_DIRECTORY".into(), folder.into()),
        ("DAEMON_URL".into(), node.daemon_url()?),
    ])
}

/// A running server. Dropping it ends it; when the test panics the end of its log is shown.
#[derive(Debug)]
pub struct ServerProcess {
    exe: PathBuf,
    env: Vec<(OsString, OsString)>,
    child: Option<Child>,
    tcp: SocketAddr,
    rpc: SocketAddr,
    log: PathBuf,
    _ports: Vec<ReservedPort>,
    _temp: TempDir,
}

impl ServerProcess {
    /// Starts `exe` with these settings and no others: of this process's environment it gets only what every
    /// program needs. Without `SERVICES` among them it listens on free ports (tcp and rpc) on loopback;
    /// `PEER_DISCOVERY=off`, `LOG_LEVEL=info` and no limits of costs hold unless set.
    ///
    /// # Errors
    /// When it cannot be started. That it ends at once is told by [`Self::wait_ready`].
    pub fn start<K: AsRef<str>, V: AsRef<str>>(exe: &Path, env: &[(K, V)]) -> Result<Self> {
        let mut env: Vec<(String, String)> =
            env.iter().map(|(k, v)| (k.as_ref().to_owned(), v.as_ref().to_owned())).collect();
        let mut ports = Vec::new();
        let given = env.iter().find(|(key, _)| key == "SERVICES").map(|(_, value)| value.clone());
        let services = if let Some(services) = given {
            services
        } else {
            ports = vec![ReservedPort::new()?, ReservedPort::new()?];
            let services = format!("tcp://{},rpc://{}", ports[0].addr(), ports[1].addr());
            env.push(("SERVICES".into(), services.clone()));
            services
        };
        let usual = [
            ("PEER_DISCOVERY", "off"),
            ("LOG_LEVEL", "info"),
            ("COST_SOFT_LIMIT", "0"),
            ("COST_HARD_LIMIT", "0"),
        ];
        for (key, value) in usual {
            if !env.iter().any(|(have, _)| have == key) {
                env.push((key.into(), value.into()));
            }
        }
        let service = |kind: &str| -> Result<SocketAddr> {
            let mut all = services.split(',').map(str::trim);
            let found = all.find_map(|s| s.strip_prefix(kind)?.strip_prefix("://")?.parse().ok());
            found.with_context(|| format!("SERVICES has no {kind}://IP:PORT: {services}"))
        };
        let temp = tempfile::Builder::new().prefix("electrumx-server-").tempdir()?;
        let mut server = Self {
            exe: exe.to_owned(),
            env: env.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            child: None,
            tcp: service("tcp")?,
            rpc: service("rpc")?,
            log: temp.path().join("server.log"),
            _ports: ports,
            _temp: temp,
        };
        server.launch()?;
        Ok(server)
    }

    /// [`Self::start`] with [`node_env`] and then `extra`, of which later entries win.
    ///
    /// # Errors
    /// As for `start`.
    pub fn for_node(
        exe: &Path,
        node: &Regtest,
        db_dir: &Path,
        extra: &[(&str, &str)],
    ) -> Result<Self> {
        let mut env = node_env(node, db_dir)?;
        env.retain(|(key, _)| !extra.iter().any(|(name, _)| name == key));
        env.extend(extra.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())));
        Self::start(exe, &env)
    }

    fn launch(&mut self) -> Result<()> {
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new(&self.exe);
        command.env_clear().envs(self.env.iter().cloned());
        // What every program may need, and what coverage runs and debugging do.
        for key in ["PATH", "HOME", "TMPDIR", "LANG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(key) {
                command.env(key, value);
            }
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.child = Some(child.with_context(|| format!("cannot start {}", self.exe.display()))?);
        Ok(())
    }

    /// Waits until the server takes connections, which it does once it has caught up with the node.
    ///
    /// # Errors
    /// When it ends or is not ready in time; the text has the end of its log.
    pub fn wait_ready(&mut self, timeout: Duration) -> Result<()> {
        let (tcp, rpc) = (self.tcp, self.rpc);
        let child = self.child.as_mut().context("the server is not running")?;
        let ready = wait_until(timeout, "the server to take connections", || {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            TcpStream::connect(tcp).with_context(|| format!("tcp {tcp}"))?;
            TcpStream::connect(rpc).with_context(|| format!("rpc {rpc}"))?;
            Ok(None)
        });
        let trouble = match ready {
            Ok(None) => return Ok(()),
            Ok(Some(status)) => format!("the server ended: {status}"),
            Err(error) => format!("{error:#}"),
        };
        bail!("{trouble}\nend of its log:\n{}", self.log_tail(40))
    }

    /// Where it takes Electrum clients.
    #[must_use]
    pub const fn tcp_addr(&self) -> SocketAddr {
        self.tcp
    }

    /// Where it takes its operator's calls.
    #[must_use]
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.rpc
    }

    /// A new client connection.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn connect(&self) -> Result<ElectrumClient> {
        ElectrumClient::connect(self.tcp)
    }

    /// One operator's call (`LocalRPC`).
    ///
    /// # Errors
    /// The server's error, or that it gave no answer.
    pub fn rpc(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let client = ElectrumClient::connect(self.rpc).map_err(RpcError::transport);
        client?.call(method, params)
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill9(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// When it is not running or does not end in time; then it still runs.
    pub fn terminate(&mut self, timeout: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_exit(timeout)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it is not running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid()?)?).context("no process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not in time; the text has the end of its log.
    pub fn wait_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("the server is not running")?;
        let ended =
            wait_until(timeout, "the server to end", || child.try_wait()?.context("still running"));
        match ended {
            Ok(status) => {
                self.child = None;
                Ok(status)
            }
            Err(error) => bail!("{error:#}\nend of its log:\n{}", self.log_tail(40)),
        }
    }

    /// Starts it again with the same settings and ports, after it has ended; the log goes on.
    ///
    /// # Errors
    /// When it still runs or cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        let running = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        ensure!(!running, "the server still runs");
        self.launch()
    }

    /// The process id.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the server is not running")?.id())
    }

    /// Memory it has in use now (resident).
    ///
    /// # Errors
    /// When it is not running.
    pub fn rss_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("no VmRSS: has it ended?")?.parse::<u64>()? * 1024)
    }

    /// Processor time it has used, of all threads.
    ///
    /// # Errors
    /// When it is not running.
    #[expect(clippy::cast_precision_loss, reason = "a measurement for people")]
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        // The program's name (second field) is in brackets and may hold anything.
        let (_, rest) = stat.rsplit_once(')').context("odd /proc stat")?;
        let field = |n: usize| rest.split_whitespace().nth(n).and_then(|s| s.parse::<u64>().ok());
        let ticks = field(11).zip(field(12)).map(|(user, system)| user + system);
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(ticks.context("odd /proc stat")? as f64 / per_second as f64)
    }

    /// All it has logged.
    #[must_use]
    pub fn log_text(&self) -> String {
        std::fs::read(&self.log)
            .map_or_else(|e| e.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.kill9();
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "for whoever reads why the test failed")]
            {
                eprintln!("end of the server's log:\n{}", self.log_tail(60));
            }
        }
    }
}

/// The last lines of a file, at most 64 KiB.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(1 << 16)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<_> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("({}: {error})", path.display()),
    }
}
