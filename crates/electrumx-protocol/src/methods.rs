//! The table of methods: what they are called, what they take, and in which versions they are offered.
//!
//! Dispatch, the page `docs/protocol.md` and the tests that go through all methods are made from it.

use crate::version::ProtocolVersion;

/// What the server says of a method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MethodInfo {
    /// As requests name it.
    pub name: &'static str,
    /// What it takes, in the order of positional arguments.
    pub params: &'static [Param],
    /// In which versions it is offered.
    pub offered: Offered,
    /// Where its answers come from, for people.
    pub source: &'static str,
}

/// A parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param {
    /// As named arguments name it.
    pub name: &'static str,
    /// What it is.
    pub kind: ParamKind,
    /// JSON of what an absent argument (or `null`) means; `None` where there must be an argument.
    pub default: Option<&'static str>,
}

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamKind {
    /// An integer of zero or more: a JSON number, or a string of digits.
    Integer,
    /// The same, or −1.
    IntegerOrMinusOne,
    /// `true` or `false`; 1 and 0 are accepted.
    Boolean,
    /// A string of hex digits, two for each byte.
    Hex,
    /// A string of any number of hex digits.
    HexDigits,
    /// An array of strings of hex digits.
    HexList,
    /// A transaction id as it is displayed.
    Txid,
    /// A script hash as it is displayed.
    ScriptHash,
    /// The name of a fee estimate mode; what is no string counts as absent.
    FeeMode,
    /// An object.
    Object,
    /// An address of the chain's network.
    Address,
    /// A block: its height, or its hash as it is displayed.
    Block,
    /// The name of a method of the node's RPC that the operator allows.
    NodeMethod,
    /// An array or an object.
    NodeParams,
    /// Anything; a string is remembered.
    Name,
    /// A protocol version, or an array of the lowest and the highest.
    Version,
}

/// In which versions a method is offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offered {
    /// In all.
    Always,
    /// Up to 1.6.
    Below17,
    /// From 1.7 on.
    From17,
    /// In all, where the operator allows it ([`ServiceConfig::passthrough`](crate::ServiceConfig::passthrough)).
    WhereAllowed,
}

impl Param {
    /// Tells whether it is one that the protocol's documents do not know, of a method that they do.
    #[must_use]
    pub fn is_extra(&self) -> bool {
        matches!(self.name, "from_height" | "to_height")
    }
}

impl MethodInfo {
    /// Returns what there is of a method.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// Tells whether a session of this version may call it, as far as that depends on the version.
    #[must_use]
    pub fn is_offered(&self, version: ProtocolVersion) -> bool {
        match self.offered {
            Offered::Always | Offered::WhereAllowed => true,
            Offered::Below17 => version < ProtocolVersion::V1_7,
            Offered::From17 => version >= ProtocolVersion::V1_7,
        }
    }
}

macro_rules! methods {
    ($(#[$about:meta])* $enum:ident, $(#[$list_about:meta])* $list:ident: $(
        $id:ident = $name:literal ($($param:ident: $kind:ident $(= $default:literal)?),*) $offered:ident $source:literal;
    )*) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum $enum { $($id),* }

        impl $enum {
            /// Finds the method that is called so.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$id),)*
                    _ => None,
                }
            }

            /// Returns what the table has of it.
            pub(crate) const fn info(self) -> &'static MethodInfo {
                // The table has the same order.
                &$list[self as usize]
            }
        }

        $(#[$list_about])*
        pub const $list: &[MethodInfo] = &[$(MethodInfo {
            name: $name,
            params: &[$(Param {
                name: stringify!($param),
                kind: ParamKind::$kind,
                default: [$(Some($default),)? None][0],
            }),*],
            offered: Offered::$offered,
            source: $source,
        }),*];
    };
}

