//! What is done with an index while no server uses it.

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use electrumx_core::Index as _;
use electrumx_core::processor::BulkPhase;
use electrumx_storage::{CheckReport, Compaction, LmdbStore, TableStats, Tier};
use tokio_util::sync::CancellationToken;

use crate::controller::open_store;
use crate::env::Env;
use crate::local_rpc::thousands;
use crate::progress::JobWatch;

/// A job of the binary besides serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Checks the index.
    Check,
    /// Folds the tip of the index into its base.
    Compact,
    /// Shows the sizes of the tables.
    Stats,
}

/// Time between two lines about progress.
const LINE: Duration = Duration::from_secs(5);

/// Does a job and prints what came of it.
///
/// # Errors
/// When the index cannot be used, in words for the operator; when a check finds something wrong.
pub fn run(task: Task, env: &Env, stop: &CancellationToken) -> anyhow::Result<()> {
    let store = open_store(env)?;
    let mut watch = JobWatch::new(LINE, counted, stop);
    let text = match task {
        Task::Check => {
            let report = store.check(&env.coin, &mut watch).context("the check cannot go on")?;
            let text = check_text(&report);
            if !report.is_sound() {
                bail!("{text}");
            }
            text
        }
        Task::Compact => compact(&store, env, &mut watch)?,
        Task::Stats => stats_text(&store)?,
    };
    // Whoever has closed the output does not want to read it.
    let _ = writeln!(io::stdout(), "{text}");
    Ok(())
}

fn check_text(report: &CheckReport) -> String {
    let CheckReport { txs, outputs, utxos, problems, .. } = *report;
    let tip = report.tip.map_or_else(|| "no block".to_owned(), |tip| format!("block {tip}"));
    let coins = format!("{}.{:08}", report.amount / 100_000_000, report.amount % 100_000_000);
    let mut text = format!(
        "{tip}\n{} transactions\n{} outputs\n{} of them unspent, worth {coins} (gettxoutsetinfo of the node has the same, but for scripts over 10,000 bytes)",
        thousands(txs),
        thousands(outputs),
        thousands(utxos),
    );
    if problems > 0 {
        text += &format!("\nthe index is damaged: {} problems", thousands(problems));
        for description in &report.descriptions {
            text += &format!("\n  {description}");
        }
        text += "\nremove the database directory to index the chain anew";
    } else if report.stopped {
        text += "\nstopped before the end";
    } else {
        text += "\nthe index is sound";
    }
    text
}

fn compact(store: &LmdbStore, env: &Env, watch: &mut JobWatch<'_>) -> anyhow::Result<String> {
    let before = store.disk_bytes()?;
    Ok(match store.compact(env.reorg_limit, watch).context("the index is not compacted")? {
        Compaction::Done(tip) => {
            let after = store.disk_bytes()?;
            let (before, after) = (thousands(before), thousands(after));
            format!("the index is compact up to block {tip}: {before} bytes before, {after} now")
        }
        Compaction::Nothing => "there is nothing to compact".into(),
        Compaction::Stopped | Compaction::ChainChanged => "stopped; nothing was changed".into(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn stats_text(store: &LmdbStore) -> anyhow::Result<String> {
    let view = store.view()?;
    let txs = view.tx_count().max(1) as f64;
    let mut text = match view.tip() {
        Some(tip) => format!("block {tip}, {} transactions", thousands(view.tx_count())),
        None => "an empty index".to_owned(),
    };
    if let Some(base) = view.base() {
        text += &format!("; the base ends at block {}", thousands(base.height.into()));
    }
    drop(view);
    text += &format!("\n{:<5}{:<14}{:>14}{:>20}{:>12}", "tier", "table", "rows", "bytes", "a tx");
    let mut line = |tier: &str, name: &str, rows: u64, bytes: u64| {
        let (rows, each) = (thousands(rows), bytes as f64 / txs);
        text += &format!("\n{tier:<5}{name:<14}{rows:>14}{:>20}{each:>12.2}", thousands(bytes));
    };
    let (mut rows, mut bytes) = (0, 0);
    for TableStats { tier, name, entries, bytes: size } in store.stats()? {
        let tier = if tier == Tier::Base { "base" } else { "tip" };
        line(tier, name, entries as u64, size as u64);
        rows += entries as u64;
        bytes += size as u64;
    }
    line("", "all tables", rows, bytes);
    line("", "files", 0, store.disk_bytes()?);
    Ok(text)
}

/// Says what is counted in a phase.
fn counted(phase: BulkPhase) -> String {
    let what = match phase {
        BulkPhase::Blocks => "blocks",
        BulkPhase::Join => "spends",
        BulkPhase::Scripts => "outputs by script, about",
        BulkPhase::Utxos => "unspent outputs",
        BulkPhase::Txids => "transaction ids",
        BulkPhase::Switch => "changes to the new base",
    };
    format!("{what}:")
}
