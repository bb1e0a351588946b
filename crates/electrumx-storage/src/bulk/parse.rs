//! From raw blocks to what the scan needs, in parallel.

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{OutPoint, Txid};
use electrumx_core::block::is_indexed;
use electrumx_core::coin::{BlockVisitor, Coin, HeaderFacts, ParseError, TxFacts};
use electrumx_core::processor::ProcessError;
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

/// How blocks are parsed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parser {
    pub(super) key: HashXKey,
    pub(super) names: Names,
    /// Binary logarithm of the number of shards.
    pub(super) shard_bits: u32,
}

impl Parser {
    /// Parses a block and checks its transactions against its header. What `shards` holds is overwritten.
    pub(super) fn parse<C: Coin>(
        &self,
        coin: &C,
        block: &RawBlock,
        mut shards: ShardParts,
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
            txids: Vec::new(),
            positions: Vec::new(),
            outputs: Vec::new(),
            shards,
            // The genesis coinbase is not in the UTXO set and can never be spent.
            has_outputs: height > 0,
        };
        let bad = |source| ProcessError::BadBlock { height, source };
        let error = |reason: &str| bad(ParseError { what: "block", reason: reason.into() });
        coin.visit_block(&block.bytes, &mut visitor).map_err(bad)?;
        let Visitor { header, txids, positions, shards, .. } = visitor;
        let header = header.ok_or_else(|| error("it has no header"))?;
        let leaves = txids.iter().map(|txid| txid.to_byte_array()).collect();
        if merkle::root(leaves) != Some(header.merkle_root) {
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

struct Visitor<'p> {
    parser: &'p Parser,
    header: Option<electrumx_core::block::ParsedHeader>,
    txids: Vec<Txid>,
    positions: Vec<TxPosition>,
    /// Outputs of the current transaction, whose id is known only at its end.
    outputs: Vec<(u32, HashX, u64)>,
    shards: Vec<ShardPart>,
    has_outputs: bool,
}

impl Visitor<'_> {
    /// Index of the current transaction; a block of 32-bit length has fewer.
    fn index(&self) -> u32 {
        u32::try_from(self.txids.len()).unwrap_or(u32::MAX)
    }
}

impl BlockVisitor for Visitor<'_> {
    fn header(&mut self, header: HeaderFacts<'_>) {
        self.header = Some(header.into());
    }

    fn tx_count(&mut self, count: usize) {
        // The count is the block's claim; the cap bounds what a lie can allocate.
        let count = count.min(100_000);
        self.txids.reserve(count);
        self.positions.reserve(count);
        let share = (count * 3) >> self.parser.shard_bits;
        for shard in &mut self.shards {
            shard.funded.reserve(share);
            shard.spent.reserve(share);
        }
    }

    fn input(&mut self, prevout: OutPoint) {
        let name = self.parser.names.tx(&prevout.txid).output(prevout.vout);
        let tx = self.index();
        self.shards[self.parser.shard(&name)].spent.push(Spent { name, tx });
    }

    fn output(&mut self, vout: u32, value: u64, script: &[u8]) {
        if self.has_outputs && is_indexed(script) {
            let hashx = self.parser.key.hashx(&ScriptHash::of_script(script));
            self.outputs.push((vout, hashx, value));
        }
    }

    fn tx(&mut self, facts: TxFacts) {
        let tx = self.index();
        if !self.outputs.is_empty() {
            let tx_name = self.parser.names.tx(&facts.txid);
            for (vout, hashx, value) in self.outputs.drain(..) {
                let name = tx_name.output(vout);
                let shard = self.parser.shard(&name);
                self.shards[shard].funded.push(Funded { name, tx, vout, hashx, value });
            }
        }
        self.txids.push(facts.txid);
        self.positions.push(TxPosition { offset: facts.offset, size: facts.size });
    }
}
