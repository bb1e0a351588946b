//! The methods, one file for each family.
//!
//! Every method is served in every version below 1.7, which the protocol allows: clients call
//! `relayfee` on 1.6 and `unsubscribe` on 1.4. Only the shape of `blockchain.block.headers` depends on the version.

mod blockchain;
mod mempool;
mod scripthash;
pub(crate) mod server;
mod transaction;

use crate::error::RpcError;
use crate::node::Node;
use crate::params::{Params, shorten};
use crate::reader::Reader;
use crate::session::Session;

/// Carries out a method and appends its result to `out`.
///
/// On an error what was appended is to be thrown away.
pub(crate) async fn call<N: Node>(
    session: &mut Session<N>,
    method: &str,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    match method {
        "blockchain.block.header" => blockchain::header(session, params, out).await,
        "blockchain.block.headers" => blockchain::headers(session, params, out).await,
        "blockchain.estimatefee" => blockchain::estimate_fee(session, params, out).await,
        "blockchain.headers.subscribe" => blockchain::subscribe(session, params, out),
        "blockchain.relayfee" => blockchain::relay_fee(session, params, out).await,
        "blockchain.scripthash.get_balance" => scripthash::balance(session, params, out).await,
        "blockchain.scripthash.get_history" => scripthash::history(session, params, out).await,
        "blockchain.scripthash.get_mempool" => scripthash::mempool(session, params, out).await,
        "blockchain.scripthash.listunspent" => scripthash::utxos(session, params, out).await,
        "blockchain.scripthash.subscribe" => scripthash::subscribe(session, params, out).await,
        "blockchain.scripthash.unsubscribe" => scripthash::unsubscribe(session, params, out),
        "blockchain.transaction.broadcast" => transaction::broadcast(session, params, out).await,
        "blockchain.transaction.broadcast_package" => {
            transaction::broadcast_package(session, params, out).await
        }
        "blockchain.transaction.get" => transaction::get(session, params, out).await,
        "blockchain.transaction.get_merkle" => transaction::merkle(session, params, out).await,
        "blockchain.transaction.id_from_pos" => {
            transaction::id_from_pos(session, params, out).await
        }
        "mempool.get_fee_histogram" => mempool::fee_histogram(session, params, out).await,
        "mempool.get_info" => mempool::info(session, params, out).await,
        "server.add_peer" => server::add_peer(params, out),
        "server.banner" => server::banner(session, params, out).await,
        "server.donation_address" => server::donation_address(session, params, out),
        "server.features" => server::features_of(session, params, out),
        "server.peers.subscribe" => server::peers(params, out),
        "server.ping" => server::ping(params, out),
        "server.version" => server::version(session, params, out),
        _ => Err(RpcError::UnknownMethod(shorten(method))),
    }
}

/// Runs a read that renders its result, and appends it to `out`.
async fn read<N: Node>(
    session: &Session<N>,
    out: &mut Vec<u8>,
    render: impl FnOnce(&Reader, &mut Vec<u8>) -> Result<(), RpcError> + Send + 'static,
) -> Result<(), RpcError> {
    let result = session.service.reader.run(move |reader| {
        let mut result = Vec::new();
        render(reader, &mut result)?;
        Ok(result)
    });
    out.append(&mut result.await?);
    Ok(())
}
