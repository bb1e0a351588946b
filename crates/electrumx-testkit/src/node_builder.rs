//! How a node is to be started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::node::Regtest;

/// How to log in to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// A fixed user and password.
    UserPass(String, String),
    /// The cookie file in the node's folder, new at each start.
    Cookie,
}

/// Which chain the node is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Blocks on demand.
    Regtest,
    /// The real chain (offline, from a block file).
    Mainnet,
    /// The third test chain (offline, from a block file).
    Testnet3,
}

impl Chain {
    /// What bitcoind's `-chain` wants.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regtest => "regtest",
            Self::Mainnet => "main",
            Self::Testnet3 => "test",
        }
    }

    /// What the server's `NET` wants.
    #[must_use]
    pub const fn net(self) -> &'static str {
        match self {
            Self::Regtest => "regtest",
            Self::Mainnet => "mainnet",
            Self::Testnet3 => "testnet",
        }
    }

    /// The node's sub-folder for the chain.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Regtest => "regtest",
            Self::Mainnet => "",
            Self::Testnet3 => "testnet3",
        }
    }

    /// The same for the `bitcoin` crate.
    #[must_use]
    pub const fn network(self) -> bitcoin::Network {
        match self {
            Self::Regtest => bitcoin::Network::Regtest,
            Self::Mainnet => bitcoin::Network::Bitcoin,
            Self::Testnet3 => bitcoin::Network::Testnet,
        }
    }
}

/// Settings of a node to start; get one with [`Regtest::builder`].
#[derive(Debug, Clone)]
pub struct RegtestBuilder {
    pub(crate) exe: Option<PathBuf>,
    pub(crate) chain: Chain,
    pub(crate) auth: Auth,
    pub(crate) datadir: Option<PathBuf>,
    pub(crate) keep: bool,
    pub(crate) wallet: bool,
    pub(crate) zmq: bool,
    pub(crate) p2p: bool,
    pub(crate) args: Vec<String>,
    pub(crate) timeout: Duration,
}

impl Default for RegtestBuilder {
    fn default() -> Self {
        Self {
            exe: None,
            chain: Chain::Regtest,
            auth: Auth::UserPass("testkit".into(), "secret".into()),
            datadir: None,
            keep: false,
            wallet: false,
            zmq: false,
            p2p: false,
            args: Vec::new(),
            timeout: Duration::from_secs(60),
        }
    }
}

impl RegtestBuilder {
    /// Another executable than [`crate::bitcoind_exe`].
    #[must_use]
    pub fn exe(mut self, exe: impl Into<PathBuf>) -> Self {
        self.exe = Some(exe.into());
        self
    }

    /// Another chain than regtest.
    #[must_use]
    pub const fn chain(mut self, chain: Chain) -> Self {
        self.chain = chain;
        self
    }

    /// Cookie instead of a fixed user and password.
    #[must_use]
    pub fn cookie(mut self) -> Self {
        self.auth = Auth::Cookie;
        self
    }

    /// This user and password.
    #[must_use]
    pub fn user(mut self, user: &str, password: &str) -> Self {
        self.auth = Auth::UserPass(user.to_owned(), password.to_owned());
        self
    }

    /// This folder for the node's data, kept afterwards, instead of a temporary one.
    #[must_use]
    pub fn datadir(mut self, path: &Path) -> Self {
        self.datadir = Some(path.to_owned());
        self
    }

    /// Whether to keep the temporary folder for a look at it.
    #[must_use]
    pub const fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Whether the node has its wallet (the kit's own helpers need none).
    #[must_use]
    pub const fn wallet(mut self, wallet: bool) -> Self {
        self.wallet = wallet;
        self
    }

    /// Whether the node announces blocks and transactions over ZMQ; see [`Regtest::zmq_addr`].
    #[must_use]
    pub const fn zmq(mut self, zmq: bool) -> Self {
        self.zmq = zmq;
        self
    }

    /// Whether the node listens for peers; see [`Regtest::p2p_addr`].
    #[must_use]
    pub const fn p2p(mut self, p2p: bool) -> Self {
        self.p2p = p2p;
        self
    }

    /// A further argument, e.g. `-blockmaxweight=40000`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// How long the start may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts the node and waits until it answers.
    ///
    /// # Errors
    /// When there is no executable, or the node does not come up; the text says what it wrote.
    pub fn start(self) -> Result<Regtest> {
        Regtest::with(self)
    }
}
