//! When to read on the threads that serve all sessions.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A read that takes longer had to wait, for the disk or for the processor.
const SLOW: Duration = Duration::from_micros(250);

/// After a read that waited for the disk none is made for so many times as long: a twentieth of the time is spent waiting.
const REST: u32 = 20;

/// Longest rest for a page that was waited for, however long the read took: the disk is not to blame for more.
const REST_FOR_PAGE: Duration = Duration::from_millis(100);

/// Whether reads are quick at present.
///
/// Reads of what the system has in memory take microseconds, less than handing them to another thread does. Before it has, a
/// page takes from 0.1 ms (flash) to 10 ms (a spinning disk), and meanwhile the thread serves nobody. Waiting for the
/// processor is another matter: two threads would only wait longer for it.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    /// Nanoseconds after `since` until which there is rest.
    rest_until: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { since: Instant::now(), rest_until: AtomicU64::new(0) }
    }
}

impl Pace {
    /// Makes a read, unless one was slow a short while ago.
    pub(crate) fn take<T>(&self, read: impl FnOnce() -> T) -> Option<T> {
        let began = Instant::now();
        if self.nanos(began) < self.rest_until.load(Relaxed) {
            return None;
        }
        let done = read();
        let took = began.elapsed();
        if took > SLOW {
            let until = began + took + rest(took, pages_waited_for());
            self.rest_until.fetch_max(self.nanos(until), Relaxed);
        }
        Some(done)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from((at - self.since).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Returns how long to rest after a slow read.
fn rest(took: Duration, pages: u32) -> Duration {
    (took * REST).min(REST_FOR_PAGE.saturating_mul(pages))
}

thread_local! {
    /// How often this thread had to wait for a page from the disk, as far as is known.
    static FAULTS: Cell<u64> = const { Cell::new(0) };
}

/// Returns how many pages this thread had to wait for since the last call. Takes some microseconds. Where the system does not
/// tell it is the largest number.
fn pages_waited_for() -> u32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat");
    match stat.ok().and_then(|stat| major_faults(&stat)) {
        Some(faults) => {
            u32::try_from(faults - FAULTS.replace(faults).min(faults)).unwrap_or(u32::MAX)
        }
        None => u32::MAX,
    }
}

/// The 12th field of `proc_pid_stat(5)`. The 2nd is a name in parentheses, which may hold anything.
fn major_faults(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(9)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_disk_is_followed_by_rest_and_waiting_for_the_processor_is_not() {
        let millis = Duration::from_millis;
        assert_eq!(rest(millis(500), 0), Duration::ZERO, "kept from running");
        assert_eq!(rest(millis(1), 3), millis(20), "flash");
        assert_eq!(rest(millis(50), 5), millis(500), "a spinning disk");
        assert_eq!(rest(millis(500), 1), millis(100), "kept from running, and a page");
        assert_eq!(rest(millis(500), u32::MAX), millis(10_000), "who knows");
    }

    #[test]
    fn a_rest_is_kept_and_ends() {
        let pace = Pace::default();
        assert_eq!(pace.take(|| 1), Some(1));
        pace.rest_until.store(u64::MAX, Relaxed);
        assert_eq!(pace.take(|| 2), None);
        pace.rest_until.store(pace.nanos(Instant::now()), Relaxed);
        assert_eq!(pace.take(|| 3), Some(3));
    }

    #[test]
    fn faults_are_read_behind_any_name() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 70 8 90 10 11";
        assert_eq!(major_faults(stat), Some(90));
        assert_eq!(major_faults("7 (a"), None);
    }
}
