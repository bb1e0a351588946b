//! Every variable: ElectrumX's, and a few more.
//!
//! `--help`, the flags, the recognised names and the tables of `docs/configuration.md` all come from here.

use super::variable::{Group, Variable};

const PEERS: &str = "peer discovery";

pub(crate) const COIN: Variable =
    Variable::new("COIN", Group::Chain, "NAME", "Bitcoin", "The coin, in any case.");
pub(crate) const NET: Variable = Variable::new(
    "NET",
    Group::Chain,
    "NAME",
    "mainnet, or what the local node runs",
    "The network: mainnet, testnet, testnet4, signet or regtest, in any case.",
);
pub(crate) const REORG_LIMIT: Variable = Variable::new(
    "REORG_LIMIT",
    Group::Chain,
    "BLOCKS",
    "200 on mainnet, 2000 or 8000 on test networks",
    "Depth below the tip from which on blocks count as final and move to the compact part of the index.",
);

pub(crate) const DAEMON_URL: Variable = Variable::new(
    "DAEMON_URL",
    Group::Node,
    "URL[,URL...]",
    "the local node",
    "The node's RPC as http://user:password@host:port/, or several separated by commas: the first is used, the others stand in when it fails. Without user and password the cookie file is used. A comma or percent sign in a password is written %2C or %25.",
);
pub(crate) const COOKIE_FILE: Variable = Variable::new(
    "COOKIE_FILE",
    Group::Node,
    "FILE",
    ".cookie in the node's data directory",
    "The node's cookie file, for node URLs without user and password.",
);
pub(crate) const BITCOIN_DATADIR: Variable = Variable::new(
    "BITCOIN_DATADIR",
    Group::Node,
    "DIR",
    "~/.bitcoin (macOS: ~/Library/Application Support/Bitcoin)",
    "The data directory of the local node, where its bitcoin.conf and cookie are looked for.",
)
.flag_is("bitcoin-dir");
pub(crate) const DAEMON_POLL_INTERVAL_BLOCKS: Variable = Variable::new(
    "DAEMON_POLL_INTERVAL_BLOCKS",
    Group::Node,
    "MILLISECONDS",
    "1000",
    "How often the node is asked for new blocks.",
);
pub(crate) const DAEMON_POLL_INTERVAL_MEMPOOL: Variable = Variable::new(
    "DAEMON_POLL_INTERVAL_MEMPOOL",
    Group::Node,
    "MILLISECONDS",
    "2000",
    "How often the node is asked for its mempool.",
);

pub(crate) const ZMQ: Variable = Variable::new(
    "ZMQ",
    Group::Node,
    "auto|off|ADDRESS",
    "auto",
    "Where the node tells of new blocks and transactions at once: where it says itself (auto), or tcp://HOST:PORT or ipc:///PATH. It needs -zmqpubsequence in the node, and is no replacement for asking it.",
);

pub(crate) const BLOCKS_DIR: Variable = Variable::new(
    "BLOCKS_DIR",
    Group::Node,
    "DIR|none",
    "blocks in the data directory of a node on this machine, if it can be read",
    "The node's directory of block files (blk*.dat), local or mounted: blocks and transactions are read there, which is several times cheaper than asking the node. What the files lack comes from the node.",
);
pub(crate) const OFFLINE: Variable = Variable::new(
    "OFFLINE",
    Group::Node,
    "BOOL",
    "false",
    "Asks no node: indexes the chain in BLOCKS_DIR and serves it, without a mempool and without broadcasts.",
)
.boolean();

