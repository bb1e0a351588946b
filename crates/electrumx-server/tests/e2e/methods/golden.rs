//! What was answered, for people to read and to compare with.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use electrumx_testkit::RpcError;
use serde_json::{Value, json};

use super::cases::{Case, Expected};
use super::world::World;

/// Longest list that is shown whole.
const SHOWN: usize = 5;
/// Runs of hex digits from this length on that have no name are not shown.
const LONG_HEX: usize = 40;
/// What differs between versions of the node.
const NODES_WORDS: &str = "<the node's words>";
/// Hex digits of a header.
const HEADER: usize = 160;

/// The answers so far.
pub(crate) struct Golden {
    /// What hex digits stand for.
    names: HashMap<String, String>,
    /// What differs between versions of the software, and what is shown instead.
    words: Vec<(String, String)>,
    /// By method: parameters, answer, versions.
    answers: BTreeMap<String, Vec<(Value, Value, Vec<String>)>>,
}

impl Golden {
    pub(crate) fn new(world: &World) -> Self {
        Self { names: world.names(), words: world.words(), answers: BTreeMap::new() }
    }

    /// Takes an answer down.
    pub(crate) fn add(
        &mut self,
        method: &str,
        version: &str,
        case: &Case,
        answer: &Result<Value, RpcError>,
    ) {
        // Of a sequence, the calls of another method are not of interest.
        if case.method != method {
            return;
        }
        let answer = match (answer, &case.expected) {
            (Ok(_), Expected::Opaque(_)) => json!({"result": "<as the node has it>"}),
            (Ok(result), _) => json!({"result": result}),
            (Err(error), Expected::Refused { words, .. }) => {
                let text = error.message().replace(words.as_str(), NODES_WORDS);
                json!({"error": {"code": error.code(), "message": text}})
            }
            (Err(error), _) => json!({"error": {"code": error.code(), "message": error.message()}}),
        };
        self.add_message(method, version, &case.params, &answer);
    }

    /// Takes something down that was told.
    pub(crate) fn add_message(&mut self, name: &str, version: &str, asked: &Value, got: &Value) {
        let (params, answer) = (self.named(asked), self.named(got));
        let list = self.answers.entry(name.to_owned()).or_default();
        match list.iter_mut().find(|(have, same, _)| *have == params && *same == answer) {
            Some((_, _, versions)) if versions.last().is_some_and(|last| last == version) => {}
            Some((_, _, versions)) => versions.push(version.to_owned()),
            None => list.push((params, answer, vec![version.to_owned()])),
        }
    }

    /// Replaces what differs from run to run, or says nothing to people.
    fn named(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.named_text(text).into(),
            // A rate and the size of what pays it.
            Value::Array(pair) if pair.len() == 2 && pair[0].is_f64() => {
                json!(["<float>", "<integer>"])
            }
            Value::Array(list) if list.len() > SHOWN => {
                let more = format!("<{} more>", list.len() - 2);
                let (first, last) = (&list[0], &list[list.len() - 1]);
                json!([self.named(first), more, self.named(last)])
            }
            Value::Array(list) => list.iter().map(|value| self.named(value)).collect(),
            Value::Object(map) => {
                let member = |(key, value): (&String, &Value)| {
                    let value = match key.as_str() {
                        // These depend on the lengths of signatures.
                        "fee" | "vsize" => "<integer>".into(),
                        "error" | "reason" if value.is_string() => NODES_WORDS.into(),
                        _ => self.named(value),
                    };
                    (key.clone(), value)
                };
                map.iter().map(member).collect::<serde_json::Map<_, _>>().into()
            }
            // The node's rates.
            Value::Number(number) if number.is_f64() => "<float>".into(),
            other => other.clone(),
        }
    }

    fn named_text(&self, text: &str) -> String {
        let (mut shown, mut rest) = (String::new(), text);
        while let Some(first) = rest.chars().next() {
            let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
            let (token, tail) = rest.split_at(if digits > 0 { digits } else { first.len_utf8() });
            if digits < LONG_HEX {
                shown += token;
            } else {
                shown += &self.named_hex(token);
            }
            rest = tail;
        }
        let software = |text: String, (from, name): &(String, String)| text.replace(from, name);
        self.words.iter().fold(shown, software)
    }

    fn named_hex(&self, digits: &str) -> String {
        let lower = digits.to_ascii_lowercase();
        if let Some(name) = self.names.get(&lower) {
            return format!("<{name}{}>", if lower == digits { "" } else { ", upper case" });
        }
        // Several headers are one string.
        let headers: Option<Vec<_>> = (0..digits.len() / HEADER)
            .map(|i| digits.get(i * HEADER..(i + 1) * HEADER).and_then(|one| self.names.get(one)))
            .collect();
        match headers.as_deref() {
            Some([first, .., last]) if digits.len().is_multiple_of(HEADER) => {
                format!("<{first} to {last}, {} digits>", digits.len())
            }
            _ => format!("<{} hex digits>", digits.len()),
        }
    }

    /// Compares with the files, or, with `UPDATE_GOLDEN` set, writes them.
    pub(crate) fn compare(&self) -> Result<()> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/methods/golden");
        let update = std::env::var_os("UPDATE_GOLDEN").is_some();
        let mut known = std::collections::BTreeSet::new();
        for (name, answers) in &self.answers {
            let file = format!("{name}.json");
            let path = folder.join(&file);
            known.insert(file);
            let text = render(answers)?;
            if update {
                std::fs::write(&path, text)?;
                continue;
            }
            let have = std::fs::read_to_string(&path)
                .with_context(|| format!("no {}: set UPDATE_GOLDEN=1", path.display()))?;
            ensure!(
                have == text,
                "{} has another answer than this; if this is right set UPDATE_GOLDEN=1:\n{text}",
                path.display()
            );
        }
        for entry in std::fs::read_dir(&folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            ensure!(known.contains(&name), "{name} is of no method: remove it");
        }
        Ok(())
    }
}

fn render(answers: &[(Value, Value, Vec<String>)]) -> Result<String> {
    let list: Vec<Value> = answers
        .iter()
        .map(|(params, answer, versions)| {
            let mut entry = json!({"versions": versions.join(" "), "params": params});
            for (key, value) in answer.as_object().into_iter().flatten() {
                entry[key] = value.clone();
            }
            entry
        })
        .collect();
    Ok(serde_json::to_string_pretty(&list)? + "\n")
}
