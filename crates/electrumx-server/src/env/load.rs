//! Building an [`Env`].

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use electrumx_core::coin::Coin as _;
use electrumx_daemon::ZmqConfig;

use super::blocks_dir::blocks_dir;
use super::certificate_files::CertificateFiles;
use super::coin::coin;
use super::command::{command, config_file, give_flags, task};
use super::electrs;
use super::env_file;
use super::error::EnvError;
use super::limits::SessionLimits;
use super::log::LogConfig;
use super::node::{LocalNode, nodes};
use super::note::Notes;
use super::passthrough::passthrough;
use super::proxies::proxies;
use super::services::{Services, report_services, services};
use super::settings::{Origin, Settings};
use super::surroundings::Surroundings;
use super::variable::{Status, Variable};
use super::variables::{
    ALL, ALLOW_ROOT, ANON_LOGS, BANNER_FILE, BULK_BLOCKS, CACHE_MB, COMPACT_MB,
    DAEMON_POLL_INTERVAL_BLOCKS, DAEMON_POLL_INTERVAL_MEMPOOL, DB_DIRECTORY, DONATION_ADDRESS,
    OBSOLETE, OFFLINE, PEER_DISCOVERY, REORG_LIMIT, TEMP_DIR, ZMQ,
};
use super::{Env, Note};

impl Env {
    /// Reads a configuration: `args` as of a process (the program's name first), what `around` tells, and the file
    /// that `--config` names.
    ///
    /// # Errors
    /// When a value cannot be used, with all such values; also for `--help` and `--version`, see
    /// [`EnvError::exit`].
    pub fn load(
        args: impl IntoIterator<Item = OsString>,
        around: &Surroundings,
    ) -> Result<Self, EnvError> {
        let matches =
            command().try_get_matches_from(electrs::own_flags(args)).map_err(EnvError::Cli)?;
        let mut settings = Settings::default();
        let mut notes = Notes::default();
        if let Some(path) = config_file(&matches) {
            give_file(Path::new(path), &mut settings, &mut notes)?;
        }
        give_environment(around, &mut settings, &mut notes);
        give_flags(&matches, &mut settings);
        note_unused(&settings, &mut notes);

        let log = LogConfig::read(&mut settings, around, &mut notes);
        let local = LocalNode::find(&settings, around);
        let coin = coin(&mut settings, local.as_ref(), &mut notes);
        let chain = coin.chain();
        let offline = settings.boolean(&OFFLINE, false);
        let task = task(&matches);
        let nodes = if offline || task.is_some() {
            if task.is_none() {
                notes.info("no node is asked (OFFLINE)");
            }
            Vec::new()
        } else {
            nodes(&mut settings, local.as_ref(), chain, &mut notes)
        };
        let blocks_dir =
            blocks_dir(&mut settings, local.as_ref(), nodes.first(), chain, &mut notes);
        let db_directory = db_directory(&mut settings, around, chain, &mut notes);
        let millis = 10..=3_600_000;
        let poll_blocks = settings.number(&DAEMON_POLL_INTERVAL_BLOCKS, 1000, millis.clone());
        let poll_mempool = settings.number(&DAEMON_POLL_INTERVAL_MEMPOOL, 2000, millis);
        let Services { listen, unix_sockets } = services(&mut settings, chain, &mut notes);
        let encrypted = listen.iter().any(|service| service.protocol.is_encrypted());
        let certificate =
            CertificateFiles::read(&mut settings, &db_directory, encrypted, &mut notes);
        let env = Self {
            coin,
            nodes,
            blocks_dir,
            offline,
            poll_blocks: Duration::from_millis(poll_blocks),
            poll_mempool: Duration::from_millis(poll_mempool),
            zmq: if offline { ZmqConfig::Off } else { zmq(&mut settings) },
            temp_dir: settings.path(&TEMP_DIR),
            bulk_blocks: settings.number(&BULK_BLOCKS, 5000, 0..=u32::MAX),
            compact_bytes: Some(settings.number(&COMPACT_MB, 2000, 0..=1_000_000_000) * MB)
                .filter(|bytes| *bytes > 0),
            cache_bytes: cache_bytes(&mut settings, around, &mut notes),
            reorg_limit: settings.number(&REORG_LIMIT, chain.reorg_limit, 1..=1_000_000),
            services: listen,
            unix_sockets,
            certificate,
            proxies: proxies(&mut settings),
            report_services: report_services(&mut settings),
            lists_itself: is(&settings, &PEER_DISCOVERY, "self"),
            banner_file: settings.path(&BANNER_FILE).map(|file| db_directory.join(file)),
            db_directory,
            donation_address: settings.text(&DONATION_ADDRESS).unwrap_or_default().to_owned(),
            passthrough: passthrough(&mut settings),
            sessions: SessionLimits::read(&mut settings),
            anon_logs: settings.boolean(&ANON_LOGS, false),
            log,
            task,
            notes: notes_of_process(&settings, around, notes),
        };
        let problems = settings.into_problems();
        if problems.is_empty() { Ok(env) } else { Err(EnvError::Problems(problems)) }
    }
}

