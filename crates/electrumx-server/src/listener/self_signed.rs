//! A certificate of our own making.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};

use crate::env::CertificateFiles;

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// How long it is valid. Wallets pin such a certificate, so a new one is an alarm to their users.
const VALIDITY: Duration = Duration::from_secs(20 * 365 * 86_400);

/// Clocks of clients may be behind by this.
const BACKDATED: Duration = Duration::from_secs(86_400);

/// Returns the certificate kept in `dir`, which is made for `names` when there is none.
///
/// It is what wallets accept and pin: a self-signed leaf, X.509 version 3, with names and addresses.
///
/// # Errors
/// When it cannot be written, or its key is gone.
pub(super) fn find_or_make(dir: &Path, names: &[String]) -> anyhow::Result<CertificateFiles> {
    let files = CertificateFiles { certificate: dir.join(CERTIFICATE), key: dir.join(KEY) };
    match (files.certificate.exists(), files.key.exists()) {
        (true, true) => return Ok(files),
        (true, false) => bail!(
            "{} is there but its key {} is not; restore it, or delete the certificate to have a new one made, at which wallets that know the old one will warn",
            files.certificate.display(),
            files.key.display()
        ),
        // A key alone is what an interrupted start leaves.
        (false, _) => {}
    }
    make(dir, &files, names)
        .with_context(|| format!("cannot make a TLS certificate in {}", dir.display()))?;
    tracing::info!("made a TLS certificate for {}: keep {}", names.join(", "), dir.display());
    Ok(files)
}

fn make(dir: &Path, files: &CertificateFiles, names: &[String]) -> anyhow::Result<()> {
    let mut params = CertificateParams::new(names)?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    params.not_before = epoch + now.saturating_sub(BACKDATED);
    params.not_after = epoch + now + VALIDITY;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, name.as_str());
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;

    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    install(&files.key, key.serialize_pem().as_bytes(), 0o600)?;
    install(&files.certificate, certificate.pem().as_bytes(), 0o644)?;
    File::open(dir)?.sync_all()?;
    Ok(())
}

/// Writes a file as a whole or not at all.
fn install(file: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    // Left over with other permissions, perhaps.
    if new.exists() {
        fs::remove_file(&new)?;
    }
    let mut output = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    output.write_all(content)?;
    output.sync_all()?;
    fs::rename(new, file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_and_the_key_is_the_owners() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("tls");
        let names = ["example.org".to_owned(), "192.0.2.1".into(), "::1".into()];
        let files = find_or_make(&dir, &names).unwrap();
        let read = || fs::read_to_string(&files.certificate).unwrap();
        let made = read();
        assert_eq!(find_or_make(&dir, &[]).unwrap(), files);
        assert_eq!(read(), made);
        assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);

        fs::remove_file(&files.key).unwrap();
        let error = find_or_make(&dir, &names).unwrap_err().to_string();
        assert!(error.contains("key.pem is not"), "{error}");
        fs::remove_file(&files.certificate).unwrap();
        find_or_make(&dir, &names).unwrap();
        assert_ne!(read(), made);
    }
}
