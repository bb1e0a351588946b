//! A node in memory: its chain, its mempool, and what it publishes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use electrumx_core::bitcoin::block::{Header, Version};
use electrumx_core::bitcoin::consensus::encode::serialize;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxIn, TxMerkleNode, TxOut, Txid, Witness, absolute, constants, transaction,
};
use electrumx_daemon::{RecentTxs, ZmqEvent};
use fastrand::Rng;
use tokio::sync::mpsc;

/// How many scripts there are; the last one is an `OP_RETURN`.
pub(super) const SCRIPTS: usize = 8;

/// Value of an output of a coinbase.
const COIN: u64 = 10_000_000;

/// A transaction and its id.
#[derive(Clone, Debug)]
pub(super) struct Tx {
    pub(super) txid: Txid,
    pub(super) tx: Transaction,
}

/// A block, and the ids of its transactions.
#[derive(Debug)]
pub(super) struct Mined {
    pub(super) block: Block,
    txids: Vec<Txid>,
}

/// Something that happens in the node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    New,
    /// A transaction takes the place of others.
    Replace,
    /// A transaction leaves, with its descendants.
    Evict,
    /// A parent and its child at once.
    Package,
    /// A block with some of the mempool, now and then with a conflict of it.
    Block,
    /// So many blocks are replaced by others, of as many or one more.
    Reorg(usize),
}

/// The node.
pub(super) struct Node {
    pub(super) chain: Vec<Mined>,
    /// Parents before their children.
    pub(super) pool: Vec<Tx>,
    /// Number of the next event of the mempool.
    pub(super) sequence: u64,
    /// Transactions to be loaded after a restart.
    pub(super) unloaded: Option<Vec<Tx>>,
    /// Calls that are answered before the loading is done.
    pub(super) loading_calls: usize,
    /// What happens after so many more calls.
    pub(super) meanwhile: Vec<(usize, Meanwhile)>,
    /// What happens right after a transaction of a client is accepted.
    pub(super) aftermath: Option<Aftermath>,
    /// Whether it has an index of all transactions.
    pub(super) has_index: bool,
    /// How many messages of the feed get lost from now on.
    pub(super) lost: usize,
    /// The feed's messages but the first while they are to come one by one.
    pub(super) held_back: Option<VecDeque<ZmqEvent>>,
    feed: mpsc::Sender<ZmqEvent>,
    recent: RecentTxs,
    pub(super) rng: Rng,
}

/// Something that happens between two calls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meanwhile {
    Event(Event),
    Restart { calls: usize },
}

/// What becomes of a client's transaction before the client hears that it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aftermath {
    Evicted,
    Replaced,
    Mined,
}

impl Node {
    pub(super) fn new(seed: u64, feed: mpsc::Sender<ZmqEvent>, recent: RecentTxs) -> Self {
        let mut node = Self {
            chain: vec![Mined::from(constants::genesis_block(Network::Regtest))],
            pool: Vec::new(),
            sequence: 1,
            unloaded: None,
            loading_calls: 0,
            meanwhile: Vec::new(),
            aftermath: None,
            has_index: seed.is_multiple_of(2),
            lost: 0,
            held_back: None,
            feed,
            recent,
            rng: Rng::with_seed(seed),
        };
        (0..8).for_each(|_| node.connect(Vec::new()));
        node
    }

    /// Returns all that is in the chain or the mempool, with the height of what is in the chain.
    pub(super) fn txs(&self) -> impl Iterator<Item = (Option<usize>, Txid, &Transaction)> {
        let mined = self.chain.iter().enumerate().skip(1).flat_map(|(height, mined)| {
            let txs = mined.txids.iter().zip(&mined.block.txdata);
            txs.map(move |(txid, tx)| (Some(height), *txid, tx))
        });
        mined.chain(self.pool.iter().map(|tx| (None, tx.txid, &tx.tx)))
    }

    pub(super) fn find(&self, txid: &Txid) -> Option<&Transaction> {
        let is_it = |(height, id, _): &(Option<usize>, Txid, &Transaction)| {
            id == txid && (height.is_none() || self.has_index)
        };
        self.txs().find(is_it).map(|(_, _, tx)| tx)
    }

