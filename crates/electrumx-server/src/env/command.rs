//! The command line.

use clap::{Arg, ArgMatches, Command};

use super::settings::{Origin, Settings};
use super::variable::{Group, Status, Variable};
use super::variables::ALL;
use crate::tasks::Task;

const ABOUT: &str = "\
An Electrum server: follows a Bitcoin node, indexes its chain by script, and answers Electrum wallets.

Without any setting it serves the node of this machine to the wallets of this machine.";

const AFTER_HELP: &str = "\
Every setting can be given as a flag, as an environment variable, or as a line NAME=value of the file given \
with --config (the format of systemd's EnvironmentFile). Flags come before the environment, the environment \
comes before the file. An empty value stands for the default. BOOL: 0, no, false, off and nothing at all mean \
false, all else means true.

Examples:
  electrumx-server                                  the local node, wallets of this machine only
  electrumx-server --net signet                     the local node's signet
  electrumx-server --services tcp://:50001,rpc://   wallets from everywhere
  electrumx-server --config /etc/electrumx.conf     settings from a file
  DAEMON_URL=http://user:password@192.0.2.7:8332/ DB_DIRECTORY=/srv/electrumx electrumx-server

State of a running server: electrumx-rpc getinfo";

/// Id of the flag that names the configuration file.
const CONFIG: &str = "config";

/// Describes the command line.
pub(crate) fn command() -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .global(true)
        .help("Reads settings from a file with lines NAME=value.");
    let mut command = Command::new(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .subcommand_help_heading("Commands (without one it serves)")
        .disable_help_subcommand(true)
        .arg(config);
    for group in Group::ALL {
        let variables = ALL.iter().filter(|variable| variable.group == group);
        command = command.args(variables.map(argument));
    }
    for (name, _, about) in TASKS {
        command = command.subcommand(Command::new(name).about(about));
    }
    command
}

/// Names of what can be done besides serving.
const TASKS: [(&str, Task, &str); 3] = [
    (
        "check",
        Task::Check,
        "Reads the whole index and says whether it is sound (the server must not run)",
    ),
    (
        "compact",
        Task::Compact,
        "Folds the part of the index for new blocks into the compact part (for a running server: electrumx-rpc compact)",
    ),
    ("stats", Task::Stats, "Shows the sizes of the index's tables (the server must not run)"),
];

/// Returns what is to be done besides serving.
pub(crate) fn task(matches: &ArgMatches) -> Option<Task> {
    let name = matches.subcommand_name()?;
    TASKS.iter().find(|(known, ..)| *known == name).map(|(_, task, _)| *task)
}

fn argument(variable: &Variable) -> Arg {
    let mut help = format!("{} [env: {}]", variable.help, variable.name);
    if !variable.default.is_empty() {
        help += &format!(" [default: {}]", variable.default);
    }
    match variable.status {
        Status::Used => {}
        Status::Later(belongs_to) => help += &format!(" [not used yet: {belongs_to}]"),
        Status::Ignored(why) => help += &format!(" [ignored: {why}]"),
    }
    let arg = Arg::new(variable.name)
        .long(variable.flag())
        .value_name(variable.value)
        .help_heading(variable.group.title())
        .hide_short_help(variable.status != Status::Used)
        .global(true)
        .help(help);
    if variable.boolean {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        // Values such as -1 are to be refused by name.
        arg.allow_hyphen_values(true)
    }
}

/// Returns the file that `--config` names.
pub(crate) fn config_file(matches: &ArgMatches) -> Option<&String> {
    matches.get_one(CONFIG)
}

/// Notes the flags given.
pub(crate) fn give_flags(matches: &ArgMatches, settings: &mut Settings) {
    for variable in ALL {
        if let Some(value) = matches.get_one::<String>(variable.name) {
            settings.give(variable, value, Origin::Flag(variable.flag()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_variable_is_shown_once_and_under_a_heading() {
        let help = command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for variable in ALL {
            let found = help.matches(&format!("[env: {}]", variable.name)).count();
            assert_eq!(found, 1, "{}", variable.name);
            assert!(help.contains(&format!("{}:", variable.group.title())));
        }
    }
}
