//! electrs' command line, taken so that test suites made for electrs can start this server. Not for operators: it is
//! not in `--help`.

use std::ffi::OsString;
use std::path::Path;

use super::variable::Variable;
use super::variables::{
    BITCOIN_DATADIR, COOKIE_FILE, COST_HARD_LIMIT, COST_SOFT_LIMIT, DAEMON_POLL_INTERVAL_BLOCKS,
    DAEMON_POLL_INTERVAL_MEMPOOL, DAEMON_URL, DB_DIRECTORY, LOG_LEVEL, NET, PEER_DISCOVERY,
    SERVICES,
};

/// Flags by which electrs' command line is known. `--cookie-file`, of the same meaning in both, is not among them.
const KNOWN_BY: [&str; 12] = [
    "--auth",
    "--cookie",
    "--daemon-dir",
    "--daemon-p2p-addr",
    "--daemon-rpc-addr",
    "--db-dir",
    "--electrum-rpc-addr",
    "--http-addr",
    "--jsonrpc-import",
    "--log-filters",
    "--monitoring-addr",
    "--network",
];

/// Suites ask for a look by SIGUSR1 and expect a block to be unknown before; some wait 6 s for a transaction without
/// asking.
const POLL_MILLIS: &str = "4000";

/// What electrs was told, as far as it matters here.
#[derive(Default)]
struct Told {
    auth: Option<String>,
    cookie_file: Option<String>,
    daemon_dir: Option<String>,
    daemon_rpc_addr: Option<String>,
    db_dir: Option<String>,
    electrum_rpc_addr: Option<String>,
    log_filters: Option<String>,
    network: Option<String>,
}

/// Turns electrs' command line into this server's; another one is returned as it is.
pub(crate) fn own_flags(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let args: Vec<OsString> = args.into_iter().collect();
    let name = |arg: &OsString| {
        let text = arg.to_string_lossy();
        text.split_once('=').map_or_else(|| text.to_string(), |(name, _)| name.to_owned())
    };
    if !args.iter().skip(1).any(|arg| KNOWN_BY.contains(&name(arg).as_str())) {
        return args;
    }
    let flags = args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let own = Told::read(flags).into_flags().into_iter().map(OsString::from);
    args.iter().take(1).cloned().chain(own).collect()
}

impl Told {
    /// Reads the flags. Unknown ones are skipped, with what looks like their value.
    fn read(args: impl Iterator<Item = String>) -> Self {
        let mut told = Self::default();
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            if !arg.starts_with("--") {
                continue;
            }
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, args.next_if(|next| !next.starts_with('-'))),
            };
            let place = match name.as_str() {
                "--auth" | "--cookie" => &mut told.auth,
                "--cookie-file" => &mut told.cookie_file,
                "--daemon-dir" => &mut told.daemon_dir,
                "--daemon-rpc-addr" => &mut told.daemon_rpc_addr,
                "--db-dir" => &mut told.db_dir,
                "--electrum-rpc-addr" => &mut told.electrum_rpc_addr,
                "--log-filters" => &mut told.log_filters,
                "--network" => &mut told.network,
                _ => continue,
            };
            *place = value.or(place.take());
        }
        told
    }

    fn into_flags(self) -> Vec<String> {
        let net = self.network.map(|name| match name.as_str() {
            "bitcoin" => "mainnet".to_owned(),
            _ => name,
        });
        let daemon_url = match (self.daemon_rpc_addr, self.auth) {
            (Some(addr), Some(auth)) => {
                let auth = auth.trim().replace('%', "%25").replace(',', "%2C");
                Some(format!("http://{auth}@{addr}/"))
            }
            (addr, _) => addr,
        };
        // electrs, too, keeps the networks apart.
        let below = format!("electrumx-{}", net.as_deref().unwrap_or("mainnet"));
        let db_directory = self.db_dir.map(|dir| Path::new(&dir).join(below).display().to_string());
        // There is no place for LocalRPC: several servers run at once.
        let addr = self.electrum_rpc_addr.unwrap_or_else(|| "127.0.0.1".to_owned());
        let flags: [(&Variable, Option<String>); 12] = [
            (&NET, net),
            (&DB_DIRECTORY, db_directory),
            (&DAEMON_URL, daemon_url),
            (&COOKIE_FILE, self.cookie_file),
            (&BITCOIN_DATADIR, self.daemon_dir),
            (&SERVICES, Some(format!("tcp://{addr}"))),
            (&LOG_LEVEL, self.log_filters.map(|filters| filters.to_lowercase())),
            (&DAEMON_POLL_INTERVAL_BLOCKS, Some(POLL_MILLIS.to_owned())),
            (&DAEMON_POLL_INTERVAL_MEMPOOL, Some(POLL_MILLIS.to_owned())),
            (&PEER_DISCOVERY, Some("off".to_owned())),
            // electrs has no such limits, and suites ask for a lot.
            (&COST_SOFT_LIMIT, Some("0".to_owned())),
            (&COST_HARD_LIMIT, Some("0".to_owned())),
        ];
        let given = flags.into_iter().filter_map(|(variable, value)| Some((variable, value?)));
        given.map(|(variable, value)| format!("--{}={value}", variable.flag())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(line: &str) -> String {
        let args = line.split(' ').map(OsString::from);
        own_flags(args).join(std::ffi::OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn electrsd_is_understood() {
        let line = "server -vvv --db-dir /tmp/x --network regtest --cookie-file /n/.cookie --daemon-rpc-addr \
                    127.0.0.1:1 --daemon-p2p-addr 127.0.0.1:2 --electrum-rpc-addr 0.0.0.0:3 --monitoring-addr \
                    0.0.0.0:4 --http-addr 0.0.0.0:5";
        let expected = "server --net=regtest --db-directory=/tmp/x/electrumx-regtest --daemon-url=127.0.0.1:1 \
                        --cookie-file=/n/.cookie --services=tcp://0.0.0.0:3 --daemon-poll-interval-blocks=4000 \
                        --daemon-poll-interval-mempool=4000 --peer-discovery=off --cost-soft-limit=0 --cost-hard-limit=0";
        assert_eq!(own(line), expected);
    }

    #[test]
    fn older_forms_are_understood() {
        let line = "server --cookie=me:a,b%c --jsonrpc-import --daemon-rpc-addr=[::1]:1 --network bitcoin \
                    --unknown value --timestamp --log-filters INFO --daemon-dir /n --wait-duration-secs 1";
        let expected = "server --net=mainnet --daemon-url=http://me:a%2Cb%25c@[::1]:1/ --bitcoin-dir=/n \
                        --services=tcp://127.0.0.1 --log-level=info --daemon-poll-interval-blocks=4000 \
                        --daemon-poll-interval-mempool=4000 --peer-discovery=off --cost-soft-limit=0 --cost-hard-limit=0";
        assert_eq!(own(line), expected);
    }

    #[test]
    fn other_command_lines_stay_as_they_are() {
        for line in [
            "server",
            "server --net regtest --cookie-file /x --db-directory /y",
            "server --services tcp://:1 --log-level debug --config /z",
            "server --help",
        ] {
            assert_eq!(own(line), line);
        }
    }
}
