//! One node and its connections.

use std::sync::Arc;
use std::time::Duration;

use jsonrpsee_core::client::ClientT as _;
use jsonrpsee_core::params::BatchRequestBuilder;
use jsonrpsee_core::traits::ToRpcParams;
use jsonrpsee_http_client::{
    HttpBackend, HttpClient, HttpClientBuilder, RpcService, RpcServiceBuilder,
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tower::ServiceBuilder;

use super::credentials::Credentials;
use super::failure::{Failure, Trouble, WARMING_UP};
use super::layer::{NodeLayer, NodeService};
use super::rest::Rest;
use crate::{DaemonConfig, DaemonError, NodeUrl};

/// One node and its connections.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) url: NodeUrl,
    pub(crate) rest: Rest,
    pub(super) timeout: Duration,
    pub(super) max_response_bytes: u32,
    client: HttpClient<RpcService<NodeService<HttpBackend>>>,
    credentials: Arc<Credentials>,
}

impl Node {
    pub(crate) fn new(url: NodeUrl, config: &DaemonConfig) -> Result<Self, DaemonError> {
        let credentials = Arc::new(Credentials::new(url.auth().clone()));
        let max_response_bytes = config.max_response_bytes;
        let layer = NodeLayer { credentials: credentials.clone(), max_response_bytes };
        let client = HttpClientBuilder::new()
            .request_timeout(config.timeout)
            .connect_timeout(config.connect_timeout)
            .max_request_size(max_response_bytes)
            .max_response_size(max_response_bytes)
            .set_rpc_middleware(RpcServiceBuilder::new())
            .set_http_middleware(ServiceBuilder::new().layer(layer))
            .build(url.to_string())
            .map_err(|error| DaemonError::Config(format!("node URL {url}: {error}")))?;
        let rest = Rest::new(&url, config);
        Ok(Self { url, rest, timeout: config.timeout, max_response_bytes, client, credentials })
    }

    /// One call.
    pub(crate) async fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &RawValue,
    ) -> Result<R, Failure> {
        let reply = self.client.request(method, Params(params)).await;
        reply.map_err(|error| Failure::new(error, method, self))
    }

    /// One method with several parameters in one request. The results are in the order of the parameters.
    pub(crate) async fn batch(
        &self,
        method: &str,
        params: &[Box<RawValue>],
    ) -> Result<Vec<Result<Box<RawValue>, DaemonError>>, Failure> {
        let garbled = |cause: String| Failure::Down(Trouble::Garbled(Some(cause.into())));
        let mut batch = BatchRequestBuilder::new();
        for params in params {
            batch.insert(method, Params(params)).map_err(|error| garbled(error.to_string()))?;
        }
        let replies = self.client.batch_request::<Box<RawValue>>(batch).await;
        let replies = replies.map_err(|error| Failure::new(error, method, self))?;
        if replies.len() != params.len() {
            return Err(garbled(format!("{} replies to {} calls", replies.len(), params.len())));
        }
        let replies = replies.into_iter().map(|reply| match reply {
            Ok(result) => Ok(Ok(result)),
            Err(error) if error.code() == WARMING_UP => {
                Err(Failure::Down(Trouble::WarmingUp(error.message().to_owned())))
            }
            // The client's placeholder, still there where two replies had the same id.
            Err(error) if error.code() == 0 && error.message().is_empty() => {
                Err(garbled("a reply is missing".to_owned()))
            }
            Err(error) => Ok(Err(DaemonError::Rpc {
                code: error.code(),
                message: error.message().to_owned(),
            })),
        });
        replies.collect()
    }

    pub(super) fn login_hint(&self) -> String {
        self.credentials.hint()
    }
}

/// Parameters that are JSON already.
struct Params<'a>(&'a RawValue);

impl ToRpcParams for Params<'_> {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(Some(self.0.to_owned()))
    }
}