    /// Returns every output that can be spent, with its value.
    fn unspent(&self) -> BTreeMap<OutPoint, u64> {
        let mut unspent = BTreeMap::new();
        for (_, txid, tx) in self.txs() {
            for input in &tx.input {
                unspent.remove(&input.previous_output);
            }
            for (vout, output) in (0..).zip(&tx.output) {
                if !output.script_pubkey.is_op_return() {
                    unspent.insert(OutPoint { txid, vout }, output.value.to_sat());
                }
            }
        }
        unspent
    }

    /// Makes a transaction of some of these coins.
    fn spend(&mut self, coins: &BTreeMap<OutPoint, u64>) -> Option<Tx> {
        let count = self.rng.usize(1..=3.min(coins.len().max(1)));
        let picked = self.rng.choose_multiple(coins.iter(), count);
        if picked.is_empty() {
            return None;
        }
        let value: u64 = picked.iter().map(|(_, value)| **value).sum();
        let outputs = self.rng.u64(1..=3);
        let each = value.saturating_sub(self.rng.u64(1..2_000)) / outputs;
        let input = |previous_output| TxIn {
            previous_output,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[[1; 7]]),
        };
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::from_consensus(self.rng.u32(..)),
            input: picked.into_iter().map(|(at, _)| input(*at)).collect(),
            output: (0..outputs)
                .map(|_| TxOut {
                    value: Amount::from_sat(each),
                    script_pubkey: script(self.rng.usize(..SCRIPTS)),
                })
                .collect(),
        };
        Some(Tx { txid: tx.compute_txid(), tx })
    }

    /// Makes a transaction that can enter the mempool.
    pub(super) fn payment(&mut self) -> Option<Tx> {
        let unspent = self.unspent();
        self.spend(&unspent)
    }

    /// Makes a transaction that spends what another one does, and now and then something more.
    pub(super) fn conflict(&mut self, of: &Tx) -> Option<Tx> {
        let mut coins = self.unspent();
        // A replacement does not spend what it replaces.
        let doomed = self.with_descendants(of.txid);
        coins.retain(|at, _| !doomed.contains(&at.txid));
        if self.rng.bool() {
            coins.clear();
        }
        let prevout = self.rng.choice(&of.tx.input)?.previous_output;
        let mut tx = self.spend(&BTreeMap::from([(prevout, COIN)]))?;
        if let Some(more) = self.rng.choice(coins.keys().copied().collect::<Vec<_>>()) {
            let mut input = tx.tx.input[0].clone();
            input.previous_output = more;
            tx.tx.input.push(input);
        }
        // It pays more than all it replaces (BIP 125).
        let mut replaced = doomed;
        for other in self.conflicts(&tx) {
            replaced.extend(self.with_descendants(other));
        }
        let fees = self.fees().into_iter().filter(|(txid, _)| replaced.contains(txid));
        let fee = fees.map(|(_, fee)| fee).sum::<u64>() + self.rng.u64(1..2_000);
        let each = spent_by(&tx.tx, &self.values()).checked_sub(fee)? / tx.tx.output.len() as u64;
        tx.tx.output.iter_mut().for_each(|output| output.value = Amount::from_sat(each));
        tx.txid = tx.tx.compute_txid();
        Some(tx)
    }

    pub(super) fn happens(&mut self, event: Event) {
        eprintln!("{event:?}");
        match event {
            Event::New => {
                if let Some(tx) = self.payment() {
                    self.accept(tx);
                }
            }
            Event::Replace => {
                if let Some(tx) = self.rng.choice(self.pool.clone())
                    && let Some(conflict) = self.conflict(&tx)
                {
                    self.accept(conflict);
                }
            }
            Event::Evict => {
                if let Some(tx) = self.rng.choice(self.pool.clone()) {
                    self.evict(tx.txid);
                }
            }
            Event::Package => {
                for tx in self.package() {
                    self.accept(tx);
                }
            }
            Event::Block => {
                let txs = self.some_of_the_pool();
                self.connect(txs);
            }
            Event::Reorg(depth) => self.reorganise(depth),
        }
    }

    /// Makes a parent and a child of it.
    pub(super) fn package(&mut self) -> Vec<Tx> {
        let Some(parent) = self.payment() else { return Vec::new() };
        let outputs = (0..).zip(&parent.tx.output);
        let coins = outputs.filter(|(_, output)| !output.script_pubkey.is_op_return());
        let coins = coins
            .map(|(vout, output)| (OutPoint { txid: parent.txid, vout }, output.value.to_sat()));
        let child = self.spend(&coins.collect());
        std::iter::once(parent).chain(child).collect()
    }

    /// Restarts with an empty mempool, which is loaded later: after so many calls, or when it is told to.
    pub(super) fn restart(&mut self, calls: usize) {
        eprintln!("restart, {calls} calls");
        let pool = std::mem::take(&mut self.pool);
        let before = self.unloaded.take().unwrap_or_default();
        self.unloaded = Some([pool, before].concat());
        self.loading_calls = calls;
        self.sequence = 1;
        self.say(ZmqEvent::Lost);
        self.say(ZmqEvent::Gap);
    }

    /// Loads the mempool of before the restart.
    pub(super) fn load(&mut self) {
        for tx in self.unloaded.take().unwrap_or_default() {
            let unspent = self.unspent();
            if tx.tx.input.iter().all(|input| unspent.contains_key(&input.previous_output)) {
                self.accept(tx);
            }
        }
    }

    /// Something is asked: what is to happen meanwhile happens.
    pub(super) fn called(&mut self) {
        let mut due = Vec::new();
        self.meanwhile.retain_mut(|(calls, what)| {
            let is_due = *calls == 0;
            *calls = calls.saturating_sub(1);
            if is_due {
                due.push(*what);
            }
            !is_due
        });
        for what in due {
            eprint!("meanwhile: ");
            match what {
                Meanwhile::Event(event) => self.happens(event),
                Meanwhile::Restart { calls } => self.restart(calls),
            }
        }
        if self.unloaded.is_some() && self.loading_calls != usize::MAX {
            match self.loading_calls.checked_sub(1) {
                Some(left) => self.loading_calls = left,
                None => self.load(),
            }
        }
    }

    /// A client hands a transaction over.
    pub(super) fn receive(&mut self, tx: Tx) {
        eprintln!("received {}, then {:?}", tx.txid, self.aftermath);
        self.accept(tx.clone());
        match self.aftermath.take() {
            None => {}
            Some(Aftermath::Evicted) => self.evict(tx.txid),
            Some(Aftermath::Replaced) => {
                if let Some(conflict) = self.conflict(&tx) {
                    self.accept(conflict);
                }
            }
            Some(Aftermath::Mined) => {
                let txs = self.with_ancestors(HashSet::from([tx.txid]));
                self.connect(txs);
            }
        }
    }

    /// Takes a transaction into the mempool, and throws out what it conflicts with.
    fn accept(&mut self, tx: Tx) {
        self.throw_out_conflicts(&tx);
        self.publish(&tx.tx);
        self.count(|sequence| Some(ZmqEvent::Added { txid: tx.txid, sequence }));
        self.pool.push(tx);
    }

    fn throw_out_conflicts(&mut self, with: &Tx) {
        self.conflicts(with).into_iter().for_each(|txid| self.evict(txid));
    }

    /// Returns what spends an output that this transaction spends, too.
    fn conflicts(&self, with: &Tx) -> Vec<Txid> {
        let spent: HashSet<_> = with.tx.input.iter().map(|input| input.previous_output).collect();
        let conflicts = |tx: &&Tx| {
            let spends = |input: &TxIn| spent.contains(&input.previous_output);
            tx.txid != with.txid && tx.tx.input.iter().any(spends)
        };
        self.pool.iter().filter(conflicts).map(|tx| tx.txid).collect()
    }

    fn with_descendants(&self, txid: Txid) -> HashSet<Txid> {
        let mut family = HashSet::from([txid]);
        for tx in &self.pool {
            if tx.tx.input.iter().any(|input| family.contains(&input.previous_output.txid)) {
                family.insert(tx.txid);
            }
        }
        family
    }

    pub(super) fn evict(&mut self, txid: Txid) {
        let family = self.with_descendants(txid);
        let (gone, kept) =
            std::mem::take(&mut self.pool).into_iter().partition(|tx| family.contains(&tx.txid));
        self.pool = kept;
        let gone: Vec<Tx> = gone;
        for tx in gone.into_iter().rev() {
            self.count(|sequence| Some(ZmqEvent::Removed { txid: tx.txid, sequence }));
        }
    }

    /// Returns transactions of the mempool and all they depend on there, parents first.
    fn with_ancestors(&self, mut chosen: HashSet<Txid>) -> Vec<Tx> {
        for tx in self.pool.iter().rev() {
            if chosen.contains(&tx.txid) {
                chosen.extend(tx.tx.input.iter().map(|input| input.previous_output.txid));
            }
        }
        self.pool.iter().filter(|tx| chosen.contains(&tx.txid)).cloned().collect()
    }

    /// Some of the mempool, with all ancestors; or a conflict of it.
    fn some_of_the_pool(&mut self) -> Vec<Tx> {
        let chosen = self.pool.clone().into_iter().filter(|_| self.rng.u8(..3) > 0);
        let chosen = chosen.map(|tx| tx.txid).collect();
        let mut txs = self.with_ancestors(chosen);
        let chosen: HashSet<Txid> = txs.iter().map(|tx| tx.txid).collect();
        let others: Vec<_> =
            self.pool.iter().filter(|tx| !chosen.contains(&tx.txid)).cloned().collect();
        // Only what spends nothing of the mempool: it is mined alone.
        let alone = |tx: &Tx| {
            let in_pool = |txid: Txid| self.pool.iter().any(|other| other.txid == txid);
            !tx.tx.input.iter().any(|input| in_pool(input.previous_output.txid))
        };
        if let Some(other) =
            self.rng.clone().choice(others.into_iter().filter(alone).collect::<Vec<_>>())
            && self.rng.u8(..4) == 0
        {
            let prevout = other.tx.input[0].previous_output;
            txs.extend(self.spend(&BTreeMap::from([(prevout, COIN)])));
        }
        txs
    }

    /// Mines a block.
    fn connect(&mut self, txs: Vec<Tx>) {
        let height = self.chain.len();
        let coinbase = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::null(),
                script_sig: ScriptBuf::from_bytes(self.rng.u64(..).to_le_bytes().to_vec()),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: (0..2)
                .map(|n| TxOut {
                    value: Amount::from_sat(COIN),
                    script_pubkey: script((height + n) % SCRIPTS),
                })
                .collect(),
        };
        for tx in &txs {
            if let Some(at) = self.pool.iter().position(|other| other.txid == tx.txid) {
                self.pool.remove(at);
                // It is counted, but not told.
                self.count(|_| None);
            }
            self.throw_out_conflicts(tx);
        }
        let mut block = Block {
            header: Header {
                version: Version::TWO,
                prev_blockhash: self.tip(),
                merkle_root: TxMerkleNode::all_zeros(),
                time: 1,
                bits: CompactTarget::from_consensus(0x207f_ffff),
                nonce: self.rng.u32(..),
            },
            txdata: std::iter::once(coinbase).chain(txs.into_iter().map(|tx| tx.tx)).collect(),
        };
        block.header.merkle_root = block.compute_merkle_root().expect("there is a coinbase");
        block.txdata.iter().for_each(|tx| self.publish(tx));
        self.chain.push(block.into());
        self.say(ZmqEvent::Block);
    }

    fn reorganise(&mut self, depth: usize) {
        // The first coins stay, or there would be none.
        let depth = depth.min(self.chain.len().saturating_sub(9));
        if depth == 0 {
            return;
        }
        let undone = self.chain.split_off(self.chain.len() - depth);
        undone.iter().for_each(|_| self.say(ZmqEvent::Block));
        let pool = std::mem::take(&mut self.pool);
        let undone = undone.into_iter().flat_map(|mined| {
            let txs = mined.txids.into_iter().zip(mined.block.txdata);
            txs.skip(1).map(|(txid, tx)| Tx { txid, tx })
        });
        let known: HashSet<_> = pool.iter().map(|tx| tx.txid).collect();
        // All that is possible without the blocks, parents first.
        let mut rest: Vec<Tx> = undone.into_iter().chain(pool).collect();
        let mut possible: Vec<Tx> = Vec::new();
        let mut unspent = self.unspent();
        loop {
            let is_possible = |tx: &Tx, unspent: &BTreeMap<OutPoint, u64>| {
                tx.tx.input.iter().all(|input| unspent.contains_key(&input.previous_output))
            };
            let Some(at) = rest.iter().position(|tx| is_possible(tx, &unspent)) else { break };
            let tx = rest.remove(at);
            unspent.retain(|at, _| tx.tx.input.iter().all(|input| input.previous_output != *at));
            for (vout, output) in (0..).zip(&tx.tx.output) {
                if !output.script_pubkey.is_op_return() {
                    unspent.insert(OutPoint { txid: tx.txid, vout }, output.value.to_sat());
                }
            }
            possible.push(tx);
        }
        for tx in rest.into_iter().filter(|tx| known.contains(&tx.txid)) {
            self.count(|sequence| Some(ZmqEvent::Removed { txid: tx.txid, sequence }));
        }
        for tx in possible.iter().filter(|tx| !known.contains(&tx.txid)) {
            self.publish(&tx.tx);
            self.count(|sequence| Some(ZmqEvent::Added { txid: tx.txid, sequence }));
        }
        self.pool = possible;
        for _ in 0..depth + self.rng.usize(..2) {
            let txs = if self.rng.bool() { self.some_of_the_pool() } else { Vec::new() };
            self.connect(txs);
        }
    }

    pub(super) fn tip(&self) -> BlockHash {
        self.chain.last().map_or_else(BlockHash::all_zeros, |mined| mined.block.block_hash())
    }

    /// Returns the fee of each transaction of the mempool.
    pub(super) fn fees(&self) -> Vec<(Txid, u64)> {
        let values = self.values();
        let fee = |tx: &Tx| (tx.txid, spent_by(&tx.tx, &values).saturating_sub(paid_by(&tx.tx)));
        self.pool.iter().map(fee).collect()
    }

    /// Returns the value of each output, spent or not.
    fn values(&self) -> HashMap<OutPoint, u64> {
        let outputs = |(_, txid, tx): (Option<usize>, Txid, &'_ Transaction)| {
            let values: Vec<_> = tx.output.iter().map(|output| output.value.to_sat()).collect();
            (0..).zip(values).map(move |(vout, value)| (OutPoint { txid, vout }, value))
        };
        self.txs().flat_map(outputs).collect()
    }

    /// Publishes a transaction's bytes. Now and then they get lost.
    fn publish(&mut self, tx: &Transaction) {
        if self.rng.u8(..8) > 0 {
            self.recent.put(&serialize(tx));
        }
    }

    fn count(&mut self, event: impl FnOnce(u64) -> Option<ZmqEvent>) {
        let event = event(self.sequence);
        self.sequence += 1;
        if let Some(event) = event {
            self.say(event);
        }
    }

    /// Publishes an event, unless it is to get lost.
    pub(super) fn say(&mut self, event: ZmqEvent) {
        let is_kept = matches!(event, ZmqEvent::Lost | ZmqEvent::Gap);
        let is_lost = self.lost > 0 && !is_kept;
        eprintln!("  {event:?}{}", if is_lost { " lost" } else { "" });
        if is_lost {
            self.lost -= 1;
        } else if let Some(held_back) = &mut self.held_back {
            held_back.push_back(event);
        } else {
            self.send(event);
        }
    }

    /// Publishes the first of the messages held back. Returns whether there are more.
    pub(super) fn let_go(&mut self) -> bool {
        if let Some(event) = self.held_back.as_mut().and_then(VecDeque::pop_front) {
            self.send(event);
        }
        self.held_back = self.held_back.take().filter(|events| !events.is_empty());
        self.held_back.is_some()
    }

    fn send(&self, event: ZmqEvent) {
        // Before the server is there nobody listens.
        let _ = self.feed.try_send(event);
    }
}

impl From<Block> for Mined {
    fn from(block: Block) -> Self {
        let txids = block.txdata.iter().map(Transaction::compute_txid).collect();
        Self { block, txids }
    }
}

fn spent_by(tx: &Transaction, values: &HashMap<OutPoint, u64>) -> u64 {
    tx.input.iter().map(|input| values[&input.previous_output]).sum()
}

fn paid_by(tx: &Transaction) -> u64 {
    tx.output.iter().map(|output| output.value.to_sat()).sum()
}

/// Returns a script by its number.
pub(super) fn script(number: usize) -> ScriptBuf {
    let number = u8::try_from(number % SCRIPTS).expect("there are few scripts");
    if usize::from(number) == SCRIPTS - 1 {
        ScriptBuf::from_bytes(vec![0x6a, 1, number])
    } else {
        ScriptBuf::from_bytes(vec![0x51, 1, number])
    }
}
