//! The result of a sync, for people and for tables.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Cost, Totals};

/// What a first sync cost, beside the floor of the same run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The chain.
    pub chain: Totals,
    /// How it was indexed.
    pub engine: String,
    /// Memory budget in MiB.
    pub budget_mib: usize,
    /// One thread that reads, parses and hashes; the cheaper one of a run before and one after the sync.
    pub floor: Cost,
    /// The phases of the sync, in order.
    pub phases: Vec<Cost>,
    /// All of them.
    pub total: Cost,
    /// Bytes of the finished index on disk.
    pub database_bytes: u64,
}

impl Report {
    /// Database bytes for each transaction.
    #[must_use]
    pub fn bytes_per_tx(&self) -> f64 {
        per(self.database_bytes, self.chain.txs)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = &self.chain;
        writeln!(
            f,
            "chain     {} blocks, {} transactions, {} inputs, {} outputs, {:.1} MB, {:.0} bytes a transaction",
            chain.blocks,
            chain.txs,
            chain.inputs,
            chain.outputs,
            mega(chain.bytes),
            per(chain.bytes, chain.txs)
        )?;
        writeln!(f, "engine    {}, budget {} MiB", self.engine, self.budget_mib)?;
        writeln!(
            f,
            "{:<12} {:>8} {:>8} {:>8} {:>8} {:>12} {:>11} {:>9} {:>9} {:>9}",
            "phase",
            "CPU s",
            "x floor",
            "wall s",
            "x floor",
            "peak anon MB",
            "peak RSS MB",
            "read MB",
            "disk MB",
            "write MB"
        )?;
        let sync = self.phases.iter().chain([&self.total]);
        for cost in std::iter::once(&self.floor).chain(sync) {
            writeln!(
                f,
                "{:<12} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>12.1} {:>11.1} {:>9.1} {:>9.1} {:>9.1}",
                cost.phase,
                cost.cpu_secs,
                cost.cpu_secs / self.floor.cpu_secs,
                cost.wall_secs,
                cost.wall_secs / self.floor.wall_secs,
                mega(cost.peak_anonymous_bytes),
                mega(cost.peak_resident_bytes),
                mega(cost.read_bytes),
                mega(cost.disk_bytes),
                mega(cost.write_bytes)
            )?;
        }
        write!(
            f,
            "database  {:.1} MB, {:.1} bytes a transaction; {:.2} times as much was written",
            mega(self.database_bytes),
            self.bytes_per_tx(),
            per(self.total.disk_bytes, self.database_bytes)
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn per(amount: u64, count: u64) -> f64 {
    amount as f64 / count.max(1) as f64
}

fn mega(bytes: u64) -> f64 {
    per(bytes, 1_000_000)
}
