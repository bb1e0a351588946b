//! The HTTP layer below the JSON-RPC client: login, and replies brought to one form.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use jsonrpsee_core::http_helpers::HttpError;
use jsonrpsee_http_client::transport::Error as TransportError;
use jsonrpsee_http_client::{HttpBody, HttpRequest, HttpResponse};
use tower::{Layer, Service};

use super::credentials::Credentials;
use super::legacy;

/// Logs in, reads the cookie again when refused, and makes JSON-RPC 2.0 of every reply.
#[derive(Debug, Clone)]
pub(super) struct NodeLayer {
    pub(super) credentials: Arc<Credentials>,
    pub(super) max_response_bytes: u32,
}

impl<S> Layer<S> for NodeLayer {
    type Service = NodeService<S>;

    fn layer(&self, inner: S) -> NodeService<S> {
        NodeService { layer: self.clone(), inner }
    }
}

/// See [`NodeLayer`].
#[derive(Debug, Clone)]
pub(super) struct NodeService<S> {
    layer: NodeLayer,
    inner: S,
}

impl<S> Service<HttpRequest> for NodeService<S>
where
    S: Service<HttpRequest, Response = HttpResponse<Incoming>, Error = TransportError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = HttpResponse<HttpBody>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, TransportError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let mut inner = self.inner.clone();
        std::mem::swap(&mut inner, &mut self.inner); // the one that is ready
        let layer = self.layer.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(stream)?.to_bytes();
            let with_login = |header: Option<_>| {
                let mut request =
                    Request::from_parts(parts.clone(), HttpBody::new(Full::new(body.clone())));
                if let Some(header) = header {
                    request.headers_mut().insert(AUTHORIZATION, header);
                }
                request
            };

            let header = layer.credentials.header();
            let mut response = inner.call(with_login(header.clone())).await?;
            if response.status() == StatusCode::UNAUTHORIZED
                && layer.credentials.renew(header.as_ref())
            {
                std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
                response = inner.call(with_login(layer.credentials.header())).await?;
            }
            modernise(response, layer.max_response_bytes).await
        })
    }
}

/// A JSON body is a reply, whatever the status (500 with old nodes). One that is JSON-RPC 2.0 already is passed on as it arrives, without
/// a copy.
async fn modernise(
    response: HttpResponse<Incoming>,
    limit: u32,
) -> Result<HttpResponse<HttpBody>, TransportError> {
    let (mut parts, mut body) = response.into_parts();
    if !is_json(&parts.headers) {
        return Ok(HttpResponse::from_parts(parts, HttpBody::new(body)));
    }
    let first = match body.frame().await {
        Some(frame) => frame.map_err(stream)?.into_data().unwrap_or_default(),
        None => Bytes::new(),
    };
    let whole = Prefixed { first: Some(first.clone()), rest: body };
    parts.status = StatusCode::OK;
    if legacy::is_modern(&first) {
        return Ok(HttpResponse::from_parts(parts, HttpBody::new(whole)));
    }
    let old = Limited::new(whole, limit as usize).collect().await;
    let old = old.map_err(|error| TransportError::Http(HttpError::Stream(error)))?.to_bytes();
    parts.headers.remove(CONTENT_LENGTH);
    Ok(HttpResponse::from_parts(parts, HttpBody::from(legacy::modernise(old.into()))))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

fn stream(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TransportError {
    TransportError::Http(HttpError::Stream(error.into()))
}

/// A body whose first piece was looked at.
struct Prefixed {
    first: Option<Bytes>,
    rest: Incoming,
}

impl Body for Prefixed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
