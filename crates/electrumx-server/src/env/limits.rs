//! What sessions may use up.

use std::time::Duration;

use super::settings::Settings;
use super::variables::{MAX_RECV, MAX_SEND, MAX_SESSIONS, REQUEST_TIMEOUT, SESSION_TIMEOUT};

/// Limits of sessions, with ElectrumX's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// `MAX_SESSIONS`: wallets connected at once. Default 1,000.
    pub max_sessions: usize,
    /// `MAX_SEND`: bytes of an answer. Default 8,100,000, which Electrum's own limit was made for; at least 350,000,
    /// so that a chunk of 2,016 headers (322,560 digits) fits.
    pub max_send_bytes: usize,
    /// `MAX_RECV`: bytes of a request. Default 1,000,000: the largest standard transaction has 400,000 bytes, 800,000
    /// digits.
    pub max_recv_bytes: usize,
    /// `SESSION_TIMEOUT`: time without a request after which a session ends. Default 600 s.
    pub session_timeout: Duration,
    /// `REQUEST_TIMEOUT`: time for one request. Default 30 s.
    pub request_timeout: Duration,
}

/// Smallest `MAX_SEND`, to which ElectrumX raises smaller values.
const MIN_MAX_SEND: usize = 350_000;

/// Open files for all but sessions: the index, the node, logs (ElectrumX's figure).
const OTHER_FILES: u64 = 350;

impl SessionLimits {
    /// Returns how many sessions this many open files allow, at most [`Self::max_sessions`].
    ///
    /// ```
    /// # use electrumx_server::env::{Env, raise_open_files};
    /// # fn start(env: &Env) {
    /// let max_sessions = env.sessions.within_open_files(raise_open_files());
    /// # }
    /// ```
    #[must_use]
    pub fn within_open_files(&self, open_files: Option<u64>) -> usize {
        let left = open_files.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES));
        self.max_sessions.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    pub(crate) fn read(settings: &mut Settings) -> Self {
        let bytes = 1..=1_000_000_000;
        let secs = 1..=1_000_000;
        let session_timeout = settings.number(&SESSION_TIMEOUT, 600, secs.clone());
        let request_timeout = settings.number(&REQUEST_TIMEOUT, 30, secs);
        Self {
            max_sessions: settings.number(&MAX_SESSIONS, 1000, 0..=1_000_000),
            max_send_bytes: settings.number(&MAX_SEND, 8_100_000, bytes).max(MIN_MAX_SEND),
            max_recv_bytes: settings.number(&MAX_RECV, 1_000_000, 1024..=100_000_000),
            session_timeout: Duration::from_secs(session_timeout),
            request_timeout: Duration::from_secs(request_timeout),
        }
    }
}
