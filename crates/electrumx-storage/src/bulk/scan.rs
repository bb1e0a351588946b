//! Reading the blocks: parse, number, resolve.
//!
//! Three threads and a pool: one takes blocks from the source, this one leads the pool through a batch after the other, and
//! one appends to the base what comes in its order.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use electrumx_core::coin::Coin;
use electrumx_core::processor::{Observer, ProcessError, Progress};
use electrumx_core::{BlockDelta, BlockId, BlockSource, RawBlock, StoreError, TxNum};
use rayon::prelude::*;

use super::build::{Build, Memory, Parts};
use super::checkpoint::Checkpoint;
use super::parse::{ParsedBlock, ShardParts, Waiting};
use crate::base::Buckets;
use crate::build::{Appender, Buffers, TXID_PARTS, TxidRecord};
use crate::chain::Chain;
use crate::chain_rows;
use crate::tables::Origin;

/// Bytes of a buffer of a partition of the txids.
const TXID_BUFFER: usize = 8 << 10;

/// How the scan ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scanned {
    /// All blocks were read.
    All,
    /// It was told to stop; a checkpoint was made.
    Stopped,
    /// The source ended early: its chain has changed.
    ChainChanged,
}

/// What the appending thread is asked for.
enum Job {
    Append(Vec<BlockDelta>),
    /// Make everything durable, with this row; the temporary files are filled in.
    Checkpoint(Checkpoint, SyncSender<()>),
}

impl Build<'_> {
    /// Reads the blocks that are missing.
    pub(super) fn scan<C: Coin, B: BlockSource>(
        &mut self,
        coin: &C,
        source: &mut B,
        observer: &mut impl Observer,
    ) -> Result<Scanned, ProcessError> {
        let mut chain = self.load_chain()?;
        let from = u32::try_from(chain.len()).unwrap_or(u32::MAX);
        let target = self.target;
        if from > target {
            return Ok(Scanned::All);
        }
        source.start(from, target);
        let batch_bytes = self.plan.batch_bytes;
        let (batches, inbox) = sync_channel(1);
        let (jobs, work) = sync_channel(2);
        let mut memory = std::mem::take(&mut self.memory);
        let appending = AppendThread { build: self.parts(), chain: chain.clone() };
        let scanned = thread::scope(|scope| {
            let reader = scope.spawn(move || read_batches(source, batch_bytes, &batches));
            let appender = scope.spawn(move || appending.run(&work));
            let scanned = self.lead(coin, &mut memory, &mut chain, &inbox, &jobs, observer);
            // Both end when nobody listens or asks any more.
            drop((inbox, jobs));
            let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let appended = appender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            appended?;
            match scanned? {
                Scanned::ChainChanged => read.map(|()| Scanned::ChainChanged),
                scanned => Ok(scanned),
            }
        });
        self.memory = memory;
        scanned
    }

    fn lead<C: Coin>(
        &self,
        coin: &C,
        memory: &mut Memory,
        chain: &mut Chain,
        inbox: &Receiver<Vec<RawBlock>>,
        jobs: &SyncSender<Job>,
        observer: &mut impl Observer,
    ) -> Result<Scanned, ProcessError> {
        let (mut since, mut bytes) = (Instant::now(), 0);
        let mut spare = Vec::new();
        loop {
            let at_end = chain.tip().map(|tip| tip.height) >= Some(self.target);
            let stopped = observer.should_stop();
            let due = since.elapsed() >= self.options.checkpoint_interval
                || bytes >= self.options.checkpoint_bytes;
            if due && !at_end || stopped && bytes > 0 {
                if self.checkpoint(memory, chain, jobs)?.is_none() {
                    return Ok(Scanned::Stopped);
                }
                (since, bytes) = (Instant::now(), 0);
            }
            if at_end {
                return Ok(Scanned::All);
            }
            if stopped {
                return Ok(Scanned::Stopped);
            }
            let Ok(batch) = inbox.recv() else { return Ok(Scanned::ChainChanged) };
            let mut parsed = self.parse(coin, &batch, &mut spare)?;
            drop(batch);
            number(coin, chain, &mut parsed)?;
            let (deltas, next) = self.take_deltas(chain, &mut parsed);
            // The thread is gone only if it has failed, which is told at its end.
            if jobs.send(Job::Append(deltas)).is_err() {
                return Ok(Scanned::Stopped);
            }
            *chain = next;
            self.resolve(memory, &parsed)?;
            for block in &parsed {
                bytes += block.bytes as u64;
                observer.advanced(&Progress {
                    tip: block.delta.id,
                    target: self.target,
                    tx_count: block.delta.first_tx_num.0,
                    block_bytes: block.bytes,
                });
            }
            spare = parsed.into_iter().map(|block| block.shards).collect();
        }
    }

    fn parse<C: Coin>(
        &self,
        coin: &C,
        batch: &[RawBlock],
        spare: &mut Vec<ShardParts>,
    ) -> Result<Vec<ParsedBlock>, ProcessError> {
        let parser = self.parser;
        spare.resize_with(batch.len(), ShardParts::new);
        self.pool.install(|| {
            let work = batch.par_iter().zip(std::mem::take(spare));
            work.map_init(Waiting::default, |waiting, (block, shards)| {
                parser.parse(coin, block, shards, waiting)
            })
            .collect()
        })
    }

    fn resolve(&self, memory: &mut Memory, blocks: &[ParsedBlock]) -> Result<(), StoreError> {
        let (plan, spools) = (&self.plan, &self.spools);
        let Memory { shards, outlets, .. } = memory;
        self.pool.install(|| {
            shards.par_iter_mut().try_for_each(|shard| {
                outlets.with(plan, spools, |outlet| shard.resolve(blocks, spools, outlet))
            })
        })
    }

    /// Moves out what is appended, and returns the chain that it leads to.
    fn take_deltas(&self, chain: &Chain, parsed: &mut [ParsedBlock]) -> (Vec<BlockDelta>, Chain) {
        let mut deltas = Vec::with_capacity(parsed.len());
        let mut ends = Vec::with_capacity(parsed.len());
        let mut tip = chain.tip();
        for ParsedBlock { delta, .. } in parsed {
            ends.push(delta.first_tx_num.0 + delta.txids.len() as u64);
            tip = Some(delta.id);
            let stay = BlockDelta {
                id: delta.id,
                header: Vec::new(),
                first_tx_num: delta.first_tx_num,
                txids: Vec::new(),
                positions: Vec::new(),
                outputs: Vec::new(),
                spends: Vec::new(),
            };
            deltas.push(std::mem::replace(delta, stay));
        }
        let next = match tip {
            Some(tip) => chain.extended(ends, tip),
            None => chain.clone(),
        };
        (deltas, next)
    }

    /// Makes everything durable; `None` if the appending thread has failed.
    fn checkpoint(
        &self,
        memory: &mut Memory,
        chain: &Chain,
        jobs: &SyncSender<Job>,
    ) -> Result<Option<()>, StoreError> {
        memory.outlets.flush(&self.spools)?;
        self.write_snapshot(memory)?;
        self.spools.sync()?;
        let (reply, answer) = sync_channel(1);
        let asked = jobs.send(Job::Checkpoint(self.state(memory, chain.len() as u64), reply));
        if asked.is_err() || answer.recv().is_err() {
            return Ok(None);
        }
        self.snapshot_is_current(memory)?;
        tracing::debug!(blocks = chain.len(), "checkpoint");
        Ok(Some(()))
    }
}

