//! The block processor's thread: it alone writes to the index.

use std::thread::JoinHandle;

use anyhow::Context as _;
use electrumx_core::coin::Coin;
use electrumx_core::processor::{Observer, ProcessError, Processor, Synced};
use electrumx_core::{BlockSource, Store};
use tokio::sync::{mpsc, oneshot};

use crate::first_sync::{Begun, FirstSync};

type Reply = oneshot::Sender<Result<Synced, ProcessError>>;

enum Command {
    Sync(Reply),
    TrackTouchedScripts,
}

fn sync<C: Coin, S: Store, B: BlockSource>(
    processor: &mut Processor<C, S>,
    source: &mut B,
    observer: &mut impl Observer,
    first_sync: &mut FirstSync,
) -> Result<Synced, ProcessError> {
    if processor.tip().is_none() {
        match first_sync.run(source, observer)? {
            Begun::Wait => return Ok(Synced { node_is_behind: true, ..Synced::default() }),
            Begun::GoOn => processor.reload()?,
        }
    }
    processor.sync(source, observer)
}

/// Handle of the thread. Dropping it lets the thread end after its current sync.
#[derive(Debug)]
pub(crate) struct IndexThread {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

impl IndexThread {
    /// Starts the thread.
    pub(crate) fn spawn<C, S, B, O>(
        mut processor: Processor<C, S>,
        mut source: B,
        mut observer: O,
        mut first_sync: FirstSync,
    ) -> anyhow::Result<Self>
    where
        C: Coin,
        S: Store,
        B: BlockSource + 'static,
        O: Observer + Send + 'static,
    {
        let (commands, mut inbox) = mpsc::unbounded_channel();
        let run = move || {
            while let Some(command) = inbox.blocking_recv() {
                match command {
                    Command::Sync(reply) => {
                        let synced =
                            sync(&mut processor, &mut source, &mut observer, &mut first_sync);
                        // The receiver is gone only when the server is stopping.
                        let _ = reply.send(synced);
                    }
                    Command::TrackTouchedScripts => processor.track_touched_scripts(),
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("block-processor".into())
            .spawn(run)
            .context("cannot start the block processor's thread")?;
        Ok(Self { commands, thread })
    }

    /// Makes the index equal to the node's best chain; see [`Processor::sync`].
    pub(crate) async fn sync(&self) -> anyhow::Result<Result<Synced, ProcessError>> {
        let (reply, answer) = oneshot::channel();
        let dead = "the block processor's thread is dead; this is a bug, please report the log";
        self.commands.send(Command::Sync(reply)).map_err(|_| anyhow::anyhow!(dead))?;
        answer.await.context(dead)
    }

    /// See [`Processor::track_touched_scripts`].
    pub(crate) fn track_touched_scripts(&self) {
        // A dead thread is reported by the next sync.
        let _ = self.commands.send(Command::TrackTouchedScripts);
    }

    /// Waits for the thread to end, after its current sync.
    pub(crate) async fn join(self) {
        let Self { commands, thread } = self;
        drop(commands);
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}
