//! Indexes a generated chain from its block files and reports what each phase cost beside the floor.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use electrumx_benches::{BlockDir, ChainArgs, Cost, Meter, Report, floor};

use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::processor::{BulkPhase, BulkProgress, FlushPolicy, Observer, Processor};
use electrumx_core::{BlockSource as _, Index as _};
use electrumx_storage::{BulkOptions, FirstSync, LmdbStore, Options, first_sync};

/// Indexes a generated chain from its block files and prints what it cost.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    chain: ChainArgs,
    /// Folder of the chain's block files, made when it does not exist and used again when it does; a temporary one when not given.
    #[arg(long)]
    blocks_dir: Option<PathBuf>,
    /// How to index.
    #[arg(long, value_enum, default_value_t = Engine::Bulk)]
    engine: Engine,
    /// Memory budget in MiB.
    #[arg(long, default_value_t = 512)]
    cache_mb: usize,
    /// Folder for the index; a temporary one when not given.
    #[arg(long)]
    db: Option<PathBuf>,
    /// Threads of the bulk engine; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for the bulk engine's temporary files; one beside the index if not given.
    #[arg(long)]
    temp_dir: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// How the chain is indexed.
#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    /// The first sync of a whole chain: stream, partition, join, append.
    Bulk,
    /// Block by block, as at the tip.
    Tip,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let temp = tempfile::tempdir()?;
    let blocks_dir = args.blocks_dir.unwrap_or_else(|| temp.path().join("blocks"));
    let db = args.db.unwrap_or_else(|| temp.path().join("db"));
    anyhow::ensure!(!db.exists(), "{} exists: a first sync starts from nothing", db.display());
    let blocks = BlockDir::open_or_generate(&blocks_dir, args.chain.shape(), args.chain.xor)?;

    let mut meter = Meter::start()?;
    let mut floors = vec![floor_cost(&blocks, &mut meter)?];
    let phases = match args.engine {
        Engine::Bulk => {
            let options = BulkOptions {
                budget_bytes: args.cache_mb << 20,
                threads: args.threads,
                chain_bytes: Some(blocks.totals().bytes),
                temp_dir: args.temp_dir,
                ..BulkOptions::default()
            };
            at_once(&blocks, &db, &options, &mut meter)?
        }
        Engine::Tip => block_by_block(&blocks, &db, args.cache_mb << 20, &mut meter)?,
    };
    floors.push(floor_cost(&blocks, &mut meter)?);

    let floor = floors.into_iter().min_by(|one, other| one.cpu_secs.total_cmp(&other.cpu_secs));
    let report = Report {
        chain: blocks.totals(),
        engine: args
            .engine
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned()),
        budget_mib: args.cache_mb,
        floor: floor.context("the floor was measured")?,
        total: Cost::sum("total", &phases),
        phases,
        database_bytes: disk_bytes(&db).context("cannot measure the index")?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

fn floor_cost(blocks: &BlockDir, meter: &mut Meter) -> anyhow::Result<Cost> {
    meter.lap("between")?;
    let (txs, _) = floor(blocks)?;
    anyhow::ensure!(txs == blocks.totals().txs, "the block files hold {txs} transactions");
    meter.lap("floor")
}

/// Indexes with the processor of the tip, in batches as large as the budget allows.
fn block_by_block(
    blocks: &BlockDir,
    db: &Path,
    budget: usize,
    meter: &mut Meter,
) -> anyhow::Result<Vec<Cost>> {
    let coin = Bitcoin::new(Network::Regtest);
    let store = Arc::new(LmdbStore::open(db, &coin.chain().into(), Options::default())?);
    let mut processor = Processor::new(coin, Arc::clone(&store), FlushPolicy::with_budget(budget))?;
    let mut source = blocks.source()?;
    meter.lap("open")?;
    processor.sync(&mut source, &mut ())?;
    let cost = meter.lap("blocks")?;
    is_complete(&store, blocks)?;
    Ok(vec![cost])
}

/// Indexes with the engine for whole chains.
fn at_once(
    blocks: &BlockDir,
    db: &Path,
    options: &BulkOptions,
    meter: &mut Meter,
) -> anyhow::Result<Vec<Cost>> {
    let coin = Bitcoin::new(Network::Regtest);
    let store = LmdbStore::open(db, &coin.chain().into(), Options::default())?;
    let mut source = blocks.source()?;
    let target = source.tip()?.id.height;
    meter.lap("open")?;
    let mut laps = Laps { meter, phase: None, costs: Vec::new(), failure: None };
    let ended = first_sync(&store, &coin, &mut source, target, options, &mut laps)?;
    anyhow::ensure!(matches!(ended, FirstSync::Done(_)), "it did not end well: {ended:?}");
    laps.end_phase();
    let Laps { costs, failure, .. } = laps;
    failure.map_or(Ok(()), Err)?;
    is_complete(&store, blocks)?;
    Ok(costs)
}

/// Ends a phase when the first sign of the next is seen.
struct Laps<'m> {
    meter: &'m mut Meter,
    /// The current one; at first the reading of blocks.
    phase: Option<BulkPhase>,
    costs: Vec<Cost>,
    failure: Option<anyhow::Error>,
}

impl Laps<'_> {
    fn end_phase(&mut self) {
        let name = self.phase.map_or_else(|| "blocks".into(), |phase| format!("{phase:?}"));
        match self.meter.lap(&name.to_lowercase()) {
            Ok(cost) => self.costs.push(cost),
            Err(error) => self.failure = Some(error),
        }
    }
}

impl Observer for Laps<'_> {
    fn bulk(&mut self, progress: &BulkProgress) {
        if self.phase != Some(progress.phase) {
            self.end_phase();
            self.phase = Some(progress.phase);
        }
    }
}

fn is_complete(store: &LmdbStore, blocks: &BlockDir) -> anyhow::Result<()> {
    let (view, totals) = (store.view()?, blocks.totals());
    let tip = view.tip().map(|tip| tip.hash.to_string());
    anyhow::ensure!(
        view.tx_count() == totals.txs && tip.as_deref() == Some(blocks.tip()),
        "the index has {} transactions up to {tip:?}, the chain {} up to {}",
        view.tx_count(),
        totals.txs,
        blocks.tip()
    );
    Ok(())
}

/// Bytes the folder's files take on disk.
fn disk_bytes(dir: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.blocks() * 512;
    }
    Ok(bytes)
}
