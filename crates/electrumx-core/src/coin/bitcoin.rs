//! Bitcoin and its test networks.

use std::ops::ControlFlow;

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, CompactTarget, OutPoint, Target, Txid};
use bitcoin_slices::bsl;
use bitcoin_slices::{Error, SResult, Visit as _, Visitor};
use sha2::{Digest as _, Sha256};

use super::{BlockVisitor, Chain, ChainLink, Coin, HeaderFacts, Network, ParseError, UnhashedTx};

/// Length of a Bitcoin header.
const HEADER_LEN: u32 = 80;

/// Bitcoin: one instance per network.
#[derive(Clone, Copy, Debug)]
pub struct Bitcoin(&'static Chain);

impl Bitcoin {
    /// The networks, main network first.
    pub const CHAINS: &'static [Chain] = &[
        Chain {
            network: Network::Mainnet,
            net: "mainnet",
            aliases: &["main", "bitcoin"],
            node_chain: "main",
            node_subdir: "",
            rpc_port: 8332,
            magic: [0xf9, 0xbe, 0xb4, 0xd9],
            genesis: reversed("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
            reorg_limit: 200,
            electrum_tcp_port: 50001,
            electrum_ssl_port: 50002,
            ..BASE
        },
        Chain {
            network: Network::Testnet3,
            net: "testnet",
            aliases: &["testnet3", "test"],
            node_chain: "test",
            node_subdir: "testnet3",
            rpc_port: 18332,
            magic: [0x0b, 0x11, 0x09, 0x07],
            genesis: reversed("000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943"),
            // Testnet3 reorganises by thousands of blocks at times (difficulty resets).
            reorg_limit: 8000,
            electrum_tcp_port: 51001,
            electrum_ssl_port: 51002,
            shortname: "XTN",
            ..BASE
        },
        Chain {
            network: Network::Testnet4,
            net: "testnet4",
            aliases: &[],
            node_chain: "testnet4",
            node_subdir: "testnet4",
            rpc_port: 48332,
            magic: [0x1c, 0x16, 0x3f, 0x28],
            genesis: reversed("00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043"),
            reorg_limit: 8000,
            electrum_tcp_port: 51001,
            electrum_ssl_port: 51002,
            shortname: "XTN",
            ..BASE
        },
        Chain {
            network: Network::Signet,
            net: "signet",
            aliases: &[],
            node_chain: "signet",
            node_subdir: "signet",
            rpc_port: 38332,
            magic: [0x0a, 0x03, 0xcf, 0x40],
            genesis: reversed("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6"),
            reorg_limit: 2000,
            electrum_tcp_port: 60601,
            electrum_ssl_port: 60602,
            shortname: "XTN",
            ..BASE
        },
        Chain {
            network: Network::Regtest,
            net: "regtest",
            aliases: &[],
            node_chain: "regtest",
            node_subdir: "regtest",
            rpc_port: 18443,
            magic: [0xfa, 0xbf, 0xb5, 0xda],
            genesis: reversed("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
            reorg_limit: 2000,
            electrum_tcp_port: 51001,
            electrum_ssl_port: 51002,
            shortname: "XTN",
            ..BASE
        },
    ];

    /// Returns the coin on the network with this name (ElectrumX's `NET`; some aliases are known).
    #[must_use]
    pub fn on(net: &str) -> Option<Self> {
        Self::CHAINS.iter().find(|chain| chain.is_named(net)).map(Self)
    }

    /// Returns the coin on a network.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "CHAINS lists every network")]
    pub fn new(network: Network) -> Self {
        let chain = Self::CHAINS.iter().find(|chain| chain.network == network);
        Self(chain.expect("CHAINS lists every network"))
    }
}

/// What all networks share.
const BASE: Chain = Chain {
    coin: "Bitcoin",
    shortname: "BTC",
    network: Network::Mainnet,
    net: "",
    aliases: &[],
    node_chain: "",
    node_subdir: "",
    rpc_port: 0,
    magic: [0; 4],
    genesis: [0; 32],
    reorg_limit: 0,
    electrum_tcp_port: 0,
    electrum_ssl_port: 0,
    block_interval_secs: 600,
};

impl Coin for Bitcoin {
    fn chain(&self) -> &'static Chain {
        self.0
    }

    fn visit_block<V: BlockVisitor>(&self, raw: &[u8], visitor: &mut V) -> Result<(), ParseError> {
        // Positions are 32-bit; no Bitcoin block comes near.
        u32::try_from(raw.len()).map_err(|_| too_long("block"))?;
        let mut adapter = Adapter { visitor, offset: 0 };
        complete("block", raw, bsl::Block::visit(raw, &mut adapter))
    }

    fn visit_tx<V: BlockVisitor>(&self, raw: &[u8], visitor: &mut V) -> Result<(), ParseError> {
        u32::try_from(raw.len()).map_err(|_| too_long("transaction"))?;
        let mut adapter = Adapter { visitor, offset: 0 };
        complete("transaction", raw, bsl::Transaction::visit(raw, &mut adapter))
    }

    fn header_hash(&self, header: &[u8]) -> BlockHash {
        BlockHash::from_byte_array(sha256d(header))
    }

    fn link_len(&self) -> usize {
        HEADER_LEN as usize
    }

    fn chain_link(&self, start: &[u8]) -> Option<ChainLink> {
        let header = start.get(..self.link_len())?;
        let hash = self.header_hash(header);
        let bits = CompactTarget::from_consensus(u32::from_le_bytes(*header[72..].first_chunk()?));
        let prev_hash = BlockHash::from_byte_array(*header[4..].first_chunk()?);
        let target = Target::from_compact(bits);
        // Without these two any hash would meet half of all random targets.
        let is_valid = target.to_compact_lossy() == bits && target <= easiest(self.0.network);
        (is_valid && target.is_met_by(hash)).then_some(ChainLink { hash, prev_hash, target: bits })
    }
}

/// Returns the highest target that a block of the network may have.
const fn easiest(network: Network) -> Target {
    match network {
        Network::Mainnet => Target::MAX_ATTAINABLE_MAINNET,
        Network::Testnet3 | Network::Testnet4 => Target::MAX_ATTAINABLE_TESTNET,
        Network::Signet => Target::MAX_ATTAINABLE_SIGNET,
        Network::Regtest => Target::MAX_ATTAINABLE_REGTEST,
    }
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

fn too_long(what: &'static str) -> ParseError {
    ParseError { what, reason: "longer than 4 GiB".into() }
}

fn complete<'a, T: AsRef<[u8]>>(
    what: &'static str,
    raw: &'a [u8],
    parsed: SResult<'a, T>,
) -> Result<(), ParseError> {
    let error = |reason| Err(ParseError { what, reason });
    match parsed {
        Ok(result) if result.remaining().is_empty() => Ok(()),
        Ok(result) => {
            error(format!("{} of {} bytes are left over", result.remaining().len(), raw.len()))
        }
        Err(Error::MoreBytesNeeded) => error(format!("cut off after {} bytes", raw.len())),
        Err(err) => error(format!("{err:?}")),
    }
}

/// Translates the parser's callbacks.
struct Adapter<'v, V> {
    visitor: &'v mut V,
    /// Where the next transaction begins.
    offset: u32,
}

