//! Where to listen: the syntax of ElectrumX's `SERVICES`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use electrumx_core::coin::Chain;

/// Port of `LocalRPC` when none is given, as in ElectrumX.
pub(crate) const RPC_PORT: u16 = 8000;

/// What is spoken on a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// The Electrum protocol over TCP.
    Tcp,
    /// The Electrum protocol over TLS.
    Ssl,
    /// The Electrum protocol over WebSocket.
    Ws,
    /// The Electrum protocol over WebSocket over TLS.
    Wss,
    /// `LocalRPC`, for the operator.
    Rpc,
}

/// A place to listen, or to be reached at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Service {
    /// What is spoken there.
    pub protocol: Protocol,
    /// Name or address, lower-case, without brackets; empty for all interfaces.
    pub host: String,
    /// Port, never 0.
    pub port: u16,
}

/// What a service leaves out.
#[derive(Clone, Copy)]
pub(crate) enum Defaults {
    /// All interfaces (rpc: localhost), and the usual port.
    Of(&'static Chain),
    /// Nothing may be left out.
    None,
}

impl Protocol {
    const ALL: [Self; 5] = [Self::Tcp, Self::Ssl, Self::Ws, Self::Wss, Self::Rpc];

    /// Returns the name as in `SERVICES`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ssl => "ssl",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Rpc => "rpc",
        }
    }

    /// Tells whether it goes over TLS.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Ssl | Self::Wss)
    }

    const fn usual_port(self, chain: &Chain) -> Option<u16> {
        match self {
            Self::Tcp => Some(chain.electrum_tcp_port),
            Self::Ssl => Some(chain.electrum_ssl_port),
            Self::Ws | Self::Wss => None,
            Self::Rpc => Some(RPC_PORT),
        }
    }
}

impl Service {
    /// Parses a comma-separated list. No two of its services may share host and port.
    ///
    /// # Errors
    /// Texts that quote the piece and show the right form.
    pub(crate) fn parse_list(text: &str, defaults: Defaults) -> Result<Vec<Self>, Vec<String>> {
        let mut services: Vec<Self> = Vec::new();
        let mut errors = Vec::new();
        for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            match Self::parse(piece, defaults) {
                Err(error) => errors.push(error),
                Ok(new) => match services.iter().find(|s| s.host == new.host && s.port == new.port)
                {
                    Some(old) => {
                        errors.push(format!("{new} and {old} have the same host and port"));
                    }
                    None => services.push(new),
                },
            }
        }
        if errors.is_empty() { Ok(services) } else { Err(errors) }
    }

    fn parse(piece: &str, defaults: Defaults) -> Result<Self, String> {
        let Some((protocol, address)) = piece.split_once("://") else {
            return Err(format!(
                "{piece:?}: write PROTOCOL://HOST:PORT, such as tcp://127.0.0.1:50001"
            ));
        };
        let name = protocol.to_ascii_lowercase();
        let Some(protocol) = Protocol::ALL.into_iter().find(|protocol| protocol.name() == name)
        else {
            let known = Protocol::ALL.map(Protocol::name).join(", ");
            return Err(format!("{piece:?}: unknown protocol {name:?}; known are {known}"));
        };
        let (host, port) = split_host_port(address).map_err(|what| format!("{piece:?}: {what}"))?;
        let port = match (port, defaults) {
            (Some(port), _) => {
                Some(port.parse().ok().filter(|&port| port != 0).ok_or_else(|| {
                    format!("{piece:?}: the port {port:?} is not a number from 1 to 65535")
                })?)
            }
            (None, Defaults::Of(chain)) => protocol.usual_port(chain),
            (None, Defaults::None) => None,
        };
        let port =
            port.ok_or_else(|| format!("{piece:?}: the port is missing: {name}://HOST:PORT"))?;
        let host = match (host, protocol, defaults) {
            ("", _, Defaults::None) => {
                return Err(format!("{piece:?}: the host is missing: {name}://HOST:{port}"));
            }
            ("", Protocol::Rpc, _) => "localhost",
            (host, ..) => host,
        };
        Ok(Self { protocol, host: host.to_ascii_lowercase(), port })
    }

    /// Returns the host as an address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Tells whether only programs of this machine reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, host, port } = self;
        match self.ip() {
            Some(IpAddr::V6(ip)) => write!(f, "{}://[{ip}]:{port}", protocol.name()),
            _ => write!(f, "{}://{host}:{port}", protocol.name()),
        }
    }
}

