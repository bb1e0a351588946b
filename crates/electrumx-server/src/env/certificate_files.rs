//! `SSL_CERTFILE` and `SSL_KEYFILE`.

use std::path::{Path, PathBuf};

use super::note::Notes;
use super::settings::Settings;
use super::variables::{SSL_CERTFILE, SSL_KEYFILE};

/// Where a certificate and its key are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    /// The certificate, and those that lead to its issuer, as PEM.
    pub certificate: PathBuf,
    /// The private key as PEM.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads the variables; relative names are below the database directory.
    pub(crate) fn read(
        settings: &mut Settings,
        db_directory: &Path,
        is_used: bool,
        notes: &mut Notes,
    ) -> Option<Self> {
        let file = |variable| Some(db_directory.join(settings.path(variable)?));
        match (file(&SSL_CERTFILE), file(&SSL_KEYFILE)) {
            (Some(certificate), Some(key)) => {
                if !is_used {
                    notes.info("SSL_CERTFILE is not used: SERVICES has no ssl:// and no wss://");
                }
                Some(Self { certificate, key })
            }
            (Some(_), None) => {
                settings.problem(&SSL_KEYFILE, "not set, but SSL_CERTFILE is: give both");
                None
            }
            (None, Some(_)) => {
                settings.problem(&SSL_CERTFILE, "not set, but SSL_KEYFILE is: give both");
                None
            }
            (None, None) => None,
        }
    }
}
