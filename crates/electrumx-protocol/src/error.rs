//! Errors as clients see them.

use std::borrow::Cow;

use electrumx_core::StoreError;

use crate::json;
use crate::node::NodeError;

/// Why a request failed (protocol page "Errors"). Some texts are matched by clients: do not reword
/// them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RpcError {
    /// The line is not JSON.
    #[error("invalid JSON")]
    InvalidJson,
    /// The line is not text.
    #[error("messages must be encoded in UTF-8")]
    NotUtf8,
    /// JSON, but no request; or an answer that cannot be given.
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    /// No such method.
    #[error("unknown method \"{0}\"")]
    UnknownMethod(String),
    /// Wrong number or names of arguments.
    #[error("{0}")]
    InvalidParams(String),
    /// A fault of the server. The cause is in its log.
    #[error("internal server error")]
    Internal,
    /// Anything that is wrong with the request's meaning.
    #[error("{0}")]
    BadRequest(String),
    /// The node answered with an error or did not answer.
    #[error("{0}")]
    Node(String),
    /// The read takes more than may be done at once: it is made anew elsewhere. Never sent.
    #[error("internal server error")]
    Later,
    /// A script has more history than is served.
    #[error("history too large")]
    HistoryTooLarge,
    /// The session uses up too much.
    #[error("excessive resource usage: {0}")]
    Excessive(String),
    /// The answer took too long.
    #[error("server busy - request timed out")]
    Timeout,
}

impl RpcError {
    /// Returns the code on the wire.
    pub(crate) const fn code(&self) -> i32 {
        match self {
            Self::InvalidJson | Self::NotUtf8 => -32700,
            Self::InvalidRequest(_) => -32600,
            Self::UnknownMethod(_) => -32601,
            Self::InvalidParams(_) => -32602,
            Self::Internal | Self::Later => -32603,
            Self::BadRequest(_) => 1,
            Self::Node(_) => 2,
            Self::HistoryTooLarge => 10001,
            Self::Excessive(_) => -101,
            Self::Timeout => -102,
        }
    }

    /// Appends the error object.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"code\":");
        json::integer(out, self.code());
        out.extend_from_slice(b",\"message\":");
        json::string(out, &self.to_string());
        out.push(b'}');
    }

    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::BadRequest(text.into())
    }
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        if let StoreError::TooMany { .. } = error {
            return Self::HistoryTooLarge;
        }
        tracing::error!(error = &error as &dyn std::error::Error, "the index cannot be read");
        Self::Internal
    }
}

impl From<NodeError> for RpcError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Rpc { message, .. } => Self::Node(message),
            NodeError::Offline => Self::Node(error.to_string()),
            NodeError::Unavailable(why) => {
                tracing::debug!(why, "a request failed because the node is unavailable");
                Self::Node("the node is unavailable at the moment".into())
            }
        }
    }
}
