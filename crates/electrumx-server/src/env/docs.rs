//! `docs/configuration.md` against the variables.

use std::fmt::Write as _;

use super::variable::{Group, Status};
use super::variables::{ALL, OBSOLETE};

const BEGIN: &str =
    "<!-- variables: made from the code; UPDATE_DOCS=1 cargo test -p electrumx-server docs -->\n";
const END: &str = "<!-- end -->";

/// With `UPDATE_DOCS` set it brings the document up to date.
#[test]
fn the_document_lists_every_variable_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the tables is marked");
    let (have, after) = rest.split_once(END).expect("the end of the tables is marked");
    let expected = tables();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert!(have == expected, "docs/configuration.md is out of date: set UPDATE_DOCS=1");
    }
}

fn tables() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        writeln!(
            text,
            "\n### {}\n\n| variable, flag | default | meaning |\n|---|---|---|",
            group.title()
        )
        .unwrap();
        for variable in ALL.iter().filter(|variable| variable.group == group) {
            let status = match variable.status {
                Status::Used => String::new(),
                Status::Later(belongs_to) => format!(" *Not used yet: {belongs_to}.*"),
                Status::Ignored(why) => format!(" *Ignored: {why}.*"),
            };
            let (name, flag) = (variable.name, variable.flag());
            let help = variable.help.replace('|', "\\|");
            writeln!(text, "| `{name}` `--{flag}` | {} | {help}{status} |", variable.default)
                .unwrap();
        }
    }
    text += "\n### Obsolete\n\n| variable | instead |\n|---|---|\n";
    for (name, instead) in OBSOLETE {
        writeln!(text, "| `{name}` | {instead} |").unwrap();
    }
    text + "\n"
}
