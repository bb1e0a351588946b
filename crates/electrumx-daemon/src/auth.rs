//! How to log in to a node.

use std::fmt;
use std::path::PathBuf;

/// How to log in to a node.
///
/// [`Debug`](fmt::Debug) never shows the password.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// The node (or the proxy before it) asks for nothing.
    None,
    /// `rpcauth`, or `rpcuser` and `rpcpassword`.
    Password {
        /// User name.
        user: String,
        /// Password, not percent-encoded.
        password: String,
    },
    /// The cookie file that the node writes at its start: `.cookie` in the data directory of its network.
    ///
    /// It is read again when the node was restarted.
    Cookie(PathBuf),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { user, .. } => write!(f, "Password({user:?}, ***)"),
            Self::Cookie(path) => write!(f, "Cookie({})", path.display()),
        }
    }
}
