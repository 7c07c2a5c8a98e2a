//! TLS to the database: rustls behind the client library's trait, the server's certificate believed as far as the URL
//! asks, and bound to the password exchange.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::DatabaseError;
use super::address::{TlsFiles, Trust};
use super::binding::end_point;

/// Makes TLS connections to the hosts of one URL.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Reads the certificates and keys.
    pub(super) fn new(trust: Trust, files: &TlsFiles) -> Result<Self, DatabaseError> {
        let provider = Arc::new(default_provider());
        let of = |why: rustls::Error| DatabaseError::Tls { why: why.to_string() };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(of)?;
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            Trust::Plain | Trust::Anyone => Arc::new(Believing { provider, chain: None }),
            Trust::Authority => Arc::new(Believing { chain: Some(chain(files, Arc::clone(&provider))?), provider }),
            Trust::Name => chain(files, provider)?,
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
                builder.with_client_auth_cert(certificates(certificate)?, key).map_err(of)?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(DatabaseError::Tls { why: "sslcert and sslkey go together".to_owned() }),
        };
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

fn unreadable(path: &Path, error: &impl ToString) -> DatabaseError {
    DatabaseError::Tls { why: format!("{} cannot be read: {}", path.display(), error.to_string()) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unreadable(path, &"it holds no certificate")),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Looks for a chain from the server's certificate to the authorities of the file, or to the system's.
fn chain(files: &TlsFiles, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, DatabaseError> {
    let why = |error: &dyn std::fmt::Display| DatabaseError::Tls { why: error.to_string() };
    let Some(path) = &files.root else {
        let of_system = rustls_platform_verifier::Verifier::new(provider).map_err(|error| why(&error))?;
        return Ok(Arc::new(of_system));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unreadable(path, &error))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map(|verifier| verifier as _).map_err(|error| why(&error))
}

/// Believes any certificate, or any with a chain, whatever name is in it.
#[derive(Debug)]
struct Believing {
    provider: Arc<CryptoProvider>,
    chain: Option<Arc<dyn ServerCertVerifier>>,
}

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is looked at last: the chain is good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Secured;
    type TlsConnect = To;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<To> {
        Ok(To { connector: self.0.clone(), host: host.to_owned() })
    }
}

/// TLS to one host.
pub(super) struct To {
    connector: TlsConnector,
    host: String,
}

impl TlsConnect<Socket> for To {
    type Stream = Secured;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Secured>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let name =
                ServerName::try_from(self.host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            self.connector.connect(name, socket).await.map(|stream| Secured(Box::new(stream)))
        })
    }
}

/// A connection under TLS.
pub(super) struct Secured(Box<TlsStream<Socket>>);

impl tokio_postgres::tls::TlsStream for Secured {
    fn channel_binding(&self) -> ChannelBinding {
        let certificates = self.0.get_ref().1.peer_certificates().unwrap_or_default();
        let binding = certificates.first().and_then(|certificate| end_point(certificate));
        binding.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
