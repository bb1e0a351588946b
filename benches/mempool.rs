//! A block's worth of unconfirmed transactions: from raw bytes to what scripts see.

mod cpu_time;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use electrumx_benches::{GeneratedChain, Indexed, Shape};
use electrumx_core::block::ParsedTxs;
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::mempool::{Mempool, Resolver};
use electrumx_core::{BlockId, Index as _, RawBlock};

fn mempool(criterion: &mut Criterion<CpuTime>) {
    let coin = Bitcoin::new(Network::Regtest);
    let blocks: Vec<RawBlock> =
        GeneratedChain::new(Shape { blocks: 115, ..Shape::default() }).collect();
    let (last, before) = blocks.split_last().expect("the chain has blocks");
    let indexed = Indexed::new(before).expect("generated blocks are good");
    let view = indexed.store.view().expect("the index is sound");
    let key = indexed.store.hashx_key();

    // The last block's transactions, as if they were unconfirmed.
    let (header, parsed) =
        ParsedTxs::of_block(&coin, key, &last.bytes).expect("generated blocks are good");
    let raws: Vec<&[u8]> = parsed
        .iter()
        .skip(1)
        .map(|tx| &last.bytes[tx.facts.offset as usize..][..tx.facts.size as usize])
        .collect();
    let resolve = || {
        let resolver =
            Resolver::parse(&coin, key, raws.iter().copied()).expect("generated blocks are good");
        resolver.resolve(&*view, &Mempool::default()).expect("the index is sound")
    };
    let resolved = resolve();
    assert!(resolved.unresolved.is_empty(), "all prevouts are in the index or the mempool");

    let mut group = criterion.benchmark_group("mempool");
    group.sample_size(20);
    group.throughput(Throughput::Elements(raws.len() as u64));
    group.bench_function(format!("parse_resolve/{}", raws.len()), |bencher| {
        bencher.iter(|| black_box(resolve()));
    });
    let tip = BlockId { height: last.height - 1, hash: header.prev_hash };
    group.bench_function(format!("apply/{}", raws.len()), |bencher| {
        bencher.iter_batched(
            || (Mempool::default(), resolved.txs.clone()),
            |(mut mempool, txs)| {
                let touched = mempool.apply(tip, &[], txs);
                (mempool, touched)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = mempool);
criterion_main!(benches);
