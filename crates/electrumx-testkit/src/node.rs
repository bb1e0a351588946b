//! A bitcoind of the test's own.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use crate::node_builder::{Auth, Chain, RegtestBuilder};
use crate::ports::ReservedPort;
use crate::rpc::NodeClient;
use crate::{bitcoind_exe, wait_until};

/// Unlike arguments, unknown settings in the file are no error: some of these are only known to Knots, which
/// is choosier than Core about what it relays.
const CONFIG: &str = "\
corepolicy=1
permitbaremultisig=1
permitbarepubkey=1
permitbaredatacarrier=1
datacarrier=1
datacarriersize=83
acceptnonstdtxn=1
acceptunknownwitness=1
rejectparasites=0
rejecttokens=0
mempoolfullrbf=1
spkreuse=allow
blockmaxsize=4000000
blockmaxweight=4000000
";

/// A running node on regtest (or, offline, another chain). Dropping it ends it. All calls of
/// [`NodeClient`] can be made on it.
#[derive(Debug)]
pub struct Regtest {
    client: NodeClient,
    child: Mutex<Option<Child>>,
    command: Vec<String>,
    exe: PathBuf,
    settings: RegtestBuilder,
    datadir: PathBuf,
    zmq: Option<ReservedPort>,
    p2p: Option<ReservedPort>,
    _rpc: ReservedPort,
    _temp: Option<TempDir>,
}

impl Deref for Regtest {
    type Target = NodeClient;

    fn deref(&self) -> &NodeClient {
        &self.client
    }
}

impl Regtest {
    /// Starts a fresh regtest node.
    ///
    /// # Errors
    /// When there is no executable, or the node does not come up.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// For other settings than the usual ones.
    #[must_use]
    pub fn builder() -> RegtestBuilder {
        RegtestBuilder::default()
    }

    pub(crate) fn with(settings: RegtestBuilder) -> Result<Self> {
        let exe = match &settings.exe {
            Some(exe) => exe.clone(),
            None => bitcoind_exe().context("no bitcoind for the tests")?,
        };
        let mut last = anyhow!("not tried");
        // A program without the kit may take a port between the choice and the start.
        for _ in 0..3 {
            match Self::attempt(&exe, &settings) {
                Ok(node) => return Ok(node),
                Err(error) if format!("{error:#}").contains("bind") => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn attempt(exe: &Path, settings: &RegtestBuilder) -> Result<Self> {
        let mut temp = None;
        let datadir = if let Some(path) = &settings.datadir {
            path.clone()
        } else {
            let mut dir = tempfile::Builder::new().prefix("electrumx-node-").tempdir()?;
            dir.disable_cleanup(settings.keep);
            temp.insert(dir).path().to_owned()
        };
        std::fs::create_dir_all(&datadir)?;
        let datadir = datadir.canonicalize()?;
        if settings.chain == Chain::Regtest {
            std::fs::write(datadir.join("bitcoin.conf"), CONFIG)?;
        }

        let rpc = ReservedPort::new()?;
        let mut command = vec![
            format!("-chain={}", settings.chain.name()),
            format!("-datadir={}", datadir.display()),
            format!("-rpcport={}", rpc.port()),
        ];
        let usual = "-server=1 -rpcbind=127.0.0.1 -rpcallowip=127.0.0.1 -rest=1 -printtoconsole=0 \
            -connect=0 -dnsseed=0 -fallbackfee=0.0001 -dbcache=64 -rpcthreads=4 \
            -rpcworkqueue=256";
        command.extend(usual.split_whitespace().map(str::to_owned));
        if let Auth::UserPass(user, password) = &settings.auth {
            command.push(format!("-rpcuser={user}"));
            command.push(format!("-rpcpassword={password}"));
        }
        if !settings.wallet {
            command.push("-disablewallet=1".into());
        }
        let zmq = settings.zmq.then(ReservedPort::new).transpose()?;
        if let Some(port) = &zmq {
            for topic in ["hashblock", "hashtx", "rawblock", "rawtx", "sequence"] {
                command.push(format!("-zmqpub{topic}=tcp://{}", port.addr()));
            }
        }
        let p2p = settings.p2p.then(ReservedPort::new).transpose()?;
        match &p2p {
            Some(port) => command.push(format!("-bind={}", port.addr())),
            None => command.push("-listen=0".into()),
        }
        command.extend(settings.args.iter().cloned());

        let cookie_file = datadir.join(settings.chain.folder()).join(".cookie");
        let node = Self {
            client: NodeClient::new(rpc.addr(), settings.auth.clone(), cookie_file),
            child: Mutex::new(None),
            command,
            exe: exe.to_owned(),
            settings: settings.clone(),
            datadir,
            zmq,
            p2p,
            _rpc: rpc,
            _temp: temp,
        };
        node.launch()?;
        Ok(node)
    }

    fn launch(&self) -> Result<()> {
        let stderr = self.datadir.join("stderr.txt");
        let child = Command::new(&self.exe)
            .args(&self.command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.exe.display()))?;
        let mut guard = self.child()?;
        let child = guard.insert(child);
        let ready = wait_until(self.settings.timeout, "the node to answer", || {
            if let Some(status) = child.try_wait()? {
                return Ok(Err(status)); // no use in waiting further
            }
            self.client.call("getblockchaininfo", &[]).map(Ok)
        });
        let trouble = match ready {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(status)) => anyhow!("it ended at once: {status}"),
            Err(error) => error,
        };
        let _ = child.kill();
        let _ = child.wait();
        *guard = None;
        let said = std::fs::read_to_string(&stderr).unwrap_or_default();
        bail!(
            "the node {} did not start: {trouble:#}\n{}\nend of its log:\n{}",
            self.exe.display(),
            said.trim(),
            self.log_tail(15)
        )
    }

    fn child(&self) -> Result<std::sync::MutexGuard<'_, Option<Child>>> {
        self.child.lock().map_err(|_| anyhow!("another thread panicked while it started the node"))
    }

