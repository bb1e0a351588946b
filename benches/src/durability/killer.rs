//! Killing what makes an index.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use electrumx_core::Index as _;
use electrumx_core::coin::{Bitcoin, Network};

use super::make::open;
use super::report::{Kill, KillReport};
use super::stage::Stage;
use crate::BlockDir;

/// Kills processes that make an index, and compares what comes out in the end.
#[expect(missing_debug_implementations, reason = "a function has none")]
pub struct Killer<'a> {
    blocks: &'a BlockDir,
    /// Where the indexes go.
    dir: &'a Path,
    /// Gives the command that calls [`make`](super::make) with an index of this path.
    command: &'a dyn Fn(&Path) -> Command,
    rng: fastrand::Rng,
    indexes: u32,
}

/// An index that nobody has disturbed.
struct Clean {
    digest: [u8; 32],
    /// Time each stage took.
    secs: BTreeMap<Stage, f64>,
}

/// When to kill.
#[derive(Clone, Copy)]
struct Aim {
    stage: Stage,
    /// Time after the stage has begun.
    after: Duration,
}

impl<'a> Killer<'a> {
    /// Prepares to work in a folder, with instants that the seed decides.
    #[must_use]
    pub fn new(
        blocks: &'a BlockDir,
        dir: &'a Path,
        command: &'a dyn Fn(&Path) -> Command,
        seed: u64,
    ) -> Self {
        Self { blocks, dir, command, rng: fastrand::Rng::with_seed(seed), indexes: 0 }
    }

    /// Lets one index be made in peace; then kills so many times, lets the last index be finished, and compares. `note` is
    /// told what happens.
    ///
    /// Half of the instants are spread evenly over the time that the undisturbed run took, the other half over its stages. An
    /// index that is finished before it is its turn to be killed is compared as well, and another begun.
    ///
    /// # Errors
    /// When an index differs from the undisturbed one, is not sound, or cannot be made.
    pub fn run(mut self, kills: u32, note: &mut dyn FnMut(&str)) -> anyhow::Result<KillReport> {
        let clean = self.clean(note)?;
        let mut report = KillReport {
            secs: clean.secs.clone(),
            kills: Vec::new(),
            finished: 0,
            digest: clean.digest,
            utxos: 0,
            amount: 0,
        };
        let mut db = self.next_index();
        let (mut killed, mut missed) = (false, 0);
        while report.kills.len() < kills as usize {
            let aim = self.aim(report.kills.len(), &clean);
            let Some(stage) = self.kill(&db, aim)? else {
                self.compare(&db, &clean)?;
                report.finished += u32::from(killed);
                note(&format!("index {} was finished, and is the same", self.indexes));
                std::fs::remove_dir_all(&db)?;
                (db, killed) = (self.next_index(), false);
                missed += 1;
                anyhow::ensure!(missed < 4 * kills, "the runs end before they can be killed");
                continue;
            };
            killed = true;
            let kill = Kill { stage, aimed: aim.stage, after: aim.after };
            report.kills.push(kill);
            note(&format!("kill {} of {kills}: {kill}", report.kills.len()));
        }
        Running::start(&mut (self.command)(&db))?.finish()?;
        self.compare(&db, &clean)?;
        report.finished += u32::from(killed);
        (report.utxos, report.amount) = self.check(&db)?;
        std::fs::remove_dir_all(&db)?;
        Ok(report)
    }

    fn next_index(&mut self) -> PathBuf {
        self.indexes += 1;
        self.dir.join(format!("index-{}", self.indexes))
    }

    fn clean(&self, note: &mut dyn FnMut(&str)) -> anyhow::Result<Clean> {
        let db = self.dir.join("clean");
        let Finished { stages, remark } = Running::start(&mut (self.command)(&db))?.finish()?;
        let secs = stages.windows(2).map(|pair| (pair[0].0, (pair[1].1 - pair[0].1).as_secs_f64()));
        let secs = secs.collect();
        let digest = open(&db)?.digest()?;
        std::fs::remove_dir_all(&db)?;
        note(&format!("an undisturbed index is made; {remark}"));
        Ok(Clean { digest, secs })
    }

