//! `blockchain.block.*`, `blockchain.headers.*` and fees.

use std::ops::Range;
use std::sync::atomic::Ordering::SeqCst;

use electrumx_core::{ChainView, Height};

use super::read;
use crate::error::RpcError;
use crate::fees;
use crate::json;
use crate::node::{FeeMode, Node};
use crate::params::{Arg, Params};
use crate::reader::{Effort, Reader};
use crate::service::tip_header;
use crate::session::{HeaderSubscription, Session};
use crate::version::ProtocolVersion;

/// Most headers in an answer. Electrum refuses servers with less.
const MAX_HEADERS: u32 = 2016;
/// Digits and punctuation of a header in an answer; ones of other chains may be longer.
const HEADER_DIGITS: usize = 163;

/// `blockchain.block.header(height, cp_height=0)`.
pub(super) async fn header<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([height], [cp_height]) = params.read(["height"], ["cp_height"])?;
    let height = height.integer()?;
    let cp_height = cp_height.map_or(Ok(0), Arg::integer)?;
    read(session, out, move |reader, effort, out| {
        let view = reader.view()?;
        let mut raw = Vec::with_capacity(80);
        if cp_height > 0 {
            check_cp_height(&*view, height, cp_height)?;
        }
        let found = Height::try_from(height)
            .map_or(Ok(0), |height| view.headers(height, 1, &mut raw, &mut Vec::new()))?;
        if found == 0 {
            return Err(out_of_range(height));
        }
        if cp_height == 0 {
            json::hex(out, &raw);
            return Ok(());
        }
        out.extend_from_slice(b"{\"header\":");
        json::hex(out, &raw);
        proof(reader, effort, &*view, height, cp_height, out)?;
        out.push(b'}');
        Ok(())
    })
    .await
}

/// `blockchain.block.headers(start_height, count, cp_height=0)`.
pub(super) async fn headers<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([start, count], [cp_height]) = params.read(["start_height", "count"], ["cp_height"])?;
    let start = start.integer()?;
    let count = u32::try_from(count.integer()?).unwrap_or(MAX_HEADERS).min(MAX_HEADERS);
    let cp_height = cp_height.map_or(Ok(0), Arg::integer)?;
    let as_list = session.version() >= ProtocolVersion::V1_6;
    read(session, out, move |reader, effort, out| {
        let view = reader.view()?;
        out.reserve(count as usize * HEADER_DIGITS + 64);
        out.extend_from_slice(b"{\"count\":");
        let heights = existing(&*view, start, count);
        json::integer(out, heights.end - heights.start);
        out.extend_from_slice(if as_list { b",\"headers\":[" } else { b",\"hex\":" });
        if !as_list || !heights.is_empty() {
            out.push(b'"');
            let between = if as_list { "\",\"" } else { "" };
            reader.header_chunks().write(&*view, heights.clone(), between, out)?;
            out.push(b'"');
        }
        if as_list {
            out.push(b']');
        }
        out.extend_from_slice(b",\"max\":");
        json::integer(out, MAX_HEADERS);
        if let Some(last) = heights.last()
            && cp_height > 0
        {
            check_cp_height(&*view, last.into(), cp_height)?;
            proof(reader, effort, &*view, last.into(), cp_height, out)?;
        }
        out.push(b'}');
        Ok(())
    })
    .await
}

/// Returns those of some heights that the chain has.
fn existing(view: &dyn ChainView, start: u64, count: u32) -> Range<Height> {
    let blocks = view.tip().map_or(0, |tip| tip.height.saturating_add(1));
    let start = Height::try_from(start).map_or(blocks, |start| start.min(blocks));
    start..start.saturating_add(count).min(blocks)
}

fn out_of_range(height: u64) -> RpcError {
    RpcError::BadRequest(format!("height {} out of range", json::grouped(height)))
}

