//! The parts of a first sync: partition, join, append.
//!
//! What is run is a whole first sync of a small chain; what is counted is the processor time of one of its phases.

mod cpu_time;

use std::time::Duration;

use cpu_time::CpuTime;
use criterion::measurement::Measurement as _;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use electrumx_benches::{BlockDir, Shape};
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::processor::{BulkPhase, BulkProgress, Observer};
use electrumx_storage::{BulkOptions, FirstSync, LmdbStore, Options, first_sync};

/// Blocks of the chain: a hundred small ones, then some of 3,100 transactions.
const BLOCKS: u32 = 140;

/// Room for a small part of the unspent outputs, so that most are joined on disk.
const SMALL_TABLE: usize = 1 << 20;

/// Sums up the processor time of some phases.
struct Clock {
    counts: fn(Option<BulkPhase>) -> bool,
    /// The current one; at first the reading of blocks.
    phase: Option<BulkPhase>,
    began: Duration,
    sum: Duration,
}

impl Clock {
    fn turn(&mut self, phase: Option<BulkPhase>) {
        if (self.counts)(self.phase) {
            self.sum += CpuTime.end(self.began);
        }
        (self.phase, self.began) = (phase, CpuTime.start());
    }
}

impl Observer for Clock {
    fn bulk(&mut self, progress: &BulkProgress) {
        if self.phase != Some(progress.phase) {
            self.turn(Some(progress.phase));
        }
    }
}

/// Returns what some phases of a first sync take.
fn run(
    chain: &BlockDir,
    table_bytes: Option<usize>,
    counts: fn(Option<BulkPhase>) -> bool,
) -> Duration {
    let (dir, coin) = (tempfile::tempdir().expect("a folder"), Bitcoin::new(Network::Regtest));
    let store = LmdbStore::open(&dir.path().join("db"), &coin.chain().into(), Options::default());
    let store = store.expect("an empty folder");
    // A larger budget is memory that a chain as small as this only touches for the first time.
    let options = BulkOptions { budget_bytes: 64 << 20, table_bytes, ..BulkOptions::default() };
    let mut source = chain.source().expect("the files are readable");
    let mut clock = Clock { counts, phase: None, began: CpuTime.start(), sum: Duration::ZERO };
    let ended = first_sync(&store, &coin, &mut source, BLOCKS, &options, &mut clock);
    assert!(matches!(ended, Ok(FirstSync::Done(_))), "{ended:?}");
    clock.turn(None);
    clock.sum
}

fn parts(criterion: &mut Criterion<CpuTime>) {
    let dir = tempfile::tempdir().expect("a folder");
    let shape = Shape { blocks: BLOCKS, ..Shape::default() };
    let chain = BlockDir::open_or_generate(dir.path(), shape, false).expect("the disk has room");
    let mut group = criterion.benchmark_group("bulk");
    group.sample_size(10).throughput(Throughput::Elements(chain.totals().txs));
    let mut part = |name: &str, table_bytes, counts: fn(Option<BulkPhase>) -> bool| {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| run(&chain, table_bytes, counts)).sum());
        });
    };
    let is_partition: fn(Option<BulkPhase>) -> bool =
        |phase| phase.is_none_or(|phase| phase < BulkPhase::Join);
    part("partition", None, is_partition);
    part("partition_small_table", Some(SMALL_TABLE), is_partition);
    part("join_small_table", Some(SMALL_TABLE), |phase| phase == Some(BulkPhase::Join));
    part("append", None, |phase| phase.is_some_and(|phase| phase > BulkPhase::Join));
    group.finish();
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = parts);
criterion_main!(benches);
