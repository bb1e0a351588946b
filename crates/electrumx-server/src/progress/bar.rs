//! A progress bar under the log, where a person watches.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::meter::SyncProgress;

/// Steps of the bar.
const STEPS: u64 = 10_000;

/// A terminal has one bar, as it has one log. There is none before [`enable`].
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Whether it is on the screen.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Lets syncs of this process show a bar on standard error, if that is a terminal. The log must go through [`LogWriter`].
pub(crate) fn enable() {
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(4));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {wide_msg}") {
        bar.set_style(style.progress_chars("##-"));
    }
    // It was enabled before.
    let _ = BAR.set(bar);
}

/// Shows where a sync stands; `false` when there is no bar.
pub(super) fn show(progress: &SyncProgress) -> bool {
    let Some(bar) = BAR.get().filter(|bar| !bar.is_hidden()) else { return false };
    if !SHOWN.swap(true, Ordering::AcqRel) {
        bar.reset();
    }
    bar.set_message(progress.to_string());
    bar.set_position(position(progress.fraction));
    true
}

/// Takes the bar away: what it spoke of is over.
pub(super) fn clear() {
    if SHOWN.swap(false, Ordering::AcqRel)
        && let Some(bar) = BAR.get()
    {
        bar.finish_and_clear();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the fraction is from 0 to 1"
)]
fn position(fraction: f64) -> u64 {
    (fraction.clamp(0.0, 1.0) * STEPS as f64) as u64
}

/// Standard error, above the bar.
#[derive(Debug)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().write(bytes);
        match BAR.get().filter(|_| SHOWN.load(Ordering::Acquire)) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_fraction_is_a_place_on_the_bar() {
        for (fraction, wanted) in [(0.0, 0), (0.5, 5_000), (1.0, 10_000), (7.0, 10_000), (-1.0, 0)]
        {
            assert_eq!(position(fraction), wanted, "{fraction}");
        }
        assert_eq!(position(f64::NAN), 0);
    }
}
