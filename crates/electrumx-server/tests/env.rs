//! Configuration, as operators write it.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use electrumx_core::coin::{Coin as _, Network};
use electrumx_daemon::Auth;
use electrumx_server::env::{Env, EnvError, LogFormat, Protocol, Surroundings};
use tempfile::TempDir;

/// A machine with a home directory and a node in it, which is not running.
struct Machine {
    home: TempDir,
    around: Surroundings,
}

impl Machine {
    fn new() -> Self {
        let machine = Self::without_node();
        fs::create_dir(machine.bitcoin_dir()).unwrap();
        machine
    }

    fn without_node() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut around =
            Surroundings { memory_bytes: Some(8_000_000_000), ..Surroundings::default() };
        around.variables.insert("HOME".into(), home.path().to_str().unwrap().into());
        Self { home, around }
    }

    fn set(mut self, variables: &[(&str, &str)]) -> Self {
        let owned = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        self.around.variables.extend(owned);
        self
    }

    fn bitcoin_dir(&self) -> PathBuf {
        self.home.path().join(".bitcoin")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, flags: &[&str]) -> Result<Env, EnvError> {
        let args = std::iter::once("electrumx-server").chain(flags.iter().copied());
        Env::load(args.map(OsString::from), &self.around)
    }

    fn env(&self) -> Env {
        self.load(&[]).unwrap()
    }
}

fn report(env: &Env) -> String {
    env.report().iter().map(|note| format!("{}\n", note.text)).collect()
}

fn warnings(env: &Env) -> Vec<&str> {
    env.report().iter().filter(|note| note.warning).map(|note| note.text.as_str()).collect()
}

fn services(env: &Env) -> Vec<String> {
    env.services.iter().map(ToString::to_string).collect()
}

#[test]
fn with_nothing_set_the_local_node_is_served_to_this_machine() {
    let machine = Machine::new();
    machine.write(".bitcoin/.cookie", "__cookie__:hidden");
    let env = machine.env();
    assert_eq!(env.coin.chain().network, Network::Mainnet);
    assert_eq!(env.nodes.len(), 1);
    assert_eq!(env.nodes[0].to_string(), "http://127.0.0.1:8332/");
    assert_eq!(*env.nodes[0].auth(), Auth::Cookie(machine.bitcoin_dir().join(".cookie")));
    let data = machine.home.path().join(".local/share/electrumx/bitcoin-mainnet");
    assert_eq!(env.db_directory, data);
    assert_eq!(services(&env), ["tcp://127.0.0.1:50001", "rpc://127.0.0.1:8000"]);
    assert_eq!(env.services_of(Protocol::Rpc).count(), 1);
    assert_eq!(env.cache_bytes, 1_200_000_000);
    assert_eq!(env.reorg_limit, 200);
    assert_eq!(env.log.format, LogFormat::Plain);
    assert_eq!(env.log.filter, "info");
    assert_eq!(warnings(&env), Vec::<&str>::new());
    for word in ["mainnet", "127.0.0.1:8332", ".cookie", "bitcoin-mainnet", "127.0.0.1:50001"] {
        assert!(report(&env).contains(word), "no {word} in:\n{}", report(&env));
    }
}

#[test]
fn the_network_is_that_of_the_node_that_runs() {
    let machine = Machine::new();
    machine.write(".bitcoin/regtest/.cookie", "__cookie__:hidden");
    machine.write(".bitcoin/bitcoin.conf", "signet=1\nrpcport=1\n[regtest]\nrpcport=4711\n");
    let env = machine.env();
    assert_eq!(env.coin.chain().network, Network::Regtest);
    assert_eq!(env.nodes[0].to_string(), "http://127.0.0.1:4711/");
    assert!(env.db_directory.ends_with("electrumx/bitcoin-regtest"));
    assert!(report(&env).contains("regtest, whose node runs"), "{}", report(&env));

    // With a second one nothing is guessed: the file decides.
    machine.write(".bitcoin/testnet4/.cookie", "__cookie__:hidden");
    let env = machine.env();
    assert_eq!(env.coin.chain().network, Network::Signet);
    assert!(warnings(&env)[0].contains("testnet4, regtest"), "{:?}", warnings(&env));

    // And the operator above all.
    let env = machine.load(&["--net", "testnet4"]).unwrap();
    assert_eq!(env.coin.chain().network, Network::Testnet4);
    let machine = machine.set(&[("DAEMON_URL", "http://u:p@192.0.2.1/")]);
    assert_eq!(machine.env().coin.chain().network, Network::Mainnet);
}

