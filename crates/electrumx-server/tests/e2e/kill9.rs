//! Interrupted at any moment, the index is in the end the one that a run without interruption makes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bitcoin::ScriptBuf;
use electrumx_core::Index as _;
use electrumx_storage::{LmdbStore, Options};
use electrumx_testkit::{
    Coins, Regtest, Replacement, ScriptKind, ServerProcess, Traffic, Truth, wait_until,
};

use crate::common::{
    PATIENCE, digest, identity, new_database, settle, settle_on, start_server, stop,
};
use crate::compare::compare_chain;

/// Times the server is killed while it syncs, and at the tip.
const KILLS: u32 = 10;

/// The smallest memory, for commits as often as can be.
const SMALL: [(&str, &str); 1] = [("CACHE_MB", "16")];

/// Blocks full of outputs, some megabytes of rows in all.
const BUSY_BLOCKS: usize = 250;
const BUSY_OUTPUTS: usize = 750;
const BUSY_SCRIPTS: usize = 500;

/// Numbers by chance, from a seed that is printed and can be given as `E2E_SEED`.
struct Chance(u64);

impl Chance {
    fn new(what: &str) -> Self {
        let given = std::env::var("E2E_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.subsec_nanos());
        let seed: u64 = given.unwrap_or_else(|| now().into());
        eprintln!("{what}: E2E_SEED={seed}");
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn below(&mut self, limit: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    fn moment(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(micros))
    }
}

/// The height up to which the database is there, whatever happened to its server.
fn committed(dir: &Path) -> Result<Option<u32>> {
    let store = LmdbStore::open(dir, &identity(), Options::default())?;
    let tip = store.view()?.tip();
    Ok(tip.map(|tip| tip.height))
}

/// The server's answers and the bytes of its database equal those of one that indexes the same chain in one
/// go. Returns the digest of the latter.
fn equals_one_go(
    node: &Regtest,
    server: ServerProcess,
    db: &Path,
    truth: &mut Truth,
) -> Result<[u8; 32]> {
    settle(&server, node, truth)?;
    let mut client = electrumx_testkit::ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
    compare_chain(&mut client, truth)?;
    stop(server)?;
    let fresh = new_database()?;
    let mut server = start_server(node, fresh.path(), &[])?;
    server.wait_ready(PATIENCE)?;
    settle_on(&server, truth)?;
    stop(server)?;
    let digest_in_one_go = digest(fresh.path())?;
    ensure!(digest(db)? == digest_in_one_go, "the databases differ");
    Ok(digest_in_one_go)
}

#[test]
fn killed_while_it_syncs_it_goes_on_and_ends_with_the_same_index() {
    let mut chance = Chance::new("killed while it syncs");
    let node = Regtest::start().unwrap();
    busy_chain(&node).unwrap();
    let mut truth = Truth::scan(&node).unwrap();

    let db = new_database().unwrap();
    let start = Instant::now();
    let mut server = start_server(&node, db.path(), &SMALL).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    let whole = start.elapsed();
    eprintln!("the whole sync takes {whole:?}");
    drop(server);

    let mut db = new_database().unwrap();
    let (mut kills, mut in_the_middle, mut attempts) = (0, 0, 0);
    // Some have to hit an index which is there in part: not before the first commit.
    while kills < KILLS || in_the_middle < 3 {
        attempts += 1;
        assert!(attempts < 20 * KILLS, "the sync is hardly ever met");
        let mut server = start_server(&node, db.path(), &SMALL).unwrap();
        // Short enough that it takes several starts to get to the end.
        std::thread::sleep(chance.moment(whole * 2 / 3));
        let ready = std::net::TcpStream::connect(server.tcp_addr()).is_ok();
        server.kill9().unwrap();
        let height = committed(db.path()).unwrap();
        if ready || height == Some(truth.tip()) {
            // Too late, it was done: from the beginning again.
            db = new_database().unwrap();
        } else {
            kills += 1;
            in_the_middle += u32::from(height.is_some());
        }
    }
    eprintln!("killed {kills} times in {attempts} starts, {in_the_middle} with part of the chain");
    let mut server = start_server(&node, db.path(), &SMALL).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    let digest = equals_one_go(&node, server, db.path(), &mut truth).unwrap();

    terminated_while_it_syncs(&node, whole, digest).unwrap();
}

/// SIGTERM at any moment of the sync: quickly, in good order, and nothing is done twice.
fn terminated_while_it_syncs(node: &Regtest, whole: Duration, expected: [u8; 32]) -> Result<()> {
    let db = new_database()?;
    let mut stops = 0;
    for part in 1..=4 {
        let mut server = start_server(node, db.path(), &[])?;
        // Before it has said anything it is not yet a server that could be told to stop.
        wait_until(PATIENCE, "the first word", || {
            ensure!(!server.log_text().is_empty(), "nothing");
            Ok(())
        })?;
        std::thread::sleep(whole * part / 12);
        let ready = std::net::TcpStream::connect(server.tcp_addr()).is_ok();
        stops += u32::from(!ready);
        let start = Instant::now();
        let status = server.terminate(PATIENCE)?;
        let took = start.elapsed();
        ensure!(status.code() == Some(0), "{status}:\n{}", server.log_tail(30));
        ensure!(took < Duration::from_secs(5), "{took:?}:\n{}", server.log_tail(30));
    }
    ensure!(stops > 0, "the sync was over each time");
    let mut server = start_server(node, db.path(), &[])?;
    server.wait_ready(PATIENCE)?;
    stop(server)?;

    // There is nothing left to do now.
    let start = Instant::now();
    let mut server = start_server(node, db.path(), &[])?;
    server.wait_ready(PATIENCE)?;
    let took = start.elapsed();
    eprintln!("a start with nothing to do takes {took:?}");
    ensure!(took < Duration::from_secs(5), "{took:?}");
    stop(server)?;
    ensure!(digest(db.path())? == expected, "the databases differ");
    Ok(())
}

/// Some hundred blocks whose rows do not fit into one commit of a small cache.
pub(crate) fn busy_chain(node: &Regtest) -> Result<()> {
    let mut coins = Coins::new(node, 11);
    coins.mature(30)?;
    coins.split(200, 20_000_000)?;
    node.mine(1)?;
    let mut scripts: Vec<ScriptBuf> = Vec::new();
    for index in 1..=u32::try_from(BUSY_SCRIPTS)? {
        let kind = ScriptKind::POOLED[scripts.len() % 8];
        scripts.push(coins.script_at(kind, index));
    }
    for block in 0..BUSY_BLOCKS {
        // Two transactions with many outputs each; what they leave over pays for the next ones.
        for half in 0..2 {
            let first = block * 7 + half * 31;
            let script = |n: usize| scripts[(first + n) % scripts.len()].clone();
            let outputs: Vec<_> = (0..BUSY_OUTPUTS).map(|n| (script(n), 1_000)).collect();
            coins.pay(&outputs)?;
        }
        node.mine(1)?;
    }
    Ok(())
}

#[test]
fn killed_at_the_tip_while_blocks_and_reorganisations_arrive_it_ends_with_the_same_index() {
    let mut chance = Chance::new("killed at the tip");
    let node = Regtest::start().unwrap();
    let mut traffic = Traffic::new(&node, 12);
    traffic.coins.mature(10).unwrap();
    traffic.coins.split(150, 1_000_000).unwrap();
    node.mine(1).unwrap();

    let db = new_database().unwrap();
    let settings = [("CACHE_MB", "16"), ("DAEMON_POLL_INTERVAL_BLOCKS", "20")];
    let mut server = start_server(&node, db.path(), &settings).unwrap();
    let mut truth = Truth::default();
    let mut reorgs = 0;
    for round in 0..KILLS {
        server.wait_ready(PATIENCE).with_context(|| format!("start {round}")).unwrap();
        let moment = chance.moment(Duration::from_millis(700));
        let killed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                std::thread::sleep(moment);
                let done = server.kill9();
                killed.store(true, Ordering::SeqCst);
                done
            });
            while !killed.load(Ordering::SeqCst) {
                reorgs += happen(&node, &mut traffic, &mut chance).unwrap();
            }
            killer.join().expect("the killer does not panic").unwrap();
        });
        // Something happens while it is away, too.
        reorgs += happen(&node, &mut traffic, &mut chance).unwrap();
        server.restart().unwrap();
        if round % 5 == 4 {
            server.wait_ready(PATIENCE).unwrap();
            settle(&server, &node, &mut truth).unwrap();
        }
    }
    eprintln!("{reorgs} reorganisations, {} blocks", node.block_count().unwrap());
    assert!(reorgs >= 5, "only {reorgs} reorganisations");
    server.wait_ready(PATIENCE).unwrap();
    // A running server keeps its database locked; it is one without a mempool that is compared.
    wait_until(PATIENCE, "an empty mempool", || {
        node.mine(1)?;
        ensure!(node.raw_mempool()?.is_empty(), "not empty");
        Ok(())
    })
    .unwrap();
    equals_one_go(&node, server, db.path(), &mut truth).unwrap();
}

/// A few payments and then a block, or a reorganisation; returns how many of the latter.
fn happen(node: &Regtest, traffic: &mut Traffic, chance: &mut Chance) -> Result<u32> {
    traffic.send(5)?;
    if chance.below(3) > 0 {
        node.mine(1)?;
        return Ok(0);
    }
    let depth = 1 + u32::try_from(chance.below(5))?;
    let length = depth + u32::try_from(chance.below(3))? - 1;
    let mode = if chance.below(2) == 0 { Replacement::Mempool } else { Replacement::Empty };
    node.reorg(depth, length, mode)?;
    traffic.coins.refresh()?;
    Ok(1)
}
