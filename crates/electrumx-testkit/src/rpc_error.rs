//! Why an Electrum call failed.

use std::fmt;

use serde_json::Value;

/// Why an Electrum call failed.
#[derive(Debug, Clone, PartialEq)]
pub enum RpcError {
    /// The server answered with an error.
    Server {
        /// JSON-RPC or Electrum error code.
        code: i64,
        /// Its text.
        message: String,
        /// Further data if sent.
        data: Option<Value>,
    },
    /// No (proper) answer: closed, timeout, not JSON.
    Transport(String),
}

impl RpcError {
    /// The server's error code, if it sent one.
    #[must_use]
    pub const fn code(&self) -> Option<i64> {
        match self {
            Self::Server { code, .. } => Some(*code),
            Self::Transport(_) => None,
        }
    }

    /// The text.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Server { message, .. } | Self::Transport(message) => message,
        }
    }

    pub(crate) fn transport(what: impl fmt::Display) -> Self {
        Self::Transport(what.to_string())
    }

    /// The error inside a response, if it is one.
    pub(crate) fn from_response(response: &Value) -> Option<Self> {
        let error = response.get("error").filter(|error| !error.is_null())?;
        Some(Self::Server {
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            data: error.get("data").cloned(),
        })
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { code, message, .. } => write!(f, "server error {code}: {message}"),
            Self::Transport(message) => write!(f, "no answer: {message}"),
        }
    }
}

impl std::error::Error for RpcError {}
