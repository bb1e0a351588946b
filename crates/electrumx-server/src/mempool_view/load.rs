//! Reading transactions of the node's mempool, in memory bounded whatever their number.

use std::sync::Arc;

use anyhow::Context as _;
use electrumx_core::bitcoin::Txid;
use electrumx_core::mempool::{MempoolTx, Resolved, Resolver};
use electrumx_daemon::DaemonError;

use super::{MempoolView, Touched};

/// Transactions read at once. Two such chunks are in memory: one is fetched while the other is worked on.
const CHUNK: usize = 1_000;

/// What was read.
pub(super) struct Loaded {
    /// The last chunk, to be taken over together with what the listing lacks; all before it are in the view.
    pub(super) txs: Vec<(Txid, MempoolTx)>,
    /// Whether every transaction was found, and all that it spends.
    pub(super) complete: bool,
}

impl MempoolView {
    /// Reads transactions. All but the last chunk enter the view as they come.
    pub(super) async fn load(
        &self,
        mut pending: Vec<Txid>,
        touched: &mut Touched,
    ) -> anyhow::Result<Loaded> {
        let mut found_all = true;
        loop {
            let mut last = Vec::new();
            let mut orphans = Vec::new();
            let mut read = 0;
            let mut chunks = pending.chunks(CHUNK);
            let mut chunk = chunks.next();
            let mut raws = self.fetch(chunk.unwrap_or_default()).await?;
            while let Some(current) = chunk {
                touched.extend(self.pool.write().insert(std::mem::take(&mut last)));
                found_all &= raws.len() == current.len();
                chunk = chunks.next();
                let next = async { Ok(self.fetch(chunk.unwrap_or_default()).await?) };
                let resolved;
                (resolved, raws) = tokio::try_join!(self.resolve(raws), next)?;
                orphans.extend(resolved.unresolved);
                last = resolved.txs;
                read += current.len();
                if read % (20 * CHUNK) == 0 {
                    tracing::info!("reading the mempool: {read} of {} transactions", pending.len());
                }
            }
            // A parent may have been in a later chunk.
            let hopeless = pending.len() <= CHUNK || orphans.len() == pending.len();
            if hopeless || orphans.is_empty() {
                return Ok(Loaded { txs: last, complete: found_all && orphans.is_empty() });
            }
            touched.extend(self.pool.write().insert(last));
            pending = orphans;
        }
    }

    /// Fetches raw transactions; those that left the node's mempool meanwhile are left out.
    pub(super) async fn fetch(&self, txids: &[Txid]) -> Result<Vec<Vec<u8>>, DaemonError> {
        let (first, second) = txids.split_at(txids.len() / 2);
        let halves = tokio::try_join!(
            self.daemon.raw_transactions(first),
            self.daemon.raw_transactions(second)
        )?;
        Ok(halves.0.into_iter().chain(halves.1).flatten().collect())
    }

    /// Parses transactions and finds what they spend.
    pub(super) async fn resolve(&self, raws: Vec<Vec<u8>>) -> anyhow::Result<Resolved> {
        if raws.is_empty() {
            return Ok(Resolved::default());
        }
        tokio::task::spawn_blocking(self.resolver(raws))
            .await
            .context("resolving mempool transactions panicked")?
    }

    /// Returns what parses transactions and finds what they spend; it may have to wait for the disk.
    pub(super) fn resolver(
        &self,
        raws: Vec<Vec<u8>>,
    ) -> impl FnOnce() -> anyhow::Result<Resolved> + Send + 'static {
        let (coin, index, pool) = (self.coin, Arc::clone(&self.index), Arc::clone(&self.pool));
        move || {
            let raws = raws.iter().map(Vec::as_slice);
            let resolver = Resolver::parse(&coin, index.hashx_key(), raws)
                .context("the node sent a bad mempool transaction")?;
            // The mempool first: the snapshot must not be older than it.
            let pool = pool.read();
            Ok(resolver.resolve(&*index.view()?, &pool)?)
        }
    }
}
