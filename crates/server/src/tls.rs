//! TLS in this process: the certificate, and how a new one takes its place while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read, or is not PEM.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Both can be read and do not go together.
    #[error("certificate and key do not work: {0}")]
    Unfit(#[from] rustls::Error),
}

/// A certificate and its key, from two PEM files.
#[derive(Debug)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    /// In use for new connections. Read once for each of them.
    config: RwLock<Arc<ServerConfig>>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Arc<Self>, CertificateError> {
        let (certificate, key) = (certificate.into(), key.into());
        let config = RwLock::new(read(&certificate, &key)?);
        Ok(Arc::new(Self {
            certificate,
            key,
            config,
        }))
    }

    /// Reads the files again, for connections that come from now on.
    ///
    /// # Errors
    /// When they cannot be used; then what was in use stays in use.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let config = read(&self.certificate, &self.key)?;
        *self.config.write() = config;
        Ok(())
    }

    /// Reads the files again at each SIGHUP, until `stop`.
    ///
    /// # Errors
    /// When the system lets nobody listen for the signal.
    pub fn reload_on_hangup(
        self: Arc<Self>,
        stop: CancellationToken,
    ) -> std::io::Result<impl Future<Output = ()> + Send> {
        let mut hangup = signal(SignalKind::hangup())?;
        Ok(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    received = hangup.recv() => if received.is_none() { return },
                }
                // Two small files, and seldom: not worth another thread.
                match self.reload() {
                    Ok(()) => tracing::info!("The TLS certificate was read again"),
                    Err(error) => {
                        tracing::error!(%error, "The new TLS certificate cannot be used; the old one stays");
                    }
                }
            }
        })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.config.read().clone().into()
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let unreadable = |path: &Path, reason: String| CertificateError::File {
        path: path.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable(
            certificate,
            "there is no certificate in it".to_owned(),
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error.to_string()))?;
    // Named here, because a process whose libraries bring two of them has no default.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
