//! Why a node could not be asked.

use std::error::Error;

use electrumx_core::SourceError;

/// Why a node could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The work was cancelled: the server is stopping.
    #[error("cancelled")]
    Cancelled,
    /// There is no node, see [`Daemon::none`](crate::Daemon::none).
    #[error("this server has no node: it is in offline mode")]
    NoNode,
    /// The node refuses the login (HTTP 401 or 403).
    #[error("the node at {node} refuses the login; {hint}")]
    Auth {
        /// The node's URL, without login.
        node: String,
        /// What to do.
        hint: String,
    },
    /// The node did not answer in time, or is not ready. Trying again later may help.
    #[error("the node at {node} {reason}")]
    Unavailable {
        /// The node's URL, without login.
        node: String,
        /// Why, as the rest of the sentence.
        reason: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The node answered with an error object.
    #[error("the node answers {message:?} (code {code})")]
    Rpc {
        /// The node's code, see `rpc/protocol.h` of Bitcoin Core.
        code: i32,
        /// The node's text.
        message: String,
    },
    /// The reply, or the request, is larger than allowed.
    #[error("more than {limit} bytes in one message of {method}")]
    TooLarge {
        /// The method.
        method: String,
        /// The limit in bytes.
        limit: u32,
    },
    /// The node answered something that cannot be right.
    #[error("the node's reply to {method} makes no sense: {what}")]
    Invalid {
        /// The method.
        method: String,
        /// What is wrong.
        what: String,
    },
    /// The node follows another chain than configured.
    #[error(
        "the node follows {node}, configured is {configured}; correct the network or the node's URL"
    )]
    WrongChain {
        /// What the node follows.
        node: String,
        /// What is configured.
        configured: String,
    },
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
}

impl DaemonError {
    pub(crate) fn invalid(method: &str, what: impl ToString) -> Self {
        Self::Invalid { method: method.to_owned(), what: what.to_string() }
    }

    /// Returns the code if the node answered with an error object.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Rpc { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Tells whether trying again later may help with nothing changed here.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl From<DaemonError> for SourceError {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Cancelled => Self::Cancelled,
            DaemonError::Invalid { .. } => Self::Invalid(error.to_string()),
            DaemonError::Rpc { ref message, .. } if message.contains("pruned") => Self::Fatal(
                format!("{error}; the index needs a node that keeps all blocks (prune=0)"),
            ),
            DaemonError::NoNode
            | DaemonError::Auth { .. }
            | DaemonError::WrongChain { .. }
            | DaemonError::TooLarge { .. }
            | DaemonError::Config(_) => Self::Fatal(error.to_string()),
            DaemonError::Unavailable { node, reason, source } => {
                Self::Unavailable { what: format!("{node} {reason}"), source }
            }
            DaemonError::Rpc { .. } => Self::Unavailable {
                what: "it answers with an error".to_owned(),
                source: Some(error.into()),
            },
        }
    }
}