fn check_cp_height(view: &dyn ChainView, height: u64, cp_height: u64) -> Result<(), RpcError> {
    let tip = u64::from(view.tip().ok_or_else(RpcError::no_blocks)?.height);
    if height <= cp_height && cp_height <= tip {
        return Ok(());
    }
    Err(RpcError::BadRequest(format!(
        "require header height {} <= cp_height {} <= chain height {}",
        json::grouped(height),
        json::grouped(cp_height),
        json::grouped(tip)
    )))
}

/// Appends the members `branch` and `root`. The heights were checked against the tip.
fn proof(
    reader: &Reader,
    effort: Effort,
    view: &dyn ChainView,
    height: u64,
    cp_height: u64,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let (Ok(height), Ok(cp_height)) = (Height::try_from(height), Height::try_from(cp_height))
    else {
        return Err(RpcError::Internal);
    };
    let proof = reader.header_proof(effort, view, height, cp_height)?;
    let (branch, root) = proof.ok_or(RpcError::Internal)?;
    out.extend_from_slice(b",\"branch\":");
    json::array(out, branch, json::hash);
    out.extend_from_slice(b",\"root\":");
    json::hash(out, root);
    Ok(())
}

/// `blockchain.estimatefee(number, mode=None)`. Never an error for want of an estimate: Electrum
/// would leave.
pub(super) async fn estimate_fee<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([number], [mode]) = params.read(["number"], ["mode"])?;
    let bucket = fees::bucket(number.integer()?);
    let mode = mode.map_or(Ok(None), fee_mode)?;
    let service = &session.service;
    let ask = service.ask(service.node.estimate_fee(bucket, mode));
    match service.fees.estimate(bucket, mode, ask).await {
        Some(rate) => json::rate(out, rate),
        None => out.extend_from_slice(b"-1"),
    }
    Ok(())
}

/// Other modes are refused, so that arbitrary strings cannot defeat the cache; what is no string
/// counts as absent.
fn fee_mode(arg: Arg<'_>) -> Result<Option<FeeMode>, RpcError> {
    let Some(mode) = arg.text() else { return Ok(None) };
    match mode.to_ascii_uppercase().as_str() {
        "CONSERVATIVE" => Ok(Some(FeeMode::Conservative)),
        "ECONOMICAL" => Ok(Some(FeeMode::Economical)),
        "UNSET" => Ok(None),
        _ => Err(RpcError::BadRequest(format!("unknown estimatefee mode: {}", arg.shown()))),
    }
}

/// `blockchain.relayfee()`.
pub(super) async fn relay_fee<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    let service = &session.service;
    let ask = service.ask(service.node.relay_fee());
    let fee = service.fees.relay_fee.get(fees::SETTING_LIFETIME, ask).await?;
    json::rate(out, fee);
    Ok(())
}

/// `blockchain.headers.subscribe()`. Answers the index's tip, which other answers are about already, while the one that
/// sessions are told may still wait for the mempool.
pub(super) fn subscribe<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    // A tip published after this look is seen by the receiver; one published before is not newer than the view.
    let service = &session.service;
    let mut tip = service.hub.tip();
    let published = tip.borrow_and_update().clone();
    let mut view = service.reader.view()?;
    if view.tip() != published.as_ref().map(|published| published.id) {
        // Only one view at a time: the index may wait for all to be gone before it opens another.
        drop(view);
        // Before the view is opened that counts: if its tip goes, a later round sees this.
        service.was_ahead.store(true, SeqCst);
        view = service.reader.view()?;
    }
    let present = view.tip().ok_or_else(RpcError::no_blocks)?;
    match published.as_ref().filter(|published| published.id == present) {
        Some(published) => out.extend_from_slice(&published.json),
        None => {
            let header = tip_header(&*view, present)?.ok_or(RpcError::Internal)?;
            out.extend_from_slice(&header.json);
        }
    }
    session.headers = Some(HeaderSubscription::new(tip, present.hash));
    Ok(())
}