#[test]
fn the_login_is_found_where_the_node_keeps_it() {
    let cookie = |path: &Path| Auth::Cookie(path.to_owned());
    let password = |user: &str, password: &str| Auth::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    };
    let machine = Machine::new();
    let dir = machine.bitcoin_dir();
    let auth = |conf: &str, flags: &[&str]| {
        machine.write(".bitcoin/bitcoin.conf", conf);
        machine.load(&[&["--net=signet"], flags].concat()).unwrap().nodes[0].auth().clone()
    };
    assert_eq!(auth("", &[]), cookie(&dir.join("signet/.cookie")));
    assert_eq!(auth("rpccookiefile=x\n", &[]), cookie(&dir.join("signet/x")));
    assert_eq!(auth("rpccookiefile=/run/x\n", &[]), cookie(Path::new("/run/x")));
    assert_eq!(auth("rpcuser=u\nrpcpassword=p\n", &[]), password("u", "p"));
    assert_eq!(auth("[signet]\nrpcuser=u\nrpcpassword=p#c\n", &[]), password("u", "p"));
    assert_eq!(auth("rpcpassword=p", &["--cookie-file=/c"]), cookie(Path::new("/c")));
    let moved = machine.home.path().join("moved");
    fs::create_dir(&moved).unwrap();
    let conf = format!("datadir={}\n", moved.display());
    assert_eq!(auth(&conf, &[]), cookie(&moved.join("signet/.cookie")));
    // A URL of this machine without login opens with the local node's.
    let local = ["--daemon-url", "http://localhost:1/"];
    assert_eq!(auth("", &local), cookie(&dir.join("signet/.cookie")));
    assert_eq!(auth("", &["--daemon-url", "http://a:b@localhost:1/"]), password("a", "b"));
    // Not so one of another machine.
    let remote = ["--daemon-url", "http://192.0.2.1/"];
    assert_eq!(auth("", &remote), Auth::None);
    assert_eq!(auth("", &[remote[0], remote[1], "--cookie-file=/c"]), cookie(Path::new("/c")));
}

#[test]
fn a_node_that_does_not_run_is_no_error_but_told() {
    let env = Machine::new().env();
    assert!(warnings(&env)[0].contains("is the node running?"), "{:?}", warnings(&env));
}

#[test]
fn other_systems_keep_things_elsewhere() {
    let mut machine = Machine::without_node();
    machine.around.macos = true;
    fs::create_dir_all(machine.home.path().join("Library/Application Support/Bitcoin")).unwrap();
    let env = machine.env();
    assert!(env.db_directory.ends_with("Library/Application Support/electrumx/bitcoin-mainnet"));
    let place = format!("{:?}", env.nodes[0].auth());
    assert!(place.contains("Application Support/Bitcoin/.cookie"), "{place}");

    let machine = Machine::new().set(&[("XDG_DATA_HOME", "/xdg")]);
    assert_eq!(machine.env().db_directory, Path::new("/xdg/electrumx/bitcoin-mainnet"));
    let machine = Machine::without_node();
    let dir = machine.home.path().join("node");
    fs::create_dir(&dir).unwrap();
    let env = machine.load(&["--bitcoin-dir", dir.to_str().unwrap()]).unwrap();
    assert_eq!(*env.nodes[0].auth(), Auth::Cookie(dir.join(".cookie")));
}

