//! Made-up blocks of regtest, and block files of them.

use std::path::{Path, PathBuf};

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, transaction,
};
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_daemon::BlockFiles;
use tempfile::TempDir;

/// What every byte of the files is combined with.
pub(crate) const KEY: [u8; 8] = [0x4d, 0x00, 0xff, 0x2a, 0x91, 0x07, 0xc3, 0x58];

/// A block on top of another one, different for each `salt`, about `size` bytes long.
pub(crate) fn block(prev: BlockHash, salt: u32, size: usize) -> Block {
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig: ScriptBuf::from_bytes(salt.to_le_bytes().to_vec()),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let script_pubkey = ScriptBuf::from_bytes(vec![0x51; size]);
    let coinbase = Transaction {
        version: transaction::Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![TxOut { value: Amount::from_sat(50), script_pubkey }],
    };
    let header = Header {
        version: Version::TWO,
        prev_blockhash: prev,
        merkle_root: TxMerkleNode::from_raw_hash(coinbase.compute_txid().to_raw_hash()),
        time: salt,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata: vec![coinbase] };
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

/// A chain from the genesis block on.
pub(crate) fn chain(length: u32) -> Vec<Block> {
    let mut blocks = vec![genesis()];
    for height in 1..length {
        let prev = blocks.last().map_or(BlockHash::all_zeros(), Block::block_hash);
        blocks.push(block(prev, height, 10 + height as usize % 300));
    }
    blocks
}

pub(crate) fn genesis() -> Block {
    bitcoin::constants::genesis_block(bitcoin::Network::Regtest)
}

/// A block's record.
pub(crate) fn record(block: &Block) -> Vec<u8> {
    let bytes = serialize(block);
    let length = u32::try_from(bytes.len()).unwrap();
    [&bitcoin::Network::Regtest.magic().to_bytes(), &length.to_le_bytes()[..], &bytes].concat()
}

/// The records of blocks.
pub(crate) fn records<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> Vec<u8> {
    blocks.into_iter().flat_map(record).collect()
}

/// A directory of block files.
pub(crate) struct Dir {
    dir: TempDir,
    key: Option<[u8; 8]>,
}

impl Dir {
    pub(crate) fn new(key: Option<[u8; 8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if let Some(key) = key {
            std::fs::write(dir.path().join("xor.dat"), key).unwrap();
        }
        Self { dir, key }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, number: u32) -> PathBuf {
        self.path().join(format!("blk{number:05}.dat"))
    }

    /// Writes a file: `plain` as the node scrambles it, and then zeros, which it reserves and does not scramble.
    pub(crate) fn write(&self, number: u32, plain: &[u8], reserved: usize) {
        let key = self.key.unwrap_or_default();
        let scrambled = plain.iter().enumerate().map(|(at, byte)| byte ^ key[at % 8]);
        let bytes: Vec<u8> = scrambled.chain(std::iter::repeat_n(0, reserved)).collect();
        std::fs::write(self.file(number), bytes).unwrap();
    }

    pub(crate) fn open(&self) -> BlockFiles<Bitcoin> {
        BlockFiles::open(coin(), self.path()).unwrap()
    }
}

pub(crate) fn coin() -> Bitcoin {
    let coin = Bitcoin::new(Network::Regtest);
    assert_eq!(coin.chain().net, "regtest");
    coin
}
