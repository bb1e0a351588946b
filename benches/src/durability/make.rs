//! Making an index, and saying which stage it is at.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::processor::{
    BulkPhase, BulkProgress, FlushPolicy, Observer, Processor, Progress,
};
use electrumx_core::{BlockSource as _, HashXKey, Height};
use electrumx_storage::{BulkOptions, Compaction, FirstSync, LmdbStore, Options, first_sync};

use super::stage::Stage;
use super::waits::Waits;
use crate::BlockDir;

/// How an index is made.
#[derive(Clone, Debug)]
pub struct Making {
    /// Of the first sync.
    pub bulk: BulkOptions,
    /// Blocks that are left to the tip, and as a rule fewer than the chain has.
    pub tip_blocks: Height,
    /// Blocks of these that are not folded into the base afterwards.
    pub keep: Height,
}

/// Two indexes are comparable only if they have the same secret.
const KEY: [u8; 16] = *b"not secret at al";

/// Opens the index.
pub(super) fn open(db: &Path) -> anyhow::Result<LmdbStore> {
    let coin = Bitcoin::new(Network::Regtest);
    let options = Options { hashx_key: Some(HashXKey::from_bytes(KEY)), ..Options::default() };
    Ok(LmdbStore::open(db, &coin.chain().into(), options)?)
}

/// Makes an index, or goes on with one, and writes the name of each stage to the standard output when it begins.
///
/// First sync, blocks at the tip one by one, compaction: whatever was interrupted before, the same index comes out.
///
/// # Errors
/// When blocks or disk are bad, or nobody reads the output.
pub fn make(blocks: &BlockDir, db: &Path, making: &Making) -> anyhow::Result<()> {
    let coin = Bitcoin::new(Network::Regtest);
    let mut source = blocks.source()?;
    let target = source.tip()?.id.height.checked_sub(making.tip_blocks);
    let target = target.context("the chain has fewer blocks than are for the tip")?;

    let mut stages = Stages { current: None, of: |phase| Stage::FirstSync(Some(phase)) };
    stages.enter(Stage::Open);
    let store = Arc::new(open(db)?);
    let synced = first_sync(&store, &coin, &mut source, target, &making.bulk, &mut stages)?;
    anyhow::ensure!(matches!(synced, FirstSync::Done(_)), "it did not end well: {synced:?}");

    stages.enter(Stage::Tip);
    let each = FlushPolicy { pending_bytes: 0, ..FlushPolicy::default() };
    let mut processor = Processor::new(coin, Arc::clone(&store), each)?;
    processor.sync(&mut source, &mut stages)?;
    drop(processor);

    stages.of = Stage::Compaction;
    let waits = Waits::watch(Arc::clone(&store));
    let compacted = store.compact(making.keep, &mut stages)?;
    anyhow::ensure!(
        matches!(compacted, Compaction::Done(_) | Compaction::Nothing),
        "it did not end well: {compacted:?}"
    );
    let waits = waits.end()?;
    stages.enter(Stage::Done);
    writeln!(io::stdout(), "{waits}")?;
    Ok(())
}

/// Says when a stage begins.
struct Stages {
    current: Option<Stage>,
    /// Which stage a phase is.
    of: fn(BulkPhase) -> Stage,
}

impl Stages {
    fn enter(&mut self, stage: Stage) {
        if self.current != Some(stage) {
            self.current = Some(stage);
            // A parent that is gone is noticed at the end.
            let _ = writeln!(io::stdout(), "{stage}");
        }
    }
}

impl Observer for Stages {
    fn advanced(&mut self, _: &Progress) {
        if self.current == Some(Stage::Open) {
            self.enter(Stage::FirstSync(None));
        }
    }

    fn bulk(&mut self, progress: &BulkProgress) {
        self.enter((self.of)(progress.phase));
    }
}
