//! TLS for listeners: rustls on ring, HTTP/1.1 only.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};

/// What a listener needs to speak TLS; cheap to clone.
pub type Tls = Arc<ServerConfig>;

/// Why a certificate and its key cannot be used.
#[derive(Debug)]
pub enum TlsError {
    /// The certificate file cannot be read as PEM.
    Certificate(pem::Error),
    /// The key file cannot be read as PEM.
    Key(pem::Error),
    /// The two do not make a server.
    Unfit(rustls::Error),
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(e) => write!(f, "the certificate cannot be read: {e}"),
            Self::Key(e) => write!(f, "the key cannot be read: {e}"),
            Self::Unfit(e) => write!(f, "certificate and key cannot be used: {e}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// From a PEM file with the certificate and its chain, and one with its key.
pub fn from_files(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(TlsError::Key)?;
    from_parts(chain, key)
}

/// From a certificate with its chain, and its key.
pub fn from_parts(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Tls, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
