//! The tables of the base tier; `docs/schema.md` shows their bytes.

use crate::tables::{ChainTables, Table};

/// All tables of a base; each is named after its field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BaseTables {
    pub(crate) meta: Table,
    pub(crate) chain: ChainTables,
    pub(crate) txid_buckets: Table,
    pub(crate) scripts: Table,
    pub(crate) utxos: Table,
}

impl BaseTables {
    /// Names of the tables, `meta` first.
    pub(crate) const NAMES: [&'static str; 9] = [
        "meta",
        "headers",
        "blocks",
        "counts",
        "txids",
        "positions",
        "txid_buckets",
        "scripts",
        "utxos",
    ];

    /// Takes tables in the order of [`NAMES`](Self::NAMES).
    pub(crate) fn new(tables: [Table; 9]) -> Self {
        let [meta, a, b, c, d, e, txid_buckets, scripts, utxos] = tables;
        Self { meta, chain: ChainTables::new([a, b, c, d, e]), txid_buckets, scripts, utxos }
    }

    /// Returns the tables in the order of [`NAMES`](Self::NAMES).
    pub(crate) fn all(&self) -> [Table; 9] {
        let [a, b, c, d, e] = self.chain.all();
        [self.meta, a, b, c, d, e, self.txid_buckets, self.scripts, self.utxos]
    }
}
