//! Where blocks come from: the node's block files, the node, or both.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use electrumx_core::BlockSource;
use electrumx_core::coin::Bitcoin;
use electrumx_daemon::{
    BlockFiles, BlockFilesError, Daemon, FilesAlone, FilesWithNode, PrefetchConfig, Prefetcher,
    ScanProgress,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::env::Env;
use crate::local_rpc::thousands;

/// Time between two lines of the log.
const LINE: Duration = Duration::from_secs(5);

/// The node's block files, if they are at hand.
pub(crate) type Files = Option<Arc<BlockFiles<Bitcoin>>>;

/// Opens the block files that `env` names. With a node a thread of its own looks into all of them.
pub(crate) fn block_files(env: &Env, stop: &CancellationToken) -> anyhow::Result<Files> {
    let Some(dir) = &env.blocks_dir else { return Ok(None) };
    let files = match BlockFiles::open(env.coin, dir) {
        Ok(files) => Arc::new(files),
        Err(error) if env.offline => return Err(error).context("cannot serve without a node"),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "blocks come from the node alone");
            return Ok(None);
        }
    };
    if !env.offline {
        let (theirs, stop) = (Arc::clone(&files), stop.clone());
        std::thread::Builder::new()
            .name("block-scan".into())
            .spawn(move || scan(&theirs, &stop))
            .context("cannot start the thread that looks into the block files")?;
    }
    Ok(Some(files))
}

/// Makes the source of the block processor.
pub(crate) fn block_source(
    daemon: Daemon,
    files: &Files,
    stop: CancellationToken,
) -> Box<dyn BlockSource> {
    let config = PrefetchConfig::default();
    match files {
        Some(files) if daemon.is_none() => {
            let files = Arc::clone(files);
            Box::new(FilesAlone::new(files, config.queue_bytes, lines(), stop))
        }
        Some(files) => {
            Box::new(FilesWithNode::new(Arc::clone(files), daemon, Handle::current(), config))
        }
        None => Box::new(Prefetcher::new(daemon, Handle::current(), config)),
    }
}

fn scan(files: &BlockFiles<Bitcoin>, stop: &CancellationToken) {
    let began = Instant::now();
    let mut line = lines();
    let result = files.refresh(&mut |progress| {
        line(progress);
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match result {
        Ok(()) => {
            let (blocks, took) = (thousands(files.len() as u64), began.elapsed());
            tracing::info!("{blocks} blocks are in {}, found in {took:.1?}", files.dir().display());
        }
        Err(BlockFilesError::Cancelled) => {}
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "what the block files do not serve comes from the node");
        }
    }
}

/// Logs how far the look into the files is, when it takes long.
fn lines() -> impl FnMut(ScanProgress) + Send + 'static {
    let mut last = Instant::now();
    move |progress: ScanProgress| {
        let ScanProgress { files_done, files, blocks } = progress;
        if files_done == files {
            last = Instant::now();
        } else if last.elapsed() >= LINE {
            last = Instant::now();
            let blocks = thousands(blocks as u64);
            tracing::info!("block files: {files_done} of {files} looked into, {blocks} blocks");
        }
    }
}
