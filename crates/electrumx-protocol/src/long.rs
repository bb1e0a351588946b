//! Lists of a script that are too long to be held: written down piece by piece.
//!
//! # Correctness
//!
//! A list is that of one state of chain and mempool, however long the client takes to read it. What is kept of it are the
//! numbers of its transactions, some bytes each, and they mean the same as long as the blocks up to `settled` are in the
//! chain: each piece is read from a snapshot of its own, which is asked for that block first. What is above, where
//! blocks may be reorganised away, is written down at the start.

use electrumx_core::bitcoin::Txid;
use electrumx_core::history::{self, ConfirmedTx, Heights};
use electrumx_core::mempool::UnconfirmedTx;
use electrumx_core::{
    BlockId, ChainView, HashX, Height, OutputNum, OutputState, StoreError, TxNum,
};

use crate::error::RpcError;
use crate::height_range::HeightRange;
use crate::json;
use crate::reader::{Effort, Reader};
use crate::varints::Varints;

/// Blocks below the tip that count as ones that may go. A deeper reorg ends the session in the middle of a list.
const UNSETTLED: Height = 6;

/// Elements of a piece, which has some 200 KB then.
const PIECE: usize = 2_000;

/// What the elements are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    /// Transactions.
    History,
    /// Unspent outputs.
    Unspent,
}

/// A long list, ready to be written down.
#[derive(Debug)]
pub(crate) struct LongList {
    of: Of,
    /// The last block that `rows` are about.
    settled: Option<BlockId>,
    /// For each element the number of its transaction as difference to that of the one before, and for an output its index
    /// and value.
    rows: Varints,
    /// How many elements `rows` are.
    count: usize,
    /// The other elements, as JSON.
    rest: Vec<u8>,
    /// Bytes of all elements as JSON, and commas.
    json_len: usize,
}

/// How far a list is written down.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cursor {
    done: usize,
    place: usize,
    number: u64,
}

impl LongList {
    fn new(of: Of, settled: Option<BlockId>) -> Self {
        let (rows, rest) = (Varints::default(), Vec::new());
        Self { of, settled, rows, count: 0, rest, json_len: 0 }
    }

    /// Returns the length of the elements as JSON, commas included.
    pub(crate) fn json_len(&self) -> usize {
        self.json_len
    }

    /// Tells whether all but the end is written down.
    pub(crate) fn is_at_end(&self, cursor: Cursor) -> bool {
        cursor.done == self.count
    }

    /// Appends the end: what no snapshot is needed for.
    pub(crate) fn write_end(&self, out: &mut Vec<u8>) {
        if self.count > 0 && !self.rest.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(&self.rest);
    }

    /// Adds an element of the settled blocks.
    fn push(&mut self, before: &mut u64, row: Row, height: Height) {
        self.rows.push(row.tx_num.0.saturating_sub(*before));
        *before = row.tx_num.0;
        self.count += 1;
        self.json_len += 1 + match row.output {
            None => tx_len(height),
            Some((vout, value)) => {
                self.rows.push(vout.into());
                self.rows.push(value);
                utxo_len(height, vout, value)
            }
        };
    }

    fn seal(mut self) -> Self {
        self.rows.shrink();
        self.json_len += self.rest.len();
        self
    }
}

/// An element of a list.
#[derive(Clone, Copy, Debug)]
struct Row {
    tx_num: TxNum,
    /// Index and value of an output.
    output: Option<(u32, u64)>,
}

/// The settled part of a chain: its last block and the number of its transactions.
fn settled(view: &dyn ChainView) -> Result<(Option<BlockId>, u64), StoreError> {
    let height = view.tip().and_then(|tip| tip.height.checked_sub(UNSETTLED));
    let Some(height) = height else { return Ok((None, 0)) };
    let hash = view.block_hash(height)?;
    Ok((hash.map(|hash| BlockId { height, hash }), view.block_txs(height).end))
}

impl Reader {
    /// Prepares a script's history, or a part of it.
    pub(crate) fn long_history(
        &self,
        hashx: &HashX,
        range: HeightRange,
    ) -> Result<LongList, RpcError> {
        let snapshot = self.history_snapshot(Effort::Whole, hashx)?;
        let view = &*snapshot.view;
        let (settled, end) = settled(view)?;
        let numbers = self.tx_nums(Effort::Whole, view, hashx, range)?;
        let (old, recent) = numbers.split_at(numbers.partition_point(|number| number.0 < end));
        let mut list = LongList::new(Of::History, settled);
        let (mut before, mut heights) = (0, Heights::default());
        for &tx_num in old {
            list.push(&mut before, Row { tx_num, output: None }, heights.of(view, tx_num)?);
        }
        let recent = history::resolve(view, recent)?;
        json::list(&mut list.rest, recent.iter().copied(), write_tx);
        if range.has_mempool() {
            if !list.rest.is_empty() && !snapshot.unconfirmed.is_empty() {
                list.rest.push(b',');
            }
            json::list(&mut list.rest, snapshot.unconfirmed, write_unconfirmed);
        }
        Ok(list.seal())
    }

