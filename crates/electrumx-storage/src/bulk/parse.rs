//! From raw blocks to what the scan needs, in parallel.

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{OutPoint, Txid};
use electrumx_core::block::is_indexed;
use electrumx_core::coin::{BlockVisitor, Coin, HeaderFacts, ParseError, TxFacts, UnhashedTx};
use electrumx_core::processor::ProcessError;
use electrumx_core::sha256::Batch;
use electrumx_core::{
    BlockDelta, BlockId, HashX, HashXKey, RawBlock, ScriptHash, TxNum, TxPosition, merkle,
};

use super::outpoint::{Names, OutpointName, leading};

/// An output that was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Funded {
    pub(super) name: OutpointName,
    /// Index of its transaction in the block.
    pub(super) tx: u32,
    pub(super) vout: u32,
    pub(super) hashx: HashX,
    pub(super) value: u64,
}

/// An output that was spent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) name: OutpointName,
    /// Index of the spending transaction in the block.
    pub(super) tx: u32,
}

/// What a block has for one shard.
#[derive(Default, Debug)]
pub(super) struct ShardPart {
    pub(super) funded: Vec<Funded>,
    pub(super) spent: Vec<Spent>,
}

/// A block's part for each shard. Used again from batch to batch: fresh memory costs a page fault for every
/// 100 outputs.
pub(super) type ShardParts = Vec<ShardPart>;

/// A parsed block.
#[derive(Debug)]
pub(super) struct ParsedBlock {
    /// Without outputs and spends; the number of its first transaction is not yet known.
    pub(super) delta: BlockDelta,
    pub(super) shards: ShardParts,
    pub(super) bytes: usize,
    pub(super) prev: electrumx_core::bitcoin::BlockHash,
}

/// Bytes that are gathered before they are hashed: they fit into the processor's second cache.
const HASHED_TOGETHER: usize = 64 << 10;

/// How blocks are parsed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parser {
    pub(super) key: HashXKey,
    pub(super) names: Names,
    /// Binary logarithm of the number of shards.
    pub(super) shard_bits: u32,
}

impl Parser {
    /// Parses a block and checks its transactions against its header. What `shards` and `waiting` hold is
    /// overwritten.
    pub(super) fn parse<C: Coin>(
        &self,
        coin: &C,
        block: &RawBlock,
        mut shards: ShardParts,
        waiting: &mut Waiting,
    ) -> Result<ParsedBlock, ProcessError> {
        let height = block.height;
        for ShardPart { funded, spent } in &mut shards {
            funded.clear();
            spent.clear();
        }
        shards.resize_with(1 << self.shard_bits, ShardPart::default);
        let mut visitor = Visitor {
            parser: self,
            header: None,
            ids: Vec::new(),
            positions: Vec::new(),
            waiting,
            shards,
            // The genesis coinbase is not in the UTXO set and can never be spent.
            has_outputs: height > 0,
        };
        let bad = |source| ProcessError::BadBlock { height, source };
        let error = |reason: &str| bad(ParseError { what: "block", reason: reason.into() });
        visitor.waiting.clear();
        coin.visit_block(&block.bytes, &mut visitor).map_err(bad)?;
        visitor.hash();
        let Visitor { header, ids, positions, shards, .. } = visitor;
        let header = header.ok_or_else(|| error("it has no header"))?;
        let txids = ids.iter().map(|id| Txid::from_byte_array(*id)).collect();
        if merkle::root(ids) != Some(header.merkle_root) {
            return Err(error("its transactions do not match the merkle root of its header"));
        }
        let delta = BlockDelta {
            id: BlockId { height, hash: header.hash },
            header: header.raw,
            first_tx_num: TxNum(0),
            txids,
            positions,
            outputs: Vec::new(),
            spends: Vec::new(),
        };
        Ok(ParsedBlock { delta, shards, bytes: block.bytes.len(), prev: header.prev_hash })
    }

