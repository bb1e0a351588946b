//! The values given for variables, and where each comes from.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::Problem;
use super::variable::Variable;

/// Where a value comes from. Later ones hide earlier ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A line of the file given by `--config`.
    File { path: PathBuf, line: usize },
    /// The process environment.
    Environment,
    /// The command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "line {line} of {}", path.display()),
            Self::Environment => f.write_str("the environment"),
            Self::Flag(flag) => write!(f, "the command line (--{flag})"),
        }
    }
}

/// A value as given.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// The values given, of which the highest-ranking one of each variable is kept, and what is wrong with them.
///
/// An empty value stands for the default: it hides a lower-ranking value.
#[derive(Default)]
pub(crate) struct Settings {
    given: HashMap<&'static str, Given>,
    problems: Vec<Problem>,
}

impl Settings {
    /// Notes a value, which hides what was noted before. Call in order of rank, lowest first.
    pub(crate) fn give(&mut self, variable: &Variable, value: &str, origin: Origin) {
        let value = value.trim().to_owned();
        self.given.insert(variable.name, Given { value, origin });
    }

    /// Returns the value, unless it is missing or empty.
    pub(crate) fn text(&self, variable: &Variable) -> Option<&str> {
        self.given.get(variable.name).map(|given| given.value.as_str()).filter(|v| !v.is_empty())
    }

    /// Returns the value as a path.
    pub(crate) fn path(&self, variable: &Variable) -> Option<PathBuf> {
        self.text(variable).map(PathBuf::from)
    }

    /// Returns where the value comes from; `None` when it is missing or empty.
    pub(crate) fn origin(&self, variable: &Variable) -> Option<&Origin> {
        self.text(variable)?;
        self.given.get(variable.name).map(|given| &given.origin)
    }

    /// Returns a boolean. Unlike in ElectrumX `0`, `no`, `false` and `off` mean false; any other text means true.
    pub(crate) fn boolean(&self, variable: &Variable, default: bool) -> bool {
        self.given.get(variable.name).map_or(default, |given| {
            let value = given.value.to_lowercase();
            !["", "0", "no", "false", "off"].contains(&value.as_str())
        })
    }

    /// Returns a number within a range; another value is a problem. As in ElectrumX `1_000` is a thousand.
    pub(crate) fn number<T>(
        &mut self,
        variable: &Variable,
        default: T,
        range: RangeInclusive<T>,
    ) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let Some(text) = self.text(variable) else { return default };
        match text.replace('_', "").parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (from, to) = range.into_inner();
                let what = format!("{text:?} is not a whole number from {from} to {to}");
                self.problem(variable, what);
                default
            }
        }
    }

    /// Notes what is wrong with a variable's value.
    pub(crate) fn problem(&mut self, variable: &Variable, what: impl Into<String>) {
        let origin = self.origin(variable).cloned();
        self.problems.push(Problem { variable: variable.name, origin, what: what.into() });
    }

    /// Notes a problem of a name that is no variable.
    pub(crate) fn problem_of_name(&mut self, name: &'static str, origin: Origin, what: &str) {
        self.problems.push(Problem { variable: name, origin: Some(origin), what: what.into() });
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::variables::{ALLOW_ROOT, CACHE_MB};

    #[test]
    fn no_means_no() {
        for (value, meaning) in [
            ("", false),
            ("  ", false),
            ("0", false),
            ("No", false),
            ("FALSE", false),
            ("off", false),
            ("1", true),
            ("yes", true),
            ("anything", true),
        ] {
            let mut settings = Settings::default();
            settings.give(&ALLOW_ROOT, value, Origin::Environment);
            assert_eq!(settings.boolean(&ALLOW_ROOT, true), meaning, "{value:?}");
        }
        assert!(Settings::default().boolean(&ALLOW_ROOT, true));
    }

    #[test]
    fn numbers_are_read_as_electrumx_reads_them() {
        for (value, number, problems) in [
            (" 1_200 ", 1200_u32, 0),
            ("+7", 7, 0),
            ("", 5, 0),
            ("0", 5, 1),
            ("-1", 5, 1),
            ("1e3", 5, 1),
            ("99999999999999999999", 5, 1),
        ] {
            let mut settings = Settings::default();
            settings.give(&CACHE_MB, value, Origin::Environment);
            assert_eq!(settings.number(&CACHE_MB, 5, 1..=5000), number, "{value:?}");
            assert_eq!(settings.into_problems().len(), problems, "{value:?}");
        }
    }
}
