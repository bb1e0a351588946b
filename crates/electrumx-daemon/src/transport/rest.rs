//! Blocks over the node's REST interface: binary, without login, on the RPC port.

use std::time::Duration;

use bitcoin::BlockHash;
use http::StatusCode;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Mutex;
use tracing::info;

use crate::{DaemonConfig, NodeUrl};

/// The REST interface of one node.
///
/// It is an optimisation and reports no errors: where it fails in any way the caller asks over RPC.
#[derive(Debug)]
pub(crate) struct Rest {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: String,
    timeout: Duration,
    max_response_bytes: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Whether the node offers it; `None`: to be found out.
    offered: Option<bool>,
    /// What was logged last.
    logged: Option<bool>,
}

impl Rest {
    pub(super) fn new(url: &NodeUrl, config: &DaemonConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout));
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: format!("{url}rest"),
            timeout: config.timeout,
            max_response_bytes: config.max_response_bytes,
            state: Mutex::new(State { offered: (!config.rest).then_some(false), logged: None }),
        }
    }

    /// Fetches a block; `None` when it has to be asked for over RPC.
    pub(crate) async fn block(&self, hash: &BlockHash) -> Option<Vec<u8>> {
        if !self.is_offered().await {
            return None;
        }
        match self.get(&format!("/block/{hash}.bin")).await {
            Some((StatusCode::OK, block)) => Some(block),
            _ => {
                self.forget().await;
                None
            }
        }
    }

    /// Finds out anew at the next block: the node may be another one after a restart.
    pub(crate) async fn forget(&self) {
        let mut state = self.state.lock().await;
        if state.logged.is_some() {
            state.offered = None;
        }
    }

    async fn is_offered(&self) -> bool {
        let mut state = self.state.lock().await;
        if let Some(offered) = state.offered {
            return offered;
        }
        let offered = match self.get("/chaininfo.json").await {
            Some((StatusCode::OK, reply)) => reply.starts_with(b"{"),
            // The node is down or starting: ask again at the next block.
            None | Some((StatusCode::SERVICE_UNAVAILABLE, _)) => return false,
            Some(_) => false,
        };
        state.offered = Some(offered);
        if state.logged.replace(offered) != Some(offered) {
            if offered {
                info!(node = self.base, "blocks are fetched over REST");
            } else {
                info!(
                    node = self.base,
                    "blocks are fetched over JSON-RPC; rest=1 in the node's configuration makes that several times cheaper"
                );
            }
        }
        offered
    }

    async fn get(&self, path: &str) -> Option<(StatusCode, Vec<u8>)> {
        let url = format!("{}{path}", self.base).parse().ok()?;
        let fetch = async {
            let response = self.client.get(url).await.ok()?;
            let status = response.status();
            let limit = self.max_response_bytes as usize;
            let length = response.headers().get(http::header::CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
            // The length is only a promise: what is reserved for it stays small against the budget.
            let mut bytes = Vec::with_capacity(length.unwrap_or(0).min(limit).min(4 << 20));
            let mut body = Limited::new(response.into_body(), limit);
            while let Some(frame) = body.frame().await {
                bytes.extend_from_slice(frame.ok()?.data_ref()?);
            }
            Some((status, bytes))
        };
        tokio::time::timeout(self.timeout, fetch).await.ok().flatten()
    }
}
