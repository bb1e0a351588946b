//! What answers cost.
#![expect(clippy::print_stdout, reason = "the report is the purpose")]

use std::time::{Duration, Instant};

use super::Samples;
use super::questions::Kind;
use crate::{Connection, cpu_of, micros};

/// Rounds of each kind.
const ROUNDS: usize = 3;

/// Asks all kinds of questions and prints what they cost: the latency of one at a time, and the server's CPU time when they are
/// pipelined (only of kinds whose name contains `only`), of the cheapest of three rounds. With `fresh`, the server's caches are empty and what is asked first is reported as well.
///
/// # Errors
/// When the connection breaks, or an answer is an error.
pub fn measure(
    server: &mut Connection,
    pid: Option<u32>,
    samples: &Samples,
    requests: usize,
    fresh: bool,
    only: &str,
) -> anyhow::Result<()> {
    println!(
        "chain of {} blocks; {} transactions, {} scripts with {} history entries",
        samples.tip + 1,
        samples.txids.len(),
        samples.scripts.len(),
        samples.entries
    );
    println!(
        "{:<44} {:>8} {:>10} {:>10} {:>12} {:>14}",
        "request", "count", "p50 µs", "p99 µs", "pipelined µs", "server CPU µs"
    );
    for kind in samples.kinds(fresh) {
        if !kind.name.contains(only) {
            continue;
        }
        let Kind { name, question, once, together, few } = &kind;
        let count = few.unwrap_or(requests).min(once.unwrap_or(usize::MAX));
        // What may be asked only once is not asked one at a time.
        let latency = match once {
            Some(_) => Vec::new(),
            None => latencies(server, count.min(1_000), *together, question)?,
        };
        // The machine has other things to do: the cheapest round is the one that says most. What may be asked only once is split.
        let in_round = if once.is_some() { count / ROUNDS } else { count };
        let (mut wall, mut cpu) = (Duration::MAX, None::<Duration>);
        for round in 0..ROUNDS {
            let first = if once.is_some() { round * in_round } else { 0 };
            let before = pid.map(cpu_of).transpose()?;
            let started = Instant::now();
            let questions = first * together..(first + in_round) * together;
            server.pipeline(questions.map(question))?;
            wall = wall.min(started.elapsed());
            let after = pid.map(cpu_of).transpose()?;
            let spent = before.zip(after).map(|(before, after)| after.saturating_sub(before));
            cpu = [cpu, spent].into_iter().flatten().min();
        }
        let percentile = |percent: usize| match latency.get(latency.len() * percent / 100) {
            Some(latency) => format!("{:.0}", micros(*latency, 1)),
            None => "-".to_owned(),
        };
        println!(
            "{name:<44} {count:>8} {:>10} {:>10} {:>12.1} {:>14}",
            percentile(50),
            percentile(99),
            micros(wall, in_round),
            cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{:.2}", micros(cpu, in_round)))
        );
    }
    Ok(())
}

fn latencies(
    server: &mut Connection,
    count: usize,
    together: usize,
    question: &dyn Fn(usize) -> String,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(count);
    for i in 0..count {
        let started = Instant::now();
        for part in 0..together {
            server.ask(&question(i * together + part))?;
        }
        latencies.push(started.elapsed());
    }
    latencies.sort_unstable();
    Ok(latencies)
}
