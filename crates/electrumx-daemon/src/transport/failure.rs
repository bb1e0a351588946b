//! What can go wrong with one request, in words for the operator.

use std::error::Error;
use std::time::Duration;

use http_body_util::LengthLimitError;
use hyper_util::client::legacy::Error as HyperError;
use jsonrpsee_core::client::Error as ClientError;
use jsonrpsee_core::http_helpers::HttpError;
use jsonrpsee_http_client::transport::Error as TransportError;

use super::Node;
use crate::DaemonError;

type Cause = Box<dyn Error + Send + Sync>;

/// Why one request to one node failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The node answered, and would answer the same again.
    Answer(DaemonError),
    /// The node is not there, or not ready: another one, or a later try, may do.
    Down(Trouble),
}

/// Why a node is not there, or not ready.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No connection.
    Unreachable(Cause),
    /// The connection ended before the reply did.
    Dropped(Cause),
    /// No reply in this time.
    Silent(Duration),
    /// Error -28, with the node's progress text.
    WarmingUp(String),
    /// HTTP 503: the work queue is full.
    Busy,
    /// HTTP 401 or 403.
    Refused(u16),
    /// Another HTTP status.
    Status(u16),
    /// The reply is not JSON-RPC.
    Garbled(Option<Cause>),
}

/// `RPC_IN_WARMUP`.
pub(super) const WARMING_UP: i32 = -28;

impl Failure {
    pub(super) fn new(error: ClientError, method: &str, node: &Node) -> Self {
        let limit = node.max_response_bytes;
        let too_large = || Self::Answer(DaemonError::TooLarge { method: method.to_owned(), limit });
        Self::Down(match error {
            ClientError::Call(error) if error.code() == WARMING_UP => {
                Trouble::WarmingUp(error.message().to_owned())
            }
            ClientError::Call(error) => {
                let message = error.message().to_owned();
                return Self::Answer(DaemonError::Rpc { code: error.code(), message });
            }
            ClientError::RequestTimeout => Trouble::Silent(node.timeout),
            ClientError::Transport(error) => match error
                .downcast::<TransportError>()
                .map(|error| *error)
            {
                Ok(TransportError::Rejected { status_code: code @ (401 | 403) }) => {
                    Trouble::Refused(code)
                }
                Ok(TransportError::Rejected { status_code: 503 }) => Trouble::Busy,
                Ok(TransportError::Rejected { status_code }) => Trouble::Status(status_code),
                Ok(TransportError::Http(HttpError::TooLarge) | TransportError::RequestTooLarge) => {
                    return too_large();
                }
                Ok(TransportError::Http(HttpError::Malformed)) => Trouble::Garbled(None),
                Ok(TransportError::Http(HttpError::Stream(error))) => {
                    if has_cause::<LengthLimitError>(&*error) {
                        return too_large();
                    }
                    connection_trouble(error)
                }
                Ok(other) => Trouble::Dropped(other.into()),
                Err(other) => Trouble::Dropped(other),
            },
            other => Trouble::Garbled(Some(other.into())),
        })
    }
}

fn connection_trouble(error: Cause) -> Trouble {
    match error.downcast_ref::<HyperError>() {
        Some(hyper) if hyper.is_connect() => Trouble::Unreachable(error),
        _ => Trouble::Dropped(error),
    }
}

fn has_cause<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    error.is::<E>() || error.source().is_some_and(has_cause::<E>)
}

/// The innermost cause says most: `Connection refused`.
fn root(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

impl Trouble {
    /// What the node does, as the rest of the sentence "the node at …".
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unreachable(cause) => format!("cannot be reached: {}", root(&**cause)),
            Self::Dropped(cause) => format!("dropped the connection: {}", root(&**cause)),
            Self::Silent(time) => format!("did not answer within {time:?}"),
            Self::WarmingUp(text) => format!("is starting: {text}"),
            Self::Busy => "is busy: its work queue is full".to_owned(),
            Self::Refused(code) => format!("refuses the login (HTTP status {code})"),
            Self::Status(code) => format!("answers with HTTP status {code}"),
            Self::Garbled(Some(cause)) => {
                format!("answers with something that is not JSON-RPC: {cause}")
            }
            Self::Garbled(None) => "answers with something that is not JSON-RPC".to_owned(),
        }
    }

    /// What the operator can do.
    pub(crate) fn hint(&self, node: &Node) -> String {
        match self {
            Self::Unreachable(_) => "start it, or correct its URL (rpcport, rpcbind)".to_owned(),
            Self::Silent(_) => "it may be overloaded or busy with its disk".to_owned(),
            Self::WarmingUp(_) => "no action is needed".to_owned(),
            Self::Busy => "raise its rpcworkqueue if this lasts".to_owned(),
            Self::Refused(403) => {
                "allow this host with rpcallowip in the node's configuration".to_owned()
            }
            Self::Refused(_) => node.login_hint(),
            Self::Dropped(_) | Self::Status(_) | Self::Garbled(_) => {
                "is this the RPC port of a node, and which proxy is in between?".to_owned()
            }
        }
    }

    /// Whether the node may have done what it was asked for.
    pub(crate) fn leaves_outcome_open(&self) -> bool {
        matches!(self, Self::Dropped(_) | Self::Silent(_) | Self::Status(_) | Self::Garbled(_))
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Each kind of trouble is logged once while it lasts.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Unreachable(_) => 1,
            Self::Dropped(_) => 2,
            Self::Silent(_) => 4,
            Self::WarmingUp(_) => 8,
            Self::Busy => 16,
            Self::Refused(_) => 32,
            Self::Status(_) => 64,
            Self::Garbled(_) => 128,
        }
    }

    pub(crate) fn into_error(self, node: &Node) -> DaemonError {
        let (name, reason) = (node.url.to_string(), self.reason());
        match self {
            Self::Refused(_) => DaemonError::Auth { hint: self.hint(node), node: name },
            Self::Unreachable(cause) | Self::Dropped(cause) | Self::Garbled(Some(cause)) => {
                DaemonError::Unavailable { node: name, reason, source: Some(cause) }
            }
            _ => DaemonError::Unavailable { node: name, reason, source: None },
        }
    }
}
