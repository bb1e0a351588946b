//! What builds a base: its file, records on the way to it, and the last steps that every way shares.
//!
//! Rows of a base are appended in key order. What does not come in that order goes through a [`Spool`]:
//! files of records, a partition of the keys each, which are then sorted one by one.

mod appender;
mod file;
mod finish;
mod record;
mod rows;
mod sort;
mod spool;

pub(crate) use self::appender::Appender;
pub(crate) use self::file::BuildFile;
pub(crate) use self::finish::{append_ordered, script_rows, txid_groups, txid_rows, utxo_rows};
pub(crate) use self::record::{
    OUTPUT, OrderedScript, ScriptRecord, TXID_PARTS, TxidRecord, UtxoRecord, output_bytes, part,
};
pub(crate) use self::rows::Rows;
pub(crate) use self::sort::{by_bytes, sort, spread};
pub(crate) use self::spool::{Buffers, Spool};
