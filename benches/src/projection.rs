//! What a measured sync would take on main network and other machines.

use std::fmt;

use crate::{Cost, Report};

/// A chain to project to.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Transactions.
    pub txs: u64,
    /// Inputs.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
    /// Bytes of all blocks.
    pub bytes: u64,
}

impl Target {
    /// Bitcoin's main network at height 951,801. Transactions are counted; inputs, outputs and bytes are estimates, good
    /// to 5 %.
    pub const MAINNET: Self = Self {
        txs: 1_368_093_517,
        inputs: 3_450_000_000,
        outputs: 3_700_000_000,
        bytes: 700_000_000_000,
    };
}

/// A disk, by what it reads and writes in long runs.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// What it is called.
    pub name: &'static str,
    /// Bytes a second, reading and writing in turns.
    pub bytes_per_sec: u64,
}

/// Disks as they are sold, on the careful side.
pub const DISKS: [Disk; 3] = [
    Disk { name: "NVMe", bytes_per_sec: 1_500_000_000 },
    Disk { name: "SATA SSD", bytes_per_sec: 450_000_000 },
    Disk { name: "HDD", bytes_per_sec: 120_000_000 },
];

/// Cores of the machines projected to.
pub const CORES: [u32; 3] = [2, 8, 16];

/// A measured sync, scaled to a larger chain.
#[derive(Clone, Copy, Debug)]
pub struct Projection<'r> {
    report: &'r Report,
    target: Target,
    /// Cores that a phase can keep busy at most.
    scales_to: u32,
}

impl<'r> Projection<'r> {
    /// Projects a report to another chain; no phase is taken to keep more than `scales_to` cores busy.
    #[must_use]
    pub const fn new(report: &'r Report, target: Target, scales_to: u32) -> Self {
        Self { report, target, scales_to }
    }

    /// How much larger the target is, in inputs and outputs: work and rows go by them.
    #[must_use]
    pub fn factor(&self) -> f64 {
        let chain = &self.report.chain;
        float(self.target.inputs + self.target.outputs) / float(chain.inputs + chain.outputs)
    }

    /// CPU seconds of all phases.
    #[must_use]
    pub fn cpu_secs(&self) -> f64 {
        self.report.total.cpu_secs * self.factor()
    }

    /// Bytes of the finished index.
    #[must_use]
    pub fn database_bytes(&self) -> f64 {
        float(self.report.database_bytes) / float(self.report.chain.txs) * float(self.target.txs)
    }

    /// Hours of all phases: each takes as long as its CPU time on the cores or its bytes on the disk, whichever
    /// is more.
    #[must_use]
    pub fn hours(&self, cores: u32, disk: Disk) -> f64 {
        let phases = self.report.phases.iter();
        phases.map(|phase| self.phase_secs(phase, cores, disk)).sum::<f64>() / 3_600.0
    }

    fn phase_secs(&self, phase: &Cost, cores: u32, disk: Disk) -> f64 {
        let cpu = phase.cpu_secs * self.factor() / f64::from(cores.min(self.scales_to));
        // What is read is above all the blocks.
        let longer = float(self.target.bytes) / float(self.report.chain.bytes);
        let bytes = float(phase.read_bytes) * longer + float(phase.disk_bytes) * self.factor();
        cpu.max(bytes / float(disk.bytes_per_sec))
    }
}

/// A table in Markdown.
impl fmt::Display for Projection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:.0} times the measured chain: {:.1} CPU hours, {:.0} GB written, an index of {:.0} GB\n",
            self.factor(),
            self.cpu_secs() / 3_600.0,
            float(self.report.total.disk_bytes) * self.factor() / 1e9,
            self.database_bytes() / 1e9
        )?;
        write!(f, "| cores |")?;
        DISKS.iter().try_for_each(|disk| {
            write!(f, " {}, {} MB/s |", disk.name, disk.bytes_per_sec / 1_000_000)
        })?;
        writeln!(f, "\n|---|{}", "---|".repeat(DISKS.len()))?;
        for cores in CORES {
            write!(f, "| {cores} |")?;
            DISKS.iter().try_for_each(|disk| write!(f, " {:.1} h |", self.hours(cores, *disk)))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Totals;

    fn phase(cpu_secs: f64, read_bytes: u64, disk_bytes: u64) -> Cost {
        Cost { cpu_secs, read_bytes, disk_bytes, ..Cost::sum("phase", []) }
    }

    #[test]
    fn each_phase_waits_for_cores_or_disk() {
        let phases = vec![phase(16.0, 1_000, 1_000), phase(1.0, 6_000, 4_000)];
        let report = Report {
            chain: Totals { txs: 10, inputs: 40, outputs: 60, bytes: 1_000, ..Totals::default() },
            engine: String::new(),
            budget_mib: 0,
            floor: phase(1.0, 0, 0),
            total: Cost::sum("total", &phases),
            phases,
            database_bytes: 500,
        };
        let target = Target { txs: 100, inputs: 400, outputs: 600, bytes: 20_000 };
        let projection = Projection::new(&report, target, 4);
        let disk = Disk { name: "", bytes_per_sec: 1_000 };
        // 160 s on 4 of the 8 cores; 6,000 bytes twenty times and 4,000 ten times.
        let hours = projection.hours(8, disk);
        assert!((hours * 3_600.0 - (40.0 + 160.0)).abs() < 1e-6, "{hours}");
        assert!((projection.database_bytes() - 5_000.0).abs() < 1e-6);
    }
}
