//! What sessions may use up.

use std::time::Duration;

use electrumx_protocol::Padding;

use super::settings::Settings;
use super::variables::{
    BANDWIDTH_UNIT_COST, BATCH_LIMIT, COST_HARD_LIMIT, COST_SOFT_LIMIT, DROP_CLIENT, HISTORY_LIMIT,
    MAX_RECV, MAX_SEND, MAX_SESSIONS, PADDING, REQUEST_SLEEP, REQUEST_TIMEOUT,
    SESSION_GROUP_BY_SUBNET_IPV4, SESSION_GROUP_BY_SUBNET_IPV6, SESSION_TIMEOUT,
    SUBSCRIPTION_LIMIT,
};

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
    /// `HISTORY_LIMIT`: entries of a history. Default: what fits into `MAX_SEND` with 99 bytes each, as in ElectrumX.
    pub max_history: usize,
    /// `BATCH_LIMIT`: requests of a batch. Default 10,000.
    pub max_batch: usize,
    /// `SUBSCRIPTION_LIMIT`: scripts, outpoints and transactions of a session. Default 100,000.
    pub max_subscriptions: usize,
    /// `COST_SOFT_LIMIT`: costs from which on requests have to wait. Default 1,000.
    pub cost_soft_limit: u32,
    /// `COST_HARD_LIMIT`: costs at which a session ends; 0 for no limits. Default 10,000.
    pub cost_hard_limit: u32,
    /// `BANDWIDTH_UNIT_COST`: bytes that cost 1. Default 5,000.
    pub bandwidth_unit_cost: u32,
    /// `REQUEST_SLEEP`: wait before each request near the hard limit. Default 2.5 s.
    pub request_sleep: Duration,
    /// `SESSION_GROUP_BY_SUBNET_IPV4`: bits in common of addresses that share costs. Default 24.
    pub group_ipv4_prefix: u8,
    /// `SESSION_GROUP_BY_SUBNET_IPV6`: the same for IPv6. Default 48.
    pub group_ipv6_prefix: u8,
    /// `DROP_CLIENT`: what the names of clients that are refused begin with, a regular expression.
    pub drop_client: Option<String>,
    /// `PADDING`: on which connections answers are padded. Default: none.
    pub padding: Padding,
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
        let max_send_bytes = settings.number(&MAX_SEND, 8_100_000, bytes).max(MIN_MAX_SEND);
        let soft = settings.number(&COST_SOFT_LIMIT, 1_000, 0..=1_000_000_000);
        let hard = settings.number(&COST_HARD_LIMIT, 10_000, 0..=1_000_000_000);
        if hard < soft {
            settings.problem(
                &COST_HARD_LIMIT,
                format!("{hard} is below COST_SOFT_LIMIT, which is {soft}"),
            );
        }
        // ElectrumX's way to end sessions without slowing them down before.
        let hard = if hard == soft && hard > 0 { hard + 1 } else { hard };
        let count = 1..=1_000_000_000;
        Self {
            max_history: settings.number(
                &HISTORY_LIMIT,
                (max_send_bytes - 100) / 99,
                count.clone(),
            ),
            max_batch: settings.number(&BATCH_LIMIT, 10_000, count.clone()),
            max_subscriptions: settings.number(&SUBSCRIPTION_LIMIT, 100_000, count),
            cost_soft_limit: soft,
            cost_hard_limit: hard,
            bandwidth_unit_cost: settings.number(&BANDWIDTH_UNIT_COST, 5_000, 1..=1_000_000_000),
            request_sleep: Duration::from_millis(settings.number(
                &REQUEST_SLEEP,
                2_500,
                0..=60_000,
            )),
            group_ipv4_prefix: settings.number(&SESSION_GROUP_BY_SUBNET_IPV4, 24, 0..=32),
            group_ipv6_prefix: settings.number(&SESSION_GROUP_BY_SUBNET_IPV6, 48, 0..=128),
            drop_client: drop_client(settings),
            padding: padding(settings),
            max_sessions: settings.number(&MAX_SESSIONS, 1000, 0..=1_000_000),
            max_send_bytes,
            max_recv_bytes: settings.number(&MAX_RECV, 1_000_000, 1024..=100_000_000),
            session_timeout: Duration::from_secs(session_timeout),
            request_timeout: Duration::from_secs(request_timeout),
        }
    }
}

/// Reads where to pad; a boolean's words are understood, and a yes means TLS alone.
fn padding(settings: &mut Settings) -> Padding {
    let Some(text) = settings.text(&PADDING).map(str::to_lowercase) else { return Padding::Off };
    match text.as_str() {
        "off" | "0" | "no" | "false" => Padding::Off,
        "tls" | "on" | "1" | "yes" | "true" => Padding::Tls,
        "all" => Padding::All,
        _ => {
            settings.problem(&PADDING, format!("{text:?} is none of off, tls and all"));
            Padding::Off
        }
    }
}

/// Reads a regular expression; ElectrumX matches it from a name's beginning.
fn drop_client(settings: &mut Settings) -> Option<String> {
    let pattern = format!("^(?:{})", settings.text(&DROP_CLIENT)?);
    match electrumx_protocol::Regex::new(&pattern) {
        Ok(_) => Some(pattern),
        Err(error) => {
            settings.problem(&DROP_CLIENT, format!("it is no regular expression: {error}"));
            None
        }
    }
}
