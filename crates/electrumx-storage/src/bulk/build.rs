//! A build under way: its files, its memory, and how both come back after a crash.

use std::path::{Path, PathBuf};

use electrumx_core::{Height, StoreError};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::checkpoint::{Checkpoint, Stage};
use super::options::BulkOptions;
use super::outlets::{Outlets, Spools};
use super::outpoint::{Names, leading};
use super::parse::Parser;
use super::plan::{Plan, SPILL_PARTS};
use super::shard::Shard;
use super::snapshot;
use crate::build::{BuildFile, Spool, TXID_PARTS, TxidRecord};
use crate::chain::Chain;
use crate::chain_rows;
use crate::failure::{Failure, backend};
use crate::install::io_error;
use crate::shared::Shared;
use crate::store::LmdbStore;
use crate::tables::Origin;

/// A build of a base from blocks.
pub(super) struct Build<'a> {
    pub(super) options: &'a BulkOptions,
    pub(super) plan: Plan,
    pub(super) pool: ThreadPool,
    pub(super) parser: Parser,
    pub(super) file: BuildFile,
    pub(super) spools: Spools,
    pub(super) txids: Spool<{ TxidRecord::LEN }>,
    pub(super) memory: Memory,
    pub(super) stage: Stage,
    /// The next partition of the stage.
    pub(super) next: usize,
    /// Height of the last block of the base.
    pub(super) target: Height,
    temp: PathBuf,
    pub(super) prefix_len: usize,
}

/// What a scan changes in memory.
#[derive(Default, Debug)]
pub(super) struct Memory {
    pub(super) shards: Vec<Shard>,
    pub(super) outlets: Outlets,
    /// Outputs of earlier runs.
    outputs_before: u64,
    /// Number of the last snapshot.
    snapshot: u64,
}

impl Memory {
    /// Returns how many outputs came in.
    pub(super) fn outputs(&self) -> u64 {
        self.outputs_before + self.shards.iter().map(|shard| shard.outputs).sum::<u64>()
    }
}

/// What the thread that appends needs.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) file: &'a BuildFile,
    pub(super) txids: &'a Spool<{ TxidRecord::LEN }>,
    pub(super) prefix_len: usize,
}

/// The temporary files of a build.
struct Temp {
    dir: PathBuf,
    spools: Spools,
    txids: Spool<{ TxidRecord::LEN }>,
}

impl<'a> Build<'a> {
    /// Goes on with an earlier build if there is one that fits, or begins anew.
    pub(super) fn open(
        store: &LmdbStore,
        options: &'a BulkOptions,
        target: Height,
    ) -> Result<Self, StoreError> {
        let shared = store.shared();
        let map_bytes = store.options.map_bytes();
        if let Some(file) = BuildFile::resume(&shared.dir, &shared.meta, map_bytes)? {
            let txn = file.env.read_txn().map_err(backend("read a base that was begun"))?;
            let checkpoint = Checkpoint::read(&txn, &file.tables)?;
            drop(txn);
            if let Some(checkpoint) = checkpoint {
                match Self::resume(file, options, &shared, &checkpoint) {
                    Ok(build) => return Ok(build),
                    Err(error @ StoreError::Full { .. }) => return Err(error),
                    Err(error) => tracing::warn!(
                        %error,
                        "an earlier first sync cannot be gone on with; it begins anew"
                    ),
                }
            }
        }
        Self::create(store, options, &shared, target)
    }

    fn create(
        store: &LmdbStore,
        options: &'a BulkOptions,
        shared: &Shared,
        target: Height,
    ) -> Result<Self, StoreError> {
        let map_bytes = store.options.map_bytes();
        let file = BuildFile::create(&shared.dir, &store.identity, &shared.meta, map_bytes)?;
        let plan = Plan::new(options);
        let dir = temp_dir(options, &file)?;
        let spools = Spools {
            scripts: Spool::create(&dir, "scripts", plan.script_parts)?,
            evicted: Spool::create(&dir, "evicted", SPILL_PARTS)?,
            spends: Spool::create(&dir, "spends", SPILL_PARTS)?,
            utxos: Spool::create(&dir, "utxos", 0)?,
        };
        let txids = Spool::create(&dir, "txids", TXID_PARTS)?;
        let temp = Temp { dir, spools, txids };
        Self::assemble(file, options, shared, plan, target, temp)
    }

