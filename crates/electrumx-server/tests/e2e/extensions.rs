//! Methods beyond the protocol, against what the node says.

use electrumx_protocol::EXTENSIONS;
use electrumx_testkit::Truth;
use serde_json::{Value, json};

use crate::common::Setup;

#[test]
fn extensions_agree_with_the_node() {
    let setup = Setup::start().unwrap();
    let node = &setup.node;
    // Known keys: the answers of an address that many blocks pay to, of one that one block pays to, and of none.
    let paid = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    let once = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";
    let never = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry";
    node.call("generatetoaddress", &[json!(4), json!(paid)]).unwrap();
    node.call("generatetoaddress", &[json!(1), json!(once)]).unwrap();
    setup.settle(&mut Truth::default()).unwrap();
    let mut client = setup.client().unwrap();
    let mut ask =
        |method: &str, params: Value| client.call(&format!("blockchain.{method}"), params).unwrap();

    // Addresses are their scripts.
    for address in [paid, once, never] {
        let info = node.call("validateaddress", &[json!(address)]).unwrap();
        let script: bitcoin::ScriptBuf =
            bitcoin::ScriptBuf::from_hex(info["scriptPubKey"].as_str().unwrap()).unwrap();
        let hash = electrumx_core::ScriptHash::of_script(script.as_bytes()).to_string();
        assert_eq!(ask("address.get_scripthash", json!([address])), json!(hash));
        for method in ["get_balance", "get_history", "get_mempool", "listunspent", "subscribe"] {
            let by_hash = ask(&format!("scripthash.{method}"), json!([hash]));
            let by_address = ask(&format!("address.{method}"), json!([address]));
            assert_eq!(by_address, by_hash, "{method} {address}");
        }
        let status = ask("scripthash.get_status", json!([hash]));
        assert_eq!(status, ask("scripthash.subscribe", json!([hash])), "{address}");
        assert_eq!(ask("address.unsubscribe", json!([address])), json!(true));
        assert_eq!(ask("address.unsubscribe", json!([address])), json!(false));

        let history = ask("scripthash.get_history", json!([hash]));
        let first = ask("scripthash.get_first_use", json!([hash]));
        assert_eq!(ask("address.get_first_use", json!([address])), first);
        match history.get(0) {
            None => assert_eq!(first, Value::Null),
            Some(entry) => {
                let height = entry["height"].as_u64().unwrap();
                let block = node.block_hash(u32::try_from(height).unwrap()).unwrap().to_string();
                let txid = &entry["tx_hash"];
                assert_eq!(first, json!({"block_hash": block, "height": height, "tx_hash": txid}));
                assert_eq!(ask("transaction.get_height", json!([txid])), json!(height));
                let block = json!({"block_hash": block, "block_height": height});
                let raw = node.call("getblockheader", &[block["block_hash"].clone(), json!(false)]);
                assert_eq!(ask("transaction.get_confirmed_blockhash", json!([txid])), block);
                let mut with_header = block;
                with_header["block_header"] = raw.unwrap();
                let answer = ask("transaction.get_confirmed_blockhash", json!([txid, true]));
                assert_eq!(answer, with_header);
                let output = node.call("gettxout", &[txid.clone(), json!(0)]).unwrap();
                let info = ask("utxo.get_info", json!([txid, 0]));
                assert_eq!(info["confirmed_height"], json!(height));
                assert_eq!(info["scripthash"], json!(hash));
                let coins = output["value"].as_f64().unwrap();
                assert!((info["value"].as_f64().unwrap() / 1e8 - coins).abs() < 1e-9);
                assert_eq!(ask("utxo.get_info", json!([txid, 7])), Value::Null);
            }
        }
    }
    let unknown = "11".repeat(32);
    assert_eq!(ask("transaction.get_height", json!([unknown])), Value::Null);
    assert_eq!(ask("utxo.get_info", json!([unknown, 0])), Value::Null);

    // Headers, by height and by hash.
    for height in 0..=5_u32 {
        let hash = node.block_hash(height).unwrap().to_string();
        let raw = node.call("getblockheader", &[json!(hash), json!(false)]).unwrap();
        let expected = json!({"height": height, "hex": raw});
        assert_eq!(ask("header.get", json!([height])), expected);
        assert_eq!(ask("header.get", json!([hash])), expected);
    }
    assert_eq!(ask("headers.get_tip", json!([])), ask("headers.subscribe", json!([])));
    assert_eq!(ask("headers.unsubscribe", json!([])), json!(true));
    assert_eq!(ask("headers.unsubscribe", json!([])), json!(false));

    // What does not exist is an error, and everything is listed.
    for (method, params) in [
        ("header.get", json!([6])),
        ("header.get", json!([unknown])),
        ("transaction.get_confirmed_blockhash", json!([unknown])),
        ("address.get_balance", json!(["nonsense"])),
        ("address.get_balance", json!(["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"])),
    ] {
        let error = client.call(&format!("blockchain.{method}"), params).unwrap_err();
        assert_eq!(error.code(), Some(1), "{method}: {error}");
    }
    let features = client.call("server.features", json!([])).unwrap();
    let names: Vec<_> = EXTENSIONS.iter().map(|method| method.name).collect();
    assert_eq!(features["extensions"], json!(names));
}
