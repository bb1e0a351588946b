//! The node's JSON-RPC, with typed helpers for what tests do all the time.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use bitcoin::consensus::encode::{deserialize, deserialize_hex, serialize_hex};
use bitcoin::{Block, BlockHash, ScriptBuf, Transaction, Txid};
use serde_json::{Value, json};

use crate::http::{Http, Response};
use crate::node_builder::Auth;

/// An error answer of the node. Get at it with `error.downcast_ref::<NodeError>()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError {
    /// The method called.
    pub method: String,
    /// The node's code, e.g. -5.
    pub code: i64,
    /// The node's text.
    pub message: String,
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: node error {}: {}", self.method, self.code, self.message)
    }
}

impl std::error::Error for NodeError {}

/// A connection to a node. Cloning makes another one, so threads need not wait for each other.
#[derive(Debug)]
pub struct NodeClient {
    addr: SocketAddr,
    auth: Auth,
    cookie_file: PathBuf,
    http: Mutex<Http>,
    /// Where `fund` takes its coins from; one for all clones.
    pub(crate) purse: Arc<Mutex<crate::purse::Purse>>,
}

impl Clone for NodeClient {
    fn clone(&self) -> Self {
        let mut new = Self::new(self.addr, self.auth.clone(), self.cookie_file.clone());
        new.purse = Arc::clone(&self.purse);
        new
    }
}

impl NodeClient {
    /// A client for the node at `addr`; connects at the first call.
    #[must_use]
    pub fn new(addr: SocketAddr, auth: Auth, cookie_file: PathBuf) -> Self {
        // Long, because invalidating many blocks or a scan of all coins takes its time.
        let http = Mutex::new(Http::new(addr, Duration::from_secs(300)));
        Self { addr, auth, cookie_file, http, purse: Arc::default() }
    }

    /// User and password; a cookie is read at each call, since it changes when the node restarts.
    ///
    /// # Errors
    /// When there is no cookie file (yet).
    pub fn credentials(&self) -> Result<(String, String)> {
        match &self.auth {
            Auth::UserPass(user, password) => Ok((user.clone(), password.clone())),
            Auth::Cookie => {
                let text = std::fs::read_to_string(&self.cookie_file)
                    .with_context(|| format!("no cookie at {}", self.cookie_file.display()))?;
                let (user, password) = text.trim().split_once(':').context("odd cookie file")?;
                Ok((user.to_owned(), password.to_owned()))
            }
        }
    }

    /// Host and port of the node's RPC.
    #[must_use]
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the node writes its cookie (only if started with cookie authentication).
    #[must_use]
    pub const fn cookie_file(&self) -> &PathBuf {
        &self.cookie_file
    }

    /// `http://user:password@host:port/`, as servers want it in `DAEMON_URL`.
    ///
    /// # Errors
    /// When there is no cookie file (yet).
    pub fn daemon_url(&self) -> Result<String> {
        let (user, password) = self.credentials()?;
        Ok(format!("http://{user}:{password}@{}/", self.addr))
    }

