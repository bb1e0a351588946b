//! Reads of the base: a script with 100,000 outputs, ordinary scripts, look-ups.

mod cpu_time;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use electrumx_benches as _; // for its allocator
use electrumx_core::bitcoin::hashes::{Hash as _, sha256};
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::{
    BlockDelta, BlockId, HashX, Index as _, OutputNum, OutputRow, Spend, Store as _, TxNum,
    TxPosition, history,
};
use electrumx_storage::{LmdbStore, Options};

/// Outputs of the script that is paid most: every other transaction of the chain pays to it.
const PAID: u64 = 100_000;

/// Transactions of a block.
const TXS: u64 = 2_500;

fn hashed(what: u64) -> [u8; 32] {
    sha256::Hash::hash(&what.to_be_bytes()).to_byte_array()
}

fn script(number: u64) -> HashX {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = hashed(number | 1 << 60);
    HashX::from_bytes([a, b, c, d, e, f, g, h, i, j, k, l])
}

/// A transaction pays to a script of its own and, if it is even, to script 0; what it pays to script 0 is spent
/// 5,000 transactions later in nine of ten cases.
fn block(height: u32) -> BlockDelta {
    let first = u64::from(height) * TXS;
    let numbers = first..first + TXS;
    let output = |tx_num, vout, script_number| {
        let row = OutputRow { hashx: script(script_number), value: 100_000 + tx_num };
        (OutputNum { tx_num: TxNum(tx_num), vout }, row)
    };
    let outputs = numbers.clone().flat_map(|number| {
        let hot = number.is_multiple_of(2).then(|| output(number, 1, 0));
        [Some(output(number, 0, number + 1)), hot].into_iter().flatten()
    });
    let spends = numbers.clone().filter_map(|number| {
        let spent = number.checked_sub(5_000)?;
        (spent.is_multiple_of(2) && !spent.is_multiple_of(20)).then_some(Spend {
            output: OutputNum { tx_num: TxNum(spent), vout: 1 },
            by: TxNum(number),
        })
    });
    let size = 400;
    let position =
        |index: u64| TxPosition { offset: 81 + u32::try_from(index).unwrap_or(0) * size, size };
    BlockDelta {
        id: BlockId {
            height,
            hash: BlockHash::from_byte_array(hashed(u64::from(height) | 2 << 60)),
        },
        header: vec![0; 80],
        first_tx_num: TxNum(first),
        txids: numbers.map(|number| Txid::from_byte_array(hashed(number))).collect(),
        positions: (0..TXS).map(position).collect(),
        outputs: outputs.collect(),
        spends: spends.collect(),
    }
}

fn reads(criterion: &mut Criterion<CpuTime>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = LmdbStore::open(
        &dir.path().join("db"),
        &Bitcoin::new(Network::Regtest).chain().into(),
        Options::default(),
    );
    let store = store.expect("an empty folder");
    let blocks = u32::try_from(PAID * 2 / TXS).expect("few");
    for height in 0..blocks {
        store.append(&[block(height)]).expect("the disk is not full");
    }
    store.compact(0, &mut ()).expect("the disk is not full");
    let view = store.view().expect("the index is sound");
    let hot = script(0);

    let mut group = criterion.benchmark_group("base_script_of_100000_outputs");
    group.throughput(Throughput::Elements(PAID));
    group.bench_function("balance", |bencher| {
        bencher.iter(|| {
            let outputs = view.script_outputs(black_box(&hot), usize::MAX).expect("sound");
            history::balance(&outputs)
        });
    });
    group.bench_function("history", |bencher| {
        bencher.iter(|| {
            let outputs = view.script_outputs(black_box(&hot), usize::MAX).expect("sound");
            let numbers = history::history_tx_nums(&outputs);
            history::resolve(&*view, &numbers).expect("sound")
        });
    });
    group.finish();
    let mut next = (0..view.tx_count()).cycle().step_by(7919);
    criterion.bench_function("base_ordinary_script_history", |bencher| {
        bencher.iter(|| {
            let hashx = script(next.next().unwrap_or(0) + 1);
            let outputs = view.script_outputs(&hashx, usize::MAX).expect("sound");
            history::resolve(&*view, &history::history_tx_nums(&outputs)).expect("sound")
        });
    });
    criterion.bench_function("base_utxo", |bencher| {
        bencher.iter(|| {
            let tx_num = TxNum(next.next().unwrap_or(0));
            view.output(OutputNum { tx_num, vout: 0 }).expect("sound")
        });
    });
    criterion.bench_function("base_tx_num_of_txid", |bencher| {
        bencher.iter(|| {
            let txid = Txid::from_byte_array(hashed(next.next().unwrap_or(0)));
            view.tx_num(&txid).expect("sound")
        });
    });
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = reads);
criterion_main!(benches);
