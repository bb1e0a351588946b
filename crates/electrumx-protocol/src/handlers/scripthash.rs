//! `blockchain.scripthash.*` and, from 1.7 on, `blockchain.scriptpubkey.*`.

use electrumx_core::bitcoin::OutPoint;
use electrumx_core::{HashX, ScriptHash};

use super::{read, read_usual, subscription, write_long};
use crate::error::RpcError;
use crate::height_range::HeightRange;
use crate::hub::{Posted, PostedStatus};
use crate::json;
use crate::jsonrpc::Request;
use crate::long::{LongList, write_tx, write_unconfirmed, write_utxo};
use crate::node::Node;
use crate::params::{Arg, Params};
use crate::reader::Reader;
use crate::script::{Entry, Utxo};
use crate::session::{Session, Subscription};

/// How a client names a script: by its hash, or (1.7) by itself. Lists are bare for the former and
/// in an object for the latter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    Hash,
    Script,
    /// Beyond the protocol: an address of the chain's network.
    Address,
}

impl Naming {
    /// Reads the one argument. Returns how notifications name the script as well.
    pub(super) fn read<N: Node>(
        self,
        session: &Session<N>,
        params: Params<'_>,
    ) -> Result<(ScriptHash, Box<str>), RpcError> {
        let ([script], []) = params.read([self.argument()], [])?;
        self.script(session, script)
    }

    /// The name of the argument.
    const fn argument(self) -> &'static str {
        match self {
            Self::Hash => "scripthash",
            Self::Script => "scriptpubkey",
            Self::Address => "address",
        }
    }

    fn script<N: Node>(
        self,
        session: &Session<N>,
        script: Arg<'_>,
    ) -> Result<(ScriptHash, Box<str>), RpcError> {
        match self {
            Self::Hash => {
                let (scripthash, spelled) = script.scripthash()?;
                Ok((scripthash, spelled.into()))
            }
            Self::Script => {
                let scripthash = ScriptHash::of_script(&script.bytes()?);
                Ok((scripthash, scripthash.to_string().into()))
            }
            Self::Address => {
                let text = script.text();
                let found = text.as_deref().and_then(|text| session.service.script_of(text));
                let found = found.ok_or_else(|| script.wrong("is not a valid address"))?;
                Ok((ScriptHash::of_script(found.as_bytes()), text.unwrap_or_default().into()))
            }
        }
    }

    pub(super) fn hashx<N: Node>(
        self,
        session: &Session<N>,
        params: Params<'_>,
    ) -> Result<HashX, RpcError> {
        let (scripthash, _) = self.read(session, params)?;
        Ok(session.service.reader.key().hashx(&scripthash))
    }

    fn of_subscribe_method(name: &str) -> Option<Self> {
        [Self::Hash, Self::Script, Self::Address]
            .into_iter()
            .find(|naming| naming.subscribe_method() == name)
    }

    const fn subscribe_method(self) -> &'static str {
        match self {
            Self::Hash => "blockchain.scripthash.subscribe",
            Self::Script => "blockchain.scriptpubkey.subscribe",
            Self::Address => "blockchain.address.subscribe",
        }
    }

    /// Appends a list, in an object with this key if it is to be in one.
    fn list<T>(
        self,
        out: &mut Vec<u8>,
        key: &str,
        items: impl IntoIterator<Item = T>,
        element: impl FnMut(&mut Vec<u8>, T),
    ) {
        self.open(out, key);
        json::array(out, items, element);
        self.close(out);
    }

    /// Makes a long list and appends it in the same way, handing parts of it over.
    async fn long_list<N: Node>(
        self,
        session: &mut Session<N>,
        out: &mut Vec<u8>,
        key: &str,
        make: impl FnOnce(&Reader) -> Result<LongList, RpcError> + Send + 'static,
    ) -> Result<(), RpcError> {
        session.charge_long_read();
        let list = session.service.reader.run_long(make).await?;
        self.open(out, key);
        out.push(b'[');
        write_long(session, out, list).await?;
        out.push(b']');
        self.close(out);
        Ok(())
    }

    fn open(self, out: &mut Vec<u8>, key: &str) {
        if self == Self::Script {
            out.push(b'{');
            json::string(out, key);
            out.push(b':');
        }
    }

    fn close(self, out: &mut Vec<u8>) {
        if self == Self::Script {
            out.push(b'}');
        }
    }
}

/// `blockchain.scripthash.get_balance(scripthash)`, `blockchain.scriptpubkey.get_balance(scriptpubkey)`.
pub(super) async fn balance<N: Node>(
    session: &Session<N>,
    naming: Naming,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = naming.hashx(session, params)?;
    read(session, out, move |reader, effort, out| {
        let balance = reader.balance(effort, &hashx)?;
        out.extend_from_slice(b"{\"confirmed\":");
        json::integer(out, balance.confirmed);
        out.extend_from_slice(b",\"unconfirmed\":");
        json::integer(out, balance.unconfirmed);
        out.push(b'}');
        Ok(())
    })
    .await
}

