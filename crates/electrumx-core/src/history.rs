//! Histories, balances and statuses of scripts.

use std::ops::Range;

use bitcoin::Txid;
use bitcoin::hashes::Hash as _;
use sha2::{Digest as _, Sha256};

use crate::hash::HashX;
use crate::position::{Height, TxNum};
use crate::store::{ChainView, OutputState, ScriptOutput, StoreError};

/// Numbers of the transactions that touch a script: those that pay to it and those that spend from it, ascending, distinct.
#[must_use]
pub fn history_tx_nums(outputs: &[ScriptOutput]) -> Vec<TxNum> {
    let mut numbers = Vec::with_capacity(outputs.len() * 2);
    numbers.extend(outputs.iter().map(|row| row.output.tx_num));
    numbers.extend(outputs.iter().filter_map(|row| match row.state {
        OutputState::SpentBy(spender) => Some(spender),
        OutputState::Unspent(_) => None,
    }));
    distinct(numbers)
}

/// Sorts the numbers of transactions that pay to a script and, behind them, of those that spend from it.
fn distinct(mut numbers: Vec<TxNum>) -> Vec<TxNum> {
    // The first part ascends and the other nearly does: the stable sort finds such runs and merges them.
    numbers.sort();
    numbers.dedup();
    numbers
}

/// Reads the [`history_tx_nums`] of a script, which may be millions, and how many outputs pay to it.
///
/// # Errors
/// [`StoreError::TooMany`] when more than `limit` outputs do, or there are more transactions; when the storage engine fails.
pub fn script_tx_nums(
    view: &dyn ChainView,
    hashx: &HashX,
    limit: usize,
) -> Result<(Vec<TxNum>, usize), StoreError> {
    script_tx_nums_in(view, hashx, &(0..u64::MAX), limit, limit)
}

/// Reads those of the [`history_tx_nums`] of a script that are in a range, and how many outputs pay to it in all. Memory is
/// taken for these numbers only, and for few more than `limit`.
///
/// # Errors
/// [`StoreError::TooMany`] when there are more than `limit` transactions in the range, or more than `looked_at` outputs pay to
/// the script; when the storage engine fails.
pub fn script_tx_nums_in(
    view: &dyn ChainView,
    hashx: &HashX,
    range: &Range<u64>,
    looked_at: usize,
    limit: usize,
) -> Result<(Vec<TxNum>, usize), StoreError> {
    let (mut numbers, mut spenders) = (Vec::new(), Vec::new());
    let (mut outputs, mut are_too_many) = (0, false);
    let mut add = |list: &mut Vec<TxNum>, number: TxNum| {
        if are_too_many || !range.contains(&number.0) {
            return;
        }
        list.push(number);
        // A transaction is there as often as it has outputs or inputs of the script.
        if list.len() > limit.saturating_mul(2) {
            *list = distinct(std::mem::take(list));
            are_too_many = list.len() > limit;
        }
    };
    view.each_script_output(hashx, looked_at, &mut |row| {
        outputs += 1;
        add(&mut numbers, row.output.tx_num);
        if let OutputState::SpentBy(spender) = row.state {
            add(&mut spenders, spender);
        }
    })?;
    numbers.append(&mut spenders);
    let numbers = distinct(numbers);
    if numbers.len() > limit { Err(StoreError::TooMany { limit }) } else { Ok((numbers, outputs)) }
}

/// Sum of a script's unspent outputs, in satoshis.
#[must_use]
pub fn balance(outputs: &[ScriptOutput]) -> u64 {
    outputs
        .iter()
        .map(|row| match row.state {
            OutputState::Unspent(value) => value,
            OutputState::SpentBy(_) => 0,
        })
        .sum()
}

/// A confirmed transaction in a script's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfirmedTx {
    /// Id.
    pub txid: Txid,
    /// Height of its block.
    pub height: Height,
}

/// Finds the heights of transactions; neighbours are often of one block, which is looked up once.
#[derive(Default, Debug)]
pub struct Heights {
    height: Height,
    block: Range<u64>,
}

impl Heights {
    /// Returns the height of a transaction's block in the view, which must be the same one each time.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is no such transaction.
    pub fn of(&mut self, view: &dyn ChainView, tx_num: TxNum) -> Result<Height, StoreError> {
        if !self.block.contains(&tx_num.0) {
            let height = view.height_of(tx_num).ok_or_else(|| StoreError::Corrupt {
                table: "counts",
                what: format!("a script's history names {tx_num:?}, which is in no block"),
            })?;
            (self.height, self.block) = (height, view.block_txs(height));
        }
        Ok(self.height)
    }
}

/// Resolves numbers to ids and heights.
///
/// # Errors
/// [`StoreError::Corrupt`] when a number has no transaction.
pub fn resolve(view: &dyn ChainView, numbers: &[TxNum]) -> Result<Vec<ConfirmedTx>, StoreError> {
    let txids = view.txids_of(numbers)?;
    let mut heights = Heights::default();
    // Collecting results would not know how many there will be.
    let mut found = Vec::with_capacity(numbers.len());
    for (number, txid) in numbers.iter().zip(txids) {
        found.push(ConfirmedTx { txid, height: heights.of(view, *number)? });
    }
    Ok(found)
}

/// The running status hash of a script (protocol page "Status").
///
/// Confirmed entries come first, in chain order, then unconfirmed ones in the order of
/// [`Mempool::script_txs`](crate::mempool::Mempool::script_txs). A clone taken between the two can
/// be kept: a block only adds to it.
#[derive(Clone, Default, Debug)]
pub struct StatusHasher {
    hasher: Sha256,
    entries: usize,
}

impl StatusHasher {
    /// Adds one entry; `height` is 0 or −1 for unconfirmed transactions.
    pub fn push(&mut self, txid: &Txid, height: i64) {
        // Histories have entries by the hundred thousand, and `Display` takes its time for hex and numbers.
        let mut displayed = txid.to_byte_array();
        displayed.reverse();
        let mut number = itoa::Buffer::new();
        let number = number.format(height).as_bytes();
        // 64 digits, and a height has at most 20, so the line always fits.
        let mut line = [b':'; 64 + 1 + 20 + 1];
        let _ = faster_hex::hex_encode(&displayed, &mut line[..64]);
        let end = 65 + number.len();
        line[65..end].copy_from_slice(number);
        self.hasher.update(&line[..=end]);
        self.entries += 1;
    }

    /// Returns how many entries were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Tells whether no entry was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Returns the status; `None` for a script without history.
    #[must_use]
    pub fn finish(self) -> Option<StatusHash> {
        (self.entries > 0).then(|| StatusHash(self.hasher.finalize().into()))
    }
}

/// A script's status: SHA-256 of its history as text. Displayed as plain (not reversed) hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusHash([u8; 32]);

impl StatusHash {
    /// Returns the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for StatusHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for StatusHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StatusHash({self})")
    }
}
