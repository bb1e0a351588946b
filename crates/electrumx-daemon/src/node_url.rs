//! Where a node listens, as operators write it.

use std::fmt;
use std::net::Ipv6Addr;

use crate::Auth;

/// Where a node's RPC listens, and how to log in to it.
///
/// Neither [`Display`](fmt::Display) nor [`Debug`](fmt::Debug) shows the password.
///
/// ```
/// use electrumx_daemon::NodeUrl;
///
/// let urls = NodeUrl::parse_list("alice:se%40cret@node.example, http://bob:pw@[::1]:18332/", 8332)?;
/// assert_eq!(urls[0].to_string(), "http://node.example:8332/");
/// assert_eq!(urls[1].to_string(), "http://[::1]:18332/");
/// # Ok::<(), electrumx_daemon::ParseNodeUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NodeUrl {
    host: String,
    port: u16,
    path: String,
    auth: Auth,
}

impl NodeUrl {
    /// Parses a comma-separated list in the form of ElectrumX's `DAEMON_URL`.
    ///
    /// # Errors
    /// When the list is empty or one of its URLs is none.
    pub fn parse_list(text: &str, default_port: u16) -> Result<Vec<Self>, ParseNodeUrlError> {
        let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
        let urls = urls.map(|url| Self::parse(url, default_port)).collect::<Result<Vec<_>, _>>()?;
        if urls.is_empty() { Err(ParseNodeUrlError::Empty) } else { Ok(urls) }
    }

    /// Parses `[http://][user:password@]host[:port][/path]`.
    ///
    /// User and password may be percent-encoded (a comma has to be: `%2C`). What precedes the last `@` is user and
    /// password, so that a password with `/`, `:` or `@` needs no encoding.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, ParseNodeUrlError> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                return Err(ParseNodeUrlError::Scheme { scheme: scheme.to_owned() });
            }
            _ => text,
        };
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let auth = match login.map(|login| login.split_once(':')) {
            None => Auth::None,
            Some(Some((user, password))) if !user.is_empty() => {
                Auth::Password { user: percent_decode(user), password: percent_decode(password) }
            }
            Some(_) => return Err(ParseNodeUrlError::Login { place: place.to_owned() }),
        };
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = split_port(authority);
        let port = match port {
            None | Some("") => default_port,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(ParseNodeUrlError::Port { place: place.to_owned() }),
            },
        };
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        if !is_host(host) || !path.chars().all(|c| c.is_ascii_graphic() && !"?#".contains(c)) {
            return Err(ParseNodeUrlError::Host { place: place.to_owned() });
        }
        Ok(Self { host: host.to_owned(), port, path, auth })
    }

    /// Logs in with `auth` where the URL itself names no user.
    #[must_use]
    pub fn or_auth(mut self, auth: Auth) -> Self {
        if self.auth == Auth::None {
            self.auth = auth;
        }
        self
    }

    /// Returns how to log in.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host; an IPv6 address is in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}/", self.host, self.port, self.path)
    }
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeUrl({self}, {:?})", self.auth)
    }
}

/// A node URL is not of the form `http://user:password@host:port/`. The password is not part of any message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseNodeUrlError {
    /// No URL at all.
    #[error("no node URL is given; the form is http://user:password@host:port/")]
    Empty,
    /// Not plain HTTP.
    #[error(
        "node URLs with {scheme}:// are not supported, only http://; reach a distant node through a tunnel \
         (ssh -L, WireGuard)"
    )]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// An `@` without both user and password before it.
    #[error("node URL …@{place}: write user:password before the @, or use the node's cookie file")]
    Login {
        /// What follows the `@`.
        place: String,
    },
    /// The port is not a number from 1 to 65535.
    #[error("node URL …{place}: the port is not a number from 1 to 65535")]
    Port {
        /// The URL from its host on.
        place: String,
    },
    /// No host, or characters that a host or path cannot have.
    #[error("node URL …{place}: not a host name or address (IPv6 addresses go in brackets)")]
    Host {
        /// The URL from its host on.
        place: String,
    },
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    }
}

/// Decodes `%41`; a percent sign without two hexadecimal digits stands for itself.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = (first == b'%').then(|| tail.get(..2)).flatten();
        let code = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Auth {
        Auth::Password { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn every_form_of_daemon_url_is_understood() {
        let cases = [
            ("u:p@host", "http://host:8332/", login("u", "p")),
            ("http://u:p@host:99", "http://host:99/", login("u", "p")),
            ("HTTP://u:p@host:99///", "http://host:99/", login("u", "p")),
            ("u:p@127.0.0.1:1/wallet/x/", "http://127.0.0.1:1/wallet/x/", login("u", "p")),
            ("u:p@[::1]", "http://[::1]:8332/", login("u", "p")),
            ("u:p@[::1]:7", "http://[::1]:7/", login("u", "p")),
            ("u:a@b/c:d://e@host", "http://host:8332/", login("u", "a@b/c:d://e")),
            ("u%3A:%2Cp%zz%@host", "http://host:8332/", login("u:", ",p%zz%")),
            ("u:@host", "http://host:8332/", login("u", "")),
            ("host:8", "http://host:8/", Auth::None),
        ];
        for (text, shown, auth) in cases {
            let url = NodeUrl::parse(text, 8332).unwrap();
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(*url.auth(), auth, "{text}");
        }
    }

    #[test]
    fn bad_urls_are_refused_without_showing_the_password() {
        let bad = [
            "",
            ",",
            "https://u:hidden@host",
            "hidden@host",
            ":hidden@host",
            "u:hidden@",
            "u:hidden@:8",
            "u:hidden@host:0",
            "u:hidden@host:65536",
            "u:hidden@host:x",
            "u:hidden@ho st",
            "u:hidden@::1",
            "u:hidden@[::1",
            "u:hidden@[x]",
            "u:hidden@host/?q",
            "u:hidden@host:8:9",
        ];
        for text in bad {
            let error = NodeUrl::parse_list(text, 8332).unwrap_err();
            assert!(!error.to_string().contains("hidden"), "{text}: {error}");
        }
    }

    #[test]
    fn no_password_is_printed() {
        let url = NodeUrl::parse("user:hidden@host", 1).unwrap();
        assert!(!format!("{url} {url:?}").contains("hidden"));
    }

    #[test]
    fn a_cookie_is_used_only_where_the_url_names_no_user() {
        let cookie = Auth::Cookie("x".into());
        let bare = NodeUrl::parse("host", 1).unwrap().or_auth(cookie.clone());
        assert_eq!(*bare.auth(), cookie);
        let full = NodeUrl::parse("u:p@host", 1).unwrap().or_auth(cookie);
        assert_eq!(*full.auth(), login("u", "p"));
    }
}
