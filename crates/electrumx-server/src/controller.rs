//! The controller: builds the components, owns their lifetimes and the order in which they stop.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use electrumx_core::Index;
use electrumx_core::coin::Coin as _;
use electrumx_core::mempool::Mempool;
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_daemon::{Daemon, DaemonConfig, DaemonError};
use electrumx_protocol::{CostLimits, Regex, Service, ServiceConfig};
use electrumx_storage::{Identity, LmdbStore, Options};
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::compactor::Compactor;
use crate::env::{Env, Protocol};
use crate::first_sync::FirstSync;
use crate::follower::{self, Follower, Following};
use crate::index_thread::IndexThread;
use crate::listener::Entrance;
use crate::local_rpc;
use crate::mempool_view::MempoolView;
use crate::node::ServerNode;
use crate::operator::Operator;
use crate::own_thread;
use crate::progress::ProgressReporter;
use crate::source::{block_files, block_source};
use crate::tx_files::TxFiles;

/// Longest wait for views of the index to be dropped at shutdown.
const CLOSE: Duration = Duration::from_secs(5);

/// Runs the server until `stop` is cancelled or something fails for good.
///
/// # Errors
/// What no waiting can mend, worded for the operator.
pub async fn run(env: Env, stop: CancellationToken) -> anyhow::Result<()> {
    env.log_report();
    let store = Arc::new(open_store(&env)?);
    // Bad addresses are told now and not after hours of syncing.
    let entrance = Entrance::prepare(&env, &stop)?;
    drop(entrance.open().await?);
    let result = serve(&env, entrance, Arc::clone(&store), stop.clone()).await;
    stop.cancel();
    // All threads and tasks that had the store are gone by now, or cut off.
    if let Ok(store) = Arc::try_unwrap(store)
        && !store.close(CLOSE)
    {
        tracing::warn!("requests still read the index; it is closed regardless, and safe");
    }
    if result.is_ok() {
        tracing::info!("stopped");
    }
    result
}

pub(crate) fn open_store(env: &Env) -> anyhow::Result<LmdbStore> {
    let identity = Identity::from(env.coin.chain());
    let store = LmdbStore::open(&env.db_directory, &identity, Options::default())
        .with_context(|| format!("cannot use the index in {}", env.db_directory.display()))?;
    match store.view()?.tip() {
        Some(tip) => tracing::info!("the index is at block {tip}"),
        None => tracing::info!("the index is empty: the whole chain will be indexed"),
    }
    Ok(store)
}

async fn bind(env: &Env, protocol: Protocol) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for service in env.services_of(protocol) {
        listeners.extend(crate::bind::bind(service).await?);
    }
    Ok(listeners)
}

async fn serve(
    env: &Env,
    entrance: Arc<Entrance>,
    store: Arc<LmdbStore>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let daemon = if env.offline {
        Daemon::none(stop.clone())
    } else {
        Daemon::new(DaemonConfig::new(env.nodes.clone()), stop.clone())?
    };
    let files = block_files(env, &stop)?;
    let reporter = ProgressReporter::new(env.coin.chain(), stop.clone());
    let (following, follows) = watch::channel(Following::default());
    let pool = Arc::new(RwLock::new(Mempool::default()));
    let compactor = Compactor::new(env, Arc::clone(&store), stop.clone());
    let operator = Arc::new(Operator {
        coin: env.coin,
        daemon: daemon.clone(),
        store: Arc::clone(&store),
        compactor: Arc::clone(&compactor),
        pool: Arc::clone(&pool),
        following: follows.clone(),
        progress: reporter.latest(),
        service: OnceLock::new(),
        services: entrance.services(),
        started: Instant::now(),
        stop: stop.clone(),
    });
    let rpc_listeners = bind(env, Protocol::Rpc).await?;
    let mut tasks = JoinSet::new();
    let (state, stopped) = (Arc::clone(&operator), stop.clone());
    tasks.spawn(async move {
        local_rpc::serve(rpc_listeners, state, stopped.clone()).await;
        // Without an rpc:// service it ends at once.
        stopped.cancelled().await;
        Ok(())
    });

    if check_node(env, &daemon).await? {
        let index: Arc<dyn Index> = store.clone();
        let mempool = Arc::new(MempoolView::new(
            env.coin,
            daemon.clone(),
            Arc::clone(&index),
            Arc::clone(&pool),
        ));
        let (handle, inbox) = follower::channel();
        let txs = files.clone().map(|files| TxFiles::new(env.coin, files, Arc::clone(&index)));
        let node = Arc::new(ServerNode::new(daemon.clone(), Arc::clone(&mempool), handle, txs));
        let service = Arc::new(Service::new(index, pool, node, service_config(env)?)?);
        let _ = operator.service.set(Arc::clone(&service));

        let chain_bytes = files.as_ref().and_then(|files| bytes_in(files.dir()));
        let first_sync = FirstSync::new(env, Arc::clone(&store), chain_bytes);
        let policy = FlushPolicy::with_budget(env.cache_bytes);
        let processor = Processor::new(env.coin, Arc::clone(&store), policy)?;
        let source = block_source(daemon, &files, stop.clone());
        let follower = Follower {
            index: IndexThread::spawn(processor, source, reporter, first_sync)?,
            mempool,
            service: Arc::clone(&service),
            inbox,
            poll_interval: env.poll_blocks.min(env.poll_mempool),
            zmq: env.zmq.clone(),
            following,
            compactor: Arc::clone(&compactor),
            stop: stop.clone(),
        };
        tasks.spawn(own_thread::run("follower", follower.run()));
        tasks.spawn(accept(entrance, service, follows, stop.clone()));
    }
    drop((store, operator));

    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.context("a part of the server panicked; this is a bug")?;
        if result.is_ok() {
            result = ended;
        }
        // The end of any part is the end of all: cancelled, or failed.
        stop.cancel();
    }
    compactor.join().await;
    result
}

