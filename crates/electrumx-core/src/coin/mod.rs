//! Coins: network parameters as data, and the little that parses differently.

mod bitcoin;
mod chain;
mod link;

pub use self::bitcoin::Bitcoin;
pub use self::chain::{Chain, Network};
pub use self::link::ChainLink;

use ::bitcoin::hashes::Hash as _;
use ::bitcoin::{BlockHash, OutPoint, Txid};

use crate::sha256;

/// What differs from coin to coin.
///
/// The block processor is generic over it and sees blocks only through [`BlockVisitor`]: a coin with
/// longer headers (AuxPoW, Equihash), other transaction formats or other hash functions implements
/// [`visit_block`](Self::visit_block) and [`visit_tx`](Self::visit_tx); nothing else changes.
pub trait Coin: Send + Sync + 'static {
    /// Returns the parameters of the network this instance stands for.
    fn chain(&self) -> &'static Chain;

    /// Parses a whole raw block, calling the visitor in the block's order.
    ///
    /// # Errors
    /// [`ParseError`] when the bytes are not exactly one block.
    fn visit_block<V: BlockVisitor>(&self, raw: &[u8], visitor: &mut V) -> Result<(), ParseError>;

    /// Parses one raw transaction, calling the visitor's transaction methods.
    ///
    /// # Errors
    /// [`ParseError`] when the bytes are not exactly one transaction.
    fn visit_tx<V: BlockVisitor>(&self, raw: &[u8], visitor: &mut V) -> Result<(), ParseError>;

    /// Returns the id of a raw transaction.
    ///
    /// # Errors
    /// As [`visit_tx`](Self::visit_tx).
    fn txid(&self, raw: &[u8]) -> Result<Txid, ParseError> {
        let mut id = TxId(None);
        self.visit_tx(raw, &mut id)?;
        id.0.ok_or_else(|| ParseError { what: "transaction", reason: "it is empty".into() })
    }

    /// Returns the hash of a raw header.
    fn header_hash(&self, header: &[u8]) -> BlockHash;

    /// Returns the merkle root that a raw header commits to; `None` when it is too short. The default suits
    /// headers that begin as Bitcoin's do.
    fn merkle_root(&self, header: &[u8]) -> Option<[u8; 32]> {
        header.get(36..68)?.try_into().ok()
    }

    /// Returns how many bytes of a block's beginning [`chain_link`](Self::chain_link) needs.
    fn link_len(&self) -> usize;

    /// Reads what places a block in the chain from its first bytes; `None` when these are no header, or one that lacks its proof of
    /// work: garbage hardly ever has it.
    fn chain_link(&self, start: &[u8]) -> Option<ChainLink>;
}

/// Receives the parts of a block in its order. All methods borrow from the raw bytes.
pub trait BlockVisitor {
    /// The header, once, first.
    fn header(&mut self, header: HeaderFacts<'_>);
    /// How many transactions follow.
    fn tx_count(&mut self, count: usize) {
        let _ = count;
    }
    /// An input of the current transaction. Coinbase inputs are not reported.
    fn input(&mut self, prevout: OutPoint);
    /// An output of the current transaction.
    fn output(&mut self, vout: u32, value: u64, script: &[u8]);
    /// The current transaction is complete.
    fn tx(&mut self, tx: TxFacts);
    /// The current transaction is complete; called instead of [`tx`](Self::tx) where its id is yet to be
    /// made. A visitor that wants to hash many at once takes it, the others are given the id.
    fn unhashed_tx(&mut self, tx: UnhashedTx<'_>) {
        self.tx(tx.hashed());
    }
}

/// Keeps a transaction's id and nothing else.
struct TxId(Option<Txid>);

impl BlockVisitor for TxId {
    fn header(&mut self, _: HeaderFacts<'_>) {}

    fn input(&mut self, _: OutPoint) {}

    fn output(&mut self, _: u32, _: u64, _: &[u8]) {}

    fn tx(&mut self, tx: TxFacts) {
        self.0 = Some(tx.txid);
    }
}

/// What the processor needs of a header.
#[derive(Clone, Copy, Debug)]
pub struct HeaderFacts<'a> {
    /// The raw header as clients get it.
    pub raw: &'a [u8],
    /// The block's hash.
    pub hash: BlockHash,
    /// The hash of the block it extends.
    pub prev_hash: BlockHash,
    /// The merkle root it commits to.
    pub merkle_root: [u8; 32],
}

/// What the processor needs of a transaction besides inputs and outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxFacts {
    /// Id.
    pub txid: Txid,
    /// Offset of its first byte in the block (0 for a lone transaction).
    pub offset: u32,
    /// Length in bytes, witness included.
    pub size: u32,
    /// Weight (BIP 141); four times the size on coins without witnesses.
    pub weight: u64,
}

/// A transaction whose id is the double SHA-256 of these pieces.
#[derive(Clone, Copy, Debug)]
pub struct UnhashedTx<'a> {
    /// What is hashed, in order: the transaction without its witness.
    pub pieces: [&'a [u8]; 3],
    /// See [`TxFacts`].
    pub offset: u32,
    /// See [`TxFacts`].
    pub size: u32,
    /// See [`TxFacts`].
    pub weight: u64,
}

impl UnhashedTx<'_> {
    fn hashed(self) -> TxFacts {
        let Self { pieces, offset, size, weight } = self;
        let txid = Txid::from_byte_array(sha256::twice(pieces));
        TxFacts { txid, offset, size, weight }
    }
}

/// The bytes are no block or transaction of the coin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {reason}")]
pub struct ParseError {
    /// What was expected: `block` or `transaction`.
    pub what: &'static str,
    /// Why it is not one.
    pub reason: String,
}