/// Splits `host:port`, `host`, `:port`, `[v6]:port`, `[v6]` or the empty text.
fn split_host_port(address: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(format!("{rest:?} follows the bracket instead of a port")),
        };
        let is_address = host.parse::<Ipv6Addr>().is_ok();
        return if is_address {
            Ok((host, port))
        } else {
            Err(format!("{host:?} is no IPv6 address"))
        };
    }
    let (host, port) = match address.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            return Err("IPv6 addresses go in brackets: [::1]:50001".into());
        }
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    // Four numbers, or a name: what looks like an address must be one.
    let numeric = !host.is_empty() && host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if (numeric && host.parse::<IpAddr>().is_err()) || !is_name(host) {
        return Err(format!("{host:?} is no host name and no address"));
    }
    Ok((host, port))
}

fn is_name(host: &str) -> bool {
    host.is_empty()
        || host.len() <= 253
            && host.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
            })
}

#[cfg(test)]
mod tests {
    use electrumx_core::coin::{Bitcoin, Coin as _, Network};

    use super::*;

    fn parse(text: &str) -> Result<Vec<Service>, Vec<String>> {
        Service::parse_list(text, Defaults::Of(Bitcoin::new(Network::Signet).chain()))
    }

    #[test]
    fn every_right_form_is_understood() {
        for (text, shown) in [
            ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
            ("TCP://Host.Example:65535", "tcp://host.example:65535"),
            ("tcp://", "tcp://:60601"),
            ("tcp://:7", "tcp://:7"),
            ("ssl://host", "ssl://host:60602"),
            ("tcp://[::1]:5", "tcp://[::1]:5"),
            ("tcp://[::]", "tcp://[::]:60601"),
            ("rpc://", "rpc://localhost:8000"),
            ("rpc://:9", "rpc://localhost:9"),
            ("wss://h:443", "wss://h:443"),
        ] {
            let services = parse(text).unwrap();
            assert_eq!(services[0].to_string(), shown, "{text}");
            assert_eq!(services.len(), 1);
        }
        assert_eq!(parse(" tcp://a:1 , tcp://a:2,").unwrap().len(), 2);
    }

    #[test]
    fn wrong_forms_are_refused_with_the_reason() {
        for (text, reason) in [
            ("localhost:50001", "write PROTOCOL://HOST:PORT"),
            ("50001", "write PROTOCOL://HOST:PORT"),
            ("http://a:1", "unknown protocol \"http\"; known are tcp, ssl, ws, wss, rpc"),
            ("tcp://a:0", "not a number from 1 to 65535"),
            ("tcp://a:65536", "not a number from 1 to 65535"),
            ("tcp://a:x", "not a number from 1 to 65535"),
            ("tcp://a:", "not a number from 1 to 65535"),
            ("tcp://::1:50001", "go in brackets"),
            ("tcp://[::1:5", "bracket is not closed"),
            ("tcp://[::1]5", "follows the bracket"),
            ("tcp://[1.2.3.4]:5", "no IPv6 address"),
            ("tcp://1.2.3:5", "no host name and no address"),
            ("tcp://1.2.3.256:5", "no host name and no address"),
            ("tcp://a b:5", "no host name and no address"),
            ("tcp://a..b:5", "no host name and no address"),
            ("tcp://a:5/x", "not a number"),
            ("ws://a", "the port is missing"),
            ("tcp://a:5,ssl://A:5", "same host and port"),
        ] {
            let errors = parse(text).unwrap_err();
            assert!(errors[0].contains(reason), "{text}: {errors:?}");
        }
        assert_eq!(parse("a,b,tcp://a:1").unwrap_err().len(), 2);
    }

    #[test]
    fn reports_leave_nothing_out() {
        for (text, reason) in [("tcp://a", "port is missing"), ("tcp://:5", "host is missing")] {
            let errors = Service::parse_list(text, Defaults::None).unwrap_err();
            assert!(errors[0].contains(reason), "{text}: {errors:?}");
        }
    }
}
