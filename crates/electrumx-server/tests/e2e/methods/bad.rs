//! Each wrong argument, made from the table of methods.

use anyhow::{Context as _, Result};
use electrumx_protocol::{MethodInfo, Param, ParamKind, ProtocolVersion};
use serde_json::{Value, json};

use super::cases::{Case, Expected};

/// All wrong calls of a method; `right` are right arguments, by position.
pub(crate) fn of(
    method: &'static MethodInfo,
    version: ProtocolVersion,
    right: &Value,
) -> Result<Vec<Case>> {
    let right = right.as_array().context("the first case has its arguments by position")?;
    let count = method.params.len();
    let case = |params: Value, expected| Case { method: method.name, params, expected };
    let mut cases: Vec<Case> = [json!(5), json!("x"), Value::Null, json!(true)]
        .into_iter()
        .map(|params| case(params, invalid("params is an array or an object")))
        .collect();
    // Further arguments of the version call are ignored, and what a second one asks for does not count.
    if method.name == "server.version" {
        return Ok(cases);
    }
    let too_many: Value = std::iter::repeat_n(Value::Null, count + 1).collect();
    cases.push(case(too_many, invalid(&format!("too many arguments: at most {count}"))));
    cases.push(case(json!({"nonsense": 1}), invalid("unknown argument: nonsense")));
    let required = method.params.iter().filter(|param| param.default.is_none());
    for (index, param) in required.enumerate() {
        let text = format!("missing argument: {}", param.name);
        cases.push(case(right[..index].into(), invalid(&text)));
    }
    // Below 1.7 a ping's arguments mean nothing.
    if method.name == "server.ping" && version < ProtocolVersion::V1_7 {
        cases.push(case(json!([-1, "xyz"]), Expected::Result(Value::Null)));
        return Ok(cases);
    }
    for (index, param) in method.params.iter().enumerate() {
        for (wrong, expected) in wrong(param) {
            let mut positional = right[..right.len().min(index)].to_vec();
            // What stands before and was left out: null means its default.
            positional.resize(index, Value::Null);
            positional.push(wrong);
            let names = method.params.iter().map(|param| param.name.to_owned());
            let named: Value =
                names.zip(positional.iter().cloned()).collect::<serde_json::Map<_, _>>().into();
            let of_others = right.iter().skip(index + 1);
            let positional = positional.into_iter().chain(of_others.cloned()).collect();
            // By name, required ones behind it are missing, which is said first.
            if method.params[index + 1..].iter().all(|param| param.default.is_some()) {
                cases.push(case(named, expected.clone()));
            }
            cases.push(case(positional, expected));
        }
    }
    Ok(cases)
}

fn invalid(text: &str) -> Expected {
    Expected::Error(-32602, text.to_owned())
}

/// Wrong values of a parameter, and what they are answered.
fn wrong(param: &Param) -> Vec<(Value, Expected)> {
    let mut values = match param.kind {
        ParamKind::Integer => {
            vec![json!(-1), json!(1.5), json!("x"), json!(""), json!("-1"), json!(true), json!([1])]
        }
        ParamKind::IntegerOrMinusOne => {
            vec![json!(-2), json!(1.5), json!("x"), json!(""), json!("--1"), json!(true), json!([])]
        }
        ParamKind::Boolean => vec![json!(2), json!("true"), json!([]), json!(1.0)],
        ParamKind::Hex => vec![json!("0"), json!("zz"), json!(5), json!(["00"]), json!(" 00")],
        ParamKind::HexDigits => vec![json!("xyz"), json!(5), json!("0x")],
        ParamKind::HexList => vec![json!(5), json!("00"), json!({}), json!(["zz"]), json!([[]])],
        ParamKind::Txid | ParamKind::ScriptHash => {
            let digits = "0123456789abcdef".repeat(4);
            vec![
                json!(digits[1..]),
                json!(format!("{digits}0")),
                json!("zz".repeat(32)),
                json!(""),
                json!(5),
                json!([digits]),
            ]
        }
        ParamKind::FeeMode => vec![json!("fast"), json!("")],
        ParamKind::Object => vec![json!(5), json!([]), json!("x")],
        // Of another network, and of none.
        ParamKind::Address => vec![
            json!("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
            json!("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
            json!("nonsense"),
            json!(""),
            json!(5),
            json!([]),
        ],
        ParamKind::Block => {
            let no_hash = json!("z".repeat(64));
            vec![json!(-1), json!(1.5), json!("x"), json!(""), no_hash, json!(true), json!([1])]
        }
        ParamKind::NodeMethod => vec![json!("stop"), json!(""), json!(5), json!(["getblockhash"])],
        ParamKind::NodeParams => vec![json!(5), json!("[]"), json!(true)],
        ParamKind::Name | ParamKind::Version => Vec::new(),
    };
    // Where there is no default, null is a value like any other.
    if param.default.is_none() {
        values.push(Value::Null);
    }
    let texts = values.iter().map(|value| text(param, value)).collect::<Vec<_>>();
    let errors = texts.into_iter().map(|text| Expected::Error(1, text));
    values.into_iter().zip(errors).collect()
}

fn text(param: &Param, value: &Value) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let whole = shown(value);
    match param.kind {
        ParamKind::Integer | ParamKind::Block => {
            format!("{whole} should be a non-negative integer")
        }
        ParamKind::IntegerOrMinusOne => format!("{whole} should be a non-negative integer or -1"),
        ParamKind::Boolean => format!("\"{}\" must be a boolean", param.name),
        ParamKind::HexList => match value.as_array().and_then(|list| list.first()) {
            Some(first) => format!("{} should be a hex string", shown(first)),
            None => format!("{whole} should be a list"),
        },
        ParamKind::Hex | ParamKind::HexDigits => format!("{whole} should be a hex string"),
        ParamKind::Txid => format!("{whole} should be a transaction hash"),
        ParamKind::ScriptHash => format!("{whole} is not a valid script hash"),
        ParamKind::FeeMode => format!("unknown estimatefee mode: {whole}"),
        ParamKind::Object => format!("{whole} should be an object"),
        ParamKind::Address => format!("{whole} is not a valid address"),
        ParamKind::NodeMethod => format!("{whole} is not a method that is passed through"),
        ParamKind::NodeParams => format!("{whole} should be a list or an object"),
        ParamKind::Name | ParamKind::Version => String::new(),
    }
}