methods! {
    /// A method of the protocol.
    Method,
    /// Every method of the protocol that is served, in any version.
    METHODS:
    BlockHeader = "blockchain.block.header"(height: Integer, cp_height: Integer = "0")
        Always "index";
    BlockHeaders = "blockchain.block.headers"(start_height: Integer, count: Integer, cp_height: Integer = "0")
        Always "index; one string of hex below 1.6, a list from there on";
    EstimateFee = "blockchain.estimatefee"(number: Integer, mode: FeeMode = "null")
        Always "node, kept until the tip changes";
    HeadersSubscribe = "blockchain.headers.subscribe"()
        Always "memory";
    OutpointGetStatus = "blockchain.outpoint.get_status"(tx_hash: Txid, txout_idx: Integer, spk_hint: Hex)
        From17 "index, mempool";
    OutpointSubscribe = "blockchain.outpoint.subscribe"(tx_hash: Txid, txout_idx: Integer, spk_hint: Hex)
        From17 "index, mempool";
    OutpointUnsubscribe = "blockchain.outpoint.unsubscribe"(tx_hash: Txid, txout_idx: Integer)
        From17 "memory";
    RelayFee = "blockchain.relayfee"()
        Below17 "node, kept 60 s";
    ScriptHashGetBalance = "blockchain.scripthash.get_balance"(scripthash: ScriptHash)
        Below17 "index, mempool";
    ScriptHashGetHistory = "blockchain.scripthash.get_history"(scripthash: ScriptHash, from_height: Integer = "0", to_height: IntegerOrMinusOne = "-1")
        Below17 "index, mempool";
    ScriptHashGetMempool = "blockchain.scripthash.get_mempool"(scripthash: ScriptHash)
        Below17 "mempool";
    ScriptHashListUnspent = "blockchain.scripthash.listunspent"(scripthash: ScriptHash)
        Below17 "index, mempool";
    ScriptHashSubscribe = "blockchain.scripthash.subscribe"(scripthash: ScriptHash)
        Below17 "index, mempool";
    ScriptHashUnsubscribe = "blockchain.scripthash.unsubscribe"(scripthash: ScriptHash)
        Below17 "memory";
    ScriptPubKeyGetBalance = "blockchain.scriptpubkey.get_balance"(scriptpubkey: Hex)
        From17 "index, mempool";
    ScriptPubKeyGetHistory = "blockchain.scriptpubkey.get_history"(scriptpubkey: Hex, from_height: Integer = "0", to_height: IntegerOrMinusOne = "-1")
        From17 "index, mempool";
    ScriptPubKeyGetMempool = "blockchain.scriptpubkey.get_mempool"(scriptpubkey: Hex)
        From17 "mempool";
    ScriptPubKeyListUnspent = "blockchain.scriptpubkey.listunspent"(scriptpubkey: Hex)
        From17 "index, mempool";
    ScriptPubKeySubscribe = "blockchain.scriptpubkey.subscribe"(scriptpubkey: Hex)
        From17 "index, mempool";
    ScriptPubKeyUnsubscribe = "blockchain.scriptpubkey.unsubscribe"(scriptpubkey: Hex)
        From17 "memory";
    Broadcast = "blockchain.transaction.broadcast"(raw_tx: Hex)
        Always "node";
    BroadcastPackage = "blockchain.transaction.broadcast_package"(raw_txs: HexList, verbose: Boolean = "false")
        Always "node (Core ≥ 28)";
    TransactionGet = "blockchain.transaction.get"(tx_hash: Txid, verbose: Boolean = "false")
        Always "node; no txindex";
    GetMerkle = "blockchain.transaction.get_merkle"(tx_hash: Txid, height: Integer)
        Always "index";
    IdFromPos = "blockchain.transaction.id_from_pos"(height: Integer, tx_pos: Integer, merkle: Boolean = "false")
        Always "index";
    TestMempoolAccept = "blockchain.transaction.testmempoolaccept"(raw_txs: HexList)
        From17 "node";
    FeeHistogram = "mempool.get_fee_histogram"()
        Always "mempool";
    MempoolInfo = "mempool.get_info"()
        Always "node, kept 0.5 s";
    MempoolRecent = "mempool.recent"()
        From17 "mempool";
    AddPeer = "server.add_peer"(features: Object)
        Always "always `false`";
    Banner = "server.banner"()
        Always "settings";
    DonationAddress = "server.donation_address"()
        Always "settings";
    Features = "server.features"()
        Always "settings; no `hash_function` from 1.7 on";
    PeersSubscribe = "server.peers.subscribe"()
        Always "settings: this server itself if `PEER_DISCOVERY` is `self`, else `[]`";
    Ping = "server.ping"(pong_len: Integer = "0", data: HexDigits = "\"\"")
        Always "`null`; from 1.7 on an object with as many zeros as asked for";
    Version = "server.version"(client_name: Name = "\"\"", protocol_version: Version = "\"1.4\"")
        Always "settings; further arguments are ignored";
}