/// Returns the bytes of the files in a directory.
fn bytes_in(dir: &Path) -> Option<u64> {
    let sizes = std::fs::read_dir(dir).ok()?.map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
    sizes.sum()
}

/// Waits for the node, if there is to be one, and makes sure that it is the right one; `false` when cancelled meanwhile.
async fn check_node(env: &Env, daemon: &Daemon) -> anyhow::Result<bool> {
    if daemon.is_none() {
        return Ok(true);
    }
    match daemon.check_chain(env.coin.chain()).await {
        Ok(check) => {
            for warning in &check.warnings {
                tracing::warn!("{warning}");
            }
            let (network, tip) = (&check.network, check.chain.tip);
            tracing::info!("the node is {} at block {tip}", network.subversion);
            Ok(true)
        }
        Err(DaemonError::Cancelled) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

fn service_config(env: &Env) -> anyhow::Result<ServiceConfig> {
    let mut config = ServiceConfig::new(env.coin.chain().genesis_hash());
    config.donation_address.clone_from(&env.donation_address);
    config.header_tree = Some(env.db_directory.join("header-tree"));
    let limits = &mut config.limits;
    limits.max_line_bytes = env.sessions.max_recv_bytes;
    limits.max_send_bytes = env.sessions.max_send_bytes;
    limits.max_history = env.sessions.max_history;
    limits.max_batch = env.sessions.max_batch;
    limits.max_subscriptions = env.sessions.max_subscriptions;
    limits.session_timeout = env.sessions.session_timeout;
    limits.request_timeout = env.sessions.request_timeout;
    config.costs = CostLimits {
        soft: env.sessions.cost_soft_limit,
        hard: env.sessions.cost_hard_limit,
        bandwidth_unit: env.sessions.bandwidth_unit_cost,
        request_sleep: env.sessions.request_sleep,
        ipv4_prefix: env.sessions.group_ipv4_prefix,
        ipv6_prefix: env.sessions.group_ipv6_prefix,
    };
    config.padding = env.sessions.padding;
    config.passthrough.clone_from(&env.passthrough);
    config.drop_client = env.sessions.drop_client.as_deref().map(Regex::new).transpose()?;
    config.lists_itself = env.lists_itself;
    config.services = env.report_services.iter().map(ToString::to_string).collect();
    for service in &env.report_services {
        let ports = config.hosts.entry(service.host.clone()).or_default();
        let port = match service.protocol {
            Protocol::Tcp => &mut ports.tcp,
            Protocol::Ssl => &mut ports.ssl,
            Protocol::Ws => &mut ports.ws,
            Protocol::Wss => &mut ports.wss,
            Protocol::Rpc => continue,
        };
        *port = Some(service.port);
    }
    if let Some(file) = &env.banner_file {
        config.banner = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read BANNER_FILE {}", file.display()))?;
    }
    Ok(config)
}

/// Serves clients on all listeners once the index has caught up for the first time.
async fn accept(
    entrance: Arc<Entrance>,
    service: Arc<Service<ServerNode>>,
    mut follows: watch::Receiver<Following>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        following = follows.wait_for(|following| following.caught_up) => {
            // An error means that the follower is gone, and the server is stopping.
            if following.is_err() {
                return Ok(());
            }
        }
    }
    entrance.serve(service, stop).await
}
