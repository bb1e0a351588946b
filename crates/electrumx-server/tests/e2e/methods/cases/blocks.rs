//! `blockchain.block.*`, `blockchain.headers.*`.

use anyhow::Result;
use electrumx_protocol::ProtocolVersion;
use serde_json::{Value, json};

use super::super::world::{TIP, World};
use super::{Case, Cases, Expected, unknown};
use crate::common::tip_json;

pub(super) fn fill(world: &World, version: ProtocolVersion, cases: &mut Cases) -> Result<()> {
    match cases.method {
        "blockchain.block.header" => header(world, cases),
        "blockchain.block.headers" => headers(world, version, cases),
        "blockchain.headers.subscribe" => {
            // Again is no other.
            for params in [json!([]), json!({}), json!([])] {
                cases.result(params, tip_json(&world.truth));
            }
        }
        "blockchain.headers.get_tip" => {
            cases.result(json!([]), tip_json(&world.truth));
            cases.result(json!({}), tip_json(&world.truth));
        }
        "blockchain.headers.unsubscribe" => {
            // The calls of `subscribe` that came before this left a subscription.
            cases.boolean(json!([]));
            cases.result(json!([]), json!(false));
            let (method, params) = ("blockchain.headers.subscribe", json!([]));
            let expected = Expected::Result(tip_json(&world.truth));
            cases.list.push(Case { method, params, expected });
            cases.result(json!({}), json!(true));
            cases.result(json!([]), json!(false));
        }
        _ => return unknown(cases),
    }
    Ok(())
}

fn header(world: &World, cases: &mut Cases) {
    for height in [0, 1, TIP - 1, TIP] {
        cases.result(json!([height]), json!(world.header(height)));
    }
    cases.result(json!({"height": "5", "cp_height": null}), json!(world.header(5)));
    cases.result(json!(["5", "0"]), json!(world.header(5)));
    for (height, cp) in [(0, 1), (1, 1), (5, 8), (8, 8), (0, TIP), (77, TIP), (TIP, TIP)] {
        let (branch, root) = world.truth.header_proof(height, cp);
        let expected = json!({"header": world.header(height), "branch": branch, "root": root});
        cases.result(json!([height, cp]), expected);
    }
    for (height, text) in [
        (u64::from(TIP) + 1, "109"),
        (1_000_000, "1,000,000"),
        (1 << 32, "4,294,967,296"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        cases.error(json!([height]), 1, format!("height {text} out of range"));
    }
    for (height, cp) in [(6, 5), (TIP + 1, TIP), (0, TIP + 1), (TIP, TIP + 1), (TIP + 1, TIP + 1)] {
        cases.error(json!([height, cp]), 1, proof_text(height, cp));
    }
}

fn proof_text(height: u32, cp: u32) -> String {
    format!("require header height {height} <= cp_height {cp} <= chain height {TIP}")
}

fn headers(world: &World, version: ProtocolVersion, cases: &mut Cases) {
    let answer = |start: u32, count: u32| -> Value {
        let end = (start + count).min(TIP + 1);
        let all: Vec<_> = (start..end).map(|height| world.header(height)).collect();
        let mut answer = json!({"count": all.len(), "max": 2016});
        if version < ProtocolVersion::V1_6 {
            answer["hex"] = json!(all.concat());
        } else {
            answer["headers"] = json!(all);
        }
        answer
    };
    for (start, count) in [
        (0, 2),
        (0, 0),
        (TIP, 1),
        (TIP, 10),
        (TIP + 1, 1),
        (TIP + 1, 0),
        (0, 2016),
        (0, 2017),
        (TIP - 1, 5000),
        (9_999_999, 5),
    ] {
        cases.result(json!([start, count]), answer(start, count));
    }
    cases.result(json!([u64::from(u32::MAX) + 1, 1]), answer(TIP + 1, 0));
    cases.result(json!([0, u64::MAX]), answer(0, 2016));
    cases.result(json!({"count": "3", "start_height": "1"}), answer(1, 3));
    // The proof is that of the last header returned; without headers there is none, whatever is asked for.
    for (start, count, cp) in
        [(0, 2, 1), (3, 4, TIP), (TIP - 2, 10, TIP), (0, 0, 3), (TIP + 1, 5, TIP + 5)]
    {
        let mut expected = answer(start, count);
        if let Some(last) = expected["count"].as_u64().and_then(|count| count.checked_sub(1)) {
            let last = start + u32::try_from(last).expect("as few as asked for");
            let (branch, root) = world.truth.header_proof(last, cp);
            expected["branch"] = json!(branch);
            expected["root"] = json!(root);
        }
        cases.result(json!([start, count, cp]), expected);
    }
    cases.error(json!([0, 3, 1]), 1, proof_text(2, 1));
    cases.error(json!([0, 1, TIP + 1]), 1, proof_text(0, TIP + 1));
    cases.error(json!([TIP, 10, TIP - 1]), 1, proof_text(TIP, TIP - 1));
}
