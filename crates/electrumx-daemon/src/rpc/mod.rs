//! The node's methods, typed. Each file holds one noun.

mod block;
mod broadcast;
mod chain;
mod fee;
mod mempool;
mod network;
mod transaction;
mod values;
mod zmq;

pub use self::broadcast::{MempoolAccept, PackageResult, RejectedTx};
pub use self::chain::BlockchainInfo;
pub use self::fee::EstimateMode;
pub use self::mempool::MempoolInfo;
pub use self::network::NetworkInfo;
pub use self::zmq::{SequencedMempool, ZmqNotification};

/// `RPC_INVALID_ADDRESS_OR_KEY`: no such block or transaction.
const NOT_FOUND: i32 = -5;
/// `RPC_INVALID_PARAMETER`: no such height.
const OUT_OF_RANGE: i32 = -8;
/// `RPC_VERIFY_ALREADY_IN_UTXO_SET`: the transaction is in a block.
const ALREADY_MINED: i32 = -27;
/// `RPC_METHOD_NOT_FOUND`.
const NO_METHOD: i32 = -32601;