fn give_file(path: &Path, settings: &mut Settings, notes: &mut Notes) -> Result<(), EnvError> {
    let failed = |source| EnvError::File { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let assignments = env_file::parse(&text).map_err(|line| {
        let what = format!("line {line} is not of the form NAME=value");
        failed(io::Error::new(io::ErrorKind::InvalidData, what))
    })?;
    for env_file::Assignment { line, name, value } in assignments {
        let origin = Origin::File { path: path.to_owned(), line };
        if let Some(variable) = ALL.iter().find(|variable| variable.name == name) {
            settings.give(variable, &value, origin);
        } else if let Some(&(name, instead)) = OBSOLETE.iter().find(|(n, _)| *n == name) {
            if !value.trim().is_empty() {
                settings.problem_of_name(name, origin, &format!("obsolete; {instead}"));
            }
        } else {
            notes.warn(format!(
                "{name} in {origin} is no setting and is ignored{}",
                resembling(&name)
            ));
        }
    }
    Ok(())
}

fn give_environment(around: &Surroundings, settings: &mut Settings, notes: &mut Notes) {
    for variable in ALL {
        if let Some(value) = around.variables.get(variable.name) {
            settings.give(variable, value, Origin::Environment);
        }
    }
    for &(name, instead) in OBSOLETE {
        match around.variable(name) {
            None => {}
            // Some shells set it for every program.
            Some(_) if name == "HOST" => notes.info(format!("HOST is ignored; {instead}")),
            Some(_) => {
                settings.problem_of_name(
                    name,
                    Origin::Environment,
                    &format!("obsolete; {instead}"),
                );
            }
        }
    }
}

/// Suggests the variable whose name differs least.
fn resembling(name: &str) -> String {
    let same = |a: &str, b: &str| {
        let ends = |(x, y): &(char, char)| x == y;
        let front = a.chars().zip(b.chars()).take_while(ends).count();
        let back = a.chars().rev().zip(b.chars().rev()).take_while(ends).count();
        (front + back).min(a.len().min(b.len()))
    };
    let upper = name.to_uppercase();
    let close = |v: &&Variable| {
        let longest = v.name.len().max(upper.len());
        longest - same(v.name, &upper) <= 2
    };
    let found = ALL.iter().filter(close).max_by_key(|v| same(v.name, &upper));
    found.map_or_else(String::new, |v| format!("; is {} meant?", v.name))
}

/// Says which settings change nothing.
fn note_unused(settings: &Settings, notes: &mut Notes) {
    for variable in ALL {
        let Some(origin) = settings.origin(variable) else { continue };
        // These are what there is.
        let done = variable.name == PEER_DISCOVERY.name
            && (is(settings, variable, "off") || is(settings, variable, "self"));
        match variable.status {
            Status::Later(belongs_to) if !done => notes.warn(format!(
                "{} from {origin} has no effect: this version lacks {belongs_to}",
                variable.name
            )),
            Status::Ignored(why) => {
                notes.info(format!("{} from {origin} is ignored: {why}", variable.name));
            }
            _ => {}
        }
    }
}

/// Tells whether a variable has this value, in any case.
fn is(settings: &Settings, variable: &Variable, value: &str) -> bool {
    settings.text(variable).is_some_and(|text| text.eq_ignore_ascii_case(value))
}

fn db_directory(
    settings: &mut Settings,
    around: &Surroundings,
    chain: &electrumx_core::coin::Chain,
    notes: &mut Notes,
) -> PathBuf {
    let name = format!("{}-{}", chain.coin, chain.net).to_lowercase();
    let default = || Some(around.data_dir()?.join("electrumx").join(name));
    let Some(dir) = settings.path(&DB_DIRECTORY).or_else(default) else {
        settings.problem(&DB_DIRECTORY, "not set, and without HOME there is no default; set it");
        return PathBuf::new();
    };
    if dir.exists() && !dir.is_dir() {
        settings.problem(&DB_DIRECTORY, format!("{} is not a directory", dir.display()));
    }
    notes.info(format!("index of {chain}: in {}", dir.display()));
    dir
}

fn zmq(settings: &mut Settings) -> ZmqConfig {
    let parsed = settings.text(&ZMQ).map(str::parse);
    parsed.unwrap_or(Ok(ZmqConfig::Auto)).unwrap_or_else(|error| {
        settings.problem(&ZMQ, error.to_string());
        ZmqConfig::Off
    })
}

/// ElectrumX's unit.
const MB: u64 = 1_000_000;

fn cache_bytes(settings: &mut Settings, around: &Surroundings, notes: &mut Notes) -> usize {
    let quarter = around.memory_bytes.map_or(u64::MAX, |bytes| bytes / 4 / MB);
    let default = quarter.clamp(64, 1200);
    let cache_mb = settings.number(&CACHE_MB, default, 16..=1_000_000);
    if settings.text(&CACHE_MB).is_none() {
        notes.info(format!("memory for indexing: {cache_mb} MB (CACHE_MB)"));
    }
    let memory_mb = around.memory_bytes.map_or(u64::MAX, |bytes| bytes / MB);
    if cache_mb > memory_mb / 10 * 6 {
        notes.warn(format!("CACHE_MB={cache_mb} is more than 60 % of the memory ({memory_mb} MB)"));
    }
    usize::try_from(cache_mb * MB).unwrap_or(usize::MAX)
}

fn notes_of_process(settings: &Settings, around: &Surroundings, mut notes: Notes) -> Vec<Note> {
    if around.is_root && !settings.boolean(&ALLOW_ROOT, false) {
        notes.warn("running as root, which is not needed; ALLOW_ROOT=1 if it is intended");
    }
    notes.0
}
