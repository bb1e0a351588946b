//! `kill -9` at random moments.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use electrumx_core::conformance::{Rng, TestChain, assert_shows};
use electrumx_core::{BlockDelta, HashXKey, Index as _, Store as _};
use electrumx_storage::{BulkOptions, FirstSync, first_sync};

use crate::blocks::{Node, coin, deltas, plain_chain};
use crate::common::{child, child_dir, open, temp};

const KILLS: u64 = 20;

fn blocks() -> Vec<BlockDelta> {
    TestChain::with_blocks(50, 40)
}

/// Leaves the store with this many blocks.
fn go_to(store: &electrumx_storage::LmdbStore, blocks: &[BlockDelta], len: usize) {
    let have = store.view().unwrap().tip().map_or(0, |tip| tip.height as usize + 1);
    if have < len {
        store.append(&blocks[have..len]).unwrap();
    } else {
        store.unwind_to(len.checked_sub(1).map(|tip| u32::try_from(tip).unwrap())).unwrap();
    }
}

/// Walks up and down the chain for ever, and says before and after each step how many blocks there are.
#[test]
#[ignore = "run by killed_at_any_moment_the_store_is_at_some_tip"]
fn walk_until_killed() {
    let (store, blocks) = (open(&child_dir()), blocks());
    let mut rng = Rng::new(std::process::id().into());
    let mut len = store.view().unwrap().tip().map_or(0, |tip| tip.height as usize + 1);
    let mut out = std::io::stdout();
    loop {
        let next = rng.below(blocks.len() + 1);
        writeln!(out, "\nstep {len} {next}").unwrap();
        go_to(&store, &blocks, next);
        writeln!(out, "\nstep {next} {next}").unwrap();
        len = next;
    }
}

fn parse_step(line: &str) -> Option<(usize, usize)> {
    let (from, to) = line.strip_prefix("step ")?.split_once(' ')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

#[test]
fn killed_at_any_moment_the_store_is_at_some_tip() {
    let (dir, blocks, clean) = (tempfile::tempdir().unwrap(), blocks(), temp());
    let mut rng = Rng::new(51);
    let mut steps = 0;
    for kill in 0..KILLS {
        let mut child = child("crash::walk_until_killed", dir.path());
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next_step = || lines.find_map(|line| parse_step(&line.unwrap()));
        let mut last = next_step().expect("the child starts");
        thread::sleep(Duration::from_micros(rng.next() % 60_000));
        // On Unix this is SIGKILL; the shell has replaced itself with the test.
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(step) = next_step() {
            (last, steps) = (step, steps + 1);
        }
        let store = open(dir.path());
        let len = store.view().unwrap().tip().map_or(0, |tip| tip.height as usize + 1);
        assert!(len == last.0 || len == last.1, "{len} blocks after step {last:?}");
        go_to(&clean, &blocks, len);
        assert_eq!(store.digest().unwrap(), clean.digest().unwrap(), "kill {kill}");
        assert_shows(&*store.view().unwrap(), &blocks[..len]);
    }
    assert!(steps > 0, "the child never got anywhere");
}

const BULK_KILLS: u64 = 30;

/// The options of the first sync that is killed: a checkpoint every few blocks.
fn bulk_options() -> BulkOptions {
    BulkOptions { checkpoint_bytes: 400_000, ..crate::bulk::spilling() }
}

const BULK_BLOCKS: u32 = 90;

/// Does a first sync, folds what the tip has, and says so.
#[test]
#[ignore = "run by killed_at_any_moment_a_first_sync_goes_on"]
fn first_sync_until_killed() {
    let (store, blocks) = (open(&child_dir()), plain_chain(52, BULK_BLOCKS as usize + 25));
    let (mut node, options) = (Node::new(&blocks), bulk_options());
    let done = first_sync(&store, &coin(), &mut node, BULK_BLOCKS, &options, &mut ()).unwrap();
    assert!(matches!(done, FirstSync::Done(_)), "{done:?}");
    let all = deltas(&blocks, options_key());
    let next = store.view().unwrap().tip().unwrap().height as usize + 1;
    for batch in all[next..].chunks(4) {
        store.append(batch).unwrap();
    }
    store.compact(10, &mut ()).unwrap();
    writeln!(std::io::stdout(), "\nall done").unwrap();
}

fn options_key() -> HashXKey {
    crate::common::options().hashx_key.unwrap()
}

#[test]
fn killed_at_any_moment_a_first_sync_goes_on() {
    let clean = tempfile::tempdir().unwrap();
    let run = |dir: &std::path::Path| {
        let mut child = child("crash::first_sync_until_killed", dir);
        child.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
    };
    let finish = |dir: &std::path::Path| {
        let output = run(dir).wait_with_output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("\nall done"), "{output:?}");
    };
    let start = std::time::Instant::now();
    finish(clean.path());
    let whole = start.elapsed();
    let wanted = open(clean.path()).digest().unwrap();

    let mut rng = Rng::new(53);
    let (mut kills, mut resumed, mut dir) = (0, 0, tempfile::tempdir().unwrap());
    while kills < BULK_KILLS {
        let mut child = run(dir.path());
        let micros = u64::try_from(whole.as_micros()).unwrap();
        thread::sleep(Duration::from_micros(rng.next() % micros));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("\nall done") {
            assert_eq!(open(dir.path()).digest().unwrap(), wanted, "after {kills} kills");
            dir = tempfile::tempdir().unwrap();
            continue;
        }
        kills += 1;
        resumed += u64::from(dir.path().join("build/base.mdb").exists());
    }
    finish(dir.path());
    let store = open(dir.path());
    assert_eq!(store.digest().unwrap(), wanted);
    assert_shows(
        &*store.view().unwrap(),
        &deltas(&plain_chain(52, BULK_BLOCKS as usize + 25), options_key()),
    );
    assert!(resumed > 0, "no kill met a build");
}