    /// Calls any method; the node's error text is kept (see [`NodeError`]).
    ///
    /// # Errors
    /// When the node cannot be reached or answers with an error.
    pub fn call(&self, method: &str, params: &[Value]) -> Result<Value> {
        let body = json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params});
        result(method, self.post(&body)?)
    }

    /// Calls one method with many parameter lists in one request.
    ///
    /// # Errors
    /// When the node cannot be reached or answers any of them with an error.
    pub fn batch(&self, method: &str, params: &[Value]) -> Result<Vec<Value>> {
        let requests: Vec<_> = params
            .iter()
            .enumerate()
            .map(|(id, params)| json!({"id": id, "method": method, "params": params}))
            .collect();
        let Value::Array(answers) = self.post(&Value::Array(requests))? else {
            bail!("{method}: no batch answer from the node");
        };
        ensure!(answers.len() == params.len(), "{method}: answers are missing in the batch");
        // bitcoind answers in order.
        answers.into_iter().map(|answer| result(method, answer)).collect()
    }

    /// Fetches a REST path, e.g. `/rest/headers/5/<hash>.bin`.
    ///
    /// # Errors
    /// When the node cannot be reached or does not have it.
    pub fn rest(&self, path: &str) -> Result<Vec<u8>> {
        let Response { code, body } = self.http()?.request("GET", path, "", &[])?;
        ensure!(code == 200, "{path}: HTTP {code}: {}", String::from_utf8_lossy(&body).trim());
        Ok(body)
    }

    fn http(&self) -> Result<std::sync::MutexGuard<'_, Http>> {
        self.http.lock().map_err(|_| anyhow::anyhow!("another thread panicked in a node call"))
    }

    fn post(&self, body: &Value) -> Result<Value> {
        let (user, password) = self.credentials()?;
        let basic = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
        let head = format!("Authorization: Basic {basic}\r\nContent-Type: application/json\r\n");
        let body = body.to_string().into_bytes();
        let Response { code, body } = self.http()?.request("POST", "/", &head, &body)?;
        // Errors come with HTTP 500 or 404 and a JSON body; other refusals without.
        serde_json::from_slice(&body)
            .with_context(|| format!("HTTP {code}: {}", String::from_utf8_lossy(&body).trim()))
    }

    /// Height of the tip.
    ///
    /// # Errors
    /// When the call fails.
    pub fn block_count(&self) -> Result<u32> {
        let height = self.call("getblockcount", &[])?;
        Ok(u32::try_from(height.as_u64().context("getblockcount: no number")?)?)
    }

    /// Hash of the tip.
    ///
    /// # Errors
    /// When the call fails.
    pub fn best_block_hash(&self) -> Result<BlockHash> {
        parse(&self.call("getbestblockhash", &[])?)
    }

    /// Hash of the block at `height`.
    ///
    /// # Errors
    /// When the call fails, e.g. for want of such a block.
    pub fn block_hash(&self, height: u32) -> Result<BlockHash> {
        parse(&self.call("getblockhash", &[json!(height)])?)
    }

    /// A block by its hash.
    ///
    /// # Errors
    /// When the call fails, e.g. for want of such a block.
    pub fn block(&self, hash: &BlockHash) -> Result<Block> {
        let hex = self.call("getblock", &[json!(hash.to_string()), json!(0)])?;
        Ok(deserialize_hex(hex.as_str().context("getblock: no text")?)?)
    }

    /// The block at `height`, over REST as that is quicker.
    ///
    /// # Errors
    /// When the call fails, e.g. for want of such a block.
    pub fn block_at(&self, height: u32) -> Result<Block> {
        let hash = self.block_hash(height)?;
        Ok(deserialize(&self.rest(&format!("/rest/block/{hash}.bin"))?)?)
    }

    /// Ids of all mempool transactions.
    ///
    /// # Errors
    /// When the call fails.
    pub fn raw_mempool(&self) -> Result<Vec<Txid>> {
        let answer = self.call("getrawmempool", &[])?;
        answer.as_array().context("getrawmempool: no list")?.iter().map(parse).collect()
    }

    /// Broadcasts a transaction, whatever its fee.
    ///
    /// # Errors
    /// The node's reason for refusing it.
    pub fn send_raw(&self, tx: &Transaction) -> Result<Txid> {
        // 0: no limit to the fee; then the most coins that an OP_RETURN may burn.
        let params = [json!(serialize_hex(tx)), json!(0), json!(21_000_000)];
        parse(&self.call("sendrawtransaction", &params)?)
    }

    /// A transaction in the mempool, or (`block` given) in that block.
    ///
    /// # Errors
    /// When it is not there.
    pub fn transaction(&self, txid: &Txid, block: Option<&BlockHash>) -> Result<Transaction> {
        let mut params = vec![json!(txid.to_string()), json!(false)];
        params.extend(block.map(|hash| json!(hash.to_string())));
        let hex = self.call("getrawtransaction", &params)?;
        Ok(deserialize_hex(hex.as_str().context("getrawtransaction: no text")?)?)
    }

    /// Sets the node's clock (seconds since 1970), or lets it run again with 0.
    ///
    /// # Errors
    /// When the call fails.
    pub fn set_mock_time(&self, time: u64) -> Result<()> {
        self.call("setmocktime", &[json!(time)]).map(drop)
    }

    /// The output script of an address.
    ///
    /// # Errors
    /// When the node does not take it for an address of its chain.
    pub fn address_script(&self, address: &str) -> Result<ScriptBuf> {
        let info = self.call("validateaddress", &[json!(address)])?;
        let script = info["scriptPubKey"].as_str();
        Ok(ScriptBuf::from_hex(script.with_context(|| format!("bad address {address}: {info}"))?)?)
    }
}

/// Takes the result out of an answer.
fn result(method: &str, mut answer: Value) -> Result<Value> {
    let error = answer["error"].take();
    if error.is_null() {
        return Ok(answer["result"].take());
    }
    Err(NodeError {
        method: method.to_owned(),
        code: error["code"].as_i64().unwrap_or_default(),
        message: error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned),
    }
    .into())
}

/// A hash out of a JSON text.
pub(crate) fn parse<T>(value: &Value) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = value.as_str().with_context(|| format!("text expected, not {value}"))?;
    text.parse().with_context(|| format!("not understood: {text}"))
}
