//! Indexes a generated chain from its block files and reports what each phase cost beside the floor.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use electrumx_benches::{BlockDir, ChainArgs, Cost, Killer, Making, Meter, Report, floor, make};

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
    /// MiB of the bulk engine's table of unspent outputs, when it is to be less than the budget allows: what does not fit is joined.
    #[arg(long)]
    table_mb: Option<usize>,
    /// MB of blocks after which the bulk engine makes a checkpoint.
    #[arg(long)]
    checkpoint_mb: Option<u64>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Measure nothing, but have an index made by other processes, which are killed so many times, and compare it with one that
    /// was made in peace. The table has 8 MiB then, and there are twenty checkpoints, if not told otherwise.
    #[arg(long, value_name = "N", requires = "blocks_dir")]
    kills: Option<u32>,
    /// Decides when they are killed.
    #[arg(long, default_value_t = 1)]
    kill_seed: u64,
    /// What such a process makes.
    #[arg(long, hide = true)]
    make: Option<PathBuf>,
}

/// Blocks that are indexed one by one after a first sync that is killed, and how many of them stay in the tip.
const TIP_BLOCKS: u32 = 40;
const KEPT: u32 = 10;

impl Args {
    fn bulk_options(&self, blocks: &BlockDir) -> BulkOptions {
        let defaults = BulkOptions::default();
        BulkOptions {
            budget_bytes: self.cache_mb << 20,
            threads: self.threads,
            chain_bytes: Some(blocks.totals().bytes),
            temp_dir: self.temp_dir.clone(),
            table_bytes: self.table_mb.map(|mib| mib << 20),
            checkpoint_bytes: self
                .checkpoint_mb
                .map_or(defaults.checkpoint_bytes, |mb| mb * 1_000_000),
            ..defaults
        }
    }

    fn making(&self, blocks: &BlockDir) -> Making {
        let mut bulk = self.bulk_options(blocks);
        bulk.table_bytes.get_or_insert(8 << 20);
        bulk.checkpoint_bytes = bulk.checkpoint_bytes.min(blocks.totals().bytes / 20);
        Making { bulk, tip_blocks: TIP_BLOCKS, keep: KEPT }
    }
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
    let blocks_dir = args.blocks_dir.clone().unwrap_or_else(|| temp.path().join("blocks"));
    if let Some(db) = &args.make {
        let blocks = BlockDir::open_or_generate(&blocks_dir, args.chain.shape(), args.chain.xor)?;
        return make(&blocks, db, &args.making(&blocks));
    }
    let db = args.db.clone().unwrap_or_else(|| temp.path().join("db"));
    anyhow::ensure!(!db.exists(), "{} exists: a first sync starts from nothing", db.display());
    let blocks = BlockDir::open_or_generate(&blocks_dir, args.chain.shape(), args.chain.xor)?;
    if let Some(kills) = args.kills {
        return kill(&blocks, &db, kills, args.kill_seed);
    }

    let mut meter = Meter::start()?;
    let mut floors = vec![floor_cost(&blocks, &mut meter)?];
    let phases = match args.engine {
        Engine::Bulk => at_once(&blocks, &db, &args.bulk_options(&blocks), &mut meter)?,
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

/// Kills this very program while it makes indexes in the folder `dir`.
fn kill(blocks: &BlockDir, dir: &Path, kills: u32, seed: u64) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    let program = std::env::current_exe()?;
    let command = |db: &Path| {
        let mut command = Command::new(&program);
        command.args(std::env::args_os().skip(1)).arg("--make").arg(db);
        command
    };
    let killer = Killer::new(blocks, dir, &command, seed);
    println!("{}", killer.run(kills, &mut |what| println!("{what}"))?);
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
