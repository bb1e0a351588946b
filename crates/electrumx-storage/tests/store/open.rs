//! Directories that are refused, and how.

use std::fs;
use std::path::Path;

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_storage::{Identity, LmdbStore, OpenError, Options};

use crate::common::{child, child_dir, identity, open, options};

fn refuse(dir: &Path, identity: &Identity) -> OpenError {
    LmdbStore::open(dir, identity, options()).unwrap_err()
}

#[test]
fn a_directory_is_created_with_its_parents() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("some/where");
    drop(open(&inner));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&inner), 0o700);
        assert_eq!(mode(&inner.join("tip.mdb")) & 0o077, 0);
    }
}

#[test]
fn another_chain_is_refused_and_the_store_stays_usable() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let coin = refuse(dir.path(), &Identity { coin: "Namecoin".into(), ..identity() });
    assert!(matches!(coin, OpenError::WrongCoin { .. }), "{coin}");
    assert!(coin.to_string().contains("of coin Bitcoin, not Namecoin"), "{coin}");
    let net = refuse(dir.path(), &Identity { net: "mainnet".into(), ..identity() });
    assert!(matches!(net, OpenError::WrongNet { .. }), "{net}");
    assert!(net.to_string().contains("of network regtest, not mainnet"), "{net}");
    let genesis = BlockHash::all_zeros();
    let genesis = refuse(dir.path(), &Identity { genesis, ..identity() });
    assert!(matches!(genesis, OpenError::WrongGenesis { .. }), "{genesis}");
    drop(open(dir.path()));
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("hist")).unwrap();
    let error = refuse(dir.path(), &identity());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("it holds hist"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_of_another_kind_is_refused() {
    for bytes in [vec![0; 100], b"SQLite format 3\0".repeat(1000)] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tip.mdb"), &bytes).unwrap();
        let error = refuse(dir.path(), &identity());
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert_eq!(fs::read(dir.path().join("tip.mdb")).unwrap(), bytes);
    }
}

#[test]
fn a_path_that_is_or_leads_through_a_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = refuse(&path, &identity());
        assert!(matches!(error, OpenError::Access { .. }), "{error:?}");
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
}

#[test]
fn a_table_file_that_is_a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tip.mdb")).unwrap();
    let error = refuse(dir.path(), &identity());
    assert!(matches!(error, OpenError::Access { .. }), "{error:?}");
}

/// Permissions bind everyone but root.
#[cfg(unix)]
#[test]
fn a_directory_without_permission_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        // The tests above show the same error where root meets it, too.
        return;
    }
    for mode in [0o500, 0o000] {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = refuse(dir.path(), &identity());
        assert!(matches!(error, OpenError::Access { .. }), "{error:?}");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_store_in_use_is_refused_in_this_process() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let error = refuse(dir.path(), &identity());
    let own = std::process::id();
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == own), "{error}");
}

#[test]
fn a_store_in_use_is_refused_in_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let output = child("open::refused_as_locked", dir.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[test]
#[ignore = "run by a_store_in_use_is_refused_in_another_process"]
fn refused_as_locked() {
    let error = refuse(&child_dir(), &identity());
    assert!(matches!(error, OpenError::Locked { pid: Some(_), .. }), "{error:?}");
    assert!(error.to_string().contains("in use by process"), "{error}");
}

#[test]
fn a_map_that_no_system_gives_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { map_size_bytes: usize::MAX / 4, ..options() };
    let error = LmdbStore::open(dir.path(), &identity(), options).unwrap_err();
    assert!(matches!(error, OpenError::Map { .. }), "{error:?}");
    drop(open(dir.path()));
}
