//! The node of this machine, as its files tell.

use std::path::{Path, PathBuf};

use electrumx_core::coin::{Bitcoin, Chain};
use electrumx_daemon::Auth;

use super::bitcoin_conf::BitcoinConf;
use super::may_exist;
use crate::env::settings::Settings;
use crate::env::surroundings::Surroundings;
use crate::env::variables::BITCOIN_DATADIR;

/// The data directory of a Bitcoin Core or Knots node, and what its `bitcoin.conf` says.
#[derive(Debug)]
pub(crate) struct LocalNode {
    dir: PathBuf,
    conf: BitcoinConf,
}

impl LocalNode {
    /// Looks where `BITCOIN_DATADIR` says, or where nodes are by default. `None` when that is unknown.
    pub(crate) fn find(settings: &Settings, around: &Surroundings) -> Option<Self> {
        let given = settings.path(&BITCOIN_DATADIR);
        let dir = given.clone().or_else(|| around.bitcoin_dir())?;
        let text = std::fs::read_to_string(dir.join("bitcoin.conf")).unwrap_or_default();
        let conf = BitcoinConf::parse(&text);
        let moved = conf.global("datadir").map(PathBuf::from).filter(|_| given.is_none());
        Some(Self { dir: moved.unwrap_or(dir), conf })
    }

    /// Returns the data directory, which need not exist.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the networks whose nodes run, to judge by their cookies.
    pub(crate) fn running(&self) -> Vec<&'static Chain> {
        Bitcoin::CHAINS.iter().filter(|chain| may_exist(&self.cookie(chain))).collect()
    }

    /// Returns the network that `bitcoin.conf` chooses.
    pub(crate) fn configured(&self) -> Option<&'static Chain> {
        let name = self.conf.chain()?;
        Bitcoin::CHAINS.iter().find(|chain| chain.node_chain == name)
    }

    pub(crate) fn rpc_port(&self, chain: &Chain) -> u16 {
        self.conf.rpc_port(chain).unwrap_or(chain.rpc_port)
    }

    /// Returns how to log in: a node with an `rpcpassword` writes no cookie.
    pub(crate) fn auth(&self, chain: &Chain) -> Auth {
        match self.conf.of_chain(chain, "rpcpassword") {
            Some(password) => Auth::Password {
                user: self.conf.of_chain(chain, "rpcuser").unwrap_or_default().to_owned(),
                password: password.to_owned(),
            },
            None => Auth::Cookie(self.cookie(chain)),
        }
    }

    /// Returns the directory of the chain's block files.
    pub(crate) fn blocks_dir(&self, chain: &Chain) -> PathBuf {
        let dir = self.conf.of_chain(chain, "blocksdir").map_or(self.dir.as_path(), Path::new);
        dir.join(chain.node_subdir).join("blocks")
    }

    fn cookie(&self, chain: &Chain) -> PathBuf {
        let name = self.conf.of_chain(chain, "rpccookiefile").unwrap_or(".cookie");
        self.dir.join(chain.node_subdir).join(name)
    }
}
