//! `mempool.*`.

use electrumx_core::mempool::fee_histogram as histogram_of;

use super::read;
use crate::error::RpcError;
use crate::fees::STATE_LIFETIME;
use crate::json;
use crate::node::Node;
use crate::params::Params;
use crate::session::Session;

/// How many transactions `mempool.recent` lists.
const RECENT: usize = 10;

/// `mempool.get_fee_histogram()`. It is counted as transactions come and go, so it is never old.
pub(super) async fn fee_histogram<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    read(session, out, |reader, effort, out| {
        let histogram = histogram_of(&*reader.mempool(effort)?);
        json::array(out, histogram, |out, bin| {
            out.push(b'[');
            json::rate(out, bin.rate());
            out.push(b',');
            json::integer(out, bin.vsize);
            out.push(b']');
        });
        Ok(())
    })
    .await
}

/// `mempool.recent()`: the newest transactions first.
pub(super) async fn recent<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    read(session, out, |reader, effort, out| {
        let mempool = reader.mempool(effort)?;
        json::array(out, mempool.recent(RECENT), |out, (txid, tx)| {
            out.extend_from_slice(b"{\"txid\":");
            json::txid(out, &txid);
            out.extend_from_slice(b",\"fee\":");
            json::integer(out, tx.fee);
            out.extend_from_slice(b",\"vsize\":");
            json::integer(out, tx.vsize);
            out.push(b'}');
        });
        Ok(())
    })
    .await
}

/// `mempool.get_info()`.
pub(super) async fn info<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    let service = &session.service;
    let ask = service.ask(service.node.mempool_info());
    let info = service.fees.mempool_info.get(STATE_LIFETIME, ask).await?;
    out.extend_from_slice(b"{\"mempoolminfee\":");
    json::rate(out, info.mempool_min_fee);
    out.extend_from_slice(b",\"minrelaytxfee\":");
    json::rate(out, info.min_relay_tx_fee);
    out.extend_from_slice(b",\"incrementalrelayfee\":");
    json::rate(out, info.incremental_relay_fee);
    out.push(b'}');
    Ok(())
}