pub(crate) const DB_DIRECTORY: Variable = Variable::new(
    "DB_DIRECTORY",
    Group::Index,
    "DIR",
    "electrumx/COIN-NET in ~/.local/share (macOS: ~/Library/Application Support)",
    "Where the index is kept; it is created when missing. Relative names of other files count from here.",
);
pub(crate) const CACHE_MB: Variable = Variable::new(
    "CACHE_MB",
    Group::Index,
    "MB",
    "a quarter of the memory, at most 1200",
    "Memory for indexing, in units of 1,000,000 bytes.",
);
pub(crate) const TEMP_DIR: Variable = Variable::new(
    "TEMP_DIR",
    Group::Index,
    "DIR",
    "in DB_DIRECTORY",
    "Where the first sync keeps its temporary files, which take about as much room as the index will; a folder on another disk makes it faster.",
);
pub(crate) const BULK_BLOCKS: Variable = Variable::new(
    "BULK_BLOCKS",
    Group::Index,
    "BLOCKS",
    "5000",
    "A chain that is longer (REORG_LIMIT left out) is indexed in bulk at first, which is many times faster.",
);
pub(crate) const COMPACT_MB: Variable = Variable::new(
    "COMPACT_MB",
    Group::Index,
    "MB",
    "2000",
    "When the part of the index for new blocks has grown by this, and by an eighth of the rest, it is folded into the compact part, in the background. 0 is never.",
);
pub(crate) const DB_ENGINE: Variable = Variable::new(
    "DB_ENGINE",
    Group::Index,
    "NAME",
    "",
    "ElectrumX's choice of a database engine.",
)
.ignored("this server has one engine, LMDB");

pub(crate) const SERVICES: Variable = Variable::new(
    "SERVICES",
    Group::Services,
    "URL[,URL...]",
    "tcp on 127.0.0.1 and the network's usual port, rpc on 127.0.0.1:8000",
    "Where to listen: tcp, ssl (TLS), ws (WebSocket) or wss (WebSocket over TLS) ://HOST:PORT and unix:///PATH for wallets, rpc://HOST:PORT for electrumx-rpc. Without HOST it is all interfaces (rpc: localhost), without PORT the usual one. IPv6 addresses go in brackets.",
);
pub(crate) const REPORT_SERVICES: Variable = Variable::new(
    "REPORT_SERVICES",
    Group::Services,
    "URL[,URL...]",
    "",
    "What clients are told about where this server is reached (tcp, ssl, ws, wss): public names or addresses, each with its port.",
);
pub(crate) const BANNER_FILE: Variable = Variable::new(
    "BANNER_FILE",
    Group::Services,
    "FILE",
    "",
    "UTF-8 text shown to clients. $SERVER_VERSION, $SERVER_SUBVERSION, $DAEMON_VERSION, $DAEMON_SUBVERSION and $DONATION_ADDRESS are replaced.",
);
pub(crate) const TOR_BANNER_FILE: Variable = Variable::new(
    "TOR_BANNER_FILE",
    Group::Services,
    "FILE",
    "BANNER_FILE",
    "The text for clients that come through Tor.",
)
.later("the Tor proxy");
pub(crate) const DONATION_ADDRESS: Variable = Variable::new(
    "DONATION_ADDRESS",
    Group::Services,
    "ADDRESS",
    "",
    "Told to clients that ask for it. It is not checked.",
);
pub(crate) const SSL_CERTFILE: Variable = Variable::new(
    "SSL_CERTFILE",
    Group::Services,
    "FILE",
    "self-signed, made at the first start in tls/ in DB_DIRECTORY",
    "The certificate of ssl:// and wss:// services, as PEM, and the certificates that lead to its issuer. It is read anew when it changes and at SIGHUP.",
);
pub(crate) const SSL_KEYFILE: Variable =
    Variable::new("SSL_KEYFILE", Group::Services, "FILE", "", "The certificate's key, as PEM.");
pub(crate) const PROXY_PROTOCOL_FROM: Variable = Variable::new(
    "PROXY_PROTOCOL_FROM",
    Group::Services,
    "NET[,NET...]",
    "",
    "Addresses or networks (192.0.2.0/24) of proxies whose connections begin with a PROXY header, version 1 or 2, that tells the client's address. Connections from there without it are closed.",
);

