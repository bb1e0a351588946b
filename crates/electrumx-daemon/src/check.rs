//! Whether a node fits the configuration.

use bitcoin::BlockHash;
use electrumx_core::coin::Chain;

use crate::{BlockchainInfo, Daemon, DaemonError, NetworkInfo};

/// A node that follows the configured chain.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeCheck {
    /// State of its chain.
    pub chain: BlockchainInfo,
    /// Its software.
    pub network: NetworkInfo,
    /// What the operator should know, in whole sentences.
    pub warnings: Vec<String>,
}

/// Oldest Bitcoin Core release that is supported.
const OLDEST_CORE: u32 = 250_000;

impl Daemon {
    /// Checks that the node follows `chain`. Waits for the node if it is not there yet.
    ///
    /// A pruned node is no error, since an index that is complete can go on with it: see [`BlockchainInfo::pruned`].
    ///
    /// # Errors
    /// [`DaemonError::WrongChain`] naming both networks; [`DaemonError::Auth`] when the login is refused.
    pub async fn check_chain(&self, chain: &Chain) -> Result<NodeCheck, DaemonError> {
        let info = self.blockchain_info().await?;
        let genesis = self.block_hash(0).await?;
        if genesis != Some(chain.genesis_hash()) {
            return Err(wrong_chain(&info, genesis, chain));
        }
        let network = self.network_info().await?;
        let mut warnings = Vec::new();
        if info.chain != chain.node_chain {
            warnings.push(format!(
                "the node calls its network {}, not {}",
                info.chain, chain.node_chain
            ));
        }
        if info.pruned {
            warnings.push(
                "the node is pruned: a first sync needs a node that keeps all blocks (prune=0)"
                    .to_owned(),
            );
        }
        if chain.coin == "Bitcoin" && network.version < OLDEST_CORE {
            warnings.push(format!(
                "the node's version is {} ({}); versions before 25 are not supported, upgrade it",
                network.version, network.subversion
            ));
        }
        if info.initial_block_download {
            warnings.push(format!(
                "the node itself is catching up: block {} of {} known headers",
                info.tip.height, info.headers
            ));
        }
        warnings.extend(network.warnings.iter().map(|text| format!("the node warns: {text}")));
        Ok(NodeCheck { chain: info, network, warnings })
    }
}

fn wrong_chain(info: &BlockchainInfo, genesis: Option<BlockHash>, chain: &Chain) -> DaemonError {
    let genesis = genesis.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
    DaemonError::WrongChain {
        node: format!("{} (genesis block {genesis})", info.chain),
        configured: format!("{chain} (genesis block {})", chain.genesis_hash()),
    }
}
