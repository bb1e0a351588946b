//! `kill -9` at random moments.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use electrumx_core::conformance::{Rng, TestChain, assert_shows};
use electrumx_core::{BlockDelta, Index as _, Store as _};

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
