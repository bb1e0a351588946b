//! A wallet that subscribed to the tip and to scripts, and keeps account of what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bitcoin::ScriptBuf;
use electrumx_testkit::{ElectrumClient, Notification, ServerProcess, Truth, scripthash_hex};
use serde_json::{Value, json};

use crate::common::{PATIENCE, tip_json};

/// A session with subscriptions.
pub(crate) struct Watcher {
    pub(crate) client: ElectrumClient,
    scripts: BTreeMap<String, Watched>,
    tip: Value,
    /// Tips told since the last look.
    tips: Vec<Value>,
}

struct Watched {
    script: ScriptBuf,
    /// The status told last.
    status: Value,
    /// Those told since the last look.
    told: Vec<Value>,
    /// The status at the last look.
    seen: Value,
}

/// What a watcher was told between two looks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Tips.
    pub(crate) tips: usize,
    /// Scripts whose status changed.
    pub(crate) scripts: BTreeSet<ScriptBuf>,
}

impl Watcher {
    /// Connects and subscribes.
    pub(crate) fn new(server: &ServerProcess, scripts: &[&ScriptBuf]) -> Result<Self> {
        let mut client = ElectrumClient::connect_version(server.tcp_addr(), "1.4")?;
        let tip = client.call("blockchain.headers.subscribe", json!([]))?;
        let mut watcher = Self { client, scripts: BTreeMap::new(), tip, tips: Vec::new() };
        for script in scripts {
            watcher.watch(script)?;
        }
        Ok(watcher)
    }

    /// Subscribes to one more script.
    pub(crate) fn watch(&mut self, script: &ScriptBuf) -> Result<()> {
        let hash = scripthash_hex(script);
        let status = self.client.call("blockchain.scripthash.subscribe", json!([hash]))?;
        let (seen, script) = (status.clone(), script.clone());
        self.scripts.insert(hash, Watched { script, status, told: Vec::new(), seen });
        Ok(())
    }

    /// Waits until everything told agrees with `truth`. Every notification must be of something subscribed
    /// and tell something else than the one before it.
    pub(crate) fn settle(&mut self, truth: &Truth) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while let Some(missing) = self.missing(truth) {
            let left = deadline.saturating_duration_since(Instant::now());
            let next = self.client.wait_notification(left, |_| true);
            let next = next.with_context(|| format!("still to be told: {missing}"))?;
            self.take(next)?;
        }
        // What was sent before this answer has arrived with it.
        self.client.call("server.ping", json!([]))?;
        self.take_all()?;
        match self.missing(truth) {
            None => Ok(()),
            Some(missing) => bail!("told rightly and then wrongly: {missing}"),
        }
    }

    /// [`Self::settle`], and each change since the last look was told exactly once: the tip if it is another,
    /// and every script whose status is another. For changes that the server cannot see in parts.
    pub(crate) fn expect_once(&mut self, truth: &Truth) -> Result<Told> {
        let tip_before = self.tips.is_empty().then(|| self.tip.clone());
        let tip_before = tip_before.context("take what was told before, see `forget`")?;
        self.settle(truth)?;
        let tips = usize::from(self.tip != tip_before);
        ensure!(self.tips.len() == tips, "{tips} tips expected: {:?}", self.tips);
        let mut changed = BTreeSet::new();
        for (hash, watched) in &self.scripts {
            let expected: &[Value] = if watched.status == watched.seen {
                &[]
            } else {
                std::slice::from_ref(&watched.status)
            };
            let Watched { told, seen, .. } = watched;
            ensure!(told == expected, "{hash} was {seen}, then told {told:?}, not {expected:?}");
            if told.len() == 1 {
                changed.insert(watched.script.clone());
            }
        }
        self.forget();
        Ok(Told { tips, scripts: changed })
    }

    /// Begins a new account with the present state.
    pub(crate) fn forget(&mut self) {
        self.tips.clear();
        for watched in self.scripts.values_mut() {
            watched.told.clear();
            watched.seen = watched.status.clone();
        }
    }

    /// Asserts that nothing comes for a while.
    pub(crate) fn expect_silence(&mut self, time: Duration) -> Result<()> {
        match self.client.wait_notification(time, |_| true) {
            Ok(told) => bail!("told unasked: {told:?}"),
            Err(error) if error.message().contains("timeout") => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells what does not agree with the truth yet.
    fn missing(&self, truth: &Truth) -> Option<String> {
        let tip = tip_json(truth);
        if self.tip != tip {
            return Some(format!("the tip {tip} instead of {}", self.tip));
        }
        self.scripts.iter().find_map(|(hash, Watched { script, status, .. })| {
            let expected = json!(truth.status(script));
            let history = || truth.history_json(script);
            (*status != expected)
                .then(|| format!("{hash} is {expected}, not {status}: {}", history()))
        })
    }

    fn take_all(&mut self) -> Result<()> {
        for told in self.client.drain_notifications() {
            self.take(told)?;
        }
        Ok(())
    }

    fn take(&mut self, told: Notification) -> Result<()> {
        let Notification { method, mut params } = told;
        match method.as_str() {
            "blockchain.headers.subscribe" => {
                ensure!(params.as_array().is_some_and(|list| list.len() == 1), "tip: {params}");
                let tip = params[0].take();
                ensure!(tip != self.tip, "the tip was told twice: {tip}");
                self.tip = tip.clone();
                self.tips.push(tip);
            }
            "blockchain.scripthash.subscribe" => {
                ensure!(params.as_array().is_some_and(|list| list.len() == 2), "status: {params}");
                let hash = params[0].as_str().context("no script hash")?;
                let watched = self.scripts.get_mut(hash);
                let watched = watched.with_context(|| format!("{hash} was not subscribed"))?;
                let status = params[1].take();
                ensure!(status != watched.status, "{} was told twice: {status}", params[0]);
                watched.status = status.clone();
                watched.told.push(status);
            }
            _ => bail!("unknown notification {method}: {params}"),
        }
        Ok(())
    }
}
