//! The methods, one file for each family.
//!
//! Every method of 1.4 to 1.6 is served in all versions below 1.7, which the protocol allows: clients
//! call `relayfee` on 1.6 and `unsubscribe` on 1.4. What depends on the version: the shape of
//! `blockchain.block.headers` and, in 1.7, the set of methods and what `server.ping` and `server.features`
//! answer.

mod blockchain;
mod mempool;
mod outpoint;
mod scripthash;
pub(crate) mod server;
mod transaction;

use crate::error::RpcError;
use crate::node::Node;
use crate::params::{Params, shorten};
use crate::reader::{Effort, Reader};
use crate::session::Session;
use crate::version::ProtocolVersion;
use scripthash::Naming;

/// Tells whether a method, if there is such, is offered in a version.
fn is_offered(method: &str, version: ProtocolVersion) -> bool {
    let is_new = method.starts_with("blockchain.scriptpubkey.")
        || method.starts_with("blockchain.outpoint.")
        || matches!(method, "blockchain.transaction.testmempoolaccept" | "mempool.recent");
    let is_gone = method.starts_with("blockchain.scripthash.") || method == "blockchain.relayfee";
    if version < ProtocolVersion::V1_7 { !is_new } else { !is_gone }
}

/// Carries out a method and appends its result to `out`.
///
/// On an error what was appended is to be thrown away.
pub(crate) async fn call<N: Node>(
    session: &mut Session<N>,
    method: &str,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    if !is_offered(method, session.version()) {
        return Err(RpcError::UnknownMethod(shorten(method)));
    }
    match method {
        "blockchain.block.header" => blockchain::header(session, params, out).await,
        "blockchain.block.headers" => blockchain::headers(session, params, out).await,
        "blockchain.estimatefee" => blockchain::estimate_fee(session, params, out).await,
        "blockchain.headers.subscribe" => blockchain::subscribe(session, params, out),
        "blockchain.relayfee" => blockchain::relay_fee(session, params, out).await,
        "blockchain.outpoint.get_status" => outpoint::status(session, params, out).await,
        "blockchain.outpoint.subscribe" => outpoint::subscribe(session, params, out).await,
        "blockchain.outpoint.unsubscribe" => outpoint::unsubscribe(session, params, out),
        "blockchain.transaction.broadcast" => transaction::broadcast(session, params, out).await,
        "blockchain.transaction.broadcast_package" => {
            transaction::broadcast_package(session, params, out).await
        }
        "blockchain.transaction.get" => transaction::get(session, params, out).await,
        "blockchain.transaction.get_merkle" => transaction::merkle(session, params, out).await,
        "blockchain.transaction.id_from_pos" => {
            transaction::id_from_pos(session, params, out).await
        }
        "blockchain.transaction.testmempoolaccept" => {
            transaction::test_mempool_accept(session, params, out).await
        }
        "mempool.get_fee_histogram" => mempool::fee_histogram(session, params, out).await,
        "mempool.get_info" => mempool::info(session, params, out).await,
        "mempool.recent" => mempool::recent(session, params, out).await,
        "server.add_peer" => server::add_peer(params, out),
        "server.banner" => server::banner(session, params, out).await,
        "server.donation_address" => server::donation_address(session, params, out),
        "server.features" => server::features_of(session, params, out),
        "server.peers.subscribe" => server::peers(params, out),
        "server.ping" => server::ping(session, params, out),
        "server.version" => server::version(session, params, out),
        _ => script(session, method, params, out).await,
    }
}

/// The methods of scripts, by either name.
async fn script<N: Node>(
    session: &mut Session<N>,
    method: &str,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let (naming, action) = if let Some(action) = method.strip_prefix("blockchain.scripthash.") {
        (Naming::Hash, action)
    } else if let Some(action) = method.strip_prefix("blockchain.scriptpubkey.") {
        (Naming::Script, action)
    } else {
        return Err(RpcError::UnknownMethod(shorten(method)));
    };
    match action {
        "get_balance" => scripthash::balance(session, naming, params, out).await,
        "get_history" => scripthash::history(session, naming, params, out).await,
        "get_mempool" => scripthash::mempool(session, naming, params, out).await,
        "listunspent" => scripthash::utxos(session, naming, params, out).await,
        "subscribe" => scripthash::subscribe(session, naming, params, out).await,
        "unsubscribe" => scripthash::unsubscribe(session, naming, params, out),
        _ => Err(RpcError::UnknownMethod(shorten(method))),
    }
}

/// Makes a read that renders its result, at once if that does, and appends it to `out`.
async fn read<N: Node>(
    session: &Session<N>,
    out: &mut Vec<u8>,
    render: impl Fn(&Reader, Effort, &mut Vec<u8>) -> Result<(), RpcError> + Send + 'static,
) -> Result<(), RpcError> {
    let reader = &session.service.reader;
    let start = out.len();
    if let Some(done) = reader.at_once(|reader| render(reader, Effort::Little, out)) {
        return done;
    }
    out.truncate(start);
    let result = reader.run(move |reader| {
        let mut result = Vec::new();
        render(reader, Effort::Whole, &mut result)?;
        Ok(result)
    });
    out.append(&mut result.await?);
    Ok(())
}
