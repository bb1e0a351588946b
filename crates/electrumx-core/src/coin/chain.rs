//! Network parameters as data.

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;

use crate::position::Height;

/// A network of a coin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Network {
    /// The main network.
    Mainnet,
    /// Bitcoin's third test network.
    Testnet3,
    /// Bitcoin's fourth test network (BIP 94).
    Testnet4,
    /// The default signet (BIP 325).
    Signet,
    /// A private network for tests.
    Regtest,
}

/// The parameters of one network of one coin.
#[derive(Debug, PartialEq, Eq)]
pub struct Chain {
    /// The coin's name as in ElectrumX's `COIN`.
    pub coin: &'static str,
    /// The coin's ticker.
    pub shortname: &'static str,
    /// The network.
    pub network: Network,
    /// The network's name as in ElectrumX's `NET`.
    pub net: &'static str,
    /// Other names that are accepted for the network.
    pub aliases: &'static [&'static str],
    /// What the node calls the network (`chain` of `getblockchaininfo`).
    pub node_chain: &'static str,
    /// Folder of the network below the node's data directory; empty for the main network.
    pub node_subdir: &'static str,
    /// Port of the node's RPC when none is configured.
    pub rpc_port: u16,
    /// What begins each message to a peer and each record of a block file (`pchMessageStart`).
    pub magic: [u8; 4],
    /// Genesis block, in hash order.
    pub genesis: [u8; 32],
    /// Blocks below the tip that a reorg is assumed never to reach; the undo window of the base tier.
    pub reorg_limit: Height,
    /// Port of the network's Electrum servers on TCP by convention.
    pub electrum_tcp_port: u16,
    /// Port of the network's Electrum servers on TLS by convention.
    pub electrum_ssl_port: u16,
    /// Bitcoin's average time between two blocks, in seconds: for progress reports.
    pub block_interval_secs: u32,
}

impl Chain {
    /// Returns the hash of the genesis block.
    #[must_use]
    pub fn genesis_hash(&self) -> BlockHash {
        BlockHash::from_byte_array(self.genesis)
    }

    /// Tells whether `net` names this network, in any case.
    #[must_use]
    pub fn is_named(&self, net: &str) -> bool {
        self.net.eq_ignore_ascii_case(net)
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(net))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.coin, self.net)
    }
}
