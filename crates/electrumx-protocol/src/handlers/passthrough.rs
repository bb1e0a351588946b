//! Beyond the protocol: methods of the node's own RPC, as far as the operator allows.

use crate::error::RpcError;
use crate::json;
use crate::node::{Node, NodeError};
use crate::params::{Arg, Params};
use crate::session::Session;

/// `daemon.passthrough(method, params=[])`: the node's result as it comes.
///
/// What the node says against it is an error of the node as for other methods, with its code behind its words: codes of
/// its RPC mean other things here.
pub(super) async fn call<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([method], [params]) = params.read(["method"], ["params"])?;
    let service = &session.service;
    let allowed = method.text().filter(|name| service.config.passthrough.contains(&**name));
    let name = allowed.ok_or_else(|| method.wrong("is not a method that is passed through"))?;
    let params = params.map(Arg::params).transpose()?;
    match service.ask(service.node.passthrough(&name, params)).await {
        Ok(answer) => {
            session.check_room(out, answer.get().len())?;
            json::raw(out, answer.get());
            Ok(())
        }
        Err(NodeError::Rpc { code, message }) => {
            Err(RpcError::Node(format!("{message} (code {code})")))
        }
        Err(error) => Err(error.into()),
    }
}
