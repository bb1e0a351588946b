//! The log: lines on standard error, above a progress bar on a terminal.

use std::fmt;
use std::io::{self, IsTerminal as _};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::env::{LogConfig, LogFormat};
use crate::progress::bar;

/// Sends the log of this process to standard error. It changes nothing when there is a log already.
pub fn init(config: &LogConfig) {
    // Env has checked the filter; of one that was made otherwise the wrong parts are skipped.
    let filter = EnvFilter::new(&config.filter);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = match config.format {
        LogFormat::Plain => {
            bar::enable();
            let log = log.with_writer(|| bar::LogWriter);
            log.with_ansi(io::stderr().is_terminal()).try_init()
        }
        LogFormat::Journal => log.with_ansi(false).event_format(Journal).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Lines as systemd wants them: a priority, no time.
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        write!(writer, "<{}>{}: ", priority(*meta.level()), meta.target())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// The priority of syslog, see `sd-daemon(3)`.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
