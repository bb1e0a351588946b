//! `mempool.*`.

use std::time::Duration;

use electrumx_core::mempool::fee_histogram as histogram_of;

use super::read;
use crate::error::RpcError;
use crate::json;
use crate::node::Node;
use crate::params::Params;
use crate::reader::Effort;
use crate::session::Session;

/// How long a histogram is good for. Scanning a full mempool takes some milliseconds.
const HISTOGRAM_LIFETIME: Duration = Duration::from_secs(10);
/// How many transactions `mempool.recent` lists.
const RECENT: usize = 10;
/// Mempools of up to this many transactions are scanned for each request.
const SMALL_MEMPOOL: usize = 1000;

/// `mempool.get_fee_histogram()`.
pub(super) async fn fee_histogram<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    let service = &session.service;
    if let Some(histogram) = service.fees.histogram.fresh(HISTOGRAM_LIFETIME) {
        out.extend_from_slice(&histogram);
        return Ok(());
    }
    let read = service.reader.run(|reader| {
        let mempool = reader.mempool().read();
        Ok((histogram_of(&mempool), mempool.len()))
    });
    let (histogram, count) = read.await?;
    let start = out.len();
    json::array(out, histogram, |out, bin| {
        out.push(b'[');
        json::rate(out, bin.rate());
        out.push(b',');
        json::integer(out, bin.vsize);
        out.push(b']');
    });
    if count > SMALL_MEMPOOL {
        service.fees.histogram.set(out[start..].to_vec());
    }
    Ok(())
}

/// `mempool.recent()`: the newest transactions first.
pub(super) async fn recent<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    read(session, out, |reader, effort, out| {
        let mempool = match effort {
            Effort::Little => reader.mempool().try_read().ok_or(RpcError::Later)?,
            Effort::Usual | Effort::Whole => reader.mempool().read(),
        };
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
    let info = service.fees.mempool_info.get(service.ask(service.node.mempool_info())).await?;
    out.extend_from_slice(b"{\"mempoolminfee\":");
    json::rate(out, info.mempool_min_fee);
    out.extend_from_slice(b",\"minrelaytxfee\":");
    json::rate(out, info.min_relay_tx_fee);
    out.extend_from_slice(b",\"incrementalrelayfee\":");
    json::rate(out, info.incremental_relay_fee);
    out.push(b'}');
    Ok(())
}