    fn aim(&mut self, number: usize, clean: &Clean) -> Aim {
        let stages: Vec<_> = clean.secs.iter().map(|(stage, secs)| (*stage, *secs)).collect();
        let secs = if number.is_multiple_of(2) {
            let mut instant = self.rng.f64() * stages.iter().map(|(_, secs)| secs).sum::<f64>();
            for &(stage, secs) in &stages {
                if instant < secs {
                    return Aim { stage, after: Duration::from_secs_f64(instant) };
                }
                instant -= secs;
            }
            0.0
        } else {
            self.rng.f64()
        };
        let (stage, whole) = stages[number / 2 % stages.len()];
        Aim { stage, after: Duration::from_secs_f64(secs * whole) }
    }

    /// Goes on with an index, kills, and returns the stage that was hit; none when the index was finished instead.
    fn kill(&self, db: &Path, aim: Aim) -> anyhow::Result<Option<Stage>> {
        let mut running = Running::start(&mut (self.command)(db))?;
        let began = loop {
            let Some((stage, at)) = running.next_stage(None) else {
                running.finish()?;
                return Ok(None);
            };
            if stage == aim.stage {
                break at;
            }
            if stage > aim.stage {
                // What is left of this index lies behind that.
                running.finish()?;
                return Ok(None);
            }
        };
        while running.next_stage(Some(began + aim.after)).is_some() {}
        running.kill()
    }

    fn compare(&self, db: &Path, clean: &Clean) -> anyhow::Result<()> {
        let store = open(db)?;
        let (view, totals) = (store.view()?, self.blocks.totals());
        let tip = view.tip().map(|tip| tip.hash.to_string());
        anyhow::ensure!(
            view.tx_count() == totals.txs && tip.as_deref() == Some(self.blocks.tip()),
            "{}: {} transactions up to {tip:?}",
            db.display(),
            view.tx_count()
        );
        let digest = store.digest()?;
        anyhow::ensure!(
            digest == clean.digest,
            "{} differs from an index that was made in peace",
            db.display()
        );
        Ok(())
    }

    /// Walks an index, and returns its unspent outputs and their amount, which must be the generator's.
    fn check(&self, db: &Path) -> anyhow::Result<(u64, u64)> {
        let found = open(db)?.check(&Bitcoin::new(Network::Regtest), &mut ())?;
        let totals = self.blocks.totals();
        anyhow::ensure!(found.is_sound(), "the index is damaged: {:?}", found.descriptions);
        anyhow::ensure!(
            (found.utxos, found.amount) == (totals.utxos, totals.utxo_sat),
            "{} unspent outputs of {} satoshis instead of {} of {}",
            found.utxos,
            found.amount,
            totals.utxos,
            totals.utxo_sat
        );
        Ok((found.utxos, found.amount))
    }
}

/// A process that makes an index.
struct Running {
    child: Child,
    lines: Receiver<(Instant, String)>,
    stages: Vec<(Stage, Instant)>,
    remark: String,
}

/// What a process has told that has ended well.
struct Finished {
    stages: Vec<(Stage, Instant)>,
    /// Its last line.
    remark: String,
}

impl Running {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start a process")?;
        let output = child.stdout.take().context("the output is a pipe")?;
        let (sender, lines) = channel();
        // Ends with the process, or when nobody listens.
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.map(|line| (Instant::now(), line)).try_for_each(|line| sender.send(line))
        });
        Ok(Self { child, lines, stages: Vec::new(), remark: String::new() })
    }

    /// Waits for the next stage; none when it is too late for that, or when the process has ended.
    fn next_stage(&mut self, until: Option<Instant>) -> Option<(Stage, Instant)> {
        loop {
            let received = match until {
                None => self.lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => {
                    self.lines.recv_timeout(until.saturating_duration_since(Instant::now()))
                }
            };
            let (at, line) = received.ok()?;
            match Stage::named(&line) {
                Some(stage) => {
                    self.stages.push((stage, at));
                    return Some((stage, at));
                }
                None => self.remark = line,
            }
        }
    }

    /// Lets it end.
    fn finish(mut self) -> anyhow::Result<Finished> {
        while self.next_stage(None).is_some() {}
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "an index was not made: {status}");
        Ok(Finished { stages: self.stages, remark: self.remark })
    }

    /// Kills it; none if it had come to its end.
    fn kill(mut self) -> anyhow::Result<Option<Stage>> {
        // On Unix this is SIGKILL.
        self.child.kill()?;
        let status = self.child.wait()?;
        while self.next_stage(None).is_some() {}
        anyhow::ensure!(status.success() || was_killed(status), "an index was not made: {status}");
        let last = self.stages.last().map(|(stage, _)| *stage);
        Ok(last.filter(|stage| *stage != Stage::Done))
    }
}

fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}