    /// Returns the shard of an outpoint.
    fn shard(&self, name: &OutpointName) -> usize {
        usize::try_from(leading(name) >> (64 - self.shard_bits)).unwrap_or(0)
    }
}

/// What is hashed together before anything is made of it.
#[derive(Default, Debug)]
pub(super) struct Waiting {
    transactions: Batch,
    scripts: Batch,
    /// What the scripts belong to: index of the transaction in the block, index of the output, value.
    outputs: Vec<(u32, u32, u64)>,
    hashes: Vec<[u8; 32]>,
}

impl Waiting {
    /// Forgets what a block left that could not be parsed.
    fn clear(&mut self) {
        self.transactions.clear();
        self.scripts.clear();
        self.outputs.clear();
    }
}

struct Visitor<'p> {
    parser: &'p Parser,
    header: Option<electrumx_core::block::ParsedHeader>,
    /// Ids of the first transactions; the others' are waiting.
    ids: Vec<[u8; 32]>,
    positions: Vec<TxPosition>,
    waiting: &'p mut Waiting,
    shards: Vec<ShardPart>,
    has_outputs: bool,
}

impl Visitor<'_> {
    /// Index of the current transaction; a block of 32-bit length has fewer.
    fn index(&self) -> u32 {
        u32::try_from(self.positions.len()).unwrap_or(u32::MAX)
    }

    /// Hashes what is waiting, and hands the outputs to their shards.
    fn hash(&mut self) {
        let Waiting { transactions, scripts, outputs, hashes } = &mut *self.waiting;
        transactions.finish_twice(&mut self.ids);
        hashes.clear();
        scripts.finish(hashes);
        let mut named = None;
        for ((tx, vout, value), hash) in outputs.drain(..).zip(&*hashes) {
            let tx_name = match named {
                Some((of, name)) if of == tx => name,
                _ => self.parser.names.tx(&self.ids[tx as usize]),
            };
            named = Some((tx, tx_name));
            let name = tx_name.output(vout);
            let hashx = self.parser.key.hashx(&ScriptHash::from_bytes(*hash));
            let shard = self.parser.shard(&name);
            self.shards[shard].funded.push(Funded { name, tx, vout, hashx, value });
        }
    }
}

impl BlockVisitor for Visitor<'_> {
    fn header(&mut self, header: HeaderFacts<'_>) {
        self.header = Some(header.into());
    }

    fn tx_count(&mut self, count: usize) {
        // The count is the block's claim; the cap bounds what a lie can allocate.
        let count = count.min(100_000);
        self.ids.reserve(count);
        self.positions.reserve(count);
        let share = (count * 3) >> self.parser.shard_bits;
        for shard in &mut self.shards {
            shard.funded.reserve(share);
            shard.spent.reserve(share);
        }
    }

    fn input(&mut self, prevout: OutPoint) {
        let name = self.parser.names.tx(prevout.txid.as_byte_array()).output(prevout.vout);
        let tx = self.index();
        self.shards[self.parser.shard(&name)].spent.push(Spent { name, tx });
    }

    fn output(&mut self, vout: u32, value: u64, script: &[u8]) {
        if self.has_outputs && is_indexed(script) {
            self.waiting.scripts.push([script]);
            self.waiting.outputs.push((self.index(), vout, value));
        }
    }

    fn tx(&mut self, facts: TxFacts) {
        // Those before it come first.
        self.waiting.transactions.finish_twice(&mut self.ids);
        self.ids.push(facts.txid.to_byte_array());
        self.positions.push(TxPosition { offset: facts.offset, size: facts.size });
    }

    fn unhashed_tx(&mut self, tx: UnhashedTx<'_>) {
        self.waiting.transactions.push(tx.pieces);
        self.positions.push(TxPosition { offset: tx.offset, size: tx.size });
        if self.waiting.transactions.bytes() + self.waiting.scripts.bytes() >= HASHED_TOGETHER {
            self.hash();
        }
    }
}
