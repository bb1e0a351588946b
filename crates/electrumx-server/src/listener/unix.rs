//! Unix sockets.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::net::{UnixListener, UnixStream};

/// Owner and group may connect.
const MODE: u32 = 0o660;

/// A listening Unix socket. Its file is removed when it is dropped.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Number of the file, which another process may have replaced meanwhile.
    inode: u64,
}

impl UnixSocket {
    /// Listens. A socket file that nobody listens on, as a crash leaves it, is replaced.
    ///
    /// # Errors
    /// When another process listens there, or the file is none of ours.
    pub(super) fn bind(path: &Path) -> anyhow::Result<Self> {
        remove_stale(path)?;
        let open = || -> io::Result<Self> {
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
            Ok(Self { listener, path: path.into(), inode: fs::metadata(path)?.ino() })
        };
        open().with_context(|| {
            format!("cannot listen on unix://{}; is SERVICES right?", path.display())
        })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            // When it cannot be removed the next start does it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err).with_context(|| format!("cannot use unix://{shown}")),
        Ok(file) if !file.file_type().is_socket() => {
            bail!("{shown} exists and is no socket; remove it, or correct SERVICES")
        }
        Ok(_) => {}
    }
    match BlockingStream::connect(path) {
        Ok(_) => bail!("another process listens on unix://{shown}; is a server running there?"),
        Err(err) if err.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)
            .with_context(|| format!("cannot remove {shown}, which an earlier server left")),
        Err(err) => Err(err).with_context(|| format!("cannot tell who owns unix://{shown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stale_files_are_replaced_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let socket = UnixSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        let error = UnixSocket::bind(&path).unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
        drop(socket);
        assert!(!path.exists());

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as a crash leaves it");
        let socket = UnixSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(socket);
        let error = UnixSocket::bind(&path).unwrap_err().to_string();
        assert!(error.contains("is no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
