//! Finding the node, and the way to log in to it.

mod bitcoin_conf;
mod local;

pub(crate) use local::LocalNode;

use std::net::IpAddr;
use std::path::Path;

use electrumx_core::coin::Chain;
use electrumx_daemon::{Auth, NodeUrl};

use super::note::Notes;
use super::settings::Settings;
use super::variables::{COOKIE_FILE, DAEMON_URL};

/// Reads `DAEMON_URL`, or takes the local node.
pub(crate) fn nodes(
    settings: &mut Settings,
    local: Option<&LocalNode>,
    chain: &Chain,
    notes: &mut Notes,
) -> Vec<NodeUrl> {
    let cookie = settings.path(&COOKIE_FILE).map(Auth::Cookie);
    if settings.text(&DAEMON_URL).is_some() {
        return given_nodes(settings, cookie.as_ref(), local, chain, notes);
    }
    let present = local.filter(|local| cookie.is_some() || local.dir().is_dir());
    let auth = cookie.or_else(|| present.map(|local| local.auth(chain)));
    let Some(auth) = auth else {
        let place =
            local.map_or_else(String::new, |l| format!(" (there is no {})", l.dir().display()));
        settings.problem(
            &DAEMON_URL,
            format!(
                "no node is named, and none was found on this machine{place}; set DAEMON_URL=http://user:password@host:{}/, \
                 or BITCOIN_DATADIR to the node's data directory",
                chain.rpc_port
            ),
        );
        return Vec::new();
    };
    let port = local.map_or(chain.rpc_port, |local| local.rpc_port(chain));
    match NodeUrl::parse("127.0.0.1", port) {
        Ok(url) => {
            notes.info(format!("node: {url} of this machine, {}", login(&auth)));
            check_cookie(&auth, notes);
            vec![url.or_auth(auth)]
        }
        Err(error) => {
            settings.problem(&DAEMON_URL, error.to_string());
            Vec::new()
        }
    }
}

fn given_nodes(
    settings: &mut Settings,
    cookie: Option<&Auth>,
    local: Option<&LocalNode>,
    chain: &Chain,
    notes: &mut Notes,
) -> Vec<NodeUrl> {
    let text = settings.text(&DAEMON_URL).unwrap_or_default();
    let urls = match NodeUrl::parse_list(text, chain.rpc_port) {
        Ok(urls) => urls,
        Err(error) => {
            settings.problem(&DAEMON_URL, error.to_string());
            return Vec::new();
        }
    };
    let complete = |url: NodeUrl| {
        // The local node's cookie opens the local node.
        let own = || local.filter(|_| is_loopback(url.host())).map(|local| local.auth(chain));
        let url = match (url.auth(), cookie.cloned().or_else(own)) {
            (Auth::None, Some(auth)) => url.or_auth(auth),
            (Auth::None, None) => {
                notes.warn(format!(
                    "node: {url} without user and password; if it refuses, write them into DAEMON_URL or set COOKIE_FILE"
                ));
                return url;
            }
            _ => url,
        };
        notes.info(format!("node: {url}, {}", login(url.auth())));
        check_cookie(url.auth(), notes);
        url
    };
    urls.into_iter().map(complete).collect()
}

fn login(auth: &Auth) -> String {
    match auth {
        Auth::None => "without login".into(),
        Auth::Password { user, .. } => format!("as user {user:?}"),
        Auth::Cookie(path) => format!("with the cookie {}", path.display()),
    }
}

/// The node writes its cookie when it starts, so a missing one is no error.
fn check_cookie(auth: &Auth, notes: &mut Notes) {
    let Auth::Cookie(path) = auth else { return };
    if let Err(error) = std::fs::File::open(path) {
        let hint = if error.kind() == std::io::ErrorKind::PermissionDenied {
            "run the server as the node's user, or give its group access (rpccookieperms=group)"
        } else {
            "is the node running? COOKIE_FILE or BITCOIN_DATADIR name another place"
        };
        notes.warn(format!("cannot read the node's cookie {}: {error}; {hint}", path.display()));
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Tells whether there is something at `path`, or there might be, were one allowed to look.
fn may_exist(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}