    /// Ends the node in good order; [`Self::restart`] can start it again.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(&self) -> Result<()> {
        let mut guard = self.child()?;
        let Some(child) = guard.as_mut() else { return Ok(()) };
        self.client.call("stop", &[])?;
        wait_until(Duration::from_secs(60), "the node to stop", || {
            child.try_wait()?.context("still running")
        })?;
        *guard = None;
        Ok(())
    }

    /// Ends the node at once, as a crash would.
    pub fn kill(&self) {
        if let Ok(Some(mut child)) = self.child.lock().map(|mut guard| guard.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops the node if it runs and starts it again with the same data and ports.
    ///
    /// # Errors
    /// When it does not stop or come up again.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    /// A further connection to the node, to be used apart from this value.
    #[must_use]
    pub fn client(&self) -> NodeClient {
        self.client.clone()
    }

    /// The chain it is on.
    #[must_use]
    pub const fn chain(&self) -> Chain {
        self.settings.chain
    }

    /// `http://host:port/`, without user and password; see also `daemon_url`.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}/", self.client.rpc_addr())
    }

    /// The node's folder.
    #[must_use]
    pub fn datadir(&self) -> &Path {
        &self.datadir
    }

    /// Where it announces blocks and transactions, if asked to.
    #[must_use]
    pub fn zmq_addr(&self) -> Option<SocketAddr> {
        self.zmq.as_ref().map(ReservedPort::addr)
    }

    /// Where it listens for peers, if asked to.
    #[must_use]
    pub fn p2p_addr(&self) -> Option<SocketAddr> {
        self.p2p.as_ref().map(ReservedPort::addr)
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.lock().ok().and_then(|guard| guard.as_ref().map(Child::id))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let path = self.datadir.join(self.settings.chain.folder()).join("debug.log");
        crate::server::tail(&path, lines)
    }
}

impl Drop for Regtest {
    fn drop(&mut self) {
        // Kept data must be whole; a temporary folder is thrown away anyhow.
        if self.settings.datadir.is_some() || self.settings.keep {
            let _ = self.stop();
        }
        self.kill();
    }
}