    fn resume(
        file: BuildFile,
        options: &'a BulkOptions,
        shared: &Shared,
        checkpoint: &Checkpoint,
    ) -> Result<Self, StoreError> {
        let script_parts = checkpoint.scripts.len();
        let plan = Plan { script_parts, ..Plan::new(options) };
        let dir = temp_dir(options, &file)?;
        let spools = Spools {
            scripts: Spool::resume(&dir, "scripts", &checkpoint.scripts)?,
            evicted: Spool::resume(&dir, "evicted", &checkpoint.evicted)?,
            spends: Spool::resume(&dir, "spends", &checkpoint.spends)?,
            utxos: Spool::resume(&dir, "utxos", &checkpoint.utxos)?,
        };
        let txids = Spool::resume(&dir, "txids", &checkpoint.txids)?;
        let temp = Temp { dir, spools, txids };
        let wrong = || file.tables.meta.corrupt("row \"build\" makes no sense");
        let target = u32::try_from(checkpoint.target).map_err(|_| wrong())?;
        let blocks = u32::try_from(checkpoint.blocks).map_err(|_| wrong())?;
        let next = usize::try_from(checkpoint.next).map_err(|_| wrong())?;
        cut(&file, blocks)?;
        let mut build = Self::assemble(file, options, shared, plan, target, temp)?;
        (build.stage, build.next) = (checkpoint.stage, next);
        let memory = &mut build.memory;
        (memory.snapshot, memory.outputs_before) = (checkpoint.snapshot, checkpoint.outputs);
        if build.stage == Stage::Scan && memory.snapshot > 0 {
            let (shards, plan, spools) = (&mut memory.shards, &build.plan, &build.spools);
            memory.outlets.with(plan, spools, |outlet| {
                snapshot::read(&build.temp, checkpoint.snapshot, |slot| {
                    let shard = leading(&slot.name()) >> (64 - plan.shard_bits);
                    shards[usize::try_from(shard).unwrap_or(0)].restore(slot, spools, outlet)
                })
            })?;
        }
        tracing::info!(stage = ?build.stage, blocks, "going on with an earlier first sync");
        Ok(build)
    }

    fn assemble(
        file: BuildFile,
        options: &'a BulkOptions,
        shared: &Shared,
        plan: Plan,
        target: Height,
        temp: Temp,
    ) -> Result<Self, StoreError> {
        let name = |index| format!("index-{index}");
        let pool = ThreadPoolBuilder::new().num_threads(plan.threads).thread_name(name).build();
        let pool = pool.map_err(|error| StoreError::Backend {
            action: "start threads",
            source: Box::new(error),
        })?;
        let key = shared.meta.hashx_key;
        let parser = Parser { key, names: Names::new(key), shard_bits: plan.shard_bits };
        let shards = (0..1 << plan.shard_bits).map(|index| Shard::new(index, &plan));
        let shards = shards.collect::<Result<_, _>>()?;
        let Temp { dir, spools, txids } = temp;
        Ok(Self {
            options,
            plan,
            pool,
            parser,
            file,
            spools,
            txids,
            memory: Memory { shards, ..Memory::default() },
            target,
            temp: dir,
            prefix_len: shared.meta.prefix_len,
            stage: Stage::Scan,
            next: 0,
        })
    }