    /// Prepares a script's unspent outputs.
    pub(crate) fn long_unspent(&self, hashx: &HashX) -> Result<LongList, RpcError> {
        let snapshot = self.script_snapshot(Effort::Whole, hashx)?;
        let (view, mempool) = (&*snapshot.view, snapshot.unconfirmed);
        let (settled, end) = settled(view)?;
        let spent = mempool.spent_numbers(view)?;
        let mut list = LongList::new(Of::Unspent, settled);
        let mut recent = Vec::new();
        let (mut before, mut heights) = (0, Heights::default());
        let mut failed = None;
        view.each_script_output(hashx, self.max_history(Effort::Whole), &mut |row| {
            let OutputNum { tx_num, vout } = row.output;
            let OutputState::Unspent(value) = row.state else { return };
            if spent.contains(&row.output) {
                return;
            }
            match heights.of(view, tx_num) {
                Ok(height) if tx_num.0 < end => {
                    list.push(&mut before, Row { tx_num, output: Some((vout, value)) }, height);
                }
                Ok(height) => recent.push((height, tx_num, vout, value)),
                Err(error) => failed = Some(error),
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        for (height, tx_num, vout, value) in recent {
            let txid = view.txid(tx_num)?.ok_or(RpcError::Internal)?;
            write_in_list(&mut list.rest, |out| write_utxo(out, height, &txid, vout, value));
        }
        for (outpoint, value) in mempool.utxos {
            write_in_list(&mut list.rest, |out| {
                write_utxo(out, 0, &outpoint.txid, outpoint.vout, value);
            });
        }
        Ok(list.seal())
    }

    /// Writes down the next elements of a list, and moves the cursor behind them.
    ///
    /// # Errors
    /// [`RpcError::Internal`] when the chain is not the list's any more.
    pub(crate) fn piece(
        &self,
        list: &LongList,
        cursor: &mut Cursor,
        out: &mut Vec<u8>,
    ) -> Result<(), RpcError> {
        let view = self.view()?;
        let Some(settled) = list.settled else { return Err(RpcError::Internal) };
        if view.block_hash(settled.height)? != Some(settled.hash) {
            tracing::debug!("the chain was reorganised below a list that was being sent");
            return Err(RpcError::Internal);
        }
        let mut rows = Vec::with_capacity(PIECE);
        let is_first = cursor.done == 0;
        while rows.len() < PIECE && cursor.done < list.count {
            let mut next = || list.rows.read(&mut cursor.place).ok_or(RpcError::Internal);
            cursor.number = cursor.number.saturating_add(next()?);
            let output = match list.of {
                Of::History => None,
                Of::Unspent => Some((u32::try_from(next()?).unwrap_or(u32::MAX), next()?)),
            };
            rows.push(Row { tx_num: TxNum(cursor.number), output });
            cursor.done += 1;
        }
        let numbers: Vec<_> = rows.iter().map(|row| row.tx_num).collect();
        let txids = view.txids_of(&numbers)?;
        let mut heights = Heights::default();
        out.reserve(rows.len() * 140);
        for (i, (row, txid)) in rows.iter().zip(txids).enumerate() {
            let height = heights.of(&*view, row.tx_num)?;
            if i > 0 || !is_first {
                out.push(b',');
            }
            match row.output {
                None => write_tx(out, ConfirmedTx { txid, height }),
                Some((vout, value)) => write_utxo(out, height, &txid, vout, value),
            }
        }
        Ok(())
    }
}

fn write_in_list(list: &mut Vec<u8>, element: impl FnOnce(&mut Vec<u8>)) {
    if !list.is_empty() {
        list.push(b',');
    }
    element(list);
}

/// Appends a confirmed transaction of a history.
pub(crate) fn write_tx(out: &mut Vec<u8>, tx: ConfirmedTx) {
    out.extend_from_slice(b"{\"height\":");
    json::integer(out, tx.height);
    out.extend_from_slice(b",\"tx_hash\":");
    json::txid(out, &tx.txid);
    out.push(b'}');
}

/// Bytes of a confirmed transaction of a history.
fn tx_len(height: Height) -> usize {
    r#"{"height":,"tx_hash":""}"#.len() + 64 + digits(height.into())
}

/// Appends an unconfirmed transaction of a history.
pub(crate) fn write_unconfirmed(out: &mut Vec<u8>, tx: UnconfirmedTx) {
    out.extend_from_slice(b"{\"fee\":");
    json::integer(out, tx.fee);
    out.extend_from_slice(b",\"height\":");
    json::integer(out, tx.height);
    out.extend_from_slice(b",\"tx_hash\":");
    json::txid(out, &tx.txid);
    out.push(b'}');
}

/// Appends an unspent output.
pub(crate) fn write_utxo(out: &mut Vec<u8>, height: Height, txid: &Txid, vout: u32, value: u64) {
    out.extend_from_slice(b"{\"height\":");
    json::integer(out, height);
    out.extend_from_slice(b",\"tx_hash\":");
    json::txid(out, txid);
    out.extend_from_slice(b",\"tx_pos\":");
    json::integer(out, vout);
    out.extend_from_slice(b",\"value\":");
    json::integer(out, value);
    out.push(b'}');
}

/// Bytes of an unspent output.
fn utxo_len(height: Height, vout: u32, value: u64) -> usize {
    tx_len(height) + r#","tx_pos":,"value":"#.len() + digits(vout.into()) + digits(value)
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use electrumx_core::bitcoin::hashes::Hash as _;

    use super::*;

    #[test]
    fn lengths_are_those_of_what_is_written() {
        let txid = Txid::from_byte_array([7; 32]);
        for height in [0, 9, 10, 99_999, 1_000_000] {
            let mut out = Vec::new();
            write_tx(&mut out, ConfirmedTx { txid, height });
            assert_eq!(out.len(), tx_len(height));
            for (vout, value) in [(0, 0), (10, 1), (u32::MAX, 2_100_000_000_000_000)] {
                let mut out = Vec::new();
                write_utxo(&mut out, height, &txid, vout, value);
                assert_eq!(out.len(), utxo_len(height, vout, value));
            }
        }
    }
}
