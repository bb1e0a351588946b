//! Walks over both tiers in the order of a table.

use electrumx_core::{HashX, OutputNum, OutputState, StoreError};

use crate::base::{ScriptCursor, ScriptEntry};
use crate::codec;
use crate::failure::backend;
use crate::shared::Shared;
use crate::tables::{Row, Table};
use crate::view::LmdbView;

/// Rows of a table, one after the other.
type Rows<'a> = Box<dyn Iterator<Item = Result<Row<'a>, StoreError>> + 'a>;

fn rows(table: Table, view: &LmdbView) -> Result<Rows<'_>, StoreError> {
    Ok(Box::new(table.iter(view.txn())?.map(|row| row.map_err(backend("read")))))
}

/// Walks the outputs of both tiers by script, up to a transaction.
pub(crate) struct Scripts<'a> {
    base: Option<ScriptCursor<'a>>,
    tip: TipScripts<'a>,
    next_base: Option<ScriptEntry>,
    next_tip: Option<ScriptEntry>,
}

/// An output in the list of its script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merged {
    pub(crate) entry: ScriptEntry,
    /// What the base alone says of it; `None` for outputs of the tip.
    pub(crate) in_base: Option<OutputState>,
}

impl<'a> Scripts<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        view: &'a LmdbView,
        txs: u64,
    ) -> Result<Self, StoreError> {
        let base = view.base_tier().map(|(base, txn)| ScriptCursor::new(base, txn));
        let mut base = base.transpose()?;
        let mut tip = TipScripts { shared, view, rows: rows(shared.tables.scripts, view)?, txs };
        let next_base = advance(&mut base)?;
        let next_tip = tip.next()?;
        Ok(Self { base, tip, next_base, next_tip })
    }

    /// Returns the next output. Where both tiers have it, the tip's row says who has spent the base's output.
    pub(crate) fn next(&mut self) -> Result<Option<Merged>, StoreError> {
        let (base, tip) = (self.next_base, self.next_tip);
        let base = base.filter(|base| tip.is_none_or(|tip| base.place() <= tip.place()));
        let tip = tip.filter(|tip| self.next_base.is_none_or(|base| tip.place() <= base.place()));
        if base.is_some() {
            self.next_base = advance(&mut self.base)?;
        }
        if tip.is_some() {
            self.next_tip = self.tip.next()?;
        }
        let in_base = base.map(|base| base.state);
        Ok(tip.or(base).map(|entry| Merged { entry, in_base }))
    }
}

fn advance(base: &mut Option<ScriptCursor<'_>>) -> Result<Option<ScriptEntry>, StoreError> {
    base.as_mut().map_or(Ok(None), ScriptCursor::next)
}

/// Walks the tip's outputs by script; outputs of the base come with their spenders.
struct TipScripts<'a> {
    shared: &'a Shared,
    view: &'a LmdbView,
    rows: Rows<'a>,
    txs: u64,
}

impl<'a> TipScripts<'a> {
    fn next(&mut self) -> Result<Option<ScriptEntry>, StoreError> {
        let table = self.shared.tables.scripts;
        while let Some(row) = self.rows.next() {
            let (key, value) = row?;
            let corrupt = || table.corrupt(format!("row {key:02x?}"));
            let mut rest = key;
            let hashx = HashX::from_bytes(*codec::take(&mut rest).ok_or_else(corrupt)?);
            let output = codec::output(rest).ok_or_else(corrupt)?;
            let (spender, value) = if output.tx_num.0 < self.shared.origin().txs {
                (Some(codec::tx_num(value).ok_or_else(corrupt)?), 0)
            } else {
                (self.view.spender(output)?, codec::varint(value).ok_or_else(corrupt)?)
            };
            let spender = spender.filter(|spender| spender.0 < self.txs);
            let is_base_output = output.tx_num.0 < self.shared.origin().txs;
            if output.tx_num.0 >= self.txs || is_base_output && spender.is_none() {
                continue;
            }
            let state = spender.map_or(OutputState::Unspent(value), OutputState::SpentBy);
            return Ok(Some(ScriptEntry { hashx, output, state }));
        }
        Ok(None)
    }
}

/// Walks the tip's spends, by transactions before a number.
pub(crate) struct Spends<'a> {
    table: Table,
    rows: Rows<'a>,
    current: Option<OutputNum>,
    txs: u64,
}

impl<'a> Spends<'a> {
    pub(crate) fn new(shared: &Shared, view: &'a LmdbView, txs: u64) -> Result<Self, StoreError> {
        let table = shared.tables.spends;
        Ok(Self { table, rows: rows(table, view)?, current: None, txs })
    }

    /// Tells whether an output is spent; outputs are asked for in ascending order.
    pub(crate) fn has(&mut self, output: OutputNum) -> Result<bool, StoreError> {
        while self.current.is_none_or(|current| current < output) {
            let Some(row) = self.rows.next() else { return Ok(false) };
            let (key, value) = row?;
            let decoded = codec::output(key).zip(codec::tx_num(value));
            let decoded = decoded.ok_or_else(|| self.table.corrupt(format!("row {key:02x?}")));
            let (spent, by) = decoded?;
            if by.0 < self.txs {
                self.current = Some(spent);
            }
        }
        Ok(self.current == Some(output))
    }
}
