//! What is asked.

use super::Samples;

/// Questions of one kind.
pub(super) struct Kind<'a> {
    pub(super) name: String,
    /// The `i`th one: method and parameters.
    pub(super) question: Box<dyn Fn(usize) -> String + 'a>,
    /// How many different ones there are, if each may be asked only once.
    pub(super) once: Option<usize>,
    /// Questions that count as one.
    pub(super) together: usize,
    /// How many are asked at most, for what is large.
    pub(super) few: Option<usize>,
}

impl<'a> Kind<'a> {
    fn new(name: impl Into<String>, question: impl Fn(usize) -> String + 'a) -> Self {
        let question = Box::new(question);
        Self { name: name.into(), question, once: None, together: 1, few: None }
    }
}

const WALLET_LOAD: [&str; 3] = ["subscribe", "get_history", "listunspent"];

impl Samples {
    /// All kinds, in the order they are asked: what has to find the server's caches empty comes first.
    pub(super) fn kinds(&self, fresh: bool) -> Vec<Kind<'_>> {
        let of_script = move |method: &'static str| {
            move |i: usize| {
                let script = self.scripts[i % self.scripts.len()];
                format!(r#""blockchain.scripthash.{method}","params":["{script}"]"#)
            }
        };
        let wallet = move |i: usize| of_script(WALLET_LOAD[i % 3])(i / 3);
        let tx = |i: usize| &self.txids[i % self.txids.len()];
        let block_tx = |i: usize| &self.few_blocks[i % self.few_blocks.len()];
        let blocks = self.tip as usize + 1;
        let header = move |i: usize, cp: &str| {
            format!(r#""blockchain.block.header","params":[{}{cp}]"#, i * 7 % blocks)
        };
        let tip = self.tip;
        let mut kinds = Vec::new();
        if fresh {
            kinds.push(Kind {
                once: Some(self.scripts.len()),
                together: 3,
                ..Kind::new("wallet load of a script, first time", wallet)
            });
        }
        kinds.extend([
            Kind { together: 3, ..Kind::new("wallet load of a script, again", wallet) },
            Kind::new("server.ping", |_| r#""server.ping","params":[]"#.to_owned()),
            Kind::new("block.header", move |i| header(i, "")),
            Kind::new("block.header with cp_height", move |i| header(i, &format!(",{tip}"))),
            Kind {
                few: Some(500),
                ..Kind::new("block.headers, 2,016", move |i| {
                    let start = i % blocks.saturating_sub(2015).max(1);
                    format!(r#""blockchain.block.headers","params":[{start},2016]"#)
                })
            },
            Kind::new("scripthash.subscribe", of_script("subscribe")),
            Kind::new("scripthash.get_history", of_script("get_history")),
            Kind::new("scripthash.listunspent", of_script("listunspent")),
            Kind::new("scripthash.get_balance", of_script("get_balance")),
            Kind::new("transaction.get", move |i| {
                format!(r#""blockchain.transaction.get","params":["{}"]"#, tx(i).0)
            }),
            Kind::new("transaction.id_from_pos", move |i| {
                format!(r#""blockchain.transaction.id_from_pos","params":[{},0]"#, tx(i).1)
            }),
            Kind {
                few: Some(2_000),
                ..Kind::new("transaction.get_merkle, 200 blocks", move |i| {
                    let (txid, height) = tx(i);
                    format!(r#""blockchain.transaction.get_merkle","params":["{txid}",{height}]"#)
                })
            },
        ]);
        if !self.few_blocks.is_empty() {
            kinds.push(Kind::new("transaction.get_merkle, 20 blocks", move |i| {
                let (txid, height) = block_tx(i);
                format!(r#""blockchain.transaction.get_merkle","params":["{txid}",{height}]"#)
            }));
        }
        if let Some((script, entries)) = self.busy {
            for method in ["get_history", "subscribe", "listunspent", "get_balance"] {
                let name = format!("{method}, history of {entries}");
                let question =
                    move |_| format!(r#""blockchain.scripthash.{method}","params":["{script}"]"#);
                kinds.push(Kind { few: Some(10), ..Kind::new(name, question) });
            }
        }
        kinds
    }
}