methods! {
    /// A method beyond the protocol.
    Extension,
    /// Methods beyond the protocol, which other servers and some wallets know; `server.features` lists them.
    EXTENSIONS:
    AddressGetBalance = "blockchain.address.get_balance"(address: Address)
        Always "as for the script's hash";
    AddressGetFirstUse = "blockchain.address.get_first_use"(address: Address)
        Always "as for the script's hash";
    AddressGetHistory = "blockchain.address.get_history"(address: Address, from_height: Integer = "0", to_height: IntegerOrMinusOne = "-1")
        Always "as for the script's hash";
    AddressGetMempool = "blockchain.address.get_mempool"(address: Address)
        Always "as for the script's hash";
    AddressGetScriptHash = "blockchain.address.get_scripthash"(address: Address)
        Always "the script's hash";
    AddressListUnspent = "blockchain.address.listunspent"(address: Address)
        Always "as for the script's hash";
    AddressSubscribe = "blockchain.address.subscribe"(address: Address)
        Always "as for the script's hash; notifications name the address";
    AddressUnsubscribe = "blockchain.address.unsubscribe"(address: Address)
        Always "as for the script's hash";
    HeaderGet = "blockchain.header.get"(block: Block)
        Always "`{height, hex}` of the block of a height or hash; the node knows heights of hashes";
    HeadersGetTip = "blockchain.headers.get_tip"()
        Always "as `headers.subscribe`, without subscribing";
    HeadersUnsubscribe = "blockchain.headers.unsubscribe"()
        Always "whether there was a subscription";
    ScriptHashGetFirstUse = "blockchain.scripthash.get_first_use"(scripthash: ScriptHash)
        Always "`{block_hash, height, tx_hash}` of the first transaction that pays to it, a hash of zeros and height 0 if that is in the mempool; `null` without any";
    ScriptHashGetStatus = "blockchain.scripthash.get_status"(scripthash: ScriptHash)
        Always "as `scripthash.subscribe`, without subscribing";
    TransactionGetConfirmedBlockHash = "blockchain.transaction.get_confirmed_blockhash"(tx_hash: Txid, include_header: Boolean = "false")
        Always "`{block_hash, block_height}` and on request `block_header`; an error if it is not confirmed";
    TransactionGetHeight = "blockchain.transaction.get_height"(tx_hash: Txid)
        Always "0 in the mempool, with unconfirmed parents too; `null` if unknown";
    TransactionSubscribe = "blockchain.transaction.subscribe"(tx_hash: Txid)
        Always "as `get_height`; notifications are `[tx_hash, height]`";
    TransactionUnsubscribe = "blockchain.transaction.unsubscribe"(tx_hash: Txid)
        Always "whether there was a subscription";
    UtxoGetInfo = "blockchain.utxo.get_info"(tx_hash: Txid, out_n: Integer)
        Always "`{confirmed_height, scripthash, value}` of an unspent output, no height in the mempool; else `null`";
    DaemonPassthrough = "daemon.passthrough"(method: NodeMethod, params: NodeParams = "[]")
        WhereAllowed "what the node's RPC answers to a method that `DAEMON_PASSTHROUGH` allows; none by default";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_entry_is_found_by_its_name() {
        assert!(METHODS.is_sorted_by(|a, b| a.name < b.name));
        assert!(EXTENSIONS.is_sorted_by(|a, b| a.name < b.name));
        for info in EXTENSIONS {
            let found = Extension::named(info.name).map(Extension::info);
            assert_eq!(found, Some(info));
            assert_eq!(Method::named(info.name), None);
        }
        for info in METHODS {
            let found = Method::named(info.name).map(Method::info);
            assert_eq!(found, Some(info));
            assert_eq!(MethodInfo::named(info.name), Some(info));
        }
        assert_eq!(Method::named("blockchain.block"), None);
    }
}
