//! How to log.

use super::note::Notes;
use super::settings::Settings;
use super::surroundings::Surroundings;
use super::variables::{LOG_FORMAT, LOG_LEVEL};

/// How to log; for [`telemetry::init`](crate::telemetry::init).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `LOG_LEVEL`: filter directives in the syntax of `tracing_subscriber::EnvFilter`. Default `info`.
    pub filter: String,
    /// `LOG_FORMAT`. Default: journal where systemd takes the log, else plain.
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, module, text.
    Plain,
    /// For systemd's journal, which notes time and priority itself: `<6>` instead of time and level.
    Journal,
    /// One JSON object a line.
    Json,
}

impl LogConfig {
    pub(crate) fn read(settings: &mut Settings, around: &Surroundings, notes: &mut Notes) -> Self {
        let level = settings.text(&LOG_LEVEL).unwrap_or("info");
        let filter = match level.to_lowercase().as_str() {
            // Python's names, which ElectrumX takes.
            "warning" => "warn".into(),
            "critical" | "fatal" => "error".into(),
            "notset" => "trace".into(),
            plain if plain.chars().all(char::is_alphanumeric) => plain.to_owned(),
            _ => level.to_owned(),
        };
        let levels = ["error", "warn", "info", "debug", "trace", "off"];
        let one_word = filter.chars().all(char::is_alphanumeric);
        if one_word && !levels.contains(&filter.as_str())
            || tracing_subscriber::EnvFilter::try_new(&filter).is_err()
        {
            let known = "use error, warn, info, debug or trace, or filters such as info,electrumx_daemon=debug";
            settings.problem(&LOG_LEVEL, format!("{filter:?} is no level; {known}"));
        }
        Self { filter, format: Self::read_format(settings, around, notes) }
    }

    fn read_format(settings: &mut Settings, around: &Surroundings, notes: &mut Notes) -> LogFormat {
        let under_systemd = around.variable("JOURNAL_STREAM").is_some();
        let default = if under_systemd { LogFormat::Journal } else { LogFormat::Plain };
        match settings.text(&LOG_FORMAT).map(str::to_lowercase).as_deref() {
            None => default,
            Some("plain") => LogFormat::Plain,
            Some("journal") => LogFormat::Journal,
            Some("json") => LogFormat::Json,
            // An operator's setting for ElectrumX.
            Some(python) if python.contains("%(") => {
                notes.info(
                    "LOG_FORMAT is ignored: it is a format of Python; use plain, journal or json",
                );
                default
            }
            Some(other) => {
                settings
                    .problem(&LOG_FORMAT, format!("{other:?} is none of plain, journal and json"));
                default
            }
        }
    }
}
