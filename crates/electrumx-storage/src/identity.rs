//! Which chain a store belongs to.

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::coin::Chain;

/// Names the chain an index belongs to; written at creation and compared at every opening.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The coin, such as `Bitcoin`.
    pub coin: String,
    /// Its network, such as `mainnet`.
    pub net: String,
    /// Hash of the network's block 0.
    pub genesis: BlockHash,
}

impl From<&Chain> for Identity {
    fn from(chain: &Chain) -> Self {
        Self { coin: chain.coin.into(), net: chain.net.into(), genesis: chain.genesis_hash() }
    }
}
