//! What a base says of itself, once it is complete.

use electrumx_core::{BlockId, StoreError};
use heed::{AnyTls, RoTxn, RwTxn};

use super::tables::BaseTables;
use crate::codec::{push_block_id, take, take_block_id};

/// The `meta` row of this; a base without it is not complete.
const ROW: &[u8] = b"complete";

/// The row `complete`: height and hash of the last block, bits that choose a txid bucket, bytes of a
/// transaction number in it, entries of `scripts`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BaseFacts {
    pub(crate) tip: BlockId,
    pub(crate) bucket_bits: u8,
    pub(crate) number_width: u8,
    /// Outputs by script, spent or not.
    pub(crate) outputs: u64,
}

impl BaseFacts {
    pub(crate) fn write(&self, txn: &mut RwTxn<'_>, tables: &BaseTables) -> heed::Result<()> {
        let mut row = Vec::new();
        push_block_id(&mut row, self.tip);
        row.extend_from_slice(&[self.bucket_bits, self.number_width]);
        row.extend_from_slice(&self.outputs.to_be_bytes());
        tables.meta.db.put(txn, ROW, &row)
    }

    /// Returns them; `None` if the base is not complete.
    pub(crate) fn read(
        txn: &RoTxn<'_, AnyTls>,
        tables: &BaseTables,
    ) -> Result<Option<Self>, StoreError> {
        let Some(row) = tables.meta.get(txn, ROW)? else { return Ok(None) };
        let facts = Self::decode(row);
        facts.map(Some).ok_or_else(|| tables.meta.corrupt("row \"complete\" is malformed"))
    }

    fn decode(mut row: &[u8]) -> Option<Self> {
        let tip = take_block_id(&mut row)?;
        let [bucket_bits @ 0..=24, number_width @ 1..=5] = *take(&mut row)? else { return None };
        let outputs = u64::from_be_bytes(*take(&mut row)?);
        row.is_empty().then_some(Self { tip, bucket_bits, number_width, outputs })
    }
}
