//! Each method's parameters.

use electrumx_protocol::{METHODS, MethodInfo, Param, RawValue};
use serde_json::{Value, json};

use crate::served::answers;

const VERSIONS: [&str; 6] = ["1.4", "1.4.1", "1.4.2", "1.4.3", "1.6", "1.7"];

/// The first byte chooses a method, the second a version, the rest is the text of the parameters. There is exactly one
/// answer, well-formed, never an internal error; and arguments by name mean the same as arguments by position.
///
/// # Panics
/// When it is otherwise.
pub fn params(data: &[u8]) {
    let [method, version, text @ ..] = data else { return };
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let version = VERSIONS[usize::from(*version) % VERSIONS.len()];
    let Ok(text) = std::str::from_utf8(text) else { return };
    // It is a part of a line.
    if text.contains('\n') || serde_json::from_str::<&RawValue>(text).is_err() {
        return;
    }
    let answer = answer(version, &method, text);
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text)
        && list.len() <= method.params.len()
    {
        let pair = |(param, value): (&Param, &RawValue)| format!("\"{}\":{value}", param.name);
        let pairs: Vec<_> = method.params.iter().zip(list).map(pair).collect();
        let named = format!("{{{}}}", pairs.join(","));
        assert_eq!(answer, self::answer(version, &method, &named), "{named}");
    }
}

/// What a method answers: a result, or an error that is in order.
fn answer(version: &str, method: &MethodInfo, params: &str) -> Value {
    let hello = json!({"id": "hello", "method": "server.version", "params": ["fuzz", version]});
    let (name, id) = (method.name, "\"the one\"");
    let request = format!(r#"{{"id":{id},"method":"{name}","params":{params}}}"#);
    let got = answers(format!("{hello}\n{request}\n").as_bytes());
    let got = String::from_utf8(got).expect("answers are UTF-8");
    let lines: Vec<&str> = got.lines().collect();
    let [hello, answer] = lines[..] else { panic!("{} answers: {got}", lines.len()) };
    assert!(hello.contains(version), "{hello}");
    let answer: Value = serde_json::from_str(answer).expect("answers are JSON");
    let members = answer.as_object().expect("an answer is an object");
    assert_eq!((members.len(), &members["jsonrpc"]), (3, &json!("2.0")));
    assert_eq!(members["id"], "the one");
    if let Some(error) = members.get("error") {
        let code = error["code"].as_i64().expect("codes are integers");
        assert!(error["message"].is_string());
        assert!([1, 2, -32601, -32602].contains(&code), "{request}: {answer}");
        let is_offered = version.parse().is_ok_and(|version| method.is_offered(version));
        assert_eq!(code == -32601, !is_offered, "{request}: {answer}");
    } else {
        assert!(members.contains_key("result"));
    }
    answer
}
