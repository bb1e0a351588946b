//! Hot paths of `electrumx-storage`: a batch of blocks in, a script's history out.

mod cpu_time;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use electrumx_benches::{GeneratedChain, Indexed, Shape};
use electrumx_core::{HashX, Index as _, TxNum, history};

fn tip_block(criterion: &mut Criterion<CpuTime>) {
    let blocks: Vec<_> = GeneratedChain::new(Shape { blocks: 130, ..Shape::default() }).collect();
    let (last, before) = blocks.split_last().expect("the chain has blocks");
    let mut indexed = Indexed::new(before).expect("generated blocks are good");
    let processor = &mut indexed.processor;
    let below = last.height - 1;
    let mut group = criterion.benchmark_group("tip_block");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(last.bytes.len() as u64));
    group.bench_function("advance_commit_unwind", |bencher| {
        bencher.iter(|| {
            processor.advance(last).expect("generated blocks are good");
            processor.flush().expect("the disk is not full");
            processor.unwind_to(Some(below)).expect("the index is sound");
        });
    });
    group.finish();
}

fn reads(criterion: &mut Criterion<CpuTime>) {
    let blocks: Vec<_> = GeneratedChain::new(Shape { blocks: 140, ..Shape::default() }).collect();
    let indexed = Indexed::new(&blocks).expect("generated blocks are good");
    let view = indexed.store.view().expect("the index is sound");
    let (hot, rows) = hottest(&*view);
    let mut group = criterion.benchmark_group("history");
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function(format!("hot/{rows}"), |bencher| {
        bencher.iter(|| {
            let outputs = view.script_outputs(black_box(&hot), usize::MAX).expect("sound");
            history::resolve(&*view, &history::history_tx_nums(&outputs)).expect("sound")
        });
    });
    group.finish();
    let txids: Vec<_> =
        view.txids(view.tx_count() / 2..view.tx_count() / 2 + 1_000).expect("sound");
    let mut next = (0..txids.len()).cycle();
    criterion.bench_function("tx_num_of_txid", |bencher| {
        bencher.iter(|| view.tx_num(&txids[next.next().unwrap_or(0)]).expect("sound"));
    });
    criterion.bench_function("txid_of_tx_num", |bencher| {
        bencher.iter(|| view.txid(TxNum(black_box(1_000))).expect("sound"));
    });
    criterion.bench_function("open_view", |bencher| {
        bencher.iter(|| indexed.store.view().expect("sound"));
    });
}

/// Finds the script with the longest list among those of one block.
fn hottest(view: &dyn electrumx_core::ChainView) -> (HashX, usize) {
    let outputs = view.outputs(view.block_txs(120)).expect("the index is sound");
    let lists = outputs.iter().map(|(_, row)| {
        let rows = view.script_outputs(&row.hashx, usize::MAX).expect("the index is sound");
        (row.hashx, rows.len())
    });
    lists.max_by_key(|(_, rows)| *rows).expect("the block has outputs")
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = tip_block, reads);
criterion_main!(benches);
