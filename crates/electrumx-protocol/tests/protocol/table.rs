//! The table of methods against the page that shows it, and against what methods take.

use std::fmt::Write as _;

use electrumx_protocol::{EXTENSIONS, METHODS, MethodInfo, Offered};

use crate::chain::Chain;
use crate::client::{Server, config};

const BEGIN: &str =
    "<!-- methods: made from the code; UPDATE_DOCS=1 cargo test -p electrumx-protocol table -->\n";
const END: &str = "<!-- end -->";

/// With `UPDATE_DOCS` set it brings the document up to date.
#[test]
fn the_protocol_page_lists_every_method_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the table is marked");
    let (have, after) = rest.split_once(END).expect("the end of the table is marked");
    let expected = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert!(have == expected, "docs/protocol.md is out of date: set UPDATE_DOCS=1");
    }
}

fn page() -> String {
    let beyond =
        "\nBeyond the protocol, in all versions; `server.features` lists them as `extensions`:\n\n";
    let extensions = page_of(EXTENSIONS).replace("| read from |", "| answers |");
    page_of(METHODS) + beyond + &extensions
}

fn page_of(methods: &[MethodInfo]) -> String {
    let mut text = "| method | arguments | versions | read from |\n|---|---|---|---|\n".to_owned();
    for method in methods {
        let arguments: Vec<_> = method
            .params
            .iter()
            .map(|param| match param.default {
                Some(default) => format!("`{}={default}`", param.name),
                None => format!("`{}`", param.name),
            })
            .collect();
        let versions = match method.offered {
            Offered::Always => "all",
            Offered::Below17 => "below 1.7",
            Offered::From17 => "1.7",
            Offered::WhereAllowed => "where allowed",
        };
        let (arguments, source) = (arguments.join(", "), method.source);
        writeln!(text, "| `{}` | {arguments} | {versions} | {source} |", method.name).unwrap();
    }
    text
}

/// Argument lists of nulls: their number and names are checked before what they are.
fn nulls(count: usize) -> String {
    format!("[{}]", vec!["null"; count].join(","))
}

fn named_nulls<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("{{{}}}", names.map(|name| format!("\"{name}\":null")).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn methods_take_the_arguments_of_the_table_and_no_others() {
    let mut chain = Chain::new();
    chain.mine(Vec::new());
    let mut config = config();
    config.passthrough.insert("uptime".into());
    let server = Server::with(chain, config);
    for method in METHODS.iter().chain(EXTENSIONS) {
        let version = if method.offered == Offered::From17 { "1.7" } else { "1.6" };
        let mut client = server.connect();
        client.call("server.version", &format!(r#"["","{version}"]"#)).await;
        let all = method.params.iter().map(|param| param.name);
        let required = method.params.iter().filter(|param| param.default.is_none());
        let required: Vec<_> = required.map(|param| param.name).collect();

        for right in [nulls(all.len()), named_nulls(all.clone()), nulls(required.len())] {
            let answer = client.call(method.name, &right).await;
            assert!(!answer.contains("-32602"), "{}{right}: {answer}", method.name);
        }
        for (index, left_out) in required.iter().enumerate() {
            let expected = format!(r#"{{"code":-32602,"message":"missing argument: {left_out}"}}"#);
            let without = named_nulls(all.clone().filter(|name| name != left_out));
            for wrong in [nulls(index), without] {
                assert_eq!(client.call(method.name, &wrong).await, expected, "{wrong}");
            }
        }
        if method.name != "server.version" {
            refuses_others(&mut client, method).await;
        }
    }
}

async fn refuses_others(client: &mut crate::client::Client, method: &MethodInfo) {
    let count = method.params.len();
    let answer = client.call(method.name, &nulls(count + 1)).await;
    let text = format!("too many arguments: at most {count}");
    assert_eq!(answer, format!(r#"{{"code":-32602,"message":"{text}"}}"#), "{}", method.name);
    let names = method.params.iter().map(|param| param.name).chain(["others"]);
    let answer = client.call(method.name, &named_nulls(names)).await;
    let text = "unknown argument: others";
    assert_eq!(answer, format!(r#"{{"code":-32602,"message":"{text}"}}"#), "{}", method.name);
}