impl<V: BlockVisitor> Visitor for Adapter<'_, V> {
    fn visit_block_header(&mut self, header: &bsl::BlockHeader<'_>) -> ControlFlow<()> {
        self.offset = HEADER_LEN;
        self.visitor.header(HeaderFacts {
            raw: header.as_ref(),
            hash: BlockHash::from_byte_array(header.block_hash_sha2().into()),
            prev_hash: BlockHash::from_byte_array(array(header.prev_blockhash())),
            merkle_root: array(header.merkle_root()),
        });
        ControlFlow::Continue(())
    }

    fn visit_block_begin(&mut self, total_transactions: usize) {
        self.offset += compact_size_len(total_transactions);
        self.visitor.tx_count(total_transactions);
    }

    fn visit_transaction(&mut self, tx: &bsl::Transaction<'_>) -> ControlFlow<()> {
        // The whole block's length fits 32 bits, see visit_block.
        #[expect(clippy::cast_possible_truncation, reason = "checked in visit_block and visit_tx")]
        let size = tx.as_ref().len() as u32;
        self.visitor.unhashed_tx(UnhashedTx {
            pieces: tx.txid_preimage().into(),
            offset: self.offset,
            size,
            weight: tx.weight(),
        });
        self.offset += size;
        ControlFlow::Continue(())
    }

    fn visit_tx_in(&mut self, _vin: usize, tx_in: &bsl::TxIn<'_>) -> ControlFlow<()> {
        let prevout = OutPoint {
            txid: Txid::from_byte_array(array(tx_in.prevout().txid())),
            vout: tx_in.prevout().vout(),
        };
        if !prevout.is_null() {
            self.visitor.input(prevout);
        }
        ControlFlow::Continue(())
    }

    fn visit_tx_out(&mut self, vout: usize, tx_out: &bsl::TxOut<'_>) -> ControlFlow<()> {
        // More than 2^32 outputs do not fit into a block of 32-bit length.
        let Ok(vout) = u32::try_from(vout) else { return ControlFlow::Break(()) };
        self.visitor.output(vout, tx_out.value(), tx_out.script_pubkey());
        ControlFlow::Continue(())
    }
}

/// Copies 32 bytes out of a parsed header or outpoint.
fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("the parser returns hashes as 32 bytes")
}

fn compact_size_len(n: usize) -> u32 {
    match n {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Decodes a hash as displayed (reversed hex) at compile time.
const fn reversed(text: &str) -> [u8; 32] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => panic!("not a lower-case hexadecimal digit"),
        }
    }
    let text = text.as_bytes();
    assert!(text.len() == 64, "a hash has 64 digits");
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[31 - i] = (digit(text[2 * i]) << 4) | digit(text[2 * i + 1]);
        i += 1;
    }
    bytes
}

#[cfg(test)]
mod tests;
