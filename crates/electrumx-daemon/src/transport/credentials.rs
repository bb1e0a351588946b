//! The `Authorization` header of one node.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use parking_lot::Mutex;

use crate::Auth;

/// The `Authorization` header of one node. A cookie is read when its file changes.
#[derive(Debug)]
pub(crate) struct Credentials {
    auth: Auth,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    modified: Option<SystemTime>,
    header: Option<HeaderValue>,
}

impl Credentials {
    pub(crate) fn new(auth: Auth) -> Self {
        let header = match &auth {
            Auth::Password { user, password } => basic(&format!("{user}:{password}")),
            Auth::None | Auth::Cookie(_) => None,
        };
        Self { auth, known: Mutex::new(Known { modified: None, header }) }
    }

    /// Returns the header to send now. Costs a `stat` (a microsecond) with a cookie: a node that sees a wrong login sleeps
    /// 250 ms and logs it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut known = self.known.lock();
        if let Auth::Cookie(path) = &self.auth {
            let modified = modified(path);
            if modified != known.modified || known.header.is_none() {
                *known = Known { modified, header: read_cookie(path).ok().flatten() };
            }
        }
        known.header.clone()
    }

    /// Reads the cookie again after the node refused `sent`. Returns whether there is another header to try.
    pub(crate) fn renew(&self, sent: Option<&HeaderValue>) -> bool {
        let Auth::Cookie(path) = &self.auth else { return false };
        let header = read_cookie(path).ok().flatten();
        let other = header.is_some() && header.as_ref() != sent;
        *self.known.lock() = Known { modified: modified(path), header };
        other
    }

    /// What an operator can do about a refused login.
    pub(crate) fn hint(&self) -> String {
        match &self.auth {
            Auth::None => {
                "give user and password in the URL (http://user:password@host:port/) or the node's cookie file".to_owned()
            }
            Auth::Password { user, .. } => format!(
                "compare user {user:?} and its password in the node's URL (DAEMON_URL) with rpcauth or rpcpassword in the node's configuration"
            ),
            Auth::Cookie(path) => match read_cookie(path) {
                Ok(Some(_)) => format!("is {} the cookie file of this node?", path.display()),
                Ok(None) => format!("the cookie file {} is empty or damaged", path.display()),
                Err(error) => format!("the cookie file {} cannot be read: {error}", path.display()),
            },
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn read_cookie(path: &Path) -> std::io::Result<Option<HeaderValue>> {
    let text = fs::read_to_string(path)?;
    let text = text.trim();
    Ok(if text.contains(':') { basic(text) } else { None })
}

fn basic(login: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(login))).ok()?;
    header.set_sensitive(true);
    Some(header)
}
