//! Where a publisher listens.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where a publisher listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    /// Host (an IPv6 address in brackets) and port.
    Tcp(String, u16),
    /// A unix socket.
    Ipc(PathBuf),
}

impl Endpoint {
    /// Parses an address as ZMQ writes it; `None` when it is of another kind.
    pub(super) fn parse(address: &str) -> Option<Self> {
        // bitcoind accepts unix: and shows it so, too.
        if let Some(path) = address.strip_prefix("ipc://").or(address.strip_prefix("unix:")) {
            return path.starts_with('/').then(|| Self::Ipc(path.into()));
        }
        let (host, port) = address.strip_prefix("tcp://")?.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        // An address may be followed by the source to connect from, and IPv6 comes without brackets, too.
        let host = host.rsplit(';').next().unwrap_or(host);
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => format!("[{host}]"),
            _ => host.to_owned(),
        };
        (!host.is_empty()).then_some(Self::Tcp(host, port))
    }

    /// The address as seen from here: what a node binds to all or to its loopback interfaces is where its RPC is.
    pub(super) fn seen_from_here(self, node_host: &str) -> Self {
        match self {
            Self::Tcp(host, port) if is_local(&host) => Self::Tcp(node_host.to_owned(), port),
            other => other,
        }
    }
}

fn is_local(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "*" || host == "localhost" || ip.is_ok_and(|ip| ip.is_unspecified() || ip.is_loopback())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
            Self::Ipc(path) => write!(f, "ipc://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_seen_from_where_the_rpc_is() {
        for (address, seen) in [
            ("tcp://127.0.0.1:28332", "tcp://node:28332"),
            ("tcp://0.0.0.0:28332", "tcp://node:28332"),
            ("tcp://*:28332", "tcp://node:28332"),
            ("tcp://[::]:28332", "tcp://node:28332"),
            ("tcp://:::28332", "tcp://node:28332"),
            ("tcp://[::1]:1", "tcp://node:1"),
            ("tcp://192.0.2.7:28332", "tcp://192.0.2.7:28332"),
            ("tcp://[2001:db8::1]:5", "tcp://[2001:db8::1]:5"),
            ("ipc:///run/bitcoind/zmq", "ipc:///run/bitcoind/zmq"),
            ("unix:/run/zmq", "ipc:///run/zmq"),
        ] {
            let endpoint = Endpoint::parse(address).unwrap().seen_from_here("node");
            assert_eq!(endpoint.to_string(), seen, "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "tcp://", "tcp://host", "tcp://host:0", "tcp://:1", "ipc://x", "inproc://a"]
        {
            assert_eq!(Endpoint::parse(bad), None, "{bad}");
        }
    }
}
