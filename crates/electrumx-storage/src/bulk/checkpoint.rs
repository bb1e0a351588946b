//! What a build needs to go on after a crash: a row in the base's `meta`.
//!
//! It is written in the transaction that makes durable what it speaks of; files are made durable before. So
//! whatever was written after it is cut off when the build is resumed.

use heed::{AnyTls, RoTxn, RwTxn};

use crate::base::BaseTables;
use crate::codec::take;
use electrumx_core::StoreError;

/// The `meta` row.
const ROW: &[u8] = b"build";

/// Changes whenever the meaning of the row or of the temporary files does.
const VERSION: u64 = 2;

/// The step a build is at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Stage {
    /// Reading blocks.
    Scan,
    /// Joining what left memory.
    Join,
    /// Writing `scripts`.
    Scripts,
    /// Writing `utxos`.
    Utxos,
    /// Writing `txid_buckets`.
    Txids,
}

const STAGES: [Stage; 5] = [Stage::Scan, Stage::Join, Stage::Scripts, Stage::Utxos, Stage::Txids];

/// Where a build stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Checkpoint {
    pub(super) stage: Stage,
    /// The next partition of the stage.
    pub(super) next: u64,
    /// Blocks read.
    pub(super) blocks: u64,
    /// Height up to which blocks are read.
    pub(super) target: u64,
    /// Outputs that came in.
    pub(super) outputs: u64,
    /// Number of the snapshot of the table of outputs; 0 is an empty one.
    pub(super) snapshot: u64,
    /// Lengths of the temporary files.
    pub(super) scripts: Vec<u64>,
    pub(super) evicted: Vec<u64>,
    pub(super) spends: Vec<u64>,
    pub(super) txids: Vec<u64>,
    pub(super) utxos: Vec<u64>,
}

impl Checkpoint {
    /// Writes the row.
    pub(super) fn write(&self, txn: &mut RwTxn<'_>, tables: &BaseTables) -> heed::Result<()> {
        let Self { next, blocks, target, outputs, snapshot, .. } = *self;
        let mut numbers = vec![VERSION, self.stage as u64, next, blocks, target, outputs, snapshot];
        for lens in [&self.scripts, &self.evicted, &self.spends, &self.txids, &self.utxos] {
            numbers.push(lens.len() as u64);
            numbers.extend(lens);
        }
        let row: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        tables.meta.db.put(txn, ROW, &row)
    }

    /// Removes the row: the base is complete.
    pub(super) fn remove(txn: &mut RwTxn<'_>, tables: &BaseTables) -> heed::Result<()> {
        tables.meta.db.delete(txn, ROW).map(drop)
    }

    /// Reads the row; `None` if there is none, or another version has written it.
    pub(super) fn read(
        txn: &RoTxn<'_, AnyTls>,
        tables: &BaseTables,
    ) -> Result<Option<Self>, StoreError> {
        Ok(tables.meta.get(txn, ROW)?.and_then(Self::decode))
    }

    fn decode(mut row: &[u8]) -> Option<Self> {
        let row = &mut row;
        let mut number = || take(row).map(|bytes| u64::from_be_bytes(*bytes));
        if number()? != VERSION {
            return None;
        }
        let stage = *STAGES.get(usize::try_from(number()?).ok()?)?;
        let [next, blocks, target, outputs, snapshot] =
            [number()?, number()?, number()?, number()?, number()?];
        let mut lens = || {
            let count = number()?;
            (0..count).map(|_| number()).collect::<Option<Vec<_>>>()
        };
        let [scripts, evicted, spends, txids, utxos] =
            [lens()?, lens()?, lens()?, lens()?, lens()?];
        let found = Self {
            stage,
            next,
            blocks,
            target,
            outputs,
            snapshot,
            scripts,
            evicted,
            spends,
            txids,
            utxos,
        };
        row.is_empty().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_numbered_by_their_order() {
        for (number, stage) in STAGES.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
        }
    }

    #[test]
    fn malformed_rows_are_refused() {
        let row = |numbers: &[u64]| -> Vec<u8> {
            numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
        };
        let good = row(&[VERSION, 2, 3, 4, 5, 6, 7, 1, 8, 0, 0, 2, 9, 10, 0]);
        let found = Checkpoint::decode(&good).unwrap();
        assert_eq!((found.stage, found.next, found.snapshot), (Stage::Scripts, 3, 7));
        assert_eq!((found.scripts, found.txids), (vec![8], vec![9, 10]));
        for bad in [
            &good[1..],
            &good[..good.len() - 8],
            &row(&[VERSION + 1]),
            &row(&[VERSION, 9, 0, 0, 0, 0, 0]),
            &[],
        ] {
            assert_eq!(Checkpoint::decode(bad), None);
        }
        assert_eq!(Checkpoint::decode(&[&good[..], &[0]].concat()), None);
    }
}
