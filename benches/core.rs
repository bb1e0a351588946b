//! Hot paths of `electrumx-core`.

mod cpu_time;

use std::hint::black_box;
use std::sync::Arc;

use bitcoin::hashes::Hash as _;
use cpu_time::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use electrumx_benches::{GeneratedChain, Shape};
use electrumx_core::block::ParsedTxs;
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::history::StatusHasher;
use electrumx_core::memory::MemoryStore;
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_core::{HashXKey, RawBlock, merkle};

const KEY: HashXKey = HashXKey::from_bytes([7; 16]);

fn chain() -> Vec<RawBlock> {
    GeneratedChain::new(Shape { blocks: 112, ..Shape::default() }).collect()
}

fn parse(criterion: &mut Criterion<CpuTime>) {
    let block = chain().pop().expect("the chain has blocks");
    let coin = Bitcoin::new(Network::Regtest);
    let mut group = criterion.benchmark_group("parse_block");
    group.throughput(Throughput::Bytes(block.bytes.len() as u64));
    group.bench_function("facts", |bencher| {
        bencher.iter(|| ParsedTxs::of_block(&coin, KEY, black_box(&block.bytes)));
    });
    group.finish();
}

fn advance(criterion: &mut Criterion<CpuTime>) {
    let blocks = chain();
    let last = blocks.last().expect("the chain has blocks");
    let ready = || {
        let store = Arc::new(MemoryStore::new(KEY));
        let coin = Bitcoin::new(Network::Regtest);
        let mut processor =
            Processor::new(coin, store, FlushPolicy::default()).expect("memory works");
        for block in &blocks[..blocks.len() - 1] {
            processor.advance(block).expect("generated blocks are good");
        }
        processor
    };
    let mut group = criterion.benchmark_group("advance_block");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(last.bytes.len() as u64));
    group.bench_function("cached_prevouts", |bencher| {
        bencher.iter_batched(
            ready,
            |mut processor| {
                processor.advance(last).expect("generated blocks are good");
                processor
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn hashes(criterion: &mut Criterion<CpuTime>) {
    let leaves: Vec<[u8; 32]> = (0..3_000_u32)
        .map(|n| bitcoin::hashes::sha256d::Hash::hash(&n.to_le_bytes()).to_byte_array())
        .collect();
    criterion.bench_function("merkle_branch/3000", |bencher| {
        bencher.iter(|| merkle::branch(black_box(leaves.clone()), 1_234));
    });
    let txids: Vec<_> = leaves.iter().map(|leaf| bitcoin::Txid::from_byte_array(*leaf)).collect();
    let mut group = criterion.benchmark_group("status");
    group.throughput(Throughput::Elements(txids.len() as u64));
    group.bench_function("3000", |bencher| {
        bencher.iter(|| {
            let mut hasher = StatusHasher::default();
            for (height, txid) in (0_i64..).zip(&txids) {
                hasher.push(txid, 800_000 + height);
            }
            hasher.finish()
        });
    });
    group.finish();
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = parse, advance, hashes);
criterion_main!(benches);
