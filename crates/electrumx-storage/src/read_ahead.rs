//! Having the system read many pages at once that would be waited for one after the other.

use std::time::{Duration, Instant};

/// Lookups after which the clock tells whether the disk had to be waited for.
const PROBE: usize = 32;

/// When they take longer than this, not all was in memory.
const SLOW_RUN: Duration = Duration::from_micros(128);

/// Lookups that are prepared together, and how many times until it is tried again without.
const WINDOW: usize = 4096;
const WINDOWS: usize = 16;

/// Looks up items in runs, which are prepared only where lookups have turned out to be slow: preparing costs as much as
/// a lookup in memory.
pub(crate) fn in_runs<T, E>(
    mut items: &[T],
    mut prepare: impl FnMut(&[T]) -> Result<(), E>,
    mut look_up: impl FnMut(&T) -> Result<(), E>,
) -> Result<(), E> {
    let mut slow_windows = 0;
    while !items.is_empty() {
        let is_slow = slow_windows > 0;
        let (run, rest) = items.split_at(items.len().min(if is_slow { WINDOW } else { PROBE }));
        if is_slow {
            prepare(run)?;
            slow_windows -= 1;
        }
        // A short list is not worth a look at the clock.
        let began = (!is_slow && !rest.is_empty()).then(Instant::now);
        run.iter().try_for_each(&mut look_up)?;
        if began.is_some_and(|began| began.elapsed() > SLOW_RUN) {
            slow_windows = WINDOWS;
        }
        items = rest;
    }
    Ok(())
}

/// Gathers rows of a mapped file that will be read, and has pages that lie together read at once.
#[derive(Default, Debug)]
pub(crate) struct Wanted(Option<(usize, usize)>);

/// Bytes between two rows that are read as well rather than being asked for twice.
const GAP: usize = 16 << 10;

impl Wanted {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: &[u8]) {
        let start = row.as_ptr().addr();
        let end = start + row.len();
        self.0 = match self.0 {
            Some((first, last)) if start >= last && start - last <= GAP => Some((first, end)),
            _ => {
                self.ask();
                Some((start, end))
            }
        };
    }

    /// Asks for what was added last.
    pub(crate) fn ask(&mut self) {
        if let Some((start, end)) = self.0.take() {
            will_need(start, end);
        }
    }
}

#[cfg(unix)]
fn will_need(start: usize, end: usize) {
    let page = rustix::param::page_size();
    let start = start / page * page;
    #[expect(unsafe_code, reason = "the call takes an address; see the SAFETY comment")]
    // SAFETY: the advice changes nothing in memory, whatever the address; where nothing is mapped it is an error.
    // It is only a wish, so an error does not matter.
    let _ = unsafe {
        rustix::mm::madvise(
            std::ptr::without_provenance_mut(start),
            end - start,
            rustix::mm::Advice::WillNeed,
        )
    };
}

#[cfg(not(unix))]
fn will_need(_start: usize, _end: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks up numbers below `count`; those for which `is_slow` take a while. Returns which were prepared, in runs.
    fn prepared(count: usize, is_slow: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
        let items: Vec<usize> = (0..count).collect();
        let (mut runs, mut found) = (Vec::new(), Vec::new());
        let prepare = |run: &[usize]| {
            runs.push(run.to_vec());
            Ok::<_, ()>(())
        };
        let done = in_runs(&items, prepare, |item| {
            if is_slow(*item) {
                std::thread::sleep(SLOW_RUN);
            }
            found.push(*item);
            Ok(())
        });
        assert_eq!((done, found), (Ok(()), items), "all are looked up, in order");
        runs
    }

    #[test]
    fn what_follows_a_slow_run_is_prepared_for_a_while() {
        let end = PROBE + WINDOW * WINDOWS;
        let runs = prepared(end + PROBE, |item| item == 3);
        assert_eq!(runs.concat(), (PROBE..end).collect::<Vec<_>>());
        assert_eq!(runs.len(), WINDOWS);
        // Not prepared, found to be slow, prepared again.
        let runs = prepared(end + PROBE + 7, |item| item == 3 || item == end + 1);
        assert_eq!(
            runs.last().map(Vec::as_slice),
            Some(&*(end + PROBE..end + PROBE + 7).collect::<Vec<_>>())
        );
    }

    #[test]
    fn a_short_list_is_not_prepared() {
        assert_eq!(prepared(PROBE, |_| true), [[0_usize; 0]; 0]);
        assert_eq!(prepared(0, |_| true), [[0_usize; 0]; 0]);
    }

    #[test]
    fn an_error_ends_it() {
        let mut looked_up = 0;
        let done = in_runs(
            &[1, 2, 3],
            |_| Ok(()),
            |item| {
                looked_up += 1;
                if *item == 2 { Err("two") } else { Ok(()) }
            },
        );
        assert_eq!((done, looked_up), (Err("two"), 2));
        let slow = |_: &_| {
            std::thread::sleep(SLOW_RUN);
            Ok(())
        };
        assert_eq!(in_runs(&[0; PROBE + 1], |_| Err("no"), slow), Err("no"));
    }

    #[test]
    fn rows_that_lie_together_are_asked_for_together() {
        let memory = vec![0; 3 * GAP];
        let address = |at: usize| memory.as_ptr().addr() + at;
        let mut wanted = Wanted::default();
        wanted.add(&memory[..100]);
        wanted.add(&memory[GAP..GAP + 10]);
        assert_eq!(wanted.0, Some((address(0), address(GAP + 10))));
        wanted.add(&memory[2 * GAP + 11..2 * GAP + 20]);
        assert_eq!(wanted.0, Some((address(2 * GAP + 11), address(2 * GAP + 20))));
        wanted.add(&memory[5..6]);
        assert_eq!(wanted.0, Some((address(5), address(6))));
        wanted.ask();
        assert_eq!(wanted.0, None);
    }
}
