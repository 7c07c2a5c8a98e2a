//! The HTTP client that asks model servers, and what is sent along with each request.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Secret;

/// Why a model cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
    #[error("base_url '{0}' is not an http or https address")]
    BaseUrl(String),
    /// A header cannot be sent; its value is not shown.
    #[error("header '{0}' cannot be sent: its name or value has characters that headers may not have")]
    Header(String),
    /// The certificates cannot be read.
    #[error("the certificates cannot be read: {0}")]
    Certificates(String),
    /// The client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// An HTTP client for model servers: one for all models that trust the same certificates. It trusts what the system
/// trusts and the certificates in `extra_ca` (PEM). It follows no redirects, which would take keys elsewhere.
pub fn client(extra_ca: Option<&[u8]>) -> Result<reqwest::Client, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = CertificateDer::pem_slice_iter(extra_ca.unwrap_or_default())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| SetupError::Certificates(error.to_string()))?;
    if extra_ca.is_some() && extra.is_empty() {
        return Err(SetupError::Certificates("there are none in the file".into()));
    }
    let none_given = extra.is_empty();
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client(error.to_string()))?;
    let tls = match rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        // A small container has no certificates, and may need none for a server beside it.
        Err(error) if none_given => {
            tracing::warn!(%error, "no trusted certificates: models can be reached over plain HTTP only");
            builder.with_root_certificates(rustls::RootCertStore::empty())
        }
        Err(error) => return Err(SetupError::Certificates(error.to_string())),
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("sederunt/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| SetupError::Client(error.to_string()))
}

/// Our key and the configured headers. Their values are marked as secrets, which no log shows.
pub fn headers(api_key: Option<&Secret>, others: &[(String, Secret)]) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = api_key {
        let value = format!("Bearer {}", key.expose());
        headers.insert(AUTHORIZATION, secret_value(&value, "authorization")?);
    }
    for (name, value) in others {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| SetupError::Header(name.clone()))?;
        headers.insert(header, secret_value(value.expose(), name)?);
    }
    Ok(headers)
}

/// The address of `path` at a server. `base_url` may end with a slash.
pub fn address(base_url: &str, path: &str) -> Result<reqwest::Url, SetupError> {
    let url = reqwest::Url::parse(&format!("{}{path}", base_url.trim_end_matches('/')));
    let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| SetupError::BaseUrl(base_url.to_owned()))
}

fn secret_value(text: &str, name: &str) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SetupError::Header(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