pub(crate) const DAEMON_PASSTHROUGH: Variable = Variable::new(
    "DAEMON_PASSTHROUGH",
    Group::Node,
    "METHODS",
    "",
    "Methods of the node's RPC, separated by commas, that every client may call by daemon.passthrough. Whoever can connect can call them: name none that changes anything or tells of a wallet.",
);

pub(crate) const MAX_SESSIONS: Variable = Variable::new(
    "MAX_SESSIONS",
    Group::Sessions,
    "N",
    "1000",
    "Most wallets connected at once; fewer when the system allows fewer open files.",
);
pub(crate) const MAX_SEND: Variable = Variable::new(
    "MAX_SEND",
    Group::Sessions,
    "BYTES",
    "8100000",
    "Longest answer, a batch counted as one. At least 350000.",
);
pub(crate) const MAX_RECV: Variable = Variable::new(
    "MAX_RECV",
    Group::Sessions,
    "BYTES",
    "1000000",
    "Longest request. Below 800100 some valid transactions cannot be broadcast.",
);
pub(crate) const HISTORY_LIMIT: Variable = Variable::new(
    "HISTORY_LIMIT",
    Group::Sessions,
    "ENTRIES",
    "what fits into MAX_SEND: a 99th",
    "Longest history, and most outputs of a script, that are served; beyond it there is an error. Longer answers are sent in pieces and cost little memory.",
);
pub(crate) const BATCH_LIMIT: Variable =
    Variable::new("BATCH_LIMIT", Group::Sessions, "REQUESTS", "10000", "Most requests of a batch.");
pub(crate) const SUBSCRIPTION_LIMIT: Variable = Variable::new(
    "SUBSCRIPTION_LIMIT",
    Group::Sessions,
    "N",
    "100000",
    "Most scripts, outpoints and transactions that a session subscribes to.",
);
pub(crate) const SESSION_TIMEOUT: Variable = Variable::new(
    "SESSION_TIMEOUT",
    Group::Sessions,
    "SECONDS",
    "600",
    "A session without a request for this long is closed.",
);
pub(crate) const REQUEST_TIMEOUT: Variable = Variable::new(
    "REQUEST_TIMEOUT",
    Group::Sessions,
    "SECONDS",
    "30",
    "A request that is not answered in this time gets an error.",
);
pub(crate) const INITIAL_CONCURRENT: Variable = Variable::new(
    "INITIAL_CONCURRENT",
    Group::Sessions,
    "N",
    "10",
    "Requests of one session worked on at once.",
)
.ignored("a session's requests are answered one after another");
pub(crate) const DROP_CLIENT: Variable = Variable::new(
    "DROP_CLIENT",
    Group::Sessions,
    "REGEX",
    "",
    "Clients whose name matches from its beginning are refused.",
);
pub(crate) const ANON_LOGS: Variable = Variable::new(
    "ANON_LOGS",
    Group::Sessions,
    "BOOL",
    "false",
    "Whether to keep client addresses out of the log.",
)
.boolean();
pub(crate) const PADDING: Variable = Variable::new(
    "PADDING",
    Group::Sessions,
    "off|tls|all",
    "off",
    "Padding against traffic analysis: answers over TLS, or (all) over TCP too, are filled with spaces to powers of two from 1,024 bytes on, and small ones wait up to 50 ms for others. It costs up to twice the bytes.",
);
pub(crate) const LOG_SESSIONS: Variable = Variable::new(
    "LOG_SESSIONS",
    Group::Sessions,
    "SECONDS",
    "3600",
    "ElectrumX's interval for writing all sessions to the log.",
)
.ignored("electrumx-rpc sessions shows them at any time");

