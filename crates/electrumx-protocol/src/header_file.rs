//! The header tree on disk, so that a start does not have to hash the chain.
//!
//! ```text
//! file = magic, count, last, node…, checksum
//! ```
//!
//! `count` (32 bits, little-endian) is the length of the lowest level; the others follow from it, each half as long as the one
//! below. `last` is the hash of the last block below. The checksum is the SHA-256 of all before it. A file that is damaged, or
//! of another chain, costs the time to make the tree anew, and nothing else.

use std::fs;
use std::io;
use std::path::Path;

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::{Hash as _, sha256};
use electrumx_core::merkle::Node;

use crate::header_merkle::HeaderMerkle;

/// The last digit counts formats.
const MAGIC: &[u8; 8] = b"EXHEADR1";

/// Reads a tree; an empty one if there is none.
pub(crate) fn load(path: &Path) -> HeaderMerkle {
    let found = match fs::read(path) {
        Ok(bytes) => decode(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return HeaderMerkle::default(),
        Err(error) => {
            tracing::warn!(%error, "the tree over all headers cannot be read");
            None
        }
    };
    found.unwrap_or_else(|| {
        tracing::info!("the tree over all headers is made anew: {} is damaged", path.display());
        HeaderMerkle::default()
    })
}

/// Replaces the file by one with this content.
pub(crate) fn save(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, content)?;
    // What a power cut leaves of it does not pass the checksum.
    fs::rename(temporary, path)
}

/// Returns a file's content; `None` for an empty tree.
pub(crate) fn encode(tree: &HeaderMerkle) -> Option<Vec<u8>> {
    let (levels, last) = tree.levels()?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(levels[0].len()).ok()?.to_le_bytes());
    bytes.extend(last.to_byte_array());
    levels.iter().for_each(|nodes| bytes.extend_from_slice(nodes.as_flattened()));
    let checksum = sha256::Hash::hash(&bytes);
    bytes.extend(checksum.to_byte_array());
    Some(bytes)
}

fn decode(bytes: &[u8]) -> Option<HeaderMerkle> {
    let (content, checksum) = bytes.split_last_chunk::<32>()?;
    if sha256::Hash::hash(content).to_byte_array() != *checksum {
        return None;
    }
    let (count, rest) = content.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let (last, nodes) = rest.split_first_chunk::<32>()?;
    let (mut rest, odd) = nodes.as_chunks::<32>();
    let mut count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let mut levels: Vec<Vec<Node>> = Vec::new();
    while count > 0 {
        let (level, above) = rest.split_at_checked(count)?;
        levels.push(level.to_vec());
        (rest, count) = (above, count / 2);
    }
    let is_whole = odd.is_empty() && rest.is_empty() && !levels.is_empty();
    is_whole.then(|| HeaderMerkle::of_levels(levels, BlockHash::from_byte_array(*last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_damage_is_seen() {
        let levels = vec![vec![[1; 32], [2; 32], [3; 32]], vec![[4; 32]]];
        let tree = HeaderMerkle::of_levels(levels, BlockHash::from_byte_array([5; 32]));
        let bytes = encode(&tree).unwrap();
        assert_eq!(encode(&decode(&bytes).unwrap()).unwrap(), bytes);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1;
            assert!(decode(&bytes).is_none(), "changed at {place}");
        }
        assert!(encode(&HeaderMerkle::default()).is_none());
    }
}
