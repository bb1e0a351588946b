//! What is wrong with a configuration.

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use super::settings::Origin;

/// Why there is no configuration to start with.
#[derive(Debug)]
#[non_exhaustive]
pub enum EnvError {
    /// The command line is wrong, or asks for the help text or the version.
    Cli(clap::Error),
    /// The file given by `--config` cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Values that cannot be used: all of them, so that they can be corrected at once.
    Problems(Vec<Problem>),
}

/// A variable whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// Where its value was given; `None` when it is missing.
    pub(crate) origin: Option<Origin>,
    /// What is wrong, and what to do.
    pub what: String,
}

impl EnvError {
    /// Returns the exit code to end with: 0 after the help text, 2 for a wrong command line, 78
    /// (`EX_CONFIG`, after which systemd units commonly are not restarted) for a wrong configuration.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Cli(error) => error.exit_code(),
            Self::File { .. } | Self::Problems(_) => 78,
        }
    }

    /// Prints the error (the help text to standard output) and ends the process.
    pub fn exit(&self) -> ! {
        // Nothing can be done when the terminal is gone.
        let _ = match self {
            Self::Cli(error) => error.print(),
            _ => writeln!(std::io::stderr(), "error: {self}"),
        };
        std::process::exit(self.exit_code())
    }
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cli(error) => error.fmt(f),
            Self::File { path, source } => {
                write!(f, "cannot read the configuration file {}: {source}", path.display())
            }
            Self::Problems(problems) => {
                match problems.len() {
                    1 => f.write_str("the configuration has a problem:")?,
                    n => write!(f, "the configuration has {n} problems:")?,
                }
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))?;
                f.write_str("\n(--help describes all settings)")
            }
        }
    }
}

impl std::error::Error for EnvError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable)?;
        if let Some(origin) = &self.origin {
            write!(f, " from {origin}")?;
        }
        write!(f, ": {}", self.what)
    }
}
