//! A block's facts, flat: what the processor and the mempool take out of raw bytes.

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, OutPoint};

use crate::coin::{BlockVisitor, Coin, HeaderFacts, ParseError, TxFacts};
use crate::hash::{HashX, HashXKey, ScriptHash};
use crate::merkle;

/// `OP_RETURN`: outputs that begin with it can never be spent and are not indexed.
const OP_RETURN: u8 = 0x6a;

/// Tells whether outputs with this script are indexed.
#[must_use]
pub fn is_indexed(script: &[u8]) -> bool {
    script.first() != Some(&OP_RETURN)
}

/// An indexed output of a parsed transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParsedOutput {
    /// Index in its transaction.
    pub vout: u32,
    /// The script it pays to.
    pub hashx: HashX,
    /// Its value in satoshis.
    pub value: u64,
}

/// A parsed transaction; its inputs and outputs are slices of the block's.
#[derive(Clone, Copy, Debug)]
struct TxEnd {
    facts: TxFacts,
    inputs_end: usize,
    outputs_end: usize,
    output_value: u64,
}

/// A borrowed transaction of a [`ParsedTxs`].
#[derive(Clone, Copy, Debug)]
pub struct ParsedTx<'a> {
    /// Id, position and size.
    pub facts: TxFacts,
    /// Outpoints it spends; empty for a coinbase.
    pub inputs: &'a [OutPoint],
    /// Its indexed outputs, ascending by `vout`.
    pub outputs: &'a [ParsedOutput],
    /// Sum of all its outputs in satoshis, unindexed ones included.
    pub output_value: u64,
}

/// Parsed transactions in flat vectors: no allocation for each of them.
#[derive(Debug)]
pub struct ParsedTxs {
    key: HashXKey,
    header: Option<ParsedHeader>,
    txs: Vec<TxEnd>,
    inputs: Vec<OutPoint>,
    outputs: Vec<ParsedOutput>,
    output_value: u64,
}

/// An owned copy of [`HeaderFacts`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedHeader {
    /// The raw header.
    pub raw: Vec<u8>,
    /// The block's hash.
    pub hash: BlockHash,
    /// The hash of the block it extends.
    pub prev_hash: BlockHash,
    /// The merkle root it commits to.
    pub merkle_root: [u8; 32],
}

impl From<HeaderFacts<'_>> for ParsedHeader {
    fn from(header: HeaderFacts<'_>) -> Self {
        Self {
            raw: header.raw.to_vec(),
            hash: header.hash,
            prev_hash: header.prev_hash,
            merkle_root: header.merkle_root,
        }
    }
}

impl ParsedTxs {
    fn new(key: HashXKey) -> Self {
        let (txs, inputs, outputs) = (Vec::new(), Vec::new(), Vec::new());
        Self { key, header: None, txs, inputs, outputs, output_value: 0 }
    }

    /// Parses a raw block and checks its transactions against the header's merkle root.
    ///
    /// # Errors
    /// [`ParseError`] when the bytes are not one block, or its parts do not belong together.
    pub fn of_block<C: Coin>(
        coin: &C,
        key: HashXKey,
        raw: &[u8],
    ) -> Result<(ParsedHeader, Self), ParseError> {
        let mut parsed = Self::new(key);
        coin.visit_block(raw, &mut parsed)?;
        let error = |reason: &str| ParseError { what: "block", reason: reason.into() };
        let header = parsed.header.take().ok_or_else(|| error("it has no header"))?;
        let txids = parsed.txs.iter().map(|tx| tx.facts.txid.to_byte_array()).collect();
        if merkle::root(txids) != Some(header.merkle_root) {
            return Err(error("its transactions do not match the merkle root of its header"));
        }
        Ok((header, parsed))
    }

    /// Parses one raw transaction.
    ///
    /// # Errors
    /// [`ParseError`] when the bytes are not exactly one transaction.
    pub fn of_tx<C: Coin>(coin: &C, key: HashXKey, raw: &[u8]) -> Result<Self, ParseError> {
        let mut parsed = Self::new(key);
        coin.visit_tx(raw, &mut parsed)?;
        Ok(parsed)
    }

    /// Returns the transactions in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ParsedTx<'_>> {
        let (mut inputs_start, mut outputs_start) = (0, 0);
        self.txs.iter().map(move |tx| {
            let inputs = &self.inputs[inputs_start..tx.inputs_end];
            let outputs = &self.outputs[outputs_start..tx.outputs_end];
            (inputs_start, outputs_start) = (tx.inputs_end, tx.outputs_end);
            ParsedTx { facts: tx.facts, inputs, outputs, output_value: tx.output_value }
        })
    }

    /// Returns how many inputs and indexed outputs all transactions have together.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.inputs.len(), self.outputs.len())
    }
}

impl BlockVisitor for ParsedTxs {
    fn header(&mut self, header: HeaderFacts<'_>) {
        self.header = Some(header.into());
    }

    fn tx_count(&mut self, count: usize) {
        // The count is the block's claim; the cap bounds what a lie can allocate.
        self.txs.reserve(count.min(100_000));
    }

    fn input(&mut self, prevout: OutPoint) {
        self.inputs.push(prevout);
    }

    fn output(&mut self, vout: u32, value: u64, script: &[u8]) {
        // Invalid values exist only in blocks no node accepts; saturate rather than wrap.
        self.output_value = self.output_value.saturating_add(value);
        if is_indexed(script) {
            let hashx = self.key.hashx(&ScriptHash::of_script(script));
            self.outputs.push(ParsedOutput { vout, hashx, value });
        }
    }

    fn tx(&mut self, facts: TxFacts) {
        self.txs.push(TxEnd {
            facts,
            inputs_end: self.inputs.len(),
            outputs_end: self.outputs.len(),
            output_value: std::mem::take(&mut self.output_value),
        });
    }
}
