//! Electrum's daemon and command line, in a folder of their own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use electrumx_testkit::{Auth, NodeClient, electrum_backports_exe, electrum_exe, wait_until};
use serde_json::Value;
use tempfile::TempDir;

/// Loading a Python program of this size takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const USER: &str = "wallet";
const PASSWORD: &str = "secret";

/// Which Electrum.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Release {
    /// Of the host's Debian: 4.3 on bookworm.
    Debian,
    /// Of bookworm's backports: 4.5.
    Backports,
}

/// How it talks to the server, as in Electrum's list of servers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport {
    Tcp,
    Tls,
}

/// An Electrum wallet. Dropping it ends its daemon; when the test panics, what the daemon said is shown.
#[derive(Debug)]
pub(crate) struct Electrum {
    exe: PathBuf,
    dir: TempDir,
    daemon: Option<(Child, NodeClient)>,
}

impl Electrum {
    /// A folder without a wallet yet, and no daemon.
    pub(crate) fn new(release: Release) -> Result<Self> {
        let exe = match release {
            Release::Debian => electrum_exe(),
            Release::Backports => electrum_backports_exe(),
        };
        let exe = exe.context("no Electrum for the test")?;
        let dir = tempfile::Builder::new().prefix("electrumx-wallet-").tempdir()?;
        Ok(Self { exe, dir, daemon: None })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.exe);
        command.args(args).arg("--regtest").arg("-D").arg(self.dir.path());
        command.args(["--rpcuser", USER, "--rpcpassword", PASSWORD]);
        // Whatever else it wants to keep at home goes to the same folder.
        command.env("HOME", self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and returns what it printed.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String> {
        let (out, err) = (self.dir.path().join("stdout"), self.dir.path().join("stderr"));
        let mut command = self.command(args);
        let child = command.stdout(File::create(&out)?).stderr(File::create(&err)?).spawn();
        let mut child = child.with_context(|| format!("cannot start {}", self.exe.display()))?;
        let ended = wait_until(PATIENCE, "the command to end", || {
            child.try_wait()?.context("still running")
        });
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let said = read(&out);
        match ended {
            Ok(status) if status.success() => Ok(said.trim().to_owned()),
            Ok(status) => bail!("electrum {args:?}: {status}\n{said}\n{}", read(&err)),
            Err(error) => bail!("electrum {args:?}: {error:#}\n{said}\n{}", read(&err)),
        }
    }

    /// [`Self::run`] for commands that print JSON.
    pub(crate) fn run_json(&self, args: &[&str]) -> Result<Value> {
        let said = self.run(args)?;
        serde_json::from_str(&said).with_context(|| format!("electrum {args:?} printed: {said}"))
    }

    /// Starts the daemon on this server, and no other, and opens the wallet in it.
    pub(crate) fn start_daemon(&mut self, server: SocketAddr, transport: Transport) -> Result<()> {
        let log = File::create(self.log())?;
        let mut command = self.command(&["daemon", "--rpcsock", "tcp", "-v*"]);
        let letter = match transport {
            Transport::Tcp => 't',
            Transport::Tls => 's',
        };
        command.args(["--oneserver", "--server", &format!("{server}:{letter}")]);
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        // Any address will do until the daemon has told its own.
        let client = |addr| {
            let login = Auth::UserPass(USER.to_owned(), PASSWORD.to_owned());
            NodeClient::new(addr, login, PathBuf::new())
        };
        let (child, rpc) = self.daemon.insert((child, client(server)));
        let lockfile = self.dir.path().join("regtest/daemon");
        let ready = wait_until(PATIENCE, "Electrum's daemon to listen", || {
            if let Some(status) = child.try_wait()? {
                return Ok(Err(status));
            }
            let text = std::fs::read_to_string(&lockfile)?;
            Ok(Ok(daemon_addr(&text).with_context(|| format!("lock file: {text}"))?))
        });
        match ready {
            Ok(Ok(addr)) => *rpc = client(addr),
            Ok(Err(status)) => bail!("the daemon ended: {status}\n{}", self.log_tail()),
            Err(error) => bail!("{error:#}\n{}", self.log_tail()),
        }
        let loaded = self.call("load_wallet")?;
        // 4.5 says nothing when all is well.
        ensure!(loaded == true || loaded.is_null(), "load_wallet: {loaded}");
        Ok(())
    }

    /// Ends the daemon in good order.
    pub(crate) fn stop_daemon(&mut self) -> Result<()> {
        self.call("stop")?;
        let (child, _) = self.daemon.as_mut().context("no daemon")?;
        wait_until(PATIENCE, "the daemon to end", || child.try_wait()?.context("still running"))?;
        self.daemon = None;
        Ok(())
    }

    /// Asks the daemon directly: what the command line does too, without loading Python each time.
    pub(crate) fn call(&self, method: &str) -> Result<Value> {
        self.call_with(method, &[])
    }

    /// [`Self::call`] with arguments, in the order of the command's parameters.
    pub(crate) fn call_with(&self, method: &str, params: &[Value]) -> Result<Value> {
        let (_, rpc) = self.daemon.as_ref().context("no daemon")?;
        rpc.call(method, params)
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("daemon.log")
    }

    /// The last of what the daemon said.
    pub(crate) fn log_tail(&self) -> String {
        let text = read(&self.log());
        // It measures itself at each call.
        let lines: Vec<_> = text.lines().filter(|line| !line.contains(".profiler |")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// The address in the daemon's lock file, which is a Python tuple: `('tcp', ('127.0.0.1', 7777), 1700000000.5)`.
fn daemon_addr(lockfile: &str) -> Option<SocketAddr> {
    let (_, rest) = lockfile.split_once("('tcp', ('")?;
    let (host, rest) = rest.split_once("', ")?;
    let (port, _) = rest.split_once(')')?;
    Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
}

fn read(path: &Path) -> String {
    std::fs::read(path)
        .map_or_else(|e| e.to_string(), |bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
}

impl Drop for Electrum {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.daemon.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                #[expect(clippy::print_stderr, reason = "for whoever reads why the test failed")]
                {
                    eprintln!("end of what Electrum said:\n{}", self.log_tail());
                }
            }
        }
    }
}
