//! Blocks of real chains, from a folder beside the checkout.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{Chain, Regtest, repo_root, wait_until};

/// The folder with real chain data: `ELECTRUMX_DATA_DIR`, else `../shared/data` beside the checkout if it is
/// there. `None`: a fresh clone has no such data.
#[must_use]
pub fn data_dir() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("ELECTRUMX_DATA_DIR") {
        return Some(dir.into());
    }
    let root = repo_root();
    let dir = root.parent()?.join("shared/data");
    dir.is_dir().then_some(dir)
}

/// Whether a test of real chain data can run: `false`, after a line on stderr that no test runner swallows, if
/// this is a clone without the data.
///
/// # Errors
/// In CI (`CI=true`), where a test that did not run would go unnoticed.
pub fn real_data_or_note(test: &str) -> Result<bool> {
    if data_dir().is_some() {
        return Ok(true);
    }
    let why = "no real chain data: ELECTRUMX_DATA_DIR is not set and ../shared/data is not there";
    ensure!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot run: {why}");
    // Not a print macro: the test runner would keep the line of a test that passes to itself.
    writeln!(std::io::stderr(), "\nNOT RUN: {test}: {why}")?;
    Ok(false)
}

/// The first blocks of a real chain.
#[derive(Debug)]
pub struct RealChain {
    folder: PathBuf,
}

/// What is known of one script after the last block of a [`RealChain`].
#[derive(Debug, Clone, Deserialize)]
pub struct TruthLine {
    /// The script hash in Electrum's order.
    pub scripthash: String,
    /// The script in hex.
    pub script: String,
    /// Electrum status.
    pub status: String,
    /// Transaction and height, in chain order.
    pub history: Vec<(String, u32)>,
    /// Transaction, output, height and value, in chain order.
    pub unspent: Vec<(String, u32, u32, u64)>,
    /// Sum of the unspent outputs.
    pub balance: u64,
}

impl RealChain {
    /// A chain by its folder's name, e.g. `btc-mainnet` or `btc-testnet3`; `None` if there is no data folder.
    ///
    /// # Errors
    /// When the data folder does not hold it.
    pub fn open(name: &str) -> Result<Option<Self>> {
        let Some(data) = data_dir() else { return Ok(None) };
        let folder = data.join(name);
        ensure!(folder.join("blk00000.dat.zst").is_file(), "no chain in {}", folder.display());
        Ok(Some(Self { folder }))
    }

    /// All blocks, as raw bytes in the order of the file, which is that of their heights.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn blocks(&self) -> Result<BlockFile> {
        Ok(BlockFile { bytes: unzstd(&self.folder.join("blk00000.dat.zst"))?, at: 0 })
    }

    /// What is known of some of its scripts.
    ///
    /// # Errors
    /// When there is no such file, or it is not understood.
    pub fn truth(&self) -> Result<Vec<TruthLine>> {
        let bytes = unzstd(&self.folder.join("truth.jsonl.zst"))?;
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
    }

    /// Starts a node on `chain` with these blocks and waits until it has them all. It is past its initial
    /// block download although the last block is old.
    ///
    /// # Errors
    /// When the node does not start or does not take the blocks.
    pub fn start_node(&self, chain: Chain) -> Result<Regtest> {
        let blocks = self.blocks()?;
        let file = tempfile::Builder::new().prefix("electrumx-blk-").tempfile()?;
        std::fs::write(file.path(), &blocks.bytes)?;
        let node = Regtest::builder()
            .chain(chain)
            .arg(format!("-loadblock={}", file.path().display()))
            .arg("-minimumchainwork=0x00")
            .arg("-maxtipage=3000000000")
            .start()?;
        let last = blocks.count() - 1;
        wait_until(Duration::from_secs(300), "the node to load the block file", || {
            let height = node.block_count()?;
            ensure!(height as usize == last, "height {height} of {last}");
            Ok(())
        })
        .with_context(|| node.log_tail(10))?;
        Ok(node)
    }
}

/// The raw blocks of a block file: records of magic, length and block.
#[derive(Debug, Clone)]
pub struct BlockFile {
    bytes: Vec<u8>,
    at: usize,
}

impl BlockFile {
    /// Reads block file bytes that are not compressed.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Iterator for BlockFile {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let length = self.bytes.get(self.at + 4..self.at + 8)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let block = self.bytes.get(self.at + 8..self.at + 8 + length)?;
        self.at += 8 + length;
        Some(block.to_vec())
    }
}

/// A block of later times, on its own.
#[derive(Debug, Clone, Deserialize)]
pub struct SingleBlock {
    /// Its hash.
    pub hash: String,
    /// Its height.
    pub height: u32,
    /// `mainnet` or `testnet3`.
    pub net: String,
    /// How many transactions it has.
    pub txs: usize,
    /// How many inputs they have.
    pub inputs: usize,
    /// How many outputs they have.
    pub outputs: usize,
    /// How many of them have witnesses.
    pub segwit_txs: usize,
    #[serde(skip)]
    folder: PathBuf,
}

impl SingleBlock {
    /// Its bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn raw(&self) -> Result<Vec<u8>> {
        unzstd(&self.folder.join(format!("{}.bin.zst", self.hash)))
    }
}

/// The single blocks of the data folder; none if there is no such folder.
///
/// # Errors
/// When their list cannot be read.
pub fn single_blocks() -> Result<Vec<SingleBlock>> {
    let Some(data) = data_dir() else { return Ok(Vec::new()) };
    let folder = data.join("single-blocks");
    let list = File::open(folder.join("index.json"));
    let list = list.with_context(|| format!("no index.json in {}", folder.display()))?;
    let mut blocks: Vec<SingleBlock> = serde_json::from_reader(BufReader::new(list))?;
    for block in &mut blocks {
        block.folder.clone_from(&folder);
    }
    Ok(blocks)
}

/// A block of some coin.
#[derive(Debug, Clone, Deserialize)]
pub struct CoinBlock {
    /// The coin's name.
    pub coin: String,
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: String,
    /// The ids of its transactions, as the coin's node gave them.
    pub txids: Vec<String>,
    /// `standard`: an 80-byte header and Bitcoin's transaction format; `tx_time` and `other` differ.
    pub layout: String,
    /// Bytes after the last transaction; not known of blocks with other layouts.
    pub trailing_bytes: Option<usize>,
    /// Whether its hash is that of Bitcoin over its first 80 bytes.
    pub hash_is_sha256d_of_80: bool,
    /// The block, in hex.
    pub raw: String,
}

/// One block each of many coins; none if there is no data folder.
///
/// # Errors
/// When they cannot be read.
pub fn coin_blocks() -> Result<Vec<CoinBlock>> {
    #[derive(Deserialize)]
    struct File {
        blocks: Vec<CoinBlock>,
    }
    let Some(data) = data_dir() else { return Ok(Vec::new()) };
    let mut blocks = Vec::new();
    for name in ["coin-blocks.json.zst", "coin-blocks-rest.json.zst"] {
        let file: File = serde_json::from_slice(&unzstd(&data.join("coin-blocks").join(name))?)?;
        blocks.extend(file.blocks);
    }
    Ok(blocks)
}

fn unzstd(path: &Path) -> Result<Vec<u8>> {
    let packed = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(packed.as_slice())
        .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?
        .read_to_end(&mut bytes)
        .with_context(|| path.display().to_string())?;
    Ok(bytes)
}
