//! Which chain to index.

use electrumx_core::coin::{Bitcoin, Chain};

use super::node::LocalNode;
use super::note::Notes;
use super::settings::Settings;
use super::variables::{COIN, DAEMON_URL, NET};

/// Reads `COIN` and `NET`; without `NET` and `DAEMON_URL` the local node's network is taken.
pub(crate) fn coin(
    settings: &mut Settings,
    local: Option<&LocalNode>,
    notes: &mut Notes,
) -> Bitcoin {
    let mainnet = &Bitcoin::CHAINS[0];
    if let Some(name) = settings.text(&COIN).filter(|name| !name.eq_ignore_ascii_case(mainnet.coin))
    {
        let what = format!("unknown coin {name:?}; known is {}", mainnet.coin);
        settings.problem(&COIN, what);
    }
    let chosen = match settings.text(&NET) {
        Some(net) => {
            let found = Bitcoin::on(net);
            if found.is_none() {
                let known: Vec<_> = Bitcoin::CHAINS.iter().map(|chain| chain.net).collect();
                let what = format!(
                    "unknown network {net:?} of {}; known are {}",
                    mainnet.coin,
                    known.join(", ")
                );
                settings.problem(&NET, what);
            }
            found
        }
        None if settings.text(&DAEMON_URL).is_some() => None,
        None => {
            local.and_then(|local| detect(local, notes)).and_then(|chain| Bitcoin::on(chain.net))
        }
    };
    chosen.unwrap_or_else(|| Bitcoin::new(mainnet.network))
}

/// The network whose node runs if there is one only, else the one configured.
fn detect(local: &LocalNode, notes: &mut Notes) -> Option<&'static Chain> {
    let dir = local.dir().display();
    match local.running()[..] {
        [only] => {
            notes.info(format!("network: {}, whose node runs in {dir} (NET chooses)", only.net));
            Some(only)
        }
        ref running => {
            let configured = local.configured();
            let net = configured.map_or(Bitcoin::CHAINS[0].net, |chain| chain.net);
            if !running.is_empty() {
                let nets: Vec<_> = running.iter().map(|chain| chain.net).collect();
                notes.warn(format!(
                    "network: {net}; nodes of {} run in {dir}, choose by NET",
                    nets.join(", ")
                ));
            } else if configured.is_some() {
                notes.info(format!("network: {net}, as in {dir}/bitcoin.conf (NET chooses)"));
            }
            configured
        }
    }
}
