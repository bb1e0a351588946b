//! Waiting for something another process does.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// Calls `probe` until it succeeds, at most for `timeout`; afterwards the error tells the last state.
///
/// ```
/// # use std::time::Duration;
/// let mut n = 0;
/// let got = electrumx_testkit::wait_until(Duration::from_secs(5), "three", || {
///     n += 1;
///     anyhow::ensure!(n == 3, "at {n}");
///     Ok(n)
/// });
/// assert_eq!(got.unwrap(), 3);
/// ```
///
/// # Errors
/// When the time is over: what was waited for, and the last error of `probe`.
pub fn wait_until<T>(
    timeout: Duration,
    what: &str,
    mut probe: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        match probe() {
            Ok(done) => return Ok(done),
            Err(state) if start.elapsed() >= timeout => {
                return Err(anyhow!("waited {timeout:?} for {what}; last state: {state:#}"));
            }
            Err(_) => std::thread::sleep(pause),
        }
        // Short at first for things that are nearly done, then gentle on the processor.
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
