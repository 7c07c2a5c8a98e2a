//! Mutual TLS between nodes: each shows a certificate under the same authority, and takes nobody without one.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sederunt_core::error::{Error, Result};
use sederunt_web::tls::Tls;

use crate::fault::Fault;

/// The PEM files of a node.
#[derive(Clone, Copy, Debug)]
pub struct TlsFiles<'a> {
    /// Its certificate and chain, good for a server and a client.
    pub cert: &'a Path,
    /// The certificate's key.
    pub key: &'a Path,
    /// The authority that every node's certificate is under.
    pub ca: &'a Path,
}

/// What a node shows the others, and whom it takes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerTls {
    /// For its listener.
    pub server: Tls,
    client: Arc<ClientConfig>,
}

impl PeerTls {
    /// From PEM files.
    pub fn from_files(files: TlsFiles<'_>) -> Result<Self, Fault> {
        let unfit = |what: &str, why: &dyn std::fmt::Display| {
            Fault::config("TLS between nodes cannot be spoken", format!("{what}: {why}"), FIX)
        };
        let read = |file: &Path, why: &dyn std::fmt::Display| unfit(&file.display().to_string(), why);
        let certificates = |file: &Path| {
            let read_all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            read_all.map_err(|e| read(file, &e))
        };
        let chain = certificates(files.cert)?;
        let mut roots = RootCertStore::empty();
        for root in certificates(files.ca)? {
            roots.add(root).map_err(|e| read(files.ca, &e))?;
        }
        let roots = Arc::new(roots);
        let key = PrivateKeyDer::from_pem_file(files.key).map_err(|e| read(files.key, &e))?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());

        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), ring.clone()).build();
        let verifier = verifier.map_err(|e| read(files.ca, &e))?;
        let mut server = ServerConfig::builder_with_provider(ring.clone())
            .with_safe_default_protocol_versions()
            .and_then(|tls| tls.with_client_cert_verifier(verifier).with_single_cert(chain.clone(), key.clone_key()))
            .map_err(|e| unfit("certificate and key", &e))?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .and_then(|tls| tls.with_root_certificates(roots).with_client_auth_cert(chain, key))
            .map_err(|e| unfit("certificate and key", &e))?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

const FIX: &str = "check node.tls.cert, node.tls.key and node.tls.ca: PEM files, the certificate signed under the ca";

/// How a client speaks TLS: as this node; without one it trusts nobody, for plain HTTP.
pub(super) fn client(tls: Option<&PeerTls>) -> Result<ClientConfig> {
    if let Some(tls) = tls {
        return Ok(ClientConfig::clone(&tls.client));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(Error::internal)?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}