pub(crate) const COST_SOFT_LIMIT: Variable = Variable::new(
    "COST_SOFT_LIMIT",
    Group::Costs,
    "COST",
    "1000",
    "Where slowing down begins. 0 for both limits: costs are not limited.",
);
pub(crate) const COST_HARD_LIMIT: Variable = Variable::new(
    "COST_HARD_LIMIT",
    Group::Costs,
    "COST",
    "10000",
    "Where a session is disconnected.",
);
pub(crate) const BANDWIDTH_UNIT_COST: Variable =
    Variable::new("BANDWIDTH_UNIT_COST", Group::Costs, "BYTES", "5000", "Bytes that cost 1.");
pub(crate) const REQUEST_SLEEP: Variable = Variable::new(
    "REQUEST_SLEEP",
    Group::Costs,
    "MILLISECONDS",
    "2500",
    "Longest delay of a request of a session that is slowed down.",
);
pub(crate) const SESSION_GROUP_BY_SUBNET_IPV4: Variable = Variable::new(
    "SESSION_GROUP_BY_SUBNET_IPV4",
    Group::Costs,
    "BITS",
    "24",
    "Sessions from one IPv4 network of this prefix length share their costs.",
);
pub(crate) const SESSION_GROUP_BY_SUBNET_IPV6: Variable =
    Variable::new("SESSION_GROUP_BY_SUBNET_IPV6", Group::Costs, "BITS", "48", "The same for IPv6.");

pub(crate) const PEER_DISCOVERY: Variable = Variable::new(
    "PEER_DISCOVERY",
    Group::Peers,
    "on|off|self",
    "on",
    "Whether to look for other servers, or (self, which is done already) only to tell of this one: server.peers.subscribe lists REPORT_SERVICES then.",
)
.later(PEERS);
pub(crate) const PEER_ANNOUNCE: Variable = Variable::new(
    "PEER_ANNOUNCE",
    Group::Peers,
    "BOOL",
    "true",
    "Whether to announce this server to others. Then REPORT_SERVICES must not hold private addresses.",
)
.boolean();
pub(crate) const FORCE_PROXY: Variable = Variable::new(
    "FORCE_PROXY",
    Group::Peers,
    "BOOL",
    "false",
    "Whether to reach all peers through the proxy.",
)
.boolean()
.later(PEERS);
pub(crate) const TOR_PROXY_HOST: Variable =
    Variable::new("TOR_PROXY_HOST", Group::Peers, "HOST", "localhost", "The SOCKS proxy's host.")
        .later(PEERS);
pub(crate) const TOR_PROXY_PORT: Variable = Variable::new(
    "TOR_PROXY_PORT",
    Group::Peers,
    "PORT",
    "9050, 9150 or 1080",
    "The SOCKS proxy's port.",
)
.later(PEERS);
pub(crate) const BLACKLIST_URL: Variable = Variable::new(
    "BLACKLIST_URL",
    Group::Peers,
    "URL",
    "",
    "List of peers to shun, as a JSON array.",
)
.later(PEERS);

pub(crate) const LOG_LEVEL: Variable = Variable::new(
    "LOG_LEVEL",
    Group::Process,
    "LEVEL",
    "info",
    "error, warn, info, debug or trace; or filters by module such as info,electrumx_daemon=debug.",
);
pub(crate) const LOG_FORMAT: Variable = Variable::new(
    "LOG_FORMAT",
    Group::Process,
    "plain|journal|json",
    "journal under systemd, else plain",
    "plain has the time on each line, journal has systemd's priorities instead, json is one object a line.",
);
pub(crate) const ALLOW_ROOT: Variable = Variable::new(
    "ALLOW_ROOT",
    Group::Process,
    "BOOL",
    "false",
    "Whether running as root is intended. Without it there is a warning.",
)
.boolean();
pub(crate) const EVENT_LOOP_POLICY: Variable = Variable::new(
    "EVENT_LOOP_POLICY",
    Group::Process,
    "NAME",
    "",
    "ElectrumX's choice of an event loop.",
)
.ignored("it is about Python's event loop");
pub(crate) const RPC_PORT: Variable = Variable::new(
    "RPC_PORT",
    Group::Process,
    "PORT",
    "8000",
    "Read by electrumx-rpc alone; the server's own port is that of the rpc:// service in SERVICES.",
);

