//! Every committed seed of every target, and mutations of it, through the target's check. Not a search, as cargo-fuzz
//! makes one, but the same functions, on any compiler.

use std::path::Path;

use electrumx_fuzz_checks::CHECKS;

/// Mutations of each seed.
const MUTATIONS: u64 = 1000;

/// A small generator of numbers (`SplitMix64`): the same at each run.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end as u64).max(1)).expect("it is smaller than `end`")
    }
}

/// Cuts, changes, doubles or joins.
fn mutated(seed: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=rng.below(3) {
        let (at, len) = (rng.below(bytes.len()), rng.below(8));
        let end = (at + len).min(bytes.len());
        match rng.below(5) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] = rng.next().to_le_bytes()[0],
            2 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
            3 => {
                let piece = bytes[at.min(end)..end].to_vec();
                bytes.splice(at.min(end)..at.min(end), piece);
            }
            _ => bytes.extend_from_slice(&other[rng.below(other.len())..]),
        }
    }
    bytes
}

#[test]
fn every_seed_and_mutations_of_it_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut folders: Vec<_> = std::fs::read_dir(root.join("seeds"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, CHECKS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, check) in CHECKS {
        assert!(root.join(format!("fuzz_targets/{name}.rs")).is_file(), "no target {name}");
        let mut files: Vec<_> = std::fs::read_dir(root.join("seeds").join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(files.len() >= 2, "too few seeds of {name}");
        let seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        let mut rng = Rng(1);
        for (seed, file) in seeds.iter().zip(&files) {
            check_one(*check, seed, file);
            for _ in 0..MUTATIONS {
                let other = &seeds[rng.below(seeds.len())];
                check_one(*check, &mutated(seed, other, &mut rng), file);
            }
        }
    }
}

fn check_one(check: fn(&[u8]), bytes: &[u8], file: &Path) {
    if let Err(panic) = std::panic::catch_unwind(|| check(bytes)) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        #[expect(clippy::print_stderr, reason = "the input that was found")]
        {
            eprintln!("from {}, input in hex: {hex}", file.display());
        }
        std::panic::resume_unwind(panic);
    }
}
