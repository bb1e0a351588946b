//! Where the node's block files are.

use std::path::{Path, PathBuf};

use electrumx_core::coin::Chain;
use electrumx_daemon::NodeUrl;

use super::node::{LocalNode, is_loopback};
use super::note::Notes;
use super::settings::Settings;
use super::variables::{BLOCKS_DIR, OFFLINE};

/// Reads `BLOCKS_DIR`; without it a node on this machine is taken to be the one whose data directory is here. Should it be
/// another one that does no harm: blocks are named by their hashes.
///
/// `node` is the one asked first; `None` without any.
pub(crate) fn blocks_dir(
    settings: &mut Settings,
    local: Option<&LocalNode>,
    node: Option<&NodeUrl>,
    chain: &Chain,
    notes: &mut Notes,
) -> Option<PathBuf> {
    let offline = settings.boolean(&OFFLINE, false);
    let rest = if offline { "" } else { ", and what is not there from the node" };
    let given = settings.text(&BLOCKS_DIR).map(str::to_owned);
    let off = given.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("none"));
    if let Some(dir) = given.filter(|_| !off).map(PathBuf::from) {
        match check(&dir) {
            Ok(()) => {
                notes.info(format!("blocks: from the files in {}{rest}", dir.display()));
                return Some(dir);
            }
            Err(why) => {
                let hint = "it is to be a node's blocks directory that this user may read";
                settings.problem(&BLOCKS_DIR, format!("{why}; {hint}"));
                return None;
            }
        }
    }
    let is_here = offline || node.is_some_and(|node| is_loopback(node.host()));
    let why_not = if off {
        "BLOCKS_DIR is none".to_owned()
    } else if let Some(local) = local.filter(|_| is_here) {
        let dir = local.blocks_dir(chain);
        match check(&dir) {
            Ok(()) => {
                notes.info(format!(
                    "blocks: from the local node's files in {}{rest} (BLOCKS_DIR)",
                    dir.display()
                ));
                return Some(dir);
            }
            Err(why) => why,
        }
    } else {
        "BLOCKS_DIR does not name its files".to_owned()
    };
    if offline {
        let what = format!("OFFLINE needs a node's blocks directory, but {why_not}");
        settings.problem(&BLOCKS_DIR, what);
    } else {
        notes.info(format!("blocks: from the node, over REST if it has that (rest=1); {why_not}"));
    }
    None
}

/// Tells why a directory cannot be used.
fn check(dir: &Path) -> Result<(), String> {
    match std::fs::read_dir(dir) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{} cannot be read: {error}", dir.display())),
    }
}
