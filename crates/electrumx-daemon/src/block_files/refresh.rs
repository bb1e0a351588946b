//! Learning what is in the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use electrumx_core::coin::Coin;
use parking_lot::Mutex;

use super::files::{BlockFiles, has_moved};
use super::index::Record;
use super::walk::{Walked, Walker};
use super::{BlockFilesError, directory};

/// Files walked through at once. The work is waiting for the disk, which serves several readers sooner than one.
const READERS: usize = 8;

/// Time between two looks of the observer.
const LOOK: Duration = Duration::from_millis(100);

/// Where a refresh stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScanProgress {
    /// Files done, of those that are new or have changed.
    pub files_done: usize,
    /// Files that are new or have changed.
    pub files: usize,
    /// Blocks seen in all files.
    pub blocks: usize,
}

/// How far each file has been walked through.
#[derive(Default, Debug)]
pub(super) struct Scan {
    files: BTreeMap<u32, Walked>,
}

/// A file to look at.
struct Task {
    number: u32,
    walked: Walked,
    /// Whether what is known of it is void.
    anew: bool,
}

/// What was found in it.
struct Outcome {
    task: Task,
    records: Vec<Record>,
    result: io::Result<()>,
}

impl<C: Coin> BlockFiles<C> {
    /// Learns what is new: walks through new files, goes on in files that have grown, and forgets those that are gone.
    ///
    /// The observer is called several times a second, and can end it. Calls wait for each other.
    ///
    /// # Errors
    /// When the directory or a file cannot be read (what the others hold is known then), or the observer ended it.
    pub fn refresh(
        &self,
        observe: &mut dyn FnMut(ScanProgress) -> ControlFlow<()>,
    ) -> Result<(), BlockFilesError> {
        let mut scan = loop {
            // Another refresh may take its time.
            if let Some(scan) = self.scan.try_lock_for(LOOK) {
                break scan;
            }
            let nothing = ScanProgress { files_done: 0, files: 0, blocks: self.len() };
            if observe(nothing).is_break() {
                return Err(BlockFilesError::Cancelled);
            }
        };
        let numbers = directory::list(self.dir())?;
        let is_gone = |number: &u32| numbers.binary_search(number).is_err();
        let gone: Vec<u32> = scan.files.keys().copied().filter(is_gone).collect();
        for number in gone {
            scan.files.remove(&number);
            self.forget(number);
        }
        let tasks = numbers.into_iter().filter_map(|number| self.task(&scan, number)).collect();
        self.run(&mut scan, tasks, observe)?;
        self.scanned.store(true, Ordering::Release);
        Ok(())
    }

    /// Walks through one file from its beginning: it does not hold what it did.
    pub(super) fn rescan(&self, number: u32) -> Result<(), BlockFilesError> {
        let mut scan = self.scan.lock();
        scan.files.remove(&number);
        let tasks = vec![Task { number, walked: Walked::default(), anew: true }];
        self.run(&mut scan, tasks, &mut |_| ControlFlow::Continue(()))
    }

    /// Returns what is to be done about a file.
    fn task(&self, scan: &Scan, number: u32) -> Option<Task> {
        let Some(walked) = scan.files.get(&number) else {
            return Some(Task { number, walked: Walked::default(), anew: false });
        };
        // One that cannot be looked at is looked into, which says why.
        let length = std::fs::metadata(self.cabinet.path(number)).map_or(u64::MAX, |m| m.len());
        if length < walked.next {
            return Some(Task { number, walked: Walked::default(), anew: true });
        }
        let is_done = length == walked.length && length == walked.next;
        (!is_done).then(|| Task { number, walked: walked.clone(), anew: false })
    }

    fn run(
        &self,
        scan: &mut Scan,
        tasks: Vec<Task>,
        observe: &mut dyn FnMut(ScanProgress) -> ControlFlow<()>,
    ) -> Result<(), BlockFilesError> {
        let (files, readers) = (tasks.len(), READERS.min(tasks.len()));
        let stop = AtomicBool::new(false);
        let tasks = Mutex::new(tasks.into_iter().enumerate());
        let (sender, outcomes) = channel();
        let mut order = InOrder::default();
        let mut result = Ok(());
        thread::scope(|scope| {
            for _ in 0..readers {
                let (tasks, stop, sender) = (&tasks, &stop, sender.clone());
                scope.spawn(move || {
                    loop {
                        let Some((at, task)) = tasks.lock().next() else { break };
                        // Nobody listens any more if something went wrong over there.
                        if sender.send((at, self.look_into(task, stop))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            loop {
                match outcomes.recv_timeout(LOOK) {
                    Ok((at, outcome)) => order.waiting.extend([(at, outcome)]),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                while let Some(outcome) = order.next() {
                    let taken = self.take(scan, outcome);
                    if result.is_ok() {
                        result = taken;
                    }
                }
                let progress = ScanProgress { files_done: order.done, files, blocks: self.len() };
                if observe(progress).is_break() {
                    stop.store(true, Ordering::Relaxed);
                    tasks.lock().by_ref().for_each(drop);
                }
            }
        });
        if stop.into_inner() { Err(BlockFilesError::Cancelled) } else { result }
    }

    fn look_into(&self, mut task: Task, stop: &AtomicBool) -> Outcome {
        let mut records = Vec::new();
        let walker = Walker { coin: &self.coin, key: self.cabinet.key, stop };
        let result = File::open(self.cabinet.path(task.number)).and_then(|file| {
            read_here_and_there(&file);
            walker.walk(&file, task.number, &mut task.walked, |record| records.push(record))
        });
        let result = result.map(|anew| task.anew |= anew);
        Outcome { task, records, result }
    }

    /// Takes over what a file holds.
    fn take(&self, scan: &mut Scan, outcome: Outcome) -> Result<(), BlockFilesError> {
        let Outcome { task: Task { number, walked, anew }, records, result } = outcome;
        if anew {
            self.forget(number);
        }
        if !records.is_empty() {
            let mut index = self.index.write();
            records.into_iter().for_each(|record| index.insert(record));
        }
        match result {
            Ok(()) => {
                scan.files.insert(number, walked);
                Ok(())
            }
            // It went away, or got shorter, just now: the next refresh looks again.
            Err(error) if has_moved(&error) => {
                scan.files.remove(&number);
                Ok(())
            }
            Err(source) => Err(BlockFilesError::Read { path: self.cabinet.path(number), source }),
        }
    }

    fn forget(&self, number: u32) {
        self.cabinet.close(number);
        self.index.write().forget_file(number);
    }
}

/// Outcomes in the order of their files: of two copies of a block the later one counts, of two chains with equal work
/// the one seen first.
#[derive(Default)]
struct InOrder {
    waiting: BTreeMap<usize, Outcome>,
    done: usize,
}

impl InOrder {
    fn next(&mut self) -> Option<Outcome> {
        let outcome = self.waiting.remove(&self.done)?;
        self.done += 1;
        Some(outcome)
    }
}

/// Keeps the system from reading ahead where only headers are read.
#[cfg(target_os = "linux")]
fn read_here_and_there(file: &File) {
    // Only advice: without it the result is the same.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

#[cfg(not(target_os = "linux"))]
fn read_here_and_there(_: &File) {}
