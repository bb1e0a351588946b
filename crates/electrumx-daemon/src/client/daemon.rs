//! The client of one or several nodes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::retry::Style;
use super::trouble::TroubleLog;
use crate::transport::Node;
use crate::{DaemonConfig, DaemonError, NodeUrl};

/// The client of a node, or of several that stand in for each other. Cheap to clone.
///
/// There are two call styles. *Bounded* calls are for clients that wait: every node is tried, and after
/// [`DaemonConfig::deadline`] at the latest they fail with [`DaemonError::Unavailable`]. *Patient* calls are for the sync path: they wait until a node
/// answers or the token is cancelled. Both end at once with [`DaemonError::Cancelled`] then, and neither repeats a call
/// that a node answered with an error.
#[derive(Clone)]
pub struct Daemon(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) current: AtomicUsize,
    /// Whether any node ever answered.
    pub(super) answered: AtomicBool,
    pub(super) trouble: TroubleLog,
    pub(super) deadline: Duration,
    pub(super) token: CancellationToken,
    bounded: Semaphore,
    patient: Semaphore,
}

impl Daemon {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`DaemonError::Config`] when there is no URL.
    pub fn new(config: DaemonConfig, token: CancellationToken) -> Result<Self, DaemonError> {
        if config.urls.is_empty() || config.concurrency == 0 {
            return Err(DaemonError::Config(
                "at least one node URL and one request at once are needed".to_owned(),
            ));
        }
        let nodes = config.urls.iter().map(|url| Node::new(url.clone(), &config).map(Arc::new));
        Ok(Self::with(nodes.collect::<Result<_, _>>()?, &config, token))
    }

    /// Makes a client without a node: every call fails at once with [`DaemonError::NoNode`].
    #[must_use]
    pub fn none(token: CancellationToken) -> Self {
        Self::with(Vec::new(), &DaemonConfig::new(Vec::new()), token)
    }

    fn with(nodes: Vec<Arc<Node>>, config: &DaemonConfig, token: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            nodes,
            current: AtomicUsize::new(0),
            answered: AtomicBool::new(false),
            trouble: TroubleLog::default(),
            deadline: config.deadline,
            token,
            bounded: Semaphore::new(config.concurrency),
            patient: Semaphore::new(config.concurrency),
        }))
    }

    /// Returns the URL of the node that is asked next; `None` when there is no node at all.
    #[must_use]
    pub fn url(&self) -> Option<&NodeUrl> {
        let index = self.0.current.load(Ordering::Relaxed).checked_rem(self.0.nodes.len())?;
        Some(&self.0.nodes[index].url)
    }

    /// Tells whether there is no node, see [`none`](Self::none).
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.nodes.is_empty()
    }

    /// Calls any method, bounded. `params` serialises to a JSON array or object.
    ///
    /// # Errors
    /// The node's own error, or that it cannot be asked.
    pub async fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> Result<R, DaemonError> {
        self.typed(Style::Bounded, method, params).await
    }

    /// Calls any method, patiently. `params` serialises to a JSON array or object.
    ///
    /// # Errors
    /// The node's own error, or that the work was cancelled.
    pub async fn call_patient<R: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> Result<R, DaemonError> {
        self.typed(Style::Patient, method, params).await
    }

    async fn typed<R: DeserializeOwned>(
        &self,
        style: Style,
        method: &str,
        params: impl Serialize,
    ) -> Result<R, DaemonError> {
        let reply: Box<RawValue> = self.request(style, method, params).await?;
        serde_json::from_str(reply.get()).map_err(|error| DaemonError::invalid(method, error))
    }

    /// Like [`typed`](Self::typed) without a copy of the reply; a reply of another type counts as no reply.
    pub(crate) async fn request<R: DeserializeOwned>(
        &self,
        style: Style,
        method: &str,
        params: impl Serialize,
    ) -> Result<R, DaemonError> {
        let params = &self.params(method, params)?;
        self.run(style, |node| async move { node.call(method, params).await }).await
    }

    /// Calls one method with many parameters in one request, patiently. One failing element does not fail the others.
    ///
    /// # Errors
    /// That the work was cancelled, or the reply is too large.
    pub async fn call_batch(
        &self,
        method: &str,
        params: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Vec<Result<Box<RawValue>, DaemonError>>, DaemonError> {
        let params = params.into_iter().map(|params| self.params(method, params));
        let params = &params.collect::<Result<Vec<_>, _>>()?;
        if params.is_empty() {
            return Ok(Vec::new());
        }
        self.run(Style::Patient, |node| async move { node.batch(method, params).await }).await
    }

    /// Parameters as JSON text, made once for all tries.
    pub(crate) fn params(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> Result<Box<RawValue>, DaemonError> {
        to_raw_value(&params).map_err(|error| DaemonError::invalid(method, error))
    }

    pub(super) fn lane(&self, style: Style) -> &Semaphore {
        match style {
            Style::Bounded => &self.0.bounded,
            Style::Patient => &self.0.patient,
        }
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.0.token
    }
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Daemon")
            .field(&self.0.nodes.iter().map(|node| &node.url).collect::<Vec<_>>())
            .finish()
    }
}