/// Checks that the blocks extend the chain, and numbers their transactions.
fn number<C: Coin>(
    coin: &C,
    chain: &Chain,
    blocks: &mut [ParsedBlock],
) -> Result<(), ProcessError> {
    let (mut tip, mut next) = (chain.tip(), chain.tx_count());
    for block in blocks {
        let BlockId { height, hash } = block.delta.id;
        match tip {
            None if height == 0 && hash == coin.chain().genesis_hash() => {}
            None => {
                let wanted = coin.chain().genesis_hash();
                return Err(ProcessError::WrongChain { found: hash, wanted });
            }
            Some(tip) if height == tip.height + 1 && block.prev == tip.hash => {}
            Some(_) => return Err(ProcessError::NotExtending { height }),
        }
        block.delta.first_tx_num = TxNum(next);
        next += block.delta.txids.len() as u64;
        if next > TxNum::MAX.0 {
            return Err(ProcessError::TooManyTransactions);
        }
        tip = Some(block.delta.id);
    }
    Ok(())
}

/// Collects blocks into batches until the source ends or nobody wants them any more.
fn read_batches<B: BlockSource>(
    source: &mut B,
    batch_bytes: usize,
    batches: &SyncSender<Vec<RawBlock>>,
) -> Result<(), ProcessError> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let block = source.next_block()?;
        let is_end = block.is_none();
        if let Some(block) = block {
            bytes += block.bytes.len();
            batch.push(block);
        }
        // Early blocks are tiny; their number is bounded as well.
        if bytes >= batch_bytes || batch.len() >= 4096 || is_end && !batch.is_empty() {
            if batches.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
            bytes = 0;
        }
        if is_end {
            return Ok(());
        }
    }
}

/// The thread that writes to the base.
struct AppendThread<'a> {
    build: Parts<'a>,
    chain: Chain,
}

impl AppendThread<'_> {
    fn run(mut self, work: &Receiver<Job>) -> Result<(), StoreError> {
        let file = self.build.file;
        let mut appender = Appender::new(file);
        let mut txids = Buffers::new(TXID_PARTS, TXID_BUFFER);
        let mut value = Vec::new();
        while let Ok(job) = work.recv() {
            match job {
                Job::Append(blocks) => {
                    self.append(&mut appender, &mut txids, &blocks, &mut value)?;
                    if appender.is_full() {
                        appender.commit()?;
                    }
                }
                Job::Checkpoint(mut checkpoint, reply) => {
                    txids.flush(self.build.txids)?;
                    self.build.txids.sync()?;
                    checkpoint.txids = self.build.txids.lens();
                    appender.change(|txn| {
                        checkpoint.write(txn, &file.tables)?;
                        Ok(0)
                    })?;
                    appender.commit()?;
                    // Nobody waits any more only if all is being given up.
                    let _ = reply.send(());
                }
            }
        }
        txids.flush(self.build.txids)?;
        appender.commit()
    }

    fn append(
        &mut self,
        appender: &mut Appender<'_>,
        txids: &mut Buffers<{ TxidRecord::LEN }>,
        blocks: &[BlockDelta],
        value: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let tables = &self.build.file.tables.chain;
        appender.change(|txn| {
            chain_rows::append(txn, tables, Origin::default(), &self.chain, blocks, value)?;
            Ok(blocks.iter().map(|block| block.header.len() + block.txids.len() * 40).sum())
        })?;
        // Only the prefix matters here, not how buckets will be cut.
        let buckets = Buckets::new(0, 1, self.build.prefix_len);
        for block in blocks {
            for (number, txid) in (block.first_tx_num.0..).zip(&block.txids) {
                let (part, record) = TxidRecord::new(buckets.prefix(txid), number);
                txids.push(self.build.txids, part, &record.0)?;
            }
        }
        let ends = blocks.iter().map(|block| block.first_tx_num.0 + block.txids.len() as u64);
        if let Some(last) = blocks.last() {
            self.chain = self.chain.extended(ends, last.id);
        }
        Ok(())
    }
}