    pub(super) fn parts(&self) -> Parts<'_> {
        Parts { file: &self.file, txids: &self.txids, prefix_len: self.prefix_len }
    }

    /// Reads the chain so far.
    pub(super) fn load_chain(&self) -> Result<Chain, StoreError> {
        let txn = self.file.env.read_txn().map_err(backend("read the base"))?;
        chain_rows::load(&txn, &self.file.tables.chain, Origin::default(), &Chain::default())
    }

    /// Returns what a checkpoint says of this state. The lengths of files are as they are now, but for those that the stage
    /// does not need any more: they are removed right after that, and must not be missed when a crash comes then.
    pub(super) fn state(&self, memory: &Memory, blocks: u64) -> Checkpoint {
        let needed = |up_to: Stage, mut lens: Vec<u64>| {
            if self.stage > up_to {
                lens.fill(0);
            }
            lens
        };
        Checkpoint {
            stage: self.stage,
            next: self.next as u64,
            blocks,
            target: self.target.into(),
            outputs: memory.outputs(),
            snapshot: memory.snapshot,
            scripts: needed(Stage::Scripts, self.spools.scripts.lens()),
            evicted: needed(Stage::Join, self.spools.evicted.lens()),
            spends: needed(Stage::Join, self.spools.spends.lens()),
            txids: self.txids.lens(),
            utxos: needed(Stage::Utxos, self.spools.utxos.lens()),
        }
    }

    /// Writes the next snapshot of what is in memory.
    pub(super) fn write_snapshot(&self, memory: &mut Memory) -> Result<(), StoreError> {
        memory.snapshot += 1;
        let slots = memory.shards.iter().flat_map(Shard::slots);
        snapshot::write(&self.temp, memory.snapshot, slots)
    }

    /// Removes the snapshot before the present one, which no checkpoint names any more.
    pub(super) fn snapshot_is_current(&self, memory: &Memory) -> Result<(), StoreError> {
        snapshot::remove(&self.temp, memory.snapshot.saturating_sub(1))
    }

    /// Removes the last snapshot: what it held is in files now.
    pub(super) fn snapshot_is_gone(&self) -> Result<(), StoreError> {
        snapshot::remove(&self.temp, self.memory.snapshot)
    }

    /// Begins with empty files for the unspent outputs. What is in buffers must have been written.
    pub(super) fn open_utxos(&mut self, parts: usize) -> Result<(), StoreError> {
        self.memory.outlets = Outlets::default();
        self.spools.utxos = Spool::create(&self.temp, "utxos", parts)?;
        Ok(())
    }

    /// Closes the file, removes what was temporary, and returns the path of the base.
    pub(super) fn close(self) -> Result<PathBuf, StoreError> {
        let Self { file, temp, .. } = self;
        std::fs::remove_dir_all(&temp)
            .map_err(|error| io_error("remove temporary files", &temp, error))?;
        file.close()
    }
}

/// Cuts what was appended after the checkpoint.
fn cut(file: &BuildFile, blocks: u32) -> Result<(), StoreError> {
    let failed = |failure: Failure| {
        failure.clarified(&file.path).into_store_error("resume a build", &file.dir)
    };
    let txn = file.env.read_txn().map_err(|error| failed(error.into()))?;
    let tables = &file.tables.chain;
    let chain = chain_rows::load(&txn, tables, Origin::default(), &Chain::default())?;
    drop(txn);
    if chain.len() <= blocks as usize {
        let is_whole = chain.len() == blocks as usize;
        return is_whole.then_some(()).ok_or_else(|| tables.counts.corrupt("blocks are missing"));
    }
    let txs = chain.txs_below(blocks as usize).unwrap_or(0);
    let mut txn = file.env.write_txn().map_err(|error| failed(error.into()))?;
    chain_rows::truncate(&mut txn, tables, Origin::default(), blocks, txs).map_err(failed)?;
    txn.commit().map_err(|error| failed(error.into()))
}

fn temp_dir(options: &BulkOptions, file: &BuildFile) -> Result<PathBuf, StoreError> {
    let dir: &Path = options.temp_dir.as_deref().unwrap_or(&file.dir);
    let dir = dir.join("temp");
    std::fs::create_dir_all(&dir).map_err(|error| io_error("create a folder", &dir, error))?;
    Ok(dir)
}