#[test]
fn flags_come_before_the_environment_before_the_file() {
    let machine = Machine::new();
    let text = "# mine\nNET=signet\nCACHE_MB=111\nMAX_SESSIONS=11\nREORG_LIMIT=7\nMAX_SENT=1\nUSERNAME=x\n";
    let file = machine.write("electrumx.conf", text);
    let machine = machine.set(&[("CACHE_MB", "222"), ("MAX_SESSIONS", "22"), ("REORG_LIMIT", "")]);
    let config = ["--config", file.to_str().unwrap(), "--max-sessions", "33"];
    let env = machine.load(&config).unwrap();
    assert_eq!(env.coin.chain().network, Network::Signet);
    assert_eq!(env.cache_bytes, 222_000_000);
    assert_eq!(env.sessions.max_sessions, 33);
    // An empty value hides the file's.
    assert_eq!(env.reorg_limit, 2000);
    let report = report(&env);
    let name = file.display();
    assert!(report.contains(&format!("MAX_SENT in line 6 of {name} is no setting")), "{report}");
    assert!(report.contains("is MAX_SEND meant?"), "{report}");
    assert!(report.contains("USERNAME in line 7"), "{report}");
}

#[test]
fn every_value_arrives() {
    let machine = Machine::new().set(&[
        ("COIN", "bitcoin"),
        ("NET", "Testnet"),
        ("DAEMON_URL", "u:p@192.0.2.1,http://v:q@[2001:db8::1]:9/"),
        ("DB_DIRECTORY", "/srv/x"),
        ("DB_ENGINE", "rocksdb"),
        ("CACHE_MB", "1_000"),
        ("REORG_LIMIT", "12"),
        ("SERVICES", "tcp://:50001,rpc://,unix:///run/x, ssl://,wss://:50004,UNIX:///a"),
        ("SSL_CERTFILE", "cert.pem"),
        ("SSL_KEYFILE", "/etc/key.pem"),
        ("PROXY_PROTOCOL_FROM", "192.0.2.0/24,::1"),
        ("REPORT_SERVICES", "tcp://Example.org:50001,ssl://example.org:50002"),
        ("BANNER_FILE", "banner"),
        ("DONATION_ADDRESS", "bc1q"),
        ("MAX_SESSIONS", "5"),
        ("MAX_SEND", "1000"),
        ("MAX_RECV", "2000000"),
        ("SESSION_TIMEOUT", "60"),
        ("REQUEST_TIMEOUT", "61"),
        ("DAEMON_POLL_INTERVAL_BLOCKS", "50"),
        ("DAEMON_POLL_INTERVAL_MEMPOOL", "51"),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_FORMAT", "%(asctime)s %(message)s"),
        ("JOURNAL_STREAM", "1:2"),
        ("ANON_LOGS", "yes"),
        ("PADDING", "all"),
        ("PEER_DISCOVERY", "Self"),
        ("DAEMON_PASSTHROUGH", "uptime, getblockstats"),
        ("EVENT_LOOP_POLICY", "uvloop"),
        ("COST_SOFT_LIMIT", "20"),
        ("COST_HARD_LIMIT", "20"),
        ("BANDWIDTH_UNIT_COST", "21"),
        ("REQUEST_SLEEP", "22"),
        ("SESSION_GROUP_BY_SUBNET_IPV4", "23"),
        ("SESSION_GROUP_BY_SUBNET_IPV6", "24"),
        ("INITIAL_CONCURRENT", "25"),
        ("DROP_CLIENT", "a|b"),
        ("HISTORY_LIMIT", "26"),
        ("BATCH_LIMIT", "27"),
        ("SUBSCRIPTION_LIMIT", "28"),
        ("HOST", "mymachine"),
        ("RPC_PORT", "8000"),
        ("ALLOW_ROOT", ""),
    ]);
    let env = machine.env();
    assert_eq!(env.coin.chain().network, Network::Testnet3);
    let nodes: Vec<_> = env.nodes.iter().map(ToString::to_string).collect();
    assert_eq!(nodes, ["http://192.0.2.1:18332/", "http://[2001:db8::1]:9/"]);
    assert_eq!(env.db_directory, Path::new("/srv/x"));
    assert_eq!(env.banner_file.as_deref(), Some(Path::new("/srv/x/banner")));
    assert_eq!(env.cache_bytes, 1_000_000_000);
    assert_eq!(env.reorg_limit, 12);
    assert_eq!(
        services(&env),
        ["tcp://:50001", "rpc://localhost:8000", "ssl://:51002", "wss://:50004"]
    );
    assert_eq!(env.unix_sockets, [Path::new("/a"), Path::new("/run/x")]);
    let files = env.certificate.as_ref().unwrap();
    assert_eq!(files.certificate, Path::new("/srv/x/cert.pem"));
    assert_eq!(files.key, Path::new("/etc/key.pem"));
    assert_eq!(env.proxies.len(), 2);
    assert_eq!(env.report_services[1].to_string(), "ssl://example.org:50002");
    assert_eq!(env.donation_address, "bc1q");
    assert!(env.lists_itself);
    assert!(env.passthrough.iter().eq(["getblockstats", "uptime"]));
    assert_eq!(env.sessions.max_sessions, 5);
    assert_eq!(env.sessions.max_send_bytes, 350_000);
    assert_eq!(env.sessions.max_recv_bytes, 2_000_000);
    assert_eq!(env.sessions.session_timeout, Duration::from_secs(60));
    assert_eq!(env.sessions.request_timeout, Duration::from_secs(61));
    let sessions = &env.sessions;
    // ElectrumX's way to end sessions without slowing them down before.
    assert_eq!((sessions.cost_soft_limit, sessions.cost_hard_limit), (20, 21));
    assert_eq!(sessions.bandwidth_unit_cost, 21);
    assert_eq!(sessions.request_sleep, Duration::from_millis(22));
    assert_eq!((sessions.group_ipv4_prefix, sessions.group_ipv6_prefix), (23, 24));
    assert_eq!(sessions.drop_client.as_deref(), Some("^(?:a|b)"));
    assert_eq!(
        (sessions.max_history, sessions.max_batch, sessions.max_subscriptions),
        (26, 27, 28)
    );
    assert_eq!(env.poll_blocks, Duration::from_millis(50));
    assert_eq!(env.poll_mempool, Duration::from_millis(51));
    assert_eq!(env.log.filter, "warn");
    assert_eq!(env.log.format, LogFormat::Journal);
    assert!(env.anon_logs);
    assert_eq!(env.sessions.padding, electrumx_protocol::Padding::All);
    let report = report(&env);
    for name in ["DB_ENGINE", "EVENT_LOOP_POLICY", "INITIAL_CONCURRENT", "LOG_FORMAT", "HOST is"] {
        assert_eq!(report.matches(name).count(), 1, "{name} in:\n{report}");
    }
    assert!(!report.contains("PEER_DISCOVERY"), "{report}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (name, value, reason) in [
        ("COIN", "Litecoin", "unknown coin \"Litecoin\"; known is Bitcoin"),
        ("NET", "moon", "known are mainnet, testnet, testnet4, signet, regtest"),
        ("DAEMON_URL", "https://u:hidden@h/", "https:// are not supported"),
        ("DAEMON_URL", "u:hidden@h:99999", "not a number from 1 to 65535"),
        ("PADDING", "ws", "\"ws\" is none of off, tls and all"),
        ("DAEMON_PASSTHROUGH", "uptime;stop", "\"uptime;stop\" is no name of a method"),
        ("CACHE_MB", "lots", "\"lots\" is not a whole number from 16 to 1000000"),
        ("CACHE_MB", "1", "from 16"),
        ("MAX_SESSIONS", "-1", "\"-1\" is not a whole number"),
        ("MAX_RECV", "10", "from 1024"),
        ("REQUEST_TIMEOUT", "0", "from 1"),
        ("SESSION_TIMEOUT", "1.5", "not a whole number"),
        ("COST_HARD_LIMIT", "999", "999 is below COST_SOFT_LIMIT, which is 1000"),
        ("BANDWIDTH_UNIT_COST", "0", "from 1"),
        ("SESSION_GROUP_BY_SUBNET_IPV4", "33", "from 0 to 32"),
        ("DROP_CLIENT", "(", "no regular expression"),
        ("REORG_LIMIT", "0", "from 1"),
        ("DAEMON_POLL_INTERVAL_BLOCKS", "0", "from 10"),
        ("SERVICES", "localhost:50001", "write PROTOCOL://HOST:PORT"),
        ("SERVICES", "tcp://:70000", "\"tcp://:70000\": the port \"70000\" is not a number"),
        ("SERVICES", "tcp://a:1,rpc://a:1", "same host and port"),
        ("SERVICES", "wss://h", "the port is missing"),
        ("SERVICES", "unix://socket", "write the whole path"),
        ("SERVICES", "unix://", "write the whole path"),
        ("PROXY_PROTOCOL_FROM", "localhost", "no address and no network such as"),
        ("SERVICES", "tcp://abc.onion:1", "let Tor forward to it"),
        ("SERVICES", ",", "names no service"),
        ("REPORT_SERVICES", "tcp://example.org", "the port is missing"),
        ("REPORT_SERVICES", "tcp://:50001", "the host is missing"),
        ("REPORT_SERVICES", "rpc://example.org:1", "not reported"),
        ("REPORT_SERVICES", "tcp://localhost:1", "cannot connect"),
        ("REPORT_SERVICES", "tcp://0.0.0.0:1", "cannot connect"),
        ("REPORT_SERVICES", "tcp://224.0.0.1:1", "cannot connect"),
        ("REPORT_SERVICES", "tcp://192.168.1.1:1", "private address"),
        ("REPORT_SERVICES", "tcp://[fd00::1]:1", "private address"),
        ("LOG_LEVEL", "loud", "\"loud\" is no level"),
        ("LOG_LEVEL", "info,electrumx=loud", "is no level"),
        ("LOG_FORMAT", "xml", "none of plain, journal and json"),
        ("DB_DIRECTORY", "/dev/null", "not a directory"),
        ("TCP_PORT", "50001", "obsolete; use SERVICES=tcp://HOST:PORT"),
        ("RPC_HOST", "localhost", "obsolete; use SERVICES=rpc://HOST:PORT"),
        ("MAX_SUBS", "1", "obsolete; use MAX_SESSIONS"),
        ("REPORT_HOST_TOR", "x", "obsolete; use REPORT_SERVICES"),
    ] {
        let error = Machine::new().set(&[(name, value)]).load(&[]).unwrap_err();
        assert_eq!(error.exit_code(), 78);
        let text = error.to_string();
        let place = format!("\n  {name} from the environment: ");
        assert!(text.contains(&place) && text.contains(reason), "{name}={value}: {text}");
        assert!(text.contains("has a problem:"), "{name}={value}: {text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[test]
fn all_problems_are_told_at_once_wherever_they_come_from() {
    let machine = Machine::without_node().set(&[("MAX_SEND", "x"), ("BANDWIDTH_LIMIT", "1")]);
    let file = machine.write("conf", "\nCACHE_MB=y\nHOST=here\n");
    let flags = ["--config", file.to_str().unwrap(), "--reorg-limit=z"];
    let text = machine.load(&flags).unwrap_err().to_string();
    let name = file.display();
    for line in [
        "the configuration has 6 problems:".to_owned(),
        format!("CACHE_MB from line 2 of {name}: \"y\""),
        format!("HOST from line 3 of {name}: obsolete"),
        "MAX_SEND from the environment: \"x\"".to_owned(),
        "REORG_LIMIT from the command line (--reorg-limit): \"z\"".to_owned(),
        "BANDWIDTH_LIMIT from the environment: obsolete".to_owned(),
        "DAEMON_URL: no node is named, and none was found on this machine".to_owned(),
        "set DAEMON_URL=http://user:password@host:8332/".to_owned(),
    ] {
        assert!(text.contains(&line), "no {line} in:\n{text}");
    }
}

#[test]
fn without_a_home_both_places_must_be_named() {
    let mut machine = Machine::new();
    machine.around.variables.clear();
    let text = machine.load(&[]).unwrap_err().to_string();
    assert!(text.contains("DB_DIRECTORY: not set, and without HOME"), "{text}");
    assert!(text.contains("DAEMON_URL: no node is named"), "{text}");
    let machine = machine.set(&[("DB_DIRECTORY", "x"), ("DAEMON_URL", "u:p@h")]);
    assert_eq!(machine.env().db_directory, Path::new("x"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let machine = Machine::new();
    let error = machine.load(&["--config", "/nonexistent/conf"]).unwrap_err();
    assert_eq!(error.exit_code(), 78);
    assert!(error.to_string().contains("/nonexistent/conf"), "{error}");
    let file = machine.write("conf", "NET=signet\nnonsense\n");
    let error = machine.load(&["--config", file.to_str().unwrap()]).unwrap_err();
    assert!(error.to_string().contains("line 2 is not of the form NAME=value"), "{error}");
}

#[test]
fn the_command_line_is_explained() {
    let machine = Machine::new();
    for (flag, code) in [("--help", 0), ("-h", 0), ("--version", 0), ("--nonsense", 2)] {
        let error = machine.load(&[flag]).unwrap_err();
        assert!(matches!(error, EnvError::Cli(_)), "{flag}: {error}");
        assert_eq!(error.exit_code(), code, "{flag}");
    }
    let help = machine.load(&["--help"]).unwrap_err().to_string();
    for word in ["Services:", "--services", "[env: SERVICES]", "Examples:", "electrumx-rpc getinfo"]
    {
        assert!(help.contains(word), "no {word} in:\n{help}");
    }
    assert!(machine.load(&["--allow-root"]).is_ok());
    assert!(machine.load(&["--allow-root=no"]).is_ok());
}

#[test]
fn dangers_are_warned_of() {
    let warned = |machine: &Machine, word: &str| {
        let env = machine.env();
        let warnings = warnings(&env);
        assert!(warnings.iter().any(|text| text.contains(word)), "no {word} in {warnings:?}");
    };
    let url = ("DAEMON_URL", "u:p@h");
    let mut machine = Machine::new().set(&[url]);
    machine.around.is_root = true;
    warned(&machine, "running as root");
    assert!(machine.load(&["--allow-root"]).unwrap().report().iter().all(|note| !note.warning));
    warned(&Machine::new().set(&[url, ("SERVICES", "tcp://:1,rpc://0.0.0.0:2")]), "no password");
    warned(&Machine::new().set(&[url, ("SERVICES", "rpc://")]), "no service for wallets");
    warned(&Machine::new().set(&[url, ("SERVICES", "rpc://:1"), ("RPC_PORT", "2")]), "RPC_PORT=2");
    warned(&Machine::new().set(&[url, ("CACHE_MB", "6000")]), "more than 60 % of the memory");
    warned(&Machine::new().set(&[url, ("FORCE_PROXY", "1")]), "FORCE_PROXY from the environment");
    warned(&Machine::new().set(&[("DAEMON_URL", "192.0.2.1")]), "without user and password");
}

#[test]
fn the_cache_fits_the_machine() {
    for (memory, cache) in [
        (Some(1_000_000_000), 250_000_000),
        (Some(100_000_000), 64_000_000),
        (Some(64_000_000_000), 1_200_000_000),
        (None, 1_200_000_000),
    ] {
        let mut machine = Machine::new();
        machine.around.memory_bytes = memory;
        assert_eq!(machine.env().cache_bytes, cache, "{memory:?}");
    }
}

#[test]
fn private_addresses_may_be_reported_to_a_private_network() {
    let report = ("REPORT_SERVICES", "tcp://192.168.1.1:1");
    for more in [("PEER_ANNOUNCE", "0"), ("PEER_DISCOVERY", "off")] {
        assert_eq!(Machine::new().set(&[report, more]).env().report_services.len(), 1, "{more:?}");
    }
}

#[test]
fn no_password_is_shown() {
    let machine = Machine::new();
    machine.write(".bitcoin/bitcoin.conf", "rpcuser=u\nrpcpassword=hidden\n");
    let env = machine.env();
    assert!(!format!("{env:?}{}", report(&env)).contains("hidden"));
    let machine = machine.set(&[("DAEMON_URL", "u:hidden@h,v:hidden@g")]);
    let env = machine.env();
    assert!(!format!("{env:?}{}", report(&env)).contains("hidden"));
}

#[test]
fn sessions_leave_files_for_the_rest() {
    let sessions = Machine::new().env().sessions;
    assert_eq!(sessions.within_open_files(Some(1024)), 674);
    assert_eq!(sessions.within_open_files(Some(100)), 0);
    assert_eq!(sessions.within_open_files(Some(1_000_000)), 1000);
    assert_eq!(sessions.within_open_files(None), 1000);
}

#[test]
fn block_files_of_a_node_on_this_machine_are_found() {
    let machine = Machine::new();
    machine.write(".bitcoin/bitcoin.conf", "[signet]\nblocksdir=/elsewhere\n");
    let env = machine.env();
    assert!(env.blocks_dir.is_none() && !env.offline);
    assert!(report(&env).contains("blocks: from the node"), "{}", report(&env));

    machine.write(".bitcoin/blocks/blk00000.dat", "");
    machine.write(".bitcoin/testnet3/blocks/blk00000.dat", "");
    let dir = machine.bitcoin_dir();
    let env = machine.env();
    assert_eq!(env.blocks_dir, Some(dir.join("blocks")));
    assert!(report(&env).contains("the local node's files in"), "{}", report(&env));
    let blocks_dir = |flags: &[&str]| machine.load(flags).unwrap().blocks_dir;
    let local = ["--daemon-url", "http://u:p@127.0.0.1/", "--net", "testnet"];
    assert_eq!(blocks_dir(&local), Some(dir.join("testnet3/blocks")));
    // A node elsewhere has other files, as far as can be told.
    assert_eq!(blocks_dir(&["--daemon-url", "http://u:p@192.0.2.7/"]), None);
    assert_eq!(blocks_dir(&["--blocks-dir", "none"]), None);
    // The directory of this network is elsewhere and cannot be read.
    assert_eq!(blocks_dir(&["--net", "signet"]), None);

    let other = machine.write("mounted/blk00000.dat", "").parent().unwrap().to_owned();
    let flags = ["--daemon-url", "http://u:p@192.0.2.7/", "--blocks-dir", other.to_str().unwrap()];
    let env = machine.load(&flags).unwrap();
    assert_eq!(env.blocks_dir, Some(other));
    assert!(report(&env).contains("what is not there from the node"), "{}", report(&env));
    let error = machine.load(&["--blocks-dir", "/nonexistent/blocks"]).unwrap_err().to_string();
    assert!(error.contains("BLOCKS_DIR") && error.contains("/nonexistent/blocks"), "{error}");
}

#[test]
fn offline_mode_needs_block_files_and_no_node() {
    let machine = Machine::without_node();
    let error = machine.load(&["--offline"]).unwrap_err().to_string();
    assert!(error.contains("BLOCKS_DIR") && !error.contains("DAEMON_URL"), "{error}");
    let dir = machine.write("mounted/blk00000.dat", "").parent().unwrap().to_owned();
    let env = machine.load(&["--offline", "--blocks-dir", dir.to_str().unwrap()]).unwrap();
    assert!(env.offline && env.nodes.is_empty());
    assert_eq!(env.blocks_dir, Some(dir));
    assert_eq!(env.zmq, electrumx_daemon::ZmqConfig::Off);
    // Beside a node's data directory that is enough.
    machine.write(".bitcoin/blocks/blk00000.dat", "");
    let env = machine.load(&["--offline"]).unwrap();
    assert_eq!(env.blocks_dir, Some(machine.bitcoin_dir().join("blocks")));
}
