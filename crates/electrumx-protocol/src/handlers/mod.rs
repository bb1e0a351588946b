//! The methods, one file for each family.
//!
//! Every method of 1.4 to 1.6 is served in all versions below 1.7, which the protocol allows: clients
//! call `relayfee` on 1.6 and `unsubscribe` on 1.4. What depends on the version: the shape of
//! `blockchain.block.headers` and, in 1.7, the set of methods and what `server.ping` and `server.features`
//! answer.

mod blockchain;
mod extensions;
mod mempool;
mod outpoint;
mod passthrough;
mod scripthash;
pub(crate) mod server;
mod subscription;
mod transaction;
mod tx_height;

use std::sync::Arc;

use crate::error::RpcError;
use crate::long::{Cursor, LongList};
use crate::methods::{Extension, Method};
use crate::node::Node;
use crate::params::{Params, shorten};
use crate::reader::{Effort, Reader};
use crate::session::Session;
use scripthash::Naming::{Hash, Script};

pub(crate) use scripthash::subscribed_script;

/// Carries out a method and appends its result to `out`.
///
/// On an error what was appended is to be thrown away.
pub(crate) async fn call<N: Node>(
    session: &mut Session<N>,
    name: &str,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let version = session.version();
    let offered = Method::named(name).filter(|method| method.info().is_offered(version));
    let Some(method) = offered else {
        let offers = |extension: &Extension| session.service.config.offers(extension.info());
        let Some(extension) = Extension::named(name).filter(offers) else {
            return Err(RpcError::UnknownMethod(shorten(name)));
        };
        session.charge(extension.cost());
        return extensions::call(session, extension, params, out).await;
    };
    session.charge(method.cost());
    match method {
        Method::BlockHeader => blockchain::header(session, params, out).await,
        Method::BlockHeaders => blockchain::headers(session, params, out).await,
        Method::EstimateFee => blockchain::estimate_fee(session, params, out).await,
        Method::HeadersSubscribe => blockchain::subscribe(session, params, out),
        Method::RelayFee => blockchain::relay_fee(session, params, out).await,
        Method::OutpointGetStatus => outpoint::status(session, params, out).await,
        Method::OutpointSubscribe => outpoint::subscribe(session, params, out).await,
        Method::OutpointUnsubscribe => outpoint::unsubscribe(session, params, out),
        Method::ScriptHashGetBalance => scripthash::balance(session, Hash, params, out).await,
        Method::ScriptHashGetHistory => scripthash::history(session, Hash, params, out).await,
        Method::ScriptHashGetMempool => scripthash::mempool(session, Hash, params, out).await,
        Method::ScriptHashListUnspent => scripthash::utxos(session, Hash, params, out).await,
        Method::ScriptHashSubscribe => scripthash::subscribe(session, Hash, params, out).await,
        Method::ScriptHashUnsubscribe => scripthash::unsubscribe(session, Hash, params, out),
        Method::ScriptPubKeyGetBalance => scripthash::balance(session, Script, params, out).await,
        Method::ScriptPubKeyGetHistory => scripthash::history(session, Script, params, out).await,
        Method::ScriptPubKeyGetMempool => scripthash::mempool(session, Script, params, out).await,
        Method::ScriptPubKeyListUnspent => scripthash::utxos(session, Script, params, out).await,
        Method::ScriptPubKeySubscribe => scripthash::subscribe(session, Script, params, out).await,
        Method::ScriptPubKeyUnsubscribe => scripthash::unsubscribe(session, Script, params, out),
        Method::Broadcast => transaction::broadcast(session, params, out).await,
        Method::BroadcastPackage => transaction::broadcast_package(session, params, out).await,
        Method::TransactionGet => transaction::get(session, params, out).await,
        Method::GetMerkle => transaction::merkle(session, params, out).await,
        Method::IdFromPos => transaction::id_from_pos(session, params, out).await,
        Method::TestMempoolAccept => transaction::test_mempool_accept(session, params, out).await,
        Method::FeeHistogram => mempool::fee_histogram(session, params, out).await,
        Method::MempoolInfo => mempool::info(session, params, out).await,
        Method::MempoolRecent => mempool::recent(session, params, out).await,
        Method::AddPeer => server::add_peer(params, out),
        Method::Banner => server::banner(session, params, out).await,
        Method::DonationAddress => server::donation_address(session, params, out),
        Method::Features => server::features_of(session, params, out),
        Method::PeersSubscribe => server::peers(session, params, out),
        Method::Ping => server::ping(session, params, out),
        Method::Version => server::version(session, params, out),
    }
}

/// Makes a read that renders its result, at once if that does, and appends it to `out`.
async fn read<N: Node>(
    session: &Session<N>,
    out: &mut Vec<u8>,
    render: impl Fn(&Reader, Effort, &mut Vec<u8>) -> Result<(), RpcError> + Clone + Send + 'static,
) -> Result<(), RpcError> {
    if read_usual(session, out, render.clone()).await? {
        return Ok(());
    }
    session.charge_long_read();
    let result = session.service.reader.run_long(move |reader| {
        let mut result = Vec::new();
        render(reader, Effort::Whole, &mut result)?;
        Ok(result)
    });
    out.append(&mut result.await?);
    Ok(())
}

/// As [`read`], but makes none that takes long: `false` then, and nothing is appended.
async fn read_usual<N: Node>(
    session: &Session<N>,
    out: &mut Vec<u8>,
    render: impl Fn(&Reader, Effort, &mut Vec<u8>) -> Result<(), RpcError> + Send + 'static,
) -> Result<bool, RpcError> {
    let reader = &session.service.reader;
    let start = out.len();
    if let Some(done) = reader.at_once(|reader| render(reader, Effort::Little, out)) {
        return done.map(|()| true);
    }
    out.truncate(start);
    let result = reader.read_usual(move |reader, effort| {
        let mut result = Vec::new();
        render(reader, effort, &mut result)?;
        Ok(result)
    });
    let result = result.await?;
    out.extend_from_slice(result.as_deref().unwrap_or_default());
    Ok(result.is_some())
}

/// Writes down a list that takes long, in pieces of which no more are held than the client has yet to take.
async fn write_long<N: Node>(
    session: &mut Session<N>,
    out: &mut Vec<u8>,
    list: LongList,
) -> Result<(), RpcError> {
    session.check_room(out, list.json_len())?;
    let (list, mut cursor) = (Arc::new(list), Cursor::default());
    while !list.is_at_end(cursor) {
        let written = Arc::clone(&list);
        let piece = session.service.reader.run(move |reader| {
            let mut piece = Vec::new();
            reader.piece(&written, &mut cursor, &mut piece)?;
            Ok((piece, cursor))
        });
        let (mut piece, behind) = piece.await?;
        cursor = behind;
        if out.is_empty() {
            *out = piece;
        } else {
            out.append(&mut piece);
        }
        session.hand_over(out).await;
    }
    list.write_end(out);
    Ok(())
}