/// `blockchain.scripthash.get_history(scripthash)`, `blockchain.scriptpubkey.get_history(scriptpubkey)`; beyond the
/// protocol both take `from_height=0` and `to_height=-1`.
pub(super) async fn history<N: Node>(
    session: &mut Session<N>,
    naming: Naming,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([script], [from, to]) = params.read([naming.argument()], ["from_height", "to_height"])?;
    let (scripthash, _) = naming.script(session, script)?;
    let range = HeightRange::read(from, to)?;
    let hashx = session.service.reader.key().hashx(&scripthash);
    let is_done = read_usual(session, out, move |reader, effort, out| {
        let history = reader.history(effort, &hashx, range)?;
        naming.list(out, "history", history.entries(), |out, entry| match entry {
            Entry::Confirmed(tx) => write_tx(out, tx),
            Entry::Unconfirmed(tx) => write_unconfirmed(out, tx),
        });
        Ok(())
    });
    if is_done.await? {
        return Ok(());
    }
    naming
        .long_list(session, out, "history", move |reader| reader.long_history(&hashx, range))
        .await
}

/// `blockchain.scripthash.get_mempool(scripthash)`, `blockchain.scriptpubkey.get_mempool(scriptpubkey)`.
pub(super) async fn mempool<N: Node>(
    session: &Session<N>,
    naming: Naming,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = naming.hashx(session, params)?;
    read(session, out, move |reader, effort, out| {
        let snapshot = reader.history_snapshot(effort, &hashx)?;
        naming.list(out, "history", snapshot.unconfirmed, write_unconfirmed);
        Ok(())
    })
    .await
}

/// `blockchain.scripthash.listunspent(scripthash)`, `blockchain.scriptpubkey.listunspent(scriptpubkey)`.
pub(super) async fn utxos<N: Node>(
    session: &mut Session<N>,
    naming: Naming,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = naming.hashx(session, params)?;
    let is_done = read_usual(session, out, move |reader, effort, out| {
        naming.list(out, "utxos", reader.utxos(effort, &hashx)?, |out, utxo: Utxo| {
            let OutPoint { txid, vout } = utxo.outpoint;
            write_utxo(out, utxo.height, &txid, vout, utxo.value);
        });
        Ok(())
    });
    if is_done.await? {
        return Ok(());
    }
    naming.long_list(session, out, "utxos", move |reader| reader.long_unspent(&hashx)).await
}

/// Returns the script that a request wants to subscribe to, if it is one that does.
pub(crate) fn subscribed_script<N: Node>(session: &Session<N>, text: &str) -> Option<HashX> {
    let request = Request::parse(text).ok()?;
    let naming = Naming::of_subscribe_method(&request.method)?;
    naming.hashx(session, request.params).ok()
}

/// `blockchain.scripthash.subscribe(scripthash)`, `blockchain.scriptpubkey.subscribe(scriptpubkey)`.
pub(super) async fn subscribe<N: Node>(
    session: &mut Session<N>,
    naming: Naming,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let (scripthash, spelled) = naming.read(session, params)?;
    let hashx = session.service.reader.key().hashx(&scripthash);
    let is_new = !session.scripts.contains_key(&hashx);
    let begun = subscription::begin(session, &session.service.hub.scripts, hashx, is_new)?;
    let told = begun.with(read_status(session, hashx).await)?;
    let method = naming.subscribe_method();
    session.scripts.insert(hashx, Subscription { method, spelled, told });
    session.count_subscriptions();
    json::status(out, told.state.as_ref());
    Ok(())
}

async fn read_status<N: Node>(
    session: &Session<N>,
    hashx: HashX,
) -> Result<PostedStatus, RpcError> {
    let read = session.service.reader.read(move |reader, effort| {
        let snapshot = reader.history_snapshot(effort, &hashx)?;
        let state = reader.status(effort, &*snapshot.view, &hashx, &snapshot.unconfirmed)?;
        Ok(Posted { stamp: snapshot.stamp, state })
    });
    read.await
}

/// `blockchain.scripthash.get_status(scripthash)`, beyond the protocol: what a subscription would answer.
pub(super) async fn status<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = Naming::Hash.hashx(session, params)?;
    let status = read_status(session, hashx).await?;
    json::status(out, status.state.as_ref());
    Ok(())
}

/// `blockchain.scripthash.unsubscribe(scripthash)`, `blockchain.scriptpubkey.unsubscribe(scriptpubkey)`.
pub(super) fn unsubscribe<N: Node>(
    session: &mut Session<N>,
    naming: Naming,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let hashx = naming.hashx(session, params)?;
    let was_subscribed = session.scripts.remove(&hashx).is_some();
    subscription::end(session, &session.service.hub.scripts, hashx, was_subscribed, out);
    Ok(())
}
