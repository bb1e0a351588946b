//! The few lines of a node's `bitcoin.conf` that matter to its clients.

use electrumx_core::coin::Chain;

/// The settings of a `bitcoin.conf`, in its order.
///
/// Included files (`includeconf`) and what is given on the node's command line are not seen.
#[derive(Debug, Default)]
pub(crate) struct BitcoinConf {
    /// Section (empty before the first one), key, value.
    entries: Vec<(String, String, String)>,
}

impl BitcoinConf {
    /// Parses the text. What is no setting is skipped: judging the file is the node's job.
    pub(crate) fn parse(text: &str) -> Self {
        let mut section = String::new();
        let mut entries = Vec::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.trim().clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim(), value.trim());
                // "test.rpcport=1" is the same as "rpcport=1" in section [test].
                let (section, key) = key.rsplit_once('.').unwrap_or((&section, key));
                entries.push((section.to_owned(), key.to_owned(), value.to_owned()));
            }
        }
        Self { entries }
    }

    /// Returns a setting: of the chain's section, else from before all sections. As in the node the first line
    /// counts.
    pub(crate) fn of_chain(&self, chain: &Chain, key: &str) -> Option<&str> {
        self.of_section(chain.node_chain, key).or_else(|| self.of_section("", key))
    }

    /// Returns the port of the chain's RPC. As in the node one from before all sections is the main network's.
    pub(crate) fn rpc_port(&self, chain: &Chain) -> Option<u16> {
        let own = self.of_section(chain.node_chain, "rpcport");
        let main =
            || if chain.node_chain == "main" { self.of_section("", "rpcport") } else { None };
        own.or_else(main)?.parse().ok().filter(|&port| port != 0)
    }

    /// Returns the chain the node is told to run, as it calls it.
    pub(crate) fn chain(&self) -> Option<&str> {
        let flag = |name: &str| self.of_section("", name).is_some_and(|value| value != "0");
        let by_flag = || {
            [
                ("regtest", "regtest"),
                ("signet", "signet"),
                ("testnet4", "testnet4"),
                ("testnet", "test"),
            ]
            .into_iter()
            .find_map(|(name, chain)| flag(name).then_some(chain))
        };
        self.of_section("", "chain").or_else(by_flag)
    }

    /// Returns a setting from before all sections.
    pub(crate) fn global(&self, key: &str) -> Option<&str> {
        self.of_section("", key)
    }

    fn of_section(&self, section: &str, key: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|(s, k, value)| s == section && k == key && !value.is_empty())
            .map(|(.., value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use electrumx_core::coin::{Bitcoin, Coin as _, Network};

    use super::*;

    #[test]
    fn sections_hide_what_precedes_them() {
        let conf = BitcoinConf::parse(
            "rpcuser=all # x\nrpcport=1\n rpcport = 2\nregtest.rpcport=3\nsignet=1\n[test]\nrpcuser=tester\n\
             rpcport=70000\nnonsense\n[regtest]\nrpcport=4\n",
        );
        let chain = |network| Bitcoin::new(network).chain();
        let (main, test) = (chain(Network::Mainnet), chain(Network::Testnet3));
        assert_eq!(conf.of_chain(main, "rpcuser"), Some("all"));
        assert_eq!(conf.of_chain(test, "rpcuser"), Some("tester"));
        assert_eq!(conf.rpc_port(main), Some(1));
        assert_eq!(conf.rpc_port(test), None);
        assert_eq!(conf.rpc_port(chain(Network::Regtest)), Some(3));
        assert_eq!(conf.rpc_port(chain(Network::Signet)), None);
        assert_eq!(conf.chain(), Some("signet"));
    }

    #[test]
    fn the_chain_is_named_in_either_way() {
        for (text, chain) in [
            ("chain=test", Some("test")),
            ("testnet=1", Some("test")),
            ("testnet=0", None),
            ("regtest=1\n", Some("regtest")),
            ("[main]\nregtest=1", None),
            ("", None),
        ] {
            assert_eq!(BitcoinConf::parse(text).chain(), chain, "{text}");
        }
    }
}
