//! A folder of block files as the node writes them, of a generated chain.
//!
//! `blk00000.dat` and so on hold records of regtest's magic bytes, a length (32 bits, little-endian) and a block;
//! with `xor.dat` (Core 28 and later) every byte is combined with its 8-byte key by position in the file.

mod reader;
mod source;
mod writer;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::chain::{GeneratedChain, Shape, Totals};
pub use reader::BlockReader;
pub use source::DirSource;
use writer::BlockWriter;

/// Magic bytes of regtest before each block.
const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// Largest block file, as in Core (`MAX_BLOCKFILE_SIZE`).
const MAX_FILE_BYTES: u64 = 128 << 20;

/// Where the key lies, beside the block files.
const KEY_FILE: &str = "xor.dat";

/// What a folder holds; written last, so that a folder with one is whole.
const MANIFEST_FILE: &str = "generated.json";

/// Raised when the same shape gives other bytes than before.
const GENERATOR: u32 = 1;

/// A folder with all blocks of a generated chain.
#[derive(Debug)]
pub struct BlockDir {
    path: PathBuf,
    manifest: Manifest,
}

/// What a folder holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    generator: u32,
    shape: Shape,
    /// Key in hexadecimal digits; zeros when the files are plain.
    key: String,
    /// Hash of the last block, as the node writes it.
    tip: String,
    totals: Totals,
}

impl BlockDir {
    /// Generates a chain into a folder, or takes the one that is there.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds anything else than exactly this chain.
    pub fn open_or_generate(path: &Path, shape: Shape, xor: bool) -> anyhow::Result<Self> {
        let key = if xor { key_of(shape.seed) } else { [0; 8] };
        let manifest_path = path.join(MANIFEST_FILE);
        if manifest_path.exists() {
            let text = std::fs::read(&manifest_path)?;
            let manifest: Manifest = serde_json::from_slice(&text)
                .with_context(|| format!("{} is no manifest", manifest_path.display()))?;
            anyhow::ensure!(
                manifest.generator == GENERATOR
                    && manifest.shape == shape
                    && manifest.key == hex(key),
                "{} holds another chain ({:?}): remove it or name another folder",
                path.display(),
                manifest.shape
            );
            return Ok(Self { path: path.to_owned(), manifest });
        }
        std::fs::create_dir_all(path)?;
        anyhow::ensure!(
            !path.join(file_name(0)).exists(),
            "{} holds block files of unknown origin, or of a run that was cut off: remove them or name \
             another folder",
            path.display()
        );
        if xor {
            std::fs::write(path.join(KEY_FILE), key)?;
        }
        let mut chain = GeneratedChain::new(shape);
        let mut writer = BlockWriter::new(path, key);
        for block in &mut chain {
            writer.write(&block.bytes)?;
        }
        writer.finish()?;
        let manifest = Manifest {
            generator: GENERATOR,
            shape,
            key: hex(key),
            tip: chain.tip().to_string(),
            totals: chain.totals(),
        };
        let temporary = path.join(".generated.json");
        std::fs::write(&temporary, serde_json::to_vec_pretty(&manifest)?)?;
        std::fs::rename(temporary, manifest_path)?;
        Ok(Self { path: path.to_owned(), manifest })
    }

    /// Where the block files lie.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hash of the last block, as the node writes it.
    #[must_use]
    pub fn tip(&self) -> &str {
        &self.manifest.tip
    }

    /// What all blocks add up to.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.manifest.totals
    }

    /// Reads the blocks from the start.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn blocks(&self) -> anyhow::Result<BlockReader> {
        BlockReader::open(&self.path)
    }

    /// Makes a source of the blocks; reads all headers once.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn source(&self) -> anyhow::Result<DirSource<'_>> {
        DirSource::new(self)
    }
}

fn file_name(number: u32) -> String {
    format!("blk{number:05}.dat")
}

fn key_of(seed: u64) -> [u8; 8] {
    fastrand::Rng::with_seed(seed).u64(1..).to_le_bytes()
}

fn hex(key: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(key))
}

/// Combines bytes that begin at `offset` of their file with the key.
fn apply_key(key: [u8; 8], offset: u64, bytes: &mut [u8]) {
    if key == [0; 8] {
        return;
    }
    let mut turned = key;
    // The remainder is below 8.
    turned.rotate_left(usize::try_from(offset % 8).unwrap_or(0));
    let word = u64::from_le_bytes(turned);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(eight) = <&mut [u8; 8]>::try_from(chunk) {
            *eight = (u64::from_le_bytes(*eight) ^ word).to_le_bytes();
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(turned) {
        *byte ^= key;
    }
}