/// All variables, in the order shown.
pub(crate) const ALL: &[Variable] = &[
    COIN,
    NET,
    REORG_LIMIT,
    DAEMON_URL,
    COOKIE_FILE,
    BITCOIN_DATADIR,
    DAEMON_POLL_INTERVAL_BLOCKS,
    DAEMON_POLL_INTERVAL_MEMPOOL,
    ZMQ,
    BLOCKS_DIR,
    OFFLINE,
    DAEMON_PASSTHROUGH,
    DB_DIRECTORY,
    CACHE_MB,
    TEMP_DIR,
    BULK_BLOCKS,
    COMPACT_MB,
    DB_ENGINE,
    SERVICES,
    REPORT_SERVICES,
    BANNER_FILE,
    TOR_BANNER_FILE,
    DONATION_ADDRESS,
    SSL_CERTFILE,
    SSL_KEYFILE,
    PROXY_PROTOCOL_FROM,
    MAX_SESSIONS,
    MAX_SEND,
    MAX_RECV,
    HISTORY_LIMIT,
    BATCH_LIMIT,
    SUBSCRIPTION_LIMIT,
    SESSION_TIMEOUT,
    REQUEST_TIMEOUT,
    INITIAL_CONCURRENT,
    DROP_CLIENT,
    ANON_LOGS,
    PADDING,
    LOG_SESSIONS,
    COST_SOFT_LIMIT,
    COST_HARD_LIMIT,
    BANDWIDTH_UNIT_COST,
    REQUEST_SLEEP,
    SESSION_GROUP_BY_SUBNET_IPV4,
    SESSION_GROUP_BY_SUBNET_IPV6,
    PEER_DISCOVERY,
    PEER_ANNOUNCE,
    FORCE_PROXY,
    TOR_PROXY_HOST,
    TOR_PROXY_PORT,
    BLACKLIST_URL,
    LOG_LEVEL,
    LOG_FORMAT,
    ALLOW_ROOT,
    EVENT_LOOP_POLICY,
    RPC_PORT,
];

/// Variables of older ElectrumX versions that must not be set, and what to use instead.
pub(crate) const OBSOLETE: &[(&str, &str)] = &[
    ("MAX_SUBSCRIPTIONS", MAX_SUBS_INSTEAD),
    ("MAX_SUBS", MAX_SUBS_INSTEAD),
    ("MAX_SESSION_SUBS", MAX_SUBS_INSTEAD),
    ("BANDWIDTH_LIMIT", "use BANDWIDTH_UNIT_COST and the COST_ limits"),
    ("HOST", "use SERVICES=tcp://HOST:PORT"),
    ("TCP_PORT", "use SERVICES=tcp://HOST:PORT"),
    ("SSL_PORT", "use SERVICES=ssl://HOST:PORT"),
    ("RPC_HOST", "use SERVICES=rpc://HOST:PORT"),
    ("REPORT_HOST", REPORT_INSTEAD),
    ("REPORT_TCP_PORT", REPORT_INSTEAD),
    ("REPORT_SSL_PORT", REPORT_INSTEAD),
    ("REPORT_HOST_TOR", REPORT_INSTEAD),
    ("REPORT_TCP_PORT_TOR", REPORT_INSTEAD),
    ("REPORT_SSL_PORT_TOR", REPORT_INSTEAD),
];

const MAX_SUBS_INSTEAD: &str = "use MAX_SESSIONS and the COST_ limits";
const REPORT_INSTEAD: &str = "use REPORT_SERVICES=tcp://HOST:PORT,ssl://HOST:PORT";
